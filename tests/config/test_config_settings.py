"""The typed settings: defaults, types, immutability."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from config_models import Problems, Read
from pydantic import ValidationError

from quayframe.config import DatabaseUri, Duration, Settings, Size


def test_every_key_is_upper_case_and_has_a_description() -> None:
    for name, info in Settings.model_fields.items():
        assert name == name.upper()
        assert info.description


def test_nothing_set_is_a_good_configuration(read: Read) -> None:
    loaded = read("SERVER_HOSTNAME: registry.example.com:8443\n")
    assert loaded.warnings == ()
    assert loaded.settings == Settings(SERVER_HOSTNAME="registry.example.com:8443")


def test_settings_cannot_be_changed(read: Read) -> None:
    with pytest.raises(ValidationError):
        read("").settings.TESTING = True


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [("120", 7200, "7200s"), ("'10s'", 10, "10s"), ("0.5", 30, "30s"), ("2h", 7200, "2h")],
)
def test_instance_key_times_are_minutes_or_durations_and_become_seconds(
    read: Read, text: str, seconds: int, shown: str
) -> None:
    value = read(f"INSTANCE_SERVICE_KEY_REFRESH: {text}").settings.INSTANCE_SERVICE_KEY_REFRESH
    assert (value, value.text) == (seconds, shown)


def test_tag_expirations_keep_their_text(read: Read) -> None:
    settings = read("TAG_EXPIRATION_OPTIONS: [0s, 3d, 2w]").settings
    assert [(v, v.text) for v in settings.TAG_EXPIRATION_OPTIONS] == [
        (0, "0s"),
        (259200, "3d"),
        (1209600, "2w"),
    ]
    assert Duration.parse("2w") == settings.DEFAULT_TAG_EXPIRATION


@pytest.mark.parametrize(
    ("text", "size"),
    [("20G", 20 * 2**30), ("20GB", 20 * 10**9), ("1.5MiB", 3 * 2**19), ("512", 512), ("'7 K'", 7168)],
)
def test_layer_size_becomes_bytes(read: Read, text: str, size: int) -> None:
    assert size == read(f"MAXIMUM_LAYER_SIZE: {text}").settings.MAXIMUM_LAYER_SIZE


@pytest.mark.parametrize("text", ["20X", "G", "-5", "[1]", "1e4G"])
def test_a_wrong_size_is_refused(problems: Problems, text: str) -> None:
    assert problems(f"MAXIMUM_LAYER_SIZE: {text}") == [
        "config.yaml:1: MAXIMUM_LAYER_SIZE: must be a size such as 20G, 512MiB, or a number of bytes"
    ]


def test_trusted_proxies_are_networks(read: Read, problems: Problems) -> None:
    settings = read("TRUSTED_PROXIES: [10.0.0.0/8, 192.0.2.7, '2001:db8::/32']").settings
    assert tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32"))) == settings.TRUSTED_PROXIES
    assert problems("TRUSTED_PROXIES: [10.0.0.1/8]")[0].startswith(
        "config.yaml:1: TRUSTED_PROXIES[0]: must be"
    )


def test_origins_may_be_one_or_a_list(read: Read) -> None:
    assert read("CORS_ORIGIN: https://a.example").settings.CORS_ORIGIN == ("https://a.example",)
    assert read("CORS_ORIGIN: [a, b]").settings.CORS_ORIGIN == ("a", "b")


@pytest.mark.parametrize(
    "host", ["https://a.example", "a.example/v2", "a.example:0", "a.example:99999", "'a b'"]
)
def test_a_hostname_has_no_scheme_path_or_wrong_port(problems: Problems, host: str) -> None:
    assert "must be host or host:port" in problems(f"SERVER_HOSTNAME: {host}")[0]


def test_a_number_where_text_is_wanted_is_taken_as_it_is_written(read: Read) -> None:
    secret = read("SECRET_KEY: 0123_456\n").settings.SECRET_KEY
    assert secret
    assert secret.get_secret_value() == "0123_456"


@pytest.mark.parametrize("uri", ["postgresql://u:p@h/db", "mysql+pymysql://h/db", "sqlite:////data/x.db"])
def test_database_uris(read: Read, uri: str) -> None:
    made = read(f"DB_URI: {uri}").settings.DB_URI
    assert made
    assert made.get_secret_value() == uri


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://u:hunter2@h/db", "postgresql://u:********@h/db"),
        ("postgresql://u:hun/t@er2@h/db", "postgresql://u:********@h/db"),
        ("mysql://h/db?ssl=1&password=hunter2&a=b", "mysql://h/db?ssl=1&password=********&a=b"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
    ],
)
def test_a_database_uri_never_shows_its_password(uri: str, shown: str) -> None:
    value = DatabaseUri(uri)
    assert str(value) == shown
    assert "hunter2" not in repr(Settings(DB_URI=value))


def test_quoted_booleans_and_the_text_none_are_read_with_a_warning(read: Read) -> None:
    loaded = read("FEATURE_PUBLIC_CATALOG: 'True'\nRESTRICTED_USERS_WHITELIST: None\n")
    assert loaded.settings.FEATURE_PUBLIC_CATALOG is True
    assert loaded.settings.RESTRICTED_USERS_WHITELIST is None
    assert len(loaded.warnings) == 2
    assert ":1: FEATURE_PUBLIC_CATALOG: is text" in loaded.warnings[0]


def test_an_empty_value_is_the_default(read: Read) -> None:
    assert read("SUPER_USERS:\nV2_PAGINATION_SIZE: ~\n").settings == Settings()


def test_a_default_expiration_outside_the_options_is_a_warning(read: Read) -> None:
    assert "is not one of TAG_EXPIRATION_OPTIONS" in read("DEFAULT_TAG_EXPIRATION: 3d").warnings[0]


def test_a_size_keeps_its_text() -> None:
    assert Size.parse("20G").text == "20G"
