"""Patterns of users: found anywhere in a name, in linear time; what cannot be matched so is refused."""

from __future__ import annotations

import time

import pytest

from quayframe.services import patterns
from quayframe.services.patterns import PatternInvalid


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("^v[0-9]+$", "v12", True),
        ("^v[0-9]+$", "v12-rc", False),
        ("dev", "my-dev-1", True),
        ("^dev", "my-dev-1", False),
        ("(?i)DEV", "dev", True),
    ],
)
def test_a_pattern_fits_a_name_in_which_it_is_found(pattern: str, name: str, expected: bool) -> None:
    patterns.check(pattern)

    assert patterns.fits(pattern, name) is expected


@pytest.mark.parametrize(
    ("pattern", "cause"),
    [
        ("", "empty"),
        ("(", r"missing \)"),
        ("[a", "missing ]"),
        ("(?=a)b", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a" * 257, "more than 256"),
        ("((a{99}){99}){99}", "."),
        ("((a?){30}){30}c$", "too large"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(
    pattern: str, cause: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PatternInvalid, match=f"^Invalid regex pattern: .*{cause}"):
        patterns.check(pattern)

    assert capfd.readouterr() == ("", "")


def test_the_longest_pattern_is_taken() -> None:
    patterns.check("a" * 256)


def test_no_pattern_takes_long() -> None:
    """A back-tracking engine needs 2 ** 100 steps for this."""
    evil = "^(a+)+$"
    patterns.check(evil)

    begun = time.process_time()
    assert not patterns.fits(evil, "a" * 100 + "!")
    assert time.process_time() - begun < 1
