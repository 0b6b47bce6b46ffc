"""The registry itself, as superusers see it: size, configuration, changes, state."""

from __future__ import annotations

from importlib import resources
from typing import Any, Literal

from typing_extensions import TypedDict

from quayframe import serving
from quayframe.config import told
from quayframe.errors import Refused

from . import needs
from .operation import Call, Reply, Resource, operation


class SizeView(TypedDict):
    """`last_ran` in milliseconds since the epoch, null when nobody has counted yet."""

    size_bytes: int
    last_ran: int | None
    queued: bool
    running: bool


class ChangeLog(TypedDict):
    log: str


class ConfigDump(TypedDict):
    """`config` has the known keys, `warning` the unknown ones; secrets are stars and a length."""

    config: dict[str, Any]
    warning: dict[str, Any]
    env: dict[str, Any]
    schema: dict[str, Any]


class RegistryStatus(TypedDict):
    provider_id: str
    status: str


class Nothing(TypedDict):
    pass


class RegistrySize(Resource):
    path = "/api/v1/superuser/registrysize/"

    @operation(
        "getRegistrySize",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=SizeView,
        internal=True,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def get(self, call: Call) -> SizeView:
        """How much the registry held when it was last counted."""
        size = call.registry.tenancy.registry_sizes.get()
        return {
            "size_bytes": size.bytes,
            "last_ran": size.last_ran_ms,
            "queued": size.queued,
            "running": size.running,
        }

    @operation(
        "queueRegistrySizeCalculation",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=Literal[""],
        status=201,
        also=(202,),
        internal=True,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def post(self, call: Call) -> Reply:
        """Has it counted again; 202 where that is asked for or under way already."""
        queued = call.registry.tenancy.registry_sizes.queue(call.principal)
        return Reply("", status=201 if queued else 202)


class Changes(Resource):
    path = "/api/v1/superuser/changelog/"

    @operation(
        "getChangeLog",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=ChangeLog,
        internal=True,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def get(self, call: Call) -> ChangeLog:
        """What has changed from version to version, as Markdown."""
        return {"log": resources.files("quayframe").joinpath("CHANGELOG.md").read_text(encoding="utf-8")}


class Configuration(Resource):
    path = "/api/v1/superuser/config"

    @operation(
        "getConfigDump",
        "superuser",
        needs.SUPERUSER,
        scopes=("super:user",),
        answer=ConfigDump,
        internal=True,
        feature="FEATURE_SUPERUSER_CONFIGDUMP",
        fresh=True,
    )
    def get(self, call: Call) -> ConfigDump:
        """The configuration in force, secrets masked."""
        known, unknown = told(call.registry.loaded)
        return {"config": known, "warning": unknown, "env": {}, "schema": {}}


class Status(Resource):
    path = "/api/v1/superuser/registrystatus"

    @operation(
        "scRegistryStatus",
        "suconfig",
        needs.SUPERUSER,
        answer=RegistryStatus,
        internal=True,
        feature="FEATURE_SUPER_USERS",
    )
    def get(self, call: Call) -> RegistryStatus:
        """Whether the registry is set up: whoever reads this finds it ready."""
        return {"provider_id": "file", "status": "ready"}


class Shutdown(Resource):
    path = "/api/v1/superuser/shutdown"

    @operation(
        "scShutdownContainer",
        "suconfig",
        needs.SUPERUSER,
        answer=Nothing,
        status=201,
        internal=True,
        feature="FEATURE_SUPER_USERS",
        fresh=True,
    )
    def post(self, call: Call) -> Nothing:
        """Ends `quayframe serve` on this machine, once what is under way is done."""
        supervisor = serving.supervisor()
        if supervisor is not None:
            call.registry.db.write(lambda tx: tx.after(lambda: serving.end(supervisor)))
        elif not call.registry.settings.TESTING:
            raise Refused("this registry is not run by `quayframe serve`: whoever started it ends it")
        return {}


RESOURCES = (RegistrySize, Changes, Configuration, Status, Shutdown)
