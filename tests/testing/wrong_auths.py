"""Auth providers that are each wrong in one way. The suite must find it, in the right test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from quayframe.plugin import Identity, InvalidCredentials
from quayframe.testing.fakes_auth import FakeAuth


class AcceptsEmptyPassword(FakeAuth):
    """As an LDAP server does that takes it for an anonymous bind."""

    def authenticate(self, username: str, password: str) -> Identity | None:
        return self.find(username) if not password else super().authenticate(username, password)


class RefusesStrangers(FakeAuth):
    """The next provider is never asked."""

    def authenticate(self, username: str, password: str) -> Identity | None:
        identity = super().authenticate(username, password)
        if identity is None:
            raise InvalidCredentials
        return identity


class PassesWrongPasswordOn(FakeAuth):
    """The next provider may let in whom this one refused."""

    def authenticate(self, username: str, password: str) -> Identity | None:
        try:
            return super().authenticate(username, password)
        except InvalidCredentials:
            return None


class NewSubjectEachTime(FakeAuth):
    numbers = itertools.count()

    def authenticate(self, username: str, password: str) -> Identity | None:
        identity = super().authenticate(username, password)
        return identity and replace(identity, subject=str(next(self.numbers)))


class LetsDisabledIn(FakeAuth):
    def authenticate(self, username: str, password: str) -> Identity | None:
        person = self._people.get(username)
        if person is not None and person.password.get_secret_value() == password:
            return self.find(username)
        return super().authenticate(username, password)


class IgnoresLimit(FakeAuth):
    def search(self, query: str, limit: int = 20) -> list[Identity]:
        return super().search(query, 1000)


class ForgetsMembers(FakeAuth):
    def members(self, group: str) -> Iterator[Identity]:
        return iter(())


_DISABLED = "test_a_disabled_account_is_refused_with_the_right_password"
_EMPTY = "test_an_empty_password_lets_nobody_in"
_WRONG = "test_a_wrong_password_is_refused"

WRONG: dict[type[FakeAuth], set[str]] = {
    AcceptsEmptyPassword: {_EMPTY},
    RefusesStrangers: {"test_an_unknown_name_is_left_to_the_next_provider"},
    PassesWrongPasswordOn: {
        _WRONG,
        _EMPTY,
        _DISABLED,
        "test_an_odd_password_is_wrong",
        "test_log_ins_at_once_do_not_mix",
    },
    NewSubjectEachTime: {
        "test_the_subject_is_the_same_at_every_log_in",
        "test_find_gives_the_identity_of_the_log_in",
        "test_members_of_a_group_are_those_who_log_in",
    },
    LetsDisabledIn: {_DISABLED},
    IgnoresLimit: {"test_search_finds_by_the_beginning_of_the_name_within_the_limit"},
    ForgetsMembers: {"test_members_of_a_group_are_those_who_log_in"},
}
"""Each with the tests that it must fail, and no other."""
