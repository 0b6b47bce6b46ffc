"""Where a test pushes: a registry and an account in it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

import requests

from quayframe.testing.server import RegistryServer

ANY_MANIFEST = ", ".join(
    f"application/vnd.{name}+json"
    for name in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


@dataclass
class Place:
    """An account of a registry."""

    server: RegistryServer
    user: str
    password: str

    @classmethod
    def of(cls, server: RegistryServer, name: str) -> Place:
        """Makes the account."""
        return cls(server, *server.user(name, secrets.token_urlsafe(12)))

    @property
    def host(self) -> str:
        return self.server.host

    def new(self, name: str = "x") -> str:
        """The name of a repository that does not exist yet, with the host in front."""
        return f"{self.host}/{self.user}/{name}-{secrets.token_hex(4)}"

    def get(self, repository: str, path: str) -> requests.Response:
        """GET of `/v2/<repository>/<path>` as the account; the host may stand in front. Raises on 4xx."""
        name = repository.removeprefix(f"{self.host}/")
        session = self.server.session((self.user, self.password), f"repository:{name}:pull")
        answer = session.get(
            f"{self.server.url}/v2/{name}/{path}", headers={"Accept": ANY_MANIFEST}, timeout=30
        )
        answer.raise_for_status()
        return answer

    def manifest(self, repository: str, reference: str) -> dict[str, Any]:
        """A manifest, parsed; it must say its media type or be sent as the one that it says."""
        answer = self.get(repository, f"manifests/{reference}")
        body: dict[str, Any] = json.loads(answer.content)
        assert answer.headers["Content-Type"] == body.get("mediaType", answer.headers["Content-Type"])
        return body

    def tags(self, repository: str) -> list[str]:
        return list(self.get(repository, "tags/list").json()["tags"])

    def digest(self, repository: str, reference: str) -> str:
        return str(self.get(repository, f"manifests/{reference}").headers["Docker-Content-Digest"])
