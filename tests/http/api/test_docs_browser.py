"""Swagger UI in a real browser: it shows the operations, and they can be tried out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
from api_client import PASSWORD, ApiWorld
from playwright.sync_api import Browser, Locator, Page, expect
from protocol import Protocol

from quayframe.testing.server import RegistryServer

CONFIG = {"SECRET_KEY": "1" * 40, "DATABASE_SECRET_KEY": "2" * 40, "SUPER_USERS": ["admin"]}
ASKED = {"X-Requested-With": "XMLHttpRequest"}
WAIT_MS = 30_000


@dataclass(frozen=True)
class Place:
    """A served registry, a token of its user `devtable`, and an application of an organization of its."""

    url: str
    token: str
    client_id: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("browser")
    server = RegistryServer(folder, CONFIG, port=servers.free_port())
    protocol = Protocol(folder, CONFIG)
    try:
        api = ApiWorld(protocol)
        headers = api.oauth("devtable", "user:read user:admin repo:read").headers
        api.user("devtable").post("organization/", {"name": "acme", "email": "acme@example.com"})
        said = {"name": "docs", "redirect_uri": f"{server.url}/api/v1/docs/oauth2-redirect.html"}
        client_id = api.user("devtable").post("organization/acme/applications", said).json["client_id"]
    finally:
        protocol.close()
    server.start()
    yield Place(server.url, headers["Authorization"].removeprefix("Bearer "), client_id)
    server.stop()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    made = browser.new_page()
    made.set_default_timeout(WAIT_MS)
    yield made
    made.close()


def opened(page: Page, place: Place) -> list[str]:
    """Opens Swagger UI; the list that faults of the page come to: what the policy forbids, failed scripts."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda sent: faults.append(sent.url) if foreign(sent.url, place) else None)
    page.goto(f"{place.url}/api/v1/docs")
    return faults


def foreign(url: str, place: Place) -> bool:
    return not url.startswith((f"{place.url}/", "data:", "blob:"))


def operation(page: Page, ident: str) -> Locator:
    return page.locator(f"[id$='-{ident}']")


def try_out(one: Locator) -> None:
    """Opens the operation and sends it."""
    one.locator(".opblock-summary-control").click()
    one.get_by_role("button", name="Try it out").click()
    one.get_by_role("button", name="Execute").click()


def status_of(one: Locator) -> Locator:
    return one.locator(".live-responses-table .response-col_status").last


def answer_of(one: Locator) -> Locator:
    return one.locator(".live-responses-table .response-col_description").last


def test_the_operations_are_shown_and_nothing_comes_from_elsewhere(page: Page, place: Place) -> None:
    faults = opened(page, place)

    expect(operation(page, "getLoggedInUser")).to_be_visible(timeout=WAIT_MS)
    public = {
        one["operationId"]
        for item in page.request.get(f"{place.url}/api/v1/discovery", headers=ASKED).json()["paths"].values()
        for one in item.values()
    }
    assert page.locator(".opblock").count() == len(public)
    assert faults == []


def test_an_operation_is_tried_out_with_a_token(page: Page, place: Place) -> None:
    opened(page, place)
    page.get_by_role("button", name="Authorize").first.click()
    form = page.locator(".auth-container", has_text="(http, Bearer)")
    form.locator("input").fill(place.token)
    form.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").first.click()

    one = operation(page, "getLoggedInUser")
    try_out(one)

    expect(status_of(one)).to_contain_text("200", timeout=WAIT_MS)
    expect(answer_of(one)).to_contain_text('"username": "devtable"')


def sign_in(page: Page, place: Place) -> None:
    csrf = page.request.get(f"{place.url}/csrf_token").json()["csrf_token"]
    signed = page.request.post(
        f"{place.url}/api/v1/signin",
        data=json.dumps({"username": "devtable", "password": PASSWORD}),
        headers={"X-CSRF-Token": csrf, "Content-Type": "application/json"},
    )
    assert signed.status == 200, signed.text()


def test_a_session_changes_things_with_its_csrf_token(page: Page, place: Place) -> None:
    opened(page, place)
    sign_in(page, place)

    one = operation(page, "createOrganization")
    one.locator(".opblock-summary-control").click()
    one.get_by_role("button", name="Try it out").click()
    one.locator("textarea.body-param__text").fill('{"name": "made-in-a-browser", "email": "b@example.com"}')
    one.get_by_role("button", name="Execute").click()

    expect(status_of(one)).to_contain_text("201", timeout=WAIT_MS)


def test_an_application_is_authorized_and_its_token_is_used(page: Page, place: Place) -> None:
    opened(page, place)
    sign_in(page, place)
    page.get_by_role("button", name="Authorize").first.click()
    form = page.locator(".auth-container", has_text="(OAuth2, implicit)").first
    form.get_by_label("client_id").fill(place.client_id)
    form.locator("label[for^='user:read-']").first.click()
    with page.expect_popup() as opening:
        form.get_by_role("button", name="Apply given OAuth2 credentials").click()
    consent = opening.value
    consent.get_by_role("button", name="Authorize Application").click()
    expect(form.get_by_text("Logout")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Close").first.click()

    with page.expect_request("**/api/v1/user/") as sent:
        try_out(operation(page, "getLoggedInUser"))

    expect(status_of(operation(page, "getLoggedInUser"))).to_contain_text("200", timeout=WAIT_MS)
    assert sent.value.headers["authorization"].startswith("Bearer ")


def test_a_repository_with_its_slash_is_found(page: Page, place: Place) -> None:
    opened(page, place)
    one = operation(page, "getRepo")
    one.locator(".opblock-summary-control").click()
    one.get_by_role("button", name="Try it out").click()
    one.get_by_placeholder("repository").fill("devtable/nothing/here")
    one.get_by_role("button", name="Execute").click()

    # Nobody asks: whether it is there is not told; but the path was that of a repository.
    expect(status_of(one)).to_contain_text("401", timeout=WAIT_MS)
