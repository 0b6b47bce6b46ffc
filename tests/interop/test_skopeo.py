"""skopeo copies, looks at and deletes images."""

from __future__ import annotations

import pytest
from clients import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Layout,
    Workstation,
    small_image,
    two_platforms,
)
from place import Place

PLAIN = "--tls-verify=false"
TO_PLAIN = "--dest-tls-verify=false"
FROM_PLAIN = "--src-tls-verify=false"


def push(machine: Workstation, layout: Layout, target: str, *options: str, tag: str = "1") -> None:
    machine.run("skopeo", "copy", TO_PLAIN, *options, f"oci:{layout.folder}:{tag}", f"docker://{target}:1")


def test_log_in_and_out(workstation: Workstation, place: Place) -> None:
    words = workstation.run(
        "skopeo", "login", PLAIN, "-u", place.user, "--password-stdin", place.host, stdin=place.password
    )
    assert "Login Succeeded" in words
    push(workstation, small_image(workstation.work / "image"), place.new())

    workstation.run("skopeo", "logout", place.host)
    assert place.host not in workstation.auth_file.read_text()


def test_a_wrong_password_is_refused(workstation: Workstation, place: Place) -> None:
    # not the account of the other tests: it has to wait now
    words = workstation.refused(
        "skopeo", "login", PLAIN, "-u", "nobody", "--password-stdin", place.host, stdin="wrong"
    )
    assert "invalid username/password" in words


@pytest.mark.parametrize(
    ("options", "media_type"),
    [(("--format", "oci"), OCI_MANIFEST), (("--format", "v2s2"), DOCKER_MANIFEST)],
    ids=["oci", "v2s2"],
)
def test_an_image_comes_back_as_it_was_pushed(
    known: Workstation, place: Place, options: tuple[str, ...], media_type: str
) -> None:
    layout, target = small_image(known.work / "image"), place.new()
    push(known, layout, target, *options)

    assert place.get(target, "manifests/1").headers["Content-Type"] == media_type
    back = known.work / "back"
    known.run("skopeo", "copy", FROM_PLAIN, f"docker://{target}:1", f"dir:{back}")
    for descriptor in place.manifest(target, "1")["layers"]:
        name = descriptor["digest"].partition(":")[2]
        assert (back / name).read_bytes() == (layout.folder / "blobs" / "sha256" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "media_type"), [((), OCI_INDEX), (("--format", "v2s2"), DOCKER_LIST)], ids=["oci", "v2s2"]
)
def test_all_platforms_of_an_image(
    known: Workstation, place: Place, options: tuple[str, ...], media_type: str
) -> None:
    layout, target = two_platforms(known.work / "image"), place.new()
    push(known, layout, target, "--all", *options)

    assert place.get(target, "manifests/1").headers["Content-Type"] == media_type
    for name in ("amd64", "arm64"):
        seen = known.json("skopeo", "--override-arch", name, "inspect", PLAIN, f"docker://{target}:1")
        assert seen["Architecture"] == name
    back = known.work / "back"
    known.run("skopeo", "copy", "--all", FROM_PLAIN, f"docker://{target}:1", f"oci:{back}:1")


def test_layers_compressed_with_zstd(known: Workstation, place: Place) -> None:
    layout, target = small_image(known.work / "image"), place.new()
    plain = known.work / "plain"
    # skopeo compresses what is not compressed, so the layers are unpacked first
    known.run("skopeo", "copy", "--dest-decompress", f"oci:{layout.folder}:1", f"dir:{plain}")
    known.run(
        "skopeo", "copy", TO_PLAIN, "--dest-compress-format", "zstd", "--format", "oci",
        f"dir:{plain}", f"docker://{target}:1",
    )  # fmt: skip

    layers = place.manifest(target, "1")["layers"]
    assert {layer["mediaType"] for layer in layers} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    assert place.get(target, f"blobs/{layers[0]['digest']}").content.startswith(b"\x28\xb5\x2f\xfd")
    back = known.work / "back"
    known.run("skopeo", "copy", FROM_PLAIN, f"docker://{target}:1", f"oci:{back}:1")


def test_a_repository_of_fifty_tags_is_copied(known: Workstation, place: Place) -> None:
    source, target = place.new("from"), place.new("to")
    layout = Layout(known.work / "image")
    names = [f"v{number}" for number in range(50)]
    for name in names:
        layout.image([{"common": b"x" * 2000}, {"name": name.encode()}], name)
    known.run(
        "bash", "-ec",
        f'for tag in {" ".join(names)}; do skopeo copy -q {TO_PLAIN} oci:$0:$tag docker://$1:$tag & '
        '(( ++n % 4 )) || wait; done; wait',
        layout.folder, source,
    )  # fmt: skip
    assert sorted(place.tags(source)) == sorted(names)
    known.run(
        "skopeo", "sync", FROM_PLAIN, TO_PLAIN, "--src", "docker", "--dest", "docker", source, target,
        timeout=240,
    )  # fmt: skip

    copied = f"{target}/{source.rpartition('/')[2]}"
    assert sorted(known.json("skopeo", "list-tags", PLAIN, f"docker://{copied}")["Tags"]) == sorted(names)
    assert [place.digest(copied, name) for name in names] == [place.digest(source, name) for name in names]


def test_inspect_by_tag_and_by_digest(known: Workstation, place: Place) -> None:
    layout, target = Layout(known.work / "image"), place.new()
    layout.image([{"a": b"a"}], "1", labels={"who": "we"})
    push(known, layout, target)

    by_tag = known.json("skopeo", "inspect", PLAIN, f"docker://{target}:1")
    assert by_tag["Labels"] == {"who": "we"}
    assert by_tag["RepoTags"] == ["1"]
    assert by_tag["Digest"] == place.digest(target, "1")
    by_digest = known.json("skopeo", "inspect", PLAIN, f"docker://{target}@{by_tag['Digest']}")
    assert by_digest["Layers"] == by_tag["Layers"]


def test_a_deleted_image_is_gone(known: Workstation, place: Place) -> None:
    target = place.new()
    push(known, small_image(known.work / "image"), target)
    known.run("skopeo", "delete", PLAIN, f"docker://{target}:1")

    assert place.tags(target) == []
    assert "manifest" in known.refused("skopeo", "inspect", PLAIN, f"docker://{target}:1")


def test_others_cannot_push_here(known: Workstation, place: Place) -> None:
    layout = small_image(known.work / "image")
    words = known.refused(
        "skopeo", "copy", TO_PLAIN, f"oci:{layout.folder}:1", f"docker://{place.host}/admin/theirs:1"
    )
    assert "unauthorized" in words.lower()
