"""What labels say about the life of tags."""

from __future__ import annotations

import pytest

from quayframe.services import expirations

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1), ("90m", 5400), ("20h", 72_000), ("2d", 2 * DAY), ("3w", 21 * DAY), ("1y", 365 * DAY),
        ("007d", 7 * DAY), ("1000y", 365_000 * DAY),
    ],
)  # fmt: skip
def test_one_number_and_one_unit_is_a_duration(text: str, seconds: int) -> None:
    assert expirations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "", "d", "2", "2 d", " 2d", "2d\n", "2D", "1h30m", "1.5h", "-1d", "+1d", "0s", "0w", "2 days", "٢d",
        "1001y", "999999999999y", "9" * 500 + "s", "never",
    ],
)  # fmt: skip
def test_what_is_no_duration_says_nothing(text: str) -> None:
    assert expirations.parse(text) is None
