"""The embedded defaults and their keys."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from pydantic import SecretStr

from quayframe.config import DatabaseUri, Settings, embedded
from quayframe.errors import ConfigError


def _secret(settings: Settings) -> tuple[str, str]:
    assert settings.SECRET_KEY
    assert settings.DATABASE_SECRET_KEY
    return settings.SECRET_KEY.get_secret_value(), settings.DATABASE_SECRET_KEY.get_secret_value()


def test_a_folder_is_all_that_is_needed(tmp_path: Path) -> None:
    settings = embedded(Settings(), tmp_path / "data")
    assert settings.DB_URI
    assert settings.DB_URI.get_secret_value() == f"sqlite:///{tmp_path}/data/quayframe.db"
    assert {
        "default": ("LocalStorage", {"storage_path": f"{tmp_path}/data/storage"})
    } == settings.DISTRIBUTED_STORAGE_CONFIG
    assert settings.DISTRIBUTED_STORAGE_PREFERENCE == ("default",)
    assert Settings().DB_URI is None


def test_keys_are_made_once_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    first, second = (_secret(embedded(Settings(), tmp_path)) for _ in range(2))
    assert first == second
    assert first[0] != first[1]
    assert int(first[0]).bit_length() == 256
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "secret-key": 0o600,
        "database-secret-key": 0o600,
    }


def test_what_is_configured_stays(tmp_path: Path) -> None:
    given = Settings(
        DB_URI=DatabaseUri("postgresql://h/db"),
        SECRET_KEY=SecretStr("a"),
        DATABASE_SECRET_KEY=SecretStr("b"),
        DISTRIBUTED_STORAGE_CONFIG={"x": ("S3Storage", {})},
    )
    settings = embedded(given, tmp_path)
    assert _secret(settings) == ("a", "b")
    assert settings.DB_URI == given.DB_URI
    assert settings.DISTRIBUTED_STORAGE_PREFERENCE == ("x",)
    assert list(tmp_path.iterdir()) == []


def test_a_database_server_needs_keys_that_are_written_down(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SECRET_KEY and DATABASE_SECRET_KEY must be set"):
        embedded(Settings(DB_URI=DatabaseUri("postgresql://h/db")), tmp_path)


def test_an_empty_key_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "secret-key").touch()
    with pytest.raises(ConfigError, match="secret-key is empty"):
        embedded(Settings(), tmp_path)


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be used"):
        embedded(Settings(), tmp_path / "file" / "data")


def _start(folder: str, barrier: object, results: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    results.put(_secret(embedded(Settings(), folder)))  # type: ignore[attr-defined]


def test_processes_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        barrier, results = context.Barrier(4), context.Queue()
        folder = str(tmp_path / str(attempt))
        workers = [context.Process(target=_start, args=(folder, barrier, results)) for _ in range(4)]
        for worker in workers:
            worker.start()
        found = {results.get(timeout=30) for _ in workers}
        for worker in workers:
            worker.join(30)
        assert len(found) == 1
        assert sorted(p.name for p in Path(folder).iterdir()) == ["database-secret-key", "secret-key"]
