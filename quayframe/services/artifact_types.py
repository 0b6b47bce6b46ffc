"""Which types of OCI manifests, configs and layers may be pushed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from quayframe.errors import ManifestTypeUnsupported
from quayframe.oci import media
from quayframe.oci.manifest import Manifest

KEY = "ALLOWED_OCI_ARTIFACT_TYPES"
HELM = {
    "application/vnd.cncf.helm.config.v1+json": (
        "application/tar+gzip",
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    )
}


class ArtifactTypes:
    """:param oci: FEATURE_GENERAL_OCI_SUPPORT.
    :param allowed: ALLOWED_OCI_ARTIFACT_TYPES; None = any well-formed type.
    :param helm: FEATURE_HELM_OCI_SUPPORT: its types are allowed beside those of `allowed`.
    :param always: OCI_NAMESPACE_WHITELIST: namespaces that take OCI manifests without `oci` too.
    """

    def __init__(
        self,
        *,
        oci: bool = True,
        allowed: Mapping[str, Sequence[str]] | None = None,
        helm: bool = True,
        always: Collection[str] = (),
    ) -> None:
        self._oci = oci
        self._always = frozenset(always)
        self._any = allowed is None
        lists = {**(HELM if helm else {}), **(allowed or {})}
        self._kinds = {media.OCI_CONFIG, *lists}
        self._layers = set(media.LAYER_TYPES).union(*lists.values(), *(HELM.values() if helm else ()))

    def check(self, manifest: Manifest, namespace: str) -> None:
        """Raises ManifestTypeUnsupported, which names the type that is not taken here and the key.

        An artifact whose config is empty is of its `artifactType`. Images of Docker's types are always
        taken."""
        if manifest.media_type not in media.OCI_TYPES:
            return
        if not self._oci and namespace not in self._always:
            raise ManifestTypeUnsupported(
                f"{manifest.media_type}: OCI manifests are switched off here"
                " (FEATURE_GENERAL_OCI_SUPPORT); push a Docker schema 2 image"
            )
        if self._any:
            return
        for name in _kinds(manifest):
            if name not in self._kinds:
                raise _refusal(name, "config or artifact")
        for layer in manifest.layers:
            # An artifact that consists of its annotations has one empty layer.
            if layer.media_type not in self._layers and layer.media_type != media.OCI_EMPTY:
                raise _refusal(layer.media_type, "layer")


def _kinds(manifest: Manifest) -> list[str]:
    """The types by which the manifest says what it is."""
    if manifest.config is None:
        return [manifest.artifact_type] if manifest.artifact_type else []
    if manifest.config.media_type == media.OCI_EMPTY:
        return [manifest.artifact_type or media.OCI_EMPTY]
    return [manifest.config.media_type]


def _refusal(name: str, what: str) -> ManifestTypeUnsupported:
    return ManifestTypeUnsupported(f"the {what} type {name} is not among {KEY} of this registry")


ANY = ArtifactTypes()
