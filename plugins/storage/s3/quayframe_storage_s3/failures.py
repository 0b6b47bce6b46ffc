"""What S3 and the way to it answer, as the contract's errors, with cause and cure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from quayframe.plugin.storage import NoSpace, ObjectNotFound, StorageError, StorageUnavailable, UploadLost

LONGEST_WAIT_S = 20.0
_FIRST_WAIT_S = 0.2
_LAST_WAIT_S = 6.0


class OutOfRange(StorageError):
    """The object has no bytes at this place."""


class WrongPart(StorageError):
    """A part is not, or no longer, what the request says of it."""


class Changed(StorageError):
    """The object is not the one that was being read."""


_PASSING_CODES = {
    "InternalError", "OperationAborted", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
    "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "TooManyRequestsException",
    "BandwidthLimitExceeded", "RequestLimitExceeded", "503", "500", "502", "504", "429", "408",
}  # fmt: skip
_PASSING_STATUS = {408, 429, 500, 502, 503, 504}

_KINDS: dict[str, type[StorageError]] = {
    "NoSuchKey": ObjectNotFound,
    "404": ObjectNotFound,
    "NotFound": ObjectNotFound,
    "NoSuchUpload": UploadLost,
    "InvalidRange": OutOfRange,
    "416": OutOfRange,
    "RequestedRangeNotSatisfiable": OutOfRange,
    "InvalidPart": WrongPart,
    "InvalidPartOrder": WrongPart,
    "PreconditionFailed": Changed,
    "412": Changed,
    "QuotaExceeded": NoSpace,
    "InsufficientStorage": NoSpace,
    "InsufficientCapacity": NoSpace,
    "XMinioStorageFull": NoSpace,
    "XMinioAdminBucketQuotaExceeded": NoSpace,
    "507": NoSpace,
}

_BUCKET = (
    "the bucket does not exist: create it, or correct its name, region and endpoint in "
    "DISTRIBUTED_STORAGE_CONFIG"
)
_KEYS = "correct the access key and its secret in DISTRIBUTED_STORAGE_CONFIG"
_EXPIRED = "the credentials have expired: renew them; an instance's or a role's renew themselves"
_DENIED = (
    "access is denied: the credentials need GetObject, PutObject, DeleteObject, AbortMultipartUpload, "
    "ListMultipartUploadParts on the objects, and ListBucket, ListBucketMultipartUploads on the bucket"
)

_CURES: dict[str, str] = {
    "NoSuchBucket": _BUCKET,
    "PermanentRedirect": "the bucket is in another region: correct s3_region",
    "AuthorizationHeaderMalformed": "the bucket is in another region: correct s3_region",
    "InvalidAccessKeyId": f"the access key is unknown: {_KEYS}",
    "SignatureDoesNotMatch": f"the secret key is wrong: {_KEYS}",
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "InvalidClientTokenId": f"the access key is unknown: {_KEYS}",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it",
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "403": _DENIED,
    "AccountProblem": "the service has closed the account",
}
_ENCRYPTION = (
    "; some services answer so to server_side_encryption: try `server_side_encryption: null` in "
    "DISTRIBUTED_STORAGE_CONFIG"
)


@dataclass(frozen=True)
class Failure:
    """One failed request. `error` is what it becomes when nothing more is tried."""

    error: StorageError
    passing: bool
    """Whether the same request may succeed in a moment."""
    retry_after_s: float | None = None


def of_answer(what: str, response: dict[str, Any], *, encrypted: bool) -> Failure:
    """The failure that an answer of the service stands for.

    :param response: what botocore made of the answer.
    :param encrypted: whether the request asked a service other than Amazon's for encryption.
    """
    code = str(response.get("Error", {}).get("Code", ""))
    words = str(response.get("Error", {}).get("Message", ""))[:300]
    meta = response.get("ResponseMetadata", {})
    status = int(meta.get("HTTPStatusCode", 0))
    text = f"{what}: {status} {code} {words}".rstrip()
    kind = _KINDS.get(code)
    if kind is not None:
        return Failure(kind(text), passing=False)
    if code in _CURES:
        return Failure(StorageUnavailable(f"{text}: {_CURES[code]}"), passing=False)
    if code in _PASSING_CODES or status in _PASSING_STATUS:
        hint = _ENCRYPTION if encrypted and status == 500 else ""
        return Failure(
            StorageUnavailable(text + hint),
            passing=True,
            retry_after_s=_retry_after(meta.get("HTTPHeaders", {})),
        )
    if status == 507:
        return Failure(NoSpace(text), passing=False)
    if status == 403:
        return Failure(StorageUnavailable(f"{text}: {_DENIED}"), passing=False)
    hint = _ENCRYPTION if encrypted and status in {400, 501} else ""
    return Failure(StorageError(text + hint), passing=False)


def no_bucket(what: str, bucket: str) -> StorageUnavailable:
    return StorageUnavailable(f"{what}: {bucket}: {_BUCKET}")


def no_credentials(what: str, error: Exception) -> StorageUnavailable:
    return StorageUnavailable(f"{what}: {error}: {_KEYS}, or give the machine a role")


def wait_s(attempt: int, retry_after_s: float | None = None) -> float:
    """Seconds to wait before the attempt after the `attempt`-th (from 1): longer each time, never alike."""
    if retry_after_s is not None:
        return retry_after_s + random.uniform(0, _FIRST_WAIT_S)  # noqa: S311 - not a secret
    longest = min(_LAST_WAIT_S, _FIRST_WAIT_S * 2**attempt)
    return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret


def _retry_after(headers: dict[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
