"""A registry in this process, and one request of it, whole and in parts."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import content
from bench.subjects import REPOSITORY

HOST = "127.0.0.1:8080"


class Pull:
    """A manifest GET by tag.

    :param log: the descriptor that the request log goes to; also what this process prints to descriptor 1.
    """

    def __init__(self, folder: Path, log: int, tag: str) -> None:
        # The library decides at its import whether its numbers are shared, as they are when serving.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        from quayframe import registry as root
        from quayframe.http.app import create_app
        from quayframe.services import bootstrap

        sys.stdout = os.fdopen(os.dup(1), "w")
        os.dup2(log, 1)
        manager, loaded = root.load(None)
        self._registry = root.build(manager, loaded, folder)
        bootstrap.ensure_superuser(self._registry.accounts, self._registry.settings.SUPER_USERS, folder)
        self._registry.start()
        self._registry.keys.extend()
        self._app = create_app(self._registry)
        password = (folder / "admin-password").read_text().strip()
        admin = self._registry.logins.basic("admin", password, "127.0.0.1")
        scope = f"repository:{REPOSITORY}:pull,push"
        self._token = self._registry.tokens.issue(admin, HOST, [scope], HOST).token
        self._push(tag)
        # A token from after the repository was made says which one it is for, as a puller's does.
        self._token = self._registry.tokens.issue(admin, HOST, [scope], HOST).token
        self._path = f"/v2/{REPOSITORY}/manifests/{tag}"
        self._environ = self._environment("GET", self._path)

    def request(self) -> None:
        """The whole of it, as a server calls the application."""
        for _ in self._app(dict(self._environ), _ignore):
            pass

    def parts(self) -> dict[str, Callable[[], Any]]:
        """What is in it, each to be called alone, by name."""
        import falcon

        from quayframe.http.app import create_app
        from quayframe.http.middleware import Frame
        from quayframe.http.request import Callers
        from quayframe.http.telemetry import Metrics, RequestLog
        from quayframe.oci.names import repository_path

        with (
            _seen(Frame, "process_resource") as gates,
            _seen(RequestLog, "__call__") as lines,
            _seen(Metrics, "observe") as counts,
            _seen(type(self._registry.db), "sql_one") as queries,
        ):
            # Falcon keeps the methods that it found when the application was made.
            list(create_app(self._registry)(dict(self._environ), _ignore))
        frame, req, resp, resource, _ = gates[0]
        line, count, query = lines[0], counts[0], queries[0]
        row = self._registry.db.sql_one(*query[1:])
        assert row is not None
        token = Callers(self._registry, ()).token(req)
        name = repository_path(REPOSITORY, library=None)
        router = self._app._router
        path = {"path": REPOSITORY, "reference": "t000"}
        observe, write = type(count[0]).observe, type(line[0]).__call__
        return {
            "SQL: the one query": lambda: query[0].sql_one(*query[1:]),
            "decision: token against that row": lambda: self._registry.gate.decide(row, token, name, "pull"),
            "middleware: id, admission": lambda: frame.process_request(req, resp),
            "middleware: access, token check, name": lambda: frame.process_resource(
                req, resp, resource, dict(path)
            ),
            "metrics": lambda: observe(*count),
            "log line": lambda: write(*line),
            "router": lambda: router.find(self._path, req),
            "Falcon: request and response objects": lambda: (
                falcon.Request(dict(self._environ), self._app.req_options),
                type(resp)(options=self._app.resp_options),
            ),
        }

    def close(self) -> None:
        self._registry.close()

    def _push(self, tag: str) -> None:
        layer = content.layer(1000)
        config = content.configuration([layer])
        for data in (config, layer):
            path = f"/v2/{REPOSITORY}/blobs/uploads/"
            self._call("POST", path, f"digest={content.digest_of(data)}", data)
        self._call(
            "PUT", f"/v2/{REPOSITORY}/manifests/{tag}", "", content.image([layer], config), content.MANIFEST
        )

    def _call(self, method: str, path: str, query: str, body: bytes, kind: str = "") -> None:
        environ = self._environment(method, path) | {
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": kind or "application/octet-stream",
            "wsgi.input": io.BytesIO(body),
        }
        status: list[str] = []

        def start(line: str, _headers: Any, _exc_info: Any = None, /) -> Callable[[bytes], object]:
            status.append(line)
            return len

        answer = b"".join(self._app(environ, start))
        if not status[0].startswith("201"):
            raise RuntimeError(f"{method} {path}: {status[0]} {answer!r}")

    def _environment(self, method: str, path: str) -> dict[str, Any]:
        return {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1:50000",
            "HTTP_HOST": HOST,
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "HTTP_ACCEPT": f"{content.MANIFEST}, */*",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }


@contextmanager
def _seen(owner: type, method: str) -> Iterator[list[tuple[Any, ...]]]:
    """The arguments of each call of this method, its object first."""
    original = getattr(owner, method)
    calls: list[tuple[Any, ...]] = []

    def spy(*arguments: Any) -> Any:
        calls.append(arguments)
        return original(*arguments)

    setattr(owner, method, spy)
    try:
        yield calls
    finally:
        setattr(owner, method, original)


def _ignore(
    status: str, headers: list[tuple[str, str]], _exc_info: Any = None, /
) -> Callable[[bytes], object]:
    """start_response of a server that sends nothing."""
    return len
