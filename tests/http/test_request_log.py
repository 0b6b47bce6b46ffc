"""What the request log says, and what it keeps to itself."""

from __future__ import annotations

import json
import os
from typing import Any

import falcon
import falcon.testing
import pytest

from quayframe.http.telemetry import RequestLog


def logged(path: str, query: str = "") -> dict[str, Any]:
    """The line of a request for this path."""
    reading, writing = os.pipe()
    try:
        log = RequestLog(writing)
        request = falcon.Request(falcon.testing.create_environ(path=path, query_string=query))
        request.context.request_id, request.context.user = "1", None
        log(request, falcon.Response(), 200, 0.001)
        log.flush()
        line: dict[str, Any] = json.loads(os.read(reading, 65536))
        return line
    finally:
        os.close(reading)
        os.close(writing)


def test_a_request_has_a_line() -> None:
    line = logged("/api/v1/user/")

    assert (line["path"], line["status"], line["event"]) == ("/api/v1/user/", 200, "request")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/teaminvite/urn:teaminvite:s3cret", ""),
        ("/api/v1/teaminvite/urn:teaminvite:s3cret/", ""),
        ("/confirm", "code=s3cret"),
        ("/recovery", "code=s3cret"),
        ("/api/v1/signout", "_csrf_token=s3cret"),
    ],
)
def test_no_code_gets_into_the_log(path: str, query: str) -> None:
    assert "s3cret" not in json.dumps(logged(path, query))
