"""The conformance suite for auth providers."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from quayframe.plugin import AuthProvider, Identity, InvalidCredentials


@dataclass(frozen=True)
class AuthCase:
    """A provider, made and ready, with what the suite may know of it.

    `username` and `password` let somebody in; `stranger` is a user name that nobody has there.
    `disabled` are the user name and the right password of an account that may not log in, None where the
    provider has no such thing. `group` is a group with that somebody in it, None where there are none.
    """

    provider: AuthProvider
    username: str
    password: str
    stranger: str = "nobody-of-this-name"
    email: str | None = None
    disabled: tuple[str, str] | None = None
    group: str | None = None


class AuthSuite:
    """Subclass it in a test module and override the fixture `case`:

    class TestMyAuth(AuthSuite):
        @pytest.fixture
        def case(self):
            return AuthCase(MyAuth(MyAuth.Config(...)), username="ada", password="...")
    """

    @pytest.fixture
    def case(self) -> AuthCase:
        raise NotImplementedError("override the fixture `case`")

    def test_the_right_password_gives_the_identity_of_that_name(self, case: AuthCase) -> None:
        identity = case.provider.authenticate(case.username, case.password)
        assert isinstance(identity, Identity)
        assert identity.username == case.username
        assert identity.subject

    def test_the_subject_is_the_same_at_every_log_in(self, case: AuthCase) -> None:
        first = case.provider.authenticate(case.username, case.password)
        second = case.provider.authenticate(case.username, case.password)
        assert first is not None
        assert second is not None
        assert first.subject == second.subject

    @pytest.mark.parametrize("change", ["wrong", "longer", "shorter", "case", "blank"])
    def test_a_wrong_password_is_refused(self, case: AuthCase, change: str) -> None:
        right = case.password
        wrong = {
            "wrong": "not the password",
            "longer": right + "x",
            "shorter": right[:-1],
            "case": right.swapcase(),
            "blank": right + " ",
        }[change]
        if wrong == right:
            pytest.skip("the password has no letters")
        with pytest.raises(InvalidCredentials):
            case.provider.authenticate(case.username, wrong)

    def test_an_empty_password_lets_nobody_in(self, case: AuthCase) -> None:
        # LDAP servers take it for an anonymous bind, and say that all is well
        with pytest.raises(InvalidCredentials):
            case.provider.authenticate(case.username, "")

    def test_an_unknown_name_is_left_to_the_next_provider(self, case: AuthCase) -> None:
        assert case.provider.authenticate(case.stranger, case.password) is None

    @pytest.mark.parametrize("username", ["", " ", "*", "a*", "(uid=*)", "o'brien", "a\x00b", "ä" * 300])
    def test_an_odd_name_is_nobody(self, case: AuthCase, username: str) -> None:
        with contextlib.suppress(InvalidCredentials):
            assert case.provider.authenticate(username, case.password) is None

    @pytest.mark.parametrize("password", ["\x00", "ä", "\N{SNOWMAN}", "x" * 10_000, "*", "a:b"])
    def test_an_odd_password_is_wrong(self, case: AuthCase, password: str) -> None:
        with pytest.raises(InvalidCredentials):
            case.provider.authenticate(case.username, password)

    def test_the_e_mail_address_is_as_good_as_the_name(self, case: AuthCase) -> None:
        if case.email is None:
            pytest.skip("the case has no e-mail address")
        identity = case.provider.authenticate(case.email, case.password)
        assert identity is not None
        assert (identity.username, identity.email) == (case.username, case.email)

    def test_a_disabled_account_is_refused_with_the_right_password(self, case: AuthCase) -> None:
        if case.disabled is None:
            pytest.skip("the provider disables nobody")
        with pytest.raises(InvalidCredentials):
            case.provider.authenticate(*case.disabled)

    def test_find_gives_the_identity_of_the_log_in(self, case: AuthCase) -> None:
        found = case.provider.find(case.username)
        if found is None:
            pytest.skip("the provider cannot look up")
        identity = case.provider.authenticate(case.username, case.password)
        assert identity is not None
        assert (found.subject, found.username) == (identity.subject, identity.username)

    def test_find_knows_no_stranger(self, case: AuthCase) -> None:
        assert case.provider.find(case.stranger) is None

    def test_search_finds_by_the_beginning_of_the_name_within_the_limit(self, case: AuthCase) -> None:
        found = case.provider.search(case.username[:2], limit=50)
        if not found:
            pytest.skip("the provider cannot search")
        assert case.username in [identity.username for identity in found]
        assert len(case.provider.search(case.username[:1], limit=1)) <= 1

    def test_search_knows_no_stranger(self, case: AuthCase) -> None:
        assert case.provider.search(case.stranger) == []

    def test_members_of_a_group_are_those_who_log_in(self, case: AuthCase) -> None:
        if case.group is None:
            pytest.skip("the case has no group")
        members = case.provider.members(case.group)
        assert members is not None
        identity = case.provider.authenticate(case.username, case.password)
        assert identity is not None
        assert identity.subject in [member.subject for member in members]

    def test_log_ins_at_once_do_not_mix(self, case: AuthCase) -> None:
        def attempt(number: int) -> str:
            try:
                password = case.password if number % 2 else "not the password"
                identity = case.provider.authenticate(case.username, password)
            except InvalidCredentials:
                return "refused"
            return "nobody" if identity is None else identity.username

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(attempt, range(16)))
        assert answers == ["refused", case.username] * 8
