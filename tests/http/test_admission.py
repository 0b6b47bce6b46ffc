"""Long requests are counted, refused beyond the limit, and given back once."""

from __future__ import annotations

from typing import Any

import pytest

from quayframe.http.admission import Admission, long_requests

LONG: dict[str, Any] = {"CONTENT_LENGTH": "65537"}


def test_long_requests_leave_threads_for_others() -> None:
    assert long_requests(256) == 240


def test_a_process_of_few_threads_takes_one_long_request() -> None:
    assert long_requests(4) == 1


@pytest.mark.parametrize(
    "environ", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}, {"CONTENT_LENGTH": "65536"}]
)
def test_ordinary_requests_are_always_admitted(environ: dict[str, Any]) -> None:
    admission = Admission(0)

    assert admission.enter(environ)
    assert admission.active == 0


@pytest.mark.parametrize(
    "environ", [LONG, {"HTTP_TRANSFER_ENCODING": "chunked"}, {"CONTENT_LENGTH": "9" * 5000}]
)
def test_long_requests_are_refused_beyond_the_limit(environ: dict[str, Any]) -> None:
    admission = Admission(1)

    assert admission.enter(dict(environ))
    assert not admission.enter(dict(environ))
    assert admission.refusal().headers["Retry-After"]


def test_a_place_is_given_back_once() -> None:
    admission = Admission(2)
    first, second = dict(LONG), dict(LONG)
    admission.enter(first)
    admission.enter(second)
    admission.leave(first)
    admission.leave(first)

    assert admission.active == 1


def test_a_refused_request_gives_nothing_back() -> None:
    admission = Admission(1)
    admission.enter(dict(LONG))
    refused = dict(LONG)
    admission.enter(refused)
    admission.leave(refused)

    assert admission.active == 1


def test_a_stream_holds_its_place_until_it_is_closed() -> None:
    closed: list[bool] = []

    def chunks() -> Any:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    admission = Admission(1)
    environ: dict[str, Any] = {}
    assert admission.enter_stream(environ)
    held = admission.until_closed(chunks(), environ)
    assert next(held) == b"a"
    assert admission.active == 1
    held.close()

    assert (admission.active, closed) == (0, [True])
