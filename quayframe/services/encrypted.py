"""Encrypted passwords: what a client may keep in its configuration instead of the password itself.

The form is base64 of a 16-byte IV and the AES-256-CBC ciphertext (PKCS7) of JSON `{"password": ...}`,
the key made of SECRET_KEY. A change of the password ends them, as they hold the old one.
"""

from __future__ import annotations

import base64
import json
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from .crypto import stretch

_BLOCK = 16
LONGEST = 16 * 1024


class EncryptedPasswords:
    """:param key: SECRET_KEY. :param required: FEATURE_REQUIRE_ENCRYPTED_BASIC_AUTH."""

    def __init__(self, key: str, *, required: bool = False) -> None:
        self._key = stretch(key)
        self.required = required

    def encrypt(self, password: str) -> str:
        """The encrypted form, another one each time."""
        iv = secrets.token_bytes(_BLOCK)
        padder = PKCS7(_BLOCK * 8).padder()
        padded = padder.update(json.dumps({"password": password}).encode()) + padder.finalize()
        sealing = Cipher(algorithms.AES(self._key), modes.CBC(iv)).encryptor()
        return base64.b64encode(iv + sealing.update(padded) + sealing.finalize()).decode()

    def decrypt(self, text: str) -> str | None:
        """The password; None for a text that is no encrypted password of this registry."""
        if len(text) > LONGEST:
            return None
        try:
            raw = base64.b64decode(text, validate=True)
            if len(raw) < 2 * _BLOCK or len(raw) % _BLOCK:
                return None
            opening = Cipher(algorithms.AES(self._key), modes.CBC(raw[:_BLOCK])).decryptor()
            padded = opening.update(raw[_BLOCK:]) + opening.finalize()
            unpadder = PKCS7(_BLOCK * 8).unpadder()
            found = json.loads(unpadder.update(padded) + unpadder.finalize())
        except ValueError:
            return None
        password = found.get("password") if isinstance(found, dict) else None
        return password if isinstance(password, str) else None
