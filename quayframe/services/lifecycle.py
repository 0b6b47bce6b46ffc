"""One decision on everything that ends and everything that stays.

Whatever ends a tag or keeps a manifest is a `Reason` of one of the RULES. `decide` says what they come to:
the API's explanation, the dry run of policies, the plan of a collection and the collector itself ask it
and nothing else. No I/O: who asks gathers the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Effect = Literal["pin", "end", "keep"]


@dataclass(frozen=True)
class Rule:
    """`effect`: pin = the tag can be neither moved nor ended; end = it ends the tag at a moment; keep = it
    keeps what it is about until a moment. `text` says it to people."""

    effect: Effect
    text: str


RULES: dict[str, Rule] = {
    # What pins a tag.
    "immutable": Rule("pin", "the tag was made immutable"),
    "immutable-label": Rule("pin", "the label quay.immutable of its manifest makes the tag immutable"),
    "immutable-policy": Rule("pin", "an immutability policy covers the tag"),
    # What ends a tag. These are the values of `end_reason`, with their source behind a colon.
    "expiration": Rule("end", "an expiration was set"),
    "label": Rule("end", "the label quay.expires-after of its manifest ends the tag"),
    "deleted": Rule("end", "the tag was deleted"),
    "moved": Rule("end", "the tag was given to another manifest"),
    "manifest": Rule("end", "its manifest was deleted"),
    "subject": Rule("end", "the last tag of the manifest that it signs or describes ended"),
    "prune": Rule("end", "an auto-prune policy ends the tag"),
    "purged": Rule("end", "the tag was deleted permanently"),
    # What keeps a manifest.
    "tag": Rule("keep", "a tag names it"),
    "window": Rule("keep", "a tag named it, and the time machine goes back so far"),
    "hold": Rule("keep", "a temporary hold: what was pushed or answered can be pulled"),
    "index": Rule("keep", "an index lists it"),
    "referrer": Rule("keep", "it refers to a manifest that is there"),
    "alone": Rule("keep", "it refers to a manifest that was never here, and was not deleted"),
    # What keeps a blob, a repository, a namespace.
    "link": Rule("keep", "a manifest of the repository needs it"),
    "upload": Rule("keep", "it was uploaded, mounted or asked for a short while ago"),
    "bin": Rule("keep", "it is in the recycle bin"),
}


@dataclass(frozen=True)
class Reason:
    """One rule that applies. `at_ms`: when it ends the tag, or until when it keeps; None = for as long as it
    is there. `source`: the tag, digest, hold or policy that it comes from. `settled`: an end that stands in
    the tag's row already, so that nothing outweighs it but a change of the row."""

    rule: str
    at_ms: int | None = None
    source: str | None = None
    settled: bool = False

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"{self.rule} is no rule of the life of tags and manifests")

    @property
    def effect(self) -> Effect:
        return RULES[self.rule].effect

    @property
    def text(self) -> str:
        return RULES[self.rule].text


@dataclass(frozen=True)
class Verdict:
    """`ends_ms`: when the tag ends, by `ends_by`; None = never by itself. `kept_ms`: until when it is kept,
    by `kept_by`; `for_good` = with no end in sight. `pinned_by`: what refuses every change."""

    ends_ms: int | None = None
    ends_by: Reason | None = None
    kept_ms: int | None = None
    kept_by: Reason | None = None
    for_good: bool = False
    pinned_by: Reason | None = None

    def is_kept(self, now: int) -> bool:
        """Whether anything keeps it at `now`."""
        return self.for_good or (self.kept_ms is not None and self.kept_ms > now)


def decide(reasons: Iterable[Reason], *, pins_expire: bool = False) -> Verdict:
    """What the reasons come to: a pin outweighs each end that is not a fact already, the first end wins, and
    the last keep.

    :param pins_expire: a pinned tag ends by an expiration all the same (FEATURE_IMMUTABLE_TAGS_CAN_EXPIRE).
    """
    pinned: Reason | None = None
    ends: list[Reason] = []
    keeps: list[Reason] = []
    for reason in reasons:
        if reason.effect == "pin":
            pinned = pinned or reason
        else:
            (ends if reason.effect == "end" else keeps).append(reason)
    if pinned is not None:
        stays = ("expiration", "label") if pins_expire else ()
        ends = [end for end in ends if end.settled or end.rule in stays]
    first = min((end for end in ends if end.at_ms is not None), key=_moment, default=None)
    endless = next((keep for keep in keeps if keep.at_ms is None), None)
    last = endless or max(keeps, key=_moment, default=None)
    return Verdict(
        ends_ms=first.at_ms if first else None,
        ends_by=first,
        kept_ms=last.at_ms if last else None,
        kept_by=last,
        for_good=endless is not None,
        pinned_by=pinned,
    )


def _moment(reason: Reason) -> int:
    return reason.at_ms or 0


def of_end(end_ms: int | None, end_reason: str | None) -> Reason | None:
    """The reason that a row's `end_ms` and `end_reason` stand for; None where there is no end."""
    if end_ms is None:
        return None
    # Rows of the release before say no reason.
    rule, _, source = (end_reason or "deleted").partition(":")
    return Reason(rule if rule in RULES else "deleted", end_ms, source or None)


def of_tag(name: str, end_ms: int | None, window_ms: int) -> Reason:
    """How an interval of a tag keeps its manifest: while it lasts, and for the window after its end."""
    if end_ms is None:
        return Reason("tag", None, name)
    return Reason("window", end_ms + window_ms, name)
