"""A registry in this process, and the registry protocol as tests speak it.

`Protocol` builds the real application on a folder and hands out sessions of `requests` that call it
without a socket; `Repo` speaks the protocol over any such session, also to a server of its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
import yaml
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from quayframe import registry
from quayframe.http.app import create_app
from quayframe.oci.names import RepositoryName
from quayframe.services.gate import Allowed
from quayframe.services.principal import SYSTEM, Principal

HOST = "registry.test"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha512(data: bytes) -> str:
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


class Application(BaseAdapter):
    """Lets `requests` call a WSGI application."""

    def __init__(self, app: Any, address: str = "127.0.0.1") -> None:
        super().__init__()
        self._app = app
        self._address = address

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        status: list[Any] = []
        answer = self._app(self._environ(request), lambda line, headers, *_: status.extend((line, headers)))
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        response = requests.Response()
        response.status_code = int(status[0].split()[0])
        response.headers = CaseInsensitiveDict(status[1])
        response.raw = io.BytesIO(body)
        response._content = body
        response.request = request
        response.url = request.url
        return response

    def _environ(self, request: Any) -> dict[str, Any]:
        url = urlsplit(request.url)
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = b"".join(body)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(url.path).decode("latin-1"),
            "QUERY_STRING": url.query,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self._address,
            "HTTP_HOST": url.netloc,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            environ[key] = value.decode("latin-1") if isinstance(value, bytes) else value
        return environ

    def close(self) -> None:
        """Nothing is held."""


class Protocol:
    """A whole registry on `folder`, in this process. Close it when done."""

    def __init__(self, folder: Path, config: Mapping[str, Any] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "config.yaml"
        keys = {"SECRET_KEY": "1" * 40, "DATABASE_SECRET_KEY": "2" * 40}
        file.write_text(yaml.safe_dump({"TESTING": True} | keys | dict(config or {})))
        self.manager, self.loaded = registry.load(file, env={})
        self.data = folder / "data"
        self.registry = registry.build(self.manager, self.loaded, self.data, migrate=True)
        self.registry.start()
        self.app = create_app(self.registry, log_requests=False)

    def close(self) -> None:
        self.registry.close()

    # -- who ------------------------------------------------------------------------------------

    def user(self, name: str | None = None, password: str | None = None) -> Principal:
        """A new user; without a password it can only be given tokens directly."""
        name = name or f"user{secrets.token_hex(4)}"
        account = self.registry.accounts.create_user(SYSTEM, name, password)
        return self.registry.accounts.principal(account)

    def robot(self, owner: Principal, short: str = "bot") -> Principal:
        made = self.registry.tenancy.robots.create(SYSTEM, owner.name, short)
        return self.registry.accounts.principal(self.registry.accounts.get(made.name))

    def token(self, principal: Principal, *scopes: str, audience: str | None = HOST) -> str:
        return self.registry.tokens.issue(principal, audience, scopes, HOST).token

    def session(self, token: str | None = None, *, address: str = "127.0.0.1") -> requests.Session:
        """A session with this bearer token; its URLs begin with http://registry.test."""
        session = requests.Session()
        session.mount("http://", Application(self.app, address))
        if token is not None:
            session.headers["Authorization"] = f"Bearer {token}"
        return session

    def as_(self, principal: Principal, *scopes: str) -> requests.Session:
        """A session with a token of this principal."""
        return self.session(self.token(principal, *scopes))

    def allowed(self, repo: Repo, need: str = "push") -> Allowed:
        """What a request of the repository's owner is given to services with."""
        assert repo.owner is not None
        text = self.token(repo.owner, repo.scope)
        token = self.registry.tokens.verify(text, HOST, (text.encode(), HOST))
        return self.registry.gate.pass_(token, repo.path, need)

    # -- where ----------------------------------------------------------------------------------

    def repo(self, owner: Principal | None = None, name: str | None = None) -> Repo:
        """A repository name of one's own, with a session that may push, pull and delete."""
        owner = owner or self.user()
        full = f"{owner.name}/{name or f'r{secrets.token_hex(4)}'}"
        return Repo(self.as_(owner, f"repository:{full}:push,pull"), full, f"http://{HOST}", owner)

    def public(self, repo: Repo) -> None:
        """Makes it public."""
        self.registry.repositories.set_visibility(SYSTEM, repo.path, "public")


@dataclass(frozen=True)
class Repo:
    """One repository over one session. Methods that end in a manifest or blob check the answer."""

    session: requests.Session
    name: str
    base: str
    owner: Principal | None = None

    @property
    def path(self) -> RepositoryName:
        namespace, _, name = self.name.partition("/")
        return RepositoryName(namespace, name)

    @property
    def scope(self) -> str:
        return f"repository:{self.name}:push,pull"

    @property
    def bearer(self) -> str:
        """The token of its session."""
        return str(self.session.headers["Authorization"]).removeprefix("Bearer ")

    def with_(self, session: requests.Session) -> Repo:
        """The same repository, asked by somebody else."""
        return Repo(session, self.name, self.base, self.owner)

    def url(self, rest: str) -> str:
        return f"{self.base}/v2/{self.name}/{rest}"

    def do(self, method: str, rest: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, self.url(rest), timeout=60, **kwargs)

    def get(self, rest: str, **kwargs: Any) -> requests.Response:
        return self.do("GET", rest, **kwargs)

    def head(self, rest: str, **kwargs: Any) -> requests.Response:
        return self.do("HEAD", rest, **kwargs)

    def delete(self, rest: str, **kwargs: Any) -> requests.Response:
        return self.do("DELETE", rest, **kwargs)

    # -- uploads --------------------------------------------------------------------------------

    def begin(self, query: str = "") -> str:
        """Begins an upload; its URL."""
        answer = self.do("POST", f"blobs/uploads/{query}")
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def patch(self, location: str, data: Any, start: int | None = None, **headers: Any) -> requests.Response:
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.session.patch(location, data=data, headers=headers, timeout=60)

    def finish(self, location: str, digest: str, data: Any = b"", **headers: str) -> requests.Response:
        return self.session.put(location, params={"digest": digest}, data=data, headers=headers, timeout=60)

    def blob(self, data: bytes | None = None) -> tuple[str, bytes]:
        """Pushes a blob in one request; (digest, bytes)."""
        data = secrets.token_bytes(100) if data is None else data
        answer = self.do("POST", f"blobs/uploads/?digest={sha256(data)}", data=data)
        assert answer.status_code == 201, answer.text
        return sha256(data), data

    # -- manifests ------------------------------------------------------------------------------

    def put(
        self, reference: str, body: bytes, media_type: str = OCI_MANIFEST, **headers: str
    ) -> requests.Response:
        headers = {"Content-Type": media_type} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.do("PUT", f"manifests/{reference}", data=body, headers=headers)

    def image(self, reference: str | None = None, **fields: Any) -> tuple[str, bytes]:
        """Pushes a small image of new content under a tag, or by digest; (digest, body)."""
        body = self.image_body(**fields)
        digest = sha256(body)
        answer = self.put(reference or digest, body)
        assert answer.status_code == 201, answer.text
        return digest, body

    def image_body(self, **fields: Any) -> bytes:
        """The manifest of an image whose blobs have been pushed."""
        config, config_data = self.blob(json.dumps({"n": secrets.token_hex(8)}).encode())
        layer, layer_data = self.blob()
        return manifest(
            (OCI_CONFIG, config, len(config_data)), [(OCI_LAYER, layer, len(layer_data))], **fields
        )

    def index(self, reference: str | None, children: Iterable[bytes], **fields: Any) -> tuple[str, bytes]:
        body = index(children, **fields)
        digest = sha256(body)
        answer = self.put(reference or digest, body, OCI_INDEX)
        assert answer.status_code == 201, answer.text
        return digest, body

    def referrer(self, subject: bytes | str, kind: str = "test/kind", **fields: Any) -> tuple[str, bytes]:
        """Pushes, by digest, an artifact about a manifest (its bytes, or a digest of none)."""
        found, size = (subject, 7) if isinstance(subject, str) else (sha256(subject), len(subject))
        about = {"mediaType": OCI_MANIFEST, "digest": found, "size": size}
        return self.image(subject=about, artifactType=kind, **fields)

    def tags(self) -> list[str]:
        return list(self.get("tags/list").json()["tags"])


def manifest(config: tuple[str, str, int], layers: list[tuple[str, str, int]], **fields: Any) -> bytes:
    """An OCI image manifest of (media type, digest, size) descriptors."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(*config),
        "layers": [descriptor(*layer) for layer in layers],
    }
    return json.dumps(document | fields).encode()


def index(children: Iterable[bytes], **fields: Any) -> bytes:
    """An OCI index of these manifests."""
    listed = []
    for body in children:
        media_type = json.loads(body).get("mediaType", OCI_MANIFEST)
        listed.append(descriptor(media_type, sha256(body), len(body)))
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    return json.dumps(document | fields).encode()


def descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def code(answer: requests.Response) -> str:
    """The code of a protocol error; the shape of the answer is checked."""
    errors = answer.json()["errors"]
    assert answer.headers["Content-Type"] == "application/json"
    assert len(errors) == 1
    assert errors[0]["message"]
    assert isinstance(errors[0]["detail"], dict)
    return str(errors[0]["code"])
