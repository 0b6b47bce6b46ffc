"""What was taken away is refused on the next request, in every process, though its token still lives.

Two applications on one database stand for two processes: each has its own caches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from protocol import HOST, Protocol, Repo, code

from quayframe.data import tables
from quayframe.oci import names
from quayframe.services.principal import SYSTEM, Principal


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Protocol, Protocol]]:
    """Two processes' worth of one registry."""
    folder = tmp_path_factory.mktemp("pair")
    one, two = Protocol(folder), Protocol(folder)
    yield one, two
    one.close()
    two.close()


class Everywhere:
    """One token, shown to both applications."""

    def __init__(self, pair: tuple[Protocol, Protocol], repo: Repo, token: str) -> None:
        self._asked = [repo.with_(protocol.session(token)) for protocol in pair]

    def statuses(self, method: str = "GET", path: str = "manifests/v1") -> list[int]:
        return [asked.do(method, path).status_code for asked in self._asked]

    def base(self, path: str = "") -> list[int]:
        return [asked.session.get(f"http://{HOST}/v2/{path}").status_code for asked in self._asked]

    def opens(self) -> bool:
        """Whether it opens all that it should; asked twice, so that it is in the caches."""
        asked = [self.statuses(), self.statuses("POST", "blobs/uploads/"), self.base(), self.base("_catalog")]
        return {status for statuses in asked + asked for status in statuses} <= {200, 202}

    def refused(self) -> bool:
        """Whether it opens nothing any more, with a challenge, so that a client fetches a new one."""
        for asked in self._asked:
            answer = asked.get("manifests/v1")
            assert answer.status_code != 401 or "scope=" in answer.headers["WWW-Authenticate"]
        asked_ = [
            self.statuses(),
            self.statuses("POST", "blobs/uploads/"),
            self.base(),
            self.base("_catalog"),
        ]
        return {status for statuses in asked_ for status in statuses} == {401}


def everywhere(pair: tuple[Protocol, Protocol], repo: Repo, principal: Principal) -> Everywhere:
    found = Everywhere(pair, repo, pair[0].token(principal, repo.scope))
    assert found.opens()
    return found


@pytest.fixture
def image(pair: tuple[Protocol, Protocol]) -> Repo:
    repo = pair[0].repo()
    repo.image("v1")
    return repo


def test_a_disabled_users_token_is_refused(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    user = pair[0].user()
    pair[0].registry.tenancy.permissions.grant(SYSTEM, image.path, user.name, "write")
    token = everywhere(pair, image, user)
    pair[0].registry.accounts.set_enabled(SYSTEM, user.name, False)

    assert token.refused()
    pair[0].registry.accounts.set_enabled(SYSTEM, user.name, True)
    assert token.refused()


def test_a_token_made_before_a_new_password_is_refused(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    assert image.owner is not None
    token = everywhere(pair, image, image.owner)
    pair[0].registry.accounts.set_password(SYSTEM, image.owner.name, "a-new-password")

    assert token.refused()


def test_a_disabled_namespace_serves_nobody(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    other = pair[0].user()
    pair[0].registry.tenancy.permissions.grant(SYSTEM, image.path, other.name, "write")
    token = everywhere(pair, image, other)
    assert image.owner is not None
    pair[0].registry.accounts.set_enabled(SYSTEM, image.owner.name, False)

    assert token.statuses() == [405, 405]


def test_a_regenerated_robots_token_is_refused(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    assert image.owner is not None
    robot = pair[0].robot(image.owner)
    pair[0].registry.tenancy.permissions.grant(SYSTEM, image.path, robot.name, "write")
    token = everywhere(pair, image, robot)
    pair[0].registry.tenancy.robots.regenerate(SYSTEM, *names.parse_robot(robot.name))

    assert token.refused()
    again = pair[0].registry.accounts.principal(pair[0].registry.accounts.get(robot.name))
    everywhere(pair, image, again)


def test_a_robot_of_a_disabled_owner_is_refused(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    owner = pair[0].user()
    robot = pair[0].robot(owner)
    pair[0].public(image)
    mine = pair[0].repo(owner)
    mine.image("v1")
    pair[0].registry.tenancy.permissions.grant(SYSTEM, mine.path, robot.name, "write")
    token = Everywhere(pair, image, pair[0].token(robot, mine.scope))
    assert token.statuses() == [200, 200]
    pair[0].registry.accounts.set_enabled(SYSTEM, owner.name, False)

    # Not even what is public, so that the client learns it at once.
    assert token.statuses() == [401, 401]


def test_the_token_of_a_deleted_repository_does_not_open_one_of_the_same_name(
    pair: tuple[Protocol, Protocol], image: Repo
) -> None:
    assert image.owner is not None
    user = pair[0].user()
    pair[0].registry.tenancy.permissions.grant(SYSTEM, image.path, user.name, "write")
    token, own = everywhere(pair, image, user), everywhere(pair, image, image.owner)
    pair[0].registry.repositories.delete(SYSTEM, image.path)
    assert [token.statuses(), own.statuses()] == [[401, 401]] * 2
    pair[0].repo(image.owner, image.name.partition("/")[2]).image("v1")

    assert [token.statuses(), own.statuses()] == [[401, 401]] * 2
    assert token.statuses("POST", "blobs/uploads/") == [401, 401]


def test_a_token_from_before_the_repository_fits_only_ones_own(pair: tuple[Protocol, Protocol]) -> None:
    protocol = pair[0]
    one = protocol.user("neworg-maker")
    other = protocol.user("neworg-other")

    def work(tx: object) -> int:
        return protocol.registry.accounts.add_organization(tx, one, "neworg")  # type: ignore[arg-type]

    organization = protocol.registry.db.write(work)
    team = protocol.registry.db.value(
        tables.Team.select(tables.Team.id).where(tables.Team.organization == organization)
    )
    protocol.registry.db.write(lambda tx: tx.insert(tables.TeamMember, team=team, account=other.account_id))
    scope = "repository:neworg/app:push,pull"
    early = [protocol.token(user, scope) for user in (one, other)]
    mine, theirs = (
        Repo(protocol.session(t), "neworg/app", f"http://{HOST}", u)
        for t, u in zip(early, (one, other), strict=True)
    )
    mine.image("v1")

    assert mine.get("manifests/v1").status_code == 200
    answer = theirs.get("manifests/v1")
    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
    assert theirs.do("POST", "blobs/uploads/").status_code == 401


def test_a_lowered_role_is_felt_at_once(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    user = pair[0].user()
    grant = pair[0].registry.tenancy.permissions.grant
    grant(SYSTEM, image.path, user.name, "write")
    token = everywhere(pair, image, user)
    grant(SYSTEM, image.path, user.name, "read")

    assert token.refused()
    account = pair[0].registry.accounts
    now = account.principal(account.get(user.name))
    lower = Everywhere(pair, image, pair[0].token(now, image.scope))
    assert (lower.statuses(), lower.statuses("POST", "blobs/uploads/")) == ([200, 200], [401, 401])
    grant(SYSTEM, image.path, user.name, None)
    assert lower.refused()


def test_a_repository_made_private_is_felt_at_once(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    pair[0].public(image)
    user = pair[0].user()
    token = Everywhere(pair, image, pair[0].token(user, image.scope))
    nobody = [image.with_(protocol.session()) for protocol in pair]
    assert token.statuses() == [200, 200]
    assert [asked.get("manifests/v1").status_code for asked in nobody] == [200, 200]
    pair[0].registry.repositories.set_visibility(SYSTEM, image.path, "private")

    assert token.statuses() == [401, 401]
    assert [asked.get("manifests/v1").status_code for asked in nobody] == [401, 401]
    pair[0].public(image)
    assert token.statuses() == [200, 200]


def test_a_pushed_tag_is_seen_by_every_process_at_once(pair: tuple[Protocol, Protocol], image: Repo) -> None:
    other = image.with_(pair[1].session(image.bearer))
    for number in range(20):
        one, two = (image, other) if number % 2 else (other, image)
        _, body = one.image("latest")
        assert two.get("manifests/latest").content == body
        assert one.delete("manifests/latest").status_code == 202
        assert two.get("manifests/latest").status_code == 404


def test_an_instances_tokens_are_verified_by_the_others(tmp_path: Path) -> None:
    config = {"DB_URI": f"sqlite:///{tmp_path}/shared.db"}
    machines = [Protocol(tmp_path / name, config) for name in ("one", "two")]
    repo = machines[0].repo()
    token = repo.bearer
    repo.begin()

    assert machines[0].registry.keys.signing().kid != machines[1].registry.keys.signing().kid
    assert repo.with_(machines[1].session(token)).get("tags/list").status_code == 200
    for machine in machines:
        machine.close()


def published(session: requests.Session) -> list[str]:
    return [key["kid"] for key in session.get(f"http://{HOST}/keys/services/quay/keys").json()["keys"]]


def test_public_keys_are_published(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol()
    kid = protocol.registry.keys.signing().kid

    assert published(protocol.session()) == [kid]
    one = protocol.session().get(f"http://{HOST}/keys/services/quay/keys/{kid}").json()
    assert set(one) == {"e", "kid", "kty", "n"}
