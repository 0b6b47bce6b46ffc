"""One bucket behind boto3's client: requests that are bounded, retried, and fail in the contract's words."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from quayframe.plugin.storage import ObjectNotFound, StorageError, StorageUnavailable, UploadLost

from .configs import Target
from .failures import LONGEST_WAIT_S, Failure, no_bucket, no_credentials, of_answer, wait_s
from .signing import Signer

log = logging.getLogger("quayframe.storage.s3")

_SLOT_WAIT_S = 30.0

MakeSession = Callable[[], Any]


class Bucket:
    """The bucket of a target.

    :param session: makes the boto3 session where it is not of the target's keys.
    """

    def __init__(self, target: Target, session: MakeSession | None = None) -> None:
        self.target = target
        self.name = target.bucket
        made = _session(session)
        self.client = _client(target, made)
        self._signer = Signer(
            lambda key: self.presigned("get_object", 60, Key=key), lambda: _credentials(target, made)
        )
        self._encryption: dict[str, Any] = {}
        if target.encryption:
            self._encryption["ServerSideEncryption"] = target.encryption
        self._foreign = bool(target.encryption and target.endpoint and ".amazonaws." not in target.endpoint)
        self._requests = threading.BoundedSemaphore(target.connections)
        self._streams = threading.BoundedSemaphore(target.connections)

    # -- objects: keys are whole, with the root in front --------------------------------------

    def put(self, key: str, body: bytes | bytearray) -> None:
        self.call("put_object", f"write of {key}", Key=key, Body=body, **self._encryption)

    def head(self, key: str) -> dict[str, Any]:
        """Raises ObjectNotFound."""
        return self.call("head_object", f"look at {key}", Key=key)

    def size(self, key: str) -> int | None:
        """The object's length; None where there is none."""
        try:
            return int(self.head(key)["ContentLength"])
        except ObjectNotFound:
            return None

    def get(self, key: str, start: int, stop: int | None, etag: str | None = None) -> dict[str, Any]:
        """Begins a download, for which the caller holds a `stream_slot`.

        Raises ObjectNotFound, OutOfRange, Changed (it has another ETag)."""
        wanted: dict[str, Any] = {"IfMatch": etag} if etag else {}
        if start or stop is not None:
            wanted["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        answer = self.call("get_object", f"read of {key}", Key=key, **wanted)
        if "Range" in wanted and not str(answer.get("ContentRange", "")).startswith(f"bytes {start}-"):
            answer["Body"].close()
            raise StorageError(f"read of {key}: the service does not know ranges")
        return answer

    def content(self, key: str) -> bytes:
        """A small object, whole. Raises ObjectNotFound."""
        return self.call("get_object", f"read of {key}", Key=key, read_body=True)["Body"]  # type: ignore[no-any-return]

    def delete(self, key: str) -> None:
        try:
            self.call("delete_object", f"delete of {key}", Key=key)
        except ObjectNotFound:
            return

    def listing(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Key, Size and LastModified of the objects under this prefix, page by page."""
        more: dict[str, Any] = {}
        while True:
            page = self.call("list_objects_v2", f"list of {prefix}", Prefix=prefix, **more)
            yield from page.get("Contents", ())
            if not page.get("IsTruncated") or not page.get("NextContinuationToken"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    # -- multipart uploads --------------------------------------------------------------------

    def create(self, key: str) -> str:
        """Begins a multipart upload; returns its id."""
        answer = self.call("create_multipart_upload", f"upload to {key}", Key=key, **self._encryption)
        return str(answer["UploadId"])

    def upload_part(self, key: str, mpu: str, number: int, body: bytes | bytearray) -> str:
        """Writes a part; returns its ETag. Raises UploadLost."""
        answer = self.call(
            "upload_part", f"part {number} of {key}", Key=key, UploadId=mpu, PartNumber=number, Body=body
        )
        return str(answer["ETag"])

    def copy_part(self, key: str, mpu: str, number: int, source: str, start: int, stop: int) -> str:
        """A part made of another object's bytes; returns its ETag. Raises ObjectNotFound, UploadLost."""
        answer = self.call(
            "upload_part_copy",
            f"part {number} of {key} from {source}",
            Key=key,
            UploadId=mpu,
            PartNumber=number,
            CopySource={"Bucket": self.name, "Key": source},
            CopySourceRange=f"bytes={start}-{stop - 1}",
        )
        return str(answer["CopyPartResult"]["ETag"])

    def parts(self, key: str, mpu: str) -> Iterator[dict[str, Any]]:
        """PartNumber, ETag, Size and LastModified of the parts, by number. Raises UploadLost."""
        marker = 0
        while True:
            page = self.call("list_parts", f"parts of {key}", Key=key, UploadId=mpu, PartNumberMarker=marker)
            yield from page.get("Parts", ())
            if not page.get("IsTruncated") or int(page.get("NextPartNumberMarker") or 0) <= marker:
                return
            marker = int(page["NextPartNumberMarker"])

    def complete(self, key: str, mpu: str, parts: list[tuple[int, str]]) -> None:
        """Makes the object of its parts. Raises UploadLost, WrongPart."""
        listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        self.call(
            "complete_multipart_upload",
            f"end of the upload to {key}",
            Key=key,
            UploadId=mpu,
            MultipartUpload={"Parts": listed},
        )

    def abort(self, key: str, mpu: str) -> None:
        try:
            self.call("abort_multipart_upload", f"abort of the upload to {key}", Key=key, UploadId=mpu)
        except (UploadLost, ObjectNotFound):
            return

    def uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Key, UploadId and Initiated of the multipart uploads under this prefix."""
        more: dict[str, Any] = {}
        while True:
            page = self.call("list_multipart_uploads", f"uploads under {prefix}", Prefix=prefix, **more)
            yield from (u for u in page.get("Uploads", ()) if str(u["Key"]).startswith(prefix))
            following = {
                "KeyMarker": page.get("NextKeyMarker", ""),
                "UploadIdMarker": page.get("NextUploadIdMarker", ""),
            }
            if not page.get("IsTruncated") or not following["KeyMarker"] or following == more:
                return
            more = following

    # -- one request --------------------------------------------------------------------------

    @contextmanager
    def stream_slot(self) -> Iterator[Callable[[], None]]:
        """Takes a place for a download, and gives what frees it again; freed here when an error is raised."""
        if not self._streams.acquire(timeout=_SLOT_WAIT_S):
            raise StorageUnavailable(f"{self.name}: all {self.target.connections} downloads are taken")
        try:
            yield _once(self._streams.release)
        except BaseException:
            self._streams.release()
            raise

    def call(self, operation: str, what: str, *, read_body: bool = False, **params: Any) -> dict[str, Any]:
        """One operation of boto3's client on this bucket, made again while the cause passes.

        Raises what `failures` makes of the answer; StorageUnavailable when the attempts are used up.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._once(operation, params, read_body)
            except StorageError:
                raise
            except Exception as error:
                failure = self._failure(what, error)
                missing = isinstance(failure.error, ObjectNotFound)
                if missing and operation == "head_object" and not self._exists():
                    raise no_bucket(what, self.name) from error
                wait = wait_s(attempt, failure.retry_after_s)
                if not failure.passing or attempt >= self.target.attempts or wait > LONGEST_WAIT_S:
                    raise failure.error from error
                log.info("%s; attempt %d in %.1f s", failure.error, attempt + 1, wait)
                time.sleep(wait)

    def presigned(self, operation: str, expires_s: int, **params: Any) -> str:
        """A URL by which anybody may do this, by boto3; made here, but where the credentials have to be
        renewed."""
        with self._told(f"URL of {params['Key']}"):
            return str(
                self.client.generate_presigned_url(
                    operation, Params={"Bucket": self.name, **params}, ExpiresIn=expires_s
                )
            )

    def signed(self, method: str, key: str, expires_s: int, query: Mapping[str, str]) -> str | None:
        """The same without boto3; None where that is not known how."""
        with self._told(f"URL of {key}"):
            return self._signer.url(method, key, expires_s, query)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:
            raise self._failure(what, error).error from error

    def _once(self, operation: str, params: dict[str, Any], read_body: bool) -> dict[str, Any]:
        if not self._requests.acquire(timeout=_SLOT_WAIT_S):
            raise StorageUnavailable(f"{self.name}: all {self.target.connections} connections are in use")
        try:
            answer: dict[str, Any] = getattr(self.client, operation)(Bucket=self.name, **params)
            if read_body:
                answer["Body"] = answer["Body"].read()
            return answer
        finally:
            self._requests.release()

    def _failure(self, what: str, error: Exception) -> Failure:
        from botocore import exceptions as boto  # type: ignore[import-untyped]

        if isinstance(error, boto.ClientError):
            return of_answer(what, error.response, encrypted=self._foreign)
        if isinstance(
            error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
        ):
            return Failure(no_credentials(what, error), passing=False)
        if isinstance(error, boto.ParamValidationError):
            return Failure(StorageError(f"{what}: {error}"), passing=False)
        if is_cut(error) or isinstance(error, boto.BotoCoreError):
            return Failure(StorageUnavailable(f"{what}: {type(error).__name__}: {error}"), passing=True)
        raise error

    def _exists(self) -> bool:
        """Whether the bucket is there: the answer to a HEAD does not say what is missing."""
        from botocore.exceptions import ClientError  # type: ignore[import-untyped]

        try:
            self._once("head_bucket", {}, False)
        except ClientError as error:
            return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) != 404
        except Exception as error:
            log.info("bucket %s: %s", self.name, error)
        return True


def is_cut(error: Exception) -> bool:
    """Whether this says that the connection broke, or gave nothing in time."""
    from botocore import exceptions as boto
    from urllib3.exceptions import HTTPError

    kinds = (boto.HTTPClientError, boto.IncompleteReadError, boto.ReadTimeoutError, HTTPError, OSError)
    return isinstance(error, kinds)


def _once(release: Callable[[], None]) -> Callable[[], None]:
    """`release`, which does nothing from the second call on."""
    lock = threading.Lock()

    def free() -> None:
        if lock.acquire(blocking=False):
            release()

    return free


def _session(make: MakeSession | None) -> Any:
    import boto3  # type: ignore[import-untyped]

    return make() if make is not None else boto3.session.Session()


def _credentials(target: Target, session: Any) -> Any:
    from botocore.credentials import Credentials  # type: ignore[import-untyped]

    if target.access_key and target.secret_key:
        return Credentials(target.access_key, target.secret_key)
    return session.get_credentials()


def _client(target: Target, session: Any) -> Any:
    from botocore.config import Config  # type: ignore[import-untyped]

    return session.client(
        "s3",
        endpoint_url=target.endpoint,
        region_name=target.region,
        aws_access_key_id=target.access_key,
        aws_secret_access_key=target.secret_key,
        config=Config(
            signature_version=target.signature_version,
            s3={"addressing_style": target.addressing},
            # The attempts are made here, where Retry-After is heard.
            retries={"total_max_attempts": 1},
            connect_timeout=target.connect_timeout_s,
            read_timeout=target.read_timeout_s,
            max_pool_connections=2 * target.connections,
            tcp_keepalive=True,
            # Checksums in trailers are Amazon's alone; the signature has the body's SHA-256, or TLS has it.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
