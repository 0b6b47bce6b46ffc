"""What the tests of tags over the API share: images of ann, and what is said of their tags."""

from __future__ import annotations

import json
from typing import Any

from api_client import Result
from manifest_world import Images
from protocol import OCI_INDEX, OCI_MANIFEST, sha256

from quayframe.data.tables import EventRow

TAG = "repository/ann/app/tag/"
DAY = 86_400


def tags(images: Images, **query: Any) -> list[dict[str, Any]]:
    result = images.ann.get(TAG, params=query)
    assert result.status_code == 200, result.text
    found: list[dict[str, Any]] = result.json["tags"]
    return found


def names(images: Images, **query: Any) -> list[str]:
    return [tag["name"] for tag in tags(images, **query)]


def kind(result: Result) -> tuple[int, str | None]:
    return result.status_code, result.json.get("error_type")


def logged(images: Images, what: str) -> list[dict[str, Any]]:
    rows = images.api.registry.db.rows(
        EventRow.select(EventRow.data).where(EventRow.kind == what).order_by(EventRow.id)
    )
    return [json.loads(data) for (data,) in rows]


def put(images: Images, tag: str, **body: Any) -> Result:
    return images.ann.put(TAG + tag, body)


def restore(images: Images, tag: str, digest: str) -> Result:
    return images.ann.post(f"{TAG}{tag}/restore", {"manifest_digest": digest})


def index(images: Images, tag: str, *children: str) -> str:
    listed = [
        {"mediaType": OCI_MANIFEST, "digest": d, "size": len(images.repo.get(f"manifests/{d}").content)}
        for d in children
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    assert images.repo.put(tag, body, OCI_INDEX).status_code == 201
    return sha256(body)
