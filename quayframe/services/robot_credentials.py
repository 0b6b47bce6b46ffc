"""A robot's credentials, written as each client wants to read them. Pure functions."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from quayframe.errors import NotFound

JSON = "application/json"


class Login(NamedTuple):
    """What a client logs in with: `host` is the registry's, with its port where it has one."""

    host: str
    robot: str
    token: str

    @property
    def stem(self) -> str:
        """The robot's name as the beginning of a file's name."""
        return self.robot.replace("+", "-")


@dataclass(frozen=True)
class Credentials:
    """`content` as a client reads it; `file` is the name under which it is saved, None for what is typed
    and not saved."""

    content: bytes
    media_type: str
    file: str | None


def kubernetes(login: Login) -> Credentials:
    """A Secret of the type kubernetes.io/dockerconfigjson, for imagePullSecrets.

    Its values are JSON strings, which YAML reads alike whatever characters they have."""
    config = base64.b64encode(_json(_auths(login))).decode()
    lines = (
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f"  name: {json.dumps(secret_name(login.robot))}",
        "data:",
        f"  .dockerconfigjson: {json.dumps(config)}",
        "type: kubernetes.io/dockerconfigjson",
    )
    return Credentials(("\n".join(lines) + "\n").encode(), "application/yaml", f"{login.stem}-secret.yml")


def secret_name(robot: str) -> str:
    """A name that Kubernetes takes: [a-z0-9.-], at most 253 characters. A long one is cut, and ends in
    some digits of its digest, so that two long names stay two."""
    name = re.sub("[^a-z0-9.-]", "-", robot)
    if len(name) > 240:
        name = f"{name[:220].rstrip('.-')}-{hashlib.sha256(robot.encode()).hexdigest()[:12]}"
    return f"{name}-pull-secret"


def rkt(login: Login) -> Credentials:
    """A file for /etc/rkt/auth.d: kind dockerAuth, version v1."""
    value = {
        "rktKind": "dockerAuth",
        "rktVersion": "v1",
        "registries": [login.host],
        "credentials": {"user": login.robot, "password": login.token},
    }
    return Credentials(_json(value), JSON, f"{login.stem}-auth.json")


def docker_login(login: Login) -> Credentials:
    """The command for a shell."""
    command = f"docker login -u={_quoted(login.robot)} -p={_quoted(login.token)} {shlex.quote(login.host)}\n"
    return Credentials(command.encode(), "text/plain; charset=utf-8", None)


def docker_config(login: Login) -> Credentials:
    """~/.docker/config.json."""
    return Credentials(_json(_auths(login)), JSON, f"{login.stem}-auth.json")


def podman(login: Login) -> Credentials:
    """${XDG_RUNTIME_DIR}/containers/auth.json (containers-auth.json(5))."""
    return Credentials(_json(_auths(login)), JSON, "auth.json")


def mesos(login: Login) -> Credentials:
    """A tarball for `uris`, which the agent unpacks into the sandbox: .docker/config.json. The same
    credentials give the same bytes."""
    config = _json(_auths(login))
    tarball = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=tarball, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        folder = tarfile.TarInfo(".docker")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(folder)
        file = tarfile.TarInfo(".docker/config.json")
        file.size, file.mode = len(config), 0o600
        tar.addfile(file, io.BytesIO(config))
    return Credentials(tarball.getvalue(), "application/gzip", f"{login.stem}-docker.tar.gz")


FORMS: dict[str, Callable[[Login], Credentials]] = {
    "kubernetes": kubernetes,
    "rkt": rkt,
    "docker-login": docker_login,
    "docker-config": docker_config,
    "mesos": mesos,
    "podman": podman,
}


def write(form: str, login: Login) -> Credentials:
    """The credentials in one of FORMS. Raises NotFound for another one."""
    found = FORMS.get(form)
    if found is None:
        raise NotFound(f"credentials come as {', '.join(FORMS)}")
    return found(login)


def _auths(login: Login) -> dict[str, Any]:
    auth = base64.b64encode(f"{login.robot}:{login.token}".encode()).decode()
    return {"auths": {login.host: {"auth": auth}}}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _quoted(text: str) -> str:
    """In single quotes, needed or not: it is how the command is known."""
    quoted = shlex.quote(text)
    return quoted if quoted.startswith("'") else f"'{quoted}'"
