"""Servers of object storage, in the way of `servers`."""

from __future__ import annotations

import http.client
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from servers import Missing, Server


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


def answers(port: int) -> bool:
    """Whether HTTP is spoken at this port."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        conn.request("GET", "/")
        return conn.getresponse().status > 0
    conn.close()
    return False
