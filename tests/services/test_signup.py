"""Who becomes a user, and what is asked of whom."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from mails import last
from people_world import PASSWORD, Make, person

from quayframe.data.tables import TeamMember
from quayframe.errors import InvalidRequest, NotFound, TooManyRequests, Unauthorized
from quayframe.registry import Registry
from quayframe.services.emails import EmailInvalid
from quayframe.services.passwords import PasswordChecker
from quayframe.services.principal import ANONYMOUS


def test_with_mail_an_account_waits_for_its_address(mailing: Registry) -> None:
    made = mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")

    assert made.awaiting
    assert not made.account.verified
    mail = last(mailing)
    assert (mail.to, mail.template) == ("alice@mail.test", "confirm")
    confirmed = mailing.tenancy.confirmations.confirm(mail.code, None)
    assert confirmed.username == "alice"
    assert mailing.accounts.get("alice").verified


def test_an_account_that_waits_cannot_log_in_at_the_registry(mailing: Registry) -> None:
    mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")

    with pytest.raises(Unauthorized, match="has not been confirmed"):
        mailing.logins.basic("alice", PASSWORD, "10.0.0.1")
    mailing.tenancy.confirmations.confirm(last(mailing).code, None)
    assert mailing.logins.basic("alice", PASSWORD, "10.0.0.1").name == "alice"


def test_an_invitation_to_the_address_confirms_it_and_is_accepted(mailing: Registry) -> None:
    owner = person(mailing, "owner")
    mailing.tenancy.organizations.create(owner, "acme")
    mailing.tenancy.invites.invite_email(owner, "acme", "owners", "alice@mail.test")

    made = mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test", last(mailing).code)

    assert not made.awaiting
    members = mailing.db.rows(
        TeamMember.select(TeamMember.account).where(TeamMember.account == made.account.id)
    )
    assert len(members) == 1


def test_an_invitation_to_another_address_confirms_nothing(mailing: Registry) -> None:
    owner = person(mailing, "owner")
    mailing.tenancy.organizations.create(owner, "acme")
    mailing.tenancy.invites.invite_email(owner, "acme", "owners", "bob@mail.test")

    made = mailing.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test", last(mailing).code)

    assert made.awaiting


def test_only_the_invited_sign_up_where_that_is_asked(make_protocol: Make) -> None:
    registry = make_protocol(FEATURE_INVITE_ONLY_USER_CREATION=True).registry
    owner = person(registry, "owner")
    registry.tenancy.organizations.create(owner, "acme")
    registry.tenancy.invites.invite_email(owner, "acme", "owners", "alice@mail.test")
    code = last(registry).code
    sign_up = registry.tenancy.signup.sign_up

    for email, given in (("alice@mail.test", None), ("bob@mail.test", code), ("alice@mail.test", "x")):
        with pytest.raises(InvalidRequest, match="invited"):
            sign_up(ANONYMOUS, "alice", PASSWORD, email, given)
    assert not sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test", code).awaiting


@pytest.mark.parametrize("domain", ["bad.test", "BAD.test", "deep.below.bad.test"])
def test_domains_on_the_black_list_are_refused(make_protocol: Make, domain: str) -> None:
    registry = make_protocol(FEATURE_BLACKLISTED_EMAILS=True, BLACKLISTED_EMAIL_DOMAINS=["bad.test"]).registry

    with pytest.raises(EmailInvalid):
        registry.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, f"alice@{domain}")
    registry.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@notbad.test")


def test_nobody_signs_up_where_that_is_off(make_protocol: Make) -> None:
    registry = make_protocol(FEATURE_USER_CREATION=False).registry

    with pytest.raises(NotFound):
        registry.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD, "alice@mail.test")


def test_new_users_are_asked_for_what_they_may_say(make_protocol: Make) -> None:
    registry = make_protocol(FEATURE_MAILING=False, FEATURE_USER_METADATA=True).registry
    alice = registry.accounts.principal(registry.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD).account)

    def asked() -> Any:
        details = registry.tenancy.profiles.profile(alice, "alice").details
        assert details is not None
        return details["prompts"]

    assert asked() == ["enter_name", "enter_company"]
    registry.tenancy.people.change(alice, {"given_name": "Alice", "company": None})
    assert asked() == []


def test_a_rehearsal_does_not_hold_the_database_for_a_hash(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(PasswordChecker, "hash", lambda self, password: hashed.append(password))
    with registry.db.rehearsal():
        registry.tenancy.signup.sign_up(ANONYMOUS, "alice", PASSWORD)

    assert hashed == []
    assert registry.accounts.find("alice") is None


def test_many_who_sign_up_at_once_wait_for_few_hashes(
    make_protocol: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_protocol(FEATURE_MAILING=False).registry
    monkeypatch.setattr(registry.accounts, "_checker", PasswordChecker(1, waiting=0))
    statuses: list[int] = []
    together = threading.Barrier(6)

    def sign_up(name: str) -> None:
        together.wait(30)
        try:
            registry.tenancy.signup.sign_up(ANONYMOUS, name, PASSWORD)
            statuses.append(200)
        except TooManyRequests as error:
            statuses.append(error.status)
        finally:
            registry.db.close()

    threads = [threading.Thread(target=sign_up, args=(f"user{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(statuses) == {200, 429}


@pytest.mark.parametrize("name", ["boss", "auditor"])
def test_nobody_signs_up_under_a_name_that_gives_power(make_protocol: Make, name: str) -> None:
    """The operator named them; who makes these accounts is another superuser, or the operator."""
    config = {"SUPER_USERS": ["admin", "boss"], "GLOBAL_READONLY_SUPER_USERS": ["auditor"]}
    registry = make_protocol(FEATURE_MAILING=False, **config).registry

    with pytest.raises(InvalidRequest, match="already exists"):
        registry.tenancy.signup.sign_up(ANONYMOUS, name, PASSWORD)
    registry.tenancy.superusers.create(person(registry, "admin"), name, None)
    assert registry.accounts.find(name) is not None


def test_the_first_user_may_be_a_superuser(make_protocol: Make) -> None:
    registry = make_protocol(FEATURE_USER_INITIALIZE=True, SUPER_USERS=["boss"]).registry

    made = registry.tenancy.signup.initialize(ANONYMOUS, "boss", PASSWORD, "boss@mail.test")
    assert registry.accounts.principal(made.account).superuser
