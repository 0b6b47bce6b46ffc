"""The composition root: a configuration becomes a database, plugins, providers and services."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from quayframe import config
from quayframe.config import Loaded, ProviderKeys, Settings
from quayframe.data import migrations
from quayframe.data.db import SQLITE, Database
from quayframe.errors import StartError
from quayframe.events import Event
from quayframe.plugin import AuthProvider, Host
from quayframe.plugin.manager import PluginManager
from quayframe.services import bootstrap, contents, locations, tenancy
from quayframe.services.access import Access
from quayframe.services.accounts import Accounts
from quayframe.services.activity import Activity
from quayframe.services.blobs import TRASH_DELAY_MS, Blobs
from quayframe.services.contents import Content, ContentGround
from quayframe.services.crypto import SecretBox
from quayframe.services.gate import Gate, Rules
from quayframe.services.gc import Collector
from quayframe.services.host import PluginHost
from quayframe.services.jobs import Jobs
from quayframe.services.keys import Keys
from quayframe.services.logins import Logins
from quayframe.services.manifests import Manifests
from quayframe.services.passwords import PasswordChecker
from quayframe.services.pins import Pins
from quayframe.services.pulls import Pulls
from quayframe.services.referrers import Referrers
from quayframe.services.repositories import Repositories
from quayframe.services.storage import Storage
from quayframe.services.suspects import Suspects
from quayframe.services.tags import Tags
from quayframe.services.tenancy import Ground, Tenancy
from quayframe.services.tokens import Tokens
from quayframe.services.uploads import Uploads

log = logging.getLogger("quayframe.registry")


@dataclass
class Registry:
    """Everything that runs in one process, wired."""

    settings: Settings
    loaded: Loaded
    plugins: PluginManager
    db: Database
    accounts: Accounts
    access: Access
    activity: Activity
    keys: Keys
    tokens: Tokens
    logins: Logins
    gate: Gate
    repositories: Repositories
    blobs: Blobs
    uploads: Uploads
    manifests: Manifests
    pulls: Pulls
    tags: Tags
    referrers: Referrers
    storage: Storage
    jobs: Jobs
    collector: Collector
    tenancy: Tenancy
    content: Content

    def host_for(self, plugin: str) -> Host:
        """The host that the hooks of this plugin receive."""
        return _host(self.db, self.plugins, self.settings, plugin)

    def start(self) -> None:
        """Calls the plugins' start hooks. Raises StartError for one that hangs or is needed and broken."""
        needed = {
            self.plugins.provider("auth", self.settings.AUTHENTICATION_TYPE).plugin,
            *(self.plugins.provider("storage", e.engine).plugin for e in self.loaded.storage.values()),
        }
        self.plugins.startup(self.host_for, needed=needed)

    def close(self) -> None:
        self.keys.close()
        self.content.pull_counts.close()
        self.db.close()


def load(
    path: str | Path | None, env: Mapping[str, str] | None = None, *, strict: bool = False
) -> tuple[PluginManager, Loaded]:
    """Reads the configuration twice: for PLUGINS, and again with what the plugins say of their keys.

    Raises ConfigError with every problem; StartError where the plugin of a storage engine is broken."""
    env = os.environ if env is None else env
    first = config.load(path, env=env)
    manager = PluginManager(allow=first.settings.PLUGINS)
    manager.discover()
    manager.load()
    keys, engines = provider_keys(manager)
    if manager.broken():
        # A back end that is not there because its plugin is broken: say that, with the cause.
        for engine, _ in (first.settings.DISTRIBUTED_STORAGE_CONFIG or {}).values():
            manager.provider("storage", engine)
    return manager, config.load(path, provider_keys=keys, engines=engines, strict=strict, env=env)


def provider_keys(manager: PluginManager) -> tuple[list[ProviderKeys], dict[str, type[BaseModel]]]:
    """The top-level keys that providers read, and the parameters of each storage engine."""
    keys = []
    for kind in ("auth", "login", "trigger", "notifier", "executor", "scanner"):
        for name, record in manager.providers(kind).items():
            if record.cls.config_keys:
                keys.append(ProviderKeys(name, tuple(record.cls.config_keys), record.cls.Config))
    engines = {name: record.cls.Config for name, record in manager.providers("storage").items()}
    return keys, engines


def build(
    manager: PluginManager,
    loaded: Loaded,
    data_dir: str | Path,
    *,
    processes: int = 1,
    migrate: bool | None = None,
) -> Registry:
    """Wires a registry; the folder of embedded mode is `data_dir`. Nothing is served yet.

    :param processes: how many web processes share this machine's cores.
    :param migrate: run pending migrations; by itself only on SQLite.
    Raises ConfigError, StartError.
    """
    settings = config.embedded(loaded.settings, data_dir)
    for line in (*loaded.warnings, *manager.configure(settings.PLUGIN_CONFIG)):
        log.warning("configuration: %s", line)
    db = _database(settings)
    _schema(db, migrate)
    storage = locations.build(manager, loaded, settings)
    return _wire(manager, loaded, settings, db, storage, Path(data_dir), processes)


def hosts(manager: PluginManager, loaded: Loaded, data_dir: str | Path) -> Callable[[str], Host]:
    """Hosts for the commands of plugins: nothing is made, opened or migrated before one is used."""
    settings = loaded.settings
    manager.configure(settings.PLUGIN_CONFIG)
    uri = f"sqlite:///{Path(data_dir).absolute() / 'quayframe.db'}"
    if settings.DB_URI is not None:
        uri = settings.DB_URI.get_secret_value()
    db = Database(uri, settings.DB_CONNECTION_ARGS)
    return lambda plugin: _host(db, manager, settings, plugin)


def _schema(db: Database, migrate: bool | None) -> None:
    pending = migrations.pending(db)
    if not pending:
        return
    if migrate is False or (migrate is None and db.dialect != SQLITE):
        raise StartError("the database's schema is not current; run: quayframe migrate")
    migrations.migrate(db)


def pending_migrations(loaded: Loaded, data_dir: str | Path) -> list[str]:
    """The names of the steps that the configured database's schema still needs, in order."""
    with closing(_database(config.embedded(loaded.settings, data_dir))) as db:
        return migrations.pending(db)


def migrate(loaded: Loaded, data_dir: str | Path) -> tuple[list[str], str]:
    """Brings the configured database's schema up to date: (names of the steps taken, its version)."""
    with closing(_database(config.embedded(loaded.settings, data_dir))) as db:
        return migrations.migrate(db), migrations.version()


def _database(settings: Settings) -> Database:
    assert settings.DB_URI is not None
    return Database(settings.DB_URI.get_secret_value(), settings.DB_CONNECTION_ARGS)


def _host(db: Database, manager: PluginManager, settings: Settings, plugin: str) -> Host:
    name = settings.SERVER_HOSTNAME
    url = f"{settings.PREFERRED_URL_SCHEME}://{name}" if name else None
    return PluginHost(db, plugin, manager.record(plugin).config, url)


def _wire(
    manager: PluginManager,
    loaded: Loaded,
    s: Settings,
    db: Database,
    storage: Storage,
    data_dir: Path,
    processes: int,
) -> Registry:
    def check(event: Event) -> None:
        manager.check(event, lambda plugin: _host(db, manager, s, plugin))

    activity = Activity(db, s.DISABLED_FOR_AUDIT_LOGS)
    assert s.DATABASE_SECRET_KEY is not None
    box = SecretBox(s.DATABASE_SECRET_KEY.get_secret_value())
    accounts = _accounts(s, db, activity, processes)
    access = _access(s, db)
    keys = _keys(s, db, data_dir)
    gate = _gate(s, db)
    repositories = _repositories(s, db, accounts, access, activity, check)
    jobs = Jobs(db)
    suspects = Suspects(db, jobs, writing=s.REGISTRY_STATE != "readonly")
    blobs = _blobs(s, db, gate, storage, access, activity, repositories, check, suspects)
    uploads = Uploads(db, storage, blobs, repositories, limit=s.MAXIMUM_LAYER_SIZE)
    content = contents.build(
        ContentGround(
            s, db, accounts, access, activity, gate, repositories, blobs, uploads, storage, jobs, check
        )
    )
    people = tenancy.build(Ground(s, db, accounts, access, activity, repositories, jobs, box, check))
    auth = _auth(manager, loaded, s.AUTHENTICATION_TYPE, accounts)
    return Registry(
        settings=s,
        loaded=loaded,
        plugins=manager,
        db=db,
        accounts=accounts,
        access=access,
        activity=activity,
        keys=keys,
        tokens=_tokens(s, keys, access, accounts),
        logins=_logins(s, db, accounts, people, activity, auth),
        gate=gate,
        repositories=repositories,
        blobs=blobs,
        uploads=uploads,
        manifests=content.manifests,
        pulls=content.pulls,
        tags=content.tags,
        referrers=content.referrers,
        storage=storage,
        jobs=jobs,
        collector=Collector(db, storage, uploads, expired_key_ms=s.EXPIRED_SERVICE_KEY_TTL_SEC * 1000),
        tenancy=people,
        content=content,
    )


def _blobs(
    s: Settings,
    db: Database,
    gate: Gate,
    storage: Storage,
    access: Access,
    activity: Activity,
    repositories: Repositories,
    check: Callable[[Event], None],
    suspects: Suspects,
) -> Blobs:
    return Blobs(
        db,
        gate,
        storage,
        access,
        activity,
        repositories,
        check,
        Pins(enabled=s.FEATURE_IMMUTABLE_TAGS),
        hold_s=s.PUSH_TEMP_TAG_EXPIRATION_SEC,
        trash_delay_ms=0 if s.TESTING else TRASH_DELAY_MS,
        suspect=suspects.add,
    )


def _library(s: Settings) -> str | None:
    return s.LIBRARY_NAMESPACE if s.FEATURE_LIBRARY_SUPPORT else None


def _accounts(s: Settings, db: Database, activity: Activity, processes: int) -> Accounts:
    checker = PasswordChecker(max(1, (os.cpu_count() or 1) // processes))
    superusers = s.SUPER_USERS
    if not superusers and s.AUTHENTICATION_TYPE == "Database" and not s.FEATURE_USER_INITIALIZE:
        # The one that the first start makes; of another provider's names none is special.
        superusers = (bootstrap.DEFAULT_NAME,)
    return Accounts(
        db,
        activity,
        checker,
        superusers if s.FEATURE_SUPER_USERS else (),
        s.GLOBAL_READONLY_SUPER_USERS,
    )


def _access(s: Settings, db: Database) -> Access:
    return Access(
        db,
        anonymous=s.FEATURE_ANONYMOUS_ACCESS,
        superusers_full=s.FEATURE_SUPERUSERS_FULL_ACCESS,
        restricted=(s.RESTRICTED_USERS_WHITELIST or ()) if s.FEATURE_RESTRICTED_USERS else None,
    )


def _keys(s: Settings, db: Database, data_dir: Path) -> Keys:
    return Keys(
        db,
        service=s.INSTANCE_SERVICE_KEY_SERVICE,
        life_s=s.INSTANCE_SERVICE_KEY_EXPIRATION,
        refresh_s=s.INSTANCE_SERVICE_KEY_REFRESH,
        folder=data_dir if data_dir.is_dir() else None,
        readonly=s.REGISTRY_STATE == "readonly",
    )


def _tokens(s: Settings, keys: Keys, access: Access, accounts: Accounts) -> Tokens:
    return Tokens(
        keys,
        access,
        accounts,
        service=s.INSTANCE_SERVICE_KEY_SERVICE,
        max_fresh_s=s.REGISTRY_JWT_AUTH_MAX_FRESH_S,
        library=_library(s),
        extended_names=s.FEATURE_EXTENDED_REPOSITORY_NAMES,
        create_namespaces=s.CREATE_NAMESPACE_ON_PUSH,
        anonymous=s.FEATURE_ANONYMOUS_ACCESS,
    )


def _logins(
    s: Settings, db: Database, accounts: Accounts, people: Tenancy, activity: Activity, provider: AuthProvider
) -> Logins:
    assert s.SECRET_KEY is not None
    return Logins(
        db,
        accounts,
        people.robots,
        activity,
        [provider],
        people.encrypted,
        people.token_names,
        key=hmac.digest(s.SECRET_KEY.get_secret_value().encode(), b"login failures", "sha256"),
        audit_failures=s.ACTION_LOG_AUDIT_LOGIN_FAILURES,
        audit_logins=s.ACTION_LOG_AUDIT_LOGINS,
        note_access_s=s.LAST_ACCESSED_UPDATE_THRESHOLD_S
        if s.FEATURE_USER_LAST_ACCESSED and s.REGISTRY_STATE != "readonly"
        else None,
        readonly=s.REGISTRY_STATE == "readonly",
    )


def _gate(s: Settings, db: Database) -> Gate:
    rules = Rules(
        anonymous=s.FEATURE_ANONYMOUS_ACCESS,
        readonly=s.REGISTRY_STATE == "readonly",
        pushes=not s.DISABLE_PUSHES,
    )
    return Gate(db, rules)


def _repositories(
    s: Settings,
    db: Database,
    accounts: Accounts,
    access: Access,
    activity: Activity,
    check: Callable[[Event], None],
) -> Repositories:
    return Repositories(
        db,
        accounts,
        access,
        activity,
        check,
        private=s.CREATE_PRIVATE_REPO_ON_PUSH,
        create_namespaces=s.CREATE_NAMESPACE_ON_PUSH,
    )


def _auth(manager: PluginManager, loaded: Loaded, name: str, accounts: Accounts) -> AuthProvider:
    """The log-in provider that AUTHENTICATION_TYPE names. Providers of the core's own say which
    services they need (`needs`), and are handed them."""
    cls: Any = manager.provider("auth", name).cls
    own = {"accounts": accounts}
    needs = {need: own[need] for need in getattr(cls, "needs", ())}
    provider: AuthProvider = cls(loaded.config_of(cls.Config), **needs)
    return provider
