"""What YAML can do to a reader: errors with their line, limits, duplicates, references, overrides."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from config_models import Problems, Read

from quayframe.config import load
from quayframe.errors import ConfigError


def test_an_empty_file_is_all_defaults_with_a_warning(read: Read) -> None:
    assert "is empty" in read("# nothing\n").warnings[0]


def test_no_file_is_all_defaults() -> None:
    assert load(None, env={}).warnings == ()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read: No such file"):
        load(tmp_path / "absent.yaml", env={})


def test_a_list_at_the_top_is_refused(problems: Problems) -> None:
    assert problems("# x\n- A\n") == ["config.yaml:2: must be `KEY: value` lines, but is a list"]


def test_an_assignment_is_refused_with_the_cure(problems: Problems) -> None:
    assert "(a colon, not =, stands after a key)" in problems("FEATURE_GENERAL_OCI_SUPPORT = False\n")[0]


def test_text_that_is_not_utf8_has_its_line(problems: Problems) -> None:
    assert problems(b"TESTING: true\nSERVER_HOSTNAME: \xff\xfe\n") == ["config.yaml:2: is not UTF-8"]


def test_a_byte_order_mark_is_no_part_of_a_key(read: Read) -> None:
    assert read(b"\xef\xbb\xbfTESTING: true\n").settings.TESTING is True


def test_control_characters_have_their_line(problems: Problems) -> None:
    assert "config.yaml:2: has a control character" in problems(b"TESTING: true\nA: \x00\n")[0]


def test_a_syntax_error_has_its_line(problems: Problems) -> None:
    (problem,) = problems("TESTING: true\nSUPER_USERS: [a, b\nDB_URI: x\n")
    assert problem.startswith("config.yaml:3: is not YAML: ")


@pytest.mark.parametrize(
    "line",
    ["SECRET_KEY: *hunter2", "SECRET_KEY: !hunter2 x", "SECRET_KEY: !hunter2!x y", "SECRET_KEY: 'hunter2"],
)
def test_a_syntax_error_does_not_quote_the_file(problems: Problems, line: str) -> None:
    assert "hunter2" not in "".join(problems(line))


def test_duplicate_keys_are_problems_at_every_depth(problems: Problems) -> None:
    text = "TESTING: true\nPLUGIN_CONFIG:\n  a:\n    x: 1\n    x: 2\nTESTING: false\n"
    assert problems(text) == [
        "config.yaml:5: PLUGIN_CONFIG.a.x: appears twice; the first is in line 4",
        "config.yaml:6: TESTING: appears twice; the first is in line 1",
    ]


def test_nesting_has_a_limit(problems: Problems) -> None:
    assert "nested more than 40" in problems("PLUGIN_CONFIG:\n  " + "[" * 100_000)[0]


def test_aliases_cannot_multiply(problems: Problems) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    start = time.monotonic()
    assert "more than 50000 values" in problems("\n".join(lines))[0]
    assert time.monotonic() - start < 10


def test_an_alias_of_itself_ends(problems: Problems) -> None:
    assert "levels deep" in problems("PLUGIN_CONFIG: &a\n  a: *a\n")[0]


def test_a_file_of_more_than_a_mebibyte_is_refused(problems: Problems) -> None:
    assert problems("#" * (1024 * 1024 + 1)) == ["config.yaml: is larger than 1 MiB"]


def test_merge_keys_and_aliases_work(read: Read) -> None:
    text = "PLUGIN_CONFIG:\n  a: &base {x: 1, y: 2}\n  b: {<<: *base, y: 3}\n"
    assert read(text).settings.PLUGIN_CONFIG["b"] == {"x": 1, "y": 3}


def test_tags_and_keys_that_are_no_names_are_problems(problems: Problems) -> None:
    found = problems("PLUGIN_CONFIG: {a: !!binary aGk=}\n[1, 2]: x\n")
    assert "PLUGIN_CONFIG.a: has a tag" in found[0]
    assert found[-1] == "config.yaml:2: a key must be a plain name"


def test_a_date_is_text(read: Read) -> None:
    assert (
        read("PLUGIN_CONFIG: {a: {since: 2024-01-02}}").settings.PLUGIN_CONFIG["a"]["since"] == "2024-01-02"
    )


def test_references_at_every_depth(read: Read, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from the file\n")
    text = """
SECRET_KEY: {file: key}
FEATURE_PUBLIC_CATALOG: {env: CATALOG}
SUPER_USERS: [root, {env: WHO}]
DISTRIBUTED_STORAGE_CONFIG:
  one: [S3Storage, {s3_bucket: b, s3_secret_key: {file: "%s/key"}}]
"""
    loaded = read(text % tmp_path, {"CATALOG": "true", "WHO": "ann"})
    assert loaded.settings.SECRET_KEY
    assert loaded.settings.SECRET_KEY.get_secret_value() == "from the file"
    assert loaded.settings.FEATURE_PUBLIC_CATALOG is True
    assert loaded.settings.SUPER_USERS == ("root", "ann")
    assert loaded.settings.DISTRIBUTED_STORAGE_CONFIG
    assert loaded.settings.DISTRIBUTED_STORAGE_CONFIG["one"][1]["s3_secret_key"] == "from the file"


def test_references_that_cannot_be_followed_are_named(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (1024 * 1024 + 1))
    (tmp_path / "binary").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe")
    text = """SECRET_KEY: {env: ABSENT}
DATABASE_SECRET_KEY: {file: absent}
SUPER_USERS:
- {file: big}
- {file: binary}
- {file: pipe}
- {env: 5}
"""
    assert problems(text) == [
        "config.yaml:1: SECRET_KEY: the environment has no variable ABSENT",
        "config.yaml:2: DATABASE_SECRET_KEY: the file absent cannot be read: No such file or directory",
        "config.yaml:4: SUPER_USERS[0]: the file big is larger than 1 MiB",
        "config.yaml:5: SUPER_USERS[1]: the file binary is not UTF-8",
        "config.yaml:6: SUPER_USERS[2]: pipe is not a file",
        "config.yaml:7: SUPER_USERS[3]: env: takes the name of a variable",
    ]


def test_a_mapping_below_env_is_no_reference(read: Read) -> None:
    assert read("PLUGIN_CONFIG: {env: {a: 1}}").settings.PLUGIN_CONFIG == {"env": {"a": 1}}


def test_the_override_replaces_whole_keys(read: Read) -> None:
    env = {"QUAY_OVERRIDE_CONFIG": '{"SUPER_USERS": ["b"], "TESTING": {"env": "T"}}', "T": "true"}
    settings = read("SUPER_USERS: [a]\nV2_PAGINATION_SIZE: 7\n", env).settings
    assert (settings.SUPER_USERS, settings.V2_PAGINATION_SIZE, settings.TESTING) == (("b",), 7, True)


def test_problems_of_the_override_name_the_variable(problems: Problems) -> None:
    env = {"QUAY_OVERRIDE_CONFIG": '{"V2_PAGINATION_SIZE": "x"}'}
    assert problems("V2_PAGINATION_SIZE: 1", env) == [
        "QUAY_OVERRIDE_CONFIG: V2_PAGINATION_SIZE: must be a whole number"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON at character 2"),
        ("[]", "must be a JSON object"),
        ('{"TESTING": true, "TESTING": false}', "has a key twice in one object"),
        ("[" * 100_000, "is nested more than 40 levels deep"),
        ('{"PLUGIN_CONFIG": ' + '{"a":' * 50 + "1" + "}" * 51, "is nested more than 40 levels deep"),
    ],
)
def test_a_broken_override_is_a_problem(problems: Problems, text: str, problem: str) -> None:
    assert problems("", {"QUAY_OVERRIDE_CONFIG": text}) == [f"QUAY_OVERRIDE_CONFIG: {problem}"]


def test_the_storage_preference_may_come_from_the_environment(read: Read) -> None:
    text = "DISTRIBUTED_STORAGE_CONFIG: {a: &x [LocalStorage, {storage_path: /}], b: *x}"
    settings = read(text, {"QUAY_DISTRIBUTED_STORAGE_PREFERENCE": "b a"}).settings
    assert settings.DISTRIBUTED_STORAGE_PREFERENCE == ("b", "a")
