"""The tables, as peewee sees them. The migrations make them; a test holds the two together.

Queries name columns of these classes and run through `quayframe.data.db`; no row object is ever made,
so a reference is a plain number. Tables of people and of what they agreed to are in `tenancy.py`.
"""

from __future__ import annotations

from typing import Any

from .fields import Bytes, Flag, Int, Name, Ref, Text, Time
from .table import Table

# -- accounts ---------------------------------------------------------------------------------------


class Account(Table):
    """A user, an organization or a robot: one namespace of names. A robot is `<owner>+<short>`."""

    uuid: Any = Name()
    name: Any = Name()
    kind: Any = Name()
    """user, organization, robot."""
    owner: Any = Ref("account", null=True, column_name="owner_id")
    email: Any = Name(null=True)
    password_hash: Any = Text(null=True)
    robot_token: Any = Text(null=True)
    """Encrypted, since the API shows it again."""
    description: Any = Text(null=True)
    enabled: Any = Flag(default=1)
    verified: Any = Flag(default=1)
    auth_epoch: Any = Int(default=0)
    """Raised when what the account's tokens say is no longer so: every older token is refused."""
    session_epoch: Any = Int(default=0)
    """Raised when the account's browser sessions end: a new password, a log-out everywhere."""
    removed_tag_expiration_s: Any = Int(null=True)
    invoice_email: Any = Flag(default=0)
    invoice_email_address: Any = Name(null=True)
    contact_email: Any = Name(null=True)
    given_name: Any = Name(null=True)
    family_name: Any = Name(null=True)
    company: Any = Name(null=True)
    location: Any = Name(null=True)
    prompts: Any = Text(null=True)
    """A JSON list of what a user is still asked for: confirm_username, enter_name, enter_company."""
    metadata: Any = Text(null=True)
    """A robot's unstructured_metadata, a JSON object."""
    federation: Any = Text(null=True)
    """A robot's identities elsewhere: a JSON list of {issuer, subject}."""
    created_ms: Any = Time()
    last_accessed_ms: Any = Time(null=True)
    deleted_ms: Any = Time(null=True)
    deleted_name: Any = Name(null=True)
    """What it was called before a superuser gave its name free while it is in the recycle bin."""
    kept: Any = Text(null=True)
    """Of a deleted one: a JSON object of what deletion took away and undelete puts back."""


class Team(Table):
    uuid: Any = Name()
    organization: Any = Ref("account", column_name="organization_id")
    name: Any = Name()
    role: Any = Name()
    """member, creator, admin."""
    description: Any = Text(null=True)


class TeamMember(Table):
    team: Any = Ref("team", column_name="team_id")
    account: Any = Ref("account", column_name="account_id")


class LoginFailure(Table):
    """Wrong passwords in a row, by account and address together and by address: `key` is an HMAC."""

    key: Any = Name()
    failures: Any = Int()
    last_ms: Any = Time()


class LoginLink(Table):
    """An account's identity at a log-in provider; several of each are possible."""

    account: Any = Ref("account", column_name="account_id")
    provider: Any = Name()
    subject: Any = Name()
    metadata: Any = Text(null=True)


# -- repositories -----------------------------------------------------------------------------------


class Repository(Table):
    uuid: Any = Name()
    namespace: Any = Ref("account", column_name="namespace_id")
    name: Any = Name()
    visibility: Any = Name()
    """public, private."""
    kind: Any = Name(default="image")
    state: Any = Name(default="NORMAL")
    """NORMAL, READ_ONLY, MIRROR, MARKED_FOR_DELETION."""
    description: Any = Text(null=True)
    badge_token: Any = Name(null=True)
    """Opens a private repository's badge."""
    trust_enabled: Any = Flag(default=0)
    creator: Any = Ref("account", null=True, column_name="creator_id")
    created_ms: Any = Time()
    deleted_ms: Any = Time(null=True)
    deleted_name: Any = Name(null=True)
    deleted_state: Any = Name(null=True)
    """Of a deleted one: the state that it was in."""


class Permission(Table):
    """A role (read, write, admin) of an account or a team on a repository."""

    repository: Any = Ref("repository", column_name="repository_id")
    account: Any = Ref("account", null=True, column_name="account_id")
    team: Any = Ref("team", null=True, column_name="team_id")
    role: Any = Name()


# -- content ----------------------------------------------------------------------------------------


class Blob(Table):
    digest: Any = Name()
    size: Any = Int()
    created_ms: Any = Time()

    class Meta:
        # "blob" alone is a reserved word on MariaDB.
        table_name = "stored_blob"


class BlobPlacement(Table):
    """Where a blob's bytes are. A blob without any is legal: not fetched yet, or lost."""

    blob: Any = Ref("stored_blob", column_name="blob_id")
    location: Any = Name()
    storage_key: Any = Name()


class RepositoryBlob(Table):
    """A repository's link to a blob. `expires_ms` is null once a manifest made or took it over."""

    repository: Any = Ref("repository", column_name="repository_id")
    namespace: Any = Ref("account", column_name="namespace_id")
    blob: Any = Ref("stored_blob", column_name="blob_id")
    expires_ms: Any = Time(null=True)
    deleted_ms: Any = Time(null=True)
    """Set by DELETE: invisible at once; the collector takes the row away."""


class SizeDelta(Table):
    """The first copy of a blob came to a namespace (+) or its last one left (-)."""

    namespace: Any = Ref("account", loose=True, column_name="namespace_id")
    repository: Any = Ref("repository", loose=True, column_name="repository_id")
    delta: Any = Int()
    at_ms: Any = Time()


class Manifest(Table):
    repository: Any = Ref("repository", column_name="repository_id")
    digest: Any = Name()
    media_type: Any = Name()
    body: Any = Bytes()
    size: Any = Int()
    config_media_type: Any = Name(null=True)
    artifact_type: Any = Name(null=True)
    """What the referrers list shows: the field, else the config's type."""
    annotations: Any = Text(null=True)
    subject: Any = Name(null=True)
    """A digest, not a reference: the subject may come later, or never."""
    subject_seen: Any = Flag(default=0)
    """The subject has been here: from then on this manifest lives and dies with it."""
    layers_size: Any = Int(default=0)
    created_ms: Any = Time()
    deleted_ms: Any = Time(null=True)


class ManifestBlob(Table):
    manifest: Any = Ref("manifest", column_name="manifest_id")
    blob: Any = Ref("stored_blob", column_name="blob_id")


class ManifestChild(Table):
    """An index and a manifest that it lists, both in one repository."""

    parent: Any = Ref("manifest", column_name="parent_id")
    child: Any = Ref("manifest", column_name="child_id")


class ManifestHold(Table):
    """Keeps a manifest visible and held until `expires_ms`: a push by digest, an as-of answer."""

    manifest: Any = Ref("manifest", column_name="manifest_id")
    reason: Any = Name()
    expires_ms: Any = Time()


class Tag(Table):
    """The head: what a tag is now. It stays when the tag is deleted; lists and pulls read heads only."""

    repository: Any = Ref("repository", column_name="repository_id")
    name: Any = Name()
    manifest: Any = Ref("manifest", column_name="manifest_id")
    start_ms: Any = Time()
    end_ms: Any = Time(null=True)
    end_reason: Any = Name(null=True)
    """By which rule it ends, or ended: one of `services.lifecycle`, with its source after a colon."""
    immutable: Any = Flag(default=0)
    immutable_reason: Any = Name(null=True)
    """api or label."""
    version: Any = Int(default=1)


class TagInterval(Table):
    """The history: a row per period in which a tag named a manifest."""

    tag: Any = Ref("tag", column_name="tag_id")
    repository: Any = Ref("repository", column_name="repository_id")
    manifest: Any = Ref("manifest", column_name="manifest_id")
    start_ms: Any = Time()
    name: Any = Name(null=True)
    """The tag's, for the index by which history is paged; null in rows of the release before."""
    end_ms: Any = Time(null=True)
    end_reason: Any = Name(null=True)
    reversion: Any = Flag(default=0)


class Upload(Table):
    """An upload under way. `state`, `hash_state` and `size` change together, guarded by `version`."""

    uuid: Any = Name()
    repository: Any = Ref("repository", null=True, column_name="repository_id")
    repository_path: Any = Name()
    account: Any = Ref("account", null=True, loose=True, column_name="account_id")
    location: Any = Name()
    state: Any = Text()
    size: Any = Int(default=0)
    algorithm: Any = Name(default="sha256")
    hash_state: Any = Bytes(null=True)
    version: Any = Int(default=0)
    committing: Any = Name(null=True)
    """The digest that a commit under way makes; null = open."""
    storage_key: Any = Name(null=True)
    created_ms: Any = Time()
    touched_ms: Any = Time()


class Trash(Table):
    """Objects that nothing refers to, to be deleted from `due_ms` on, again and again until gone."""

    location: Any = Name()
    storage_key: Any = Name()
    due_ms: Any = Time()
    attempts: Any = Int(default=0)
    error: Any = Text(null=True)


# -- tokens and keys --------------------------------------------------------------------------------


class ServiceKey(Table):
    kid: Any = Name()
    service: Any = Name()
    name: Any = Name(null=True)
    jwk: Any = Text()
    created_ms: Any = Time()
    expires_ms: Any = Time(null=True)
    rotates_ms: Any = Time(null=True)
    approved_ms: Any = Time(null=True)
    approver: Any = Ref("account", null=True, loose=True, column_name="approver_id")
    approval_type: Any = Name(null=True)
    """SUPERUSER, AUTOMATIC, KEY_ROTATION."""
    notes: Any = Text(null=True)
    metadata: Any = Text(null=True)
    """A JSON object."""


class Token(Table):
    """A credential that is not a password: kind app, repository or oauth."""

    uuid: Any = Name()
    kind: Any = Name()
    account: Any = Ref("account", null=True, column_name="account_id")
    repository: Any = Ref("repository", null=True, column_name="repository_id")
    title: Any = Name()
    role: Any = Name(null=True)
    scope: Any = Text(null=True)
    application: Any = Ref("oauth_application", null=True, loose=True, column_name="application_id")
    creator: Any = Ref("account", null=True, loose=True, column_name="creator_id")
    """Who made it, where that is somebody else than `account`, in whose name it acts."""
    lookup: Any = Name()
    """A keyed hash of the token: found by one indexed look-up, in constant time, without bcrypt."""
    secret: Any = Text(null=True)
    """Encrypted, for the kinds that are shown again."""
    created_ms: Any = Time()
    expires_ms: Any = Time(null=True)
    last_accessed_ms: Any = Time(null=True)


# -- events and jobs --------------------------------------------------------------------------------


class EventRow(Table):
    """What somebody did. `seq` is given by the sequencer after commit: without gaps, in order."""

    seq: Any = Int(null=True)
    kind: Any = Name()
    at_ms: Any = Time()
    namespace: Any = Ref("account", null=True, loose=True, column_name="namespace_id")
    repository: Any = Ref("repository", null=True, loose=True, column_name="repository_id")
    performer: Any = Ref("account", null=True, loose=True, column_name="performer_id")
    data: Any = Text()
    """The whole event as a JSON object."""
    in_log: Any = Flag(default=1)

    class Meta:
        table_name = "event"


class Subscription(Table):
    """Who wants a delivery of which kind of event in which repository."""

    uuid: Any = Name()
    repository: Any = Ref("repository", column_name="repository_id")
    kind: Any = Name()
    enabled: Any = Flag(default=1)


class Delivery(Table):
    event: Any = Ref("event", column_name="event_id")
    subscription: Any = Ref("subscription", column_name="subscription_id")


class EventCursor(Table):
    """How far a reader of events (an observing plugin) has come: all up to `seq` is done."""

    name: Any = Name()
    seq: Any = Int()


class Job(Table):
    """Work that must not be lost. Claimed by a lease; of a lane only the oldest can be claimed."""

    kind: Any = Name()
    lane: Any = Name(null=True)
    payload: Any = Text()
    due_ms: Any = Time()
    lease: Any = Name(null=True)
    lease_until_ms: Any = Time(null=True)
    attempts: Any = Int(default=0)
    max_attempts: Any = Int(default=10)
    error: Any = Text(null=True)
    dead: Any = Flag(default=0)
    created_ms: Any = Time()


class Lease(Table):
    """Something that one process at a time may do. `token` tells whose it is."""

    name: Any = Name()
    token: Any = Name()
    until_ms: Any = Time()
