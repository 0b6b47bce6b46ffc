"""Tags as the registry protocol sees them: listed, set by a push, deleted; under conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Manifest, Repository, Tag
from quayframe.errors import ManifestUnknown, NameUnknown, PreconditionFailed

from .activity import Activity
from .clock import now_ms
from .expirations import PLAIN, Terms
from .gate import Allowed
from .heads import Head, Heads
from .repositories import Check
from .visibility import live


@dataclass(frozen=True)
class Condition:
    """What a write asks of the tag's present state: If-Match (digests, or `*` = any live tag) and
    If-None-Match (`*` = no live tag, or digests that it must not have)."""

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None

    def check(self, tag: str, digest: str | None) -> None:
        """`digest` is the live tag's, None when there is none. Raises PreconditionFailed."""
        if self.match is not None and (digest is None or not ("*" in self.match or digest in self.match)):
            raise PreconditionFailed(
                f"tag {tag} is {digest or 'not there'}, and If-Match asked for {', '.join(self.match)}",
                detail={"tag": tag, "digest": digest},
            )
        unwanted = self.none_match or ()
        if digest is not None and ("*" in unwanted or digest in unwanted):
            raise PreconditionFailed(
                f"tag {tag} is there already, at {digest}", detail={"tag": tag, "digest": digest}
            )


ANY = Condition()


class Tags:
    def __init__(self, db: Database, activity: Activity, check: Check, heads: Heads) -> None:
        self._db = db
        self._activity = activity
        self._check = check
        self._heads = heads

    def page(self, allowed: Allowed, *, last: str | None, limit: int) -> tuple[list[str], bool]:
        """Names of live tags after `last` in ASCII order, and whether more follow."""
        where = (Tag.repository == allowed.repository_id) & live(now_ms())
        if last:
            where &= Tag.name > last
        query = Tag.select(Tag.name).where(where).order_by(Tag.name).limit(limit + 1)
        found = [str(tag) for (tag,) in self._db.rows(query)]
        return found[:limit], len(found) > limit

    def put(
        self,
        tx: Tx,
        repository_id: int,
        manifest_id: int,
        tags: Sequence[str],
        condition: Condition,
        terms: Terms = PLAIN,
    ) -> None:
        """In a push's transaction: each tag names the manifest from now on, or none does.

        Heads are locked in name order. Raises PreconditionFailed, TagImmutable."""
        for name in sorted(tags):

            def guard(before: Head | None, name: str = name) -> None:
                condition.check(name, digest_of(tx, before.manifest_id) if before else None)

            self._heads.set(tx, repository_id, name, manifest_id, terms=terms, guard=guard)

    def delete(self, allowed: Allowed, tag: str, condition: Condition) -> None:
        """Ends a tag. Raises ManifestUnknown, PreconditionFailed, TagImmutable."""
        event = events.DeleteTag(**allowed.principal.at(allowed.name), tag=tag)
        self._check(event)
        assert allowed.repository_id is not None
        repository_id = allowed.repository_id

        def work(tx: Tx) -> None:
            # In turn with pushes: a manifest that gets another tag now keeps its signatures.
            there = (Repository.id == repository_id) & Repository.deleted_ms.is_null()
            if not tx.in_turn(Repository.select(Repository.id).where(there)):
                raise NameUnknown()
            head = self._heads.find(tx, repository_id, tag)
            if head is not None and not head.is_live(now_ms()):
                head = None
            digest = digest_of(tx, head.manifest_id) if head else None
            condition.check(tag, digest)
            if head is None:
                raise ManifestUnknown()
            self._heads.end(tx, [head], "deleted")
            self._activity.record(
                tx,
                events.DeleteTag(**{**event.__dict__, "digest": digest}),
                namespace_id=allowed.namespace_id,
                repository_id=repository_id,
                performer_id=allowed.principal.account_id,
            )

        self._db.write(work)

    def end_all(self, tx: Tx, repository_id: int, manifest_id: int) -> list[str]:
        """Ends every live tag of a manifest that is deleted; returns their names. Raises TagImmutable."""
        heads = self._heads.of_manifest(tx, repository_id, manifest_id)
        self._heads.end(tx, heads, "manifest")
        return [head.name for head in heads]


def digest_of(tx: Tx, manifest_id: int) -> str:
    return str(tx.value(Manifest.select(Manifest.digest).where(Manifest.id == manifest_id)))
