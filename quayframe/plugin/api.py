"""The version of the plugin API, and what a plugin must say about it.

The minor number grows with optional additions, the major one with removals; a removal is announced by a
deprecation warning one minor version earlier.
"""

from __future__ import annotations

PROJECT = "quayframe"
"""pluggy's project name, and the group of the entry points."""

API_VERSION = (1, 0)
"""(major, minor) of this core."""

VERSION_ATTRIBUTE = "quayframe_api"
"""The module attribute in which a plugin says for which version it was written."""


def refusal(declared: object) -> str | None:
    """Why a plugin that declares this version does not load; None = it loads.

    It loads when the major number is the core's and the minor number is not above the core's.
    """
    core = f"{API_VERSION[0]}.{API_VERSION[1]}"
    match declared:
        case None:
            return (
                f"it does not say for which plugin API it was written ({VERSION_ATTRIBUTE} = (major, minor))"
            )
        case (int(major), int(minor)):
            if major != API_VERSION[0] or minor > API_VERSION[1]:
                return f"it was written for plugin API {major}.{minor}; this core has {core}"
            return None
        case _:
            return f"{VERSION_ATTRIBUTE} is not a pair (major, minor): {declared!r}"
