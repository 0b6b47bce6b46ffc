"""Users: their own account, and others as they may be seen."""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from quayframe.errors import InvalidRequest, NotFound, Unauthorized
from quayframe.services.accounts import Account
from quayframe.services.principal import Principal
from quayframe.services.profiles import Membership, Profile

from . import needs
from .operation import Body, Call, Resource, operation
from .people import face
from .views import Avatar


class UnknownUser(NotFound):
    shape = "message"
    message = "The requested URL was not found on the server: there is no such user."


class LoginView(TypedDict):
    service: str
    service_identifier: str
    metadata: dict[str, Any]


class UserOrganization(TypedDict):
    name: str
    avatar: Avatar
    can_create_repo: bool
    public: bool
    is_org_admin: NotRequired[bool]
    preferred_namespace: NotRequired[bool]


class UserView(TypedDict):
    """What follows the avatar is for who may read the account, most of it for who administers it."""

    anonymous: bool
    username: str
    avatar: Avatar
    organizations: NotRequired[list[UserOrganization]]
    can_create_repo: NotRequired[bool]
    is_me: NotRequired[bool]
    verified: NotRequired[bool]
    email: NotRequired[str]
    logins: NotRequired[list[LoginView]]
    invoice_email: NotRequired[bool]
    invoice_email_address: NotRequired[str | None]
    preferred_namespace: NotRequired[bool]
    tag_expiration_s: NotRequired[int]
    prompts: NotRequired[list[str]]
    given_name: NotRequired[str | None]
    family_name: NotRequired[str | None]
    company: NotRequired[str | None]
    location: NotRequired[str | None]
    is_free_account: NotRequired[bool]
    has_password_set: NotRequired[bool]
    super_user: NotRequired[bool]
    global_readonly_super_user: NotRequired[bool]


class Awaiting(TypedDict):
    awaiting_verification: bool


class Success(TypedDict):
    success: bool


class ClientKey(TypedDict):
    key: str


class FirstUser(TypedDict):
    username: str
    email: str | None
    encrypted_password: str
    access_token: NotRequired[str]


class NewUser(Body):
    username: str
    password: str
    email: str | None = None
    invite_code: str | None = None
    recaptcha_response: str | None = None


class UserDetails(Body):
    """What is left out stays as it is."""

    password: str | None = None
    email: str | None = None
    username: str | None = None
    invoice_email: bool | None = None
    invoice_email_address: str | None = Field(default=None, max_length=255)
    tag_expiration_s: int | None = Field(default=None, ge=0)
    given_name: str | None = Field(default=None, max_length=255)
    family_name: str | None = Field(default=None, max_length=255)
    company: str | None = Field(default=None, max_length=255)
    location: str | None = Field(default=None, max_length=255)

    def wanted(self) -> dict[str, Any]:
        """The fields that are given; null is a value only of those that may be null."""
        nullable = ("invoice_email_address", "given_name", "family_name", "company", "location")
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in found.items() if value is not None or name in nullable}


class Conversion(Body):
    adminUser: str  # noqa: N815 - its name in the API
    adminPassword: str  # noqa: N815
    plan: str | None = None


class Password(Body):
    password: str


class Initialization(Body):
    username: str
    password: str
    email: str | None = None
    access_token: bool = False


def user_view(call: Call, principal: Principal, name: str) -> UserView:
    """A user as the principal may see it. Raises UnknownUser."""
    try:
        profile = call.registry.tenancy.profiles.profile(principal, name)
    except NotFound:
        raise UnknownUser() from None
    view: UserView = {
        "anonymous": False,
        "username": profile.name,
        "avatar": face(call, profile.name, "user", profile.seed),
    }
    full = profile.details is not None
    if profile.organizations is not None:
        view["organizations"] = [_organization(call, o, full) for o in profile.organizations]
        if principal.superuser:
            view["super_user"] = True
        if principal.readonly_superuser:
            view["global_readonly_super_user"] = True
    if profile.details is not None:
        _add_details(view, profile, profile.details)
    return view


def _add_details(view: UserView, profile: Profile, details: dict[str, Any]) -> None:
    view["can_create_repo"] = details["can_create_repo"]
    view["is_me"] = True
    view["verified"] = details["verified"]
    view["email"] = details["email"]
    view["logins"] = [
        {"service": login.service, "service_identifier": login.subject, "metadata": login.metadata}
        for login in profile.logins
    ]
    view["invoice_email"] = details["invoice_email"]
    view["invoice_email_address"] = details["invoice_email_address"]
    view["preferred_namespace"] = False
    view["tag_expiration_s"] = details["tag_expiration_s"]
    view["prompts"] = details["prompts"]
    view["given_name"] = details["given_name"]
    view["family_name"] = details["family_name"]
    view["company"] = details["company"]
    view["location"] = details["location"]
    view["is_free_account"] = True
    view["has_password_set"] = details["has_password_set"]


def _organization(call: Call, found: Membership, full: bool) -> UserOrganization:
    view: UserOrganization = {
        "name": found.name,
        "avatar": face(call, found.name, "org", found.seed),
        "can_create_repo": found.can_create_repo,
        "public": found.public,
    }
    if full:
        view["is_org_admin"] = found.is_admin
        view["preferred_namespace"] = False
    return view


def as_now(call: Call, account: Account) -> Principal:
    """The caller after its account was changed."""
    p = call.principal
    return call.registry.accounts.principal(account, call.ip, scopes=p.scopes, via=p.via, token=p.token)


def signed_in_as(call: Call, account: Account) -> Principal:
    """Signs the caller in as somebody who has just shown who it is."""
    call.sign_in(account)
    return call.registry.accounts.principal(account, call.ip, via="session")


class CurrentUser(Resource):
    path = "/api/v1/user/"

    @operation("getLoggedInUser", "user", needs.USER_READ, scopes=("user:read",), answer=UserView)
    def get(self, call: Call) -> UserView:
        """The caller's own account."""
        return user_view(call, call.principal, call.principal.name)

    @operation(
        "changeUserDetails",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=UserDetails,
        answer=UserView,
        internal=True,
        fresh=True,
        also=(429,),
    )
    def put(self, call: Call) -> UserView:
        """Changes the caller's own account; a new password ends all its other sessions."""
        body: UserDetails = call.body
        wanted = body.wanted()
        account = call.registry.tenancy.people.change(call.principal, wanted)
        if "password" in wanted and call.principal.via == "session":
            call.sign_in(account)
        return user_view(call, as_now(call, account), account.name)

    @operation(
        "createNewUser",
        "user",
        needs.OPEN,
        body=NewUser,
        answer=UserView | Awaiting,
        internal=True,
        feature="FEATURE_USER_CREATION",
        also=(429,),
    )
    def post(self, call: Call) -> UserView | Awaiting:
        """Signs up a new user."""
        body: NewUser = call.body
        made = call.registry.tenancy.signup.sign_up(
            call.principal, body.username, body.password, body.email, body.invite_code
        )
        if made.awaiting:
            return {"awaiting_verification": True}
        return user_view(call, signed_in_as(call, made.account), made.account.name)

    @operation(
        "deleteCurrentUser",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        status=204,
        internal=True,
        fresh=True,
    )
    def delete(self, call: Call) -> None:
        """Deletes the caller's own account with all that is in it."""
        call.registry.tenancy.departures.delete(call.principal, call.principal.name)
        if call.principal.via == "session":
            call.sign_out()


class User(Resource):
    path = "/api/v1/users/{username}"

    @operation("getUserInformation", "user", needs.ANYONE, answer=UserView)
    def get(self, call: Call, username: str) -> UserView:
        """A user, as the caller may see it."""
        return user_view(call, call.principal, username)


def _may_initialize(call: Call) -> None:
    call.registry.tenancy.signup.check_initialize()


class Initialize(Resource):
    path = "/api/v1/user/initialize"

    @operation(
        "createInitialUser",
        "user",
        needs.Need("initialize", _may_initialize, anonymous=True),
        body=Initialization,
        answer=FirstUser,
        internal=True,
        csrf=False,
        also=(429,),
    )
    def post(self, call: Call) -> FirstUser:
        """Makes the first user of a registry that has none, and signs it in."""
        body: Initialization = call.body
        tenancy = call.registry.tenancy
        made = tenancy.signup.initialize(
            Principal("anonymous", ip=call.ip),
            body.username,
            body.password,
            body.email,
            with_token=body.access_token,
        )
        call.sign_in(made.account)
        view: FirstUser = {
            "username": made.account.name,
            "email": body.email or None,
            "encrypted_password": tenancy.encrypted.encrypt(body.password),
        }
        if made.token is not None:
            view["access_token"] = made.token
        return view


class MakeClientKey(Resource):
    path = "/api/v1/user/clientkey"

    @operation(
        "generateUserClientKey",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=Password,
        answer=ClientKey,
        internal=True,
        dry_run=False,
        also=(429,),
    )
    def post(self, call: Call) -> ClientKey:
        """The caller's password in an encrypted form, for the configuration of clients."""
        body: Password = call.body
        try:
            call.registry.logins.check(call.principal.name, body.password, call.ip)
        except Unauthorized as error:
            raise InvalidRequest(error.text) from None
        call.registry.tenancy.people.note_client_key(call.principal)
        return {"key": call.registry.tenancy.encrypted.encrypt(body.password)}


class Convert(Resource):
    path = "/api/v1/user/convert"

    @operation(
        "convertUserToOrganization",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=Conversion,
        answer=Success,
        internal=True,
        # It checks a password: a wrong one must count, which a dry run would undo.
        dry_run=False,
        also=(429,),
    )
    def post(self, call: Call) -> Success:
        """Makes the caller's account an organization, and signs the caller in as its admin."""
        if call.registry.settings.AUTHENTICATION_TYPE != "Database":
            raise NotFound()
        body: Conversion = call.body
        admin = self._admin(call, body)
        if admin is None:
            raise _invalid_admin("The admin user credentials are not valid")
        if not admin.verified:
            raise _invalid_admin("The admin user is not valid")
        call.registry.tenancy.departures.convert(call.principal, admin)
        if call.principal.via == "session":
            call.sign_in(admin)
        return {"success": True}

    @staticmethod
    def _admin(call: Call, body: Conversion) -> Account | None:
        try:
            return call.registry.logins.check(body.adminUser, body.adminPassword, call.ip)
        except Unauthorized:
            return None


def _invalid_admin(text: str) -> InvalidRequest:
    return InvalidRequest(text, detail={"reason": "invaliduser"})


RESOURCES = (CurrentUser, User, Initialize, MakeClientKey, Convert)
