"""What a registry without a configuration of its own stands on: a folder."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ..errors import ConfigError
from .settings import Settings
from .types import DatabaseUri


def embedded(settings: Settings, data_dir: str | Path) -> Settings:
    """The settings with what is unset filled in: SQLite and storage below `data_dir`, which is made
    (mode 700), and keys that are generated once into `secret-key` and `database-secret-key` (mode 600).

    Raises ConfigError when the folder cannot be used, and when the database is a server's and a key is
    unset: every process of it must have the same keys.
    """
    folder = Path(data_dir).absolute()
    unset: dict[str, Any] = {}
    keys = {"SECRET_KEY": "secret-key", "DATABASE_SECRET_KEY": "database-secret-key"}
    missing = [name for name in keys if getattr(settings, name) is None]
    uri = settings.DB_URI
    if missing and uri is not None and not uri.get_secret_value().startswith("sqlite"):
        raise ConfigError(
            f"DB_URI names a database server, so {' and '.join(missing)} must be set: every process that "
            "uses the database needs the same"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in missing:
            unset[name] = SecretStr(_key(folder / keys[name]))
    except OSError as error:
        raise ConfigError(f"the data folder {folder} cannot be used: {error.strerror or error}") from error
    if uri is None:
        unset["DB_URI"] = DatabaseUri(f"sqlite:///{folder / 'quayframe.db'}")
    if not settings.DISTRIBUTED_STORAGE_CONFIG:
        local = ("LocalStorage", {"storage_path": str(folder / "storage")})
        unset["DISTRIBUTED_STORAGE_CONFIG"] = {"default": local}
        unset["DISTRIBUTED_STORAGE_PREFERENCE"] = ("default",)
        unset["DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS"] = ()
    elif not settings.DISTRIBUTED_STORAGE_PREFERENCE:
        unset["DISTRIBUTED_STORAGE_PREFERENCE"] = tuple(settings.DISTRIBUTED_STORAGE_CONFIG)
    return settings.model_copy(update=unset)


def _key(path: Path) -> str:
    """The key in the file, which is made when it is not there. Of processes that make it at once one
    wins, and all get its key: a link to a whole file cannot be seen half written."""
    if not path.exists():
        # a decimal number of 256 bits: of any other text only the first 32 characters count
        key = str(secrets.randbits(256) | 1 << 255)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(key + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        _sync(path.parent)
    try:
        key = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} does not hold a key: it is not text") from None
    if not key:
        raise ConfigError(f"{path} is empty: put the key back, or remove the file to have a new one made")
    return key


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
