"""regctl copies images, puts artifacts with a subject, and deletes tags."""

from __future__ import annotations

import os

import pytest
from clients import Layout, Workstation, need, small_image, two_platforms
from place import Place


@pytest.fixture
def regctl(known: Workstation, place: Place) -> Workstation:
    """A machine whose regctl knows that the registry speaks plain HTTP."""
    known.run("regctl", "registry", "set", "--skip-check", "--tls", "disabled", place.host)
    return known


@pytest.fixture
def image(regctl: Workstation, place: Place) -> str:
    """An image in the registry: the name of its repository; its tag is 1."""
    layout, target = small_image(regctl.work / "image"), place.new()
    regctl.run("regctl", "image", "copy", f"ocidir://{layout.folder}:1", f"{target}:1")
    return target


def artifact(machine: Workstation, kind: str, *options: str) -> str:
    """Puts an artifact; returns its digest."""
    return machine.run(
        "regctl", "artifact", "put", "--artifact-type", kind, "--format",
        "{{.Manifest.GetDescriptor.Digest}}",
        *options, stdin="content",
    ).strip()  # fmt: skip


def test_log_in(workstation: Workstation, place: Place) -> None:
    workstation.run("regctl", "registry", "set", "--skip-check", "--tls", "disabled", place.host)
    workstation.run(
        "regctl", "registry", "login", place.host, "-u", place.user, "--pass-stdin", stdin=place.password
    )
    layout, target = small_image(workstation.work / "image"), place.new()
    workstation.run("regctl", "image", "copy", f"ocidir://{layout.folder}:1", f"{target}:1")

    assert workstation.run("regctl", "tag", "ls", target).split() == ["1"]


def test_a_wrong_password_is_refused(workstation: Workstation, place: Place) -> None:
    workstation.run("regctl", "registry", "set", "--skip-check", "--tls", "disabled", place.host)
    words = workstation.refused(
        "regctl", "registry", "login", place.host, "-u", "nobody", "--pass-stdin", stdin="wrong"
    )
    assert "unauthorized" in words.lower()


def test_tags_are_listed_page_by_page(regctl: Workstation, image: str) -> None:
    for name in ("2", "3", "4"):
        regctl.run("regctl", "image", "copy", f"{image}:1", f"{image}:{name}")

    assert regctl.run("regctl", "tag", "ls", "--limit", "2", image).split() == ["1", "2"]
    assert regctl.run("regctl", "tag", "ls", "--limit", "2", "--last", "2", image).split() == ["3", "4"]


def test_copy_of_all_platforms_with_what_refers_to_them(regctl: Workstation, place: Place) -> None:
    layout, source, target = two_platforms(regctl.work / "image"), place.new("from"), place.new("to")
    regctl.run("regctl", "image", "copy", f"ocidir://{layout.folder}:1", f"{source}:1")
    put = artifact(regctl, "application/vnd.example", "--subject", f"{source}:1")
    regctl.run("regctl", "image", "copy", "--referrers", f"{source}:1", f"{target}:1")

    assert place.manifest(target, "1") == place.manifest(source, "1")
    found = regctl.run(
        "regctl", "artifact", "list", f"{target}:1", "--format", "{{range .Descriptors}}{{.Digest}} {{end}}"
    )
    assert found.split() == [put]


def test_an_artifact_with_a_subject_is_a_referrer_and_not_a_tag(
    regctl: Workstation, place: Place, image: str
) -> None:
    put = artifact(regctl, "application/vnd.example", "--subject", f"{image}:1", "--annotation", "a=b")

    listed = place.get(image, f"referrers/{place.digest(image, '1')}").json()["manifests"]
    assert [(one["digest"], one["artifactType"], one["annotations"]["a"]) for one in listed] == [
        (put, "application/vnd.example", "b")
    ]
    assert place.tags(image) == ["1"]
    assert regctl.run("regctl", "artifact", "get", "--subject", f"{image}:1") == "content"


def test_referrers_are_filtered_by_type(regctl: Workstation, image: str) -> None:
    artifact(regctl, "application/vnd.one", "--subject", f"{image}:1")
    two = artifact(regctl, "application/vnd.two", "--subject", f"{image}:1")
    found = regctl.run(
        "regctl", "artifact", "list", f"{image}:1", "--filter-artifact-type", "application/vnd.two",
        "--format", "{{range .Descriptors}}{{.Digest}}{{end}}",
    )  # fmt: skip
    assert found.strip() == two


def test_a_tag_is_deleted_and_its_manifest_stays(regctl: Workstation, place: Place, image: str) -> None:
    regctl.run("regctl", "image", "copy", f"{image}:1", f"{image}:2")
    digest = place.digest(image, "1")
    regctl.run("regctl", "tag", "delete", f"{image}:2")

    assert place.tags(image) == ["1"]
    assert place.digest(image, digest) == digest


def test_a_manifest_is_deleted_with_its_referrers(regctl: Workstation, place: Place, image: str) -> None:
    digest = place.digest(image, "1")
    regctl.run("regctl", "manifest", "delete", f"{image}@{digest}")

    assert place.tags(image) == []
    assert "not found" in regctl.refused("regctl", "manifest", "head", f"{image}@{digest}")


def test_a_blob_is_pushed_in_chunks(regctl: Workstation, place: Place) -> None:
    repository, data = place.new(), os.urandom(300_000)
    regctl.run(
        "regctl",
        "registry",
        "set",
        "--skip-check",
        place.host,
        "--blob-chunk",
        "65536",
        "--blob-max",
        "100000",
    )
    (regctl.work / "data").write_bytes(data)
    digest = Layout(regctl.work / "layout").blob(data, "text/plain")["digest"]
    regctl.run("bash", "-c", '"$0" blob put "$1" <data', need("regctl"), repository)

    assert place.get(repository, f"blobs/{digest}").content == data


def test_an_image_is_changed(regctl: Workstation, place: Place, image: str) -> None:
    regctl.run("regctl", "image", "mod", f"{image}:1", "--label", "who=we", "--create", f"{image}:2")

    config = place.manifest(image, "2")["config"]["digest"]
    assert place.get(image, f"blobs/{config}").json()["config"]["Labels"]["who"] == "we"
