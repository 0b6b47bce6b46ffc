"""The real clients that tests drive: where they are, a user's machine to run them on, images to push.

`Workstation` is a home, credentials, caches and container storage below one folder, so that nothing of the
person who runs the tests is read or changed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 120
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

# As tests/clients.sh and tests/packages.sh install them.
BUILT = ("crane", "oras", "regctl", "cosign", "helm", "helm4", "registry", "kustomize", "conformance")


def need(name: str) -> Path:
    """The program `name`. Without it the test is skipped, by name; in CI it fails."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quayframe" / "bin"
    # Debian's before what else a machine may have of that name.
    folders = [str(cache), "/usr/bin", "/usr/sbin", "/bin", os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        missing(f"{name} ({'make clients' if name in BUILT else 'tests/packages.sh'} installs it)")
    return Path(str(found))


def missing(what: str) -> None:
    """Skips the test, because the machine has not got `what`; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not to be had here: {what}")
    pytest.skip(f"not to be had here: {what}")


class ClientFailed(Exception):
    """A client ended with another status than 0; the text is its command and all that it printed."""


@dataclass
class Workstation:
    """A user's machine. `run` runs a client there."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        home = self.folder / "home"
        for name in ("home", "tmp", "run", "work", "docker"):
            (self.folder / name).mkdir(parents=True, mode=0o700, exist_ok=True)
        configs = {
            "policy.json": json.dumps({"default": [{"type": "insecureAcceptAnything"}]}),
            "registries.conf": '[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n',
            "storage.conf": (
                f'[storage]\ndriver = "vfs"\ngraphroot = "{self.folder}/storage"\n'
                f'runroot = "{self.folder}/run/storage"\n'
            ),
            "containers.conf": (
                '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
                '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n'
                f'tmp_dir = "{self.folder}/run/libpod"\n'
            ),
        }
        containers = home / ".config" / "containers"
        containers.mkdir(parents=True, exist_ok=True)
        for name, text in configs.items():
            (containers / name).write_text(text)
        if not self.auth_file.exists():
            # podman does not start when REGISTRY_AUTH_FILE names none
            self.auth_file.write_text('{"auths": {}}')
        self.env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "TMPDIR": str(self.folder / "tmp"),
            "DOCKER_CONFIG": str(self.folder / "docker"),
            "REGISTRY_AUTH_FILE": str(self.auth_file),
            "HELM_REGISTRY_CONFIG": str(self.auth_file),
            "REGCTL_CONFIG": str(self.folder / "regctl.json"),
            "CONTAINERS_CONF": str(containers / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(containers / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(containers / "storage.conf"),
            "COSIGN_PASSWORD": "a passphrase",
            **self.env,
        }

    @property
    def work(self) -> Path:
        """Where its commands are run, unless told otherwise."""
        return self.folder / "work"

    @property
    def auth_file(self) -> Path:
        """The credentials that all clients share, as ~/.docker/config.json does."""
        return self.folder / "docker" / "config.json"

    def run(
        self,
        name: str,
        *arguments: object,
        stdin: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_S,
    ) -> str:
        """Runs a client; returns its standard output. Raises ClientFailed."""
        command = [str(need(name)), *map(str, arguments)]
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            cwd=cwd or self.work,
            env={**self.env, **(env or {})},
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            line = " ".join([name, *map(str, arguments)])
            raise ClientFailed(f"{line}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def start(self, name: str, *arguments: object) -> subprocess.Popen[str]:
        """Starts a client; whoever calls ends it. What it prints comes together in its `stdout`."""
        return subprocess.Popen(
            [str(need(name)), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.work,
            env=self.env,
        )

    def json(self, name: str, *arguments: object, **more: Any) -> Any:
        """What a client printed, read as JSON."""
        return json.loads(self.run(name, *arguments, **more))

    def refused(self, name: str, *arguments: object, **more: Any) -> str:
        """What a client printed when it failed, as it must."""
        with pytest.raises(ClientFailed) as failed:
            self.run(name, *arguments, **more)
        return str(failed.value)

    def know(self, host: str, user: str, password: str) -> None:
        """Writes credentials as a log-in would, for clients whose own log-in is not what is tested."""
        known = json.loads(self.auth_file.read_text())
        known.setdefault("auths", {})[host] = {
            "auth": base64.b64encode(f"{user}:{password}".encode()).decode()
        }
        self.auth_file.write_text(json.dumps(known))


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layout:
    """An OCI image layout in a folder, written without any client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index: list[dict[str, Any]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Adds bytes; returns their descriptor."""
        (self.folder / "blobs" / "sha256" / digest(data).partition(":")[2]).write_bytes(data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def layer(self, files: Mapping[str, bytes]) -> tuple[dict[str, Any], str]:
        """Adds a layer of files (path -> content); returns (descriptor, diff ID)."""
        tar = tarball(files)
        return self.blob(gzip.compress(tar, 1, mtime=0), OCI_LAYER), digest(tar)

    def image(
        self,
        layers: Sequence[Mapping[str, bytes]],
        tag: str | None = None,
        *,
        architecture: str = "amd64",
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] = ("/bin/true",),
    ) -> dict[str, Any]:
        """Adds an image; returns its descriptor, with its platform."""
        made = [self.layer(files) for files in layers]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": list(command), "Labels": dict(labels or {})},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in made]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(config).encode(), OCI_CONFIG),
            "layers": [descriptor for descriptor, _ in made],
        }
        descriptor = self.blob(json.dumps(manifest).encode(), OCI_MANIFEST)
        if tag is not None:
            self._tag(descriptor, tag)
        return {**descriptor, "platform": {"os": "linux", "architecture": architecture}}

    def index(self, manifests: Sequence[Mapping[str, Any]], tag: str | None = None) -> dict[str, Any]:
        """Adds an index of descriptors; returns its descriptor."""
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)}
        descriptor = self.blob(json.dumps(body).encode(), OCI_INDEX)
        if tag is not None:
            self._tag(descriptor, tag)
        return descriptor

    def _tag(self, descriptor: Mapping[str, Any], tag: str) -> None:
        self._index.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}})
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self._index}
        (self.folder / "index.json").write_text(json.dumps(body))


def tarball(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of files (path -> content), the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def small_image(folder: Path, tag: str = "1", *, salt: str = "") -> Layout:
    """A layout with an image of two small layers of its own."""
    layout = Layout(folder)
    layout.image([{"etc/name": f"{folder}{salt}".encode()}, {"data": os.urandom(4096)}], tag)
    return layout


def two_platforms(folder: Path, tag: str = "1") -> Layout:
    """A layout with an index of an amd64 and an arm64 image."""
    layout = Layout(folder)
    children = [
        layout.image([{"arch": name.encode(), "data": os.urandom(512)}], architecture=name)
        for name in ("amd64", "arm64")
    ]
    layout.index(children, tag)
    return layout


def root_filesystem(folder: Path) -> Path:
    """Fills a folder with what a container needs to run: a static busybox. Returns the folder."""
    (folder / "bin").mkdir(parents=True)
    (folder / "tmp").mkdir()
    shutil.copy(need("busybox"), folder / "bin" / "busybox")
    for name in ("sh", "cat", "echo", "true"):
        (folder / "bin" / name).symlink_to("busybox")
    return folder


def build_context(folder: Path, text: str) -> Path:
    """A folder to build: busybox, and a file /text that a container of the image prints. Returns it."""
    root_filesystem(folder / "rootfs")
    (folder / "rootfs" / "text").write_text(text)
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY rootfs/ /\nCMD ["/bin/cat", "/text"]\n')
    return folder
