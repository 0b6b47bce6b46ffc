"""Messages of the operators over the API."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiWorld
from api_faults import FORBIDDEN, MISSING, kind, typed

MESSAGE = {"content": "**down** at noon", "media_type": "text/markdown", "severity": "warning"}


def test_everybody_reads_messages(api: ApiWorld) -> None:
    assert api.bare.get("messages").json == {"messages": []}
    made = api.admin.post("messages", {"message": MESSAGE})
    (shown,) = api.bare.get("messages").json["messages"]

    assert (made.status_code, made.content) == (201, b"")
    assert {key: value for key, value in shown.items() if key != "uuid"} == MESSAGE
    assert set(shown) == {*MESSAGE, "uuid"}


def test_messages_come_in_the_order_of_making_and_go(api: ApiWorld) -> None:
    for text in ("one", "two"):
        api.admin.post("messages", {"message": MESSAGE | {"content": text}})
    first, second = api.bare.get("messages").json["messages"]
    assert (first["content"], second["content"]) == ("one", "two")

    assert api.admin.delete(f"message/{first['uuid']}").status_code == 204
    assert api.bare.get("messages").json["messages"] == [second]
    assert kind(api.admin.delete(f"message/{first['uuid']}")) == MISSING
    assert kind(api.admin.delete("message/nonsense")) == MISSING


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": None},
        {"message": "text"},
        {"message": {"content": "x", "media_type": "text/plain"}},
        {"message": MESSAGE | {"media_type": "text/html"}},
        {"message": MESSAGE | {"severity": "fatal"}},
        {"message": MESSAGE | {"content": 5}},
    ],
)
def test_a_bad_message_is_told(api: ApiWorld, body: Any) -> None:
    assert kind(api.admin.post("messages", body)) == (400, "invalid_request")
    assert api.bare.get("messages").json == {"messages": []}


def test_only_superusers_speak(api: ApiWorld) -> None:
    ann = api.user("ann")
    api.admin.post("messages", {"message": MESSAGE})
    (shown,) = ann.get("messages").json["messages"]

    assert typed(ann.post("messages", {"message": MESSAGE})) == FORBIDDEN
    assert typed(ann.delete(f"message/{shown['uuid']}")) == FORBIDDEN
    assert api.oauth("admin", "super:user").post("messages", {"message": MESSAGE}).status_code == 201
