"""helm pushes charts, pulls them and shows what is in them."""

from __future__ import annotations

import pytest
from charts import chart
from clients import Workstation
from place import Place

PLAIN = "--plain-http"
CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@pytest.fixture
def helm(workstation: Workstation, place: Place) -> Workstation:
    """A machine on which helm has logged in."""
    workstation.run(
        "helm", "registry", "login", PLAIN, place.host, "-u", place.user, "--password-stdin",
        stdin=place.password,
    )  # fmt: skip
    return workstation


def push(machine: Workstation, place: Place, version: str = "0.1.0") -> str:
    """Packages and pushes the chart `web`; returns `oci://.../web`."""
    charts = place.new("charts")
    machine.run("helm", "package", chart(machine.work / version, "web", version))
    machine.run("helm", "push", PLAIN, f"web-{version}.tgz", f"oci://{charts}")
    return f"oci://{charts}/web"


def test_a_wrong_password_is_refused(workstation: Workstation, place: Place) -> None:
    words = workstation.refused(
        "helm", "registry", "login", PLAIN, place.host, "-u", "nobody", "--password-stdin", stdin="wrong"
    )
    assert "401" in words or "unauthorized" in words.lower()


def test_a_chart_comes_back_as_it_was_pushed(helm: Workstation, place: Place) -> None:
    name = push(helm, place)
    back = helm.work / "back"
    back.mkdir()
    helm.run("helm", "pull", PLAIN, name, "--version", "0.1.0", "-d", back)

    assert (back / "web-0.1.0.tgz").read_bytes() == (helm.work / "web-0.1.0.tgz").read_bytes()


def test_a_chart_is_stored_with_its_own_types(helm: Workstation, place: Place) -> None:
    name = push(helm, place).removeprefix("oci://")

    manifest = place.manifest(name, "0.1.0")
    assert manifest["config"]["mediaType"] == CHART_CONFIG
    assert [layer["mediaType"] for layer in manifest["layers"]] == [CHART_LAYER]
    assert place.get(name, f"blobs/{manifest['config']['digest']}").json()["name"] == "web"


def test_show_reads_a_chart_in_the_registry(helm: Workstation, place: Place) -> None:
    name = push(helm, place)

    assert "version: 0.1.0" in helm.run("helm", "show", "chart", PLAIN, name)
    assert "greeting: hello" in helm.run("helm", "show", "values", PLAIN, name, "--version", "0.1.0")
    assert "greeting: hello" in helm.run("helm", "template", PLAIN, "mine", name)


def test_helm_4_pushes_pulls_and_tries_an_install(workstation: Workstation, place: Place) -> None:
    """Its dry run needs no cluster; that of helm 3 asks one for its version."""
    charts = place.new("charts")
    workstation.run(
        "helm4", "registry", "login", PLAIN, place.host, "-u", place.user, "--password-stdin",
        stdin=place.password,
    )  # fmt: skip
    workstation.run("helm4", "package", chart(workstation.work / "c", "web", "0.1.0"))
    workstation.run("helm4", "push", PLAIN, "web-0.1.0.tgz", f"oci://{charts}")
    workstation.run("helm4", "pull", PLAIN, f"oci://{charts}/web", "--version", "0.1.0", "--untar")
    assert (workstation.work / "web" / "values.yaml").read_text() == "greeting: hello\n"

    words = workstation.run(
        "helm4", "install", "mine", f"oci://{charts}/web", PLAIN, "--version", "0.1.0", "--dry-run=client",
        "--set", "greeting=bye",
    )  # fmt: skip
    assert "STATUS: pending-install" in words
    assert "kind: ConfigMap" in words
    assert "name: mine" in words
    assert "greeting: bye" in words


def test_the_newest_fitting_version_is_found_among_the_tags(helm: Workstation, place: Place) -> None:
    name = push(helm, place, "1.0.0")
    for version in ("1.1.0", "2.0.0"):
        helm.run("helm", "package", chart(helm.work / version, "web", version))
        helm.run("helm", "push", PLAIN, f"web-{version}.tgz", name.rpartition("/")[0])

    assert "version: 2.0.0" in helm.run("helm", "show", "chart", PLAIN, name)
    assert "version: 1.1.0" in helm.run("helm", "show", "chart", PLAIN, name, "--version", "^1.0")


def test_build_metadata_in_a_version(helm: Workstation, place: Place) -> None:
    name = push(helm, place, "1.0.0+build.7")

    # helm writes `+` as `_` in the tag
    assert place.tags(name.removeprefix("oci://")) == ["1.0.0_build.7"]
    assert "version: 1.0.0+build.7" in helm.run(
        "helm", "show", "chart", PLAIN, name, "--version", "1.0.0+build.7"
    )


def test_a_chart_with_provenance(helm: Workstation, place: Place) -> None:
    charts = place.new("charts")
    helm.run("helm", "package", chart(helm.work / "1", "web", "0.1.0"))
    (helm.work / "web-0.1.0.tgz.prov").write_text("-----BEGIN PGP SIGNED MESSAGE-----\n")
    helm.run("helm", "push", PLAIN, "web-0.1.0.tgz", f"oci://{charts}")

    types = {layer["mediaType"] for layer in place.manifest(f"{charts}/web", "0.1.0")["layers"]}
    assert types == {CHART_LAYER, "application/vnd.cncf.helm.chart.provenance.v1.prov"}
    back = helm.work / "back"
    back.mkdir()
    helm.run("helm", "pull", PLAIN, "--prov", f"oci://{charts}/web", "-d", back)
    assert (back / "web-0.1.0.tgz.prov").read_text() == "-----BEGIN PGP SIGNED MESSAGE-----\n"


def test_a_stranger_cannot_pull_a_private_chart(helm: Workstation, place: Place) -> None:
    name = push(helm, place)
    helm.run("helm", "registry", "logout", place.host)

    assert "401" in helm.refused("helm", "pull", PLAIN, name, "--version", "0.1.0")
