"""A second process that uses the same storage, and can be killed at any moment.

`BackendProcess` starts `python -m quayframe.testing.storage_process`, which makes the back end from a
pickled factory and then answers one JSON line per call. Upload values pass as JSON, as they do through
the registry's database.
"""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from quayframe.plugin.storage import StorageBackend, Upload

from .storage_streams import Stream

MakeBackend = Callable[[], StorageBackend]


@dataclass(frozen=True)
class BackendFactory:
    """Makes instances of a back end on one state, in any process: it can be pickled.

    :param backend: the class, importable by its name.
    :param config: what the operator would write; it goes through the class's `Config`.
    """

    backend: type[StorageBackend]
    config: Mapping[str, Any]

    def __call__(self) -> StorageBackend:
        make: Callable[[Any], StorageBackend] = self.backend
        return make(self.backend.Config.model_validate(dict(self.config)))


class BackendProcess:
    """The other process. A context manager: at its end the process is killed."""

    def __init__(self, make_backend: MakeBackend) -> None:
        command = [sys.executable, "-m", "quayframe.testing.storage_process"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="ascii"
        )
        factory = base64.b64encode(pickle.dumps(make_backend)).decode()
        self._send({"path": sys.path, "factory": factory})

    def __enter__(self) -> BackendProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL, and waits until the process is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                with suppress(BrokenPipeError):
                    pipe.close()

    def begin(self) -> Upload:
        return _upload(self._call({"call": "begin"}))

    def append(self, upload: Upload, data: bytes) -> Upload:
        return _upload(self._call({"call": "append", **_append(upload, data)}))

    def append_halfway(self, upload: Upload, data: bytes, pause_at: int) -> None:
        """Starts an append; returns when it took `pause_at` bytes and waits for the others."""
        answer = self._call({"call": "append", "pause_at": pause_at, **_append(upload, data)})
        if answer != "paused":
            raise AssertionError(f"append ended without reading its stream to the end: {answer}")

    def go_on(self) -> Upload:
        """Lets the append of `append_halfway` end."""
        return _upload(self._call({}))

    def commit(self, upload: Upload, key: str) -> str:
        return str(self._call({"call": "commit", "upload": _json(upload), "key": key}))

    def _call(self, request: dict[str, Any]) -> Any:
        self._send(request)
        return self._receive()

    def _send(self, request: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise AssertionError("the other process has no standard input")
        # A process that is gone has no answer either, and that is what is reported.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _receive(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        answer = json.loads(line) if line else {"error": "it ended without an answer"}
        if "error" in answer:
            raise AssertionError(f"in the other process: {answer['error']}")
        return answer["result"]


def _append(upload: Upload, data: bytes) -> dict[str, Any]:
    return {"upload": _json(upload), "data": base64.b64encode(data).decode()}


def _json(upload: Upload) -> dict[str, Any]:
    return {"size": upload.size, "data": upload.data}


def _upload(value: Any) -> Upload:
    return Upload(value["size"], value["data"])


def through_json(upload: Upload) -> Upload:
    """The value as the registry's database gives it back."""
    return _upload(json.loads(json.dumps(_json(upload))))


def _answer(result: Any) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def _pause() -> None:
    _answer({"result": "paused"})
    if not sys.stdin.readline():
        sys.exit(1)


def _handle(backend: StorageBackend, request: dict[str, Any]) -> Any:
    call = request["call"]
    if call == "begin":
        return _json(backend.begin())
    upload = _upload(request["upload"])
    if call == "append":
        data = base64.b64decode(request["data"])
        return _json(backend.append(upload, Stream(data, pause_at=request.get("pause_at"), pause=_pause)))
    return backend.commit(upload, request["key"])


def main() -> None:
    """The loop of the other process."""
    start = json.loads(sys.stdin.readline())
    sys.path[:] = start["path"]
    backend = pickle.loads(base64.b64decode(start["factory"]))()  # noqa: S301 - our parent wrote it
    for line in sys.stdin:
        try:
            _answer({"result": _handle(backend, json.loads(line))})
        except Exception as error:
            _answer({"error": repr(error)})


if __name__ == "__main__":
    main()
