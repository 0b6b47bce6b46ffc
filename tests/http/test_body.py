"""A request's body is counted, limited and ends with the truth."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from quayframe.errors import LayerTooLarge, ManifestTooLarge, RequestTimeout, SizeInvalid
from quayframe.http.body import FAST, LARGEST_PIECE, LARGEST_READ, RequestBody


def environ(content: bytes, length: int | None = None, *, chunked: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"wsgi.input": io.BytesIO(content)}
    if chunked:
        made["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        made["CONTENT_LENGTH"] = str(len(content) if length is None else length)
    return made


def whole(body: RequestBody, size: int = 1 << 20) -> bytes:
    return b"".join(iter(lambda: body.read(size), b""))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("chunked", [False, True])
def test_pieces_of_any_size_make_the_whole(size: int, chunked: bool) -> None:
    content = bytes(range(200)) * 3
    body = RequestBody(environ(content, chunked=chunked))

    assert whole(body, size) == content
    assert body.received == len(content)


def test_a_large_body_is_read_whole_in_growing_pieces() -> None:
    content = b"quay" * 500_000

    assert whole(RequestBody(environ(content))) == content


class _Counted(io.BytesIO):
    """A body that notes the size of each read, and may pause or tear before one that begins at a place."""

    def __init__(self, content: bytes, *, slow_from: int | None = None, torn_at: int | None = None) -> None:
        super().__init__(content)
        self.sizes: list[int] = []
        self._slow_from = slow_from
        self._torn_at = torn_at

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        self.sizes.append(size)
        if self._slow_from is not None and self.tell() >= self._slow_from:
            # as long as a real slow read: it is the duration that is judged
            time.sleep(FAST * 1.2)
        if self._torn_at is not None:
            if self.tell() >= self._torn_at:
                raise OSError("torn")
            size = min(size, self._torn_at - self.tell())
        return super().read(size)


def test_a_fast_body_comes_in_large_pieces_of_reads_that_can_be_judged() -> None:
    content = bytes(4 * LARGEST_PIECE)
    stream = _Counted(content)
    body = RequestBody(environ(content) | {"wsgi.input": stream})

    pieces = list(iter(lambda: body.read(LARGEST_PIECE), b""))

    assert sum(map(len, pieces)) == len(content)
    assert max(map(len, pieces)) == LARGEST_PIECE
    assert max(stream.sizes) == LARGEST_READ


def test_a_piece_is_never_larger_than_asked_for() -> None:
    content = bytes(2 * LARGEST_PIECE)
    body = RequestBody(environ(content))

    pieces = list(iter(lambda: body.read(LARGEST_READ + 10), b""))

    assert sum(map(len, pieces)) == len(content)
    assert max(map(len, pieces)) == LARGEST_READ + 10


def test_bytes_of_a_body_that_becomes_slow_are_not_held_back() -> None:
    content = bytes(3 * LARGEST_PIECE)
    stream = _Counted(content, slow_from=2 * LARGEST_PIECE)
    body = RequestBody(environ(content) | {"wsgi.input": stream})

    pieces = list(iter(lambda: body.read(LARGEST_PIECE), b""))

    assert sum(map(len, pieces)) == len(content)
    assert all(len(piece) <= LARGEST_READ for piece in pieces[-3:])


def _until_error(body: RequestBody, error: type[Exception]) -> int:
    """How many bytes come before the error."""
    got = 0
    try:
        while piece := body.read(LARGEST_PIECE):
            got += len(piece)
    except error:
        return got
    raise AssertionError(f"{got} bytes and no {error.__name__}")


@pytest.mark.parametrize("chunked", [False, True])
def test_what_came_before_a_tear_within_a_piece_is_given_out_first(chunked: bool) -> None:
    content = bytes(4 * LARGEST_PIECE)
    came = 2 * LARGEST_PIECE + LARGEST_READ + 5
    body = RequestBody(environ(content, chunked=chunked) | {"wsgi.input": _Counted(content, torn_at=came)})

    assert _until_error(body, SizeInvalid) == came


def test_what_came_before_a_cut_within_a_piece_is_given_out_first() -> None:
    content = bytes(4 * LARGEST_PIECE)
    came = 2 * LARGEST_PIECE

    class Silent(_Counted):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() < came:
                return super().read(min(size or 0, came - self.tell()))
            assert body.overdue(1e12) is not None
            return b""

    made = environ(content) | {"wsgi.input": Silent(content), "quayframe.abort": lambda *told: None}
    body = RequestBody(made)

    assert _until_error(body, RequestTimeout) == came


def test_a_chunked_body_passes_its_limit_within_a_piece() -> None:
    limit = 2 * LARGEST_PIECE + LARGEST_READ + 5
    body = RequestBody(environ(bytes(4 * LARGEST_PIECE), chunked=True), limit=limit)

    with pytest.raises(LayerTooLarge):
        whole(body)


def test_a_request_without_length_has_no_body() -> None:
    assert RequestBody({"wsgi.input": io.BytesIO(b"left over")}).read(10) == b""


def test_nothing_beyond_the_announced_length_is_read() -> None:
    assert whole(RequestBody(environ(b"body and the next request", 4))) == b"body"


def test_a_body_cut_short_gives_what_came_and_then_the_error() -> None:
    body = RequestBody(environ(b"half", 8))

    assert body.read(100) == b"half"
    with pytest.raises(SizeInvalid, match="after 4 of 8 bytes"):
        body.read(100)


def test_a_length_that_is_no_number_is_refused() -> None:
    with pytest.raises(SizeInvalid, match="number"):
        RequestBody({"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "-1"})


def test_an_announced_length_beyond_the_limit_is_refused_before_reading() -> None:
    with pytest.raises(LayerTooLarge):
        RequestBody(environ(b"12345"), limit=4)


def test_a_chunked_body_beyond_the_limit_is_refused() -> None:
    body = RequestBody(environ(b"12345", chunked=True), limit=4, too_large=ManifestTooLarge)

    with pytest.raises(ManifestTooLarge):
        whole(body)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_exactly_the_limit_is_read(chunked: bool) -> None:
    assert whole(RequestBody(environ(b"1234", chunked=chunked), limit=4)) == b"1234"


class _Torn(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise OSError("torn")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_torn_connection_is_a_body_cut_short(chunked: bool) -> None:
    made = environ(b"", 5, chunked=chunked)
    made["wsgi.input"] = _Torn()

    with pytest.raises(SizeInvalid):
        RequestBody(made).read(5)


def test_a_body_that_is_overdue_is_cut_once_and_says_so() -> None:
    answers: list[tuple[int, list[tuple[str, str]], bytes]] = []

    class Silent(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            abort = body.overdue(1e12)
            if abort is not None:
                abort(*body.refusal())
            assert body.overdue(1e12) is None
            return b""

    made = environ(b"", 5) | {
        "wsgi.input": Silent(),
        "quayframe.abort": lambda *told: answers.append(told),
        "quayframe.request_id": "the-id",
    }
    body = RequestBody(made)

    with pytest.raises(RequestTimeout):
        body.read(5)
    assert [status for status, _, _ in answers] == [408]
    assert ("X-Request-Id", "the-id") in answers[0][1]
