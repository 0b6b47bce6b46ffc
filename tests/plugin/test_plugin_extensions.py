"""quayframe_routes, quayframe_commands and quayframe_observe, and declarations of access."""

from __future__ import annotations

import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner
from plugin_workshop import Workshop, host_for, row_of

from quayframe.errors import StartError
from quayframe.events import DeleteTag, PullRepo, PushRepo
from quayframe.plugin import PUBLIC, SIGNED_IN, Repo
from quayframe.plugin.access import Access, declared
from quayframe.plugin.boundary import InsideTransaction, transaction
from quayframe.plugin.states import State
from quayframe.testing import FakeHost

ROUTES = """
class Greeting:
    access = {{"GET": {access}}}
    def on_get(self, req, resp): ...
@hookimpl
def quayframe_routes(host): return [("{template}", Greeting())]
"""


def test_quayframe_routes_come_under_the_plugin_s_own_prefix_with_their_access(workshop: Workshop) -> None:
    workshop.install("hello", ROUTES.format(access="SIGNED_IN", template="/greeting"))
    (route,) = workshop.loaded().routes(host_for)
    assert (route.plugin, route.template) == ("hello", "/api/plugins/hello/greeting")
    assert route.access == {"GET": SIGNED_IN}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class R:\n    def on_get(self, req, resp): ...\n", "R does not declare"),
        ("class R:\n    access = {}\n    def on_post(self, req, resp): ...\n", "access of POST"),
        (
            "class R:\n    access = {'GET': Repo('pull')}\n    def on_get(self, req, resp): ...\n",
            "repository",
        ),
        ("def R(): raise OSError('gone')\n", "OSError: gone"),
    ],
)
def test_routes_that_cannot_be_used_fail_their_plugin_and_no_other(
    workshop: Workshop, source: str, reason: str
) -> None:
    workshop.install("bad", source + "@hookimpl\ndef quayframe_routes(host): return [('x', R())]")
    workshop.install("good", ROUTES.format(access="PUBLIC", template="greeting"))
    manager = workshop.loaded()
    assert [route.plugin for route in manager.routes(host_for)] == ["good"]
    assert row_of(manager, "bad").state == State.FAILED
    assert reason in row_of(manager, "bad").reason


class Thing:
    access = {"GET": PUBLIC, "DELETE": Repo("delete")}
    access_list = {"GET": SIGNED_IN}

    def on_get(self) -> None: ...
    def on_delete(self) -> None: ...
    def on_get_list(self) -> None: ...


def test_a_declaration_is_read_by_method() -> None:
    assert declared(Thing(), "/v1/{repository:path}/things") == {"GET": PUBLIC, "DELETE": Repo("delete")}
    assert declared(Thing(), suffix="list") == {"GET": SIGNED_IN}


@pytest.mark.parametrize(
    ("access", "cause"),
    [
        (None, "does not declare"),
        ({"GET": PUBLIC}, "DELETE"),
        ({"GET": PUBLIC, "DELETE": PUBLIC, "PUT": PUBLIC}, "PUT, but has no responder"),
        ({"GET": PUBLIC, "DELETE": "public"}, "something else"),
    ],
)
def test_a_resource_with_a_wrong_declaration_is_refused(access: Any, cause: str) -> None:
    class Wrong(Thing):
        pass

    Wrong.access = access
    with pytest.raises(StartError, match=cause):
        declared(Wrong())


def test_access_values_compare_by_what_they_say() -> None:
    assert Repo("pull") == Repo("pull") != Repo("push")
    assert isinstance(Repo("pull"), Access)
    with pytest.raises(ValueError, match="steal"):
        Repo("steal")  # type: ignore[arg-type]


def test_quayframe_commands_come_as_one_group_of_the_plugin_s_name(workshop: Workshop) -> None:
    source = """
    import click
    @click.command()
    @click.argument("name")
    def greet(name): click.echo(f"Hello, {name}")
    @hookimpl
    def quayframe_commands(host): return [greet]
    """
    workshop.install("hello", source)
    workshop.install("plain", "")
    commands = workshop.loaded().commands(host_for)
    assert list(commands) == ["hello"]
    assert isinstance(commands["hello"], click.Group)
    assert CliRunner().invoke(commands["hello"], ["greet", "Ada"]).output == "Hello, Ada\n"


@pytest.mark.parametrize("body", ["raise OSError('gone')", "return [3]"])
def test_commands_that_cannot_be_used_fail_their_plugin_alone(workshop: Workshop, body: str) -> None:
    workshop.install("bad", f"@hookimpl\ndef quayframe_commands(host): {body}")
    manager = workshop.loaded()
    assert manager.commands(host_for) == {}
    assert "its commands cannot be used" in row_of(manager, "bad").reason


OBSERVER = """
seen = []
@hookimpl
def quayframe_observe(host, event: PushRepo | DeleteTag): seen.append((host.plugin, event.kind))
@hookimpl(specname="quayframe_observe")
def more(event: PullRepo): seen.append(("more", event.kind))
"""
PUSH = PushRepo(digest="sha256:" + "0" * 64, media_type="x", size=1)


def test_quayframe_observe_gives_one_observer_for_each_plugin(workshop: Workshop) -> None:
    module = workshop.install("acme", OBSERVER)
    workshop.install("plain", "")
    (observer,) = workshop.loaded().observers()
    assert observer.plugin == "acme"
    assert observer.classes == {PushRepo, DeleteTag, PullRepo}
    assert observer.kinds == {"push_repo", "delete_tag", "pull_repo"}
    observer.call(FakeHost("acme"), PUSH)
    observer.call(FakeHost("acme"), PullRepo(digest="sha256:" + "0" * 64))
    assert sys.modules[module].seen == [("acme", "push_repo"), ("more", "pull_repo")]


def test_what_an_observer_raises_reaches_the_worker(workshop: Workshop) -> None:
    workshop.install("acme", "@hookimpl\ndef quayframe_observe(event: PushRepo): raise OSError('away')")
    (observer,) = workshop.loaded().observers()
    with pytest.raises(OSError, match="away"):
        observer.call(FakeHost("acme"), PUSH)


def test_observing_inside_a_transaction_raises(workshop: Workshop) -> None:
    workshop.install("acme", OBSERVER)
    (observer,) = workshop.loaded().observers()
    with transaction(), pytest.raises(InsideTransaction):
        observer.call(FakeHost("acme"), PUSH)


def test_a_plugin_that_failed_adds_nothing(workshop: Workshop) -> None:
    source = OBSERVER + ROUTES.format(access="PUBLIC", template="x")
    workshop.install("acme", source + "@hookimpl\ndef quayframe_startup(host): raise OSError")
    manager = workshop.loaded()
    manager.startup(host_for)
    assert (manager.observers(), manager.routes(host_for)) == ([], [])
