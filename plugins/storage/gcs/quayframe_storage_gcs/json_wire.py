"""The service's JSON interface, by google-cloud-storage with a service account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from quayframe.plugin.storage import UrlRequest

from .calls import Refused
from .config import GoogleConfig
from .http import is_about_the_bucket, new_session, send_range
from .wire import TYPE, Found

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
PAGE = 1000


class JsonWire:
    """`Wire` over google-cloud-storage; nothing is asked of Google before the first call."""

    def __init__(self, config: GoogleConfig) -> None:
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud import storage  # type: ignore[import-untyped]
        from google.oauth2 import service_account

        account = config.account
        make: Callable[..., Any] = service_account.Credentials.from_service_account_info
        credentials = make(account, scopes=[_SCOPE])
        authorized: Callable[..., Any] = AuthorizedSession
        http = authorized(credentials, max_refresh_attempts=1, refresh_timeout=config.boto_timeout)
        for scheme in ("http://", "https://"):
            http.mount(scheme, new_session().get_adapter(scheme))
        self._endpoint = config.endpoint_url
        self._timeout = config.timeout
        self._client = storage.Client(
            project=account.get("project_id") or "-",
            credentials=credentials,
            _http=http,
            client_options={"api_endpoint": config.endpoint_url},
        )
        # Newer versions ask for the bucket's own description in threads of theirs, for traces that nobody
        # reads here; it would cost requests, and a right that a service account may not have.
        self._client._bucket_metadata_cache = None
        self._bucket = self._client.bucket(config.bucket_name)
        self._plain = new_session()
        self._options: dict[str, Any] = {"timeout": self._timeout, "retry": None}

    def insert(self, name: str, data: bytes, metadata: dict[str, str], generation: str | None = None) -> None:
        blob = self._blob(name, metadata)
        condition = None if generation is None else int(generation)
        with _refusals():
            blob.upload_from_string(
                data, content_type=TYPE, if_generation_match=condition, checksum=None, **self._options
            )

    def session(self, name: str) -> str:
        with _refusals():
            return str(self._blob(name).create_resumable_upload_session(TYPE, checksum=None, **self._options))

    def send(self, session: str, data: bytes, content_range: str) -> int | None:
        return send_range(self._plain, session, data, content_range, self._timeout)

    def compose(self, name: str, sources: Sequence[str], metadata: dict[str, str]) -> None:
        blob = self._blob(name, metadata)
        blob.content_type = TYPE
        with _refusals():
            blob.compose([self._blob(s) for s in sources], if_generation_match=0, **self._options)

    def head(self, name: str) -> Found:
        blob = self._blob(name)
        with _refusals():
            blob.reload(**self._options)
        return _found(blob)

    def get(self, name: str, generation: str, start: int, stop: int) -> bytes:
        with _refusals():
            return bytes(
                self._blob(name).download_as_bytes(
                    start=start,
                    end=stop - 1,
                    raw_download=True,
                    if_generation_match=int(generation),
                    checksum=None,
                    **self._options,
                )
            )

    def delete(self, name: str) -> None:
        with _refusals():
            self._blob(name).delete(**self._options)

    def page(self, prefix: str, token: str | None) -> tuple[list[Found], str | None]:
        with _refusals():
            found = self._client.list_blobs(
                self._bucket, prefix=prefix, page_size=PAGE, page_token=token, **self._options
            )
            objects = [_found(blob) for blob in next(found.pages, ())]
            return objects, found.next_page_token

    def url(self, name: str, request: UrlRequest, disposition: str | None) -> str:
        return str(
            self._blob(name).generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=request.expires),
                method=request.method,
                api_access_endpoint=self._endpoint,
                response_type=request.content_type,
                response_disposition=disposition,
            )
        )

    def _blob(self, name: str, metadata: dict[str, str] | None = None) -> Any:
        blob = self._bucket.blob(name)
        if metadata:
            blob.metadata = metadata
        return blob


def _found(blob: Any) -> Found:
    changed = int(blob.updated.timestamp() * 1000)
    return Found(blob.name, int(blob.size or 0), str(blob.generation), changed, dict(blob.metadata or {}))


@contextmanager
def _refusals() -> Iterator[None]:
    """The library's many errors as Refused."""
    import requests
    import urllib3
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth import exceptions as auth
    from google.cloud.storage import exceptions as media  # type: ignore[import-untyped]

    try:
        yield
    except GoogleAPICallError as error:
        headers = getattr(error.response, "headers", None) or {}
        text = str(error.message).partition("\n")[0]
        raise Refused(
            error.code, text, headers.get("Retry-After", ""), error.code == 404 and is_about_the_bucket(text)
        ) from error
    except auth.TransportError as error:
        raise Refused(None, type(error).__name__) from error
    except auth.RefreshError as error:
        # The account's key is not taken any more, unless the token server itself was in trouble.
        raise Refused(None if error.retryable else 401, str(error.args[0])) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, media.DataCorruption) as error:
        raise Refused(None, type(error).__name__) from error
    except media.InvalidResponse as error:
        raise Refused(error.response.status_code, "unexpected answer") from error
