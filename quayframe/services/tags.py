"""Tags: the head of each, its history, and conditional changes of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import Manifest, Tag, TagInterval
from quayframe.errors import ManifestUnknown, PreconditionFailed, TagImmutable

from .activity import Activity
from .clock import now_ms
from .gate import Allowed
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
    def __init__(self, db: Database, activity: Activity, check: Check) -> None:
        self._db = db
        self._activity = activity
        self._check = check

    def page(self, allowed: Allowed, *, last: str | None, limit: int) -> tuple[list[str], bool]:
        """Names of live tags after `last` in ASCII order, and whether more follow."""
        where = (Tag.repository == allowed.repository_id) & live(now_ms())
        if last:
            where &= Tag.name > last
        query = Tag.select(Tag.name).where(where).order_by(Tag.name).limit(limit + 1)
        found = [str(tag) for (tag,) in self._db.rows(query)]
        return found[:limit], len(found) > limit

    def put(
        self, tx: Tx, repository_id: int, manifest_id: int, tags: Sequence[str], condition: Condition
    ) -> None:
        """In a push's transaction: each tag names the manifest from now on, or none does.

        Heads are locked in name order. Raises PreconditionFailed, TagImmutable."""
        for name in sorted(tags):
            self._set(tx, repository_id, name, manifest_id, condition)

    def _set(self, tx: Tx, repository_id: int, name: str, manifest_id: int, condition: Condition) -> None:
        now = now_ms()
        where = (Tag.repository == repository_id) & (Tag.name == name)
        columns = (Tag.id, Tag.manifest, Tag.start_ms, Tag.end_ms, Tag.immutable, Tag.version)
        head = tx.lock(Tag.select(*columns).where(where))
        if not head:
            condition.check(name, None)
            made = tx.insert_absent(
                Tag, repository=repository_id, name=name, manifest=manifest_id, start_ms=now
            )
            head = tx.lock(Tag.select(*columns).where(where))
            if made:
                self._open(tx, head[0][0], repository_id, manifest_id, now)
                return
        tag_id, old_manifest, start, end, immutable, version = head[0]
        alive = end is None or end > now
        condition.check(name, _digest(tx, old_manifest) if alive else None)
        if alive and immutable:
            if old_manifest == manifest_id:
                return
            raise TagImmutable(detail={"message": f"tag '{name}' is immutable"})
        start = max(now, start + 1)
        changed = tx.run(
            Tag.update(
                manifest=manifest_id, start_ms=start, end_ms=None, immutable=0, version=version + 1
            ).where((Tag.id == tag_id) & (Tag.version == version))
        )
        if not changed:
            raise PreconditionFailed(f"tag {name} was changed at the same moment")
        if alive:
            self._close(tx, tag_id, start)
        self._open(tx, tag_id, repository_id, manifest_id, start)

    @staticmethod
    def _open(tx: Tx, tag_id: int, repository_id: int, manifest_id: int, start: int) -> None:
        tx.insert(TagInterval, tag=tag_id, repository=repository_id, manifest=manifest_id, start_ms=start)

    @staticmethod
    def _close(tx: Tx, tag_id: int, end: int) -> None:
        current = (TagInterval.tag == tag_id) & (TagInterval.end_ms.is_null() | (TagInterval.end_ms > end))
        tx.run(TagInterval.update(end_ms=end).where(current))

    def end(self, tx: Tx, tag_id: int, version: int, start: int) -> None:
        """Ends a live tag now; its head stays."""
        at = max(now_ms(), start + 1)
        change = Tag.update(end_ms=at, version=version + 1)
        if not tx.run(change.where((Tag.id == tag_id) & (Tag.version == version))):
            raise PreconditionFailed("the tag was changed at the same moment")
        self._close(tx, tag_id, at)

    def delete(self, allowed: Allowed, tag: str, condition: Condition) -> None:
        """Ends a tag. Raises ManifestUnknown, PreconditionFailed, TagImmutable."""
        event = events.DeleteTag(
            **allowed.principal.at(allowed.name),
            tag=tag,
        )
        self._check(event)

        def work(tx: Tx) -> None:
            where = (Tag.repository == allowed.repository_id) & (Tag.name == tag) & live(now_ms())
            head = tx.lock(
                Tag.select(Tag.id, Tag.version, Tag.start_ms, Tag.manifest, Tag.immutable).where(where)
            )
            digest = _digest(tx, head[0][3]) if head else None
            condition.check(tag, digest)
            if not head:
                raise ManifestUnknown()
            if head[0][4]:
                raise TagImmutable(detail={"message": f"tag '{tag}' is immutable"})
            self.end(tx, head[0][0], head[0][1], head[0][2])
            self._activity.record(
                tx,
                events.DeleteTag(**{**event.__dict__, "digest": digest}),
                namespace_id=allowed.namespace_id,
                repository_id=allowed.repository_id,
                performer_id=allowed.principal.account_id,
            )

        self._db.write(work)

    def end_all(self, tx: Tx, repository_id: int, manifest_id: int) -> list[str]:
        """Ends every live tag of a manifest; returns their names. Raises TagImmutable."""
        where = (Tag.repository == repository_id) & (Tag.manifest == manifest_id) & live(now_ms())
        heads = tx.lock(
            Tag.select(Tag.id, Tag.version, Tag.start_ms, Tag.name, Tag.immutable)
            .where(where)
            .order_by(Tag.name)
        )
        for tag_id, version, start, name, immutable in heads:
            if immutable:
                raise TagImmutable(detail={"message": f"tag '{name}' is immutable"})
            self.end(tx, tag_id, version, start)
        return [str(head[3]) for head in heads]


def _digest(tx: Tx, manifest_id: int) -> str:
    return str(tx.value(Manifest.select(Manifest.digest).where(Manifest.id == manifest_id)))
