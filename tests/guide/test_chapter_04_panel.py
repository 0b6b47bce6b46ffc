"""Chapter 4, sections 4.1 to 4.1.4.2: the Tags panel, whose steps are calls of the API, seen by podman."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from clients import Workstation, build_context
from place import Place
from webui import Browser


@dataclass
class Panel:
    """A repository with the image `latest`, its page in a browser, and a machine with podman."""

    machine: Workstation
    place: Place
    browser: Browser
    target: str
    first: str
    """What `latest` named at the beginning."""

    @property
    def path(self) -> str:
        return f"repository/{self.target.removeprefix(f'{self.place.host}/')}"

    def push(self, text: str, tag: str = "latest") -> str:
        """Builds and pushes an image that prints the text; returns its digest."""
        name, machine = f"{self.target}:{tag}", self.machine
        context = build_context(machine.work / text, text)
        machine.run("podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", name, context)
        machine.run("podman", "push", name)
        machine.run("podman", "rmi", name)
        return self.place.digest(self.target, tag)

    def runs(self, tag: str) -> str:
        """What a container of the tag's image prints."""
        name = f"{self.target}:{tag}"
        self.machine.run("podman", "pull", "-q", name)
        run = ("run", "--rm", "--network", "host", "--security-opt", "seccomp=unconfined")
        printed = self.machine.run("podman", *run, name)
        self.machine.run("podman", "rmi", name)
        return printed

    def listed(self, **query: str) -> list[dict[str, Any]]:
        """Rows of the panel, or of the history."""
        asked = "&".join(f"{key}={value}" for key, value in query.items())
        return list(self.browser.get(f"{self.path}/tag/?{asked}")["tags"])

    def rows(self) -> dict[str, dict[str, Any]]:
        """The panel: the live tags by their names."""
        return {row["name"]: row for row in self.listed(onlyActiveTags="true", limit="100")}

    def history(self, tag: str) -> list[tuple[str, bool]]:
        """(image, whether it was restored) of each row, the latest first."""
        return [(row["manifest_digest"], row["reversion"]) for row in self.listed(specificTag=tag)]


@pytest.fixture
def panel(machine: Workstation, place: Place) -> Panel:
    machine.know(place.host, place.user, place.password)
    browser = Browser(place.server).sign_in(place.user, place.password)
    made = Panel(machine, place, browser, place.new("whatever"), "")
    made.first = made.push("first")
    return made


def test_4_1_the_tags_panel_shows_each_tag_with_its_date_its_size_and_its_image(panel: Panel) -> None:
    """The columns of the picture: "TAG, LAST MODIFIED, SIZE, IMAGE"; "Filter Tags..."; "1 - 25 of 287"."""
    panel.push("second", "dbb57f7")

    rows = panel.listed(onlyActiveTags="true", limit="25", page="1")
    assert [row["name"] for row in rows] == ["dbb57f7", "latest"]
    size = sum(layer["size"] for layer in panel.place.manifest(panel.target, "latest")["layers"])
    assert (rows[1]["manifest_digest"], rows[1]["size"]) == (panel.first, size)
    assert rows[1]["last_modified"].endswith("-0000")
    assert [row["name"] for row in panel.listed(onlyActiveTags="true", filter_tag_name="like:bb57")] == [
        "dbb57f7"
    ]


def test_4_1_1_a_tag_is_added_to_a_tagged_image(panel: Panel) -> None:
    """ "Click the gear icon next to the tag and choose Add New Tag." """
    panel.browser.put(f"{panel.path}/tag/prod", {"manifest_digest": panel.first})

    assert panel.runs("prod") == "first"
    assert panel.rows().keys() == {"prod", "latest"}


def test_4_1_2_a_tag_is_moved_to_another_image(panel: Panel) -> None:
    """ "Do the same as for adding a new tag, but give the name of an existing tag." """
    second = panel.push("second", "devel")
    panel.browser.put(f"{panel.path}/tag/latest", {"manifest_digest": second})

    assert panel.runs("latest") == "second"
    assert panel.history("latest") == [(second, False), (panel.first, False)]


def test_4_1_3_a_tag_is_deleted_and_an_image_that_has_another_tag_stays(panel: Panel) -> None:
    """ "Click the tag's gear icon and choose Delete Tag. This deletes the tag and any images unique to it.
    Images are not deleted until no tag refers to them, directly or through a parent." """
    panel.browser.put(f"{panel.path}/tag/test", {"manifest_digest": panel.first})
    panel.browser.delete(f"{panel.path}/tag/latest")
    panel.machine.refused("podman", "pull", f"{panel.target}:latest")
    assert panel.rows().keys() == {"test"}
    assert panel.runs("test") == "first"

    panel.browser.delete(f"{panel.path}/tag/test")
    panel.machine.refused("podman", "pull", f"{panel.target}@{panel.first}")
    assert panel.rows() == {}


def test_4_1_4_1_the_history_shows_each_image_that_a_tag_named(panel: Panel) -> None:
    """ "The page shows each image to which the tag pointed in the past, and when it pointed there." """
    second = panel.push("second")
    panel.browser.delete(f"{panel.path}/tag/latest")

    rows = panel.listed(specificTag="latest")
    assert [row["manifest_digest"] for row in rows] == [second, panel.first]
    newer, older = rows
    assert older["start_ts"] <= older["end_ts"] <= newer["start_ts"] <= newer["end_ts"]


def test_4_1_4_2_a_tag_goes_back_to_an_earlier_image(panel: Panel) -> None:
    """ "To restore the tag to a previous image, find the history line with the image wanted, and click
    Restore." """
    second = panel.push("second")
    wanted = panel.listed(specificTag="latest")[1]["manifest_digest"]
    panel.browser.post(f"{panel.path}/tag/latest/restore", {"manifest_digest": wanted})

    assert panel.runs("latest") == "first"
    assert panel.history("latest") == [(panel.first, True), (second, False), (panel.first, False)]


def test_4_1_4_2_a_deleted_tag_comes_back(panel: Panel) -> None:
    panel.browser.delete(f"{panel.path}/tag/latest")
    panel.browser.post(f"{panel.path}/tag/latest/restore", {"manifest_digest": panel.first})

    assert panel.runs("latest") == "first"
