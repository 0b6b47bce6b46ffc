"""Encrypted passwords, whose wrong passwords are counted together, and when somebody was last here."""

from __future__ import annotations

import base64

import pytest
from people_world import PASSWORD, Make, column, person

from quayframe.data.tables import Account, LoginFailure
from quayframe.data.tenancy import EndedSession
from quayframe.errors import Unauthorized
from quayframe.registry import Registry
from quayframe.services.clock import now_ms
from quayframe.services.principal import SYSTEM


def test_guesses_at_a_name_and_at_its_address_are_counted_together(registry: Registry) -> None:
    person(registry, "alice", "alice@mail.test")
    for name in ("alice", "alice@mail.test"):
        with pytest.raises(Unauthorized):
            registry.logins.check(name, "wrong-password", "10.0.0.1")
        registry.db.write(lambda tx: tx.run(LoginFailure.update(last_ms=now_ms() - 600_000)))
    counts = registry.db.rows(LoginFailure.select(LoginFailure.failures))

    assert counts == [(2,), (2,)]


@pytest.mark.parametrize("name", ["", "alice+bot", "$oauthtoken", "$app", " alice", "alice "])
def test_only_a_users_name_signs_in(registry: Registry, name: str) -> None:
    with pytest.raises(Unauthorized):
        registry.logins.check(name, PASSWORD, "10.0.0.1")


def test_an_encrypted_password_logs_in_where_a_plain_one_does(registry: Registry) -> None:
    registry.accounts.create_user(SYSTEM, "alice", PASSWORD)
    encrypted = registry.tenancy.encrypted.encrypt(PASSWORD)

    assert registry.logins.basic("alice", encrypted, "10.0.0.1").name == "alice"
    assert registry.logins.basic("alice", PASSWORD, "10.0.0.1").name == "alice"


def test_plain_passwords_are_refused_where_that_is_asked(make_protocol: Make) -> None:
    registry = make_protocol(FEATURE_REQUIRE_ENCRYPTED_BASIC_AUTH=True).registry
    registry.accounts.create_user(SYSTEM, "alice", PASSWORD)

    with pytest.raises(Unauthorized, match="encrypted"):
        registry.logins.basic("alice", PASSWORD, "10.0.0.1")
    assert registry.logins.basic("alice", registry.tenancy.encrypted.encrypt(PASSWORD), None).name == "alice"


def test_an_encrypted_password_ends_with_the_password(registry: Registry) -> None:
    registry.accounts.create_user(SYSTEM, "alice", PASSWORD)
    encrypted = registry.tenancy.encrypted.encrypt(PASSWORD)
    registry.accounts.set_password(SYSTEM, "alice", "battery-staple")

    with pytest.raises(Unauthorized):
        registry.logins.basic("alice", encrypted, "10.0.0.1")


def test_an_encrypted_password_has_the_form_that_clients_know(registry: Registry) -> None:
    first, second = (registry.tenancy.encrypted.encrypt("käse passwört") for _ in range(2))

    assert first != second
    assert len(base64.b64decode(first)) % 16 == 0
    assert registry.tenancy.encrypted.decrypt(first) == "käse passwört"


@pytest.mark.parametrize("text", ["", "x", "AAAA", "A" * 44, "A" * 64, "ä" * 40, "A" * 20_000])
def test_other_texts_are_no_encrypted_passwords(registry: Registry, text: str) -> None:
    assert registry.tenancy.encrypted.decrypt(text) is None


def test_sessions_that_ended_long_ago_are_swept(registry: Registry) -> None:
    person(registry, "alice")
    sessions = registry.tenancy.sessions
    sessions.end(sessions.begin(registry.accounts.get("alice")))
    registry.collector.sweep()
    assert len(registry.db.rows(EndedSession.select(EndedSession.id))) == 1

    registry.db.write(lambda tx: tx.run(EndedSession.update(expires_ms=now_ms() - 1)))
    registry.collector.sweep()
    assert registry.db.rows(EndedSession.select(EndedSession.id)) == []


def test_a_session_does_not_come_back_with_an_account_that_was_switched_off(registry: Registry) -> None:
    person(registry, "alice")
    session = registry.tenancy.sessions.begin(registry.accounts.get("alice"))
    for enabled in (False, True):
        registry.accounts.set_enabled(SYSTEM, "alice", enabled)

        assert registry.tenancy.sessions.account(session) is None


def test_a_users_last_log_in_is_noted_now_and_then(make_protocol: Make) -> None:
    registry = make_protocol(LAST_ACCESSED_UPDATE_THRESHOLD_S=3600).registry
    registry.accounts.create_user(SYSTEM, "alice", PASSWORD)
    assert column(registry, "alice", Account.last_accessed_ms) is None

    registry.logins.basic("alice", PASSWORD, "10.0.0.1")
    first = column(registry, "alice", Account.last_accessed_ms)
    registry.logins.check("alice", PASSWORD, "10.0.0.1")

    assert first is not None
    assert column(registry, "alice", Account.last_accessed_ms) == first
