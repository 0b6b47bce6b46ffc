"""Applications, tokens, codes and offers, on every database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from organization_world import OrganizationWorld, at_once

from quayframe.data import migrations, tables
from quayframe.data.db import Database
from quayframe.data.tenancy import OauthApplication, OauthAssignment, OauthCode
from quayframe.errors import InsufficientScope, InvalidRequest, NotFound, NotSignedIn, RegistryError
from quayframe.oci.names import RepositoryName
from quayframe.services import scopes
from quayframe.services.accounts import Accounts
from quayframe.services.activity import Activity
from quayframe.services.app_tokens import AppTokens
from quayframe.services.application_tokens import ApplicationTokens
from quayframe.services.applications import Application, Applications, Details
from quayframe.services.authorizations import Authorizations
from quayframe.services.authorizing import Asked, Authorizing, OauthRefused
from quayframe.services.clock import now_ms
from quayframe.services.gate import Gate, Rules
from quayframe.services.oauth import OauthTokens
from quayframe.services.passwords import PasswordChecker
from quayframe.services.principal import ANONYMOUS, Principal
from quayframe.services.repository_tokens import RepositoryTokens
from quayframe.services.token_uses import TokenUses
from quayframe.services.tokens import BearerToken, Grant

CALLBACK = "https://app.example.com/cb"
LOCAL = "https://registry.example.com/oauth/localapp"


class OauthServices(OrganizationWorld):
    """The organization `org` with the application `app`."""

    def __init__(self, db: Database, most: int | None = None) -> None:
        super().__init__(db)
        here = (db, self.access, Activity(db))
        accounts = Accounts(db, here[2], PasswordChecker(1))
        self.uses = TokenUses(db, threshold_s=60, recording=True)
        self.oauth = OauthTokens(db, accounts, self.box, self.uses)
        self.applications = Applications(*here, self.box, self.oauth)
        self.tokens = ApplicationTokens(*here, self.applications, self.oauth, most=most)
        self.authorizations = Authorizations(*here, self.mail)
        self.authorizing = Authorizing(
            db, self.access, self.applications, self.authorizations, self.oauth, self.box
        )
        self.app_tokens = AppTokens(db, accounts, *here[1:], self.box, self.uses)
        self.repository_tokens = RepositoryTokens(db, self.box, self.uses)
        self.app = self.applications.create(self.boss, "org", Details("app", redirect_uri=CALLBACK))

    def token(self, scope: str = "repo:read") -> tuple[str, str]:
        """(uuid, token)."""
        made, token = self.tokens.create(
            self.boss, "org", self.app.client_id, name="ci", scope=scope, life_s=None
        )
        return made.uuid, token

    def asked(self, **changes: str) -> Asked:
        given = {"client_id": self.app.client_id, "redirect_uri": CALLBACK, "scope": "repo:read"}
        return Asked(local=LOCAL, **(given | changes))

    def run(self, query: Any) -> None:
        self.db.write(lambda tx: tx.run(query))

    def secret(self) -> str:
        found = self.applications.find(self.app.client_id)
        assert found is not None
        return self.applications.secret(self.boss, found) or ""


@pytest.fixture
def world(database: Database) -> OauthServices:
    return OauthServices(database)


@pytest.fixture
def one(sqlite: str, open_database: Callable[..., Database]) -> OauthServices:
    """On SQLite alone: what no database decides."""
    db = open_database(sqlite)
    migrations.migrate(db)
    return OauthServices(db)


def error(act: Callable[[], object]) -> str:
    with pytest.raises(RegistryError) as caught:
        act()
    return caught.value.text


# -- applications -----------------------------------------------------------------------------------


def test_secrets_are_sealed_at_rest(world: OauthServices) -> None:
    secret = world.secret()
    stored = world.db.value(OauthApplication.select(OauthApplication.secret))

    assert len(secret) == 40
    assert secret not in stored
    assert world.applications.is_secret(world.app, secret)
    assert not world.applications.is_secret(world.app, secret.lower())
    assert secret not in repr(world.app)


def test_only_admins_change_applications(one: OauthServices) -> None:
    member, client_id = one.account("member"), one.app.client_id
    reader = one.boss_of_all
    narrow = Principal("user", one.boss.account_id, one.boss.uuid, "boss", scopes=frozenset(("repo:admin",)))

    for who in (member, reader, narrow):
        with pytest.raises(InsufficientScope):
            one.applications.create(who, "org", Details("x"))
        with pytest.raises(InsufficientScope):
            one.applications.update(who, "org", client_id, Details("x"))
        with pytest.raises(InsufficientScope):
            one.applications.reset_secret(who, "org", client_id)
        with pytest.raises(InsufficientScope):
            one.applications.delete(who, "org", client_id)
        with pytest.raises(InsufficientScope):
            one.tokens.create(who, "org", client_id, name="x", scope="repo:read", life_s=None)
    with pytest.raises(NotSignedIn):
        one.applications.all(ANONYMOUS, "org")
    assert one.applications.secret(reader, one.applications.all(reader, "org")[0]) is None


def test_an_application_goes_with_all_that_hangs_on_it(world: OauthServices) -> None:
    user = world.account("user")
    _, token = world.token()
    world.authorizing.grant(world.boss, world.app, world.asked())
    world.authorizations.assign(world.boss, world.app, "user", redirect_uri=LOCAL, scope="repo:read")

    world.applications.delete(world.boss, "org", world.app.client_id)

    assert world.oauth.principal(token, None) is None
    for table in (OauthApplication, OauthCode, OauthAssignment):
        assert world.db.rows(table.select(table.id)) == []
    assert world.authorizations.assigned(user) == []
    with pytest.raises(NotFound):
        world.applications.delete(world.boss, "org", world.app.client_id)


def test_what_is_done_to_applications_and_tokens_is_noted(one: OauthServices) -> None:
    client_id = one.app.client_id
    uuid, _ = one.token("repo:read")
    one.tokens.delete(one.boss, "org", client_id, uuid)
    one.applications.update(one.boss, "org", client_id, Details("new"))
    one.applications.reset_secret(one.boss, "org", client_id)
    one.applications.delete(one.boss, "org", client_id)

    app = {"application_name": "app", "client_id": client_id}
    new = app | {"application_name": "new"}
    expected = [
        ("create_application", app),
        (
            "create_oauth_api_token",
            app
            | {"oauth_token_uuid": uuid, "scope": "repo:read", "token_display_name": "ci"}
            | {"auth_method": "password"},
        ),
        ("revoke_oauth_api_token", app | {"oauth_token_uuid": uuid}),
        ("update_application", new),
        ("reset_application_client_secret", new),
        ("delete_application", new),
    ]
    by = {"namespace": "org", "performer": "boss"}
    found = one.events(*(kind for kind, _ in expected))
    assert found == [{"kind": kind} | by | data for kind, data in expected]


# -- tokens -----------------------------------------------------------------------------------------


def test_a_token_is_its_maker_within_its_scopes(world: OauthServices) -> None:
    uuid, token = world.token("repo:write")

    found = world.oauth.principal(token, "192.0.2.1")

    assert found is not None
    assert (found.name, found.account_id, found.via, found.token) == (
        "boss", world.boss.account_id, "oauth", uuid,
    )  # fmt: skip
    assert found.scopes == frozenset(("repo:read", "repo:write"))
    assert found.ip == "192.0.2.1"
    for wrong in (token[:-1], token + "A", token.swapcase(), "", token.encode().hex()):
        assert world.oauth.principal(wrong, None) is None


def test_a_token_is_nobody_s_once_its_account_owner_or_time_is_gone(world: OauthServices) -> None:
    account, token = tables.Account, tables.Token
    org = account.id == world.org.id
    boss = account.id == world.boss.account_id
    every = token.kind == "oauth"
    _, shown = world.token()
    for broken, mended in (
        (account.update(enabled=0).where(boss), account.update(enabled=1).where(boss)),
        (account.update(deleted_ms=1).where(boss), account.update(deleted_ms=None).where(boss)),
        (account.update(enabled=0).where(org), account.update(enabled=1).where(org)),
        (account.update(deleted_ms=1).where(org), account.update(deleted_ms=None).where(org)),
        (token.update(expires_ms=now_ms()).where(every), token.update(expires_ms=None).where(every)),
        (token.update(application=10**6).where(every), token.update(application=None).where(every)),
    ):
        world.run(broken)
        assert world.oauth.principal(shown, None) is None
        world.run(mended)
        assert world.oauth.principal(shown, None) is not None


def test_of_two_tokens_at_once_one_too_many_is_refused(database: Database) -> None:
    world = OauthServices(database, most=1)

    done = at_once(world.token, world.token, world.token)

    assert sorted(isinstance(one, InvalidRequest) for one in done) == [False, True, True]


def test_a_use_is_noted_once_in_a_while_and_never_fails(one: OauthServices) -> None:
    _, token = one.token()
    row = tables.Token
    for last in (None, now_ms() - 61_000):
        one.run(row.update(last_accessed_ms=last))
        one.oauth.principal(token, None)
        assert one.db.value(row.select(row.last_accessed_ms)) >= now_ms() - 10_000
    kept = now_ms() - 30_000
    one.db.write(lambda tx: tx.run(row.update(last_accessed_ms=kept)))
    one.oauth.principal(token, None)
    assert one.db.value(row.select(row.last_accessed_ms)) == kept
    quiet = TokenUses(one.db, threshold_s=0, recording=False)
    quiet.note(1, None)
    assert one.db.value(row.select(row.last_accessed_ms)) == kept


# -- codes and offers -------------------------------------------------------------------------------


def test_of_two_who_bring_a_code_at_once_one_gets_a_token(world: OauthServices) -> None:
    code, secret = world.authorizing.grant(world.boss, world.app, world.asked()), world.secret()

    done = at_once(*[lambda: world.authorizing.exchange(world.asked(), secret, code)] * 4)

    refused = [one for one in done if isinstance(one, OauthRefused)]
    assert [one.text for one in refused] == ["invalid_grant"] * 3
    assert world.db.rows(tables.Token.select(tables.Token.scope)) == [("repo:read",)]


def test_of_two_who_use_an_offer_at_once_one_gets_a_token(world: OauthServices) -> None:
    user = world.account("user")
    uuid = world.authorizations.assign(world.boss, world.app, "user", redirect_uri=LOCAL, scope="repo:read")
    asked = world.asked(redirect_uri=LOCAL, response_type="token", assignment=uuid)

    done = at_once(*[lambda: world.authorizing.grant(user, world.app, asked)] * 3)

    assert sorted(isinstance(one, InsufficientScope) for one in done) == [False, True, True]
    assert len(world.authorizations.all(user)) == 1


def test_codes_are_stored_as_hashes_and_old_ones_go(one: OauthServices) -> None:
    code = one.authorizing.grant(one.boss, one.app, one.asked())
    (stored,) = one.db.rows(OauthCode.select(OauthCode.lookup))
    assert code not in str(stored)
    one.db.write(lambda tx: tx.run(OauthCode.update(expires_ms=1)))

    assert error(lambda: one.authorizing.exchange(one.asked(), one.secret(), code)) == "invalid_grant"
    one.authorizing.grant(one.boss, one.app, one.asked())
    assert len(one.db.rows(OauthCode.select(OauthCode.id))) == 1


def test_grants_are_given_by_people_themselves_alone(one: OauthServices) -> None:
    boss = one.boss
    assert boss.account_id is not None
    for who in (
        Principal("user", boss.account_id, boss.uuid, "boss", scopes=frozenset(scopes.SCOPES), via="oauth"),
        Principal("user", boss.account_id, boss.uuid, "boss", via="app"),
        one.robot("bot"),
        Principal("token", via="repository", grant=(1, "admin")),
    ):
        with pytest.raises((InsufficientScope, NotSignedIn)):
            one.authorizing.grant(who, one.app, one.asked())


# -- other tokens -----------------------------------------------------------------------------------


def test_an_app_token_is_its_user(world: OauthServices) -> None:
    made = world.app_tokens.create(world.boss, "laptop")
    assert made.code is not None

    found = world.app_tokens.principal(made.code, None)

    assert found is not None
    assert (found.name, found.via, found.token, found.scopes) == ("boss", "app", made.uuid, None)
    assert world.oauth.principal(made.code[:40], None) is None
    row = world.db.one(tables.Token.select(tables.Token.lookup, tables.Token.secret))
    assert made.code not in str(row)
    assert made.code not in repr(made)
    expired = tables.Token.update(expires_ms=now_ms())
    world.db.write(lambda tx: tx.run(expired))
    assert world.app_tokens.principal(made.code, None) is None


def test_a_gate_asks_for_the_token_that_was_shown_in_the_same_query(world: OauthServices) -> None:
    repository = world.repository("image")
    made = world.db.write(lambda tx: world.repository_tokens.add(tx, repository, "read", title="trigger"))
    principal = world.repository_tokens.principal(made.token, None)
    assert principal is not None
    assert principal.grant == (repository, "read")
    uuid = world.db.value(tables.Repository.select(tables.Repository.uuid))
    bearer = BearerToken(
        principal, {"org/image": Grant(frozenset(("pull",)), uuid, public=False)}, "kid", 0, 2**40
    )
    gate, name = Gate(world.db, Rules()), RepositoryName("org", "image")

    assert gate.pass_(bearer, name, "pull").repository_id == repository
    assert gate.is_current(bearer)

    assert world.db.write(lambda tx: world.repository_tokens.delete(tx, made.uuid))
    assert world.repository_tokens.principal(made.token, None) is None
    assert error(lambda: gate.pass_(bearer, name, "pull"))
    assert not gate.is_current(bearer)


def test_the_first_user_s_application_is_its_own(one: OauthServices) -> None:
    boss = one.boss.account_id
    assert boss is not None
    token = one.db.write(lambda tx: one.applications.add_first(tx, boss, "boss"))

    found = one.oauth.principal(token, None)
    assert found is not None
    assert found.scopes == frozenset(scopes.SCOPES)
    listed: Application | None = one.applications.find("boss")
    assert listed is not None
    assert (listed.name, listed.owner) == ("automation", "boss")
    left = one.db.value(tables.Token.select(tables.Token.expires_ms)) - now_ms()
    assert 8_990_000 < left <= 9_000_000
