"""What the configuration's tests share: a file written and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from config_models import ENGINES, LDAP, OIDC, Problems, Read

from quayframe.config import Loaded, load
from quayframe.errors import ConfigError


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Loads a text as config.yaml in the test's folder."""

    def run(text: str | bytes, env: Mapping[str, str] | None = None, **options: Any) -> Loaded:
        file = tmp_path / "config.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        options = {"provider_keys": [LDAP, OIDC], "engines": ENGINES, **options}
        return load(file, env=env or {}, **options)

    return run


@pytest.fixture
def problems(read: Read, tmp_path: Path) -> Problems:
    """The problems of a text, each without the folder in front."""

    def run(text: str | bytes, env: Mapping[str, str] | None = None, **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, env, **options)
        return [line.strip().replace(f"{tmp_path}/", "") for line in str(caught.value).splitlines()[1:]]

    return run
