"""Schema, masked dump, explain, the reference page, the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from config_models import ENGINES, LDAP, OIDC, Read

from quayframe.cli.config import group
from quayframe.config import MASK, catalogue_of, dump, dump_yaml, explain, schema
from quayframe.config.reference import PAGE, main, reference
from quayframe.errors import ConfigError

SECRETS = """SECRET_KEY: hunter2
DB_URI: postgresql://u:hunter2@h/db
DB_CONNECTION_ARGS: {password: hunter2, sslmode: require}
SUPER_USERS: [root]
DISTRIBUTED_STORAGE_CONFIG:
  a: [S3Storage, {s3_bucket: bucket, s3_secret_key: hunter2, opaque: hunter2}]
LDAP_BASE_DN: [dc=a]
LDAP_ADMIN_PASSWD: hunter2
KEYCLOAK_LOGIN_CONFIG: {OIDC_SERVER: https://sso.example/, CLIENT_SECRET: hunter2}
SECURITY_SCANNER_V4_PSK: hunter2
BUILDLOGS_REDIS: {host: redis, password: hunter2}
DOCUMENTATION_ROOT: {env: MAIL}
PLUGIN_CONFIG: {chat: {hook: {env: HOOK}, room: ops, url: 'https://u:hunter2@chat.example/'}}
UNKNOWN_THING_OF_OURS: {api_key: hunter2}
"""
ENV = {"MAIL": "hunter2", "HOOK": "hunter2"}


def test_the_dump_masks_every_secret_and_shows_the_rest(read: Read) -> None:
    loaded = read(SECRETS, ENV)
    assert "hunter2" not in dump_yaml(loaded)
    shown = dump(loaded)
    assert yaml.safe_load(dump_yaml(loaded)) == shown
    assert shown["SECRET_KEY"] == shown["LDAP_ADMIN_PASSWD"] == shown["DOCUMENTATION_ROOT"] == MASK
    assert shown["DB_URI"] == f"postgresql://u:{MASK}@h/db"
    assert shown["DISTRIBUTED_STORAGE_CONFIG"]["a"] == [
        "S3Storage",
        {"s3_bucket": "bucket", "s3_secret_key": MASK, "opaque": MASK},
    ]
    assert shown["KEYCLOAK_LOGIN_CONFIG"] == {"OIDC_SERVER": "https://sso.example/", "CLIENT_SECRET": MASK}
    assert shown["PLUGIN_CONFIG"]["chat"]["room"] == "ops"
    assert shown["BUILDLOGS_REDIS"]["host"] == "redis"
    assert shown["MAXIMUM_LAYER_SIZE"] == "20G"
    assert shown["SUPER_USERS"] == ["root"]


def test_storage_is_masked_by_name_without_its_engine(read: Read) -> None:
    assert "hunter2" not in dump_yaml(read(SECRETS.replace("opaque", "access_key"), ENV, engines=None))


def test_the_dump_of_defaults_can_be_loaded_again(read: Read) -> None:
    loaded = read("TESTING: false")
    again = read(dump_yaml(loaded))
    assert dump(again) == dump(loaded)
    assert again.settings.INSTANCE_SERVICE_KEY_EXPIRATION == 7200


def test_the_schema_joins_core_providers_and_engines() -> None:
    whole: dict[str, Any] = json.loads(json.dumps(schema([LDAP, OIDC], ENGINES)))
    assert whole["properties"]["LDAP_URI"]["description"] == "Where the directory is."
    assert "^.*_LOGIN_CONFIG$" in whole["patternProperties"]
    assert whole["properties"]["TESTING"]["anyOf"] == [{"type": "boolean"}, {"$ref": "#/$defs/Reference"}]
    storage = json.dumps(whole["properties"]["DISTRIBUTED_STORAGE_CONFIG"])
    assert '"const": "S3Storage"' in storage


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    whole = schema([LDAP, OIDC], ENGINES)
    text = json.dumps(whole)
    names = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert names <= set(whole["$defs"])


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("SECRET_KEY", ["whose: the registry", "type: text (secret)", "default: none", f"value: {MASK}"]),
        (
            "LDAP_URI",
            ["whose: the plugin provider LDAP", "default: ldap://localhost", "Where the directory is."],
        ),
        ("KEYCLOAK_LOGIN_CONFIG", ["the plugin provider OIDC", f"CLIENT_SECRET: '{MASK}'"]),
        ("BUILDLOGS_REDIS", ["not built yet", f"password: '{MASK}'"]),
        ("DEFAULT_TAG_EXPIRATION", ["type: duration", "default: 2w", "value: 2w"]),
    ],
)
def test_explain_tells_of_a_key(read: Read, key: str, parts: list[str]) -> None:
    text = explain(key, read(SECRETS, ENV))
    assert "hunter2" not in text
    for part in parts:
        assert part in text


def test_explain_of_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean SECRET_KEY"):
        explain("SECRET_KEYS", catalogue_of([], None))


def test_the_reference_page_is_up_to_date() -> None:
    root = Path(__file__).parents[2]
    assert (root / PAGE).read_text() == reference()


def test_the_reference_page_can_be_written(tmp_path: Path) -> None:
    main(tmp_path / "a" / "config.md")
    assert "| `DB_URI` |" in (tmp_path / "a" / "config.md").read_text()


def run(tmp_path: Path, text: str, *arguments: str) -> Result:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    command, *rest = arguments
    commands = group(lambda: ([LDAP, OIDC], ENGINES))
    return CliRunner().invoke(commands, [command, "--config", str(file), *rest], env=ENV)


def test_check_prints_warnings_and_succeeds(tmp_path: Path) -> None:
    result = run(tmp_path, "FEATURE_BUILD_SUPPORT: true\nOUR_OWN_THING: 1\n", "check")
    assert result.exit_code == 0
    assert "FEATURE_BUILD_SUPPORT: not built yet" in result.stderr
    assert result.stdout == "the configuration is good (2 warnings)\n"


def test_check_exits_1_with_all_problems(tmp_path: Path) -> None:
    result = run(tmp_path, "OUR_OWN_THING: 1\nTESTING: 5\n", "check", "--strict")
    assert result.exit_code == 1
    assert ":1: OUR_OWN_THING" in result.stderr
    assert ":2: TESTING" in result.stderr


def test_the_other_commands(tmp_path: Path) -> None:
    assert yaml.safe_load(run(tmp_path, SECRETS, "dump").stdout)["SECRET_KEY"] == MASK
    assert "LDAP_URI" in json.loads(run(tmp_path, "", "schema").stdout)["properties"]
    assert "type: true or false" in run(tmp_path, "", "explain", "TESTING").stdout
    assert run(tmp_path, "", "explain", "TESTIN").exit_code == 1
    assert "type: true or false" in run(tmp_path, "TESTING: 5", "explain", "TESTING").stdout


def test_importing_and_loading_are_cheap() -> None:
    """Every process pays this at start; the bar has room for a busy machine (30 ms when idle)."""
    code = (
        "import time, yaml\n"
        "from pydantic import BaseModel, Field, SecretStr\n"
        "class Model(BaseModel):\n    a: int = Field(default=1)\n"
        "start = time.process_time()\n"
        "from quayframe.config import load\n"
        "load(None, env={'QUAY_OVERRIDE_CONFIG': '{\"TESTING\": true}'})\n"
        "print(time.process_time() - start)\n"
    )
    took = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    )
    assert took < 0.06
