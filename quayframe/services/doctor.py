"""Whether what a registry stands on works: each part tried as the registry uses it, with the cure."""

from __future__ import annotations

import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import requests

from quayframe.config import Settings
from quayframe.data import migrations
from quayframe.data.db import MYSQL, POSTGRESQL, SQLITE, Database
from quayframe.data.tables import Account, Job, ServiceKey, Token
from quayframe.data.tenancy import OauthApplication
from quayframe.errors import RegistryError
from quayframe.plugin.storage import ObjectNotFound, UrlRequest

from .clock import now_ms
from .crypto import SecretBox
from .storage import Storage

OK, WARNING, FAILED = "ok", "warning", "failed"
LIMIT_S = 20.0
"""How long one check may take."""
_SKEW_MS = 2_000
_MUCH_SKEW_MS = 60_000
_LEAST_FREE = 1 << 30
_NOW = {
    POSTGRESQL: "SELECT extract(epoch FROM clock_timestamp()) * 1000",
    MYSQL: "SELECT UNIX_TIMESTAMP(NOW(3)) * 1000",
}


@dataclass(frozen=True)
class Answer:
    """What one check found: `state` is ok, warning or failed; `cure` is empty where nothing is to be done."""

    state: str
    text: str
    cure: str = ""


@dataclass(frozen=True)
class Line:
    """One check's answer, and how long it took."""

    name: str
    answer: Answer
    ms: int


Check = tuple[str, Callable[[], Answer]]


def run(checks: list[Check], limit_s: float = LIMIT_S) -> Iterator[Line]:
    """Each check's line, in order; one that hangs or fails unforeseen says so, and stops no other."""
    for name, check in checks:
        begun = time.monotonic()
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        threading.Thread(target=_answer, args=(check, answers), name=f"doctor {name}", daemon=True).start()
        try:
            answer = answers.get(timeout=limit_s)
        except queue.Empty:
            answer = Answer(
                FAILED, f"does not answer within {limit_s:.0f} s", "see whether it can be reached from here"
            )
        yield Line(name, answer, round((time.monotonic() - begun) * 1000))


def _answer(check: Callable[[], Answer], answers: queue.SimpleQueue[Answer]) -> None:
    try:
        answers.put(check())
    except RegistryError as error:
        cause = f": {error.__cause__}" if error.__cause__ is not None else ""
        answers.put(Answer(FAILED, f"{error}{cause}", "mend the cause that is named"))
    except Exception as error:
        answers.put(Answer(FAILED, f"{type(error).__name__}: {error}", "mend the cause that is named"))


# -- database -----------------------------------------------------------------------------------------


def of_database(settings: Settings) -> list[Check]:
    """:param settings: with what embedded mode fills in."""
    assert settings.DB_URI is not None
    assert settings.DATABASE_SECRET_KEY is not None
    db = Database(settings.DB_URI.get_secret_value(), settings.DB_CONNECTION_ARGS)
    box = SecretBox(settings.DATABASE_SECRET_KEY.get_secret_value())
    return [
        ("database", lambda: database(db)),
        ("schema", lambda: schema(db)),
        ("clock", lambda: clock(db)),
        ("keys", lambda: keys(db, box)),
        ("jobs", lambda: jobs(db)),
    ]


def database(db: Database) -> Answer:
    """Whether it answers, and how fast."""
    begun = time.monotonic()
    db.ping()
    ms = (time.monotonic() - begun) * 1000
    if db.dialect == SQLITE:
        return Answer(OK, "SQLite answers; for one machine")
    if ms > 50:
        return Answer(
            WARNING, f"{db.dialect} answers in {ms:.0f} ms", "each pull asks it once: bring it nearer"
        )
    return Answer(OK, f"{db.dialect} answers in {ms:.1f} ms")


def schema(db: Database) -> Answer:
    pending = migrations.pending(db)
    if pending and db.dialect == SQLITE:
        return Answer(WARNING, f"the schema lacks {', '.join(pending)}", "start the registry: it brings that")
    if pending:
        return Answer(FAILED, f"the schema lacks {', '.join(pending)}", "run: quayframe migrate")
    return Answer(OK, f"the schema is of version {migrations.version()}")


def clock(db: Database) -> Answer:
    """This machine's clock against the database's."""
    asked = _NOW.get(db.dialect)
    if asked is None:
        return Answer(OK, "this machine's clock is the only one")
    begun = now_ms()
    (theirs,) = db.sql_rows(asked)[0]
    skew = int(theirs) - (begun + now_ms()) // 2
    text = f"this machine is {abs(skew)} ms {'behind' if skew > 0 else 'ahead of'} the database"
    if abs(skew) > _SKEW_MS:
        state = FAILED if abs(skew) > _MUCH_SKEW_MS else WARNING
        return Answer(state, text, "let a time daemon keep the clocks of all machines")
    return Answer(OK, text)


def keys(db: Database, box: SecretBox) -> Answer:
    """Whether the secrets in the database are this configuration's, and tokens can be signed."""
    if migrations.pending(db):
        return Answer(WARNING, "cannot be seen before the schema is there")
    if any(box.decrypt(sealed) is None for sealed in _sealed(db)):
        return Answer(
            FAILED,
            "the database's secrets were encrypted with another DATABASE_SECRET_KEY",
            "put the key back under which this database was filled",
        )
    alive = ServiceKey.expires_ms.is_null() | (ServiceKey.expires_ms > now_ms())
    if not db.rows(ServiceKey.select(ServiceKey.id).where(alive).limit(1)):
        return Answer(WARNING, "no key signs tokens", "start a web node: it makes its own")
    if db.one(Account.select(Account.id).limit(1)) is None:
        return Answer(WARNING, "there is no user", "start the registry, or run: quayframe user create NAME")
    return Answer(OK, "secrets can be opened, tokens can be signed")


def _sealed(db: Database) -> list[str]:
    """A few of the secrets that are encrypted in the database, the newest of each kind."""
    found = []
    for column in (Account.robot_token, Token.secret, OauthApplication.secret):
        newest = column.model.select(column).where(column.is_null(False)).order_by(column.model.id.desc())
        found += [text for (text,) in db.rows(newest.limit(3)) if str(text).startswith("v0$$")]
    return found


def jobs(db: Database) -> Answer:
    """Whether work is being done."""
    if migrations.pending(db):
        return Answer(WARNING, "cannot be seen before the schema is there")
    dead = len(db.rows(Job.select(Job.id).where(Job.dead == 1).limit(1000)))
    late = Job.due_ms < now_ms() - 600_000
    waiting = db.rows(
        Job.select(Job.id).where(late & (Job.dead == 0) & Job.lease_until_ms.is_null()).limit(1)
    )
    if waiting:
        return Answer(
            WARNING, "jobs have been due for ten minutes", "start a worker: quayframe serve --only worker"
        )
    if dead:
        return Answer(WARNING, f"{dead} jobs have failed for good", "see the workers' logs for their causes")
    return Answer(OK, "no job waits for long")


# -- storage ------------------------------------------------------------------------------------------


def location(storage: Storage, name: str) -> Answer:
    """An object's whole life there: written, read, a part of it, its URL, deleted."""
    content = secrets.token_bytes(1 << 16)
    upload = storage.append(name, storage.begin(name), BytesIO(content))
    key = storage.commit(name, upload, f"sha256/00/{'0' * 64}.doctor-{secrets.token_hex(8)}")
    try:
        if storage.size(name, key) != len(content) or b"".join(storage.read(name, key)) != content:
            return Answer(FAILED, "gives back other bytes than it was given", "do not use it")
        if b"".join(storage.read(name, key, 10, 20)) != content[10:20]:
            return Answer(FAILED, "does not give parts of objects rightly", "do not use it")
        url = storage.url(name, key, UrlRequest(expires=60))
        if url is not None:
            answer = requests.get(url, timeout=10, allow_redirects=False)
            if answer.status_code != 200 or answer.content != content:
                text = f"its signed URLs answer {answer.status_code}"
                return Answer(
                    FAILED, text, "see its endpoint, region and clock, or set FEATURE_PROXY_STORAGE: true"
                )
    finally:
        storage.delete(name, key)
    try:
        storage.size(name, key)
    except ObjectNotFound:
        way = "clients are sent to signed URLs" if url is not None else "the registry streams blobs"
        return Answer(OK, f"writes, reads and deletes; {way}")
    return Answer(FAILED, "does not delete", "give the registry's account the right to delete")


def room(folder: Path) -> Answer:
    """Free space where this machine writes."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    usage = shutil.disk_usage(there)
    text = f"{usage.free >> 20} MiB of {usage.total >> 20} are free at {folder}"
    if usage.free < _LEAST_FREE or usage.free < usage.total // 50:
        return Answer(WARNING, text, "make room: a full disk refuses pushes")
    return Answer(OK, text)


# -- mail ---------------------------------------------------------------------------------------------


def mail(reach: Callable[[], str], *, chosen: bool) -> Answer:
    """Whether the mail server takes mail. :param chosen: it was named in the configuration."""
    try:
        return Answer(OK, reach())
    except OSError as error:
        text = f"{type(error).__name__}: {error}"
    if chosen:
        cure = "see MAIL_SERVER, MAIL_PORT, MAIL_USE_TLS, MAIL_USERNAME and MAIL_PASSWORD"
        return Answer(FAILED, text, cure)
    cure = "name MAIL_SERVER, or set FEATURE_MAILING: false; mails wait until then"
    return Answer(WARNING, f"no mail server is named, and none is here: {text}", cure)


# -- TLS ----------------------------------------------------------------------------------------------


def certificate(cert: Path, key: Path) -> Answer:
    """The certificate's pair and end."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    found = x509.load_pem_x509_certificates(cert.read_bytes())[0]
    private = load_pem_private_key(key.read_bytes(), None)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != found.public_key().public_bytes(*form):
        return Answer(FAILED, f"{key} is not the key of {cert}", "put the pair there that belongs together")
    days = (found.not_valid_after_utc.timestamp() - time.time()) / 86_400
    text = f"{found.subject.rfc4514_string()} is valid for {days:.0f} days"
    if days < 0:
        return Answer(FAILED, f"{cert} has expired", "renew it")
    return Answer(WARNING, text, "renew it") if days < 14 else Answer(OK, text)
