"""How operations become OpenAPI: names of schemas, parameters, faults, dry runs."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest
from api_client import ApiMaker, ApiWorld
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import Field
from typing_extensions import TypedDict

from quayframe.http.api import needs
from quayframe.http.api.description import describe
from quayframe.http.api.frame import Api
from quayframe.http.api.operation import Body, Call, Query, Resource, operation
from quayframe.http.request import Callers


class Item(TypedDict):
    name: str
    note: str | None


def _another_item() -> Any:
    class Item(TypedDict):
        count: int

    Item.__module__ = "quayframe.http.api.elsewhere"
    return Item


class ItemBody(Body):
    name: str = Field(min_length=1)
    item: Item


class ItemQuery(Query):
    limit: int | None = None
    order: Literal["up", "down"] = "up"


class Items(Resource):
    path = "/api/v1/items/{name}"

    @operation("getItem", "items", needs.ANYONE, query=ItemQuery, answer=Item)
    def get(self, call: Call, name: str) -> Item:
        """An item.

        At length."""
        return {"name": name, "note": None}

    @operation(
        "changeItem",
        "items",
        needs.USER_ADMIN,
        scopes=("user:admin",),
        body=ItemBody,
        answer=Item,
        also=(409,),
    )
    def put(self, call: Call, name: str) -> Item:
        return {"name": name, "note": None}

    @operation("signItem", "items", needs.SIGNED_IN, dry_run=False, internal=True, status=204)
    def post(self, call: Call, name: str) -> None:
        return None


class OtherItems(Resource):
    path = "/api/v1/others"

    @operation("getPicture", "others", needs.SIGNED_IN, answer=bytes, media=("image/png",))
    def get(self, call: Call) -> Any:
        return b""

    @operation(
        "makeOther",
        "others",
        needs.SIGNED_IN,
        answer=_another_item(),
        feature="FEATURE_MAILING",
        dry_run=False,
    )
    def post(self, call: Call) -> Any:
        return {"count": 1}


@pytest.fixture
def document(api: ApiWorld) -> dict[str, Any]:
    frame = Api(api.registry, Callers(api.registry, []))
    return describe([Items(frame), OtherItems(frame)], "http://registry.test", internal=True)


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_two_schemas_of_one_name_are_told_apart(document: dict[str, Any]) -> None:
    first, second = (
        document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        for path, method in (("/api/v1/items/{name}", "get"), ("/api/v1/others", "post"))
    )
    schemas = document["components"]["schemas"]

    assert first != second
    assert set(schemas[first.rpartition("/")[2]]["properties"]) == {"name", "note"}
    assert set(schemas[second.rpartition("/")[2]]["properties"]) == {"count"}


def test_every_schema_can_be_a_class_of_its_name(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert {name for name in schemas if not name.isidentifier()} == set()
    assert {name: schema["title"] for name, schema in schemas.items()} == {name: name for name in schemas}


def test_what_may_be_null_says_so(document: dict[str, Any]) -> None:
    answer = document["paths"]["/api/v1/items/{name}"]["get"]["responses"]["200"]
    name = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = document["components"]["schemas"][name]

    assert schema["properties"]["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert schema["required"] == ["name", "note"]


def test_a_parameter_is_never_null(document: dict[str, Any]) -> None:
    parameters = {one["name"]: one for one in document["paths"]["/api/v1/items/{name}"]["get"]["parameters"]}

    assert parameters["limit"]["schema"] == {"type": "integer"}
    assert parameters["order"]["schema"] == {"type": "string", "enum": ["up", "down"], "default": "up"}


def test_a_change_may_be_a_dry_run_unless_it_is_the_callers_own_session(document: dict[str, Any]) -> None:
    item = document["paths"]["/api/v1/items/{name}"]
    takers = [
        method for method, one in item.items() if any(p["name"] == "dry_run" for p in one["parameters"])
    ]
    answer = item["put"]["responses"]["200"]["content"]["application/json"]["schema"]

    assert takers == ["put"]
    assert {"$ref": "#/components/schemas/DryRun"} in answer["anyOf"]
    assert set(item["post"]["responses"]) == {"204", "400", "401", "403", "404", "503"}


def test_faults_are_those_that_the_operation_can_have(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/v1/items/{name}"]["put"]["responses"]

    assert set(responses) == {"200", "400", "401", "403", "404", "409", "413", "415", "503"}
    assert responses["409"] == {"$ref": "#/components/responses/Fault409"}


def test_who_need_not_sign_in_is_told_so(document: dict[str, Any]) -> None:
    item = document["paths"]["/api/v1/items/{name}"]

    assert {} in item["get"]["security"]
    assert {} not in item["put"]["security"]
    assert {"oauth2": ["user:admin"]} in item["put"]["security"]


def test_an_answer_that_is_no_json_names_its_type(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/v1/others"]["get"]["responses"]["200"]["content"]

    assert content == {"image/png": {}}


def test_what_is_off_or_internal_is_left_out(api: ApiWorld) -> None:
    frame = Api(api.registry, Callers(api.registry, []))
    made = describe(
        [Items(frame), OtherItems(frame)],
        "http://registry.test",
        internal=False,
        is_on=lambda declared: declared.feature is None,
    )

    idents = {one["operationId"] for item in made["paths"].values() for one in item.values()}
    assert idents == {"getItem", "changeItem", "getPicture"}


@pytest.mark.parametrize("value", ["yes", "2", "True "])
def test_a_dry_run_that_is_mistyped_is_not_the_real_thing(make_api: ApiMaker, value: str) -> None:
    api = make_api()

    result = api.user("devtable").post("organization/", {"name": "acme"}, params={"dry_run": value})

    assert result.status_code == 400
    assert set(result.json["message"]) == {"dry_run"}
    assert api.registry.access.namespace("acme") is None


def test_it_is_made_once(api: ApiWorld) -> None:
    api.bare.get("discovery", params={"internal": "true"})
    begin = time.perf_counter()
    for _ in range(20):
        assert api.bare.get("discovery", params={"internal": "true"}).status_code == 200

    assert (time.perf_counter() - begin) / 20 < 0.02
