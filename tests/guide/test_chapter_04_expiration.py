"""Chapter 4, section 4.2: a tag's end, set in the Dockerfile or in the panel, and what comes after it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from clients import ClientFailed, Workstation, build_context
from place import Place
from webui import Browser

DEADLINE_S = 60


def built(machine: Workstation, place: Place, life: str) -> str:
    """An image built from a Dockerfile with `LABEL quay.expires-after=...`, and pushed."""
    machine.know(place.host, place.user, place.password)
    target = f"{place.new('expiring')}:latest"
    context = build_context(machine.work / "image", target)
    with (context / "Dockerfile").open("a") as file:
        file.write(f"LABEL quay.expires-after={life}\n")
    machine.run("podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", target, context)
    machine.run("podman", "push", target)
    return target


def refusal(place: Place, repository: str) -> str | None:
    """The code with which the tag is refused; None while it is served."""
    try:
        place.get(repository, "manifests/latest")
    except requests.HTTPError as error:
        return str(error.response.json()["errors"][0]["code"])
    return None


def ended(place: Place, repository: str) -> str:
    """Waits until the tag is not served any more; the code of its refusal."""
    deadline = time.monotonic() + DEADLINE_S
    while (code := refusal(place, repository)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return code


def panel(place: Place, repository: str, user: tuple[str, str] | None = None) -> tuple[Browser, str]:
    """The browser of the repository's owner, or of another user; the path of its tag `latest`."""
    browser = Browser(place.server).sign_in(*(user or (place.user, place.password)))
    return browser, f"repository/{repository.removeprefix(f'{place.host}/')}/tag/latest"


def row(browser: Browser, path: str) -> dict[str, Any]:
    """The tag's row in the panel, its EXPIRES in `expiration` and `end_ts`."""
    listed = browser.get(f"{path.rpartition('/')[0]}/?specificTag=latest&onlyActiveTags=true")["tags"]
    return dict(listed[0])


def test_a_label_in_the_dockerfile_ends_the_tag_by_itself(machine: Workstation, place: Place) -> None:
    """ "Setting a label such as quay.expires-after=20h makes the tag expire after that time." """
    target = built(machine, place, "2s")
    repository = target.rpartition(":")[0]
    assert ended(place, repository) == "TAG_EXPIRED"
    assert place.tags(repository) == []
    machine.run("podman", "rmi", target)
    with pytest.raises(ClientFailed):
        machine.run("podman", "pull", target)


def test_until_then_it_is_served(machine: Workstation, place: Place) -> None:
    target = built(machine, place, "20h")

    machine.run("podman", "rmi", target)
    machine.run("podman", "pull", target)


def test_the_panel_shows_when_a_label_ends_the_tag(machine: Workstation, place: Place) -> None:
    """ "Hover over the EXPIRES field to see the current expiration date and time." """
    target = built(machine, place, "2d")
    shown = row(*panel(place, target.rpartition(":")[0]))

    assert shown["end_ts"] - shown["start_ts"] == timedelta(days=2).total_seconds()
    assert parsedate_to_datetime(shown["expiration"]).timestamp() == shown["end_ts"]


def test_the_end_is_for_this_tag_not_for_the_repository(machine: Workstation, place: Place) -> None:
    """ "Expiration is set on a per-tag basis, not for the whole repository." """
    target = built(machine, place, "2s")
    repository = target.rpartition(":")[0]
    browser, path = panel(place, repository)
    browser.put(path.replace("latest", "kept"), {"manifest_digest": place.digest(repository, "latest")})
    browser.put(path.replace("latest", "kept"), {"expiration": None})
    ended(place, repository)

    assert place.tags(repository) == ["kept"]


def test_the_panel_changes_the_expiration(machine: Workstation, place: Place) -> None:
    """4.2.2: "Click the time when it expires, or choose Change Expiration from the gear icon. Choose the date
    and time when prompted, and choose Change Expiration." """
    target = built(machine, place, "20h")
    browser, path = panel(place, target.rpartition(":")[0])
    chosen = int((datetime.now(UTC) + timedelta(days=3)).timestamp())
    browser.put(path, {"expiration": chosen})
    assert row(browser, path)["end_ts"] == chosen

    browser.put(path, {"expiration": None})
    assert "end_ts" not in row(browser, path)
    past = browser.send("PUT", path, {"expiration": chosen - 4 * 86_400})
    assert past.status_code == 400


def test_until_the_time_machine_ends_the_tag_can_be_brought_back(machine: Workstation, place: Place) -> None:
    """ "When a tag expires or is deleted, it is not immediately removed from the registry. The value of Time
    Machine (in User settings) defines when the deleted tag is actually removed and garbage collected. By
    default, that value is 14 days. Up until that time, a tag can be reverted." """
    target = built(machine, place, "2s")
    repository = target.rpartition(":")[0]
    digest = place.digest(repository, "latest")
    browser, path = panel(place, repository)
    assert browser.get("user/")["tag_expiration_s"] == timedelta(days=14).total_seconds()
    ended(place, repository)
    browser.post(f"{path}/restore", {"manifest_digest": digest})
    # The label acts again, from the moment of the restore.
    browser.put(path, {"expiration": None})

    machine.run("podman", "rmi", target)
    machine.run("podman", "pull", target)


def test_without_a_time_machine_nothing_comes_back(machine: Workstation, place: Place) -> None:
    target = built(machine, place, "2s")
    repository = target.rpartition(":")[0]
    digest = place.digest(repository, "latest")
    browser, path = panel(place, repository)
    browser.put("user/", {"tag_expiration_s": 0})
    try:
        ended(place, repository)
        assert browser.send("POST", f"{path}/restore", {"manifest_digest": digest}).status_code == 404
    finally:
        browser.put("user/", {"tag_expiration_s": 1_209_600})


def test_a_superuser_has_no_say_in_the_tags_of_others(machine: Workstation, place: Place) -> None:
    """ "Superusers have no special privileges related to deleting expired images from user repositories.
    It is up to the owners of the individual repositories to manage expiration." """
    target = built(machine, place, "20h")
    browser, path = panel(place, target.rpartition(":")[0], place.server.admin)

    assert browser.send("PUT", path, {"expiration": None}).status_code == 403
    assert browser.send("DELETE", path).status_code == 403
