"""All that a plugin may import of Quayframe.

A plugin is an installed distribution with an entry point in the group `quayframe` that names a module. The
module says `quayframe_api = (1, 0)` and holds functions marked with `@hookimpl` (see `hookspecs`).
"""

from __future__ import annotations

from ..events import (
    ChangeRepoPermission,
    ChangeRepoVisibility,
    CreateRepo,
    CreateRobot,
    DeleteBlob,
    DeleteManifest,
    DeleteRepo,
    DeleteRepoPermission,
    DeleteRobot,
    DeleteTag,
    Event,
    LoginFailure,
    LoginSuccess,
    OrgCreate,
    PullRepo,
    PushRepo,
    RegenerateRobotToken,
    ServiceKeyCreate,
    UserChangePassword,
    UserCreate,
    UserDisable,
    UserEnable,
)
from ..oci.descriptor import (
    Descriptor,
)
from ..oci.digest import (
    Digest,
)
from ..oci.manifest import Manifest
from ..oci.manifest import parse as parse_manifest
from .access import (
    PUBLIC,
    SELF_DECIDED,
    SIGNED_IN,
    SUPERUSER,
    Access,
    Repo,
)
from .api import (
    API_VERSION,
)
from .auth import (
    AuthProvider,
    AuthUnavailable,
    Identity,
    InvalidCredentials,
)
from .executors import (
    BuildExecutor,
    BuildJob,
    ExecutionHandle,
    ExecutorState,
    ExecutorUnavailable,
)
from .failures import (
    Retry,
)
from .hookspecs import (
    hookimpl,
)
from .host import (
    Host,
)
from .login import (
    LoginAttempt,
    LoginFailed,
    LoginService,
    LoginUnavailable,
)
from .notifiers import (
    InvalidOptions,
    Level,
    Message,
    Notifier,
    Undeliverable,
)
from .provider import (
    NoConfig,
    Provider,
)
from .scanners import (
    Feature,
    ScanLayer,
    Scanner,
    ScannerCallback,
    ScannerUnavailable,
    ScanReport,
    ScanState,
    ScanTarget,
    Severity,
    Submission,
    Vulnerability,
    VulnerabilityChange,
)
from .storage import (
    ByteStream,
    NoSpace,
    ObjectNotFound,
    StorageBackend,
    StorageError,
    StorageUnavailable,
    Upload,
    UploadLost,
    UrlRequest,
)
from .triggers import (
    BuildRequest,
    BuildTrigger,
    CommitInfo,
    Connection,
    Installed,
    InvalidPayload,
    Person,
    Ref,
    SkipBuild,
    SourceNamespace,
    SourceRepository,
    TriggerError,
    Webhook,
)

__all__ = [
    "API_VERSION",
    "PUBLIC",
    "SELF_DECIDED",
    "SIGNED_IN",
    "SUPERUSER",
    "Access",
    "AuthProvider",
    "AuthUnavailable",
    "BuildExecutor",
    "BuildJob",
    "BuildRequest",
    "BuildTrigger",
    "ByteStream",
    "ChangeRepoPermission",
    "ChangeRepoVisibility",
    "CommitInfo",
    "Connection",
    "CreateRepo",
    "CreateRobot",
    "DeleteBlob",
    "DeleteManifest",
    "DeleteRepo",
    "DeleteRepoPermission",
    "DeleteRobot",
    "DeleteTag",
    "Descriptor",
    "Digest",
    "Event",
    "ExecutionHandle",
    "ExecutorState",
    "ExecutorUnavailable",
    "Feature",
    "Host",
    "Identity",
    "Installed",
    "InvalidCredentials",
    "InvalidOptions",
    "InvalidPayload",
    "Level",
    "LoginAttempt",
    "LoginFailed",
    "LoginFailure",
    "LoginService",
    "LoginSuccess",
    "LoginUnavailable",
    "Manifest",
    "Message",
    "NoConfig",
    "NoSpace",
    "Notifier",
    "ObjectNotFound",
    "OrgCreate",
    "Person",
    "Provider",
    "PullRepo",
    "PushRepo",
    "Ref",
    "RegenerateRobotToken",
    "Repo",
    "Retry",
    "ScanLayer",
    "ScanReport",
    "ScanState",
    "ScanTarget",
    "Scanner",
    "ScannerCallback",
    "ScannerUnavailable",
    "ServiceKeyCreate",
    "Severity",
    "SkipBuild",
    "SourceNamespace",
    "SourceRepository",
    "StorageBackend",
    "StorageError",
    "StorageUnavailable",
    "Submission",
    "TriggerError",
    "Undeliverable",
    "Upload",
    "UploadLost",
    "UrlRequest",
    "UserChangePassword",
    "UserCreate",
    "UserDisable",
    "UserEnable",
    "Vulnerability",
    "VulnerabilityChange",
    "Webhook",
    "hookimpl",
    "parse_manifest",
]
