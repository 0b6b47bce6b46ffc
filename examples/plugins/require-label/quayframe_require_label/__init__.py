"""Refuses images that do not say where their source is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from quayframe.plugin import Host, PushRepo, hookimpl, parse_manifest

quayframe_api = (1, 0)

IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
"""By the type of its config an image is told from a chart, a signature and other artifacts."""


class Config(BaseModel):
    """What the operator may set under PLUGIN_CONFIG."""

    model_config = ConfigDict(extra="forbid")

    annotation: str = "org.opencontainers.image.source"


@hookimpl
def quayframe_check(host: Host, event: PushRepo) -> str | None:
    body = host.content(event)
    if body is None:
        return "the manifest could not be read, so its annotations are not known"
    manifest = parse_manifest(body, event.media_type)
    if manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
        return None
    annotation: str = host.config.annotation
    if manifest.annotations.get(annotation):
        return None
    return f"this image does not say where its source is: push it with the annotation {annotation}"
