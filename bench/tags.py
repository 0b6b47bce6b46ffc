"""Pages of tags: one repository with 100,000, one tag with 500 versions. No peer has the like."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import requests

from bench import content
from bench.api import median_ms
from bench.report import Line, Results, at_most
from bench.subjects import Quayframe, Subject

TAGS = 100_000
VERSIONS = 500
PAGE = 100
REPOSITORY = "admin/tags"
POSTGRESQL = os.environ.get("QUAYFRAME_BENCH_POSTGRESQL")
"""The URI of an empty database there."""
_CHUNK = 1000
_MINUTE_MS = 60_000


def pages(bench: Any, subject: Subject, results: Results) -> None:
    """One page at a time, of a registry with its rows in SQLite."""
    assert isinstance(subject, Quayframe)
    if subject.name not in _filled:
        fill(f"sqlite:///{subject.folder}/data/quayframe.db")
        _filled.add(subject.name)
    _measure(subject, subject.name, "", bench.quick, results)


def pages_on_postgresql(bench: Any, subject: Subject, results: Results) -> None:
    """The same in PostgreSQL; of a registry that is started for it and ended."""
    assert isinstance(subject, Quayframe)
    if POSTGRESQL is None:
        results.note("QUAYFRAME_BENCH_POSTGRESQL names no empty database: tags there not measured")
        return
    if POSTGRESQL not in _filled:
        fill(POSTGRESQL)
        _filled.add(POSTGRESQL)
    other = Quayframe(subject.name, subject.server, {"DB_URI": POSTGRESQL})
    other.start(bench.folder / f"{subject.name}-postgresql")
    try:
        _measure(other, subject.name, ", PostgreSQL", bench.quick, results)
    finally:
        other.stop()


_filled: set[str] = set()


def fill(uri: str) -> None:
    """A public repository with TAGS tags, two set in each minute, and one of VERSIONS versions."""
    from quayframe.data import migrations
    from quayframe.data.db import Database
    from quayframe.data.tables import Account, Manifest, Repository, Tag

    db = Database(uri)
    migrations.migrate(db)
    now = int(time.time() * 1000)
    body = content.image([], b"{}")
    made = {"created_ms": now}

    def repository(tx: Any) -> tuple[int, int]:
        account = tx.value(Account.select(Account.id).where(Account.name == "admin"))
        account = account or tx.insert(Account, uuid="admin", name="admin", kind="user", **made)
        ident = tx.insert(
            Repository, uuid="tags", namespace=account, name="tags", visibility="public", **made
        )
        row = {"media_type": content.MANIFEST, "body": body, "size": len(body), **made}
        return ident, tx.insert(Manifest, repository=ident, digest=content.digest_of(body), **row)

    ident, manifest = db.write(repository)
    row = {"repository": ident, "manifest": manifest}
    first = now - TAGS * _MINUTE_MS

    def some(at: int) -> Callable[[Any], Any]:
        # In no order of their names.
        numbers = range(at, min(at + _CHUNK, TAGS))
        tags = [
            {**row, "name": f"v{number * 7919 % TAGS:06d}", "start_ms": first + number // 2 * _MINUTE_MS}
            for number in numbers
        ]
        return lambda tx: tx.run(Tag.insert_many(tags))

    for at in range(0, TAGS, _CHUNK):
        db.write(some(at))
    db.write(lambda tx: _history(tx, {**row, "name": "versions", "start_ms": now}))
    if db.dialect == "postgresql":
        # As its own autovacuum does within a minute.
        with db.session() as session:
            session.execute_sql("VACUUM ANALYZE")
    db.close()


def _history(tx: Any, versions: dict[str, Any]) -> None:
    """Each tag's present period, and those before of the tag with many."""
    from quayframe.data.tables import Tag, TagInterval

    tag = tx.insert(Tag, **versions)
    columns = (Tag.id, Tag.repository, Tag.manifest, Tag.name, Tag.start_ms)
    into = (TagInterval.tag, TagInterval.repository, TagInterval.manifest, TagInterval.name)
    periods = Tag.select(*columns).where(Tag.repository == versions["repository"])
    tx.run(TagInterval.insert_from(periods, (*into, TagInterval.start_ms)))
    begun = versions["start_ms"]
    before = [
        {**versions, "tag": tag, "start_ms": begun - number * 1000, "end_ms": begun - (number - 1) * 1000}
        for number in range(1, VERSIONS)
    ]
    tx.run(TagInterval.insert_many(before))


def _measure(subject: Quayframe, name: str, where: str, quick: bool, results: Results) -> None:
    base = f"{subject.url}/api/v1/repository/{REPOSITORY}/tag/?limit={PAGE}"
    asked = {
        "tag history of 100,000": ("", (1, 500, 1000)),
        "live tags of 100,000": ("&onlyActiveTags=true", (1, 500, 1000)),
        "tag history, a piece of the name": ("&filter_tag_name=like:9", (1, 200, 400)),
        "live tags, a piece of the name": ("&onlyActiveTags=true&filter_tag_name=like:9", (1, 200, 400)),
        "live tags, a piece of one name": ("&onlyActiveTags=true&filter_tag_name=like:v00000", (1,)),
        "tag history, a name": ("&filter_tag_name=eq:v000000", (1,)),
        "history of a tag with 500 versions": ("&specificTag=versions", (1, 3, 5)),
    }
    times = 5 if quick else 20
    for text, (query, numbers) in asked.items():
        took = [median_ms(f"{base}{query}&page={number}", {}, times) for number in numbers]
        _add(f"{text}{where}, slowest page", name, took, results)
    bearer = _bearer(subject)
    lists = [
        f"{subject.url}/v2/{REPOSITORY}/tags/list?n={PAGE}&last={last}"
        for last in ("", "v050000", f"v{TAGS - PAGE}")
    ]
    took = [median_ms(url, bearer, times) for url in lists]
    _add(f"/v2 tag list of 100,000{where}, slowest page", name, took, results)


def _add(text: str, name: str, took: list[float], results: Results) -> None:
    results.add(text, Line("ms", True, "<= 20 ms", at_most(20)), name, max(took))


def _bearer(subject: Quayframe) -> dict[str, str]:
    path = f"/v2/auth?service={subject.host}&scope=repository:{REPOSITORY}:pull"
    answer = requests.get(subject.url + path, timeout=30)
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['token']}"}


Run = Callable[[Any, Subject, Results], None]
ALL: tuple[tuple[str, Run], ...] = (("tags-page", pages), ("tags-page-postgresql", pages_on_postgresql))
