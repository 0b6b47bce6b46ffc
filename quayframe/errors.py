"""The catalogue of errors: one class per thing that a client can be told.

A class fixes the code, the HTTP status and the default message. `code` is the code of the OCI
distribution specification (section "Error Codes") where it has one. The protocol and the API render
the same object in their own shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class QuayframeError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigError(QuayframeError):
    """The configuration cannot be used; the text names the cause and the cure."""


class StartError(QuayframeError):
    """The registry cannot start; one line that names the part and the cause."""


class RegistryError(QuayframeError):
    """What a client is told.

    :param message: replaces the class's message.
    :param detail: an object that a program may read; always an object, never a string.
    :param headers: further response headers.
    """

    code: ClassVar[str] = "UNKNOWN"
    status: ClassVar[int] = 500
    api_type: ClassVar[str] = "invalid_request"
    message: ClassVar[str] = "the registry could not do this"
    shape: ClassVar[str] = "typed"
    """Of the API's answer: typed, message (`{"message"}`) or error (`{"error"}`)."""

    def __init__(
        self,
        message: str | None = None,
        *,
        detail: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.text = self.message if message is None else message
        super().__init__(self.text)
        self.detail: dict[str, Any] = dict(detail or {})
        self.headers: dict[str, str] = dict(headers or {})


class Unauthorized(RegistryError):
    """401. `scope` is what the challenge asks for, e.g. `repository:a/b:pull`."""

    code = "UNAUTHORIZED"
    status = 401
    api_type = "invalid_token"
    message = "access to the requested resource is not authorized"

    def __init__(
        self,
        message: str | None = None,
        *,
        scope: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, detail=detail)
        self.scope = scope


class Denied(RegistryError):
    code = "DENIED"
    status = 403
    api_type = "insufficient_scope"
    message = "requested access to the resource is denied"


class NamespaceDisabled(RegistryError):
    code = "DENIED"
    status = 405
    message = "This namespace is disabled. Please contact your system administrator."


class Unsupported(RegistryError):
    code = "UNSUPPORTED"
    status = 405
    message = "The operation is unsupported."


class ReadOnly(RegistryError):
    """The operator has made the registry read-only."""

    code = "DENIED"
    status = 405
    message = "This registry is read-only at the moment"

    def __init__(self) -> None:
        super().__init__(detail={"is_readonly": True})


class PushesDisabled(RegistryError):
    code = "METHOD NOT ALLOWED"
    status = 405
    message = "Pushes to this registry are switched off by its operator"


class InvalidRequest(RegistryError):
    code = "INVALID_REQUEST"
    status = 400
    message = "the request is not valid"


class Refused(InvalidRequest):
    """400 in the API's plain shape, `{"message"}`: what its clients expect of faults that the data show."""

    shape = "message"


class MediaTypeUnsupported(RegistryError):
    status = 415
    shape = "message"
    message = "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."


class Gone(RegistryError):
    status = 410
    shape = "message"
    message = "this is no longer supported"


class MethodNotAllowed(RegistryError):
    """405 of the API."""

    code = "UNSUPPORTED"
    status = 405
    shape = "message"
    message = "The method is not allowed for the requested URL."


class CsrfInvalid(RegistryError):
    """403: a change by a browser's session, or by nobody, without that session's CSRF token."""

    status = 403
    shape = "error"
    message = "CSRF token was invalid or missing."


class FreshLoginRequired(RegistryError):
    """401: the session must verify its password once more."""

    code = "UNAUTHORIZED"
    status = 401
    api_type = "fresh_login_required"
    message = "The action requires a fresh login to succeed."


class InsufficientScope(RegistryError):
    """403 of the API."""

    code = "DENIED"
    status = 403
    api_type = "insufficient_scope"
    message = "Unauthorized"


class NotSignedIn(Unauthorized):
    """401 of the API: no identity, or one that is none any more."""

    message = "Requires authentication"


class NameInvalid(RegistryError):
    code = "NAME_INVALID"
    status = 400
    message = "invalid repository name"


class NameUnknown(RegistryError):
    code = "NAME_UNKNOWN"
    status = 404
    api_type = "not_found"
    message = "repository not found"


class NotFound(RegistryError):
    code = "NOT_FOUND"
    status = 404
    api_type = "not_found"
    message = "not found"


class AlreadyExists(RegistryError):
    code = "INVALID_REQUEST"
    status = 400
    message = "this name is taken"


class NameTaken(RegistryError):
    """409: what comes back finds its name in use."""

    code = "CONFLICT"
    status = 409
    shape = "message"
    message = "this name is taken"


class TagInvalid(RegistryError):
    code = "TAG_INVALID"
    status = 400
    message = "a tag has 1 to 128 characters of [A-Za-z0-9_.-] and begins with a letter, digit or _"


class TagExpired(RegistryError):
    code = "TAG_EXPIRED"
    status = 404
    api_type = "not_found"
    message = "Tag was deleted or has expired. To pull, revive via time machine"


class TagImmutable(RegistryError):
    code = "TAG_IMMUTABLE"
    status = 409
    api_type = "tag_immutable"
    message = "tag is immutable and cannot be overwritten"


class TooManyTags(RegistryError):
    code = "TOO_MANY_TAGS_REQUESTED"
    status = 413
    message = "too many tags in one request"


class ManifestUnknown(RegistryError):
    code = "MANIFEST_UNKNOWN"
    status = 404
    api_type = "not_found"
    message = "manifest unknown"


class ManifestInvalid(RegistryError):
    """400. The message names the cause; `detail.message` repeats it for older clients."""

    code = "MANIFEST_INVALID"
    status = 400
    message = "manifest invalid"

    def __init__(self, cause: str) -> None:
        super().__init__(f"{self.message}: {cause}", detail={"message": cause})


class ManifestBlobUnknown(RegistryError):
    """The manifest names a blob or a child that this repository does not have."""

    code = "MANIFEST_BLOB_UNKNOWN"
    status = 400
    message = "manifest blob unknown to registry"


class ManifestTypeUnsupported(ManifestInvalid):
    status = 415
    message = "manifest type not supported"


class ManifestTooLarge(RegistryError):
    code = "MANIFEST_INVALID"
    status = 413
    message = "the manifest is larger than 4 MiB"


class BlobUnknown(RegistryError):
    code = "BLOB_UNKNOWN"
    status = 404
    api_type = "not_found"
    message = "blob unknown to registry"


class BlobUploadUnknown(RegistryError):
    code = "BLOB_UPLOAD_UNKNOWN"
    status = 404
    message = "blob upload unknown to registry"


class BlobUploadInvalid(RegistryError):
    code = "BLOB_UPLOAD_INVALID"
    status = 400
    message = "blob upload invalid"


class DigestInvalid(RegistryError):
    code = "DIGEST_INVALID"
    status = 400
    message = "the digest is malformed, or not that of the content; sha256 and sha512 are known"


class SizeInvalid(RegistryError):
    code = "SIZE_INVALID"
    status = 400
    message = "the content's length is not the one that was announced"


class RequestTimeout(RegistryError):
    code = "REQUEST_TIMEOUT"
    status = 408
    message = "the body came too slowly and was cut; the upload may be resumed from what was stored"


class LayerTooLarge(RegistryError):
    code = "SIZE_INVALID"
    status = 413
    message = "the blob is larger than this registry accepts (MAXIMUM_LAYER_SIZE)"


class RangeInvalid(RegistryError):
    """416: a Content-Range that does not continue the upload, or a Range outside the blob."""

    code = "BLOB_UPLOAD_INVALID"
    status = 416
    message = "the range does not continue what is there"


class PreconditionFailed(RegistryError):
    code = "PRECONDITION_FAILED"
    status = 412
    message = "the tag is not in the state that If-Match or If-None-Match asked for"


class TooManyRequests(RegistryError):
    code = "TOOMANYREQUESTS"
    status = 429
    shape = "message"
    message = "too many requests"

    def __init__(self, message: str | None = None, *, retry_after: float = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, round(retry_after + 0.5)))})


class Unavailable(RegistryError):
    """503: a part the registry stands on is away or busy; the request may be repeated."""

    code = "UNAVAILABLE"
    status = 503
    shape = "message"
    message = "the registry is busy; try again"

    def __init__(self, message: str | None = None, *, retry_after: float = 1) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, round(retry_after + 0.5)))})


class RepositoryFrozen(RegistryError):
    """The repository's state (READ_ONLY, MIRROR) lets nothing in it be changed."""

    code = "UNAVAILABLE"
    status = 503
    shape = "message"
    message = "Repository is in read only or mirror mode"


class StorageFull(RegistryError):
    code = "UNAVAILABLE"
    status = 507
    message = "the registry's storage is full; nothing of this request was kept"


class Internal(RegistryError):
    code = "UNKNOWN"
    status = 500
    message = "the registry failed; its log has the cause under the request id"
