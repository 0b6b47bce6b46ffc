"""Labels of manifests."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from typing_extensions import TypedDict

from quayframe.services.labels import Label as Found

from . import needs
from .operation import Body, Call, Query, Reply, Resource, operation


class ListQuery(Query):
    filter: str = ""


class LabelBody(Body):
    """Without a media type, which is null then, it is guessed from the value."""

    key: str
    value: str
    media_type: Literal["text/plain", "application/json"] | None


class LabelView(TypedDict):
    """`source_type`: manifest, api or internal; only what is of api can be taken away."""

    id: str
    key: str
    value: str
    source_type: str
    media_type: str


class LabelList(TypedDict):
    labels: list[LabelView]


class LabelMade(TypedDict):
    label: LabelView


class Labels(Resource):
    path = "/api/v1/repository/{repository}/manifest/{manifestref}/labels"

    @operation(
        "listManifestLabels",
        "manifest",
        needs.REPO_READ,
        scopes=("repo:read",),
        query=ListQuery,
        answer=LabelList,
    )
    def get(self, call: Call, repository: str, manifestref: str) -> LabelList:
        """A manifest's labels, those whose keys begin with `filter`: its own first, then the added ones."""
        content = call.registry.content
        manifest = content.manifest_views.find(call.repository.id, manifestref)
        return {"labels": [_view(label) for label in content.labels.of(manifest, call.query.filter)]}

    @operation(
        "addManifestLabel",
        "manifest",
        needs.REPO_WRITE,
        scopes=("repo:write",),
        body=LabelBody,
        answer=LabelMade,
        status=201,
    )
    def post(self, call: Call, repository: str, manifestref: str) -> Reply:
        """Adds a label to a manifest."""
        body: LabelBody = call.body
        content = call.registry.content
        manifest = content.manifest_views.find(call.repository.id, manifestref)
        label = content.labels.add(
            call.principal, call.repository, manifest, body.key, body.value, body.media_type
        )
        path = (
            f"/api/v1/repository/{quote(call.repository.full)}/manifest/{manifest.digest}/labels/{label.id}"
        )
        made: LabelMade = {"label": _view(label)}
        return Reply(made, headers={"Location": path})


class Label(Resource):
    path = "/api/v1/repository/{repository}/manifest/{manifestref}/labels/{labelid}"

    @operation("getManifestLabel", "manifest", needs.REPO_READ, scopes=("repo:read",), answer=LabelView)
    def get(self, call: Call, repository: str, manifestref: str, labelid: str) -> LabelView:
        """One label of a manifest."""
        content = call.registry.content
        manifest = content.manifest_views.find(call.repository.id, manifestref)
        return _view(content.labels.get(manifest, labelid))

    @operation(
        "deleteManifestLabel",
        "manifest",
        needs.REPO_WRITE,
        scopes=("repo:write",),
        status=204,
    )
    def delete(self, call: Call, repository: str, manifestref: str, labelid: str) -> None:
        """Takes away a label that was added over the API."""
        content = call.registry.content
        manifest = content.manifest_views.find(call.repository.id, manifestref)
        content.labels.delete(call.principal, call.repository, manifest, labelid)


def _view(label: Found) -> LabelView:
    return {
        "id": label.id,
        "key": label.key,
        "value": label.value,
        "source_type": label.source,
        "media_type": label.media_type,
    }


RESOURCES = (Labels, Label)
