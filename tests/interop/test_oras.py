"""oras pushes files as artifacts, attaches them to images, and finds them again."""

from __future__ import annotations

import pytest
from clients import Layout, Workstation, small_image, two_platforms
from place import Place

PLAIN = "--plain-http"
SBOM = "application/spdx+json"


@pytest.fixture
def image(known: Workstation, place: Place) -> str:
    """An image in the registry: `<repository>:1`."""
    layout, target = small_image(known.work / "image"), f"{place.new()}:1"
    known.run("oras", "cp", "--from-oci-layout", f"{layout.folder}:1", "--to-plain-http", target)
    return target


def attach(machine: Workstation, target: str, kind: str, text: str) -> str:
    """Attaches a file; returns the artifact's digest."""
    (machine.work / "attached.json").write_text(text)
    done = machine.json(
        "oras", "attach", PLAIN, "--artifact-type", kind, "--format", "json", target,
        f"attached.json:{kind}",
    )  # fmt: skip
    return str(done["digest"])


def discover(machine: Workstation, target: str, *options: str) -> list[str]:
    found = machine.json("oras", "discover", PLAIN, "--format", "json", *options, target)
    return sorted(referrer["digest"] for referrer in found.get("referrers") or [])


def test_log_in_and_out(workstation: Workstation, place: Place) -> None:
    words = workstation.run(
        "oras", "login", PLAIN, place.host, "-u", place.user, "--password-stdin", stdin=place.password
    )
    assert "Login Succeeded" in words
    workstation.run("oras", "logout", place.host)
    assert place.host not in workstation.auth_file.read_text()


def test_a_file_comes_back_as_it_was_pushed(known: Workstation, place: Place) -> None:
    target = f"{place.new()}:1"
    (known.work / "hello.txt").write_text("hello\n")
    known.run(
        "oras",
        "push",
        PLAIN,
        target,
        "--artifact-type",
        "application/vnd.example+type",
        "hello.txt:text/plain",
    )
    known.run("oras", "pull", PLAIN, target, "-o", "back")

    assert (known.work / "back" / "hello.txt").read_text() == "hello\n"
    assert place.manifest(*target.rsplit(":", 1))["artifactType"] == "application/vnd.example+type"


def test_several_tags_in_one_push(known: Workstation, place: Place) -> None:
    repository = place.new()
    (known.work / "hello.txt").write_text("hello\n")
    known.run("oras", "push", PLAIN, f"{repository}:1,latest,stable", "hello.txt")

    assert known.run("oras", "repo", "tags", PLAIN, repository).split() == ["1", "latest", "stable"]


def test_what_is_attached_is_discovered(known: Workstation, image: str) -> None:
    sbom = attach(known, image, SBOM, "{}")
    signature = attach(known, image, "application/vnd.example.signature", "{}")

    assert discover(known, image) == sorted([sbom, signature])
    assert discover(known, image, "--artifact-type", SBOM) == [sbom]


def test_an_attachment_has_attachments(known: Workstation, place: Place, image: str) -> None:
    sbom = attach(known, image, SBOM, "{}")
    repository = image.rpartition(":")[0]
    signature = attach(known, f"{repository}@{sbom}", "application/vnd.example.signature", "{}")

    assert discover(known, f"{repository}@{sbom}", "--depth", "1") == [signature]
    assert place.tags(repository) == ["1"]


def test_copy_with_what_is_attached(known: Workstation, place: Place, image: str) -> None:
    sbom = attach(known, image, SBOM, '{"name": "x"}')
    target = f"{place.new('copy')}:2"
    known.run("oras", "cp", "-r", "--from-plain-http", "--to-plain-http", image, target)

    assert discover(known, target) == [sbom]
    repository = target.rpartition(":")[0]
    known.run("oras", "pull", PLAIN, f"{repository}@{sbom}", "-o", "back")
    assert (known.work / "back" / "attached.json").read_text() == '{"name": "x"}'


def test_an_index_with_its_platforms(known: Workstation, place: Place) -> None:
    layout, target = two_platforms(known.work / "image"), f"{place.new()}:1"
    known.run("oras", "cp", "--from-oci-layout", f"{layout.folder}:1", "--to-plain-http", target)

    for name in ("amd64", "arm64"):
        config = known.json("oras", "manifest", "fetch-config", PLAIN, "--platform", f"linux/{name}", target)
        assert config["architecture"] == name


def test_tag_resolve_and_delete(known: Workstation, place: Place, image: str) -> None:
    repository = image.rpartition(":")[0]
    known.run("oras", "tag", PLAIN, image, "2")
    assert known.run("oras", "resolve", PLAIN, f"{repository}:2").strip() == place.digest(repository, "1")
    known.run("oras", "manifest", "delete", PLAIN, "--force", f"{repository}:2")

    assert "2" not in place.tags(repository)


def test_a_blob_is_pushed_fetched_and_deleted(known: Workstation, place: Place) -> None:
    repository = place.new()
    (known.work / "blob").write_bytes(b"some bytes")
    known.run("oras", "blob", "push", PLAIN, repository, "blob")
    digest = Layout(known.work / "layout").blob(b"some bytes", "text/plain")["digest"]
    known.run("oras", "blob", "fetch", PLAIN, f"{repository}@{digest}", "-o", "back")
    assert (known.work / "back").read_bytes() == b"some bytes"

    known.run("oras", "blob", "delete", PLAIN, "--force", f"{repository}@{digest}")
    assert "not found" in known.refused("oras", "blob", "fetch", PLAIN, f"{repository}@{digest}", "-o", "b")
