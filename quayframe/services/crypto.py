"""Secrets at rest: encryption of what is shown again, keyed hashes of what is only compared."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

_ALPHABET = string.ascii_uppercase + string.digits


def stretch(key: str) -> bytes:
    """32 bytes from a configured key: a decimal integer, a UUID or any text, repeated or cut."""
    plain = key.replace("-", "")
    try:
        raw = bytes.fromhex(f"{int(key):x}".rjust(2, "0")) if key.isdigit() else b""
    except ValueError:
        raw = b""
    if not raw and len(key) == 36 and len(plain) == 32:
        try:
            raw = bytes.fromhex(plain)
        except ValueError:
            raw = b""
    raw = raw or bytes(ord(c) % 256 for c in key)
    return (raw * (32 // len(raw) + 1))[:32]


class SecretBox:
    """Encrypts with DATABASE_SECRET_KEY. Form: `v0$$` + base64(13-byte nonce, AES-CCM ciphertext)."""

    def __init__(self, key: str) -> None:
        self._key = stretch(key)
        self._hash_key = hmac.digest(self._key, b"quayframe lookup", "sha256")

    def encrypt(self, text: str) -> str:
        nonce = secrets.token_bytes(13)
        sealed = AESCCM(self._key).encrypt(nonce, text.encode(), None)
        return "v0$$" + base64.b64encode(nonce + sealed).decode()

    def decrypt(self, sealed: str) -> str | None:
        """The text; None when it was sealed with another key or is not a sealed text at all."""
        if not sealed.startswith("v0$$"):
            return None
        try:
            raw = base64.b64decode(sealed[4:], validate=True)
            return AESCCM(self._key).decrypt(raw[:13], raw[13:], None).decode()
        except (ValueError, InvalidTag):
            return None

    def lookup(self, secret: str) -> str:
        """A keyed hash by which a secret is found again, 64 hexadecimal digits."""
        return hmac.new(self._hash_key, secret.encode(), hashlib.sha256).hexdigest()


def new_token(length: int) -> str:
    """A random token of capital letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def same(a: str, b: str) -> bool:
    """Compares two secrets in constant time."""
    return hmac.compare_digest(a.encode(), b.encode())
