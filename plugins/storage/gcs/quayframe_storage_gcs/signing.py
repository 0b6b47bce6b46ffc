"""Signatures V4 with an HMAC key, of requests and of URLs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

_UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Dialect:
    """The words of a signature: Google's, or those of the scheme that it is modelled on."""

    algorithm: str = "GOOG4-HMAC-SHA256"
    key_prefix: str = "GOOG4"
    end: str = "goog4_request"
    header: str = "x-goog-"
    region: str = "auto"
    service: str = "storage"


@dataclass(frozen=True)
class Signer:
    """Signs with one HMAC key."""

    access_key: str
    secret_key: str
    dialect: Dialect = Dialect()

    def query(
        self,
        method: str,
        host: str,
        path: str,
        query: Mapping[str, str],
        expires: int,
        now: datetime | None = None,
    ) -> str:
        """The query of a URL that does for `expires` seconds what `method` does. `path` is quoted."""
        stamp = _stamp(now)
        words = {
            "Algorithm": self.dialect.algorithm,
            "Credential": f"{self.access_key}/{self._scope(stamp)}",
            "Date": stamp,
            "Expires": str(expires),
            "SignedHeaders": "host",
        }
        prefix = self.dialect.header.title()
        whole = {**query, **{f"{prefix}{name}": value for name, value in words.items()}}
        signature = self._sign(stamp, method, path, whole, {"host": host}, _UNSIGNED)
        return f"{canonical_query(whole)}&{prefix}Signature={signature}"

    def headers(
        self,
        method: str,
        host: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        now: datetime | None = None,
    ) -> dict[str, str]:
        """`headers` (names in lower case) and those that sign the request with all of them."""
        stamp, prefix = _stamp(now), self.dialect.header
        whole = {**headers, f"{prefix}date": stamp, f"{prefix}content-sha256": _UNSIGNED}
        signed = {**whole, "host": host}
        signature = self._sign(stamp, method, path, query, signed, _UNSIGNED)
        whole["Authorization"] = (
            f"{self.dialect.algorithm} Credential={self.access_key}/{self._scope(stamp)},"
            f"SignedHeaders={';'.join(sorted(signed))},Signature={signature}"
        )
        return whole

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.dialect.region}/{self.dialect.service}/{self.dialect.end}"

    def _sign(
        self,
        stamp: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        payload: str,
    ) -> str:
        names = sorted(headers)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
        request = "\n".join([method, path, canonical_query(query), lines, ";".join(names), payload])
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join([self.dialect.algorithm, stamp, self._scope(stamp), digest])
        key = f"{self.dialect.key_prefix}{self.secret_key}".encode()
        for word in self._scope(stamp).split("/"):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def canonical_query(query: Mapping[str, str]) -> str:
    """Sorted, and all but letters, digits and `-._~` quoted."""
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def _stamp(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
