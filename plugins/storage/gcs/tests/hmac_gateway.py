"""Google's XML interface before fake-gcs-server, which speaks little of it and checks no signature.

It checks every request's signature by the published rules, written here a second time and from the
verifier's side, and translates what the back end asks for into the JSON interface.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import requests

ACCESS, SECRET = "GOOG1EXAMPLE", "example/secret+key"
_META = "x-goog-meta-"


class HmacGateway(ThreadingHTTPServer):
    """`refused`: why the last requests were not let in."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.http = requests.Session()
        self.http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        self.refused: list[str] = []

    def __enter__(self) -> HmacGateway:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def _digest(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _why_not(method: str, target: str, headers: dict[str, str]) -> str | None:
    """What is wrong with the signature; None where it is right and in time."""
    split = urlsplit(target)
    pairs = parse_qsl(split.query, keep_blank_values=True)
    words = {name.removeprefix("X-Goog-"): value for name, value in pairs if name.startswith("X-Goog-")}
    payload = "UNSIGNED-PAYLOAD"
    if not words:
        scheme, _, rest = headers.get("authorization", "").partition(" ")
        words = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        words |= {"Algorithm": scheme, "Date": headers.get("x-goog-date", ""), "Expires": "900"}
        payload = headers.get("x-goog-content-sha256", "")
    try:
        access, *scope = words["Credential"].split("/")
        made = datetime.strptime(words["Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        names = words["SignedHeaders"].split(";")
        given = words["Signature"]
        expires = timedelta(seconds=int(words["Expires"]))
    except (KeyError, ValueError) as error:
        return f"not signed: {error!r}"
    if words["Algorithm"] != "GOOG4-HMAC-SHA256" or access != ACCESS:
        return "InvalidAccessKeyId"
    if scope != [f"{made:%Y%m%d}", "auto", "storage", "goog4_request"]:
        return f"wrong scope {scope}"
    if not {"host", *(n for n in headers if n.startswith("x-goog-"))} <= set(names):
        return "headers that are not signed"
    if datetime.now(UTC) > made + expires:
        return "ExpiredToken"
    asked = "&".join(
        f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}"
        for n, v in sorted(pairs)
        if n != "X-Goog-Signature"
    )
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical = f"{method}\n{split.path}\n{asked}\n{lines}\n{';'.join(names)}\n{payload}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = _digest(b"GOOG4" + SECRET.encode(), scope[0])
    for word in scope[1:]:
        key = _digest(key, word)
    text = f"GOOG4-HMAC-SHA256\n{words['Date']}\n{'/'.join(scope)}\n{hashed}"
    return (
        None if hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == given else "SignatureDoesNotMatch"
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HmacGateway

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        split = urlsplit(self.path)
        self.asked = dict(parse_qsl(split.query, keep_blank_values=True))
        _, bucket, *rest = split.path.split("/", 2)
        self.bucket, self.key = unquote(bucket), unquote(rest[0]) if rest else ""
        if self.command == "PUT" and "upload_id" in self.asked:
            self._continue(headers, body)
        elif why := _why_not(self.command, self.path, headers):
            self.server.refused.append(why)
            self._say(403, f"<Error><Code>{why}</Code></Error>".encode())
        elif self.command == "PUT":
            self._put(headers, body)
        elif self.command == "POST":
            self._start()
        elif self.command == "DELETE":
            self._pass("DELETE", self._object())
        elif not self.key:
            self._pass("GET", f"/{self.bucket}?{split.query}")
        else:
            self._get(headers)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any

    def _put(self, headers: dict[str, str], body: bytes) -> None:
        metadata = {n[len(_META) :]: v for n, v in headers.items() if n.startswith(_META)}
        asked = "&ifGenerationMatch=" + headers.get("x-goog-if-generation-match", "")
        asked = "" if asked.endswith("=") else asked
        described = json.dumps(
            {"name": self.key, "contentType": headers["content-type"], "metadata": metadata}
        )
        if "compose" in self.asked:
            names = re.findall(r"<Component><Name>(.*?)</Name></Component>", body.decode())
            data = json.dumps(
                {"sourceObjects": [{"name": name} for name in names], "destination": json.loads(described)}
            )
            kind = {"Content-Type": "application/json"}
            self._pass("POST", f"{self._object()}/compose?x=y{asked}", data=data.encode(), headers=kind)
            return
        parts = [
            b"Content-Type: application/json\r\n\r\n" + described.encode(),
            f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body,
        ]
        whole = b"".join(b"--frontier\r\n" + part + b"\r\n" for part in parts) + b"--frontier--\r\n"
        kind = {"Content-Type": "multipart/related; boundary=frontier"}
        target = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=multipart{asked}"
        self._pass("POST", target, data=whole, headers=kind)

    def _start(self) -> None:
        name = quote(self.key, safe="")
        target = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=resumable&name={name}"
        answer = self._ask("POST", target, json={})
        location = answer.headers["Location"].replace(self.server.upstream, self.server.url)
        self._say(201, b"", {"Location": location})

    def _continue(self, headers: dict[str, str], body: bytes) -> None:
        """A chunk of a resumable upload: who knows its URL may send it."""
        answer = self._ask("PUT", self.path, data=body, headers={"Content-Range": headers["content-range"]})
        received = {"Range": answer.headers["Range"]} if "Range" in answer.headers else {}
        self._say(answer.status_code, b"", received)

    def _get(self, headers: dict[str, str]) -> None:
        found = self._ask("GET", self._object())
        if found.status_code != 200:
            self._say(found.status_code, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        described = found.json()
        if headers.get("x-goog-if-generation-match", described["generation"]) != described["generation"]:
            self._say(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        own = {f"{_META}{n}": v for n, v in described.get("metadata", {}).items()}
        changed = datetime.fromisoformat(described["updated"]).strftime("%a, %d %b %Y %H:%M:%S GMT")
        own |= {"x-goog-generation": described["generation"], "Last-Modified": changed}
        own["Content-Type"] = self.asked.get("response-content-type") or described["contentType"]
        if disposition := self.asked.get("response-content-disposition"):
            own["Content-Disposition"] = disposition
        if self.command == "HEAD":
            self._say(200, b"", own, described["size"])
            return
        ranges = {"Range": headers["range"]} if "range" in headers else {}
        answer = self._ask("GET", f"{self._object()}?alt=media", headers=ranges)
        self._say(answer.status_code, answer.content, own)

    def _object(self) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(self.key, safe='')}"

    def _ask(self, method: str, target: str, **options: Any) -> requests.Response:
        return self.server.http.request(method, self.server.upstream + target, timeout=60, **options)

    def _pass(self, method: str, target: str, **options: Any) -> None:
        answer = self._ask(method, target, **options)
        self._say(answer.status_code, answer.content)

    def _say(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, length: str | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The tests say themselves what went wrong."""
