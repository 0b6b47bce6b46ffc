"""Patterns over names of tags, as users write them: matched in linear time, whatever they say.

The syntax is RE2's: that of Python without look-around and back references, which is what makes the time
linear. A pattern fits a name in which it is found; `^` and `$` bind it to the ends.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from quayframe.errors import InvalidRequest

LONGEST = 256
"""Characters of a pattern."""
_MEMORY = 32 << 10
"""Bytes that a compiled pattern may take. It bounds the time as well: the worst that fits takes 2 ms on the
longest name, where with 1 MiB it takes 10; `((a?){30}){30}` is refused."""


class PatternInvalid(InvalidRequest):
    def __init__(self, cause: str) -> None:
        super().__init__(f"Invalid regex pattern: {cause}")


def check(pattern: str) -> None:
    """Raises PatternInvalid for a pattern that cannot be matched."""
    if not pattern:
        raise PatternInvalid("it is empty")
    if len(pattern) > LONGEST:
        raise PatternInvalid(f"it has more than {LONGEST} characters")
    import re2  # type: ignore[import-untyped]

    try:
        _compiled(pattern)
    except re2.error as error:
        cause = error.args[0] if error.args else "it is malformed"
        raise PatternInvalid(
            cause.decode("utf-8", "replace") if isinstance(cause, bytes) else str(cause)
        ) from None


def fits(pattern: str, name: str) -> bool:
    """Whether the pattern, which was checked once, is found in the name."""
    return _compiled(pattern).search(name) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    # Loaded when somebody has a policy: 3 MB of each process otherwise.
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return re2.compile(pattern, options)
