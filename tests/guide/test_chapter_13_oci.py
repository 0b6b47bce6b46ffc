"""Chapter 13, OCI support: sections 13.1 to 13.5, Helm and cosign, over HTTPS as 13.1 asks.

The guide's `helm chart save|push|pull|export` and `cosign sign -key` have been renamed since; each test says
which command of today does the step. `COSIGN_PASSWORD` answers cosign's question.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from charts import chart
from clients import Workstation, build_context
from place import Place
from secure import SecureServer

from quayframe.testing.server import RegistryServer


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Path]]:
    """A registry that speaks HTTPS, configured as section 13.3 says, and its authority's rootCA.pem."""
    folder = tmp_path_factory.mktemp("registry")
    server = SecureServer(folder, {"FEATURE_GENERAL_OCI_SUPPORT": True, "FEATURE_HELM_OCI_SUPPORT": True})
    server.start()
    try:
        yield Place.of(server, "quayadmin"), server.root
    finally:
        server.kill()


@pytest.fixture
def registry(trusted: tuple[Place, Path]) -> Place:
    return trusted[0]


@pytest.fixture
def user(trusted: tuple[Place, Path], machine: Workstation) -> Workstation:
    """A user whose system trusts the registry's certificate.

    "Make sure that your operating system is configured to trust the certificates used by Quay:
    `sudo cp rootCA.pem /etc/pki/ca-trust/source/anchors/; sudo update-ca-trust extract`." What that changes,
    the bundle of authorities that clients read, is changed for this machine alone.
    """
    place, root = trusted
    machine.env["SSL_CERT_FILE"] = str(root)
    # podman reads a folder for each registry beside it
    containers = machine.folder / "home" / ".config" / "containers"
    (containers / "registries.conf").write_text("")
    folder = containers / "certs.d" / place.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(root.read_bytes())
    return machine


def certificates(user: Workstation, registry: Place) -> tuple[object, ...]:
    """What podman is told so as to read this machine's certificates, not the system's."""
    return "--cert-dir", user.folder / "home" / ".config" / "containers" / "certs.d" / registry.host


def log_in(user: Workstation, registry: Place, *options: object) -> str:
    return user.run(
        "helm", "registry", "login", registry.host, "-u", registry.user, "--password-stdin", *options,
        stdin=registry.password,
    )  # fmt: skip


def test_13_1_an_untrusted_certificate_is_refused(machine: Workstation, registry: Place) -> None:
    """ "Only registries that speak HTTPS with trusted certificates are supported." """
    words = machine.refused(
        "helm", "registry", "login", registry.host, "-u", registry.user, "--password-stdin",
        stdin=registry.password,
    )  # fmt: skip
    assert "certificate" in words


def test_13_1_a_certificate_that_helm_alone_is_told_of(
    machine: Workstation, trusted: tuple[Place, Path]
) -> None:
    """Later releases of Helm take the authority by `--ca-file`."""
    registry, root = trusted
    log_in(machine, registry, "--ca-file", root)
    machine.run("helm", "package", chart(machine.work / "c", "etherpad", "0.0.4"))
    machine.run("helm", "push", "--ca-file", root, "etherpad-0.0.4.tgz", f"oci://{registry.new('helm')}")


def test_13_2_a_chart_is_pushed_pulled_and_taken_apart(user: Workstation, registry: Place) -> None:
    """Section 13.2, step by step; the example chart is made here, not fetched from a chart repository."""
    etherpad = chart(user.work, "etherpad", "0.0.4")
    helm = registry.new("helm")

    # `helm chart save ./etherpad .../helm/etherpad:0.0.4` is `helm package`: "tag the chart"
    assert "etherpad-0.0.4.tgz" in user.run("helm", "package", "./etherpad")
    # "Log in with `helm registry login`"
    log_in(user, registry)
    assert registry.host in json.loads(user.auth_file.read_text())["auths"]
    # `helm chart push` is `helm push`: "push the chart to the local repository"
    user.run("helm", "push", "etherpad-0.0.4.tgz", f"oci://{helm}")
    assert registry.tags(f"{helm}/etherpad") == ["0.0.4"]

    # "To test that the push worked, delete the local copy and then pull the chart":
    # `helm chart rm ...; rm -rf etherpad; helm chart pull ...` is `helm pull`
    values = (etherpad / "values.yaml").read_text()
    user.run("rm", "-rf", "etherpad", "etherpad-0.0.4.tgz")
    user.run("helm", "pull", f"oci://{helm}/etherpad", "--version", "0.0.4")
    assert (user.work / "etherpad-0.0.4.tgz").exists()
    # `helm chart export`: "extract the chart files"
    user.run("helm", "pull", f"oci://{helm}/etherpad", "--version", "0.0.4", "--untar")
    assert (etherpad / "values.yaml").read_text() == values


def test_13_3_charts_need_no_setting(machine: Workstation, place: Place) -> None:
    """ "Helm artifacts are supported by default; users no longer need to update config.yaml." """
    machine.know(place.host, place.user, place.password)
    machine.run("helm", "package", chart(machine.work, "etherpad", "0.0.4"))
    helm = place.new("helm")
    machine.run("helm", "push", "--plain-http", "etherpad-0.0.4.tgz", f"oci://{helm}")
    assert place.tags(f"{helm}/etherpad") == ["0.0.4"]


def test_13_3_turned_off_charts_and_images_of_oci_are_refused(machine: Workstation, tmp_path: Path) -> None:
    """`FEATURE_GENERAL_OCI_SUPPORT: false`: the setting that the section's table has as true by default."""
    server = RegistryServer(tmp_path / "registry", {"FEATURE_GENERAL_OCI_SUPPORT": False}).start()
    try:
        place = Place.of(server, "owner")
        machine.know(place.host, place.user, place.password)
        machine.run("helm", "package", chart(machine.work, "etherpad", "0.0.4"))
        words = machine.refused(
            "helm", "push", "--plain-http", "etherpad-0.0.4.tgz", f"oci://{place.new('helm')}"
        )
    finally:
        server.kill()
    assert "415" in words


@pytest.fixture
def busybox(user: Workstation, registry: Place) -> str:
    """`<host>/quayadmin/busybox-...:test`, pushed by podman, which has logged out again."""
    target = f"{registry.new('busybox')}:test"
    user.run(
        "podman", "login", *certificates(user, registry), "-u", registry.user, "--password-stdin",
        registry.host, stdin=registry.password,
    )  # fmt: skip
    context = build_context(user.work / "image", target)
    user.run("podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", target, context)
    user.run("podman", "push", *certificates(user, registry), target)
    user.run("podman", "logout", registry.host)
    return target


SIGN = ("--yes", "--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false")
VERIFY = ("--insecure-ignore-tlog=true", "--new-bundle-format=false")


def test_13_5_an_image_is_signed_and_verified(user: Workstation, registry: Place, busybox: str) -> None:
    """Section 13.5, step by step, without the public log of signatures."""
    # "Generate a key pair: `cosign generate-key-pair`"
    user.run("cosign", "generate-key-pair")
    assert (user.work / "cosign.key").exists()
    assert (user.work / "cosign.pub").exists()

    # "Some users may experience the following error: ... UNAUTHORIZED: access to the requested resource is
    # not authorized; map[]"
    sign = ("cosign", "sign", *SIGN, "--key", "cosign.key", busybox)
    assert "UNAUTHORIZED: access to the requested resource is not authorized; map[]" in user.refused(*sign)

    # "Because cosign relies on ~/.docker/config.json for authorization, you might need to run
    # `podman login --authfile ~/.docker/config.json quay-server.example.com`"
    user.run(
        "podman", "login", "--authfile", user.auth_file, *certificates(user, registry), "-u",
        registry.user, "--password-stdin", registry.host, stdin=registry.password,
    )  # fmt: skip
    # "See the updated authorization configuration: `cat ~/.docker/config.json`"
    assert registry.host in json.loads(user.run("cat", user.auth_file))["auths"]

    # `cosign sign -key cosign.key quay-server.example.com/user1/busybox:test`: "Pushing signature to:
    # quay-server.example.com/user1/busybox:sha256-....sig"
    user.run(*sign)
    repository = busybox.rpartition(":")[0]
    signature = f"{registry.digest(repository, 'test').replace(':', '-')}.sig"
    assert sorted(registry.tags(repository)) == sorted(["test", signature])
    user.run("cosign", "verify", *VERIFY, "--key", "cosign.pub", busybox)


def test_13_layers_compressed_with_zstd(user: Workstation, registry: Place) -> None:
    """ "Support for OCI artifacts now includes cosign and the zstd compression scheme by default." """
    target = f"{registry.new('busybox')}:zstd"
    user.know(registry.host, registry.user, registry.password)
    context = build_context(user.work / "image", target)
    user.run("podman", "build", "--isolation", "chroot", "--pull=never", "-q", "-t", target, context)
    user.run(
        "podman",
        "push",
        *certificates(user, registry),
        "--format",
        "oci",
        "--compression-format",
        "zstd",
        target,
    )
    user.run("podman", "rmi", target)

    layers = registry.manifest(*target.rsplit(":", 1))["layers"]
    assert {layer["mediaType"] for layer in layers} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    user.run("podman", "pull", *certificates(user, registry), target)
    run = ("run", "--rm", "--network", "host", "--security-opt", "seccomp=unconfined")
    assert user.run("podman", *run, target) == target
