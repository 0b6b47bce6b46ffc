"""The conformance suite of the OCI distribution specification, for the release and for the head."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from clients import Workstation
from place import Place

# Checks that the suite does not count as passed, and why: everything else must pass.
MOUNT = (
    "the suite's token names the target alone; a mount with `from` needs a token that may pull the source, "
    "and is otherwise an ordinary upload (202), which the specification allows"
)
RANGE = (
    "`bytes=500-0` is not a range; RFC 9110, section 14.2, lets a server ignore it and send the whole blob, "
    "where the suite hopes for 416"
)
CANCEL = "cancelling an upload is not in version 1.1; the suite leaves it to the head"

NOT_PASSED = {
    "sha256 blobs/mount/blob-mount": MOUNT,
    "sha512 blobs/mount/blob-mount": MOUNT,
    "sha256 blobs/range requests/range 500-0": RANGE,
    "sha512 blobs/range requests/range 500-0": RANGE,
}
NOT_PASSED_BY_VERSION = {
    "1.1": {
        "sha256 blobs/post cancel/blob-post-cancel": CANCEL,
        "sha512 blobs/post cancel/blob-post-cancel": CANCEL,
    },
    "dev": {},
}
# Parts that the suite's own configuration for that version turns off.
SPARSE = (
    "off unless asked for: whether a manifest may lack its blobs is up to the registry, and here it may not"
)
TAGS = "`tag` parameters on a manifest PUT came after version 1.1"
OFF: dict[str, dict[str, str]] = {
    "1.1": {
        "Blob upload cancel": CANCEL,
        "Manifest put with tag params": TAGS,
        "Sparse Manifests": SPARSE,
        "Tag Param": TAGS,
        "Tag Param sha512": TAGS,
    },
    "dev": {"Sparse Manifests": SPARSE},
}
AT_LEAST = {"1.1": 850, "dev": 970}


@dataclass
class Report:
    """What the suite wrote.

    :param passed: how many checks passed.
    :param others: name -> status of the ones that did not.
    :param parts: name -> status of the parts of the interface and of the data.
    """

    passed: int
    others: dict[str, str]
    parts: dict[str, str]


def run(version: str, place: Place, workstation: Workstation) -> Report:
    results = workstation.folder / "results"
    workstation.run(
        "conformance",
        env={
            "OCI_REGISTRY": place.host,
            "OCI_TLS": "disabled",
            "OCI_USERNAME": place.user,
            "OCI_PASSWORD": place.password,
            "OCI_REPO1": place.new("one").removeprefix(f"{place.host}/"),
            "OCI_REPO2": place.new("two").removeprefix(f"{place.host}/"),
            "OCI_VERSION": version,
            "OCI_RESULTS_DIR": str(results),
        },
    )
    return read(results)


def read(results: Path) -> Report:
    suites = ElementTree.parse(results / "junit.xml").getroot()
    others = {
        str(case.get("name")).partition("/")[2]: str(case.get("status"))
        for case in suites.iter("testcase")
        if case.get("status") != "passed"
    }
    not_passed = sum(int(suites.get(name, 0)) for name in ("failures", "errors", "skipped", "disabled"))
    summary = yaml.safe_load((results / "results.yaml").read_text())
    return Report(int(suites.get("tests", 0)) - not_passed, others, {**summary["apis"], **summary["data"]})


@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_the_suite_passes_but_for_what_is_named(version: str, place: Place, workstation: Workstation) -> None:
    report = run(version, place, workstation)

    assert report.others == dict.fromkeys(NOT_PASSED | NOT_PASSED_BY_VERSION[version], "skipped")
    assert {name: status for name, status in report.parts.items() if status != "Pass"} == dict.fromkeys(
        OFF[version], "Disabled"
    )
    assert report.passed >= AT_LEAST[version]
