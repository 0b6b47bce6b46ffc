"""Tag list, catalog and referrers: complete, in order, in pages, current."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
import requests
from protocol import HOST, OCI_INDEX, Protocol, Repo, code, sha256

from quayframe.services.principal import SYSTEM

LINK = '>; rel="next"'


def pages(session: requests.Session, url: str, key: str) -> list[list[Any]]:
    """Each page's list, by following Link; a loop fails."""
    found: list[list[Any]] = []
    while url:
        answer = session.get(url)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()[key])
        link = answer.headers.get("Link", "")
        assert link == "" or (link.startswith("</v2/") and link.endswith(LINK))
        url = f"http://{HOST}{link[1 : -len(LINK)]}" if link else ""
        assert len(found) < 50
    return found


# -- tags ---------------------------------------------------------------------------------------

TAGS = ["1.0", "A", "B", "Latest", "_x", "a", "a-b", "a.b", "a_b", "latest"]


@pytest.fixture(scope="module")
def tagged(protocol: Protocol) -> Repo:
    repo = protocol.repo()
    body = repo.image_body()
    query = "&".join(f"tag={tag}" for tag in reversed(TAGS))
    assert repo.put(f"{sha256(body)}?{query}", body).status_code == 201
    return repo


def test_tags_are_in_ascii_order_and_case_counts(tagged: Repo) -> None:
    answer = tagged.get("tags/list")

    assert answer.json() == {"name": tagged.name, "tags": TAGS}
    assert sorted(TAGS) == TAGS
    assert "Link" not in answer.headers


@pytest.mark.parametrize("n", [1, 3, 9])
def test_pages_of_tags_make_the_whole(tagged: Repo, n: int) -> None:
    found = pages(tagged.session, tagged.url(f"tags/list?n={n}"), "tags")

    assert [tag for page in found for tag in page] == TAGS
    assert all(len(page) == n for page in found[:-1])


def test_no_link_follows_the_last_page(tagged: Repo) -> None:
    assert "Link" not in tagged.get(f"tags/list?n={len(TAGS)}").headers
    assert "Link" not in tagged.get("tags/list?n=3&last=a_b").headers


@pytest.mark.parametrize("n", ["0", "-5"])
def test_no_tags_were_asked_for(tagged: Repo, n: str) -> None:
    answer = tagged.get(f"tags/list?n={n}")

    assert (answer.status_code, answer.json()["tags"]) == (200, [])
    assert "Link" not in answer.headers


@pytest.mark.parametrize("n", ["x", "", "1e1", "9" * 40, "101"])
def test_a_count_that_is_none_gives_the_usual_page(tagged: Repo, n: str) -> None:
    assert tagged.get(f"tags/list?n={n}").json()["tags"] == TAGS


def test_a_list_goes_on_after_a_tag_that_is_not_there(tagged: Repo) -> None:
    assert tagged.get("tags/list?last=Z").json()["tags"] == TAGS[4:]
    assert tagged.get("tags/list?last=zzz").json()["tags"] == []
    assert tagged.get("tags/list?last=%ff").status_code == 200


def test_a_page_has_at_most_100_tags(repo: Repo) -> None:
    body = repo.image_body()
    for start in (0, 100):
        query = "&".join(f"tag=t{n:03}" for n in range(start, start + 75))
        repo.put(f"{sha256(body)}?{query}", body)
    found = pages(repo.session, repo.url("tags/list?n=5000"), "tags")

    assert [len(page) for page in found] == [100, 50]


def test_only_live_tags_are_listed(repo: Repo) -> None:
    for tag in ("a", "b", "c"):
        repo.image(tag)
    repo.delete("manifests/b")
    repo.image()

    assert repo.tags() == ["a", "c"]


# -- catalog ------------------------------------------------------------------------------------


def catalog(session: requests.Session, query: str = "") -> list[str]:
    found = pages(session, f"http://{HOST}/v2/_catalog{query}", "repositories")
    return [name for page in found for name in page]


def test_the_catalog_lists_what_one_may_see(protocol: Protocol) -> None:
    owner, other, reader = protocol.user(), protocol.user(), protocol.user()
    mine = sorted(protocol.repo(owner, f"r{n}").name for n in range(3))
    for name in mine:
        protocol.repo(owner, name.partition("/")[2]).begin()
    protocol.repo(other).begin()
    shared = protocol.repo(owner, "shared")
    shared.begin()
    protocol.registry.tenancy.permissions.grant(SYSTEM, shared.path, reader.name, "read")

    assert catalog(protocol.as_(owner)) == [*mine, shared.name]
    assert catalog(protocol.as_(owner), "?n=1") == [*mine, shared.name]
    assert catalog(protocol.as_(reader)) == [shared.name]
    assert catalog(protocol.session()) == []


def test_the_catalog_goes_on_after_a_name(protocol: Protocol) -> None:
    owner = protocol.user()
    for name in ("a", "b", "b/c", "c"):
        protocol.repo(owner, name).begin()
    session = protocol.as_(owner)

    assert catalog(session, f"?last={owner.name}/b") == [f"{owner.name}/b/c", f"{owner.name}/c"]
    assert catalog(session, f"?last={owner.name}/zz") == []


def test_a_page_of_the_catalog_that_nobody_gave_is_refused(protocol: Protocol) -> None:
    answer = protocol.as_(protocol.user()).get(f"http://{HOST}/v2/_catalog?next_page=garbage")

    assert (answer.status_code, code(answer)) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("n", ["0", "-1", "x"])
def test_a_catalog_page_has_at_least_one_name(protocol: Protocol, n: str) -> None:
    owner = protocol.user()
    for name in ("a", "b"):
        protocol.repo(owner, name).begin()
    answer = protocol.as_(owner).get(f"http://{HOST}/v2/_catalog?n={n}")

    assert answer.json()["repositories"] == [f"{owner.name}/a"]
    assert "n=1" in answer.headers["Link"]


def test_a_deleted_repository_is_not_listed(protocol: Protocol, repo: Repo) -> None:
    repo.begin()
    assert repo.owner is not None
    assert catalog(protocol.as_(repo.owner)) == [repo.name]
    protocol.registry.repositories.delete(SYSTEM, repo.path)

    assert catalog(protocol.as_(repo.owner)) == []


def test_public_repositories_are_listed_where_the_operator_says_so(
    make_protocol: Callable[..., Protocol],
) -> None:
    protocol = make_protocol(FEATURE_PUBLIC_CATALOG=True)
    public, private = protocol.repo(), protocol.repo()
    public.begin()
    private.begin()
    protocol.public(public)

    assert catalog(protocol.session()) == [public.name]
    assert catalog(protocol.as_(protocol.user())) == [public.name]


def test_a_superuser_with_full_access_sees_every_repository(make_protocol: Callable[..., Protocol]) -> None:
    protocol = make_protocol(FEATURE_SUPERUSERS_FULL_ACCESS=True, SUPER_USERS=["root"])
    repo = protocol.repo()
    repo.begin()

    assert catalog(protocol.as_(protocol.user("root"))) == [repo.name]


# -- referrers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed(protocol: Protocol) -> tuple[Repo, str, dict[str, tuple[str, str]]]:
    """A repository, a subject's digest, and {digest: (artifact type, annotation)} of its referrers."""
    repo = protocol.repo()
    subject, image = repo.image("v1")
    made = {}
    for number, kind in enumerate(["test/a", "test/b", "test/a", "test/c", "test/a"]):
        note = f"note {number}"
        digest, _ = repo.referrer(image, kind, annotations={"n": note})
        made[digest] = (kind, note)
    repo.image("bystander")
    return repo, subject, made


Signed = tuple[Repo, str, dict[str, tuple[str, str]]]


def test_referrers_are_an_index_of_descriptors(signed: Signed) -> None:
    repo, subject, made = signed
    answer = repo.get(f"referrers/{subject}")

    assert answer.headers["Content-Type"] == OCI_INDEX
    document = answer.json()
    assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
    assert "OCI-Filters-Applied" not in answer.headers
    found = {d["digest"]: (d["artifactType"], d["annotations"]["n"]) for d in document["manifests"]}
    assert found == made
    for one in document["manifests"]:
        assert one["size"] == len(repo.get(f"manifests/{one['digest']}").content)


def test_referrers_are_filtered_by_type(signed: Signed) -> None:
    repo, subject, made = signed
    answer = repo.get(f"referrers/{subject}?artifactType=test/a")

    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    found = {d["digest"] for d in answer.json()["manifests"]}
    assert found == {digest for digest, (kind, _) in made.items() if kind == "test/a"}
    none = repo.get(f"referrers/{subject}?artifactType=test/none")
    assert (none.json()["manifests"], none.headers["OCI-Filters-Applied"]) == ([], "artifactType")


@pytest.mark.parametrize("query", ["n=2", "n=1", "n=2&artifactType=test/a"])
def test_pages_of_referrers_make_the_whole(signed: Signed, query: str) -> None:
    repo, subject, made = signed
    found = pages(repo.session, repo.url(f"referrers/{subject}?{query}"), "manifests")
    digests = [one["digest"] for page in found for one in page]

    assert len(found) > 1
    assert len(digests) == len(set(digests))
    wanted = {digest for digest, (kind, _) in made.items() if "artifactType" not in query or kind == "test/a"}
    assert set(digests) == wanted


def test_an_unknown_subject_has_no_referrers(signed: Signed) -> None:
    answer = signed[0].get(f"referrers/{sha256(b'unknown')}")

    assert (answer.status_code, answer.json()["manifests"]) == (200, [])


def test_the_config_type_stands_in_for_a_missing_artifact_type(repo: Repo) -> None:
    subject, image = repo.image("v1")
    about = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": len(image)}
    repo.image(subject=about)

    (found,) = repo.get(f"referrers/{subject}").json()["manifests"]
    assert found["artifactType"] == "application/vnd.oci.image.config.v1+json"


def test_a_referrer_shows_at_once_and_goes_at_once(repo: Repo) -> None:
    subject, image = repo.image("v1")
    assert repo.get(f"referrers/{subject}").json()["manifests"] == []
    digest, _ = repo.referrer(image)
    assert [d["digest"] for d in repo.get(f"referrers/{subject}").json()["manifests"]] == [digest]
    repo.delete(f"manifests/{digest}")

    assert repo.get(f"referrers/{subject}").json()["manifests"] == []


def test_an_index_may_be_a_referrer(repo: Repo) -> None:
    subject, image = repo.image("v1")
    about = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": len(image)}
    digest, _ = repo.index(None, [image], subject=about, artifactType="test/list")

    (found,) = repo.get(f"referrers/{subject}").json()["manifests"]
    assert (found["digest"], found["artifactType"]) == (digest, "test/list")


def test_a_tagged_referrer_is_an_ordinary_tag_too(repo: Repo) -> None:
    subject, image = repo.image("v1")
    about = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": len(image)}
    digest, _ = repo.image("signature", subject=about)

    assert repo.tags() == ["signature", "v1"]
    assert [d["digest"] for d in repo.get(f"referrers/{subject}").json()["manifests"]] == [digest]


def test_referrers_of_a_private_repository_are_private(protocol: Protocol, signed: Signed) -> None:
    repo, subject, _ = signed
    answer = repo.with_(protocol.session()).get(f"referrers/{subject}")

    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")


def test_referrers_may_be_switched_off(make_protocol: Callable[..., Protocol]) -> None:
    repo = make_protocol(FEATURE_REFERRERS_API=False).repo()
    subject, _ = repo.image("v1")

    assert repo.get(f"referrers/{subject}").status_code == 404


def test_an_odd_filter_finds_nothing_and_breaks_nothing(signed: Signed) -> None:
    repo, subject, _ = signed
    for odd in ("%ff", "", "'", secrets.token_hex(500)):
        assert repo.get(f"referrers/{subject}?artifactType={odd}").status_code == 200
    for query in ("artifactType=%00", "last=a%00"):
        answer = repo.get(f"referrers/{subject}?{query}")
        assert (answer.status_code, code(answer)) == (400, "INVALID_REQUEST")
