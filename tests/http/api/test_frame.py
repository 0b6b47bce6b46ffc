"""What all operations share: shapes of errors, who is let in, browsers' rules, dry runs."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import ApiMaker, ApiWorld

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0 Safari/537.36"
CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "AUTHORIZATION, CONTENT-TYPE, X-REQUESTED-WITH",
    "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, POST, PUT",
    "access-control-max-age": "21600",
}


def test_a_typed_error_names_itself_in_every_way_that_clients_look_for(api: ApiWorld) -> None:
    result = api.bare.get("error/nosuch")

    assert result.status_code == 404
    body = result.json
    assert body["detail"] == body["error_message"]
    assert body["title"] == body["error_type"] == "not_found"
    assert body["status"] == 404
    assert body["type"] == "http://registry.test/api/v1/error/not_found"


def test_an_error_type_is_described(api: ApiWorld) -> None:
    body = api.bare.get("error/invalid_token").json

    assert set(body) == {"type", "title", "description"}
    assert body["type"].endswith("/api/v1/error/invalid_token")


@pytest.mark.parametrize("path", ["nowhere", "organization/a/b/c", "repository/"])
def test_a_path_that_is_none_is_a_typed_404(api: ApiWorld, path: str) -> None:
    result = api.bare.get(path)

    assert (result.status_code, result.json["error_type"]) == (404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(api: ApiWorld) -> None:
    result = api.bare.delete("error/invalid_token")

    assert result.status_code == 405
    assert set(result.json) == {"message"}
    assert set(result.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", ["error/invalid_token", "error/nosuch", "nowhere"])
def test_every_answer_may_be_read_across_origins(api: ApiWorld, path: str) -> None:
    headers = api.bare.get(path).headers

    assert {name: headers.get(name) for name in CORS} == CORS
    assert headers["x-frame-options"] == "DENY"


def test_a_preflight_needs_nobody(api: ApiWorld) -> None:
    result = api.bare.do("OPTIONS", "error/invalid_token")

    assert (result.status_code, result.content) == (200, b"")
    assert {name: result.headers.get(name) for name in CORS} == CORS


def test_a_browser_must_say_that_its_page_asks(make_api: ApiMaker) -> None:
    api = make_api()
    refused = api.bare.get("error/invalid_token", headers={"User-Agent": BROWSER})
    asked = {"User-Agent": BROWSER, "X-Requested-With": "XMLHttpRequest"}

    assert refused.status_code == 400
    assert api.bare.get("error/invalid_token", headers=asked).status_code == 200
    open_api = make_api(BROWSER_API_CALLS_XHR_ONLY=False)
    assert open_api.bare.get("error/invalid_token", headers={"User-Agent": BROWSER}).status_code == 200


def test_the_description_is_whole(api: ApiWorld) -> None:
    body: dict[str, Any] = api.bare.get("discovery", params={"internal": "true"}).json

    assert body["openapi"] == "3.1.0"
    operations = [op for path in body["paths"].values() for op in path.values()]
    idents = [op["operationId"] for op in operations]
    assert len(idents) == len(set(idents))
    assert all({"400", "503"} <= set(op["responses"]) for op in operations)
