"""Samples, and the table of their medians beside the bars."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.subjects import DEBIAN, OURS, V3


@dataclass(frozen=True)
class Line:
    """A line of the table. `bar` tells from our median, distribution v3's and the better peer's whether
    it is met; a peer that is not there is None."""

    unit: str
    lower_is_better: bool = False
    bar_text: str = ""
    bar: Callable[[float, float | None, float | None], bool | None] | None = None


def times_v3(factor: float) -> Callable[[float, float | None, float | None], bool | None]:
    return lambda ours, v3, _best: None if v3 is None else ours >= factor * v3


def times_best(factor: float) -> Callable[[float, float | None, float | None], bool | None]:
    return lambda ours, _v3, best: None if best is None else ours >= factor * best


def at_most(limit: float) -> Callable[[float, float | None, float | None], bool | None]:
    return lambda ours, _v3, _best: ours <= limit


def at_least(limit: float) -> Callable[[float, float | None, float | None], bool | None]:
    return lambda ours, _v3, _best: ours >= limit


class Results:
    """Samples by line and subject."""

    def __init__(self, subjects: list[str]) -> None:
        self.subjects = subjects
        self.lines: dict[str, Line] = {}
        self.samples: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.p99: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.notes: list[str] = []

    def add(self, name: str, line: Line, subject: str, value: float) -> None:
        self.lines.setdefault(name, line)
        self.samples[name][subject].append(value)

    def note(self, text: str) -> None:
        """Something that a reader of the table must know; said once."""
        if text not in self.notes:
            self.notes.append(text)

    def median(self, name: str, subject: str) -> float | None:
        samples = self.samples[name].get(subject)
        return statistics.median(samples) if samples else None

    def as_json(self) -> dict[str, Any]:
        return {
            "subjects": self.subjects,
            "samples": {name: dict(found) for name, found in self.samples.items()},
            "p99_ms": {name: dict(found) for name, found in self.p99.items()},
            "units": {name: line.unit for name, line in self.lines.items()},
            "notes": self.notes,
        }


def table(results: Results, head: str) -> str:
    """Medians, ratios (above 1: ours is better) and bars, as text."""
    rows = [["", "unit", *results.subjects, "x v3", "x better peer", "bar", ""]]
    missed = []
    for name, line in results.lines.items():
        medians = {s: results.median(name, s) for s in results.subjects}
        ours, v3 = medians.get(OURS), medians.get(V3)
        peers = [m for m in (v3, medians.get(DEBIAN)) if m is not None]
        best = (min(peers) if line.lower_is_better else max(peers)) if peers else None
        verdict = ""
        if line.bar is not None and ours is not None:
            met = line.bar(ours, v3, best)
            verdict = {True: "met", False: "MISSED", None: "no peer"}[met]
            if met is False:
                missed.append(name)
        rows.append(
            [
                *(name, line.unit, *(_number(m) for m in medians.values())),
                *(_ratio(ours, other, line.lower_is_better) for other in (v3, best)),
                *(line.bar_text, verdict),
            ]
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    text = [
        "  ".join(
            cell.ljust(width) if at < 2 or at >= len(row) - 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    end = f"bars missed: {', '.join(missed)}" if missed else "no bar missed"
    return "\n".join(["", head, "", *text, "", *results.notes, end])


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(ours: float | None, other: float | None, lower_is_better: bool) -> str:
    if not ours or not other:
        return "-"
    return f"{other / ours if lower_is_better else ours / other:.2f}"
