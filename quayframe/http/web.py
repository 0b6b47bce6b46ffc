"""What a browser's page asks before anything else: its CSRF token, and how this registry is set up."""

from __future__ import annotations

from typing import Any

import falcon

from quayframe import __version__
from quayframe.config.known import NOT_BUILT
from quayframe.plugin.access import PUBLIC
from quayframe.registry import Registry

from .api.views import COLORS
from .html import Pages
from .render import JSON, to_json

_PREFIX = "FEATURE_"
_SHOWN = (
    "AUTHENTICATION_TYPE", "AVATAR_KIND", "DEFAULT_NAMESPACE_AUTOPRUNE_POLICY", "LOCAL_OAUTH_HANDLER",
    "PREFERRED_URL_SCHEME", "REGISTRY_TITLE", "REGISTRY_TITLE_SHORT", "SEARCH_MAX_RESULT_PAGE_COUNT",
    "SEARCH_RESULTS_PER_PAGE", "SERVER_HOSTNAME",
)  # fmt: skip
_FEATURES_SHOWN = (
    "ASSIGN_OAUTH_TOKEN", "AUTO_PRUNE", "EDIT_QUOTA", "IMAGE_EXPIRY_TRIGGER", "IMMUTABLE_TAGS_CAN_EXPIRE",
    "ORG_MIRROR", "PROXY_CACHE", "QUOTA_MANAGEMENT", "QUOTA_NOTIFICATIONS", "REPO_MIRROR",
)  # fmt: skip
_UNSET: dict[str, Any] = {
    "BRANDING": {"logo": None, "logo_dark": None, "footer_img": None, "footer_url": None},
    "DEBUG": False,
    "DEFAULT_UI": "react",
    "DISABLE_ANGULAR_UI": True,
    "DOCUMENTATION_ROOT": "/api/v1/docs",
    "FOOTER_LINKS": {},
    "PERMANENTLY_DELETE_TAGS": False,
    "QUOTA_BACKFILL": False,
    "RECAPTCHA_SITE_KEY": None,
    "SENTRY_PUBLIC_DSN": None,
    "SETUP_COMPLETE": True,
    "STATIC_SITE_BUCKET": None,
    "UI_DELAY_AFTER_WRITE_SECONDS": 3,
    "UI_V2_FEEDBACK_FORM": None,
}
"""What clients look for and this registry has nothing to say of."""


class CsrfToken:
    """`/csrf_token`: the session's token, the same for as long as it lives; a session begins where there
    is none."""

    access = {"GET": PUBLIC}

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        _, session = self._pages.session(req, resp)
        resp.set_header("Cache-Control", "no-store")
        resp.content_type = JSON
        resp.data = to_json({"csrf_token": session.csrf})


class PublicConfig:
    """`/config`: public facts; each is named here, so that nothing secret can get in."""

    access = {"GET": PUBLIC}

    def __init__(self, registry: Registry) -> None:
        self._answer = to_json(public(registry))

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = JSON
        resp.data = self._answer


def public(registry: Registry) -> dict[str, Any]:
    """The answer of `/config`."""
    s = registry.settings
    features = {key.removeprefix(_PREFIX): False for key in NOT_BUILT if key.startswith(_PREFIX)}
    features |= {
        key.removeprefix(_PREFIX): bool(getattr(s, key))
        for key in type(s).model_fields
        if key.startswith(_PREFIX)
    }
    config = {
        **_UNSET,
        **{key: getattr(s, key) for key in _SHOWN},
        **{f"{_PREFIX}{name}": features.get(name, False) for name in _FEATURES_SHOWN},
        "CHANNEL_COLORS": list(COLORS),
        "CONTACT_INFO": list(s.CONTACT_INFO),
        "TAG_EXPIRATION_OPTIONS": [option.text for option in s.TAG_EXPIRATION_OPTIONS],
    }
    return {
        "config": config,
        "features": dict(sorted(features.items())),
        "oauth": {},
        "external_login": [],
        "registry_state": s.REGISTRY_STATE,
        "account_recovery_mode": s.ACCOUNT_RECOVERY_MODE,
        "version_number": f"Quayframe {__version__}",
    }
