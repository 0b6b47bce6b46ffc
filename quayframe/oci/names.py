"""Names: repositories, tags, namespaces, robots, and the scopes that name them to the token service."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from quayframe.errors import InvalidRequest, NameInvalid, TagInvalid

NAMESPACE_GRAMMAR: Final = r"^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"
MAXIMUM_LENGTH: Final = 255
DEFAULT_LIBRARY: Final = "library"
PASSWORD_RULE: Final = "Invalid password, password must be at least 8 characters and contain no whitespace."  # noqa: S105
ACTIONS: Final = ("push", "pull", "*")

_NAMESPACE: Final = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_SEGMENT: Final = r"[a-z0-9][.a-z0-9_-]*"
_match_namespace = re.compile(_NAMESPACE).fullmatch
_match_segment = re.compile(_SEGMENT).fullmatch
_match_path = re.compile(rf"({_NAMESPACE})/({_SEGMENT}(?:/{_SEGMENT})*)").fullmatch
_match_tag = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}").fullmatch
_match_password = re.compile(r"\S{8,}").fullmatch
_match_email = re.compile(r"[^@]+@[^@.]+(?:\.[^@.]+)+").fullmatch
_match_scope = re.compile(
    r"repository:((?:[.a-zA-Z0-9_-]+(?::[0-9]+)?/)?(?:[.a-zA-Z0-9_-]+/)*[.a-zA-Z0-9_-]+)"
    r":((?:push|pull|delete|\*)(?:,(?:push|pull|delete|\*))*)"
).fullmatch
_match_scoped_path = re.compile(r"(?:[.a-zA-Z0-9_-]+/)*[.a-zA-Z0-9_-]+").fullmatch


class RepositoryName(NamedTuple):
    """A repository: `name` is the path below its namespace, and may have slashes."""

    namespace: str
    name: str

    @property
    def full(self) -> str:
        return f"{self.namespace}/{self.name}"


class RobotName(NamedTuple):
    """A robot account: `short` within its owner's `namespace`."""

    namespace: str
    short: str

    @property
    def full(self) -> str:
        return f"{self.namespace}+{self.short}"


class Scope(NamedTuple):
    """What a token is asked for.

    `name` is as asked. `repository` is it without the registry's own host, not yet checked by
    `repository_path`; None for the catalog. `actions` are in the order push, pull, `*`, each once.
    """

    type: str
    name: str
    repository: str | None
    actions: tuple[str, ...]


def repository_path(
    text: str, *, library: str | None = DEFAULT_LIBRARY, extended: bool = True
) -> RepositoryName:
    """The repository that a path names. Raises NameInvalid with the reason.

    :param library: the namespace of a path of one segment; None refuses such paths.
    :param extended: whether the name may have slashes below the namespace.
    """
    path = text.removesuffix("/")
    if library is not None and path and "/" not in path:
        path = f"{library}/{path}"
    found = _match_path(path) if len(path) <= MAXIMUM_LENGTH and ".." not in path else None
    if found is None or len(found[1]) < 2 or (not extended and "/" in found[2]):
        raise NameInvalid(f"invalid repository name {_show(text)}: {_path_cause(path, extended)}")
    return RepositoryName(found[1], found[2])


def _path_cause(path: str, extended: bool) -> str:
    namespace, slash, name = path.partition("/")
    if len(path) > MAXIMUM_LENGTH:
        return f"it is longer than {MAXIMUM_LENGTH} characters"
    if not path or "" in path.split("/"):
        return "it has an empty segment" if slash else "it is empty"
    if not slash:
        return "it has no namespace"
    if ".." in path:
        return "it contains .."
    if path != path.lower():
        return "it must be lower case"
    fault = namespace_fault(namespace)
    if fault:
        return fault
    if not extended and "/" in name:
        return "names with slashes are switched off in this registry"
    bad = next((s for s in name.split("/") if not _match_segment(s)), name)
    return f"{_show(bad)} must be of [a-z0-9._-] and begin with a letter or digit"


def is_tag(text: str) -> bool:
    return _match_tag(text) is not None


def check_tag(text: str) -> str:
    """`text` itself, a valid tag. Raises TagInvalid."""
    if _match_tag(text):
        return text
    raise TagInvalid(f"invalid tag {_show(text)}: {TagInvalid.message}")


def namespace_fault(text: str) -> str | None:
    """Why `text` cannot be the name of a user, organization, team or robot; None when it can."""
    # length first for the grammar's sake: the text may be of any size
    if len(text) <= MAXIMUM_LENGTH and not _match_namespace(text):
        return f"Namespace must match expression {NAMESPACE_GRAMMAR}"
    if not 2 <= len(text) <= MAXIMUM_LENGTH:
        return f"Namespace must be between 2 and {MAXIMUM_LENGTH} characters in length"
    return None


def is_namespace(text: str) -> bool:
    """Whether `text` may name a user or an organization; team and robot names have the same form."""
    return namespace_fault(text) is None


def check_namespace(text: str, *, what: str = "namespace") -> str:
    """`text` itself, a valid name. Raises NameInvalid, in which `what` says of what (`username`)."""
    fault = namespace_fault(text)
    if fault is None:
        return text
    raise NameInvalid(f"Invalid {what} {_plain(text)}: {fault}")


def is_robot(text: str) -> bool:
    """Whether a log-in name is meant as a robot's: it has a `+`."""
    return "+" in text


def parse_robot(text: str) -> RobotName:
    """The parts of `<namespace>+<short>`. Raises NameInvalid."""
    namespace, plus, short = text.partition("+")
    if plus and is_namespace(namespace) and is_namespace(short):
        return RobotName(namespace, short)
    raise NameInvalid(f"invalid robot name {_show(text)}: expected <namespace>+<name>")


def is_password(text: str) -> bool:
    """Whether `text` may become a password: at least 8 characters, no whitespace."""
    return _match_password(text) is not None


def check_password(text: str) -> str:
    """`text` itself, a valid password. Raises InvalidRequest; the message does not repeat it."""
    if is_password(text):
        return text
    raise InvalidRequest(PASSWORD_RULE)


def is_email(text: str) -> bool:
    """One `@`, something before it, two or more labels after it; at most 254 characters."""
    return len(text) <= 254 and not any(c.isspace() for c in text) and _match_email(text) is not None


def parse_scope(text: str, hostname: str) -> Scope:
    """The scope that a client asks the token service for. Raises InvalidRequest.

    `registry:catalog:*`, or `repository:[<hostname>/]<path>:<action>[,<action>]`. The actions are push,
    pull and `*`; `delete` beside one of them is passed over, since crane and oras ask for it.
    """
    if text == "registry:catalog:*":
        return Scope("registry", "catalog", None, ("*",))
    found = _match_scope(text)
    if found:
        name = found[1]
        # only this registry's own host is taken off: another one is an ordinary first segment
        own = name.removeprefix(f"{hostname}/")
        if _match_scoped_path(own):
            asked = found[2].split(",")
            actions = tuple(a for a in ACTIONS if a in asked)
            if actions:
                return Scope("repository", name, own, actions)
    raise InvalidRequest(f"Unable to decode repository and actions: {text}")


def _plain(text: str) -> str:
    """`text` on one line, shortened."""
    shown = text if len(text) <= MAXIMUM_LENGTH else f"{text[:MAXIMUM_LENGTH]}..."
    return shown if shown.isprintable() else ascii(shown)


def _show(text: str) -> str:
    return ascii(text if len(text) <= 80 else f"{text[:80]}...")
