"""When a tag goes, by which rule, and what holds it."""

from __future__ import annotations

from typing_extensions import TypedDict

from quayframe.services.lifecycle import Reason

from . import needs
from .operation import Call, Resource, operation
from .views import iso


class ReasonView(TypedDict):
    """A rule that applies. `effect`: pin (refuses every change), end (ends the tag at `at`), keep (keeps the
    manifest until `at`, null = for as long as it is there). `source`: the tag, digest, hold or policy that
    it comes from."""

    rule: str
    effect: str
    text: str
    at: str | None
    source: str | None


class EndView(TypedDict):
    at: str | None
    rule: str
    text: str
    source: str | None


class PinView(TypedDict):
    rule: str
    text: str
    source: str | None


class TagLifecycle(TypedDict):
    """`ends`: what ends the tag, or has ended it; null = it stays until somebody acts. `gone_at`: from when
    on it cannot be brought back, since it and its manifest may be collected; null = what holds the manifest
    has no end."""

    name: str
    manifest_digest: str
    is_live: bool
    pinned_by: PinView | None
    ends: EndView | None
    gone_at: str | None
    reasons: list[ReasonView]


class ManifestLifecycle(TypedDict):
    """`gone_at`: from when on it may be collected; null = what holds it (`kept_by`) has no end."""

    manifest_digest: str
    kept_by: ReasonView | None
    gone_at: str | None
    reasons: list[ReasonView]


def _reason(reason: Reason) -> ReasonView:
    return {
        "rule": reason.rule,
        "effect": reason.effect,
        "text": reason.text,
        "at": iso(reason.at_ms),
        "source": reason.source,
    }


class TagLife(Resource):
    path = "/api/v1/repository/{repository}/tag/{tag}/lifecycle"

    @operation("getTagLifecycle", "tag", needs.REPO_READ, scopes=("repo:read",), answer=TagLifecycle)
    def get(self, call: Call, repository: str, tag: str) -> TagLifecycle:
        """When a tag goes and by which rule, or what holds it; also of one that can still be restored."""
        life = call.registry.content.lifecycles.of_tag(call.repository, tag)
        pin, end = life.pinned_by, life.ends
        return {
            "name": life.name,
            "manifest_digest": life.digest,
            "is_live": life.is_live,
            "pinned_by": {"rule": pin.rule, "text": pin.text, "source": pin.source} if pin else None,
            "ends": {"at": iso(end.at_ms), "rule": end.rule, "text": end.text, "source": end.source}
            if end
            else None,
            "gone_at": iso(life.gone_ms),
            "reasons": [_reason(reason) for reason in life.reasons],
        }


class ManifestLife(Resource):
    path = "/api/v1/repository/{repository}/manifest/{manifestref}/lifecycle"

    @operation(
        "getManifestLifecycle", "manifest", needs.REPO_READ, scopes=("repo:read",), answer=ManifestLifecycle
    )
    def get(self, call: Call, repository: str, manifestref: str) -> ManifestLifecycle:
        """What holds a manifest, by its digest, and until when; who may push asks of hidden ones too."""
        hidden = call.registry.access.may_push(call.principal, call.repository)
        life = call.registry.content.lifecycles.of_manifest(call.repository, manifestref, hidden=hidden)
        return {
            "manifest_digest": life.digest,
            "kept_by": _reason(life.kept_by) if life.kept_by else None,
            "gone_at": iso(life.gone_ms),
            "reasons": [_reason(reason) for reason in life.reasons],
        }


RESOURCES = (TagLife, ManifestLife)
