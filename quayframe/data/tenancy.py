"""Tables of people: what they star, are invited to, agreed to and are told."""

from __future__ import annotations

from typing import Any

from .fields import Flag, Int, Name, Ref, Text, Time
from .table import Table


class Star(Table):
    account: Any = Ref("account", column_name="account_id")
    repository: Any = Ref("repository", column_name="repository_id")
    created_ms: Any = Time()


class Prototype(Table):
    """A default permission of an organization: given when a repository is made in it."""

    uuid: Any = Name()
    organization: Any = Ref("account", column_name="organization_id")
    activating: Any = Ref("account", null=True, column_name="activating_id")
    """Only for what this account makes; null = for everybody's."""
    delegate_account: Any = Ref("account", null=True, column_name="delegate_account_id")
    delegate_team: Any = Ref("team", null=True, column_name="delegate_team_id")
    role: Any = Name()


class TeamInvite(Table):
    """To an account by its name, or to an e-mail address. One pending invitation per team and invited."""

    lookup: Any = Name()
    """A keyed hash of the code."""
    code: Any = Text()
    """Encrypted, for the mail and the notification."""
    team: Any = Ref("team", column_name="team_id")
    account: Any = Ref("account", null=True, column_name="account_id")
    email: Any = Name(null=True)
    inviter: Any = Ref("account", null=True, loose=True, column_name="inviter_id")
    created_ms: Any = Time()


class Confirmation(Table):
    """A code that was sent by mail: kind is confirm, recover or change (of the address)."""

    lookup: Any = Name()
    account: Any = Ref("account", column_name="account_id")
    kind: Any = Name()
    email: Any = Name(null=True)
    created_ms: Any = Time()
    expires_ms: Any = Time(null=True)


class EndedSession(Table):
    """A browser session that was signed out: its cookie is refused for as long as it would have lived."""

    ident: Any = Name()
    expires_ms: Any = Time()


class OauthApplication(Table):
    client_id: Any = Name()
    organization: Any = Ref("account", column_name="organization_id")
    name: Any = Text()
    description: Any = Text()
    application_uri: Any = Text()
    redirect_uri: Any = Text()
    avatar_email: Any = Name(null=True)
    secret: Any = Text()
    """Encrypted, since it is shown to the organization's admins."""
    created_ms: Any = Time()


class OauthCode(Table):
    """An authorization code: good once."""

    lookup: Any = Name()
    application: Any = Ref("oauth_application", column_name="application_id")
    account: Any = Ref("account", column_name="account_id")
    scope: Any = Text()
    redirect_uri: Any = Text()
    expires_ms: Any = Time()


class OauthAssignment(Table):
    """An organization's admin offers a user a token of an application."""

    uuid: Any = Name()
    application: Any = Ref("oauth_application", column_name="application_id")
    account: Any = Ref("account", column_name="account_id")
    redirect_uri: Any = Text()
    scope: Any = Text()
    response_type: Any = Name()


class GlobalMessage(Table):
    uuid: Any = Name()
    content: Any = Text()
    media_type: Any = Name()
    severity: Any = Name()
    created_ms: Any = Time()


class RegistrySize(Table):
    """One row: the last sum of all blobs' sizes, and whether another one is asked for or under way."""

    key: Any = Name()
    size_bytes: Any = Int(default=0)
    last_ran_ms: Any = Time(null=True)
    queued: Any = Flag(default=0)
    running: Any = Flag(default=0)
