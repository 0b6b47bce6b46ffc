"""The plugin manager: finds plugins, loads them, and calls their hooks one by one.

A thin wrapper over pluggy, which marks and validates the hooks; it calls none of them, because pluggy
stops at the first exception and here each plugin's failure is its own.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import logging
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, TypeVar, overload

import pluggy

from ..errors import StartError
from ..events import Event
from . import boundary, extensions, hookspecs, loading
from .api import PROJECT
from .checks import Check, CheckTable, HostFor, Observer, call, event_classes, pool_of
from .extensions import Route
from .loading import Broken, Refused
from .pool import call_with_deadline
from .provider import Provider
from .states import PluginRecord, PluginRow, ProviderRecord, State

if TYPE_CHECKING:
    import click

P = TypeVar("P", bound=Provider)

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

CORE = "quayframe"
"""The core's own distribution: what it brings is part of it and needs no place in PLUGINS."""


class PluginManager:
    """All plugins of one process.

    :param entry_points: instead of those that are installed.
    :param allow: the names that may be loaded (PLUGINS in config.yaml); None = all.
    """

    def __init__(
        self, entry_points: Iterable[EntryPoint] | None = None, allow: Collection[str] | None = None
    ) -> None:
        self._entry_points = entry_points
        self._allow = allow
        self._records: dict[str, PluginRecord] = {}
        self._refused: list[PluginRecord] = []
        self._checks = CheckTable()
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)

    def discover(self) -> None:
        """Reads the metadata of what is installed; imports nothing."""
        found = self._entry_points
        if found is None:
            found = importlib.metadata.entry_points(group=PROJECT)
        for entry_point in sorted(found, key=lambda each: (each.name, each.dist.name if each.dist else "")):
            record = PluginRecord(entry_point.name, entry_point)
            if reason := self._unwanted(record):
                record.become(State.REFUSED, reason)
            if record.name in self._records:
                self._refused.append(record)
            else:
                self._records[record.name] = record
        for name in sorted(set(self._allow or ()) - set(self._records)):
            reason = "PLUGINS names it, but nothing of this name is installed" + _nearest(name, self._records)
            self._records[name] = PluginRecord(name, None, State.FAILED, reason)

    def _unwanted(self, record: PluginRecord) -> str | None:
        if first := self._records.get(record.name):
            return f"the distribution {first.distribution} has a plugin of this name already"
        if not _NAME.fullmatch(record.name):
            return "its name is not made of lower case letters, digits and single hyphens"
        if self._allow is not None and record.name not in self._allow and record.distribution != CORE:
            return "it is not in the list PLUGINS"
        return None

    def load(self) -> None:
        """Imports what was found, in order of names, and learns hooks, events and providers.

        Never raises for a plugin's sake: its state has the reason.
        """
        # pluggy calls the last registered first: registered backwards, calls go in order of names
        for record in sorted(self._records.values(), key=lambda each: each.name, reverse=True):
            if record.state == State.FOUND and record.entry_point is not None:
                self._load(record, record.entry_point)
        pools = {name: pool_of(record) for name, record in self._records.items()}
        for implementation in loading.implementations(self._pluggy, "quayframe_check"):
            name = implementation.plugin_name
            classes = event_classes(implementation.function)
            self._checks.add([Check(self._records[name], implementation, classes, pools[name])])

    def _load(self, record: PluginRecord, entry_point: EntryPoint) -> None:
        try:
            record.module = loading.import_module(entry_point)
            record.api = record.module.quayframe_api
            record.hooks = loading.register(self._pluggy, record.name, record.module)
            record.providers = loading.providers(self._implementations(record, "quayframe_providers"))
        except Refused as refused:
            record.become(State.REFUSED, str(refused))
        except Broken as broken:
            self._fail(record, str(broken), broken.__cause__)
        else:
            record.become(State.LOADED)

    def configure(self, values: Mapping[str, object]) -> list[str]:
        """Gives each loaded plugin its part of PLUGIN_CONFIG, by plugin name.

        Returns one line for each name under which no plugin is installed. A configuration that is not
        valid makes its plugin failed.
        """
        for record in self._usable():
            if record.state != State.LOADED or record.module is None:
                continue
            try:
                record.config = loading.configure(record.module, values.get(record.name))
            except Broken as broken:
                self._fail(record, str(broken), None)
            else:
                record.become(State.CONFIGURED)
        unknown = sorted(set(values) - set(self._records))
        return [
            f"PLUGIN_CONFIG.{name}: no such plugin is installed{_nearest(name, self._records)}"
            for name in unknown
        ]

    def record(self, plugin: str) -> PluginRecord:
        """What is known of a plugin, its validated `config` among it. Raises KeyError."""
        return self._records[plugin]

    def startup(self, host_for: HostFor, *, needed: Collection[str] = (), deadline: float = 10.0) -> None:
        """Calls each plugin's start hook, in order of names, in a thread of its own.

        :param needed: plugins without which the registry must not run.
        :param deadline: seconds that each start hook may take.
        :raises StartError: a start hook did not return in time, needed or not; or a plugin of `needed`
            is broken. In one line that names plugin and cause.
        """
        boundary.outside("quayframe_startup")
        self.configure({})
        for record in self._usable():
            for implementation in self._implementations(record, "quayframe_startup"):
                self._start(record, implementation, host_for, deadline)
            if record.usable:
                record.become(State.HEALTHY)
        self.require(needed)

    def require(self, needed: Collection[str]) -> None:
        """Raises StartError when one of these plugins is not there or cannot be used."""
        for name in sorted(needed):
            record = self._records.get(name)
            if record is None:
                raise StartError(
                    f'the plugin "{name}" is needed, but not installed{_nearest(name, self._records)}'
                )
            if not record.usable:
                raise StartError(f"{record} is needed")

    def _start(
        self, record: PluginRecord, implementation: pluggy.HookImpl, host_for: HostFor, deadline: float
    ) -> None:
        try:
            hanging = call_with_deadline(
                lambda: call(implementation, host=host_for(record.name)), deadline, f"start-{record.name}"
            )
        except Exception as error:
            self._fail(record, f"its start hook failed: {loading.one_line(error)}", error)
            return
        if hanging is not None:
            frame = sys._current_frames().get(hanging.ident or 0)
            place = f" (in {frame.f_code.co_filename}, line {frame.f_lineno})" if frame else ""
            self._fail(record, f"its start hook did not return within {deadline:g} s{place}", None)
            raise StartError(str(record))

    @overload
    def providers(self, kind: Callable[..., P]) -> dict[str, ProviderRecord[P]]: ...
    @overload
    def providers(self, kind: str) -> dict[str, ProviderRecord[Provider]]: ...
    def providers(self, kind: Callable[..., Provider] | str) -> dict[str, ProviderRecord[Any]]:
        """The providers of a kind by name: of `"storage"`, or typed of `StorageBackend`.

        A name that two plugins give is not among them. Providers of plugins that failed are not either.
        """
        found = self._candidates(kind)
        return {name: each[0] for name, each in sorted(found.items()) if len(each) == 1}

    @overload
    def provider(self, kind: Callable[..., P], name: str) -> ProviderRecord[P]: ...
    @overload
    def provider(self, kind: str, name: str) -> ProviderRecord[Provider]: ...
    def provider(self, kind: Callable[..., Provider] | str, name: str) -> ProviderRecord[Any]:
        """The provider of this name, because the configuration needs it.

        :raises StartError: unknown (with the nearest name, and the plugins that are broken), given by two
            plugins, or of a broken plugin; in one line.
        """
        found = self._candidates(kind)
        what = f"{_kind_name(kind)} provider"
        if len(found.get(name, ())) == 1:
            return found[name][0]
        if name in found:
            plugins = " and ".join(f'"{each.plugin}"' for each in found[name])
            raise StartError(f'the {what} "{name}" is given by two plugins: {plugins}; remove one')
        for record in self._records.values():
            if any(cls.kind == _kind_name(kind) and cls.name == name for cls in record.providers):
                raise StartError(f'the {what} "{name}" cannot be used: {record}')
        broken = self.broken()
        suspects = f"; not loaded: {', '.join(broken)}" if broken else ""
        raise StartError(f'there is no {what} "{name}"{_nearest(name, found)}{suspects}')

    def broken(self) -> list[str]:
        """The plugins that failed or were refused, each as a text with its reason."""
        return [str(each) for each in self._records.values() if each.state in (State.FAILED, State.REFUSED)]

    def _candidates(self, kind: Callable[..., Provider] | str) -> dict[str, list[ProviderRecord[Any]]]:
        found: dict[str, list[ProviderRecord[Any]]] = {}
        for record in self._usable():
            for cls in record.providers:
                if cls.kind == _kind_name(kind):
                    found.setdefault(cls.name, []).append(ProviderRecord(cls, record.name))
        return found

    def routes(self, host_for: HostFor) -> list[Route]:
        """The routes of all plugins. A plugin whose routes cannot be used is failed and has none."""
        boundary.outside("quayframe_routes")
        found: list[Route] = []
        for record in self._usable():
            try:
                for implementation in self._implementations(record, "quayframe_routes"):
                    given = call(implementation, host=host_for(record.name))
                    found.extend(extensions.routes(record.name, given))
            except (Exception, SystemExit) as error:
                found = [route for route in found if route.plugin != record.name]
                self._fail(record, f"its routes cannot be used: {loading.one_line(error)}", error)
        return found

    def commands(self, host_for: HostFor) -> dict[str, click.Group]:
        """One group of commands for each plugin that has some, by plugin name. A plugin whose commands
        cannot be used is failed and has none."""
        boundary.outside("quayframe_commands")
        found: dict[str, click.Group] = {}
        for record in self._usable():
            try:
                given: list[object] = []
                for implementation in self._implementations(record, "quayframe_commands"):
                    given.extend(call(implementation, host=host_for(record.name)))
                if given:
                    found[record.name] = extensions.commands(record, given)
            except (Exception, SystemExit) as error:
                self._fail(record, f"its commands cannot be used: {loading.one_line(error)}", error)
        return found

    def check(self, event: Event, host_for: HostFor) -> None:
        """Puts an event to the plugins that asked for its class, before the act and outside of
        transactions; returns when nobody refuses.

        `host_for` gives the host for this very request, so that `host.content` knows what is about to be
        stored; the checks run in threads of their own.

        :raises Denied: a plugin refuses; the message is its reason, `detail.plugin` its name.
        :raises Unavailable: a plugin did not answer within 5 s, is failed, or asks to retry.
        :raises Internal: a check failed; the log names the plugin.
        """
        self._checks.ask(event, host_for)

    def wants_check(self, cls: type[Event]) -> bool:
        """Whether any plugin checks this class: who builds an event only for checks may ask first."""
        return self._checks.wants(cls)

    def observers(self) -> list[Observer]:
        """What each usable plugin observes, one for each plugin."""
        found = []
        for record in self._usable():
            implementations = self._implementations(record, "quayframe_observe")
            if implementations:
                pairs = tuple((event_classes(each.function), each) for each in implementations)
                found.append(Observer(record.name, pairs))
        return found

    def report(self) -> list[PluginRow]:
        """All plugins with their states, by name; those refused because of their name at the end."""
        records = [self._records[name] for name in sorted(self._records)]
        return [PluginRow.of(record) for record in (*records, *self._refused)]

    def _usable(self) -> list[PluginRecord]:
        return [self._records[name] for name in sorted(self._records) if self._records[name].usable]

    def _implementations(self, record: PluginRecord, hook: str) -> list[pluggy.HookImpl]:
        return loading.implementations(self._pluggy, hook, record.name)

    def _fail(self, record: PluginRecord, reason: str, cause: BaseException | None) -> None:
        record.become(State.FAILED, reason)
        _log.error(
            'plugin "%s" failed: %s', record.name, reason, exc_info=cause, extra={"plugin": record.name}
        )


def _kind_name(kind: Callable[..., Provider] | str) -> str:
    return kind if isinstance(kind, str) else str(getattr(kind, "kind", ""))


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1) or [n for n in names if n.lower() == name.lower()][:1]
    if close:
        return f'; the nearest name is "{close[0]}"'
    return f"; there are {', '.join(names)}" if names else "; there are none"
