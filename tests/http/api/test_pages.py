"""Recovery, the pages to which mails lead, and what a page asks before anything else."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import falcon.testing
import pytest
from api_client import PASSWORD, ApiMaker, ApiWorld, Caller, Result
from mails import last, queued
from person_answers import forget_failures, is_signed_in, sign_in, typed, visitor
from protocol import HOST

from quayframe.data.tenancy import Confirmation
from quayframe.services.clock import now_ms


@pytest.fixture
def mailing(make_api: ApiMaker) -> ApiWorld:
    return make_api(FEATURE_MAILING=True)


# -- recovery ---------------------------------------------------------------------------------------


def test_a_known_and_an_unknown_address_are_answered_alike(mailing: ApiWorld) -> None:
    mailing.user("alice")
    answers = [
        visitor(mailing).post("recovery", {"email": email})
        for email in ("alice@example.com", "nobody@example.com", "no address", "")
    ]

    assert {(a.status_code, a.text) for a in answers} == {(200, '{"status":"sent"}')}
    assert [mail.to for mail in queued(mailing.registry)] == ["alice@example.com"]


def test_an_organizations_address_is_told_its_masked_name(mailing: ApiWorld) -> None:
    mailing.user("alice")
    principal = mailing.registry.accounts.principal(mailing.registry.accounts.get("alice"))
    mailing.registry.tenancy.organizations.create(principal, "wonderland", "org@example.com")
    body = visitor(mailing).post("recovery", {"email": "org@example.com"}).json

    assert body == {"status": "org", "orgemail": "org@example.com", "orgname": "wo••••••nd"}


def test_recovery_is_not_there_without_mail(api: ApiWorld) -> None:
    typed(visitor(api).post("recovery", {"email": "alice@example.com"}), 404, "not_found")
    assert api.bare.get("/recovery", params={"code": "x"}).status_code == 404


class Browser:
    """Somebody with a page of the registry open."""

    def __init__(self, api: ApiWorld) -> None:
        self.caller = Caller(api.app, session=True)
        self._client = falcon.testing.TestClient(api.app, headers={"Host": HOST})
        self.page: Result | None = None

    def open(self, path: str, code: str) -> Result:
        self.page = self.caller.get(path, params={"code": code})
        return self.page

    def submit(self, path: str, **fields: str) -> Result:
        """Sends the open page's form with these fields filled in."""
        assert self.page is not None
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page.text))
        kind = "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, "Cookie": self.caller.cookie or ""}
        result = self._client.simulate_post(path, body=urlencode(hidden | fields), headers=headers)
        for name, value in result.cookies.items():
            self.caller.cookie = f"{name}={value.value}"
        return result


@pytest.fixture
def recovery(mailing: ApiWorld) -> tuple[ApiWorld, str]:
    """A registry, and the code of a mail of recovery to alice."""
    mailing.user("alice")
    visitor(mailing).post("recovery", {"email": "alice@example.com"})
    return mailing, last(mailing.registry).code


def test_a_code_of_recovery_sets_a_password_and_signs_in(recovery: tuple[ApiWorld, str]) -> None:
    api, code = recovery
    elsewhere = api.user("alice")
    browser = Browser(api)
    assert "alice" in browser.open("/recovery", code).text

    done = browser.submit("/recovery", password="battery-staple", again="battery-staple")

    assert done.status_code == 200
    assert browser.caller.get("user/").json["username"] == "alice"
    assert not is_signed_in(elsewhere)
    assert sign_in(visitor(api), password="battery-staple").status_code == 200
    assert browser.submit("/recovery", password="another-one", again="another-one").status_code in (400, 403)
    assert browser.open("/recovery", code).status_code == 400


def test_looking_at_the_page_of_recovery_uses_nothing_up(recovery: tuple[ApiWorld, str]) -> None:
    api, code = recovery
    for _ in range(3):
        assert Browser(api).open("/recovery", code).status_code == 200


@pytest.mark.parametrize(
    ("password", "again"),
    [("short", "short"), ("with space here", "with space here"), ("one-thing", "another")],
)
def test_a_bad_new_password_may_be_mended(recovery: tuple[ApiWorld, str], password: str, again: str) -> None:
    api, code = recovery
    browser = Browser(api)
    browser.open("/recovery", code)
    browser.page = browser.submit("/recovery", password=password, again=again)

    assert browser.page.status_code == 400
    assert browser.submit("/recovery", password="battery-staple", again="battery-staple").status_code == 200


def test_the_form_needs_the_token_of_its_session(recovery: tuple[ApiWorld, str]) -> None:
    api, code = recovery
    browser = Browser(api)
    browser.open("/recovery", code)
    refused = browser.submit("/recovery", password="battery-staple", again="battery-staple", _csrf_token="x")

    assert refused.status_code == 403
    assert Browser(api).open("/recovery", code).status_code == 200


@pytest.mark.parametrize("code", ["", "x", "a" * 5000, "%00", "💥"])
def test_a_code_that_is_none_is_a_page_that_says_so(mailing: ApiWorld, code: str) -> None:
    for path in ("/recovery", "/confirm"):
        result = mailing.bare.get(path, params={"code": code})
        assert result.status_code == 400
        assert result.headers["content-type"].startswith("text/html")


def test_an_old_code_of_recovery_is_none(recovery: tuple[ApiWorld, str]) -> None:
    api, code = recovery
    api.registry.db.write(lambda tx: tx.run(Confirmation.update(expires_ms=now_ms() - 1)))

    assert Browser(api).open("/recovery", code).status_code == 400


def test_pages_take_nothing_from_elsewhere(recovery: tuple[ApiWorld, str]) -> None:
    api, code = recovery
    page = Browser(api).open("/recovery", code)

    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "http" not in re.sub(r"<!doctype.*?>", "", page.text)
    assert "<script" not in page.text


def test_what_is_shown_is_escaped(mailing: ApiWorld) -> None:
    code = '"><script>alert(1)</script>'

    assert "<script>" not in mailing.bare.get("/confirminvite", params={"code": code}).text


def test_an_invitation_is_answered_on_its_page(mailing: ApiWorld) -> None:
    owner, _ = mailing.user("owner"), mailing.user("alice")
    principal = mailing.registry.accounts.principal(mailing.registry.accounts.get("owner"))
    mailing.registry.tenancy.organizations.create(principal, "acme")
    mailing.registry.tenancy.invites.invite_email(principal, "acme", "owners", "alice@mail.test")
    browser = Browser(mailing)
    browser.open("/confirminvite", last(mailing.registry).code)

    wrong = browser.submit("/confirminvite", username="alice", password="wrong-password")
    assert wrong.status_code == 403
    forget_failures(mailing)
    browser.page = wrong
    joined = browser.submit("/confirminvite", username="alice", password=PASSWORD)

    assert (joined.status_code, "acme" in joined.text) == (200, True)
    assert [o["name"] for o in browser.caller.get("user/").json["organizations"]] == ["acme"]
    assert "alice" in owner.get("organization/acme/team/owners/members").text


# -- what a page asks first -------------------------------------------------------------------------


def test_the_csrf_token_is_the_sessions_for_as_long_as_it_lives(api: ApiWorld) -> None:
    result = api.bare.get("/csrf_token")
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", result.json["csrf_token"])
    assert "Expires" not in result.headers["set-cookie"]

    caller = visitor(api)
    again = caller.get("/csrf_token")
    assert again.json["csrf_token"] == caller.csrf
    assert "set-cookie" not in again.headers
    alice = api.user("alice")
    assert alice.get("/csrf_token").json["csrf_token"] == alice.csrf


def test_the_public_configuration_has_no_secret(make_api: ApiMaker) -> None:
    api = make_api(MAIL_PASSWORD="hush-hush", REGISTRY_TITLE="Ours")
    result = api.bare.get("/config")
    body = result.json

    assert set(body) == {
        "config", "features", "oauth", "external_login", "registry_state", "account_recovery_mode",
        "version_number",
    }  # fmt: skip
    assert body["config"]["REGISTRY_TITLE"] == "Ours"
    assert len(body["config"]["CHANNEL_COLORS"]) == 32
    assert body["features"]["MAILING"] is False
    assert body["features"]["BILLING"] is False
    assert all(isinstance(value, bool) for value in body["features"].values())
    assert body["external_login"] == []
    assert body["registry_state"] == "normal"
    for secret in ("hush-hush", "1" * 40, "2" * 40):
        assert secret not in result.text
