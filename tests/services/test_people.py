"""What users change of their own accounts: addresses, names, windows."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from mails import last
from people_world import Make, column, kinds, person

from quayframe.data.tables import Account, Lease
from quayframe.errors import InsufficientScope, NotSignedIn, Refused
from quayframe.registry import Registry
from quayframe.services import emails
from quayframe.services.emails import EmailInvalid, EmailTaken
from quayframe.services.principal import ANONYMOUS


def test_a_new_address_is_confirmed_first_and_the_old_one_is_told(mailing: Registry) -> None:
    alice = person(mailing, "alice")
    mailing.tenancy.people.change(alice, {"email": "new@mail.test"})
    mail = last(mailing)
    assert column(mailing, "alice", Account.email) == "alice@mail.test"
    assert mail.to == "new@mail.test"

    mailing.tenancy.confirmations.confirm(mail.code, None)

    assert column(mailing, "alice", Account.email) == "new@mail.test"
    assert (last(mailing).to, last(mailing).template) == ("alice@mail.test", "emailchanged")


def test_an_address_that_was_taken_meanwhile_stays_the_others(mailing: Registry) -> None:
    alice = person(mailing, "alice")
    mailing.tenancy.people.change(alice, {"email": "new@mail.test"})
    code = last(mailing).code
    person(mailing, "bob", "new@mail.test")

    with pytest.raises(EmailTaken):
        mailing.tenancy.confirmations.confirm(code, None)
    assert column(mailing, "alice", Account.email) == "alice@mail.test"


def test_without_mail_it_changes_at_once(registry: Registry) -> None:
    alice = person(registry, "alice")
    registry.tenancy.people.change(alice, {"email": "any text"})

    assert column(registry, "alice", Account.email) == "any text"


@pytest.mark.parametrize("email", ["", "x" * 256, "a\nb"])
def test_without_mail_some_texts_are_still_none(registry: Registry, email: str) -> None:
    with pytest.raises(EmailInvalid):
        registry.tenancy.people.change(person(registry, "alice"), {"email": email})


@pytest.mark.parametrize("email", ["alice", "a@b", "@mail.test", "a@b@mail.test", "a b@mail.test"])
def test_with_mail_an_address_has_the_form_of_one(mailing: Registry, email: str) -> None:
    with pytest.raises(EmailInvalid):
        mailing.tenancy.people.change(person(mailing, "alice"), {"email": email})


def test_of_two_who_take_one_address_at_once_one_does(database: Any) -> None:
    done: list[str] = []

    def take(name: str) -> None:
        def work(tx: Any) -> None:
            email = emails.take(tx, "one@mail.test")
            tx.insert(Account, uuid=name, name=name, kind="user", email=email, created_ms=0)

        try:
            database.write(work)
            done.append("yes")
        except EmailTaken:
            done.append("no")
        finally:
            database.close()

    threads = [threading.Thread(target=take, args=(f"user{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == ["no", "no", "no", "yes"]
    assert database.rows(Lease.select(Lease.id)) == []


def test_a_rename_takes_the_robots_along_and_ends_tokens_not_sessions(make_protocol: Make) -> None:
    protocol = make_protocol(FEATURE_MAILING=False, FEATURE_USER_RENAME=True)
    registry = protocol.registry
    alice = person(registry, "alice")
    protocol.robot(alice)
    session = registry.tenancy.sessions.begin(registry.accounts.get("alice"))

    account = registry.tenancy.people.change(alice, {"username": "alison"})

    assert account.name == "alison"
    assert registry.accounts.find("alison+bot") is not None
    assert registry.accounts.find("alice") is None
    assert account.epoch > alice.epoch
    assert registry.tenancy.sessions.account(session) == account
    assert kinds(registry)[-1] == "user_change_name"


@pytest.mark.parametrize(
    "name", ["a", "Alice", "a b", "a+b", "a..b", "-a", "x" * 256, "", "bob", "boss", "free"]
)
def test_a_name_that_cannot_be_had_is_refused_plainly(make_protocol: Make, name: str) -> None:
    config = {"FEATURE_MAILING": False, "FEATURE_USER_RENAME": True, "SUPER_USERS": ["boss"]}
    registry = make_protocol(**config, RESTRICTED_USERS_WHITELIST=["free"]).registry
    person(registry, "bob")

    with pytest.raises(Refused):
        registry.tenancy.people.change(person(registry, "alice"), {"username": name})
    assert registry.accounts.find("alice") is not None


def test_a_rename_that_is_off_is_passed_over(registry: Registry) -> None:
    account = registry.tenancy.people.change(person(registry, "alice"), {"username": "Not Even A Name"})

    assert account.name == "alice"


def test_a_generated_name_may_be_confirmed_or_replaced(registry: Registry) -> None:
    alice = person(registry, "alice")
    prompts = Account.update(prompts='["confirm_username"]').where(Account.name == "alice")
    registry.db.write(lambda tx: tx.run(prompts))

    assert registry.tenancy.people.change(alice, {"username": "alison"}).name == "alison"
    assert column(registry, "alison", Account.prompts) == "[]"


@pytest.mark.parametrize("seconds", [1, 86401, 2**40])
def test_only_offered_windows_can_be_chosen(registry: Registry, seconds: int) -> None:
    with pytest.raises(Refused, match="tag expiration"):
        registry.tenancy.people.change(person(registry, "alice"), {"tag_expiration_s": seconds})


def test_nothing_that_stays_is_told(registry: Registry) -> None:
    alice = person(registry, "alice")
    before = kinds(registry)
    same = {"invoice_email": False, "invoice_email_address": None, "email": "alice@mail.test"}
    registry.tenancy.people.change(alice, same)

    assert kinds(registry) == before


def test_nobody_else_changes_an_account(registry: Registry) -> None:
    alice = person(registry, "alice")
    reader = registry.accounts.principal(registry.accounts.get("alice"), scopes=frozenset({"user:read"}))

    with pytest.raises(NotSignedIn):
        registry.tenancy.people.change(ANONYMOUS, {"invoice_email": True})
    with pytest.raises(InsufficientScope):
        registry.tenancy.people.change(reader, {"invoice_email": True})
    with pytest.raises(InsufficientScope):
        registry.tenancy.departures.delete(alice, "admin")
