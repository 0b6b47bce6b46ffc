"""The service's XML interface, with an HMAC key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from quayframe.plugin.storage import UrlRequest

from .calls import Refused
from .config import GoogleConfig
from .http import asked, milliseconds, new_session, refused, send_range
from .signing import Signer, canonical_query
from .wire import TYPE, Found

if TYPE_CHECKING:
    import requests

PAGE = 1000
_META = "x-goog-meta-"
_GENERATION = "x-goog-if-generation-match"


class XmlWire:
    """`Wire` over signed requests."""

    def __init__(self, config: GoogleConfig) -> None:
        assert config.access_key is not None
        assert config.secret_key is not None
        self._signer = Signer(config.access_key, config.secret_key.get_secret_value())
        self._endpoint = config.endpoint_url
        self._host = urlsplit(config.endpoint_url).netloc
        self._base = f"{urlsplit(config.endpoint_url).path}/{quote(config.bucket_name)}"
        self._timeout = config.timeout
        self._session = new_session()

    def insert(self, name: str, data: bytes, metadata: dict[str, str], generation: str | None = None) -> None:
        headers = _meta(metadata) | ({_GENERATION: generation} if generation is not None else {})
        self._ask("PUT", name, headers=headers, data=data)

    def session(self, name: str) -> str:
        answer = self._ask("POST", name, headers={"x-goog-resumable": "start"}, data=b"")
        return answer.headers["Location"]

    def send(self, session: str, data: bytes, content_range: str) -> int | None:
        return send_range(self._session, session, data, content_range, self._timeout)

    def compose(self, name: str, sources: Sequence[str], metadata: dict[str, str]) -> None:
        components = "".join(f"<Component><Name>{escape(s)}</Name></Component>" for s in sources)
        body = f"<ComposeRequest>{components}</ComposeRequest>".encode()
        self._ask("PUT", name, {"compose": ""}, _meta(metadata) | {_GENERATION: "0"}, body)

    def head(self, name: str) -> Found:
        answer = self._ask("HEAD", name)
        headers = answer.headers
        changed = int(parsedate_to_datetime(headers["Last-Modified"]).timestamp() * 1000)
        size = int(headers.get("x-goog-stored-content-length") or headers["Content-Length"])
        metadata = {n.lower()[len(_META) :]: v for n, v in headers.items() if n.lower().startswith(_META)}
        return Found(name, size, headers["x-goog-generation"], changed, metadata)

    def get(self, name: str, generation: str, start: int, stop: int) -> bytes:
        headers = {"range": f"bytes={start}-{stop - 1}", _GENERATION: generation, "accept-encoding": "gzip"}
        return self._ask("GET", name, headers=headers).content

    def delete(self, name: str) -> None:
        self._ask("DELETE", name)

    def page(self, prefix: str, token: str | None) -> tuple[list[Found], str | None]:
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(PAGE)}
        if token:
            query["continuation-token"] = token
        text = self._ask("GET", "", query).content
        try:
            # From the service whose bytes we serve, over its own connection.
            root = ElementTree.fromstring(text)  # noqa: S314
        except ElementTree.ParseError as error:
            raise Refused(None, "a list that is not XML") from error
        found = [
            Found(
                _text(entry, "Key"),
                int(_text(entry, "Size")),
                _text(entry, "Generation"),
                milliseconds(_text(entry, "LastModified")),
            )
            for entry in root.findall("{*}Contents")
        ]
        return found, _text(root, "NextContinuationToken") or None

    def url(self, name: str, request: UrlRequest, disposition: str | None) -> str:
        query = {"response-content-type": request.content_type, "response-content-disposition": disposition}
        given = {key: value for key, value in query.items() if value}
        path = self._path(name)
        signed = self._signer.query(request.method, self._host, path, given, request.expires)
        scheme = urlsplit(self._endpoint).scheme
        return f"{scheme}://{self._host}{path}?{signed}"

    def _ask(
        self,
        method: str,
        name: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> requests.Response:
        """The answer to one signed request. Raises Refused."""
        path = self._path(name)
        own = {"content-type": TYPE} if data is not None else {}
        signed = self._signer.headers(method, self._host, path, query or {}, {**own, **(headers or {})})
        scheme = urlsplit(self._endpoint).scheme
        url = f"{scheme}://{self._host}{path}" + (f"?{canonical_query(query)}" if query else "")
        answer = asked(self._session, method, url, data=data, headers=signed, timeout=self._timeout)
        if answer.status_code >= 300:
            raise refused(answer)
        return answer

    def _path(self, name: str) -> str:
        return f"{self._base}/{quote(name, safe='/~')}" if name else self._base


def _meta(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"{_META}{name}": value for name, value in metadata.items()}


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""
