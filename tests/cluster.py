"""A registry on many machines, on this one: nginx, two web nodes, two workers, PostgreSQL, Redis, S3."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from object_servers import Seaweedfs, answers
from servers import Missing, Postgresql, Redis, Server, free_port

from quayframe.testing.server import RegistryServer

_OWN = "daemon off; worker_processes 1; pid nginx.pid; error_log error.log warn;\n"
_FOLDERS = "http { access_log off; client_body_temp_path body; proxy_temp_path proxy;" + "".join(
    f" {kind}_temp_path {kind};" for kind in ("fastcgi", "uwsgi", "scgi")
)
_EXAMPLE = Path(__file__).parents[1] / "examples" / "many-machines" / "nginx.conf"


def balancing(port: int, nodes: list[int]) -> str:
    """The configuration of the example, in front of two nodes on these ports."""
    text = _EXAMPLE.read_text().replace("listen 8443", f"listen 127.0.0.1:{port}")
    for number, node in enumerate(nodes, start=1):
        text = text.replace(f"web{number}.example.com:8080", f"127.0.0.1:{node}")
    return text


class Nginx(Server):
    """A balancer in front of nodes."""

    program = "nginx"

    @classmethod
    def find(cls) -> None:
        cls.binary()

    @staticmethod
    def binary() -> str:
        found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
        if found is None:
            raise Missing("nginx")
        return found

    @classmethod
    def account(cls) -> None:
        """Ours: it only listens on a high port."""

    @classmethod
    def of(cls, port: int, text: str) -> Nginx:
        """With this configuration, which lets it listen on `port`; where it may write is added."""
        folder = Path(tempfile.mkdtemp(prefix="quayframe-nginx-"))
        server = cls(str(folder), port)
        (folder / "nginx.conf").write_text(_OWN + text.replace("http {", _FOLDERS, 1))
        server.start()
        return server

    def command(self) -> list[str]:
        return [self.binary(), "-p", self.folder, "-c", self.path("nginx.conf"), "-e", self.path("error.log")]

    def ready(self) -> bool:
        return answers(self.port)


@dataclass
class Cluster:
    """All of it under way. `host` is where clients go."""

    folder: Path
    config: dict[str, Any]
    database: Postgresql
    redis: Redis
    storage: Seaweedfs
    nginx: Nginx
    webs: list[RegistryServer]
    workers: list[RegistryServer]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.nginx.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def user(self, name: str) -> tuple[str, str]:
        return self.webs[0].user(name)

    def token(self, auth: tuple[str, str], *scopes: str, url: str | None = None) -> str:
        """A bearer token, of the node behind `url` or of any."""
        params = [("service", self.host), *(("scope", scope) for scope in scopes)]
        answer = requests.get(f"{url or self.url}/v2/auth", params=params, auth=auth, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["token"])


@contextmanager
def cluster(folder: Path, **config: Any) -> Iterator[Cluster]:
    """Starts all of it; ends all of it. Raises Missing."""
    for kind in (Postgresql, Redis, Seaweedfs, Nginx):
        kind.find()
    with ExitStack() as stack:

        def new(kind: type[Any]) -> Any:
            server = kind.new()
            stack.callback(server.remove)
            return server

        database, redis, storage = new(Postgresql), new(Redis), new(Seaweedfs)
        port = free_port()
        keys = {
            "SERVER_HOSTNAME": f"127.0.0.1:{port}",
            "SECRET_KEY": "s" * 40,
            "DATABASE_SECRET_KEY": "d" * 40,
            "DB_URI": database.new_database(),
            "DISTRIBUTED_STORAGE_CONFIG": {"main": ["S3Storage", storage.parameters("/registry")]},
            "DISTRIBUTED_STORAGE_PREFERENCE": ["main"],
        } | config
        nodes = [
            RegistryServer(folder / f"{part[1]}{number}", keys, part)
            for part in (["--only", "web", "--workers", "1"], ["--only", "worker"])
            for number in (1, 2)
        ]
        nodes[0].prepare()
        nodes[0].cli("migrate")
        for node in nodes:
            node.start()
            stack.callback(node.kill)
        nginx = Nginx.of(port, balancing(port, [node.port for node in nodes[:2]]))
        stack.callback(nginx.remove)
        yield Cluster(folder, keys, database, redis, storage, nginx, nodes[:2], nodes[2:])
