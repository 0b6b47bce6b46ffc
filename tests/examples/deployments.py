"""The deployments of examples/, with this machine's addresses in their variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from servers import free_port

from quayframe.testing.server import RegistryServer

EXAMPLES = Path(__file__).parents[2] / "examples"


def config(name: str) -> dict[str, Any]:
    """The config.yaml of an example, as it stands there."""
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "config.yaml").read_text())
    return found


def node(
    name: str, folder: Path, env: dict[str, str], *arguments: str, port: int | None = None
) -> RegistryServer:
    """One machine of an example. Its two keys are those of every other; clients come to `port`, or to it."""
    own = free_port()
    env = env | {"REGISTRY_HOST": f"127.0.0.1:{port or own}", "REGISTRY_SCHEME": "http"}
    folder.mkdir(parents=True)
    for key in ("secret-key", "database-secret-key"):
        (folder / key).write_text(key * 3)
    return RegistryServer(folder, config(name), arguments, env, own)


def bucket(prefix: str, parameters: dict[str, Any]) -> dict[str, str]:
    """The variables that name a bucket."""
    return {
        f"{prefix}_BUCKET": parameters["s3_bucket"],
        f"{prefix}_ENDPOINT": parameters["endpoint_url"],
        f"{prefix}_ACCESS_KEY": parameters["s3_access_key"],
        f"{prefix}_SECRET_KEY": parameters["s3_secret_key"],
    }
