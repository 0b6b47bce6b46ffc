"""A registry that speaks HTTPS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import requests
from certificates import authority

from quayframe.testing.server import RegistryServer


@dataclass
class SecureServer(RegistryServer):
    """`ssl.cert` and `ssl.key` stand beside its config.yaml; `root` is the authority that issued them."""

    @property
    def root(self) -> Path:
        return self.folder / "rootCA.pem"

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    def start(self) -> SecureServer:
        if not self.root.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            authority(self.root).issue(self.folder / "ssl.cert", self.folder / "ssl.key")
        super().start()
        return self

    def token(self, auth: tuple[str, str] | None, *scopes: str) -> str:
        params = [("service", self.host), *(("scope", scope) for scope in scopes)]
        answer = self._client().get(f"{self.url}/v2/auth", params=params, auth=auth, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["token"])

    def session(self, auth: tuple[str, str] | None, *scopes: str) -> requests.Session:
        session = self._client()
        session.headers["Authorization"] = f"Bearer {self.token(auth, *scopes)}"
        return session

    def _client(self) -> requests.Session:
        session = requests.Session()
        # else the environment's bundle of authorities would win
        session.trust_env = False
        session.verify = str(self.root)
        return session
