"""URLs signed here, in AWS's Signature Version 4: boto3 takes ten times as long for each, and a client that
pulls an image asks for one for each layer.

Where the bucket is, and in which region, is learnt from a URL that boto3 signed, and learnt again now and
then: it may find out later that a bucket is in another region. What this does not know is left to boto3.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

LEARN_S = 60.0
_ALGORITHM = "AWS4-HMAC-SHA256"
_PROBE = "probe"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Place:
    """What stands in front of a key in a URL, and what a signature is bound to."""

    origin: str
    path: str
    host: str
    region: str
    service: str

    @classmethod
    def of(cls, url: str) -> Place | None:
        """Of a signed URL of the object `probe`; None where it is signed in another way."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        scope = query.get("X-Amz-Credential", "").split("/")
        known = query.get("X-Amz-Algorithm") == _ALGORITHM and query.get("X-Amz-SignedHeaders") == "host"
        plain = all(name.startswith("X-Amz-") for name in query) and parts.path.endswith(f"/{_PROBE}")
        if not known or not plain or len(scope) != 5 or parts.hostname is None:
            return None
        port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
        path = parts.path.removesuffix(_PROBE)
        return cls(f"{parts.scheme}://{parts.netloc}", path, parts.hostname + port, scope[2], scope[3])


class Signer:
    """:param presign: boto3's own, for GET of a key.
    :param credentials: boto3's, which renew themselves; None = there are none.
    """

    def __init__(self, presign: Callable[[str], str], credentials: Callable[[], Any]) -> None:
        self._presign = presign
        self._find_credentials = credentials
        self._credentials: Any = None
        self._place: Place | None = None
        self._learnt = float("-inf")
        self._key: tuple[tuple[str, str, str, str], bytes] | None = None

    def url(self, method: str, key: str, expires_s: int, query: Mapping[str, str]) -> str | None:
        """A URL for the object, whose answer has what `query` asks for; None where boto3 has to make it."""
        place = self._where()
        if place is None or self._credentials is None:
            return None
        frozen = self._credentials.get_frozen_credentials()
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{now[:8]}/{place.region}/{place.service}/aws4_request"
        asked = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{frozen.access_key}/{scope}",
            "X-Amz-Date": now,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": "host",
        }
        if frozen.token:
            asked["X-Amz-Security-Token"] = frozen.token
        text = "&".join(
            sorted(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in asked.items())
        )
        path = place.path + quote(key, safe="/")
        canonical = f"{method}\n{path}\n{text}\nhost:{place.host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signing = self._signing_key(frozen.secret_key, now[:8], place.region, place.service)
        signature = _hmac(signing, f"{_ALGORITHM}\n{now}\n{scope}\n{digest}").hex()
        return f"{place.origin}{path}?{text}&X-Amz-Signature={signature}"

    def _where(self) -> Place | None:
        now = time.monotonic()
        if now - self._learnt > LEARN_S:
            self._place = Place.of(self._presign(_PROBE))
            self._credentials = self._find_credentials()
            self._learnt = now
        return self._place

    def _signing_key(self, *of: str) -> bytes:
        secret, date, region, service = of
        wanted = (secret, date, region, service)
        known = self._key
        if known is not None and known[0] == wanted:
            return known[1]
        made = f"AWS4{secret}".encode()
        for part in (date, region, service, "aws4_request"):
            made = _hmac(made, part)
        self._key = (wanted, made)
        return made


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
