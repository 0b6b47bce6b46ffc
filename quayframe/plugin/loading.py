"""One plugin from its entry point to its hooks: import, version, hooks, providers.

Everything here raises Broken or Refused with the reason; the manager puts it into the plugin's state.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pluggy
from pydantic import BaseModel, ValidationError

from .api import PROJECT, VERSION_ATTRIBUTE, refusal
from .checks import WrongHook, call, event_classes
from .hookspecs import HOOKS
from .provider import Provider


class Broken(Exception):
    """The plugin cannot be used; the text is the reason, in one line."""


class Refused(Exception):
    """The core does not want this plugin; the text is the reason, in one line."""


def one_line(error: BaseException) -> str:
    """An exception as a reason: its type and its text, in one line of at most 300 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def import_module(entry_point: EntryPoint) -> ModuleType:
    try:
        module: Any = entry_point.load()
    except (Exception, SystemExit) as error:
        raise Broken(f"cannot be imported: {one_line(error)}") from error
    if not isinstance(module, ModuleType):
        raise Broken(f"its entry point is not a module: {entry_point.value}")
    if reason := refusal(getattr(module, VERSION_ATTRIBUTE, None)):
        raise Refused(reason)
    return module


def register(manager: pluggy.PluginManager, name: str, module: ModuleType) -> tuple[str, ...]:
    """Registers the module's hooks; returns their names, each once."""
    hooks = _hooks(manager, module)
    try:
        manager.register(module, name=name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise Broken(" ".join(str(error).split("\n")[-1].split())[:300]) from error
    for hook in ("quayframe_check", "quayframe_observe"):
        for implementation in implementations(manager, hook, name):
            try:
                event_classes(implementation.function)
            except WrongHook as error:
                manager.unregister(name=name)
                raise Broken(str(error)) from error
    return hooks


def _hooks(manager: pluggy.PluginManager, module: ModuleType) -> tuple[str, ...]:
    found = set()
    for attribute in dir(module):
        options = manager.parse_hookimpl_opts(module, attribute)
        ours = attribute.startswith(f"{PROJECT}_") and attribute != VERSION_ATTRIBUTE
        if options is None:
            if ours and attribute in HOOKS and callable(getattr(module, attribute)):
                raise Broken(f"{attribute} is not marked with @hookimpl")
            if ours and callable(getattr(module, attribute)):
                raise Broken(f"unknown hook {attribute}")
            continue
        hook = options.get("specname") or attribute
        if hook not in HOOKS:
            raise Broken(f"unknown hook {hook}")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise Broken(f"{attribute} is a wrapper; hooks are called one by one and cannot be wrapped")
        found.add(hook)
    return tuple(hook for hook in HOOKS if hook in found)


def implementations(
    manager: pluggy.PluginManager, hook: str, plugin: str | None = None
) -> list[pluggy.HookImpl]:
    """The implementations of a hook in the order of calls; those of one plugin, or all."""
    caller: pluggy.HookCaller = getattr(manager.hook, hook)
    found = reversed(caller.get_hookimpls())
    return [each for each in found if plugin is None or each.plugin_name == plugin]


def providers(found: Iterable[pluggy.HookImpl]) -> tuple[type[Provider], ...]:
    """The provider classes that these implementations give, each looked at."""
    classes: list[type[Provider]] = []
    for implementation in found:
        try:
            classes.extend(call(implementation))
        except (Exception, SystemExit) as error:
            raise Broken(f"quayframe_providers failed: {one_line(error)}") from error
    for cls in classes:
        if fault := _fault(cls):
            raise Broken(f"quayframe_providers: {fault}")
    return tuple(classes)


def _fault(cls: Any) -> str | None:
    if not (isinstance(cls, type) and issubclass(cls, Provider) and cls.kind):
        return f"{cls!r} is not a class of a provider kind"
    if not getattr(cls, "name", ""):
        return f"{cls.__name__} has no name"
    if inspect.isabstract(cls):
        return f"{cls.__name__} lacks {', '.join(sorted(cls.__abstractmethods__))}"
    return None


def configure(module: ModuleType, values: object) -> BaseModel | None:
    """The module's `Config` made from `values` (None = nothing is configured)."""
    model = getattr(module, "Config", None)
    if model is None:
        if values:
            raise Broken("PLUGIN_CONFIG has values for it, but it takes no configuration")
        return None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise Broken("its Config is not a pydantic model")
    try:
        return model.model_validate({} if values is None else values)
    except ValidationError as error:
        # without the input: it may be a secret
        faults = error.errors(include_input=False, include_url=False)
        text = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'value'}: {fault['msg']}" for fault in faults)
        raise Broken(f"its configuration is not valid: {text}") from error
