"""Manifests: what they say, their layers, what refers to them."""

from __future__ import annotations

from typing import NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.services.manifest_views import Layer, Referrer, parse

from . import needs
from .operation import Call, Query, Resource, operation
from .views import rfc2822

REFERRERS_PAGE = 100


class GetQuery(Query):
    include_modelcard: bool = False


class LayerView(TypedDict):
    """`index` from 0, the base; `command` is the history entry's `created_by` in a list."""

    index: int
    compressed_size: int
    is_remote: bool
    urls: list[str] | None
    command: list[str] | None
    comment: str | None
    author: str | None
    blob_digest: str
    created_datetime: str | None


class ManifestView(TypedDict):
    """`manifest_data` is the manifest as it was pushed; sizes in bytes; an index has no layers."""

    digest: str
    is_manifest_list: bool
    manifest_data: str
    config_media_type: str | None
    layers_compressed_size: int
    layers: list[LayerView] | None
    modelcard: NotRequired[str | None]


class ReferrersQuery(Query):
    artifact_type: str | None = Field(default=None, alias="artifactType")
    limit: int = REFERRERS_PAGE
    next_page: str | None = None


class ReferrerView(TypedDict):
    """`kind`: subject = it names the manifest as its subject; signature, attestation and sbom = it has
    cosign's tag of the manifest, which is `tag`."""

    kind: str
    digest: str
    media_type: str
    artifact_type: str | None
    size: int
    annotations: dict[str, str]
    tag: NotRequired[str]


class ReferrerList(TypedDict):
    referrers: list[ReferrerView]
    next_page: NotRequired[str]


class Manifest(Resource):
    path = "/api/v1/repository/{repository}/manifest/{manifestref}"

    @operation(
        "getRepoManifest",
        "manifest",
        needs.REPO_READ,
        scopes=("repo:read",),
        query=GetQuery,
        answer=ManifestView,
    )
    def get(self, call: Call, repository: str, manifestref: str) -> ManifestView:
        """A manifest by its digest, with its layers and what made them."""
        views = call.registry.content.manifest_views
        found = views.find(call.repository.id, manifestref)
        parsed = parse(found)
        layers = None if parsed.is_index else views.layers(call.repository.id, parsed)
        answer: ManifestView = {
            "digest": found.digest,
            "is_manifest_list": parsed.is_index,
            "manifest_data": found.body.decode(),
            "config_media_type": parsed.config.media_type if parsed.config else None,
            "layers_compressed_size": sum(layer.size for layer in parsed.layers),
            "layers": None if layers is None else [_layer(*numbered) for numbered in enumerate(layers)],
        }
        if call.query.include_modelcard:
            answer["modelcard"] = views.card(call.repository.id, parsed)
        return answer


class Referrers(Resource):
    path = "/api/v1/repository/{repository}/manifest/{manifestref}/referrers"

    @operation(
        "listManifestReferrers",
        "manifest",
        needs.REPO_READ,
        scopes=("repo:read",),
        query=ReferrersQuery,
        answer=ReferrerList,
    )
    def get(self, call: Call, repository: str, manifestref: str) -> ReferrerList:
        """Signatures, attestations, SBOMs and other artifacts about a manifest, each with its type."""
        query: ReferrersQuery = call.query
        found, last = call.registry.content.manifest_views.referrers(
            call.repository.id,
            manifestref,
            artifact_type=query.artifact_type,
            last=(call.page_state() or {}).get("last"),
            limit=min(max(query.limit, 1), REFERRERS_PAGE),
        )
        answer: ReferrerList = {"referrers": [_referrer(one) for one in found]}
        if last is not None:
            answer["next_page"] = call.page({"last": last})
        return answer


def _layer(index: int, layer: Layer) -> LayerView:
    step = layer.step
    return {
        "index": index,
        "compressed_size": layer.descriptor.size,
        "is_remote": layer.is_remote,
        "urls": list(layer.descriptor.urls) or None,
        "command": None if step.created_by is None else [step.created_by],
        "comment": step.comment,
        "author": step.author,
        "blob_digest": layer.descriptor.digest,
        "created_datetime": rfc2822(step.created_ms),
    }


def _referrer(one: Referrer) -> ReferrerView:
    answer: ReferrerView = {
        "kind": one.kind,
        "digest": one.digest,
        "media_type": one.media_type,
        "artifact_type": one.artifact_type,
        "size": one.size,
        "annotations": dict(one.annotations),
    }
    if one.tag is not None:
        answer["tag"] = one.tag
    return answer


RESOURCES = (Manifest, Referrers)
