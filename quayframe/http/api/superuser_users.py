"""Users as superusers see, make, change and delete them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from quayframe.errors import InvalidRequest
from quayframe.services.superusers import UserItem

from . import needs
from .operation import Body, Call, Query, Resource, operation
from .people import face
from .views import Avatar

MOST = 100


class UsersQuery(Query):
    disabled: bool = True
    limit: int | None = None
    next_page: str | None = None


class UserView(TypedDict):
    """`encrypted_password` is there when the password has just been changed."""

    kind: Literal["user"]
    name: str
    username: str
    email: str
    verified: bool
    avatar: Avatar
    super_user: bool
    global_readonly_super_user: bool
    enabled: bool
    encrypted_password: NotRequired[str]


class UserList(TypedDict):
    users: list[UserView]
    next_page: NotRequired[str]


class CreateUserBody(Body):
    username: str
    email: str | None = None


class MadeUser(TypedDict):
    username: str
    email: str | None
    password: str
    encrypted_password: str


class ChangeUserBody(Body):
    password: str | None = None
    email: str | None = None
    enabled: bool | None = None


class SentRecovery(TypedDict):
    email: str


def user_view(call: Call, user: UserItem) -> UserView:
    return {
        "kind": "user",
        "name": user.username,
        "username": user.username,
        "email": user.seed,
        "verified": user.verified,
        "avatar": face(call, user.username, "user", user.seed),
        "super_user": user.superuser,
        "global_readonly_super_user": user.readonly_superuser,
        "enabled": user.enabled,
    }


def checked_limit(limit: int | None) -> int | None:
    """Raises InvalidRequest for a page that is too long, or none."""
    if limit is not None and limit > MOST:
        raise InvalidRequest(f"Page limit cannot be above {MOST}")
    if limit is not None and limit < 1:
        raise InvalidRequest("Page limit cannot be below 1")
    return limit


class Users(Resource):
    path = "/api/v1/superuser/users/"

    @operation(
        "listAllUsers",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        query=UsersQuery,
        answer=UserList,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def get(self, call: Call) -> UserList:
        """All users; with `limit` page by page."""
        query: UsersQuery = call.query
        limit, state = checked_limit(query.limit), call.page_state() or {}
        found, more = call.registry.tenancy.superusers.page(
            after=int(state.get("after", 0)), limit=limit, disabled=query.disabled
        )
        answer: UserList = {"users": [user_view(call, user) for user in found]}
        if more:
            answer["next_page"] = call.page({"after": found[-1].id})
        return answer

    @operation(
        "createInstallUser",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        body=CreateUserBody,
        answer=MadeUser,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
        also=(429,),
    )
    def post(self, call: Call) -> MadeUser:
        """Makes a user with a password that is made up."""
        body: CreateUserBody = call.body
        tenancy = call.registry.tenancy
        password = tenancy.superusers.create(call.principal, body.username, body.email)
        return {
            "username": body.username,
            "email": body.email,
            "password": password,
            "encrypted_password": tenancy.encrypted.encrypt(password),
        }


class User(Resource):
    path = "/api/v1/superuser/users/{username}"

    @operation(
        "getInstallUser",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=UserView,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def get(self, call: Call, username: str) -> UserView:
        """One user."""
        return user_view(call, call.registry.tenancy.superusers.get(username))

    @operation(
        "changeInstallUser",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        body=ChangeUserBody,
        answer=UserView,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
        also=(429,),
    )
    def put(self, call: Call, username: str) -> UserView:
        """Changes a user's password or address, or switches the account on or off."""
        body: ChangeUserBody = call.body
        tenancy = call.registry.tenancy
        user = tenancy.superusers.change(
            call.principal, username, password=body.password, email=body.email, enabled=body.enabled
        )
        answer = user_view(call, user)
        if body.password is not None:
            answer["encrypted_password"] = tenancy.encrypted.encrypt(body.password)
        return answer

    @operation(
        "deleteInstallUser",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        status=204,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def delete(self, call: Call, username: str) -> None:
        """Deletes a user."""
        tenancy = call.registry.tenancy
        tenancy.superusers.target(call.principal, username, "delete")
        tenancy.departures.delete(call.principal, username, as_superuser=True)


class UserRecovery(Resource):
    path = "/api/v1/superusers/users/{username}/sendrecovery"

    @operation(
        "sendInstallUserRecoveryEmail",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=SentRecovery,
        internal=True,
        feature="FEATURE_MAILING",
        fresh=True,
    )
    def post(self, call: Call, username: str) -> SentRecovery:
        """Sends a user a mail by which the password can be changed."""
        return {"email": call.registry.tenancy.superusers.send_recovery(call.principal, username)}


RESOURCES = (Users, User, UserRecovery)
