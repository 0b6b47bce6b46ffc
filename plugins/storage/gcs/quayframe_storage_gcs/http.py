"""A pool of connections, and failures of HTTP as `Refused`."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .calls import Refused

if TYPE_CHECKING:
    import requests

_POOL = 64
_RECEIVED = re.compile(r"bytes=0-(\d+)")


def new_session() -> requests.Session:
    """A session whose pool does for many threads, and that tries nothing again by itself."""
    import requests

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_POOL))
    # Proxies by the environment, as everybody has them; credentials of a .netrc never.
    session.auth = _nothing
    return session


def _nothing(request: Any) -> Any:
    return request


def asked(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    """The answer. Raises Refused for no answer."""
    import requests

    try:
        return session.request(method, url, allow_redirects=False, **options)
    except (requests.RequestException, OSError) as error:
        raise Refused(None, type(error).__name__) from error


def send_range(
    session: requests.Session, url: str, data: bytes, content_range: str, timeout: tuple[float, float]
) -> int | None:
    """`Wire.send`: the URL of a resumable upload is all that it needs."""
    headers = {"Content-Range": content_range}
    answer = asked(session, "PUT", url, data=data, headers=headers, timeout=timeout)
    if answer.status_code in {200, 201}:
        return None
    if answer.status_code in {404, 410}:
        raise Refused(410, "the service has forgotten the resumable upload")
    if answer.status_code != 308:
        raise refused(answer)
    received = _RECEIVED.fullmatch(answer.headers.get("Range", ""))
    return int(received[1]) + 1 if received else 0


def refused(answer: requests.Response) -> Refused:
    """What an answer with an error says, in XML, JSON or text."""
    text = answer.text[:2000]
    code = re.search(r"<Code>([^<]+)</Code>", text)
    if code is None:
        with suppress(ValueError, KeyError, TypeError):
            text = str(answer.json()["error"]["message"])
    said = code[1] if code else text.partition("\n")[0]
    no_bucket = said == "NoSuchBucket" or is_about_the_bucket(text)
    return Refused(answer.status_code, said, answer.headers.get("Retry-After", ""), no_bucket)


def is_about_the_bucket(text: str) -> bool:
    """Whether a 404 says that the bucket, not an object, is missing."""
    return "bucket does not exist" in text


def milliseconds(text: str) -> int:
    """Of a time like 2026-01-31T12:00:00.123Z; the end of the second where it has no fraction."""
    found = int(datetime.fromisoformat(text).timestamp() * 1000)
    return found if "." in text else found + 999
