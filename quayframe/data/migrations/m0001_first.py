"""The schema of the first release."""
# ruff: noqa: S106 - the values are types of columns

from .schema import Schema


def apply(s: Schema) -> None:
    _accounts(s)
    _repositories(s)
    _blobs(s)
    _manifests(s)
    _uploads_and_keys(s)
    _events_and_jobs(s)


def _accounts(s: Schema) -> None:
    s.table(
        "account",
        uuid="name", name="name", kind="name", owner_id="ref:account?", email="name?",
        password_hash="text?", robot_token="text?", description="text?", enabled="flag=1",
        verified="flag=1", auth_epoch="int=0", removed_tag_expiration_s="int?", created_ms="time",
        last_accessed_ms="time?", deleted_ms="time?",
    )  # fmt: skip
    s.index("account", "name", unique=True)
    s.index("account", "uuid", unique=True)
    s.index("account", "email")
    s.table("team", uuid="name", organization_id="ref:account", name="name", role="name", description="text?")
    s.index("team", "organization_id", "name", unique=True)
    s.table("team_member", team_id="ref:team", account_id="ref:account")
    s.index("team_member", "account_id", "team_id", unique=True)
    s.table("login_failure", key="name", failures="int", last_ms="time")
    s.index("login_failure", "key", unique=True)
    s.table("login_link", account_id="ref:account", provider="name", subject="name", metadata="text?")
    s.index("login_link", "provider", "subject", unique=True)


def _repositories(s: Schema) -> None:
    s.table(
        "repository",
        uuid="name", namespace_id="ref:account", name="name", visibility="name", kind="name=image",
        state="name=NORMAL", description="text?", creator_id="ref:account?", created_ms="time",
        deleted_ms="time?", deleted_name="name?",
    )  # fmt: skip
    s.index("repository", "namespace_id", "name", unique=True)
    s.index("repository", "uuid", unique=True)
    s.table(
        "permission",
        repository_id="ref:repository", account_id="ref:account?", team_id="ref:team?", role="name",
    )  # fmt: skip
    s.index("permission", "repository_id", "account_id", unique=True)
    s.index("permission", "repository_id", "team_id", unique=True)
    s.index("permission", "account_id")


def _blobs(s: Schema) -> None:
    s.table("stored_blob", digest="name", size="int", created_ms="time")
    s.index("stored_blob", "digest", unique=True)
    s.table("blob_placement", blob_id="ref:stored_blob", location="name", storage_key="name")
    s.index("blob_placement", "blob_id", "location", unique=True)
    s.index("blob_placement", "storage_key")
    s.table(
        "repository_blob",
        repository_id="ref:repository", namespace_id="ref:account", blob_id="ref:stored_blob",
        expires_ms="time?", deleted_ms="time?",
    )  # fmt: skip
    s.index("repository_blob", "repository_id", "blob_id", unique=True)
    s.index("repository_blob", "namespace_id", "blob_id")
    s.index("repository_blob", "blob_id")
    s.index("repository_blob", "expires_ms")
    s.table("size_delta", namespace_id="int", repository_id="int", delta="int", at_ms="time")
    s.index("size_delta", "namespace_id")
    s.table(
        "trash",
        location="name", storage_key="name", due_ms="time", attempts="int=0", error="text?",
    )  # fmt: skip
    s.index("trash", "due_ms")


def _manifests(s: Schema) -> None:
    s.table(
        "manifest",
        repository_id="ref:repository", digest="name", media_type="name", body="bytes", size="int",
        config_media_type="name?", artifact_type="name?", annotations="text?", subject="name?",
        subject_seen="flag=0", layers_size="int=0", created_ms="time", deleted_ms="time?",
    )  # fmt: skip
    s.index("manifest", "repository_id", "digest", unique=True)
    s.index("manifest", "repository_id", "subject")
    s.table("manifest_blob", manifest_id="ref:manifest", blob_id="ref:stored_blob")
    s.index("manifest_blob", "manifest_id", "blob_id", unique=True)
    s.index("manifest_blob", "blob_id")
    s.table("manifest_child", parent_id="ref:manifest", child_id="ref:manifest")
    s.index("manifest_child", "parent_id", "child_id", unique=True)
    s.index("manifest_child", "child_id")
    s.table("manifest_hold", manifest_id="ref:manifest", reason="name", expires_ms="time")
    s.index("manifest_hold", "manifest_id", "reason", unique=True)
    s.index("manifest_hold", "expires_ms")
    s.table(
        "tag",
        repository_id="ref:repository", name="name", manifest_id="ref:manifest", start_ms="time",
        end_ms="time?", immutable="flag=0", version="int=1",
    )  # fmt: skip
    s.index("tag", "repository_id", "name", unique=True)
    s.index("tag", "manifest_id")
    s.table(
        "tag_interval",
        tag_id="ref:tag", repository_id="ref:repository", manifest_id="ref:manifest", start_ms="time",
        end_ms="time?", reversion="flag=0",
    )  # fmt: skip
    s.index("tag_interval", "tag_id", "start_ms", unique=True)
    s.index("tag_interval", "repository_id", "start_ms")
    s.index("tag_interval", "manifest_id")


def _uploads_and_keys(s: Schema) -> None:
    s.table(
        "upload",
        uuid="name", repository_id="ref:repository?", repository_path="name", account_id="int?",
        location="name", state="text", size="int=0", algorithm="name=sha256", hash_state="bytes?",
        version="int=0", committing="name?", storage_key="name?", created_ms="time", touched_ms="time",
    )  # fmt: skip
    s.index("upload", "uuid", unique=True)
    s.index("upload", "touched_ms")
    s.table(
        "service_key",
        kid="name", service="name", name="name?", jwk="text", created_ms="time", expires_ms="time?",
        rotates_ms="time?", approved_ms="time?",
    )  # fmt: skip
    s.index("service_key", "kid", unique=True)
    s.table(
        "token",
        uuid="name", kind="name", account_id="ref:account?", repository_id="ref:repository?", title="name",
        role="name?", scope="text?", lookup="name", secret="text?", created_ms="time", expires_ms="time?",
        last_accessed_ms="time?",
    )  # fmt: skip
    s.index("token", "lookup", unique=True)
    s.index("token", "account_id")


def _events_and_jobs(s: Schema) -> None:
    s.table(
        "event",
        seq="int?", kind="name", at_ms="time", namespace_id="int?", repository_id="int?",
        performer_id="int?", data="text", in_log="flag=1",
    )  # fmt: skip
    s.index("event", "seq", unique=True)
    s.index("event", "repository_id", "seq")
    s.index("event", "namespace_id", "seq")
    s.table("subscription", uuid="name", repository_id="ref:repository", kind="name", enabled="flag=1")
    s.index("subscription", "repository_id", "kind")
    s.table("delivery", event_id="ref:event", subscription_id="ref:subscription")
    s.index("delivery", "event_id", "subscription_id", unique=True)
    s.table("event_cursor", name="name", seq="int")
    s.index("event_cursor", "name", unique=True)
    s.table(
        "job",
        kind="name", lane="name?", payload="text", due_ms="time", lease="name?", lease_until_ms="time?",
        attempts="int=0", max_attempts="int=10", error="text?", dead="flag=0", created_ms="time",
    )  # fmt: skip
    s.index("job", "dead", "due_ms")
    s.index("job", "lane")
    s.table("lease", name="name", token="name", until_ms="time")
    s.index("lease", "name", unique=True)
