"""Organizations, their teams and default permissions."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Event


@dataclass(frozen=True, kw_only=True)
class OrgCreate(Event):
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class OrgDelete(Event):
    pass


@dataclass(frozen=True, kw_only=True)
class OrgUndelete(Event):
    """An organization came back from the recycle bin; `deleted_name` is what it was called before."""

    deleted_name: str


@dataclass(frozen=True, kw_only=True)
class OrgReleaseName(Event):
    """The name of an organization in the recycle bin was given free."""


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
class OrgChangeName(Event):
    old_name: str
    new_name: str
    superuser: str


@dataclass(frozen=True, kw_only=True)
class TakeOwnership(Event):
    entity_id: int
    was_user: bool
    superuser: str
