"""Where an application's users may be sent back to: what it registered, and what lies below."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

# What no address needs unescaped, and what browsers read differently from each other.
_PLAIN = re.compile(r"[!-~]{1,2048}").fullmatch
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*").fullmatch
_RUN_BY_BROWSERS = frozenset(("javascript", "data", "vbscript", "file", "blob", "about", "filesystem"))


def may_be_registered(uri: str) -> bool:
    """Whether it is an address at all, without a part that belongs to a request or a person."""
    return _parts(uri) is not None


def matches(uri: str, registered: str, local: str) -> bool:
    """Whether users may be sent to `uri`: to the registry's own page `local`, or to the registered
    address (same scheme and host) and what lies below its path. Never to another host, up, or to what
    is written so that it might lead there."""
    if uri == local:
        return True
    asked, own = _parts(uri), _parts(registered)
    if asked is None or own is None:
        return False
    if (asked.scheme, asked.netloc) != (own.scheme, own.netloc):
        return False
    # From the path on: a registered query has to be there as it was registered.
    mine, theirs = _from_path(own), _from_path(asked)
    if not theirs.startswith(mine):
        return False
    rest = theirs[len(mine) :]
    return not any(mark in rest for mark in ("..", "@", "%")) and ".." not in asked.path.split("/")


def target(uri: str) -> str:
    """What a form that leads to `uri` is allowed to lead to, as a Content-Security-Policy source."""
    parts = _parts(uri)
    if parts is None:
        return ""
    if parts.scheme in ("http", "https") and re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", parts.netloc):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def _parts(uri: str) -> SplitResult | None:
    if _PLAIN(uri) is None or "\\" in uri or "#" in uri:
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    if _SCHEME(parts.scheme) is None or parts.scheme in _RUN_BY_BROWSERS or "@" in parts.netloc:
        return None
    if parts.scheme in ("http", "https") and (not parts.hostname or port == 0):
        return None
    return parts


def _from_path(parts: SplitResult) -> str:
    return parts.path + (f"?{parts.query}" if parts.query else "")
