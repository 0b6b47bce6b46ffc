"""One decision on all reasons: which end comes first, what outweighs it, what keeps."""

from __future__ import annotations

import pytest

from quayframe.services.lifecycle import RULES, Reason, Verdict, decide, of_end, of_tag


def test_nothing_said_is_nothing_kept_and_no_end() -> None:
    assert decide([]) == Verdict()
    assert not decide([]).is_kept(0)


def test_the_first_end_wins() -> None:
    early, late = Reason("expiration", 10), Reason("prune", 20, "p")
    verdict = decide([late, early])
    assert (verdict.ends_ms, verdict.ends_by) == (10, early)


def test_the_last_keep_wins_and_one_without_end_wins_over_all() -> None:
    short, long = Reason("hold", 10, "push"), Reason("window", 30, "v1")
    verdict = decide([short, long])
    assert (verdict.kept_ms, verdict.kept_by, verdict.for_good) == (30, long, False)
    assert verdict.is_kept(29)
    assert not verdict.is_kept(30)

    endless = Reason("index", None, "sha256:aa")
    verdict = decide([short, endless, long])
    assert (verdict.kept_ms, verdict.kept_by, verdict.for_good) == (None, endless, True)
    assert verdict.is_kept(10**15)


@pytest.mark.parametrize("pin", [name for name, rule in RULES.items() if rule.effect == "pin"])
@pytest.mark.parametrize("end", ["prune", "subject", "expiration", "label"])
def test_a_pin_outweighs_every_end_that_is_still_to_come(pin: str, end: str) -> None:
    verdict = decide([Reason(end, 5), Reason(pin, None, "x")])
    assert verdict.ends_ms is None
    assert verdict.pinned_by == Reason(pin, None, "x")


def test_where_pins_expire_an_expiration_ends_a_pinned_tag_and_a_policy_does_not() -> None:
    reasons = [Reason("immutable"), Reason("prune", 5), Reason("expiration", 9)]
    assert decide(reasons, pins_expire=True).ends_ms == 9


def test_a_rule_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="whim"):
        Reason("whim")


@pytest.mark.parametrize(
    ("end", "reason", "expected"),
    [
        (None, None, None),
        (7, None, Reason("deleted", 7)),
        (7, "prune:some-uuid", Reason("prune", 7, "some-uuid")),
        (7, "what a later release says", Reason("deleted", 7)),
    ],
)
def test_a_row_says_by_which_rule_it_ends(
    end: int | None, reason: str | None, expected: Reason | None
) -> None:
    assert of_end(end, reason) == expected


def test_an_interval_keeps_while_it_lasts_and_for_the_window_after_it() -> None:
    assert of_tag("v1", None, 100) == Reason("tag", None, "v1")
    assert of_tag("v1", 50, 100) == Reason("window", 150, "v1")
