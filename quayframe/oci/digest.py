"""Content digests: `<algorithm>:<lower-case hex>` (OCI image specification, "Digests").

Known algorithms are sha256 and sha512. A `Digest` is a plain `str` wherever one is wanted.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, Self

from quayframe.errors import DigestInvalid

if TYPE_CHECKING:
    from hashlib import _Hash

ALGORITHMS: Final = ("sha256", "sha512")

_match = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}").fullmatch
# the specification's grammar for digests of any algorithm: says which of two errors to report
_GRAMMAR: Final = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):[a-zA-Z0-9=_-]+")
_HEX_LENGTH: Final = {"sha256": 64, "sha512": 128}
_HASHES: Final = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


class Digest(str):
    """A checked digest. `Digest.parse` checks; the constructor trusts its argument."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that `text` spells. Raises DigestInvalid with the cause."""
        if _match(text):
            return cls(text)
        raise DigestInvalid(_cause(text))

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview, algorithm: str = "sha256") -> Self:
        """The digest of `data`. Raises DigestInvalid for an algorithm that is not known."""
        content = new_hash(algorithm)
        content.update(data)
        return cls(f"{algorithm}:{content.hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]


def new_hash(algorithm: str) -> _Hash:
    """A fresh hashlib object. Raises DigestInvalid for an algorithm that is not known."""
    make = _HASHES.get(algorithm)
    if make is None:
        raise DigestInvalid(_unsupported(algorithm))
    return make()


def _unsupported(algorithm: str) -> str:
    return f"digest algorithm {algorithm[:32]!a} is not supported; sha256 and sha512 are"


def _cause(text: str) -> str:
    # digests are short: past this length it is malformed, whatever its grammar
    found = _GRAMMAR.fullmatch(text) if len(text) <= 512 else None
    if found is None:
        return f"malformed digest {ascii(text[:80])[:90]}; expected <algorithm>:<hex>"
    algorithm = found[1]
    if algorithm not in ALGORITHMS:
        return _unsupported(algorithm)
    return f"malformed digest: {algorithm} takes {_HEX_LENGTH[algorithm]} lower-case hexadecimal digits"
