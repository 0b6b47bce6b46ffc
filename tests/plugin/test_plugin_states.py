"""Discovery, loading, configuration and start: each plugin in one state, with its reason."""

from __future__ import annotations

import sys

import pytest
from plugin_workshop import Workshop, host_for, row_of

from quayframe.errors import StartError
from quayframe.plugin.boundary import InsideTransaction, transaction
from quayframe.plugin.states import State

EMPTY = ""


def test_discovery_imports_nothing(workshop: Workshop) -> None:
    module = workshop.install("acme", EMPTY)
    row = row_of(workshop.manager(), "acme")
    assert row.state == State.FOUND
    assert (row.distribution, row.version) == ("quayframe-acme", "2.1")
    assert module not in sys.modules


def test_what_is_installed_is_found_without_being_told(workshop: Workshop) -> None:
    from quayframe.plugin.manager import PluginManager

    workshop.install("acme", EMPTY)
    manager = PluginManager()
    manager.discover()
    assert row_of(manager, "acme").state == State.FOUND


def test_a_plugin_outside_of_the_list_is_refused_and_never_imported(workshop: Workshop) -> None:
    workshop.install("wanted", EMPTY)
    module = workshop.install("other", EMPTY)
    manager = workshop.loaded(allow=["wanted"])
    assert row_of(manager, "wanted").state == State.LOADED
    assert (row_of(manager, "other").state, row_of(manager, "other").reason) == (
        State.REFUSED,
        "it is not in the list PLUGINS",
    )
    assert module not in sys.modules


def test_the_core_s_own_plugin_needs_no_place_in_the_list(workshop: Workshop) -> None:
    workshop.install("builtin", EMPTY, distribution="quayframe")
    assert row_of(workshop.loaded(allow=[]), "builtin").state == State.LOADED


def test_a_name_in_the_list_that_is_not_installed_is_reported_with_the_nearest(workshop: Workshop) -> None:
    workshop.install("require-label", EMPTY)
    row = row_of(workshop.loaded(allow=["require-labels"]), "require-labels")
    assert row.state == State.FAILED
    assert 'the nearest name is "require-label"' in row.reason


@pytest.mark.parametrize("name", ["Acme", "acme_x", "-acme", "a/b"])
def test_a_name_that_would_not_do_in_a_url_is_refused(workshop: Workshop, name: str) -> None:
    workshop.install(name, EMPTY, distribution="quayframe-odd")
    assert row_of(workshop.loaded(), name).state == State.REFUSED


def test_the_second_plugin_of_one_name_is_refused_and_both_are_shown(workshop: Workshop) -> None:
    workshop.install("acme", EMPTY, distribution="quayframe-first")
    workshop.install("acme", EMPTY, distribution="quayframe-second")
    first, second = (row for row in workshop.loaded().report() if row.name == "acme")
    assert (first.distribution, first.state) == ("quayframe-first", State.LOADED)
    assert (second.distribution, second.state) == ("quayframe-second", State.REFUSED)
    assert "quayframe-first" in second.reason


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("quayframe_api = (1, 1)", "written for plugin API 1.1; this core has 1.0"),
        ("quayframe_api = (2, 0)", "written for plugin API 2.0"),
        ("quayframe_api = (0, 9)", "written for plugin API 0.9"),
        ("quayframe_api = '1.0'", "is not a pair"),
        ("", "does not say for which plugin API it was written"),
    ],
)
def test_another_api_version_is_refused(workshop: Workshop, version: str, reason: str) -> None:
    workshop.install("acme", EMPTY, header=version + "\n")
    row = row_of(workshop.loaded(), "acme")
    assert row.state == State.REFUSED
    assert reason in row.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("@hookimpl\ndef quayframe_chek(event: PushRepo): ...", "unknown hook quayframe_chek"),
        ("def quayframe_chek(event: PushRepo): ...", "unknown hook quayframe_chek"),
        ("def quayframe_check(event: PushRepo): ...", "quayframe_check is not marked with @hookimpl"),
        ("@hookimpl\ndef quayframe_startup(hst): ...", "hst"),
        ("@hookimpl\ndef quayframe_check(event): ...", "no annotation"),
        ("@hookimpl\ndef quayframe_check(event: int): ...", "no event class"),
        ("@hookimpl\ndef quayframe_check(event: 'Nothing'): ...", "cannot be read"),
        ("@hookimpl(wrapper=True)\ndef quayframe_startup(host): yield", "is a wrapper"),
        ("@hookimpl\ndef quayframe_providers(): return [int]", "not a class of a provider kind"),
        ("@hookimpl\ndef quayframe_providers(): raise KeyError('x')", "quayframe_providers failed: KeyError"),
        (
            "class Half(Notifier):\n    name = 'half'\n@hookimpl\ndef quayframe_providers(): return [Half]",
            "Half lacks send",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_failed_and_the_others_load(
    workshop: Workshop, source: str, reason: str
) -> None:
    workshop.install("bad", source)
    workshop.install("good", EMPTY)
    manager = workshop.loaded()
    assert (row_of(manager, "bad").state, row_of(manager, "good").state) == (State.FAILED, State.LOADED)
    assert reason in row_of(manager, "bad").reason
    assert "\n" not in row_of(manager, "bad").reason


CONFIG = """
from pydantic import BaseModel, SecretStr
class Config(BaseModel):
    limit: int = 3
    password: SecretStr = SecretStr("")
"""


def test_the_configuration_is_validated_and_kept(workshop: Workshop) -> None:
    workshop.install("acme", CONFIG)
    manager = workshop.loaded()
    assert manager.configure({"acme": {"limit": "7"}}) == []
    assert row_of(manager, "acme").state == State.CONFIGURED
    assert manager.record("acme").config.limit == 7  # type: ignore[union-attr]


def test_a_configuration_that_is_not_valid_fails_its_plugin_without_showing_the_value(
    workshop: Workshop,
) -> None:
    workshop.install("acme", CONFIG)
    manager = workshop.loaded()
    manager.configure({"acme": {"limit": "hunter2"}})
    row = row_of(manager, "acme")
    assert row.state == State.FAILED
    assert "limit" in row.reason
    assert "hunter2" not in row.reason


def test_values_for_a_plugin_that_takes_none_fail_it(workshop: Workshop) -> None:
    workshop.install("acme", EMPTY)
    manager = workshop.loaded()
    manager.configure({"acme": {"limit": 7}})
    assert "takes no configuration" in row_of(manager, "acme").reason


def test_configuration_of_an_unknown_plugin_is_named_with_the_nearest(workshop: Workshop) -> None:
    workshop.install("acme", EMPTY)
    (line,) = workshop.loaded().configure({"acne": {}})
    assert line == 'PLUGIN_CONFIG.acne: no such plugin is installed; the nearest name is "acme"'


def test_quayframe_startup_is_called_with_the_plugin_s_own_host(workshop: Workshop) -> None:
    workshop.install("acme", "seen = []\n@hookimpl\ndef quayframe_startup(host): seen.append(host.plugin)")
    workshop.install("plain", EMPTY)
    manager = workshop.loaded()
    manager.startup(host_for)
    assert sys.modules[workshop.modules["acme"]].seen == ["acme"]
    assert {row.state for row in manager.report()} == {State.HEALTHY}


RAISING = "@hookimpl\ndef quayframe_startup(host): raise OSError('no route to host')"


@pytest.mark.parametrize("source", [RAISING, "@hookimpl\ndef quayframe_startup(host): raise SystemExit(1)"])
def test_a_start_hook_that_raises_fails_its_plugin_and_the_registry_runs(
    workshop: Workshop, source: str
) -> None:
    workshop.install("acme", source)
    workshop.install("good", EMPTY)
    manager = workshop.loaded()
    manager.startup(host_for)
    assert (row_of(manager, "acme").state, row_of(manager, "good").state) == (State.FAILED, State.HEALTHY)
    assert "its start hook failed" in row_of(manager, "acme").reason


@pytest.mark.parametrize(
    ("source", "cause"),
    [(RAISING, "no route to host"), ("import no_such_module_anywhere", "no_such_module_anywhere")],
)
def test_a_broken_plugin_that_is_needed_stops_the_start_in_one_line(
    workshop: Workshop, source: str, cause: str
) -> None:
    workshop.install("acme", source)
    with pytest.raises(StartError, match=f'plugin "acme".*{cause}') as caught:
        workshop.loaded().startup(host_for, needed={"acme"})
    assert "\n" not in str(caught.value)


HANGING = """
import threading
never = threading.Event()
@hookimpl
def quayframe_startup(host): never.wait()
"""


def test_a_start_hook_that_hangs_is_named_and_stops_the_start_though_not_needed(workshop: Workshop) -> None:
    module = workshop.install("acme", HANGING)
    manager = workshop.loaded()
    with pytest.raises(StartError, match=r'plugin "acme".*did not return within 0\.2 s'):
        manager.startup(host_for, deadline=0.2)
    assert row_of(manager, "acme").state == State.FAILED
    sys.modules[module].never.set()


def test_starting_inside_a_transaction_raises(workshop: Workshop) -> None:
    with transaction(), pytest.raises(InsideTransaction):
        workshop.loaded().startup(host_for)
