"""`AzureStorage`: the contract of storage, on block blobs of one container.

An upload's blob has its name from the beginning, `blobs/<2>/<upload id>`: its blocks are staged there
and the commit names them, so nothing is ever copied. Beside it there is a marker,
`uploads/<upload id>`, an empty blob that says that the upload lives and when it was last touched.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from quayframe.plugin.storage import (
    ByteStream,
    ObjectNotFound,
    StorageBackend,
    StorageError,
    StorageUnavailable,
    Upload,
    UploadLost,
    UrlRequest,
)

from .calls import Calls, code_of
from .config import AzureConfig
from .signing import signed_url
from .state import State, block_id, new_prefix
from .writing import BLOCK, MOST_BLOCKS, Block, tail_limit

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobProperties

_UPLOADS = "uploads/"
_BLOBS = "blobs/"
_PAGE = 1000
_POOL = 64
_CONNECT_S = 5
_LONGEST_KEY = 900

_ENDED = {"ended": "1"}
"""Metadata of a marker whose upload is being taken away, and of the empty blob that takes its blocks."""


class AzureStorage(StorageBackend):
    """Objects as block blobs `<storage_path>/<key>`."""

    name = "AzureStorage"
    title = "Azure Blob Storage"
    Config: ClassVar[type[BaseModel]] = AzureConfig

    def __init__(self, config: AzureConfig) -> None:
        import requests
        from azure.core import MatchConditions
        from azure.core.credentials import AzureSasCredential
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import BlobBlock, ContainerClient

        self._config = config
        self._root = f"{config.storage_path}/" if config.storage_path else ""
        self._match = MatchConditions
        self._block = BlobBlock
        self._call = Calls(config.azure_container, config.url, config.attempts)
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_POOL))
        credential: Any
        if config.azure_account_key is not None:
            key = config.azure_account_key.get_secret_value()
            credential = {"account_name": config.azure_account_name, "account_key": key}
        else:
            assert config.sas_token is not None
            credential = AzureSasCredential(config.sas_token.get_secret_value().lstrip("?"))
        # A transport of our own takes the timeouts; the client would give them to its own alone.
        transport = RequestsTransport(
            session=session,
            session_owner=False,
            connection_timeout=min(_CONNECT_S, config.timeout),
            read_timeout=config.timeout,
        )
        self._container = ContainerClient(
            config.url,
            config.azure_container,
            credential,
            transport=transport,
            # Calls does it, with bounds of its own.
            retry_total=0,
            max_single_get_size=BLOCK,
            max_chunk_get_size=BLOCK,
        )

    # -- uploads ------------------------------------------------------------------------------

    def begin(self) -> Upload:
        upload_id = uuid.uuid4().hex
        marker = self._marker(upload_id)
        done = self._call("begin", lambda: marker.upload_blob(b"", overwrite=True, metadata=_touched()))
        return State(upload_id, str(done["etag"])).upload(0)

    def append(self, upload: Upload, stream: ByteStream) -> Upload:
        """Stages blocks under ids that no other append uses, and touches the marker first.

        The touch decides who goes on in the last run of ids: the one append whose value carries the
        marker's etag of that moment, since the touch changes it. Every other append to the same value,
        also one made again after a kill, finds another etag and begins a run of its own.
        """
        state = State.of(upload)
        etag, alone = self._touch(state)
        runs = list(state.runs) if alone else [*state.runs, (new_prefix(), 0)]
        prefix, count = runs.pop() if runs else (new_prefix(), 0)
        blob, total = self._blob(_key(state.id)), state.count
        block = Block(state.tail)
        size = upload.size - len(state.tail)
        while block.fill(stream) or len(block) > tail_limit(total):
            if total >= MOST_BLOCKS:
                raise StorageError(f"upload {state.id} has {total} blocks, and a blob can have no more")
            self._stage(blob, block_id(prefix, count), block)
            count, total, size = count + 1, total + 1, size + len(block)
            block = Block()
        if count:
            runs.append((prefix, count))
        return State(state.id, etag, tuple(runs), block.content()).upload(size + len(block))

    def commit(self, upload: Upload, key: str) -> str:
        """Names the upload's blocks as its blob, which is under the key that `begin` chose.

        `key` is not used: putting the blob there would mean to copy it."""
        state = State.of(upload)
        used = _key(state.id)
        blob = self._blob(used)
        if not state.runs and self._look(state.id) is None and not self._is_done(state.id, upload.size):
            raise UploadLost(f"no upload {state.id}")
        blocks = list(state.blocks())
        if state.tail:
            blocks.append(block_id(new_prefix(), 0))
            self._stage(blob, blocks[-1], Block(state.tail))
        if not self._name_blocks(blob, blocks, {"upload": state.id}) and not self._is_done(
            state.id, upload.size
        ):
            raise UploadLost(f"upload {state.id} was aborted, swept, or has expired")
        # The object is there: a marker that stays is the sweep's affair.
        with suppress(StorageUnavailable):
            self._remove(self._marker(state.id))
        return used

    def abort(self, upload: Upload) -> None:
        self._discard(State.of(upload).id)

    def sweep(self, before: int) -> int:
        count = 0
        for marker in self._list(_UPLOADS):
            touched = int((marker.metadata or {}).get("touched", 0))
            upload_id = marker.name.rpartition("/")[2]
            if touched < before and self._claim(upload_id, str(marker.etag)):
                count += self._discard(upload_id)
        return count

    def put(self, key: str, stream: ByteStream) -> str:
        """One request where the whole fits one block, blocks and their list otherwise."""
        blob, prefix, blocks = self._blob(key), new_prefix(), list[str]()
        block = Block()
        while block.fill(stream):
            blocks.append(block_id(prefix, len(blocks)))
            self._stage(blob, blocks[-1], block)
            block = Block()
        if not blocks:
            self._call(
                f"put of {key}",
                lambda: blob.upload_blob(
                    block.reader(), length=len(block), overwrite=True, validate_content=False
                ),
            )
            return key
        if len(block):
            blocks.append(block_id(prefix, len(blocks)))
            self._stage(blob, blocks[-1], block)
        self._call(f"put of {key}", lambda: blob.commit_block_list([self._block(i) for i in blocks]))
        return key

    def _touch(self, state: State) -> tuple[str, bool]:
        """The marker's new etag, and whether it was the one that `state` names. Raises UploadLost."""
        etag: str | None = state.etag
        marker = self._marker(state.id)
        for _ in range(20):
            found = self._set_metadata(marker, _touched(), etag) if etag else None
            if found:
                return found, etag == state.etag
            etag = self._look(state.id)
            if etag is None:
                raise UploadLost(f"no upload {state.id}")
        raise StorageUnavailable(f"upload {state.id}: too many appends at once")

    def _claim(self, upload_id: str, etag: str) -> bool:
        """Marks an upload as ended, unless somebody has touched it since it had this etag."""
        return bool(self._set_metadata(self._marker(upload_id), {"touched": "0", **_ENDED}, etag))

    def _set_metadata(self, marker: BlobClient, metadata: dict[str, str], etag: str) -> str | None:
        """The new etag; None where the marker has another one by now, or is gone."""
        from azure.core.exceptions import HttpResponseError

        condition = self._unchanged(etag)
        try:
            done = self._call("touch", lambda: marker.set_blob_metadata(metadata, **condition), 404, 412)
        except HttpResponseError:
            return None
        return str(done["etag"])

    def _look(self, upload_id: str) -> str | None:
        """The marker's etag; None where the upload is gone."""
        found = self._properties(self._marker(upload_id))
        return None if found is None or found.metadata.get("ended") else str(found.etag)

    def _is_done(self, upload_id: str, size: int) -> bool:
        """Whether the upload was committed, with this size. Raises StorageError for another size."""
        found = self._properties(self._blob(_key(upload_id)))
        if found is None or found.metadata.get("ended"):
            return False
        if found.size != size:
            raise StorageError(f"upload {upload_id} was committed with {found.size} bytes, not {size}")
        return True

    def _stage(self, blob: BlobClient, name: str, block: Block) -> None:
        self._call(
            "append", lambda: blob.stage_block(name, block.reader(), len(block), validate_content=False)
        )

    def _name_blocks(self, blob: BlobClient, blocks: list[str], metadata: dict[str, str]) -> bool:
        """Makes the blob of these blocks; False where it is there already, or a block is not."""
        from azure.core.exceptions import HttpResponseError

        named = [self._block(name) for name in blocks]
        condition: dict[str, Any] = {"match_condition": self._match.IfMissing}
        try:
            self._call(
                "commit",
                lambda: blob.commit_block_list(named, metadata=metadata, **condition),
                400, 409, 412,
            )  # fmt: skip
        except HttpResponseError as error:
            if error.status_code == 400 and code_of(error) != "InvalidBlockList":
                raise StorageError(f"commit of {blob.blob_name}: {code_of(error)}") from error
            return False
        return True

    def _discard(self, upload_id: str) -> bool:
        """Takes away what there is of an upload; whether there was one that had not been committed.

        Blocks cannot be deleted, but an empty blob under their name takes them along. Whoever makes a
        blob there first wins: a commit, and the object stays, or this. The marker goes last, so that a
        sweep goes on after a kill."""
        if self._properties(self._marker(upload_id)) is None:
            return False
        blob = self._blob(_key(upload_id))
        self._name_blocks(blob, [], _ENDED)
        found = self._properties(blob)
        ended = found is not None and bool(found.metadata.get("ended"))
        if found is not None and ended:
            self._remove(blob, str(found.etag))
        self._remove(self._marker(upload_id))
        return ended

    # -- objects ------------------------------------------------------------------------------

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        blob = self._blob(key)
        found = self._properties(blob)
        if found is None:
            raise ObjectNotFound(f"no object {key}")
        end = found.size if stop is None else min(stop, found.size)
        return self._pieces(blob, str(found.etag), start, end)

    def size(self, key: str) -> int:
        found = self._properties(self._blob(key))
        if found is None:
            raise ObjectNotFound(f"no object {key}")
        return int(found.size)

    def delete(self, key: str) -> None:
        self._remove(self._blob(key))

    def keys(self, prefix: str = "") -> Iterator[str]:
        for found in self._list(prefix):
            key = found.name[len(self._root) :]
            if not key.startswith(_UPLOADS) and not (found.metadata or {}).get("ended"):
                yield key

    def url(self, key: str, request: UrlRequest) -> str | None:
        secret = self._config.azure_account_key
        # Whoever had the operator's own token could do with the container all that it allows.
        if secret is None or request.method not in {"GET", "HEAD"}:
            return None
        blob = self._blob(key)
        return signed_url(
            blob.url, self._config.azure_account_name, secret.get_secret_value(),
            self._config.azure_container, blob.blob_name, request,
        )  # fmt: skip

    def _pieces(self, blob: BlobClient, etag: str, start: int, end: int) -> Iterator[bytes]:
        """Each piece is a request of its own, so that one that is cut is asked for again alone."""
        from azure.core.exceptions import HttpResponseError

        condition = self._unchanged(etag)
        while start < end:
            length = min(BLOCK, end - start)

            def get(start: int = start, length: int = length) -> bytes:
                return bytes(blob.download_blob(start, length, max_concurrency=1, **condition).readall())

            try:
                piece = self._call(f"read of {blob.blob_name}", get, 404, 412)
            except HttpResponseError as error:
                raise ObjectNotFound(f"{blob.blob_name} was deleted while it was read") from error
            if len(piece) != length:
                raise StorageUnavailable(f"read of {blob.blob_name}: {len(piece)} bytes of {length}")
            start += length
            yield piece

    def _properties(self, blob: BlobClient) -> BlobProperties | None:
        from azure.core.exceptions import HttpResponseError

        try:
            return self._call(f"look at {blob.blob_name}", blob.get_blob_properties, 404)
        except HttpResponseError:
            return None

    def _remove(self, blob: BlobClient, etag: str | None = None) -> None:
        """Deletes the blob; one that is gone, or has another etag than this, is left so."""
        from azure.core.exceptions import HttpResponseError

        condition = self._unchanged(etag) if etag else {}
        with suppress(HttpResponseError):
            self._call(
                f"delete of {blob.blob_name}", lambda: blob.delete_blob("include", **condition), 404, 412
            )

    def _unchanged(self, etag: str) -> dict[str, Any]:
        return {"etag": etag, "match_condition": self._match.IfNotModified}

    def _list(self, prefix: str) -> Iterator[BlobProperties]:
        token: str | None = None
        while True:

            def page(token: str | None = token) -> tuple[list[BlobProperties], str | None]:
                pages: Any = self._container.list_blobs(
                    name_starts_with=self._root + prefix, include=["metadata"], results_per_page=_PAGE
                ).by_page(token)
                return list(next(pages)), pages.continuation_token

            found, token = self._call(f"list of {prefix}", page)
            yield from found
            if not token:
                return

    def _marker(self, upload_id: str) -> BlobClient:
        return self._container.get_blob_client(f"{self._root}{_UPLOADS}{upload_id}")

    def _blob(self, key: str) -> BlobClient:
        if not key.isascii() or not key.isprintable() or not 0 < len(key) <= _LONGEST_KEY:
            raise StorageError(f"not a storage key: {key[:100]!r}")
        if key.startswith(_UPLOADS) or {"", ".", ".."} & set(key.split("/")):
            raise StorageError(f"not a storage key: {key[:100]!r}")
        return self._container.get_blob_client(self._root + key)


def _key(upload_id: str) -> str:
    return f"{_BLOBS}{upload_id[:2]}/{upload_id}"


def _touched() -> dict[str, str]:
    return {"touched": str(time.time_ns() // 1_000_000)}
