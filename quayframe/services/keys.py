"""Instance keys: each process signs with its own, and any verifies any other's by the database."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from quayframe.data.db import Database, Tx
from quayframe.data.tables import ServiceKey
from quayframe.errors import RegistryError

from .clock import now_ms

log = logging.getLogger("quayframe.keys")

ROTATE_MS = 30 * 24 * 3600 * 1000
TOKEN_LIFE_S = 3600
_FROZEN_S = 60
"""How often a key that cannot be extended is tried again."""
RECHECK_S = 15
"""A public key is asked for again after this time, so that one taken back stops being believed."""


@dataclass(frozen=True)
class SigningKey:
    kid: str
    private: rsa.RSAPrivateKey
    jwk: dict[str, str]
    created_ms: int


def _b64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signing_key(private: rsa.RSAPrivateKey, created_ms: int) -> SigningKey:
    """The key with its JWK; `kid` is the JWK's thumbprint (RFC 7638)."""
    public = private.public_key().public_numbers()
    jwk = {"e": _b64(public.e), "kty": "RSA", "n": _b64(public.n)}
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode()
    kid = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    return SigningKey(kid, private, jwk | {"kid": kid}, created_ms)


def generate() -> SigningKey:
    """A new RSA key of 2048 bits."""
    return _signing_key(rsa.generate_private_key(public_exponent=65537, key_size=2048), now_ms())


class Keys:
    """This process's signing key, and everybody's public keys.

    :param folder: where the processes of one machine share a key (`instance.pem`, mode 600); None = a
        key of this process alone.
    :param life_s: how long a published key is valid unless extended; `refresh_s`: how often it is.
    :param readonly: the database may be one that nobody can write: keys that were published before are
        good for as long as they would have been extended, and sign.
    """

    def __init__(
        self,
        db: Database,
        *,
        service: str,
        life_s: float,
        refresh_s: float,
        folder: Path | None,
        readonly: bool = False,
    ) -> None:
        self._db = db
        self._service = service
        self._life_s = life_s
        self._refresh_s = refresh_s
        self._folder = folder
        self._grace_ms = ROTATE_MS if readonly else 0
        self._key: SigningKey | None = None
        self._lock = threading.Lock()
        self._public: dict[str, tuple[Any, float]] = {}
        self._stop = threading.Event()
        self._published_until = 0.0

    # -- signing ------------------------------------------------------------------------------

    def signing(self) -> SigningKey:
        """The key to sign with; made, shared and published at first use. With the database away an
        already published key goes on signing."""
        key = self._key
        if key is not None and time.time() < self._published_until:
            return key
        with self._lock:
            key = self._key or self._load()
            try:
                self._publish(key)
            except RegistryError:
                if self._key is None and not self._is_frozen(key):
                    raise
            self._key = key
            return key

    def extend(self) -> None:
        """Publishes the key for another life, or a new one when it is 30 days old. The old one stays
        published until the last token that it signed has expired. Of a read-only registry it stays."""
        with self._lock:
            key = self._key or self._load()
            if not self._grace_ms and now_ms() - key.created_ms > ROTATE_MS:
                self._retire(key)
                key = self._load(fresh=key)
            try:
                self._publish(key)
            except RegistryError:
                if not self._is_frozen(key):
                    raise
            self._key = key

    def _is_frozen(self, key: SigningKey) -> bool:
        """Whether a read-only registry's key is known to all, though it cannot be extended."""
        if not self._grace_ms or self.public(key.kid) is None:
            return False
        self._published_until = time.time() + _FROZEN_S
        return True

    def keep_extended(self) -> None:
        """Starts the thread by which this process extends its own key; no worker is needed for it."""

        def loop() -> None:
            while not self._stop.wait(self._refresh_s):
                try:
                    self.extend()
                except Exception as error:
                    log.warning("the instance key could not be extended: %s", error)
                    self._stop.wait(min(self._refresh_s, 2))

        threading.Thread(target=loop, name="instance-key", daemon=True).start()

    def close(self) -> None:
        self._stop.set()

    def _publish(self, key: SigningKey) -> None:
        now = now_ms()
        until = now + int(self._life_s * 1000)

        def work(tx: Tx) -> None:
            mine = ServiceKey.kid == key.kid
            if tx.run(ServiceKey.update(expires_ms=until).where(mine)):
                return
            tx.insert_absent(
                ServiceKey,
                kid=key.kid,
                service=self._service,
                name="instance key",
                jwk=json.dumps(key.jwk),
                created_ms=key.created_ms,
                rotates_ms=key.created_ms + ROTATE_MS,
                expires_ms=until,
                approved_ms=now,
            )

        self._db.write(work)
        # Between two extensions the key must not be seen as expired by anybody.
        self._published_until = time.time() + self._life_s * 0.75

    def _retire(self, key: SigningKey) -> None:
        until = now_ms() + (TOKEN_LIFE_S + 60) * 1000
        change = ServiceKey.update(expires_ms=until).where(ServiceKey.kid == key.kid)
        self._db.write(lambda tx: tx.run(change))

    # -- the file -----------------------------------------------------------------------------

    def _load(self, fresh: SigningKey | None = None) -> SigningKey:
        """The machine's shared key. Processes that start at once agree by linking the first file."""
        if self._folder is None:
            return generate()
        path = self._folder / "instance.pem"
        if fresh is not None:
            found = self._read(path)
            if found is not None and found.kid != fresh.kid:
                return found
            path.unlink(missing_ok=True)
        found = self._read(path)
        if found is not None:
            return found
        key = generate()
        pem = key.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        own = path.with_name(f".instance.{os.getpid()}.{threading.get_ident()}")
        handle = os.open(own, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(own, path)
            except FileExistsError:
                return self._read(path) or key
        finally:
            own.unlink(missing_ok=True)
        return key

    @staticmethod
    def _read(path: Path) -> SigningKey | None:
        try:
            pem = path.read_bytes()
            created = int(path.stat().st_mtime * 1000)
        except FileNotFoundError:
            return None
        private = serialization.load_pem_private_key(pem, None)
        assert isinstance(private, rsa.RSAPrivateKey)
        return _signing_key(private, created)

    # -- verifying ----------------------------------------------------------------------------

    def public(self, kid: str) -> Any | None:
        """The public key of an approved, unexpired service key of this registry; None otherwise."""
        known = self._public.get(kid)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        row = self._db.one(
            ServiceKey.select(ServiceKey.jwk, ServiceKey.expires_ms).where(
                (ServiceKey.kid == kid)
                & (ServiceKey.service == self._service)
                & ServiceKey.approved_ms.is_null(False)
            )
        )
        now = now_ms() - self._grace_ms
        if row is None or (row[1] is not None and row[1] <= now):
            self._public.pop(kid, None)
            return None
        left = RECHECK_S if row[1] is None else min(RECHECK_S, (row[1] - now) / 1000)
        key = _public(json.loads(row[0]))
        if len(self._public) > 1000:
            self._public.clear()
        self._public[kid] = (key, time.monotonic() + left)
        return key

    def published(self, service: str) -> list[dict[str, str]]:
        """The JWKs of a service's approved, unexpired keys: `{e, kid, kty, n}` each."""
        rows = self._db.rows(
            ServiceKey.select(ServiceKey.jwk).where(
                (ServiceKey.service == service)
                & ServiceKey.approved_ms.is_null(False)
                & (ServiceKey.expires_ms.is_null() | (ServiceKey.expires_ms > now_ms() - self._grace_ms))
            )
        )
        return [json.loads(jwk) for (jwk,) in rows]


def _public(jwk: dict[str, str]) -> rsa.RSAPublicKey:
    def number(text: str) -> int:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")

    return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()
