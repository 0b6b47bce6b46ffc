"""What somebody did, as values.

An event is put to the plugins that asked to check it before the act, becomes one row in the act's own
transaction, and everything that follows (usage log, notifications, observing plugins) is derived from
that row. A new event is one dataclass here and one call in a service.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that somebody did.

    `kind` is the name in the usage log and is derived from the class name: `PushRepo` is `push_repo`.
    `namespace` and `repository` are names (`repository` without its namespace), `performer` is the
    account's name or None for nobody, `ip` is the client's address or None.
    """

    kind: ClassVar[str] = "event"

    namespace: str | None = None
    repository: str | None = None
    performer: str | None = None
    ip: str | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def metadata(self) -> dict[str, Any]:
        """The fields of the class itself, as JSON values: what the usage log shows."""
        base = {f.name for f in dataclasses.fields(Event)}
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in base}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class PushRepo(Event):
    """A manifest arrived: under `tags` (maybe several), or by its digest alone (`tags` is empty)."""

    digest: str
    media_type: str
    size: int
    tags: tuple[str, ...] = ()
    subject: str | None = None
    artifact_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class PullRepo(Event):
    """A manifest was read, by `tag` or by `digest` alone."""

    digest: str
    tag: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteTag(Event):
    tag: str
    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeleteManifest(Event):
    digest: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DeleteBlob(Event):
    digest: str


@dataclass(frozen=True, kw_only=True)
class CreateRepo(Event):
    visibility: str


@dataclass(frozen=True, kw_only=True)
class OrgCreate(Event):
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class OrgDelete(Event):
    pass


@dataclass(frozen=True, kw_only=True)
class OrgChangeEmail(Event):
    email: str
    old_email: str | None = None


@dataclass(frozen=True, kw_only=True)
class OrgChangeInvoicing(Event):
    invoice_email: bool | None = None
    invoice_email_address: str | None = None


@dataclass(frozen=True, kw_only=True)
class OrgChangeTagExpiration(Event):
    tag_expiration: int
    """Seconds."""


@dataclass(frozen=True, kw_only=True)
class OrgCreateTeam(Event):
    team: str


@dataclass(frozen=True, kw_only=True)
class OrgDeleteTeam(Event):
    team: str


@dataclass(frozen=True, kw_only=True)
class OrgSetTeamRole(Event):
    team: str
    role: str


@dataclass(frozen=True, kw_only=True)
class OrgSetTeamDescription(Event):
    team: str
    description: str


@dataclass(frozen=True, kw_only=True)
class OrgAddTeamMember(Event):
    member: str
    team: str


@dataclass(frozen=True, kw_only=True)
class OrgRemoveTeamMember(Event):
    member: str
    team: str


@dataclass(frozen=True, kw_only=True)
class OrgInviteTeamMember(Event):
    team: str
    user: str | None = None
    member: str | None = None
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class OrgDeleteTeamMemberInvite(Event):
    team: str
    user: str | None = None
    member: str | None = None
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class OrgTeamMemberInviteAccepted(Event):
    member: str
    team: str
    inviter: str | None = None


@dataclass(frozen=True, kw_only=True)
class OrgTeamMemberInviteDeclined(Event):
    member: str
    team: str
    inviter: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreatePrototypePermission(Event):
    """`username` is who made the entry; one of the delegates is set."""

    prototypeid: str
    role: str
    username: str | None = None
    activating_username: str | None = None
    delegate_user: str | None = None
    delegate_team: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModifyPrototypePermission(CreatePrototypePermission):
    original_role: str


@dataclass(frozen=True, kw_only=True)
class DeletePrototypePermission(CreatePrototypePermission):
    pass


@dataclass(frozen=True, kw_only=True)
class UserCreate(Event):
    username: str
    email: str | None = None
    superuser: bool = False


@dataclass(frozen=True, kw_only=True)
class UserDelete(Event):
    username: str


@dataclass(frozen=True, kw_only=True)
class UserChangeEmail(Event):
    email: str
    old_email: str | None = None
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserChangeName(Event):
    old_username: str


class UserChangeInvoicing(OrgChangeInvoicing): ...


class UserChangeTagExpiration(OrgChangeTagExpiration): ...


@dataclass(frozen=True, kw_only=True)
class UserChangeMetadata(Event):
    given_name: str | None = None
    family_name: str | None = None
    company: str | None = None
    location: str | None = None


class UserGenerateClientKey(Event): ...


class AccountChangePassword(Event): ...


class AccountConvert(Event): ...


class LogoutSuccess(Event): ...


@dataclass(frozen=True, kw_only=True)
class UserChangePassword(Event):
    username: str
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserDisable(Event):
    username: str
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class UserEnable(Event):
    username: str
    superuser: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreateRobot(Event):
    """`robot` is the short name, here and below."""

    robot: str
    description: str | None = None
    unstructured_metadata: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class RegenerateRobotToken(Event):
    robot: str


@dataclass(frozen=True, kw_only=True)
class DeleteRobot(Event):
    robot: str


@dataclass(frozen=True, kw_only=True)
class CreateRobotFederation(Event):
    robot: str
    config: tuple[dict[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class DeleteRobotFederation(Event):
    robot: str


@dataclass(frozen=True, kw_only=True)
class ChangeRepoPermission(Event):
    """One of `username` and `team` is set, here and below."""

    username: str | None = None
    team: str | None = None
    role: str


@dataclass(frozen=True, kw_only=True)
class DeleteRepoPermission(Event):
    username: str | None = None
    team: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChangeRepoVisibility(Event):
    visibility: str


@dataclass(frozen=True, kw_only=True)
class DeleteRepo(Event):
    pass


@dataclass(frozen=True, kw_only=True)
class SetRepoDescription(Event):
    description: str


@dataclass(frozen=True, kw_only=True)
class ChangeRepoTrust(Event):
    trust_enabled: bool


@dataclass(frozen=True, kw_only=True)
class ChangeRepoState(Event):
    state_changed: str


@dataclass(frozen=True, kw_only=True)
class OrgChangeName(Event):
    old_name: str
    new_name: str
    superuser: str


@dataclass(frozen=True, kw_only=True)
class TakeOwnership(Event):
    entity_id: int
    was_user: bool
    superuser: str


@dataclass(frozen=True, kw_only=True)
class CreateApplication(Event):
    application_name: str
    client_id: str


class UpdateApplication(CreateApplication): ...


class DeleteApplication(CreateApplication): ...


class ResetApplicationClientSecret(CreateApplication): ...


@dataclass(frozen=True, kw_only=True)
class RevokeOauthApiToken(CreateApplication):
    oauth_token_uuid: str


@dataclass(frozen=True, kw_only=True)
class CreateOauthApiToken(RevokeOauthApiToken):
    scope: str
    token_display_name: str
    auth_method: str


@dataclass(frozen=True, kw_only=True)
class OauthTokenRevoked(Event):
    assigned_user: str
    application: str
    client_id: str


@dataclass(frozen=True, kw_only=True)
class OauthTokenAssigned(OauthTokenRevoked):
    assigning_user: str


@dataclass(frozen=True, kw_only=True)
class CreateAppSpecificToken(Event):
    app_specific_token_title: str
    app_specific_token: str
    """Its uuid."""


class RevokeAppSpecificToken(CreateAppSpecificToken): ...


@dataclass(frozen=True, kw_only=True)
class LoginSuccess(Event):
    username: str
    via: str = "password"


@dataclass(frozen=True, kw_only=True)
class LoginFailure(Event):
    username: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class _ServiceKey:
    """`expiration_date` in seconds since the epoch; None = never."""

    kid: str
    service: str
    name: str | None = None
    expiration_date: int | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceKeyCreate(_ServiceKey, Event):
    preshared: bool = True
    auto_approved: bool = True


@dataclass(frozen=True, kw_only=True)
class ServiceKeyApprove(_ServiceKey, Event):
    pass


@dataclass(frozen=True, kw_only=True)
class ServiceKeyModify(_ServiceKey, Event):
    pass


@dataclass(frozen=True, kw_only=True)
class ServiceKeyExtend(_ServiceKey, Event):
    pass


@dataclass(frozen=True, kw_only=True)
class ServiceKeyDelete(_ServiceKey, Event):
    pass


def subclasses() -> dict[str, type[Event]]:
    """Every event class by its kind."""
    found: dict[str, type[Event]] = {}
    todo = list(Event.__subclasses__())
    while todo:
        cls = todo.pop()
        found[cls.kind] = cls
        todo.extend(cls.__subclasses__())
    return found
