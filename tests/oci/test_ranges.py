import pytest

from quayframe.errors import InvalidRequest, RangeInvalid
from quayframe.oci.ranges import parse_content_range, parse_range


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-0", (0, 1)),
        ("5-9", (5, 10)),
        ("bytes 5-9/10", (5, 10)),
        ("bytes 5-9/*", (5, 10)),
        (" 0-1 ", (0, 2)),
    ],
)
def test_content_range_is_half_open(text: str, expected: tuple[int, int]) -> None:
    assert parse_content_range(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "-", "0-", "-1", "0--1", "9-5", "a-b", "bytes 0-9/9", "0-9 0-9", "0-" + "9" * 5000, "\u0661-\u0662"],
)
def test_a_bad_content_range_is_an_invalid_request(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_content_range(text)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-", (10, 100)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=10-" + "9" * 5000, (10, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes=1-2", (1, 3)),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=5-1", None),
        ("bytes=-", None),
        ("bytes=x-y", None),
    ],
)
def test_one_range_of_bytes_is_understood_and_the_rest_ignored(
    header: str | None, expected: tuple[int, int] | None
) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_a_range_outside_the_content_tells_its_size(header: str) -> None:
    with pytest.raises(RangeInvalid) as caught:
        parse_range(header, 100)
    assert caught.value.headers == {"Content-Range": "bytes */100"}


def test_the_tail_of_an_empty_content_is_the_whole_of_it() -> None:
    assert parse_range("bytes=-5", 0) is None
