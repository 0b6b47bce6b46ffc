"""config.yaml to settings: everything that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import ConfigError
from .catalogue import Catalogue, EngineModels, ProviderKeys, takes
from .check import unknown_parameters, validate
from .problems import NEAR, Path, Problem, hint, nearest
from .references import References
from .settings import Settings
from .source import OVERRIDE, PREFERENCE, Source, apply_override, read_yaml, replace

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class StorageEntry:
    """One location of DISTRIBUTED_STORAGE_CONFIG: its engine's name and typed parameters."""

    engine: str
    config: BaseModel


@dataclass(frozen=True)
class Loaded:
    """A configuration that is good. `raw`: the top-level keys as plain data, references followed, with
    its secrets. `providers`: what a provider's model made of its keys, by model. `storage`: by location
    id; empty when load was given no engines."""

    settings: Settings
    warnings: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    providers: Mapping[type[BaseModel], BaseModel] = field(default_factory=dict, repr=False)
    storage: Mapping[str, StorageEntry] = field(default_factory=dict, repr=False)
    catalogue: Catalogue = field(default_factory=Catalogue, repr=False)
    references: frozenset[Path] = field(default_factory=frozenset, repr=False)

    def config_of(self, model: type[Model]) -> Model:
        """The provider's part of the configuration; raises ConfigError when a key that it must have is
        not set."""
        found = self.providers.get(model)
        if isinstance(found, model):
            return found
        try:
            return model.model_validate({})
        except ValidationError as error:
            names = ", ".join(str(e["loc"][0]) for e in error.errors(include_url=False) if e["loc"])
            raise ConfigError(f"not set, but needed: {names}") from None


def load(
    path: str | FilePath | None,
    *,
    provider_keys: Sequence[ProviderKeys] = (),
    engines: EngineModels | None = None,
    strict: bool = False,
    env: Mapping[str, str],
) -> Loaded:
    """Reads and checks a configuration; `path` None reads the environment's override alone.

    Raises ConfigError, whose text has every problem, one a line, and no secret.
    """
    source = read_yaml(FilePath(path)) if path is not None else Source(name=OVERRIDE)
    return _Check(source, Catalogue.of(provider_keys, engines), strict).run(path, env)


class _Check:
    def __init__(self, source: Source, catalogue: Catalogue, strict: bool) -> None:
        self._source = source
        self._catalogue = catalogue
        self._strict = strict
        self._warnings: list[Problem] = []
        self._broken: frozenset[str] = frozenset()

    def run(self, path: str | FilePath | None, env: Mapping[str, str]) -> Loaded:
        source = self._source
        if source.empty:
            self._warnings.append(Problem(source.name, "", "is empty: every key has its default"))
        if env.get(OVERRIDE):
            apply_override(source, env[OVERRIDE])
        if env.get(PREFERENCE):
            replace(source, {"DISTRIBUTED_STORAGE_PREFERENCE": env[PREFERENCE].split()}, PREFERENCE)
        folder = FilePath(path).parent if path is not None else FilePath()
        references = References(source, env, folder)
        references.resolve()
        self._broken = frozenset(references.broken)
        self._names()
        settings = self._core()
        providers = self._providers()
        storage = self._storage()
        self._locations()
        if source.problems or settings is None:
            raise ConfigError(self._failure())
        return Loaded(
            settings,
            tuple(str(warning) for warning in self._warnings),
            source.data,
            providers,
            storage,
            self._catalogue,
            frozenset(references.paths),
        )

    def _failure(self) -> str:
        count = len(self._source.problems)
        title = f"{count} problems in the configuration" if count > 1 else "a problem in the configuration"
        found = sorted(self._source.problems, key=Problem.order)
        return "\n".join([title, *(f"  {problem}" for problem in found)])

    def _warn(self, path: Path, text: str) -> None:
        self._warnings.append(Problem(self._source.where(path), ".".join(map(str, path)), text))

    def _names(self) -> None:
        """Sorts out keys that the core and the providers do not read."""
        names = self._catalogue.names()
        # the search for the nearest name is slow; a file of thousands of unknown keys needs none
        searches = 50
        for key in self._source.data:
            if key in self._catalogue.core or self._catalogue.owners(key):
                continue
            if self._catalogue.not_built(key):
                self._warn((key,), "not built yet: accepted and without effect")
                continue
            found = nearest(key, names) if searches > 0 else None
            searches -= 1
            text = "is not a known key" + (f"; did you mean {found[0]}?" if found else "")
            if self._strict or self._catalogue.forbids(key) or (found and found[1] <= NEAR):
                self._source.problem((key,), text)
            else:
                self._warn((key,), text)

    def _core(self) -> Settings | None:
        data: dict[str, Any] = {}
        for key, value in self._source.data.items():
            info = self._catalogue.core.get(key)
            if info is None or value is None or key in self._broken:
                continue
            if value == "None" and info.default is None:
                self._warn((key,), "is the text None, read as unset (YAML writes null)")
                continue
            if info.annotation is bool and isinstance(value, str):
                self._warn((key,), "is text, read as true or false (YAML writes it without quotes)")
            data[key] = value
        settings = validate(self._source, Settings, data)
        if settings and settings.DEFAULT_TAG_EXPIRATION not in settings.TAG_EXPIRATION_OPTIONS:
            self._warn(("DEFAULT_TAG_EXPIRATION",), "is not one of TAG_EXPIRATION_OPTIONS")
        return settings

    def _providers(self) -> dict[type[BaseModel], BaseModel]:
        """Gives each provider its keys, when one is set or the provider is the one that checks passwords."""
        result: dict[type[BaseModel], BaseModel] = {}
        chosen = self._source.data.get("AUTHENTICATION_TYPE")
        for provider in self._catalogue.providers:
            data = {
                key: value
                for key, value in self._source.data.items()
                if key not in self._broken
                and provider in self._catalogue.owners(key)
                and takes(provider.model, key)
            }
            if data or provider.provider == chosen:
                made = validate(self._source, provider.model, data, broken=self._broken)
                if made is not None:
                    result[provider.model] = made
        return result

    def _storage(self) -> dict[str, StorageEntry]:
        result: dict[str, StorageEntry] = {}
        engines = self._catalogue.engines
        for name, engine, parameters in self._entries():
            at: Path = ("DISTRIBUTED_STORAGE_CONFIG", name)
            if engines is None:
                continue
            if engine not in engines:
                text = f"no storage engine {engine} is installed" + hint(engine, engines)
                self._source.problem((*at, 0), text)
                continue
            data = dict(parameters)
            unknown_parameters(self._source, engines[engine], data, (*at, 1))
            made = validate(self._source, engines[engine], data, (*at, 1))
            if made is not None:
                result[name] = StorageEntry(engine, made)
        return result

    def _entries(self) -> list[tuple[str, str, dict[str, Any]]]:
        """The storage entries of the right shape; the others are `_core`'s problem."""
        key = "DISTRIBUTED_STORAGE_CONFIG"
        value = self._source.data.get(key)
        if not isinstance(value, dict) or key in self._broken:
            return []
        return [
            (name, entry[0], entry[1])
            for name, entry in value.items()
            if isinstance(entry, list)
            and len(entry) == 2
            and isinstance(entry[0], str)
            and isinstance(entry[1], dict)
        ]

    def _locations(self) -> None:
        """Ids that are named must be there."""
        known = self._source.data.get("DISTRIBUTED_STORAGE_CONFIG")
        if not isinstance(known, dict):
            return
        for key in ("DISTRIBUTED_STORAGE_PREFERENCE", "DISTRIBUTED_STORAGE_DEFAULT_LOCATIONS"):
            ids = self._source.data.get(key)
            for index, name in enumerate(ids if isinstance(ids, list) else []):
                if isinstance(name, str) and name not in known:
                    text = "names a location that DISTRIBUTED_STORAGE_CONFIG does not have"
                    self._source.problem((key, index), text + hint(name, known))
