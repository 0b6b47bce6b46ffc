"""The keys of what repositories hold."""

from __future__ import annotations

import pytest
from config_models import Problems, Read

KEY = "DEFAULT_NAMESPACE_AUTOPRUNE_POLICY"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{method: number_of_tags, value: 10}", {"method": "number_of_tags", "value": 10}),
        ("{method: creation_date, value: 5d}", {"method": "creation_date", "value": "5d"}),
        ("null", None),
    ],
)
def test_a_policy_of_every_namespace_keeps_the_type_of_its_value(
    read: Read, text: str, expected: dict[str, int | str] | None
) -> None:
    policy = read(f"{KEY}: {text}").settings.DEFAULT_NAMESPACE_AUTOPRUNE_POLICY
    assert policy == expected


@pytest.mark.parametrize(
    "text",
    [
        "{method: whim, value: 10}",
        "{method: number_of_tags, value: 0}",
        "{method: number_of_tags, value: 5d}",
        "{method: creation_date, value: 5}",
        "{method: creation_date, value: 5y}",
        "{method: creation_date, value: 999999999w}",
        "{method: creation_date}",
        "{method: number_of_tags, value: 5, tagPattern: x}",
        "{policies: []}",
        "5",
    ],
)
def test_what_is_no_policy_is_a_problem_of_that_key(problems: Problems, text: str) -> None:
    assert KEY in str(problems(f"{KEY}: {text}"))
