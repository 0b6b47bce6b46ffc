"""A call that leaves the database raises inside a transaction, whoever makes it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from protocol import Protocol

from quayframe import events
from quayframe.data import tables
from quayframe.plugin.boundary import InsideTransaction
from quayframe.plugin.storage import Upload, UrlRequest
from quayframe.services.principal import ANONYMOUS

CALLS: dict[str, Callable[[Protocol], Any]] = {
    "storage begin": lambda p: p.registry.storage.begin("default"),
    "storage append": lambda p: p.registry.storage.append("default", Upload(0, {}), io.BytesIO(b"x")),
    "storage commit": lambda p: p.registry.storage.commit("default", Upload(0, {}), "a/b"),
    "storage abort": lambda p: p.registry.storage.abort("default", Upload(0, {})),
    "storage read": lambda p: p.registry.storage.read("default", "a/b"),
    "storage delete": lambda p: p.registry.storage.delete("default", "a/b"),
    "storage keys": lambda p: p.registry.storage.keys("default"),
    "storage sweep": lambda p: p.registry.storage.sweep("default", 0),
    "storage url": lambda p: p.registry.storage.url("default", "a/b", UrlRequest()),
    "a check of plugins": lambda p: p.registry.plugins.check(Asked(), p.registry.host_for),
    "the start hooks": lambda p: p.registry.plugins.startup(p.registry.host_for),
    "the routes of plugins": lambda p: p.registry.plugins.routes(p.registry.host_for),
    "the commands of plugins": lambda p: p.registry.plugins.commands(p.registry.host_for),
    "a password check": lambda p: p.registry.accounts.check_password("admin", "x" * 8),
    "a log-in": lambda p: p.registry.logins.basic("admin", "x" * 8, None),
    "a password shown again": lambda p: p.registry.logins.check("admin", "x" * 8, None),
    "a sign-up": lambda p: p.registry.tenancy.signup.sign_up(ANONYMOUS, "new", "x" * 8, "new@mail.test"),
    "a mail": lambda p: p.registry.tenancy.mail.deliver({"to": "a@mail.test", "template": "confirm"}),
    "another transaction": lambda p: p.registry.db.write(lambda tx: None),
    "a host call": lambda p: p.registry.host_for("builtin").tags("a/b"),
}


class Asked(events.Event):
    """An event that the test's check asks for."""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_it_raises_and_the_transaction_is_undone(
    make_protocol: Callable[..., Protocol], call: Callable[[Protocol], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = make_protocol()
    monkeypatch.setitem(protocol.registry.plugins._checks._by_class, Asked, [])
    user = protocol.user()

    def work(tx: Any) -> None:
        tx.run(tables.Account.update(enabled=0).where(tables.Account.id == user.account_id))
        call(protocol)

    with pytest.raises(InsideTransaction):
        protocol.registry.db.write(work)
    assert protocol.registry.accounts.get(user.name).enabled
    # The mark is gone with the transaction.
    protocol.registry.storage.keys("default")
