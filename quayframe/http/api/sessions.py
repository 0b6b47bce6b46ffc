"""Signing in and out, showing the password again, recovery, log-ins elsewhere."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from quayframe.errors import NotFound, Unauthorized
from quayframe.services.logins import WRONG

from . import needs
from .operation import Body, Call, Reply, Resource, operation
from .users import Password, Success


class SignInRefused(TypedDict):
    needsEmailVerification: bool  # its name in the API
    invalidCredentials: bool
    message: str | None


class VerifyRefused(TypedDict):
    message: str
    invalidCredentials: bool


class RecoveryAnswer(TypedDict):
    """status: sent, or org for an address that only an organization has, whose name is masked."""

    status: str
    orgemail: NotRequired[str]
    orgname: NotRequired[str]


class AuthUrl(TypedDict):
    auth_url: str


class Credentials(Body):
    username: str
    password: str
    invite_code: str | None = None


class RecoveryRequest(Body):
    email: str
    recaptcha_response: str | None = None


class ExternalLogin(Body):
    kind: Literal["login", "attach", "cli"]


class SignIn(Resource):
    path = "/api/v1/signin"

    @operation(
        "signinUser",
        "user",
        needs.OPEN,
        body=Credentials,
        answer=Success | SignInRefused,
        internal=True,
        feature="FEATURE_DIRECT_LOGIN",
        dry_run=False,
        also=(429,),
    )
    def post(self, call: Call) -> Success | Reply:
        """Signs in with a user name (or e-mail) and a password."""
        body: Credentials = call.body
        registry = call.registry
        try:
            account = registry.logins.check(body.username, body.password, call.ip)
        except Unauthorized:
            return _refused(
                SignInRefused(needsEmailVerification=False, invalidCredentials=True, message=WRONG)
            )
        if not account.verified:
            registry.tenancy.confirmations.ask_again(account)
            return _refused(
                SignInRefused(needsEmailVerification=True, invalidCredentials=False, message=None)
            )
        call.sign_in(account)
        registry.logins.logged_in(registry.accounts.principal(account, call.ip, via="session"))
        if body.invite_code:
            registry.tenancy.signup.accept(account, body.invite_code, call.ip)
        return {"success": True}


class VerifySignIn(Resource):
    path = "/api/v1/signin/verify"

    @operation(
        "verifyUser",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=Password,
        answer=Success | VerifyRefused,
        internal=True,
        dry_run=False,
        also=(429,),
    )
    def post(self, call: Call) -> Success | Reply:
        """Shows the password again: grave changes are possible for a while."""
        body: Password = call.body
        try:
            account = call.registry.logins.check(call.principal.name, body.password, call.ip)
        except Unauthorized:
            return _refused(VerifyRefused(message=WRONG, invalidCredentials=True))
        if call.principal.via == "session":
            call.sign_in(account)
        return {"success": True}


class SignOut(Resource):
    path = "/api/v1/signout"

    @operation("logout", "user", needs.OPEN, answer=Success, internal=True, dry_run=False)
    def post(self, call: Call) -> Success:
        """Signs out."""
        if call.principal.via == "session":
            call.registry.tenancy.people.note_sign_out(call.principal)
        if call.principal.via != "oauth":
            call.sign_out()
        return {"success": True}


class Recovery(Resource):
    path = "/api/v1/recovery"

    @operation(
        "requestRecoveryEmail",
        "user",
        needs.OPEN,
        body=RecoveryRequest,
        answer=RecoveryAnswer,
        internal=True,
        feature="FEATURE_MAILING",
    )
    def post(self, call: Call) -> RecoveryAnswer:
        """Sends a mail by which an account whose password is lost is opened again."""
        body: RecoveryRequest = call.body
        found = call.registry.tenancy.confirmations.recover_address(body.email)
        if found.organization is None:
            return {"status": "sent"}
        return {"status": "org", "orgemail": body.email, "orgname": masked(found.organization)}


def masked(name: str) -> str:
    """A name of which about the first and the last third can be read."""
    shown = max(len(name) // 3 - 1, 1)
    return "".join(
        char if index < shown or index >= len(name) - shown else "\u2022" for index, char in enumerate(name)
    )


class ExternalLoginUrl(Resource):
    path = "/api/v1/externallogin/{service_id}"

    @operation(
        "retrieveExternalLoginAuthorizationUrl",
        "user",
        needs.OPEN,
        body=ExternalLogin,
        answer=AuthUrl,
        status=201,
        internal=True,
        dry_run=False,
    )
    def post(self, call: Call, service_id: str) -> AuthUrl:
        """Where to sign in at another service. No such service is installed."""
        raise NotFound("there is no such log-in service")


class DetachExternal(Resource):
    path = "/api/v1/detachexternal/{service_id}"

    @operation(
        "detachExternalLogin",
        "user",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        answer=Success,
        status=201,
        internal=True,
        feature="FEATURE_DIRECT_LOGIN",
    )
    def post(self, call: Call, service_id: str) -> Success:
        """Takes away the caller's identity at another service."""
        call.registry.tenancy.people.detach(call.principal, service_id)
        return {"success": True}


def _refused(value: SignInRefused | VerifyRefused) -> Reply:
    return Reply(value, status=403)


RESOURCES = (SignIn, VerifySignIn, SignOut, Recovery, ExternalLoginUrl, DetachExternal)
