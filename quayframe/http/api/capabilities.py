"""What this registry can do, for clients that ask first."""

from __future__ import annotations

from typing_extensions import TypedDict

from . import needs
from .operation import Call, Resource, operation


class SparseManifests(TypedDict):
    supported: bool
    required_architectures: list[str]
    optional_architectures_allowed: bool


class CapabilitiesView(TypedDict):
    sparse_manifests: SparseManifests
    mirror_architectures: list[str]


class Capabilities(Resource):
    path = "/api/v1/registry/capabilities"

    @operation("getRegistryCapabilities", "capabilities", needs.OPEN, answer=CapabilitiesView)
    def get(self, call: Call) -> CapabilitiesView:
        """What this registry can do."""
        sparse = call.registry.settings.FEATURE_SPARSE_INDEX
        return {
            "sparse_manifests": {
                "supported": sparse,
                "required_architectures": [],
                "optional_architectures_allowed": sparse,
            },
            "mirror_architectures": ["amd64", "arm64", "ppc64le", "s390x"],
        }


RESOURCES = (Capabilities,)
