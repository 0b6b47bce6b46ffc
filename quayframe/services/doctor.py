"""Whether what a registry stands on works: each part tried as the registry uses it, with the cure."""

from __future__ import annotations

import os
import queue
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path

import requests

from quayframe.config import Settings
from quayframe.data import migrations
from quayframe.data.db import MYSQL, POSTGRESQL, SQLITE, Database
from quayframe.data.tables import Account, Blob, BlobPlacement, Job, ServiceKey, Token
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
_VERSION: dict[str, tuple[str, tuple[int, int]]] = {
    SQLITE: ("SELECT sqlite_version()", (3, 35)),
    POSTGRESQL: ("SHOW server_version", (15, 0)),
    MYSQL: ("SELECT VERSION()", (10, 6)),
}
_NO_OBJECT = f"sha256/00/{'0' * 64}"


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


def opened(settings: Settings) -> Database:
    """The database. :param settings: with what embedded mode fills in."""
    assert settings.DB_URI is not None
    return Database(settings.DB_URI.get_secret_value(), settings.DB_CONNECTION_ARGS)


def of_database(settings: Settings, db: Database) -> list[Check]:
    assert settings.DATABASE_SECRET_KEY is not None
    box = SecretBox(settings.DATABASE_SECRET_KEY.get_secret_value())
    return [
        ("database", lambda: database(db)),
        ("schema", lambda: schema(db)),
        ("clock", lambda: clock(db)),
        ("keys", lambda: keys(db, box)),
        ("jobs", lambda: jobs(db)),
    ]


def database(db: Database) -> Answer:
    """Whether it answers, how fast, and whether it is of a version that is tested."""
    begun = time.monotonic()
    db.ping()
    ms = (time.monotonic() - begun) * 1000
    text, least = _VERSION[db.dialect]
    version = str(db.sql_rows(text)[0][0])
    name = f"{db.dialect} {version}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < least or (db.dialect == MYSQL and "MariaDB" not in version):
        return Answer(WARNING, f"{name} is not tested", "use PostgreSQL 15, MariaDB 10.6, or later ones")
    if db.dialect == SQLITE:
        return Answer(OK, f"{name} answers; for one machine")
    if ms > 50:
        return Answer(WARNING, f"{name} answers in {ms:.0f} ms", "each pull asks it once: bring it nearer")
    return Answer(OK, f"{name} answers in {ms:.1f} ms")


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
    key = _write(storage, name, content)
    try:
        if storage.size(name, key) != len(content) or b"".join(storage.read(name, key)) != content:
            return Answer(FAILED, "gives back other bytes than it was given", "do not use it")
        if b"".join(storage.read(name, key, 10, 20)) != content[10:20]:
            return Answer(FAILED, "does not give parts of objects rightly", "do not use it")
        url = storage.url(name, key, UrlRequest(expires=60))
        if url is not None and (bad := _fetch(url, content)) is not None:
            return bad
    finally:
        storage.delete(name, key)
    try:
        storage.size(name, key)
    except ObjectNotFound:
        way = "clients are sent to signed URLs" if url is not None else "the registry streams blobs"
        return Answer(OK, f"writes, reads and deletes; {way}")
    return Answer(FAILED, "does not delete", "give the registry's account the right to delete")


def _write(storage: Storage, name: str, content: bytes) -> str:
    upload = storage.begin(name)
    try:
        upload = storage.append(name, upload, BytesIO(content))
        return storage.commit(name, upload, f"{_NO_OBJECT}.doctor-{secrets.token_hex(8)}")
    except Exception:
        with suppress(Exception):
            storage.abort(name, upload)
        raise


def _fetch(url: str, content: bytes) -> Answer | None:
    """What is wrong with a signed URL, or with the clock of whoever answers it."""
    answer = requests.get(url, timeout=10, allow_redirects=False)
    if answer.status_code != 200 or answer.content != content:
        text = f"its signed URLs answer {answer.status_code}"
        return Answer(FAILED, text, "see its endpoint, region and clock, or set FEATURE_PROXY_STORAGE: true")
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None
    # Its clock is told in whole seconds.
    skew = theirs - time.time()
    if abs(skew) * 1000 <= _SKEW_MS + 1000:
        return None
    text = f"works; this machine is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} it"
    return Answer(WARNING, text, "let a time daemon keep the clocks of all machines: URLs end too early")


def readable_location(storage: Storage, name: str, db: Database) -> Answer:
    """Of a read-only registry: that a location answers, and gives one of the blobs that it should have."""
    with suppress(ObjectNotFound):
        storage.size(name, _NO_OBJECT)
    newest = BlobPlacement.select(BlobPlacement.storage_key, Blob.size)
    newest = newest.join(Blob, on=(Blob.id == BlobPlacement.blob)).where(BlobPlacement.location == name)
    row = db.one(newest.order_by(BlobPlacement.id.desc()).limit(1))
    if row is None:
        return Answer(OK, "answers; the registry is read-only, so nothing was written")
    key, size = row
    try:
        there = storage.size(name, key)
    except ObjectNotFound:
        there = None
    if there != size:
        return Answer(FAILED, f"does not have {key} as it should", "see its parameters; run: quayframe fsck")
    return Answer(OK, "answers and has what it should; the registry is read-only, so nothing was written")


def folders(settings: Settings, data_dir: Path) -> list[Path]:
    """Where this machine writes, one folder of each file system. :param settings: of embedded mode."""
    found = [data_dir]
    assert settings.DB_URI is not None
    uri = settings.DB_URI.get_secret_value()
    if uri.startswith("sqlite:///"):
        found.append(Path(uri.removeprefix("sqlite:///").partition("?")[0]).parent)
    for engine, params in (settings.DISTRIBUTED_STORAGE_CONFIG or {}).values():
        if engine == "LocalStorage" and "storage_path" in params:
            found.append(Path(str(params["storage_path"])))
    return list({_there(folder).stat().st_dev: folder for folder in reversed(found)}.values())[::-1]


def _there(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def room(folder: Path) -> Answer:
    """Free space where this machine writes."""
    usage = shutil.disk_usage(_there(folder))
    text = f"{usage.free >> 20} MiB of {usage.total >> 20} are free at {folder}"
    if usage.free < _LEAST_FREE or usage.free < usage.total // 50:
        return Answer(WARNING, text, "make room: a full disk refuses pushes")
    return Answer(OK, text)


def key_folder(folder: Path) -> Answer:
    """The folder that keeps this machine's own key, by which it signs tokens."""
    file = folder / "instance.pem"
    if file.exists():
        if not os.access(file, os.R_OK):
            return Answer(
                FAILED, f"{file} cannot be read", "let the registry's account own it, with mode 600"
            )
        if file.stat().st_mode & 0o077:
            return Answer(WARNING, f"others on this machine may read {file}", f"run: chmod 600 {file}")
        return Answer(OK, f"this machine signs with {file}")
    if not os.access(_there(folder), os.W_OK):
        return Answer(
            FAILED, f"{folder} cannot be written", "give it to the registry's account, or see --data"
        )
    return Answer(OK, f"this machine's key will be made at {file}")


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
