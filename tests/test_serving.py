"""Options survive the way through the environment; what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from quayframe.errors import ConfigError
from quayframe.serving import ServeOptions, format_bind, parse_bind, read, variables


def test_options_come_out_of_the_environment_as_they_went_in() -> None:
    options = ServeOptions(
        config=Path("/etc/config.yaml"),
        data=Path("/data"),
        host="::1",
        port=1234,
        server="gunicorn",
        only="web",
        workers=3,
        threads=70,
        cert=Path("/c"),
        key=Path("/k"),
        target="a:b",
        stop_seconds=7,
    )

    assert read(variables(options)) == options


def test_an_empty_environment_is_the_defaults() -> None:
    assert read({}) == ServeOptions()


def test_paths_do_not_depend_on_the_childs_folder() -> None:
    assert read(variables(ServeOptions(data=Path("here")))).data == Path.cwd() / "here"


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:0", ("::1", 0)),
        (":8080", ("0.0.0.0", 8080)),
        ("registry.local:65535", ("registry.local", 65535)),
    ],
)
def test_addresses_are_read(text: str, pair: tuple[str, int]) -> None:
    assert parse_bind(text) == pair


@pytest.mark.parametrize("pair", [("127.0.0.1", 80), ("::1", 0)])
def test_addresses_are_written_as_they_are_read(pair: tuple[str, int]) -> None:
    assert parse_bind(format_bind(*pair)) == pair


@pytest.mark.parametrize("text", ["8080", "host:", "host:port", "::1:80", "host:65536", "host:-1", ""])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        parse_bind(text)


@pytest.mark.parametrize(
    ("name", "text"), [("QUAYFRAME_SERVER", "nginx"), ("QUAYFRAME_ONLY", "x"), ("QUAYFRAME_THREADS", "many")]
)
def test_a_variable_that_cannot_be_read_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read({name: text})
