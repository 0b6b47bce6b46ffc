"""Tables of what is said about content: labels, policies, how often it was pulled."""

from __future__ import annotations

from typing import Any

from .fields import Flag, Int, Name, Ref, Text, Time
from .table import Table


class Label(Table):
    """Of a manifest. The same key may be there more than once."""

    uuid: Any = Name()
    repository: Any = Ref("repository", column_name="repository_id")
    manifest: Any = Ref("manifest", column_name="manifest_id")
    label_key: Any = Name()
    value: Any = Text()
    media_type: Any = Name()
    source: Any = Name()
    """manifest, api, internal."""
    created_ms: Any = Time()


class Policy(Table):
    """A rule of a namespace, or of one repository in it, over its tags. `kind` is prune or immutable."""

    uuid: Any = Name()
    kind: Any = Name()
    namespace: Any = Ref("account", column_name="namespace_id")
    repository: Any = Ref("repository", null=True, column_name="repository_id")
    method: Any = Name(null=True)
    """Of prune: number_of_tags or creation_date."""
    value: Any = Text(null=True)
    """Of prune: a JSON number or text."""
    pattern: Any = Text(null=True)
    pattern_matches: Any = Flag(default=1)
    """0 = the rule is for the tags that the pattern does not fit."""
    fingerprint: Any = Name()
    """A digest of whose it is and what it says: the same one is not made twice."""
    created_ms: Any = Time()


class ManifestPulls(Table):
    manifest: Any = Ref("manifest", column_name="manifest_id")
    pulls: Any = Int(default=0)
    last_ms: Any = Time()


class TagPulls(Table):
    tag: Any = Ref("tag", column_name="tag_id")
    pulls: Any = Int(default=0)
    last_ms: Any = Time()
