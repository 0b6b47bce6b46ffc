"""cosign signs and attests images, and verifies what it finds in the registry.

Its own log of signatures is a public service, so it is left out; the keys are the test's.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import Workstation, small_image
from place import Place
from webui import Browser

from quayframe.testing.server import RegistryServer

DEADLINE_S = 60
PLAIN = "--allow-http-registry"
SIGN = (PLAIN, "--yes", "--tlog-upload=false", "--use-signing-config=false", "--key", "cosign.key")
VERIFY = (PLAIN, "--insecure-ignore-tlog=true", "--key", "cosign.pub")
# The layout of before version 3: tags `sha256-<hex>.sig` beside the image.
OLD = ("--new-bundle-format=false",)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """cosign.key and cosign.pub: name -> content."""
    machine = Workstation(tmp_path_factory.mktemp("keys"))
    machine.run("cosign", "generate-key-pair")
    return {file.name: file.read_text() for file in machine.work.glob("cosign.*")}


@pytest.fixture
def cosign(known: Workstation, keys: dict[str, str]) -> Workstation:
    """A machine with the keys and the account's credentials."""
    for name, content in keys.items():
        (known.work / name).write_text(content)
    return known


@pytest.fixture
def image(cosign: Workstation, place: Place) -> str:
    """An image in the registry, by digest."""
    layout, target = small_image(cosign.work / "image"), place.new()
    return cosign.run("crane", "push", "--index", layout.folder, f"{target}:1").strip()


def test_log_in(workstation: Workstation, place: Place) -> None:
    workstation.run("cosign", "login", place.host, "-u", place.user, "--password-stdin", stdin=place.password)
    assert place.host in workstation.auth_file.read_text()


def test_a_signature_is_a_referrer_and_verifies(cosign: Workstation, place: Place, image: str) -> None:
    cosign.run("cosign", "sign", *SIGN, image)

    repository, _, digest = image.partition("@")
    kinds = {one["artifactType"] for one in place.get(repository, f"referrers/{digest}").json()["manifests"]}
    assert kinds == {"application/vnd.dev.sigstore.bundle.v0.3+json"}
    assert place.tags(repository) == ["1"]
    cosign.run("cosign", "verify", *VERIFY, image)


def test_a_signature_in_a_tag_verifies(cosign: Workstation, place: Place, image: str) -> None:
    cosign.run("cosign", "sign", *SIGN, *OLD, image)

    repository, _, digest = image.partition("@")
    assert f"{digest.replace(':', '-')}.sig" in place.tags(repository)
    claims = cosign.json("cosign", "verify", *VERIFY, *OLD, "--output", "json", image)
    assert [claim["critical"]["image"]["docker-manifest-digest"] for claim in claims] == [digest]


def test_a_second_signature_is_kept_beside_the_first(cosign: Workstation, image: str) -> None:
    for who in ("one", "two"):
        cosign.run("cosign", "sign", *SIGN, *OLD, "-a", f"who={who}", image)

    claims = cosign.json("cosign", "verify", *VERIFY, *OLD, "--output", "json", image)
    assert sorted(claim["optional"]["who"] for claim in claims) == ["one", "two"]


def test_an_unsigned_image_does_not_verify(cosign: Workstation, image: str) -> None:
    assert "no signatures found" in cosign.refused("cosign", "verify", *VERIFY, image)


@pytest.mark.parametrize("options", [(), OLD], ids=["referrer", "tag"])
def test_an_attestation_verifies(
    cosign: Workstation, place: Place, image: str, options: tuple[str, ...]
) -> None:
    (cosign.work / "predicate.json").write_text('{"passed": true}')
    cosign.run(
        "cosign", "attest", *SIGN, *options, "--type", "https://example.com/tests/v1",
        "--predicate", "predicate.json", image,
    )  # fmt: skip

    cosign.run(
        "cosign", "verify-attestation", *VERIFY, *options, "--type", "https://example.com/tests/v1", image
    )
    repository, _, digest = image.partition("@")
    in_tags = f"{digest.replace(':', '-')}.att" in place.tags(repository)
    assert in_tags is bool(options)


def test_an_sbom_is_attested_and_read_back(cosign: Workstation, image: str) -> None:
    sbom = {"spdxVersion": "SPDX-2.3", "name": "x", "SPDXID": "SPDXRef-DOCUMENT", "packages": []}
    (cosign.work / "sbom.json").write_text(json.dumps(sbom))
    cosign.run("cosign", "attest", *SIGN, *OLD, "--type", "spdxjson", "--predicate", "sbom.json", image)

    envelope = json.loads(
        cosign.run("cosign", "verify-attestation", *VERIFY, *OLD, "--type", "spdxjson", image)
    )
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["predicate"]["name"] == "x"
    assert statement["subject"][0]["digest"]["sha256"] == image.rpartition(":")[2]


def test_an_sbom_is_attached(cosign: Workstation, place: Place, image: str) -> None:
    (cosign.work / "sbom.json").write_text('{"spdxVersion": "SPDX-2.3", "name": "attached"}')
    cosign.run(
        "cosign",
        "attach",
        "sbom",
        PLAIN,
        "--sbom",
        "sbom.json",
        "--type",
        "spdx",
        "--input-format",
        "json",
        image,
    )

    repository, _, digest = image.partition("@")
    tag = f"{digest.replace(':', '-')}.sbom"
    layer = place.manifest(repository, tag)["layers"][0]
    assert place.get(repository, f"blobs/{layer['digest']}").json()["name"] == "attached"


def test_tree_shows_what_belongs_to_an_image(cosign: Workstation, image: str) -> None:
    cosign.run("cosign", "sign", *SIGN, *OLD, image)

    assert image.rpartition(":")[2] + ".sig" in cosign.run("cosign", "tree", PLAIN, image)


def test_copy_takes_the_signature_along(cosign: Workstation, place: Place, image: str) -> None:
    cosign.run("cosign", "sign", *SIGN, *OLD, image)
    target = place.new("copy")
    cosign.run("cosign", "copy", PLAIN, image, f"{target}:1")

    cosign.run("cosign", "verify", *VERIFY, *OLD, f"{target}@{image.partition('@')[2]}")


def signed_and_attested(cosign: Workstation, image: str, *options: str) -> None:
    (cosign.work / "predicate.json").write_text('{"passed": true}')
    cosign.run("cosign", "sign", *SIGN, *options, image)
    cosign.run(
        "cosign", "attest", *SIGN, *options, "--type", "custom", "--predicate", "predicate.json", image
    )


def verify(cosign: Workstation, image: str, *options: str) -> None:
    cosign.run("cosign", "verify", *VERIFY, *options, image)
    cosign.run("cosign", "verify-attestation", *VERIFY, *options, "--type", "custom", image)


def panel(place: Place, image: str) -> tuple[Browser, str]:
    """The owner's browser, and the path of the repository's tag `1` in the API."""
    name = image.partition("@")[0].removeprefix(f"{place.host}/")
    browser = Browser(place.server).sign_in(place.user, place.password)
    return browser, f"repository/{name}/tag/1"


def test_signature_and_attestation_end_with_the_last_tag_and_come_back_with_it(
    cosign: Workstation, place: Place, image: str
) -> None:
    repository, _, digest = image.partition("@")
    named = [f"{digest.replace(':', '-')}.{suffix}" for suffix in ("att", "sig")]
    signed_and_attested(cosign, image, *OLD)
    cosign.run("crane", "tag", image, "also")
    cosign.run("crane", "delete", f"{repository}:also")
    assert place.tags(repository) == ["1", *named]

    cosign.run("crane", "delete", f"{repository}:1")
    assert place.tags(repository) == []
    cosign.refused("cosign", "verify", *VERIFY, *OLD, image)

    browser, tag = panel(place, image)
    browser.post(f"{tag}/restore", {"manifest_digest": digest})
    assert place.tags(repository) == ["1", *named]
    verify(cosign, image, *OLD)


def test_a_moved_tag_leaves_the_old_image_unsigned_and_the_move_back_signs_it_again(
    cosign: Workstation, place: Place, image: str
) -> None:
    repository, _, digest = image.partition("@")
    signed_and_attested(cosign, image, *OLD)
    cosign.run("crane", "push", small_image(cosign.work / "other").folder, f"{repository}:1")
    assert place.tags(repository) == ["1"]

    browser, tag = panel(place, image)
    browser.post(f"{tag}/restore", {"manifest_digest": digest})
    verify(cosign, f"{repository}:1", *OLD)


@pytest.fixture
def hasty(cosign: Workstation, tmp_path: Path) -> Iterator[Place]:
    """A registry that holds what was pushed by digest for seconds, not for an hour; cosign knows it, too."""
    server = RegistryServer(tmp_path / "registry", {"PUSH_TEMP_TAG_EXPIRATION_SEC": 8}).start()
    try:
        made = Place.of(server, "ann")
        cosign.know(made.host, made.user, made.password)
        yield made
    finally:
        server.kill()


def test_referrers_go_and_come_back_with_their_subject(cosign: Workstation, hasty: Place) -> None:
    layout, repository = small_image(cosign.work / "image"), hasty.new()
    image = cosign.run("crane", "push", "--index", layout.folder, f"{repository}:1").strip()
    digest = image.partition("@")[2]
    signed_and_attested(cosign, image)
    listed = hasty.get(repository, f"referrers/{digest}").json()["manifests"]
    assert len(listed) == 2

    cosign.run("crane", "delete", f"{repository}:1")
    deadline = time.monotonic() + DEADLINE_S
    while hasty.get(repository, f"referrers/{digest}").json()["manifests"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for referrer in listed:
        assert "MANIFEST_UNKNOWN" in cosign.refused("crane", "manifest", f"{repository}@{referrer['digest']}")

    browser, tag = panel(hasty, image)
    browser.post(f"{tag}/restore", {"manifest_digest": digest})
    assert hasty.get(repository, f"referrers/{digest}").json()["manifests"] == listed
    verify(cosign, image)


def test_the_api_lists_signatures_and_attestations_with_their_types(
    cosign: Workstation, place: Place, image: str
) -> None:
    signed_and_attested(cosign, image)
    signed_and_attested(cosign, image, *OLD)
    repository, _, digest = image.partition("@")
    name = repository.removeprefix(f"{place.host}/")
    found = panel(place, image)[0].get(f"repository/{name}/manifest/{digest}/referrers")["referrers"]

    hexed = digest.replace(":", "-")
    kinds = sorted((one["kind"], one.get("tag")) for one in found)
    assert kinds == [
        ("attestation", f"{hexed}.att"),
        ("signature", f"{hexed}.sig"),
        ("subject", None),
        ("subject", None),
    ]
    bundles = {one["artifact_type"] for one in found if one["kind"] == "subject"}
    assert bundles == {"application/vnd.dev.sigstore.bundle.v0.3+json"}
