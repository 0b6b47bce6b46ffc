"""Providers by kind and name, and the one line that says why one cannot be had."""

from __future__ import annotations

import logging

import pytest
from plugin_workshop import Workshop, host_for

from quayframe.errors import Internal, NotFound, StartError
from quayframe.plugin import InvalidCredentials, Notifier, Undeliverable
from quayframe.plugin.boundary import InsideTransaction
from quayframe.plugin.contain import FORESEEN, contain
from quayframe.plugin.provider import Provider

PIGEON = """
class Pigeon(Notifier):
    name = "pigeon"
    def send(self, message, options): ...
@hookimpl
def quayframe_providers(): return [Pigeon]
"""
FAILS = "\n@hookimpl\ndef quayframe_startup(host): raise OSError('the loft is closed')\n"


def test_quayframe_providers_are_found_by_kind_and_name(workshop: Workshop) -> None:
    workshop.install("birds", PIGEON)
    manager = workshop.loaded()
    record = manager.provider(Notifier, "pigeon")
    assert (record.cls.name, record.plugin) == ("pigeon", "birds")
    assert manager.providers("notifier") == {"pigeon": record}
    assert manager.providers("storage") == {}


def test_an_unknown_name_is_told_with_the_nearest(workshop: Workshop) -> None:
    workshop.install("birds", PIGEON)
    with pytest.raises(StartError) as caught:
        workshop.loaded().provider("notifier", "pidgeon")
    assert str(caught.value) == 'there is no notifier provider "pidgeon"; the nearest name is "pigeon"'


def test_a_plugin_that_did_not_load_is_named_as_the_suspect(workshop: Workshop) -> None:
    workshop.install("birds", "import no_such_module_anywhere")
    with pytest.raises(StartError, match=r'plugin "birds".*no_such_module_anywhere') as caught:
        workshop.loaded().provider("notifier", "pigeon")
    assert "\n" not in str(caught.value)


def test_a_provider_of_a_plugin_that_failed_later_is_told_with_the_cause(workshop: Workshop) -> None:
    workshop.install("birds", PIGEON + FAILS)
    manager = workshop.loaded()
    manager.startup(host_for)
    with pytest.raises(StartError, match=r'"pigeon" cannot be used: plugin "birds".*the loft is closed'):
        manager.provider("notifier", "pigeon")


def test_a_name_that_two_plugins_give_is_an_error_only_when_it_is_needed(workshop: Workshop) -> None:
    workshop.install("birds", PIGEON)
    workshop.install("doves", PIGEON)
    manager = workshop.loaded()
    manager.startup(host_for)
    assert manager.providers("notifier") == {}
    with pytest.raises(StartError, match='given by two plugins: "birds" and "doves"'):
        manager.provider("notifier", "pigeon")


def test_an_unforeseen_exception_becomes_a_500_with_kind_and_name_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(Internal) as caught,
        contain("notifier", "pigeon"),
    ):
        raise ZeroDivisionError
    assert caught.value.status == 500
    (record,) = caplog.records
    assert 'notifier provider "pigeon"' in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("notifier", Undeliverable("no such flock")),
        ("auth", InvalidCredentials()),
        ("notifier", NotFound()),
        ("storage", InsideTransaction()),
    ],
)
def test_what_the_contract_names_passes_through(kind: str, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, contain(kind, "any"):
        raise error
    assert caught.value is error


def test_every_kind_says_which_failures_it_names() -> None:
    assert set(FORESEEN) == {cls.kind for cls in Provider.__subclasses__() if cls.kind}
