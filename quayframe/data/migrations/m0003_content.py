"""Labels, policies, why tags end, pull counts; and the indexes by which history is paged and collected."""

from .schema import Schema


def apply(s: Schema) -> None:
    _columns(s)
    _tables(s)
    _indexes(s)
    _marks(s)


def _columns(s: Schema) -> None:
    s.column("tag", "end_reason", "name?")
    s.column("tag", "immutable_reason", "name?")
    s.column("tag_interval", "end_reason", "name?")
    s.column("tag_interval", "name", "name?")
    s.column("repository", "deleted_state", "name?")
    s.column("account", "deleted_name", "name?")
    s.column("account", "kept", "text?")
    names = "(SELECT tag.name FROM tag WHERE tag.id = tag_interval.tag_id)"
    s.session.execute_sql(f"UPDATE tag_interval SET name = {names} WHERE name IS NULL")  # noqa: S608


def _tables(s: Schema) -> None:
    s.table(
        "label",
        uuid="name", repository_id="ref:repository", manifest_id="ref:manifest", label_key="name",
        value="text", media_type="name", source="name", created_ms="time",
    )  # fmt: skip
    s.index("label", "uuid", unique=True)
    s.index("label", "manifest_id", "label_key")
    s.index("label", "repository_id")
    s.table(
        "policy",
        uuid="name", kind="name", namespace_id="ref:account", repository_id="ref:repository?", method="name?",
        value="text?", pattern="text?", pattern_matches="flag=1", fingerprint="name", created_ms="time",
    )  # fmt: skip
    s.index("policy", "uuid", unique=True)
    s.index("policy", "fingerprint", unique=True)
    s.index("policy", "namespace_id", "kind")
    s.index("policy", "repository_id")
    s.table("manifest_pulls", manifest_id="ref:manifest", pulls="int=0", last_ms="time")
    s.index("manifest_pulls", "manifest_id", unique=True)
    s.table("tag_pulls", tag_id="ref:tag", pulls="int=0", last_ms="time")
    s.index("tag_pulls", "tag_id", unique=True)


def _indexes(s: Schema) -> None:
    # With all that a page is found by, so that PostgreSQL need not look at the rows before it.
    s.index("tag", "repository_id", "start_ms", "name", "end_ms", "id")
    s.index("tag", "end_ms")
    s.index("tag_interval", "repository_id", "start_ms", "name", "end_ms", "id")
    s.index("tag_interval", "end_ms")
    s.index("repository", "deleted_ms")
    s.index("account", "deleted_ms")
    s.index("account", "removed_tag_expiration_s")


def _marks(s: Schema) -> None:
    """The release before forgot the holds of what was pushed by digest or deleted: the collector looks at
    what no tag ever named."""
    unknown = "NOT EXISTS (SELECT 1 FROM {0} WHERE {0}.manifest_id = manifest.id)"
    where = " AND ".join(unknown.format(table) for table in ("tag_interval", "manifest_hold"))
    s.session.execute_sql(
        "INSERT INTO manifest_hold (manifest_id, reason, expires_ms)"  # noqa: S608
        f" SELECT id, 'collect', 0 FROM manifest WHERE {where}"
    )
