"""Codes that are sent by mail: once, in time, for what they were made."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from mails import last, queued
from people_world import PASSWORD, forget_pause, kinds, person

from quayframe.data.tables import Account
from quayframe.data.tenancy import Confirmation
from quayframe.errors import InvalidRequest
from quayframe.registry import Registry
from quayframe.services import confirmations
from quayframe.services.applications import Details
from quayframe.services.clock import now_ms
from quayframe.services.confirmations import CodeInvalid
from quayframe.services.principal import ANONYMOUS, SYSTEM


def test_a_code_is_good_once(mailing: Registry) -> None:
    mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")
    code = last(mailing).code
    mailing.tenancy.confirmations.confirm(code, None)

    with pytest.raises(CodeInvalid):
        mailing.tenancy.confirmations.confirm(code, None)


def test_of_two_who_use_a_code_at_once_one_does(mailing: Registry) -> None:
    alice = person(mailing, "alice")
    mailing.tenancy.people.change(alice, {"email": "new@mail.test"})
    code = last(mailing).code
    done: list[str] = []

    def use() -> None:
        try:
            mailing.tenancy.confirmations.confirm(code, None)
            done.append("yes")
        except CodeInvalid:
            done.append("no")
        finally:
            mailing.db.close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == ["no", "no", "no", "yes"]


def test_an_old_code_is_none_and_is_swept(mailing: Registry) -> None:
    mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")
    code = last(mailing).code
    mailing.db.write(lambda tx: tx.run(Confirmation.update(expires_ms=now_ms() - 1)))

    with pytest.raises(CodeInvalid):
        mailing.tenancy.confirmations.confirm(code, None)
    mailing.collector.sweep()
    assert mailing.db.rows(Confirmation.select(Confirmation.id)) == []


def test_a_code_of_one_kind_is_not_one_of_another(mailing: Registry) -> None:
    person(mailing, "alice")
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    code = last(mailing).code

    with pytest.raises(CodeInvalid):
        mailing.tenancy.confirmations.confirm(code, None)
    assert mailing.tenancy.confirmations.recoverable(code) == "alice"


def test_a_disabled_user_uses_no_code(mailing: Registry) -> None:
    person(mailing, "alice")
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    code = last(mailing).code
    mailing.accounts.set_enabled(SYSTEM, "alice", False)

    assert mailing.tenancy.confirmations.recoverable(code) is None
    with pytest.raises(CodeInvalid):
        mailing.tenancy.confirmations.recover(code, "another-password", None)
    forget_pause(mailing)
    before = len(queued(mailing))
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    assert len(queued(mailing)) == before


def test_codes_are_stored_as_hashes_and_sealed_in_the_job(mailing: Registry) -> None:
    mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")
    code = last(mailing).code
    stored = str(mailing.db.sql_rows("SELECT * FROM confirmation")) + str(
        mailing.db.sql_rows("SELECT * FROM job")
    )

    assert code not in stored


def test_a_confirmation_of_an_address_that_was_changed_since_is_none(mailing: Registry) -> None:
    mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")
    code = last(mailing).code
    mailing.db.write(
        lambda tx: tx.run(Account.update(email="other@mail.test").where(Account.name == "alice"))
    )

    with pytest.raises(CodeInvalid):
        mailing.tenancy.confirmations.confirm(code, None)
    assert not mailing.accounts.get("alice").verified


def test_it_gives_a_new_password_ends_sessions_and_tells_the_owner(mailing: Registry) -> None:
    alice = person(mailing, "alice")
    session = mailing.tenancy.sessions.begin(mailing.accounts.get("alice"))
    mailing.tenancy.confirmations.recover_address("alice@mail.test")

    mailing.tenancy.confirmations.recover(last(mailing).code, "battery-staple", "10.0.0.1")

    assert mailing.logins.check("alice", "battery-staple", "10.0.0.1").name == "alice"
    assert mailing.tenancy.sessions.account(session) is None
    assert mailing.accounts.get("alice").epoch > alice.epoch
    assert last(mailing).template == "passwordchanged"
    assert "account_change_password" in kinds(mailing)


def test_a_bad_password_leaves_the_code_good(mailing: Registry) -> None:
    person(mailing, "alice")
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    code = last(mailing).code

    with pytest.raises(InvalidRequest):
        mailing.tenancy.confirmations.recover(code, "short", None)
    assert mailing.tenancy.confirmations.recoverable(code) == "alice"


def test_nobodys_mailbox_is_filled_by_strangers(mailing: Registry) -> None:
    person(mailing, "alice")
    for _ in range(5):
        mailing.tenancy.confirmations.recover_address("alice@mail.test")
    assert len(queued(mailing)) == 1

    forget_pause(mailing)
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    first, second = queued(mailing)
    assert mailing.tenancy.confirmations.recoverable(first.code) is None
    assert mailing.tenancy.confirmations.recoverable(second.code) == "alice"


def test_an_organizations_address_is_told_its_admins(mailing: Registry) -> None:
    owner = person(mailing, "owner")
    mailing.tenancy.organizations.create(owner, "acme", "acme@mail.test")

    for _ in range(3):
        found = mailing.tenancy.confirmations.recover_address("acme@mail.test")

    assert found.organization == "acme"
    (mail,) = queued(mailing)
    assert (mail.to, mail.template) == ("acme@mail.test", "orgrecovery")
    assert "owner" in mail.text


def test_a_user_who_is_offered_a_token_is_told(mailing: Registry) -> None:
    owner, _ = person(mailing, "owner"), person(mailing, "alice")
    mailing.tenancy.organizations.create(owner, "acme")
    applications = mailing.tenancy.applications
    applications.create(owner, "acme", Details("app", redirect_uri="https://app.test/"))
    (found,) = applications.all(owner, "acme")
    mailing.tenancy.authorizations.assign(
        owner, found, "alice", redirect_uri="https://app.test/", scope="repo:read"
    )

    mail = last(mailing)
    assert (mail.to, mail.template) == ("alice@mail.test", "tokenassigned")
    assert "repo:read" in mail.text


def test_who_guesses_codes_makes_no_work(mailing: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(confirmations, "hash_password", hashed.append)
    with pytest.raises(CodeInvalid):
        mailing.tenancy.confirmations.recover("guessed", PASSWORD, None)

    assert hashed == []


# -- codes that something else has overtaken ----------------------------------------------------------


def _new_password(registry: Registry) -> None:
    account = registry.accounts.get("alice")
    registry.tenancy.people.change(registry.accounts.principal(account), {"password": "battery-staple"})


def _a_superusers_password(registry: Registry) -> None:
    root = registry.accounts.principal(
        registry.accounts.create_user(SYSTEM, "admin", None, "admin@mail.test")
    )
    registry.tenancy.superusers.change(root, "alice", password="battery-staple")


def _the_operators_password(registry: Registry) -> None:
    registry.accounts.set_password(SYSTEM, "alice", "battery-staple")


@pytest.mark.parametrize("change", [_new_password, _a_superusers_password, _the_operators_password])
def test_a_new_password_ends_the_codes_of_who_had_the_old_one(
    mailing: Registry, change: Callable[[Registry], None]
) -> None:
    """Whoever was in the account may have asked for another address: it is not to be had any more."""
    mailing.tenancy.people.change(person(mailing, "alice"), {"email": "thief@mail.test"})
    code = last(mailing).code
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    recovery = last(mailing).code
    change(mailing)

    with pytest.raises(CodeInvalid):
        mailing.tenancy.confirmations.confirm(code, None)
    assert mailing.tenancy.confirmations.recoverable(recovery) is None
    assert mailing.accounts.get("alice").email == "alice@mail.test"


def test_a_new_address_ends_the_codes_in_the_old_mailbox(mailing: Registry) -> None:
    alice = person(mailing, "alice")
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    old = last(mailing).code
    mailing.tenancy.people.change(alice, {"email": "new@mail.test"})
    mailing.tenancy.confirmations.confirm(last(mailing).code, None)

    assert mailing.tenancy.confirmations.recoverable(old) is None


def test_an_address_that_a_superuser_gave_ends_the_codes_in_the_old_mailbox(mailing: Registry) -> None:
    person(mailing, "alice")
    root = person(mailing, "admin")
    mailing.tenancy.confirmations.recover_address("alice@mail.test")
    old = last(mailing).code
    mailing.tenancy.superusers.change(root, "alice", email="new@mail.test")

    assert mailing.tenancy.confirmations.recoverable(old) is None


def test_a_new_password_leaves_a_new_account_its_confirmation(mailing: Registry) -> None:
    mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")
    code = last(mailing).code
    _the_operators_password(mailing)

    assert mailing.tenancy.confirmations.confirm(code, None).username == "alice"
