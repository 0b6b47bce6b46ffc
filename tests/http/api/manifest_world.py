"""Images in a registry, as the tests of the API make them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from api_client import ApiWorld, Caller
from protocol import OCI_CONFIG, OCI_LAYER, Repo, manifest, sha256


class Images:
    """ann's private repository `ann/app`, and her session."""

    def __init__(self, api: ApiWorld) -> None:
        self.api = api
        self.ann: Caller = api.user("ann")
        owner = api.registry.accounts.principal(api.registry.accounts.get("ann"))
        self.repo: Repo = api.protocol.repo(owner, "app")

    def push(
        self,
        tag: str | None = "v1",
        *,
        labels: Mapping[str, str] | None = None,
        history: list[dict[str, Any]] | None = None,
        layers: int = 1,
        **fields: Any,
    ) -> tuple[str, bytes]:
        """Pushes an image; (digest, manifest)."""
        said = {"architecture": "amd64", "os": "linux", "config": {"Labels": labels}}
        config, data = self.repo.blob(json.dumps(said | {"history": history}).encode())
        made = [self.repo.blob() for _ in range(layers)]
        listed = [(OCI_LAYER, digest, len(content)) for digest, content in made]
        body = manifest((OCI_CONFIG, config, len(data)), listed, **fields)
        answer = self.repo.put(tag or sha256(body), body)
        assert answer.status_code == 201, answer.text
        return sha256(body), body

    @staticmethod
    def path(digest: str, rest: str = "") -> str:
        return f"repository/ann/app/manifest/{digest}{rest}"
