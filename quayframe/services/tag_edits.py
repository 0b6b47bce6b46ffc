"""Tags changed over the API: made, moved, deleted, dated, pinned, brought back, taken out of the history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from quayframe import events
from quayframe.data.db import Database, Tx
from quayframe.data.tables import (
    Account,
    Manifest,
    ManifestHold,
    Repository,
    Tag,
    TagInterval,
)
from quayframe.errors import InvalidRequest, ManifestUnknown, NotFound, Refused, TagImmutable
from quayframe.oci import names

from . import as_of
from .access import Access, RepositoryRow
from .activity import Activity
from .clock import now_ms
from .collecting import window_ms
from .expirations import Terms, terms_of
from .heads import Head, Heads
from .keeping import batches
from .pins import Pins
from .principal import Principal
from .repositories import Check
from .reviving import below, is_held, revive
from .tags import digest_of
from .visibility import live
from .writing import check_may_write

BAD_NAME = (
    'Invalid tag: must match [A-Za-z0-9_.-], NOT start with "." or "-", and can contain 1-128 characters'
)
_LAST_S = 253_402_300_799
"""The last second of the year 9999."""


class Unset:
    """Not said, where null says something."""


UNSET = Unset()


@dataclass(frozen=True)
class Change:
    """What is to change of a tag. `expiration`: seconds since the epoch, None = no end."""

    digest: str | None = None
    expiration: float | Unset | None = UNSET
    immutable: bool | None = None

    @property
    def says_nothing(self) -> bool:
        return self.digest is None and self.expiration is UNSET and self.immutable is None


@dataclass(frozen=True)
class Rules:
    """Times in seconds: `window_s` is DEFAULT_TAG_EXPIRATION, the others LABELED_EXPIRATION_MINIMUM and
    _MAXIMUM, within which the life of a tag is brought."""

    window_s: int
    shortest_s: int
    longest_s: int


class TagEdits:
    def __init__(
        self,
        db: Database,
        access: Access,
        activity: Activity,
        check: Check,
        heads: Heads,
        pins: Pins,
        rules: Rules,
    ) -> None:
        self._db = db
        self._access = access
        self._activity = activity
        self._check = check
        self._heads = heads
        self._pins = pins
        self._rules = rules

    # -- changes of a live tag ----------------------------------------------------------------

    def change(self, principal: Principal, row: RepositoryRow, tag: str, change: Change) -> None:
        """Makes or moves the tag, then sets its end, then pins it: all of it, or nothing.

        Raises InvalidRequest where nothing is said; Refused for a bad name or an end in the past; NotFound
        for a tag or manifest that is not there; TagImmutable."""
        check_may_write(self._access, principal, row)
        if change.says_nothing:
            raise InvalidRequest("nothing to change: give manifest_digest, expiration or immutable")
        if not names.is_tag(tag):
            raise Refused(BAD_NAME)
        if isinstance(change.expiration, (int, float)) and change.expiration * 1000 <= now_ms():
            raise Refused("the expiration is in the past; give a moment to come, in seconds since the epoch")
        if isinstance(change.expiration, (int, float)):
            # JSON has numbers without an end.
            change = replace(change, expiration=min(change.expiration, _LAST_S))
        for event in self._asked(principal, row, tag, change):
            self._check(event)

        def work(tx: Tx) -> None:
            self._hold(tx, row)
            if change.digest is not None:
                self._point(tx, principal, row, tag, change.digest)
            if not isinstance(change.expiration, Unset):
                self._date(tx, principal, row, self._live(tx, row, tag), change.expiration)
            if change.immutable is not None:
                self._pin(tx, principal, row, self._live(tx, row, tag), change.immutable)

        self._db.write(work)

    def _asked(
        self, principal: Principal, row: RepositoryRow, tag: str, change: Change
    ) -> list[events.Event]:
        """What plugins are asked about before the transaction."""
        at = principal.at(row)
        found: list[events.Event] = []
        if change.digest is not None:
            before = self._db.value(_digest_of_live(row.id, tag))
            kind = events.CreateTag if before is None else events.MoveTag
            found.append(kind(**at, tag=tag, manifest_digest=change.digest, original_manifest_digest=before))
        if not isinstance(change.expiration, Unset):
            date = None if change.expiration is None else int(change.expiration)
            found.append(events.ChangeTagExpiration(**at, tag=tag, expiration_date=date))
        if change.immutable is not None and self._pins.enabled:
            said = change.immutable
            found.append(
                events.ChangeTagImmutability(**at, tag=tag, immutable=said, previous_immutable=not said)
            )
        return found

    def _point(self, tx: Tx, principal: Principal, row: RepositoryRow, tag: str, digest: str) -> None:
        manifest_id, deleted = self._held(tx, row, digest)
        if deleted:
            raise NotFound()
        before = self._set(tx, row, tag, manifest_id, reversion=False)
        kind = events.CreateTag if before is None else events.MoveTag
        old = digest_of(tx, before.manifest_id) if before else None
        told = kind(**principal.at(row), tag=tag, manifest_digest=digest, original_manifest_digest=old)
        self._record(tx, principal, row, told)

    def _date(
        self, tx: Tx, principal: Principal, row: RepositoryRow, head: Head, wanted: float | None
    ) -> None:
        if self._pins.of(tx, head) is not None and not self._pins.can_expire:
            raise Refused(f"Cannot set expiration on immutable tag '{head.name}'")
        end = None
        if wanted is not None:
            least, most = self._rules.shortest_s * 1000, self._rules.longest_s * 1000
            # Whatever number was sent, the sum is one that a row can hold.
            life = min(max(wanted * 1000 - head.start_ms, least), most)
            end = head.start_ms + int(life)
            if end <= now_ms():
                raise Refused(
                    f"tag '{head.name}' is older than LABELED_EXPIRATION_MAXIMUM: it can have no expiration"
                )
        if end == head.end_ms:
            return
        self._heads.date(tx, head, end, "expiration")
        event = events.ChangeTagExpiration(
            **principal.at(row),
            tag=head.name,
            expiration_date=None if end is None else end // 1000,
            old_expiration_date=None if head.end_ms is None else head.end_ms // 1000,
        )
        self._record(tx, principal, row, event)

    def _pin(self, tx: Tx, principal: Principal, row: RepositoryRow, head: Head, immutable: bool) -> None:
        if not self._pins.enabled:
            return
        before = self._pins.of(tx, head)
        if not immutable and self._pins.by_policy(tx, row.id, head.name) is not None:
            raise TagImmutable(
                f"An immutability policy covers tag '{head.name}', which is immutable for as long as it does"
            )
        if immutable and head.end_ms is not None and not self._pins.can_expire:
            self._heads.date(tx, head, None, None)
            head = self._live(tx, row, head.name)
        self._heads.pin(tx, head, immutable)
        event = events.ChangeTagImmutability(
            **principal.at(row), tag=head.name, immutable=immutable, previous_immutable=before is not None
        )
        self._record(tx, principal, row, event)

    def delete(self, principal: Principal, row: RepositoryRow, tag: str) -> None:
        """Ends the tag; it stays in the history. Raises NotFound, TagImmutable."""
        check_may_write(self._access, principal, row)
        self._check(events.DeleteTag(**principal.at(row), tag=tag))

        def work(tx: Tx) -> None:
            self._hold(tx, row)
            head = self._live(tx, row, tag)
            digest = digest_of(tx, head.manifest_id)
            self._end(tx, head, "deleted")
            self._record(tx, principal, row, events.DeleteTag(**principal.at(row), tag=tag, digest=digest))

        self._db.write(work)

    # -- the time machine ---------------------------------------------------------------------

    def restore(self, principal: Principal, row: RepositoryRow, tag: str, digest: str) -> None:
        """The tag names an earlier manifest again, which a deletion by digest may have hidden.

        Raises NotFound for a manifest that is not this repository's or that no window holds any more;
        Refused for a bad name; TagImmutable."""
        check_may_write(self._access, principal, row)
        if not names.is_tag(tag):
            raise Refused(BAD_NAME)
        event = events.RevertTag(**principal.at(row), tag=tag, manifest_digest=digest)
        self._check(event)

        def work(tx: Tx) -> None:
            self._hold(tx, row)
            manifest_id, _ = self._held(tx, row, digest)
            revive(tx, row.id, manifest_id)
            self._set(tx, row, tag, manifest_id, reversion=True)
            self._record(tx, principal, row, event)

        self._db.write(work)

    def purge(
        self,
        principal: Principal,
        row: RepositoryRow,
        tag: str,
        digest: str | None,
        *,
        alive: bool,
        children: bool,
    ) -> None:
        """Takes the live tag, or its past at a manifest, out of the time machine: nothing brings it back.

        :param children: the past of other tags at what the manifest lists, at any depth, goes too.
        Raises NotFound, TagImmutable, InvalidRequest without the digest of a dead one."""
        check_may_write(self._access, principal, row)
        if not alive and digest is None:
            raise InvalidRequest("manifest_digest required when is_alive set to false")
        self._check(events.PermanentlyDeleteTag(**principal.at(row), tag=tag, manifest_digest=digest or ""))

        def work(tx: Tx) -> None:
            self._hold(tx, row)
            past = now_ms() - self._window_ms(tx, row)
            if alive:
                head = self._live(tx, row, tag)
                found = digest_of(tx, head.manifest_id)
                if digest is not None and digest != found:
                    raise NotFound()
                self._end(tx, head, "purged", at=past)
                manifest_id = head.manifest_id
            else:
                found = digest or ""
                manifest_id = self._here(tx, row, found)
                if not self._purge_past(tx, row, tag, {manifest_id}, past):
                    raise NotFound()
            # A push by digest of the same manifest is none of this tag's business.
            self._end_holds(tx, {manifest_id}, as_of.REASON)
            if children:
                listed = below(tx, manifest_id)
                for other in self._once_at(tx, listed, past):
                    self._purge_past(tx, row, other, listed, past)
                self._end_holds(tx, listed, as_of.REASON, "push")
            told = events.PermanentlyDeleteTag(**principal.at(row), tag=tag, manifest_digest=found)
            self._record(tx, principal, row, told)

        self._db.write(work)

    def _purge_past(self, tx: Tx, row: RepositoryRow, tag: str, manifest_ids: set[int], past: int) -> int:
        """Ends the dead periods of a tag at these manifests before the window began; how many there are."""
        head = self._heads.find(tx, row.id, tag)
        if head is None:
            return 0
        count = 0
        for some in batches(manifest_ids):
            dead = (TagInterval.tag == head.id) & TagInterval.manifest.in_(some)
            dead &= (TagInterval.end_ms > past) & (TagInterval.end_ms <= now_ms())
            count += tx.run(TagInterval.update(end_ms=past, end_reason="purged").where(dead))
        if count and head.manifest_id in manifest_ids and not head.is_live(now_ms()):
            self._heads.date(tx, head, past, "purged")
        return count

    @staticmethod
    def _once_at(tx: Tx, manifest_ids: set[int], past: int) -> list[str]:
        """The tags, in the order of their names, that have named one of these within the window."""
        found: set[str] = set()
        for some in batches(manifest_ids):
            query = Tag.select(Tag.name).join(TagInterval, on=(TagInterval.tag == Tag.id))
            rows = tx.rows(query.where(TagInterval.manifest.in_(some) & (TagInterval.end_ms > past)))
            found.update(str(name) for (name,) in rows)
        return sorted(found)

    @staticmethod
    def _end_holds(tx: Tx, manifest_ids: set[int], *reasons: str) -> None:
        now = now_ms()
        for some in batches(manifest_ids):
            held = ManifestHold.manifest.in_(some) & ManifestHold.reason.in_(reasons)
            held &= ManifestHold.expires_ms > now
            tx.run(ManifestHold.update(expires_ms=now).where(held))

    # -- parts --------------------------------------------------------------------------------

    @staticmethod
    def _hold(tx: Tx, row: RepositoryRow) -> None:
        """In turn with pushes and collections; not in a repository that was deleted in the meantime."""
        live = (Repository.id == row.id) & Repository.deleted_ms.is_null()
        if not tx.in_turn(Repository.select(Repository.id).where(live)):
            raise NotFound()

    @staticmethod
    def _here(tx: Tx, row: RepositoryRow, digest: str) -> int:
        where = (Manifest.repository == row.id) & (Manifest.digest == digest)
        found = tx.value(Manifest.select(Manifest.id).where(where))
        if found is None:
            raise NotFound()
        return int(found)

    def _held(self, tx: Tx, row: RepositoryRow, digest: str) -> tuple[int, bool]:
        """(id, whether it was deleted by digest) of a manifest here that something holds: a window that has
        passed is over, whether or not the collector has come by."""
        where = (Manifest.repository == row.id) & (Manifest.digest == digest)
        found = tx.lock(Manifest.select(Manifest.id, Manifest.deleted_ms).where(where))
        if not found:
            raise NotFound()
        ident, deleted = found[0]
        if not is_held(tx, row.id, ident, now_ms(), self._window_ms(tx, row)):
            raise NotFound()
        return int(ident), deleted is not None

    def _window_ms(self, tx: Tx, row: RepositoryRow) -> int:
        query = Account.select(window_ms(self._rules.window_s)).where(Account.id == row.namespace_id)
        return int(tx.value(query))

    def _live(self, tx: Tx, row: RepositoryRow, tag: str) -> Head:
        head = self._heads.find(tx, row.id, tag)
        if head is None or not head.is_live(now_ms()):
            raise NotFound()
        return head

    def _set(self, tx: Tx, row: RepositoryRow, tag: str, manifest_id: int, *, reversion: bool) -> Head | None:
        said = terms_of(tx, manifest_id, now_ms(), self._pins)
        terms = Terms(said.end_ms, said.end_reason, said.immutable, reversion)
        try:
            return self._heads.set(tx, row.id, tag, manifest_id, terms=terms)
        except TagImmutable:
            raise TagImmutable(f"Cannot overwrite immutable tag '{tag}'") from None
        except ManifestUnknown:
            raise NotFound() from None

    def _end(self, tx: Tx, head: Head, by: str, at: int | None = None) -> None:
        try:
            self._heads.end(tx, [head], by, at=at)
        except TagImmutable:
            raise TagImmutable(f"Cannot delete immutable tag '{head.name}'") from None

    def _record(self, tx: Tx, principal: Principal, row: RepositoryRow, event: events.Event) -> None:
        self._activity.record(
            tx,
            event,
            namespace_id=row.namespace_id,
            repository_id=row.id,
            performer_id=principal.account_id,
        )


def _digest_of_live(repository_id: int, tag: str) -> Any:
    here = (Tag.repository == repository_id) & (Tag.name == tag) & live(now_ms())
    return Manifest.select(Manifest.digest).join(Tag, on=(Tag.manifest == Manifest.id)).where(here)
