"""crane copies, lists, changes and deletes images."""

from __future__ import annotations

import pytest
from clients import Workstation, digest, small_image, tarball, two_platforms
from place import Place


@pytest.fixture
def pushed(known: Workstation, place: Place) -> str:
    """An image in the registry: the name of its repository; its tag is 1."""
    layout, target = small_image(known.work / "image"), place.new()
    known.run("crane", "push", layout.folder, f"{target}:1")
    return target


def test_log_in_and_push(workstation: Workstation, place: Place) -> None:
    layout, target = small_image(workstation.work / "image"), place.new()
    assert "401 Unauthorized" in workstation.refused("crane", "push", layout.folder, f"{target}:1")
    workstation.run(
        "crane", "auth", "login", place.host, "-u", place.user, "--password-stdin", stdin=place.password
    )

    workstation.run("crane", "push", layout.folder, f"{target}:1")
    assert place.tags(target) == ["1"]


def test_a_push_without_a_tag_makes_none(known: Workstation, place: Place) -> None:
    layout, target = small_image(known.work / "image"), place.new()
    reference = known.run("crane", "push", layout.folder, f"{target}:1", "--index").strip()

    assert reference.startswith(f"{target}@sha256:")
    assert place.digest(target, "1") == reference.partition("@")[2]


def test_digest_and_list(known: Workstation, place: Place, pushed: str) -> None:
    known.run("crane", "tag", f"{pushed}:1", "2")

    assert known.run("crane", "ls", pushed).split() == ["1", "2"]
    assert known.run("crane", "digest", f"{pushed}:2").strip() == place.digest(pushed, "1")


def test_the_list_of_many_tags_is_read_page_by_page(known: Workstation, pushed: str) -> None:
    names = [f"t{number:02}" for number in range(12)]
    for name in names:
        known.run("crane", "tag", f"{pushed}:1", name)

    # crane has no option for the size of a page: the registry's own pages are followed by oras and regctl.
    assert known.run("crane", "ls", pushed).split() == ["1", *names]


def test_the_catalog_has_what_the_account_may_see(known: Workstation, place: Place, pushed: str) -> None:
    assert pushed.removeprefix(f"{place.host}/") in known.run("crane", "catalog", place.host).split()


def test_copy_to_another_repository(known: Workstation, place: Place, pushed: str) -> None:
    target = place.new("copy")
    known.run("crane", "copy", f"{pushed}:1", f"{target}:2")

    assert place.digest(target, "2") == place.digest(pushed, "1")


def test_copy_of_all_tags(known: Workstation, place: Place, pushed: str) -> None:
    known.run("crane", "tag", f"{pushed}:1", "2")
    target = place.new("copy")
    known.run("crane", "copy", "--all-tags", pushed, target)

    assert place.tags(target) == ["1", "2"]


def test_pull_gives_the_pushed_bytes(known: Workstation, place: Place, pushed: str) -> None:
    known.run("crane", "pull", "--format=oci", f"{pushed}:1", "back")

    for layer in place.manifest(pushed, "1")["layers"]:
        data = (known.work / "back" / "blobs" / "sha256" / layer["digest"].partition(":")[2]).read_bytes()
        assert digest(data) == layer["digest"]


def test_a_layer_is_appended(known: Workstation, place: Place, pushed: str) -> None:
    (known.work / "more.tar").write_bytes(tarball({"more": b"words"}))
    known.run("crane", "append", "-b", f"{pushed}:1", "-f", "more.tar", "-t", f"{pushed}:2")

    before, after = (place.manifest(pushed, tag)["layers"] for tag in "12")
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1


def test_an_image_is_changed(known: Workstation, place: Place, pushed: str) -> None:
    known.run(
        "crane", "mutate", f"{pushed}:1", "--label", "who=we", "--annotation", "why=so", "-t", f"{pushed}:2"
    )

    assert known.json("crane", "config", f"{pushed}:2")["config"]["Labels"] == {"who": "we"}
    assert place.manifest(pushed, "2")["annotations"] == {"why": "so"}


def test_an_index_is_pushed_and_filtered(known: Workstation, place: Place) -> None:
    layout, target = two_platforms(known.work / "image"), place.new()
    known.run("crane", "push", layout.folder, f"{target}:1")
    known.run("crane", "index", "filter", f"{target}:1", "--platform", "linux/arm64", "-t", f"{target}:arm")

    children = place.manifest(target, "arm")["manifests"]
    assert [child["platform"]["architecture"] for child in children] == ["arm64"]
    assert (
        known.json("crane", "config", "--platform", "linux/amd64", f"{target}:1")["architecture"] == "amd64"
    )


def test_images_are_joined_to_an_index(known: Workstation, place: Place, pushed: str) -> None:
    known.run("crane", "index", "append", "-m", f"{pushed}:1", "-t", f"{pushed}:all")

    assert place.manifest(pushed, "all")["manifests"][0]["digest"] == place.digest(pushed, "1")


def test_delete_by_tag_leaves_the_other_tag(known: Workstation, place: Place, pushed: str) -> None:
    known.run("crane", "tag", f"{pushed}:1", "2")
    known.run("crane", "delete", f"{pushed}:2")

    assert place.tags(pushed) == ["1"]


def test_delete_by_digest_takes_every_tag(known: Workstation, place: Place, pushed: str) -> None:
    known.run("crane", "tag", f"{pushed}:1", "2")
    known.run("crane", "delete", f"{pushed}@{place.digest(pushed, '1')}")

    assert place.tags(pushed) == []
