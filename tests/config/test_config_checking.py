"""Checks: all problems at once, names, providers, storage engines, no secret in any text."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_models import LDAP, Directory, Logins, Oidc, Problems, Read
from pydantic import BaseModel, ConfigDict

from quayframe.config import ProviderKeys
from quayframe.errors import ConfigError


def test_all_problems_are_told_at_once_with_line_path_and_nearest_name(problems: Problems) -> None:
    text = """SERVER_HOSTNAME: registry.example.com
SERVER_HOSTNAMES: x
PREFERRED_URL_SCHEME: ftp
SUPER_USERS: root
DISTRIBUTED_STORAGE_CONFIG:
  default:
  - LocalStorage
  - storage_pat: /data
  other: [S3Storag, {}]
  third: [LocalStorage]
DISTRIBUTED_STORAGE_PREFERENCE:
- defaul
LDAP_TIMEOUT: soon
LDAP_BASE_DN: [dc=example]
FEATURE_PUBLIC_CATALOG: 3
"""
    assert problems(text) == [
        "config.yaml:2: SERVER_HOSTNAMES: is not a known key; did you mean SERVER_HOSTNAME?",
        "config.yaml:3: PREFERRED_URL_SCHEME: must be 'http' or 'https'",
        "config.yaml:4: SUPER_USERS: must be a list",
        "config.yaml:8: DISTRIBUTED_STORAGE_CONFIG.default[1].storage_pat: "
        "is not a known parameter; did you mean storage_path?",
        "config.yaml:8: DISTRIBUTED_STORAGE_CONFIG.default[1].storage_path: is missing",
        "config.yaml:9: DISTRIBUTED_STORAGE_CONFIG.other[0]: no storage engine S3Storag is installed; "
        "did you mean S3Storage?",
        "config.yaml:10: DISTRIBUTED_STORAGE_CONFIG.third[1]: is missing: the list is too short",
        "config.yaml:12: DISTRIBUTED_STORAGE_PREFERENCE[0]: "
        "names a location that DISTRIBUTED_STORAGE_CONFIG does not have; did you mean default?",
        "config.yaml:13: LDAP_TIMEOUT: must be a whole number",
        "config.yaml:15: FEATURE_PUBLIC_CATALOG: must be true or false",
    ]


def test_an_unknown_key_is_a_warning_with_the_nearest_name(read: Read) -> None:
    assert (
        ":1: SERVER_HOST_NAMES_X: is not a known key; did you mean SERVER_HOSTNAME?"
        in (read("SERVER_HOST_NAMES_X: a").warnings[0])
    )
    assert read("MY_VERY_OWN_THING: a").warnings[0].endswith("MY_VERY_OWN_THING: is not a known key")


def test_an_unknown_key_is_an_error_when_strict(problems: Problems) -> None:
    assert problems("MY_VERY_OWN_THING: a", strict=True) == [
        "config.yaml:1: MY_VERY_OWN_THING: is not a known key"
    ]


def test_a_key_that_is_not_built_is_accepted_with_a_warning(read: Read) -> None:
    loaded = read("FEATURE_BUILD_SUPPORT: true\nGITLAB_TRIGGER_CONFIG: {}\n", strict=True)
    assert [warning.split(": ", 1)[1] for warning in loaded.warnings] == [
        "FEATURE_BUILD_SUPPORT: not built yet: accepted and without effect",
        "GITLAB_TRIGGER_CONFIG: not built yet: accepted and without effect",
    ]


def test_a_providers_keys_are_not_built_without_the_provider(read: Read) -> None:
    assert "LDAP_URI: not built yet" in read("LDAP_URI: ldap://x", provider_keys=[]).warnings[0]


def test_a_provider_gets_its_keys_typed(read: Read) -> None:
    loaded = read("LDAP_BASE_DN: [dc=a]\nKEYCLOAK_LOGIN_CONFIG: {OIDC_SERVER: a, CLIENT_SECRET: b}")
    directory = loaded.config_of(Directory)
    assert directory.LDAP_BASE_DN == ["dc=a"]
    logins = loaded.config_of(Logins).model_extra
    assert logins
    assert isinstance(logins["KEYCLOAK_LOGIN_CONFIG"], Oidc)


def test_a_problem_in_an_open_pattern_has_its_path(problems: Problems) -> None:
    assert problems("KEYCLOAK_LOGIN_CONFIG: {OIDC_SERVER: a}") == [
        "config.yaml:1: KEYCLOAK_LOGIN_CONFIG.CLIENT_SECRET: is missing"
    ]


def test_a_provider_that_is_chosen_must_have_what_it_needs(problems: Problems) -> None:
    assert problems("AUTHENTICATION_TYPE: LDAP") == ["config.yaml: LDAP_BASE_DN: is missing"]


def test_a_provider_that_is_not_used_needs_nothing(read: Read) -> None:
    loaded = read("TESTING: false")
    with pytest.raises(ConfigError, match="not set, but needed: LDAP_BASE_DN"):
        loaded.config_of(Directory)


def test_a_misspelt_provider_key_is_an_error(problems: Problems) -> None:
    assert problems("LDAP_BASE_DM: x") == [
        "config.yaml:1: LDAP_BASE_DM: is not a known key; did you mean LDAP_BASE_DN?"
    ]


def test_a_provider_that_names_a_key_whole_goes_before_a_pattern(read: Read) -> None:
    class GitHub(BaseModel):
        GITHUB_LOGIN_CONFIG: dict[str, str]

    exact = ProviderKeys("github", ("GITHUB_LOGIN_CONFIG",), GitHub)
    loaded = read(
        "GITHUB_LOGIN_CONFIG: {CLIENT_ID: x}",
        provider_keys=[ProviderKeys("OIDC", ("*_LOGIN_CONFIG",), Logins), exact],
    )
    assert list(loaded.providers) == [GitHub]


def test_a_model_that_forbids_others_makes_an_unknown_key_an_error(problems: Problems) -> None:
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        ACME_URL: str = ""

    found = problems("ACME_SOMETHING_ELSE: x", provider_keys=[ProviderKeys("acme", ("ACME_*",), Closed)])
    assert found == ["config.yaml:1: ACME_SOMETHING_ELSE: is not a known key"]


def test_storage_is_typed_by_its_engines(read: Read) -> None:
    loaded = read("DISTRIBUTED_STORAGE_CONFIG: {a: [LocalStorage, {storage_path: /x}]}")
    assert loaded.storage["a"].engine == "LocalStorage"
    assert loaded.storage["a"].config.model_dump() == {"storage_path": "/x"}


def test_no_secret_is_in_any_problem(problems: Problems) -> None:
    secret = "hunter2hunter2"
    text = f"""SECRET_KEY: [{secret}]
DB_URI: {secret}
MAXIMUM_LAYER_SIZE: {secret}
SERVER_HOSTNAME: x/{secret}
LOGGING_LEVEL: {secret}
TAG_EXPIRATION_OPTIONS: [{secret}]
LDAP_URI: {secret}
LDAP_ADMIN_PASSWD: {{a: {secret}}}
LDAP_TIMEOUT: {{env: S}}
DISTRIBUTED_STORAGE_CONFIG:
  a: [S3Storage, {{s3_secret_key: [{secret}], s3_bucket: {{env: S}}, storage_path: {{x: {secret}}}}}]
"""
    found = problems(text, {"S": secret})
    assert len(found) >= 10
    assert secret not in "\n".join(found)
    assert any("not a directory: ********" in line for line in found)


def test_no_secret_is_in_a_representation(read: Read) -> None:
    loaded = read(
        "SECRET_KEY: hunter2\n"
        "DISTRIBUTED_STORAGE_CONFIG: {a: [S3Storage, {s3_bucket: b, s3_secret_key: hunter2}]}"
    )
    assert "hunter2" not in repr(loaded) + repr(loaded.settings)


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parent / "guide").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_guides_examples_are_accepted(read: Read, file: Path) -> None:
    loaded = read(file.read_text(), provider_keys=[LDAP], strict=True)
    built = file.stem.startswith(("13", "14-3-browser"))
    assert bool(loaded.warnings) is not built


@pytest.mark.parametrize("name", ["13-6-singularity", "13-6-as-printed"])
def test_the_guides_artifact_types_are_read(read: Read, name: str) -> None:
    text = (Path(__file__).parent / "guide" / f"{name}.yaml").read_text()
    assert read(text).settings.ALLOWED_OCI_ARTIFACT_TYPES == {
        "application/vnd.oci.image.config.v1+json": ("application/vnd.dev.cosign.simplesigning.v1+json",),
        "application/vnd.cncf.helm.config.v1+json": ("application/tar+gzip",),
        "application/vnd.sylabs.sif.config.v1+json": ("application/vnd.sylabs.sif.layer.v1+tar",),
    }


@pytest.mark.parametrize("text", ["any", "- a/b", "a/b - c", ""])
def test_artifact_types_that_are_no_mapping_are_refused(problems: Problems, text: str) -> None:
    assert problems(f"ALLOWED_OCI_ARTIFACT_TYPES: '{text}'\n") == [
        "config.yaml:1: ALLOWED_OCI_ARTIFACT_TYPES: must be a mapping (key: value lines)"
    ]
