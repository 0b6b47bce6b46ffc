"""The types of values that config.yaml has and pydantic has not: durations, sizes, networks, URIs."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, Secret, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

MASK = "********"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_DURATION = re.compile(r"([0-9]{1,9})([smhdwy])")
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*(?:([KMGTP])(I?B)?|B)?", re.IGNORECASE)
_SCHEMES = frozenset({"sqlite", "postgresql", "postgres", "mysql", "mariadb"})
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")


class Duration(int):
    """Whole seconds. `text` is the duration as `<number><unit>`, unit one of s m h d w y."""

    text: str

    def __new__(cls, seconds: int, text: str | None = None) -> Duration:
        value = super().__new__(cls, seconds)
        value.text = f"{seconds}s" if text is None else text
        return value

    @classmethod
    def parse(cls, value: object, unit: int = 1) -> Duration:
        """Reads `10s`, or a number of `unit` seconds. Raises ValueError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            match = _DURATION.fullmatch(value.strip())
            if match:
                return cls(int(match[1]) * _UNITS[match[2]], match[0])
            value = float(value) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value.strip()) else value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e10:
            return cls(round(value * unit))
        what = {1: "seconds", 60: "minutes"}[unit]
        raise ValueError(
            f"must be a duration such as 30s, 10m, 2w (units s m h d w y), or a number of {what}"
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.text)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "string", "pattern": r"^[0-9]+[smhdwy]$"}, {"type": "number", "minimum": 0}]
        }


Minutes: TypeAlias = Annotated[Duration, BeforeValidator(lambda value: Duration.parse(value, 60))]
"""A Duration that config.yaml may also give as a plain number of minutes."""


class Size(int):
    """Bytes. Written as a number, or with K M G T P or KiB MiB ... (1024) or KB MB ... (1000)."""

    text: str

    def __new__(cls, size: int, text: str | None = None) -> Size:
        value = super().__new__(cls, size)
        value.text = str(size) if text is None else text
        return value

    @classmethod
    def parse(cls, value: object) -> Size:
        """Reads `20G` or a number of bytes. Raises ValueError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(int(value))
        match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError("must be a size such as 20G, 512MiB, or a number of bytes")
        power = "BKMGTP".index(match[2].upper()) if match[2] else 0
        base = 1000 if (match[3] or "").upper() == "B" else 1024
        return cls(int(float(match[1]) * base**power), match[0])

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.text)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": "^[0-9.]+ *[A-Za-z]*$"}, {"type": "integer"}]}


def mask_uri(uri: str) -> str:
    """The URI with its password replaced. Everything up to the last `@` counts as the user's part, so
    that a password with a `/` or `@` that nobody escaped stays hidden too."""
    head, mark, rest = uri.rpartition("@")
    if mark:
        scheme, colons, login = head.partition("://")
        if colons and ":" in login:
            uri = f"{scheme}://{login.partition(':')[0]}:{MASK}@{rest}"
    return re.sub(r"(?i)([?&;][^=&;]*(?:pass|pwd|secret|token|key)[^=&;]*=)[^&;]*", rf"\g<1>{MASK}", uri)


class DatabaseUri(Secret[str]):
    """A database's URI. `str()` masks its password; `get_secret_value()` is the whole."""

    def _display(self) -> str:
        return mask_uri(self.get_secret_value())

    def _check(self) -> DatabaseUri:
        scheme, colons, _ = self.get_secret_value().partition("://")
        if not colons or scheme.partition("+")[0] not in _SCHEMES:
            raise ValueError("must begin with sqlite:///, postgresql:// or mysql+pymysql://")
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: object) -> DatabaseUri:
            if isinstance(value, cls):
                return value
            if not isinstance(value, str):
                raise ValueError("must be text")
            return cls(value)._check()

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "uri"}


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError("must be an address or a network such as 10.0.0.0/8 (no bits beyond it)") from None


def _host(value: object) -> object:
    if isinstance(value, str):
        match = _HOST.fullmatch(value)
        if match is None or (match[1] and not 0 < int(match[1]) < 65536):
            raise ValueError("must be host or host:port, without a scheme and without a path")
    return value


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


_StrOrList = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Network: TypeAlias = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(_network), WithJsonSchema({"type": "string"})
]
"""A network, or one address as a network of one."""

Host: TypeAlias = Annotated[str, BeforeValidator(_host)]
"""`host` or `host:port`."""

StrOrList: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), WithJsonSchema(_StrOrList)]
"""One text or a list of texts; always a tuple here."""
