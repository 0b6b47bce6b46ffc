"""Checks and observers: which plugin wants which events, and how its checks are asked."""

from __future__ import annotations

import inspect
import logging
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pluggy import HookImpl

from .. import events
from ..errors import Denied, Internal, Unavailable
from ..events import Event, PullRepo
from . import boundary
from .failures import Retry
from .host import Host
from .pool import Late, Pool
from .states import PluginRecord, State

_log = logging.getLogger(__name__)

CHECK_DEADLINE = 5.0
"""Seconds that one check of one plugin may take, the wait for a thread included."""

HostFor = Callable[[str], Host]
"""Gives the host of the plugin with this name."""


class WrongHook(Exception):
    """A hook implementation cannot be used; the text names the hook and the cause."""


def event_classes(function: Callable[..., Any]) -> frozenset[type[Event]]:
    """The event classes that the annotation of `event` names, subclasses included.

    `Event` itself stands for every class but PullRepo, which must be named: pulls are too many to be
    asked for by accident. Raises WrongHook.
    """
    annotation = _annotation(function)
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    found: set[type[Event]] = set()
    for cls in typing.get_args(annotation) if union else (annotation,):
        if not (isinstance(cls, type) and issubclass(cls, Event)):
            raise WrongHook(f"{function.__name__}: the annotation of event is no event class: {cls!r}")
        known = {cls, *(known for known in events.subclasses().values() if issubclass(known, cls))}
        found |= known - {Event, PullRepo} if cls is Event else known
    return frozenset(found)


def _annotation(function: Callable[..., Any]) -> Any:
    raw = inspect.get_annotations(function).get("event")
    if raw is None:
        raise WrongHook(f"{function.__name__}: the argument event has no annotation that names event classes")
    # of `event` alone, so that names imported for type checkers only do no harm elsewhere
    holder = types.SimpleNamespace(__annotations__={"event": raw})
    try:
        return typing.get_type_hints(holder, globalns=getattr(function, "__globals__", {}))["event"]
    except Exception as error:
        raise WrongHook(f"{function.__name__}: the annotation of event cannot be read: {error}") from error


def call(implementation: HookImpl, **arguments: Any) -> Any:
    """Calls one implementation with those arguments that it takes."""
    return implementation.function(*[arguments[name] for name in implementation.argnames])


@dataclass(frozen=True)
class Check:
    """One implementation of quayframe_check."""

    record: PluginRecord
    implementation: HookImpl
    classes: frozenset[type[Event]]
    pool: Pool

    def ask(self, event: Event, host_for: HostFor, deadline: float = CHECK_DEADLINE) -> None:
        """Returns when the plugin has nothing against the event; else raises, and fails closed.

        Denied = refused, with the plugin's reason as the message; Unavailable = no answer in time, the
        plugin is failed, or it asks to retry; Internal = the check itself failed.
        """
        name = self.record.name
        if self.record.state == State.FAILED:
            raise Unavailable(f'the plugin "{name}" that checks this is not working', retry_after=5)
        try:
            reason = self.pool.run(
                lambda: call(self.implementation, event=event, host=host_for(name)), deadline
            )
            if not (reason is None or (isinstance(reason, str) and reason)):
                raise TypeError(f"a check returns a reason or None, not {reason!r}")
        except Late as late:
            self._late(late, event)
            raise Unavailable(
                f'the plugin "{name}" that checks this does not answer', retry_after=5
            ) from late
        except Retry as later:
            _log.warning(
                'plugin "%s" could not check %s: %s', name, event.kind, later, extra={"plugin": name}
            )
            raise Unavailable(
                f'the plugin "{name}" cannot check this now: {later}', retry_after=later.after
            ) from later
        except Exception as error:
            _log.error(
                'plugin "%s" failed in its check of %s',
                name,
                event.kind,
                exc_info=error,
                extra={"plugin": name},
            )
            raise Internal(f'the check of the plugin "{name}" failed; the log has the cause') from error
        if reason is not None:
            raise Denied(reason, detail={"plugin": name})

    def _late(self, late: Late, event: Event) -> None:
        name = self.record.name
        _log.error(
            'plugin "%s" is late in its check of %s: %s', name, event.kind, late, extra={"plugin": name}
        )
        if late.stuck and self.record.usable:
            self.record.become(State.FAILED, STUCK)
            _log.error('plugin "%s" failed: %s', name, STUCK, extra={"plugin": name})


STUCK = "its checks hang in all of its threads; they refuse until one returns"


def pool_of(record: PluginRecord) -> Pool:
    """The pool in which this plugin's checks run. A plugin that failed because all of its threads hung is
    healthy again as soon as one of them returns."""

    def freed() -> None:
        if record.state == State.FAILED and record.reason == STUCK:
            record.become(State.HEALTHY)
            _log.warning('plugin "%s" answers again', record.name, extra={"plugin": record.name})

    return Pool(f"check-{record.name}", freed=freed)


class CheckTable:
    """Which checks an event is put to. A class that nobody named costs one look into a dictionary."""

    def __init__(self) -> None:
        self._by_class: dict[type[Event], list[Check]] = {}

    def add(self, checks: Iterable[Check]) -> None:
        for check in checks:
            for cls in check.classes:
                self._by_class.setdefault(cls, []).append(check)

    def wants(self, cls: type[Event]) -> bool:
        return cls in self._by_class

    def ask(self, event: Event, host_for: HostFor) -> None:
        """Puts the event to each check in turn; the first that refuses ends it. Raises as Check.ask."""
        checks = self._by_class.get(type(event))
        if checks is None:
            return
        boundary.outside("quayframe_check")
        for check in checks:
            check.ask(event, host_for)


@dataclass(frozen=True)
class Observer:
    """What one plugin observes. The worker keeps one cursor for each, under the plugin's name."""

    plugin: str
    implementations: tuple[tuple[frozenset[type[Event]], HookImpl], ...]

    @property
    def classes(self) -> frozenset[type[Event]]:
        return frozenset[type[Event]]().union(*(classes for classes, _ in self.implementations))

    @property
    def kinds(self) -> frozenset[str]:
        """The names of the classes, as they stand in the event's row."""
        return frozenset(cls.kind for cls in self.classes)

    def call(self, host: Host, event: Event) -> None:
        """Tells the plugin; what it raises passes through, for the caller to try again later."""
        boundary.outside("quayframe_observe")
        for classes, implementation in self.implementations:
            if type(event) in classes:
                call(implementation, host=host, event=event)
