"""Problems of a configuration, and the nearest name to one that is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where a value is: keys and list indexes from the top."""

NEAR = 2
"""Letters by which a name may differ from a known one to count as its misspelling."""


@dataclass(frozen=True)
class Problem:
    """`where` is `file:line`, or the name of an environment variable; `path` may be empty."""

    where: str
    path: str
    text: str

    def order(self) -> tuple[str, int]:
        """Sorts problems as the file has them."""
        name, _, line = self.where.rpartition(":")
        return (name, int(line)) if line.isdecimal() else (self.where, 0)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.text) if part)


def show_path(path: Sequence[str | int]) -> str:
    """`("A", "b", 1, "c")` as `A.b[1].c`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def distance(left: str, right: str, limit: int) -> int:
    """The Levenshtein distance; `limit + 1` for all that is farther than `limit`."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
        if min(row) > limit:
            return limit + 1
    return row[-1] if row[-1] <= limit else limit + 1


def nearest(name: str, known: Iterable[str]) -> tuple[str, int] | None:
    """The known name that is nearest and how far it is; None when none resembles it."""
    best: tuple[str, int] | None = None
    limit = min(max(NEAR, len(name) // 3), 8)
    for candidate in sorted(known):
        far = distance(name, candidate, limit)
        if far <= limit:
            best, limit = (candidate, far), far - 1
        if limit < 0:
            break
    return best


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing."""
    found = nearest(name, known)
    return f"; did you mean {found[0]}?" if found else ""
