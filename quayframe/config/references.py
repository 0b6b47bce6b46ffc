"""`{env: NAME}` and `{file: PATH}` in place of a value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from .problems import Path
from .source import MAX_BYTES, Source

_KINDS = frozenset({"env", "file"})


class _BrokenError(Exception):
    """A reference that cannot be followed."""


class References:
    """Replaces references in a source's data.

    `paths`: where a reference stood. `broken`: the top-level keys in which one could not be followed.
    """

    def __init__(self, source: Source, env: Mapping[str, str], folder: FilePath) -> None:
        self._source = source
        self._env = env
        self._folder = folder
        self.paths: set[Path] = set()
        self.broken: set[str] = set()

    def resolve(self) -> None:
        """Changes `source.data`; each that cannot be followed becomes a problem."""
        self._source.data = {key: self._value(value, (key,)) for key, value in self._source.data.items()}

    def _value(self, value: Any, path: Path) -> Any:
        if isinstance(value, list):
            return [self._value(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and _KINDS.issuperset(value):
            ((kind, name),) = value.items()
            # a mapping or list below `env` or `file` is no reference: a plugin may be called so
            if not isinstance(name, (dict, list)):
                self.paths.add(path)
                try:
                    return self._env_value(name) if kind == "env" else self._content(name)
                except _BrokenError as error:
                    self._source.problem(path, str(error))
                    self.broken.add(str(path[0]))
                    return None
        return {key: self._value(item, (*path, key)) for key, item in value.items()}

    def _env_value(self, name: Any) -> str:
        if not isinstance(name, str) or not name:
            raise _BrokenError("env: takes the name of a variable")
        if name not in self._env:
            raise _BrokenError(f"the environment has no variable {name}")
        return self._env[name]

    def _content(self, name: Any) -> str:
        if not isinstance(name, str) or not name:
            raise _BrokenError("file: takes a path")
        target = self._folder / name
        try:
            # a pipe or a terminal would make the start wait for ever
            if target.exists() and not target.is_file():
                raise _BrokenError(f"{name} is not a file")
            with target.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise _BrokenError(f"the file {name} is larger than 1 MiB")
            return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise _BrokenError(f"the file {name} is not UTF-8") from None
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else "not a path"
            raise _BrokenError(f"the file {name} cannot be read: {cause}") from None
