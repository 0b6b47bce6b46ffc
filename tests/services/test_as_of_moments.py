"""The moments of as-of pulls, as clients write them."""

from __future__ import annotations

import pytest

from quayframe.errors import InvalidRequest
from quayframe.services import as_of


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1_500),
        ("1970-01-01T01:00:00.0009+01:00", 0),
        # as a query brings it in which `+` was left as it is
        ("1970-01-01T01:00:00 01:00", 0),
        ("1969-12-31T23:30:00-00:30", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01 00:00:00Z", 0),
        ("1990-12-31T23:59:60Z", 662_688_000_000),
    ],
)
def test_times_of_rfc_3339(text: str, ms: int) -> None:
    assert as_of.moment(text) == ms


@pytest.mark.parametrize(
    "text",
    ["1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+01:60", "1970-01-01T24:00:00Z", "٢٠٢٦-01-01T00:00:00Z",
     "1970-02-30T00:00:00Z", "1970-01-01T00:00:61Z", "0000-01-01T00:00:00Z", "1970-01-01T00:00:00Z "],
)  # fmt: skip
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(InvalidRequest):
        as_of.moment(text)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("v1.at.19700101T000001Z", ("v1", 1_000)),
        ("a.at.19700101T000001Z.at.19700101T000002Z", ("a.at.19700101T000001Z", 2_000)),
        ("v1.at.19700101T000001", None),
        ("v1.at.19700101T000001z", None),
        (".at.19700101T000001Z", None),
        ("v1.at.19700101T246060Z", None),
        ("v1.at.29991231T000000Z", None),
        ("v1", None),
    ],
)
def test_references_with_a_moment(reference: str, found: tuple[str, int] | None) -> None:
    assert as_of.split(reference) == found
