"""How often tags and manifests were pulled."""

from __future__ import annotations

from typing_extensions import TypedDict

from . import needs
from .operation import Call, Resource, operation
from .views import iso


class TagPulls(TypedDict):
    """Pulls by the tag, whatever it named then; and pulls of the manifest that it names now, by any tag or
    by digest. A date is null where there was none."""

    tag_name: str
    tag_pull_count: int
    last_tag_pull_date: str | None
    current_manifest_digest: str
    manifest_pull_count: int
    last_manifest_pull_date: str | None


class ManifestPulls(TypedDict):
    """Pulls by any tag or by digest. The date is null where there was none."""

    manifest_digest: str
    manifest_pull_count: int
    last_manifest_pull_date: str | None


class OfTag(Resource):
    path = "/api/v1/repository/{repository}/tag/{tag}/pull_statistics"

    @operation(
        "getTagPullStatistics",
        "tag",
        needs.REPO_READ,
        scopes=("repo:read",),
        answer=TagPulls,
        feature="FEATURE_IMAGE_PULL_STATS",
    )
    def get(self, call: Call, repository: str, tag: str) -> TagPulls:
        """How often a tag, and the manifest that it names now, were pulled."""
        found = call.registry.content.pull_counts.of_tag(call.repository.id, tag)
        return {
            "tag_name": tag,
            "tag_pull_count": found.of_tag.count,
            "last_tag_pull_date": iso(found.of_tag.last_ms),
            "current_manifest_digest": found.digest,
            "manifest_pull_count": found.of_manifest.count,
            "last_manifest_pull_date": iso(found.of_manifest.last_ms),
        }


class OfManifest(Resource):
    path = "/api/v1/repository/{repository}/manifest/{manifestref}/pull_statistics"

    @operation(
        "getManifestPullStatistics",
        "manifest",
        needs.REPO_READ,
        scopes=("repo:read",),
        answer=ManifestPulls,
        feature="FEATURE_IMAGE_PULL_STATS",
    )
    def get(self, call: Call, repository: str, manifestref: str) -> ManifestPulls:
        """How often a manifest was pulled, by any tag or by its digest."""
        found = call.registry.content.pull_counts.of_manifest(call.repository.id, manifestref)
        return {
            "manifest_digest": manifestref,
            "manifest_pull_count": found.count,
            "last_manifest_pull_date": iso(found.last_ms),
        }


RESOURCES = (OfTag, OfManifest)
