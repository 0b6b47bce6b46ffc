"""A client that is not installed: named where it is skipped, and a failure in CI."""

from __future__ import annotations

import pytest
from clients import need


def test_a_missing_client_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-client"):
        need("no-such-client")


def test_a_missing_client_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-client"):
        need("no-such-client")


def test_a_client_built_into_the_cache_is_preferred(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    program = cache / "quayframe" / "bin" / "crane"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    assert need("crane") == program
