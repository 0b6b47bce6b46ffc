"""Nothing of what is in the recycle bin works until it is back: no credential, no list, no offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld
from oauth_world import CALLBACK, OauthWorld
from protocol import HOST
from recycle_world import SCOPE, Bin, actions, log_in

from quayframe.data.tables import LoginFailure, TeamMember
from quayframe.data.tenancy import TeamInvite
from quayframe.oci.names import RepositoryName

GONE = {401, 403, 404}
NO_INVITATION = (400, {"message": "Invalid confirmation code."})


class World(Bin):
    """With an application whose users are sent back, too."""

    def __init__(self, api: ApiWorld) -> None:
        self.oauth = OauthWorld(api)
        super().__init__(api)


@pytest.fixture
def world(make_api: ApiMaker) -> World:
    return World(make_api())


Way = Callable[[World], bool]


def _robot(world: World) -> bool:
    return log_in(world.protocol, "acme+bot", world.robot).status_code == 200


def _robot_pulls(world: World) -> bool:
    answer = log_in(world.protocol, "acme+bot", world.robot, SCOPE)
    return answer.status_code == 200 and actions(answer) == [["push", "pull"]]


def _token_of_application(world: World) -> bool:
    return world.api.bearer(world.token).get("user/").status_code == 200


def _token_of_application_at_the_registry(world: World) -> bool:
    answer = log_in(world.protocol, "$oauthtoken", world.token, SCOPE)
    return answer.status_code == 200 and actions(answer) == [["push", "pull"]]


def _person(world: World) -> bool:
    return world.repo("app", "dev").get("manifests/v1").status_code == 200


def _admin(world: World) -> bool:
    return world.repo("app").get("manifests/v1").status_code == 200


def _anybody(world: World) -> bool:
    return world.protocol.session().get(f"http://{HOST}/v2/acme/open/manifests/v1").status_code == 200


def _catalog(world: World) -> bool:
    session = world.protocol.as_(world.principal("owner"), "registry:catalog:*")
    return "acme/app" in session.get(f"http://{HOST}/v2/_catalog").json()["repositories"]


def _list(world: World) -> bool:
    found = world.owner.get("repository", params={"namespace": "acme"})
    return bool(found.json.get("repositories"))


def _search(world: World) -> bool:
    return bool(world.owner.get("find/all", params={"query": "app"}).json["results"])


def _page(world: World) -> bool:
    return world.owner.get("repository/acme/app").status_code == 200


def _organization(world: World) -> bool:
    return world.owner.get("organization/acme").status_code == 200


def _organizations_of_user(world: World) -> bool:
    return bool(world.owner.get("user/").json["organizations"])


def _robots(world: World) -> bool:
    return world.owner.get("organization/acme/robots/bot").status_code == 200


def _permissions(world: World) -> bool:
    return world.owner.get("repository/acme/app/permissions/user/").status_code == 200


def _application(world: World) -> bool:
    return world.owner.get(f"app/{world.client_id}").status_code == 200


def _consent(world: World) -> bool:
    return world.oauth.authorize(format="json").status_code in (200, 302)


def _authorizations(world: World) -> bool:
    return bool(world.owner.get("user/authorizations").json["authorizations"])


def _mount(world: World) -> bool:
    target = world.protocol.repo(world.principal("dev"), "copy")
    scopes = (f"repository:{target.name}:push,pull", "repository:acme/app:pull")
    session = world.protocol.as_(world.principal("dev"), *scopes)
    url = f"http://{HOST}/v2/{target.name}/blobs/uploads/"
    return session.post(url, params={"mount": world.blob, "from": "acme/app"}).status_code == 201


OF_ORGANIZATION: list[Way] = [
    _robot, _robot_pulls, _token_of_application, _token_of_application_at_the_registry, _person, _admin,
    _anybody, _catalog, _list, _search, _page, _organization, _organizations_of_user, _robots, _permissions,
    _application, _consent, _authorizations, _mount,
]  # fmt: skip
OF_REPOSITORY: list[Way] = [
    _robot_pulls, _person, _admin, _catalog, _search, _page, _permissions, _mount,
]  # fmt: skip


def open_ways(world: World, ways: list[Way]) -> set[str]:
    found = {way.__name__ for way in ways if way(world)}
    # Who was refused would have to wait.
    world.registry.db.write(lambda tx: tx.run(LoginFailure.delete()))
    return found


def test_no_way_leads_to_what_a_deleted_organization_had_and_every_one_does_again(world: World) -> None:
    every = {way.__name__ for way in OF_ORGANIZATION}
    assert open_ways(world, OF_ORGANIZATION) == every
    ident = world.delete()
    assert open_ways(world, OF_ORGANIZATION) == set()
    world.api.admin.post(f"recyclebin/organizations/{ident}/release")
    assert open_ways(world, OF_ORGANIZATION) == set()
    world.undelete("organizations", ident)
    assert open_ways(world, OF_ORGANIZATION) == every


def test_no_way_leads_to_what_a_deleted_repository_had_and_every_one_does_again(world: World) -> None:
    assert world.owner.delete("repository/acme/open").status_code == 204
    every = {way.__name__ for way in OF_REPOSITORY}
    assert open_ways(world, OF_REPOSITORY) == every
    ident = world.delete_app()
    assert open_ways(world, OF_REPOSITORY) == set()
    assert _robot(world)
    world.undelete("repositories", ident)
    assert open_ways(world, OF_REPOSITORY) == every


def test_bearer_tokens_from_before_an_organization_went_stay_refused(world: World) -> None:
    robot = log_in(world.protocol, "acme+bot", world.robot, SCOPE).json()["token"]
    application = log_in(world.protocol, "$oauthtoken", world.token, SCOPE).json()["token"]
    sessions = [world.protocol.session(token) for token in (robot, application)] + [world.repo("app").session]
    url = f"http://{HOST}/v2/acme/app/manifests/v1"
    assert [session.get(url).status_code for session in sessions] == [200, 200, 200]
    ident = world.delete()
    assert [session.get(url).status_code for session in sessions] == [401, 401, 401]
    world.undelete("organizations", ident)
    assert [session.get(url).status_code for session in sessions] == [401, 401, 401]


def test_a_repositorys_own_token_opens_nothing_while_it_is_deleted(world: World) -> None:
    row = world.registry.access.repository("acme", "app")
    assert row is not None
    ident = row.id
    made = world.registry.db.write(
        lambda tx: world.registry.tenancy.repository_tokens.add(tx, ident, "write", title="trigger")
    )
    assert log_in(world.protocol, "$token", made.token, SCOPE).status_code == 200
    uuid = world.delete_app()
    world.push("app")
    assert log_in(world.protocol, "$token", made.token, SCOPE).status_code == 401
    world.undelete("repositories", uuid, name="back")
    answer = log_in(world.protocol, "$token", made.token, "repository:acme/back:pull", SCOPE)
    assert actions(answer) == [["pull"], []]


def test_a_code_is_exchanged_only_before_and_after(world: World) -> None:
    code = world.oauth.code(response_type="code")
    ident = world.delete()
    assert world.oauth.exchange(code).status_code == 400
    assert world.owner.get(f"app/{world.client_id}").status_code == 404
    world.undelete("organizations", ident)
    assert world.oauth.exchange(code).status_code == 200


def test_an_offer_is_seen_only_before_and_after(make_api: ApiMaker) -> None:
    world = World(make_api(FEATURE_ASSIGN_OAUTH_TOKEN=True))
    query = {"username": "dev", "scope": "repo:read", "redirect_uri": CALLBACK, "response_type": "token"}
    query["client_id"] = world.oauth.app["client_id"]
    assert world.owner.post("/oauth/authorize/assignuser", params=query).status_code == 200

    def offers() -> list[Any]:
        return list(world.dev.get("user/assignedauthorization").json["authorizations"])

    before = offers()
    assert len(before) == 1
    ident = world.delete()
    assert offers() == []
    asked = query | {"assignment_uuid": before[0]["uuid"]}
    assert world.oauth.agree(world.dev, **asked).status_code == 400
    world.undelete("organizations", ident)
    assert offers() == before
    assert world.oauth.agree(world.dev, **asked).status_code == 302


def test_an_invitation_is_accepted_only_before_and_after(make_api: ApiMaker) -> None:
    world = World(make_api(FEATURE_MAILING=True, FEATURE_REQUIRE_TEAM_INVITE=True))
    guest = world.api.user("guest")
    world.owner.put("organization/acme/team/crew", {"role": "member"})
    assert world.owner.put("organization/acme/team/crew/members/guest").json["invited"]
    sealed = world.registry.db.value(TeamInvite.select(TeamInvite.code))
    code = world.registry.tenancy.ground.box.decrypt(sealed)
    ident = world.delete()
    answer = guest.put(f"teaminvite/{code}")
    assert (answer.status_code, answer.json) == NO_INVITATION
    answer = guest.delete(f"teaminvite/{code}")
    assert (answer.status_code, answer.json) == NO_INVITATION
    world.undelete("organizations", ident)
    assert guest.put(f"teaminvite/{code}").json == {"org": "acme", "team": "crew"}


def test_who_signs_up_joins_no_deleted_organization(make_api: ApiMaker) -> None:
    world = World(make_api(FEATURE_MAILING=True, FEATURE_REQUIRE_TEAM_INVITE=True))
    world.owner.put("organization/acme/team/crew", {"role": "member"})
    assert world.owner.put("organization/acme/team/crew/invite/new@mail.test").status_code == 200
    sealed = world.registry.db.value(TeamInvite.select(TeamInvite.code))
    code = world.registry.tenancy.ground.box.decrypt(sealed)
    members = world.registry.db.rows(TeamMember.select(TeamMember.id))
    world.delete()
    body = {"username": "new", "password": "correct-horse", "email": "new@mail.test", "invite_code": code}
    world.api.anonymous.post("user/", body)
    assert world.registry.db.rows(TeamMember.select(TeamMember.id)) == members


def test_an_upload_under_way_ends_with_its_repository(world: World) -> None:
    repo = world.repo("app")
    location = repo.begin()
    ident = world.delete_app()
    assert repo.patch(location, b"half", 0).status_code in GONE
    world.undelete("repositories", ident)
    assert world.repo("app").tags() == ["v1"]


def test_a_star_is_there_again(world: World) -> None:
    body = {"namespace": "acme", "repository": "open"}
    assert world.dev.post("user/starred", body).status_code == 201
    world.registry.repositories.delete(world.principal("owner"), RepositoryName("acme", "open"))
    assert world.dev.get("user/starred").json == {"repositories": []}
    (one,) = world.registry.content.recycle_bin.repositories(world.principal("owner"), "acme")[0]
    world.undelete("repositories", one.uuid)
    assert [found["name"] for found in world.dev.get("user/starred").json["repositories"]] == ["open"]
