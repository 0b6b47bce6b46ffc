"""Routes for operators and other services: health, metrics, published keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

import falcon

from quayframe.errors import NotFound, RegistryError
from quayframe.plugin.access import PUBLIC
from quayframe.plugin.storage import ObjectNotFound
from quayframe.registry import Registry

from .render import JSON, to_json
from .telemetry import Metrics

LEAST_FREE = 100 * 1024 * 1024
NO_OBJECT = f"sha256/00/{'0' * 64}"
"""A key under which nothing is."""


class Health:
    """`/health/instance`: whether this process can serve; `/health/endtoend`: whether what it stands on
    answers. 200 or 503, `{"data": {"services": {...}}, "status_code": ...}`."""

    access = {"GET": PUBLIC, "HEAD": PUBLIC}

    def __init__(self, registry: Registry, *, end_to_end: bool) -> None:
        self._registry = registry
        self._end_to_end = end_to_end

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        parts: dict[str, Callable[[], object]] = {
            # That there is no user yet is no fault: the first may come over the API.
            "auth": lambda: self._registry.accounts.any_user() is not None,
            "database": self._registry.db.ping,
        }
        if self._end_to_end:
            parts |= {"redis": lambda: True, "storage": self._storage}
        else:
            parts |= {
                "disk_space": self._space,
                "registry_gunicorn": lambda: True,
                "service_key": self._registry.keys.signing,
                "web_gunicorn": lambda: True,
            }
        services = {name: _works(part) for name, part in parts.items()}
        resp.status = 200 if all(services.values()) else 503
        resp.set_header("Cache-Control", "no-cache, no-store, must-revalidate")
        resp.content_type = JSON
        resp.data = to_json({"data": {"services": services}, "status_code": resp.status_code})

    on_head = on_get

    def _storage(self) -> None:
        """A small upload begins and ends, without a row: at the preferred location, or at every one. Of a
        read-only registry only whether they answer is seen."""
        storage, settings = self._registry.storage, self._registry.settings
        if not settings.DISTRIBUTED_STORAGE_VALIDATE_ENDTOEND:
            return
        every = settings.DISTRIBUTED_STORAGE_VALIDATE_ALL
        for location in storage.locations if every else [storage.home]:
            if settings.REGISTRY_STATE == "readonly":
                with suppress(ObjectNotFound):
                    storage.size(location, NO_OBJECT)
                continue
            upload = storage.append(location, storage.begin(location), BytesIO(b"health"))
            storage.abort(location, upload)

    @staticmethod
    def _space() -> bool:
        return shutil.disk_usage("/tmp").free > LEAST_FREE  # noqa: S108 - the file system, not a file


def _works(part: Callable[[], object]) -> bool:
    try:
        return part() is not False
    except RegistryError:
        return False


class MetricsPage:
    """`/metrics`: Prometheus text over all processes of this machine."""

    access = {"GET": PUBLIC}

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        text, kind = self._metrics.expose()
        resp.content_type = kind
        resp.data = text


class PublishedKeys:
    """`/keys/services/<service>/keys`: the public keys by which tokens can be verified, as JWKs."""

    access = {"GET": PUBLIC}

    def __init__(self, registry: Registry) -> None:
        self._keys = registry.keys

    def on_get(self, req: falcon.Request, resp: falcon.Response, service: str) -> None:
        resp.content_type = JSON
        resp.data = to_json({"keys": self._keys.published(service)})


class PublishedKey:
    """`/keys/services/<service>/keys/<kid>`: one of them."""

    access = {"GET": PUBLIC}

    def __init__(self, registry: Registry) -> None:
        self._keys = registry.keys

    def on_get(self, req: falcon.Request, resp: falcon.Response, service: str, kid: str) -> None:
        for key in self._keys.published(service):
            if key["kid"] == kid:
                resp.content_type = JSON
                resp.data = to_json(key)
                return
        raise NotFound("there is no such key")


class Ping:
    """`/_internal_ping` and `/v1/_ping`: this process answers."""

    access = {"GET": PUBLIC, "HEAD": PUBLIC}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.set_header("X-Docker-Registry-Version", "0.6.0")
        resp.set_header("X-Docker-Registry-Standalone", "0")
        resp.content_type = "application/json"
        resp.data = b"true"

    on_head = on_get


class Welcome:
    """`/`: a person who opens the registry in a browser learns what it is."""

    access = {"GET": PUBLIC, "HEAD": PUBLIC}

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = "text/plain; charset=utf-8"
        resp.text = (
            "This is a Quayframe container registry.\n\n"
            f"  docker login {req.netloc}\n"
            f"  docker push {req.netloc}/<namespace>/<repository>:<tag>\n"
        )

    on_head = on_get
