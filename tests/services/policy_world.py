"""A namespace with repositories whose tags have the ages that a test gives them."""

from __future__ import annotations

from protocol import Protocol, Repo

from quayframe.data.tables import Manifest, Tag, TagInterval
from quayframe.registry import Registry
from quayframe.services.access import RepositoryRow
from quayframe.services.clock import now_ms
from quayframe.services.policies import Owner, Policy
from quayframe.services.principal import Principal

HOUR = 3_600_000
DAY = 24 * HOUR


class PolicyWorld:
    """The owner's namespace, with the repository `app`."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.registry: Registry = protocol.registry
        self.db = self.registry.db
        self.content = self.registry.content
        self.me: Principal = protocol.user()
        self.repo: Repo = protocol.repo(self.me, "app")
        self.digest, self.body = self.repo.image("first")
        self.end("first")

    def row(self, repo: Repo | None = None) -> RepositoryRow:
        row = self.registry.access.repository(*(repo or self.repo).path)
        assert row is not None
        return row

    @property
    def space(self) -> Owner:
        namespace = self.registry.access.namespace(self.me.name)
        assert namespace is not None
        return Owner(namespace)

    @property
    def app(self) -> Owner:
        return self.content.policies.owner(self.row())

    def add(self, owner: Owner, policy: Policy) -> str:
        return self.content.policies.create(self.me, owner, policy)

    def tag(self, name: str, *, age_ms: int = 0, repo: Repo | None = None) -> None:
        """A tag of a new image that has named it for this long."""
        where = repo or self.repo
        where.image(name)
        self.age(name, age_ms, where)

    def tags(self, *names: str, repo: Repo | None = None) -> None:
        """Tags, the first being the oldest, an hour apart; the last is an hour old."""
        for place, name in enumerate(names):
            self.tag(name, age_ms=(len(names) - place) * HOUR, repo=repo)

    def age(self, name: str, age_ms: int, repo: Repo | None = None) -> None:
        row = self.row(repo)
        start = now_ms() - age_ms
        head = (Tag.repository == row.id) & (Tag.name == name)
        ident, before = self.db.rows(Tag.select(Tag.id, Tag.start_ms).where(head))[0]
        current = (TagInterval.tag == ident) & (TagInterval.start_ms == before)
        self.db.write(lambda tx: tx.run(Tag.update(start_ms=start).where(head)))
        self.db.write(lambda tx: tx.run(TagInterval.update(start_ms=start).where(current)))

    def end(self, name: str) -> None:
        """Ends a tag as a client does."""
        assert self.repo.delete(f"manifests/{name}").status_code == 202

    def live(self, repo: Repo | None = None) -> set[str]:
        answer = (repo or self.repo).get("tags/list")
        return set(answer.json()["tags"] or ())

    def digest_of(self, name: str) -> str:
        row = self.row()
        head = (Tag.repository == row.id) & (Tag.name == name)
        query = Manifest.select(Manifest.digest).join(Tag, on=(Tag.manifest == Manifest.id))
        return str(self.db.value(query.where(head)))

    def round(self) -> int:
        """One round of the worker."""
        return self.content.pruning.round(lambda: True)
