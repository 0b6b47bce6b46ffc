"""Which modules make up the API: one line per noun."""

from __future__ import annotations

import importlib

from quayframe.registry import Registry

from ..request import Callers
from ..router import Router
from .frame import Api

MODULES = (
    "application_tokens",
    "applications",
    "apptokens",
    "authorizations",
    "autoprune",
    "capabilities",
    "discovery",
    "effective",
    "entities",
    "error",
    "federation",
    "immutability",
    "invites",
    "labels",
    "lifecycle",
    "manifests",
    "members",
    "messages",
    "organizations",
    "permissions",
    "prototypes",
    "pull_statistics",
    "recycle_bin",
    "repositories",
    "repotokens",
    "robot_credentials",
    "robots",
    "search",
    "sessions",
    "stars",
    "superuser_keys",
    "superuser_organizations",
    "superuser_registry",
    "superuser_users",
    "tags",
    "teams",
    "users",
)


def add_all(router: Router, registry: Registry, callers: Callers) -> Api:
    """Registers every resource of the API."""
    api = Api(registry, callers)
    for name in MODULES:
        for cls in importlib.import_module(f"quayframe.http.api.{name}").RESOURCES:
            resource = cls(api)
            api.resources.append(resource)
            router.add_route(cls.path, resource)
    return api
