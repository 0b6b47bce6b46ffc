"""quayframe_check: who is asked, what a refusal looks like, and that it fails closed."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any

import pytest
from plugin_workshop import Workshop, host_for, row_of, wait_until

from quayframe.errors import Denied, Internal, Unavailable
from quayframe.events import DeleteTag, Event, PullRepo, PushRepo
from quayframe.plugin import checks, pool
from quayframe.plugin.boundary import InsideTransaction, transaction
from quayframe.plugin.host import Host
from quayframe.plugin.manager import PluginManager
from quayframe.plugin.states import State
from quayframe.testing import FakeHost

PUSH = PushRepo(namespace="acme", repository="app", digest="sha256:" + "0" * 64, media_type="x", size=1)
DELETE = DeleteTag(namespace="acme", repository="app", tag="v1")
PULL = PullRepo(namespace="acme", repository="app", digest="sha256:" + "0" * 64)


def refusing(annotation: str) -> str:
    return f"@hookimpl\ndef quayframe_check(event: {annotation}): return 'not ' + event.kind\n"


def verdict(manager: PluginManager, event: Event) -> str | None:
    try:
        manager.check(event, host_for)
    except Denied as denied:
        return denied.text
    return None


def test_quayframe_check_refuses_with_403_its_reason_and_the_plugin_s_name(workshop: Workshop) -> None:
    workshop.install("policy", refusing("PushRepo"))
    with pytest.raises(Denied) as caught:
        workshop.loaded().check(PUSH, host_for)
    assert (caught.value.status, caught.value.text) == (403, "not push_repo")
    assert caught.value.detail == {"plugin": "policy"}


def test_a_check_that_returns_none_lets_pass(workshop: Workshop) -> None:
    workshop.install("policy", "@hookimpl\ndef quayframe_check(host, event: PushRepo): return None")
    workshop.loaded().check(PUSH, host_for)


@pytest.mark.parametrize(
    ("annotation", "asked"),
    [
        ("PushRepo", {"push_repo"}),
        ("PushRepo | DeleteTag", {"push_repo", "delete_tag"}),
        ("'DeleteTag'", {"delete_tag"}),
        ("PullRepo", {"pull_repo"}),
        ("Event", {"push_repo", "delete_tag"}),
        ("Event | PullRepo", {"push_repo", "delete_tag", "pull_repo"}),
    ],
)
def test_the_annotation_names_the_events_and_pulls_must_be_named(
    workshop: Workshop, annotation: str, asked: set[str]
) -> None:
    workshop.install("policy", refusing(annotation))
    manager = workshop.loaded()
    assert {event.kind for event in (PUSH, DELETE, PULL) if verdict(manager, event)} == asked
    assert {event.kind for event in (PUSH, DELETE, PULL) if manager.wants_check(type(event))} == asked


def test_an_event_that_nobody_named_asks_for_no_host_and_no_thread(workshop: Workshop) -> None:
    workshop.install("policy", refusing("DeleteTag"))
    before = threading.active_count()
    with transaction():  # not even a look at where it was called from
        workshop.loaded().check(PUSH, lambda plugin: pytest.fail("a host was asked for"))
    assert threading.active_count() == before


def test_one_plugin_may_have_several_checks(workshop: Workshop) -> None:
    source = """
    @hookimpl(specname="quayframe_check")
    def pushes(event: PushRepo): return "push"
    @hookimpl(specname="quayframe_check")
    def deletions(event: DeleteTag): return "delete"
    """
    workshop.install("policy", source)
    manager = workshop.loaded()
    assert (verdict(manager, PUSH), verdict(manager, DELETE)) == ("push", "delete")


def test_a_check_reads_the_manifest_that_is_about_to_be_stored(workshop: Workshop) -> None:
    workshop.install(
        "policy", "@hookimpl\ndef quayframe_check(host, event: PushRepo): return host.content(event).decode()"
    )

    def request_host(plugin: str) -> Host:
        return FakeHost(plugin, event_content=b"{}")

    with pytest.raises(Denied, match=r"\{\}"):
        workshop.loaded().check(PUSH, request_host)


@pytest.mark.parametrize("body", ["raise KeyError('x')", "return False", "return ''", "raise SystemExit"])
def test_a_check_that_fails_refuses_with_500_and_the_log_names_the_plugin(
    workshop: Workshop, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    workshop.install("policy", f"@hookimpl\ndef quayframe_check(event: PushRepo): {body}")
    with caplog.at_level(logging.ERROR), pytest.raises(Internal):
        workshop.loaded().check(PUSH, host_for)
    assert any('plugin "policy"' in record.getMessage() and record.exc_info for record in caplog.records)


def test_a_check_that_asks_to_retry_becomes_503_with_its_time(workshop: Workshop) -> None:
    workshop.install(
        "policy", "@hookimpl\ndef quayframe_check(event: PushRepo): raise Retry('busy', after=30)"
    )
    with pytest.raises(Unavailable, match=r'"policy".*busy') as caught:
        workshop.loaded().check(PUSH, host_for)
    assert int(caught.value.headers["Retry-After"]) >= 30


def test_the_checks_of_a_plugin_that_failed_at_its_start_refuse(workshop: Workshop) -> None:
    workshop.install("policy", refusing("PushRepo") + "@hookimpl\ndef quayframe_startup(host): raise OSError")
    manager = workshop.loaded()
    manager.startup(host_for)
    with pytest.raises(Unavailable, match="policy"):
        manager.check(PUSH, host_for)


def test_a_check_inside_a_transaction_raises(workshop: Workshop) -> None:
    workshop.install("policy", refusing("PushRepo"))
    with transaction(), pytest.raises(InsideTransaction):
        workshop.loaded().check(PUSH, host_for)


HANGING = """
import threading
let_go = threading.Event()
@hookimpl
def quayframe_check(event: PushRepo): let_go.wait()
"""


class Hung:
    """A manager with a plugin whose checks hang, beside one that answers; deadline 0.3 s."""

    def __init__(self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        module = workshop.install("hung", HANGING)
        workshop.install("quick", refusing("DeleteTag"))
        ask = checks.Check.ask
        monkeypatch.setattr(checks.Check, "ask", lambda check, event, hosts: ask(check, event, hosts, 0.3))
        self.manager = workshop.loaded()
        self.manager.startup(host_for)
        self.module: Any = sys.modules[module]

    def push(self) -> float:
        """Pushes, which must be refused by 503; returns the seconds that it took."""
        begun = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            self.manager.check(PUSH, host_for)
        assert caught.value.status == 503
        assert "Retry-After" in caught.value.headers
        return time.monotonic() - begun

    def fill(self) -> None:
        for _ in range(pool.SIZE):
            self.push()


@pytest.fixture
def hung(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Any:
    hung = Hung(workshop, monkeypatch)
    yield hung
    hung.module.let_go.set()


def test_a_check_that_hangs_is_503_in_time_while_the_checks_of_others_go_on(hung: Hung) -> None:
    pushing = threading.Thread(target=hung.push)
    pushing.start()
    begun = time.monotonic()
    assert verdict(hung.manager, DELETE) == "not delete_tag"
    assert time.monotonic() - begun < 0.25, "it waited for the other plugin"
    pushing.join(2)
    assert not pushing.is_alive()
    assert row_of(hung.manager, "hung").state == State.HEALTHY, "one hung thread of four is not the end"


def test_a_stuck_pool_makes_the_plugin_failed_and_its_checks_refuse_at_once(hung: Hung) -> None:
    hung.fill()
    assert row_of(hung.manager, "hung").state == State.FAILED
    assert hung.push() < 0.1
    assert verdict(hung.manager, DELETE) == "not delete_tag"
    assert row_of(hung.manager, "quick").state == State.HEALTHY


def test_a_plugin_whose_threads_come_back_is_healthy_again(hung: Hung) -> None:
    hung.fill()
    hung.module.let_go.set()
    wait_until(lambda: row_of(hung.manager, "hung").state == State.HEALTHY)
    hung.manager.check(PUSH, host_for)


def test_the_deadline_of_a_check_is_five_seconds() -> None:
    assert checks.CHECK_DEADLINE == 5
