import json
import random
from typing import Any

import pytest

from quayframe.errors import (
    ManifestInvalid,
    ManifestTooLarge,
    ManifestTypeUnsupported,
    RegistryError,
)
from quayframe.oci import media
from quayframe.oci.digest import Digest
from quayframe.oci.manifest import MAXIMUM_SIZE, Manifest, linux_amd64_child, parse

Document = dict[str, Any]


def descriptor(name: str, media_type: str, **more: Any) -> Document:
    return {"mediaType": media_type, "digest": Digest.of(name.encode()), "size": len(name), **more}


def image(**more: Any) -> Document:
    return {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor("config", media.OCI_CONFIG),
        "layers": [descriptor("one", media.OCI_LAYER), descriptor("two", f"{media.OCI_LAYER}+gzip")],
        **more,
    }


def index(*children: Document, **more: Any) -> Document:
    return {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": list(children), **more}


def platform(architecture: str, os: str = "linux", **more: str) -> Document:
    return {"platform": {"architecture": architecture, "os": os, **more}}


def without(document: Document, name: str) -> Document:
    return {key: value for key, value in document.items() if key != name}


def read(document: Document, content_type: str | None = None) -> Manifest:
    return parse(json.dumps(document).encode(), content_type)


def refusal(document: Document, content_type: str | None = None) -> str:
    with pytest.raises(ManifestInvalid) as caught:
        read(document, content_type)
    assert caught.value.status == 400
    assert "\n" not in caught.value.text
    assert len(caught.value.text) < 300
    return str(caught.value.detail["message"])


def test_an_image_manifest_lists_config_layers_and_blobs() -> None:
    found = read(image(annotations={"a": "b"}), media.OCI_MANIFEST)
    assert (found.media_type, found.is_index, found.annotations) == (media.OCI_MANIFEST, False, {"a": "b"})
    assert found.config is not None
    assert found.config.media_type == media.OCI_CONFIG
    assert [layer.size for layer in found.layers] == [3, 3]
    assert [blob.digest for blob in found.blobs] == [
        Digest.of(b"one"),
        Digest.of(b"two"),
        Digest.of(b"config"),
    ]
    assert found.children == ()


def test_an_index_lists_its_children_nested_ones_too() -> None:
    children = [descriptor(t, t) for t in sorted(media.MANIFEST_TYPES)]
    found = read(index(*children), media.OCI_INDEX)
    assert [child.media_type for child in found.children] == sorted(media.MANIFEST_TYPES)
    assert (found.is_index, found.blobs, found.config) == (True, (), None)
    assert read(index()).children == ()


def test_docker_types_are_read_and_need_their_media_type_in_the_body() -> None:
    body = image(mediaType=media.DOCKER_MANIFEST)
    assert read(body, media.DOCKER_MANIFEST).media_type == media.DOCKER_MANIFEST
    assert "mediaType" in refusal(without(body, "mediaType"), media.DOCKER_MANIFEST)
    assert "mediaType" in refusal(index(mediaType=media.OCI_INDEX), media.DOCKER_LIST)


@pytest.mark.parametrize("content_type", [None, "", "application/json", "application/json; charset=utf-8"])
def test_without_a_telling_content_type_the_body_tells(content_type: str | None) -> None:
    assert read(image(mediaType=media.DOCKER_MANIFEST), content_type).media_type == media.DOCKER_MANIFEST
    assert read(without(image(), "mediaType"), content_type).media_type == media.OCI_MANIFEST
    assert read(without(index(), "mediaType"), content_type).media_type == media.OCI_INDEX
    assert "what kind" in refusal({"schemaVersion": 2}, content_type)


def test_parameters_and_case_of_the_content_type_do_not_matter() -> None:
    assert read(image(), f"{media.OCI_MANIFEST.upper()}; charset=utf-8").media_type == media.OCI_MANIFEST


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/octet-stream", "nonsense", media.OCI_CONFIG, "x" * 9000]
)
def test_another_content_type_is_415(content_type: str) -> None:
    with pytest.raises(ManifestTypeUnsupported) as caught:
        read(image(), content_type)
    assert caught.value.status == 415
    assert len(caught.value.text) < 300


def test_schema_1_is_415_and_says_what_to_do() -> None:
    old = {"schemaVersion": 1, "name": "a/b", "tag": "x", "fsLayers": [], "history": []}
    for content_type in (None, media.JSON, media.SCHEMA1_SIGNED, media.SCHEMA1_UNSIGNED):
        with pytest.raises(ManifestTypeUnsupported, match="push again with a current client"):
            read(old, content_type)
    with pytest.raises(ManifestTypeUnsupported, match="push again"):
        read(image(mediaType=media.SCHEMA1_SIGNED))


def test_schema_1_under_a_schema_2_type_is_a_wrong_body() -> None:
    assert "push again" in refusal({"schemaVersion": 1}, media.DOCKER_MANIFEST)


@pytest.mark.parametrize(
    ("config", "more", "expected"),
    [
        (media.OCI_CONFIG, {}, media.OCI_CONFIG),
        (media.OCI_EMPTY, {"artifactType": "a/b"}, "a/b"),
        ("x/config", {"artifactType": ""}, "x/config"),
        ("x/config", {"artifactType": None}, "x/config"),
    ],
)
def test_the_referrer_type_falls_back_to_the_configs(config: str, more: Document, expected: str) -> None:
    subject = descriptor("subject", media.OCI_MANIFEST)
    found = read(image(config=descriptor("{}", config), subject=subject, **more))
    assert found.referrer_type == expected
    assert found.artifact_type == (more.get("artifactType") or None)
    assert found.subject is not None
    assert found.subject.digest == Digest.of(b"subject")


def test_an_index_may_have_subject_and_artifact_type() -> None:
    subject = descriptor("subject", media.OCI_INDEX)
    found = read(index(subject=subject, artifactType="a/b"))
    assert (found.referrer_type, found.subject is not None) == ("a/b", True)
    assert read(index(subject=subject)).referrer_type is None


def test_a_docker_manifest_has_no_subject() -> None:
    assert read(image(mediaType=media.DOCKER_MANIFEST, subject={"rubbish": 1})).subject is None


def test_foreign_layers_need_not_be_here_when_they_have_urls() -> None:
    urls = ["https://example.org/layer"]
    layers = [
        descriptor("away", media.DOCKER_FOREIGN_LAYER, urls=urls),
        descriptor("gone", f"{media.OCI_FOREIGN_LAYER}+gzip", urls=urls),
        descriptor("here", media.OCI_FOREIGN_LAYER, urls=[]),
        descriptor("also", media.OCI_LAYER, urls=urls),
    ]
    found = read(image(layers=layers))
    assert [b.digest for b in found.blobs] == [Digest.of(n) for n in (b"here", b"also", b"config")]
    assert found.layers[0].urls == ("https://example.org/layer",)


def test_a_blob_named_twice_is_listed_once_and_has_one_size() -> None:
    layer = descriptor("one", media.OCI_LAYER)
    assert len(read(image(layers=[layer, layer])).blobs) == 2
    assert "layers[1].size" in refusal(image(layers=[layer, {**layer, "size": 9}]))


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("mediaType", "image", "layers[0].mediaType"),
        ("mediaType", None, "layers[0].mediaType"),
        ("size", -1, "layers[0].size"),
        ("size", True, "layers[0].size"),
        ("size", 1.0, "layers[0].size"),
        ("size", "3", "layers[0].size"),
        ("digest", "sha256:abc", "layers[0].digest"),
        ("digest", "sha384:" + "a" * 96, "layers[0].digest"),
        ("digest", 5, "layers[0].digest"),
        ("urls", "x", "layers[0].urls"),
        ("urls", [1], "layers[0].urls[0]"),
        ("annotations", {"a": 1}, "layers[0].annotations['a']"),
        ("annotations", [], "layers[0].annotations"),
        ("annotations", {"a": "\0"}, "layers[0].annotations['a']"),
        ("data", 1, "layers[0].data"),
        ("platform", "x", "layers[0].platform"),
        ("platform", {"os": 1}, "layers[0].platform.os"),
        ("Digest", "x", "layers[0].'Digest'"),
    ],
)
def test_a_bad_descriptor_is_named_by_its_path(name: str, value: object, path: str) -> None:
    bad = {**descriptor("one", media.OCI_LAYER), name: value}
    assert refusal(image(layers=[bad])).startswith(f"{path}:")
    if name in {"mediaType", "size", "digest"}:
        assert refusal(image(layers=[without(bad, name)])) == f"layers[0].{name}: this field is required"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (without(image(), "schemaVersion"), "schemaVersion"),
        (image(schemaVersion=3), "schemaVersion"),
        (image(schemaVersion=True), "schemaVersion"),
        (image(schemaVersion="2"), "schemaVersion"),
        (without(image(), "config"), "config"),
        (without(image(), "layers"), "layers"),
        (image(config=None), "config"),
        (image(layers=None), "layers"),
        (image(layers={}), "layers"),
        (image(layers=[5]), "layers[0]"),
        (image(manifests=[]), "manifests"),
        (image(Layers=[]), "'Layers'"),
        (image(**{"layer\u017f": []}), r"'layer\u017f'"),
        (image(annotations={"a": None}), "annotations['a']"),
        (image(artifactType="nonsense"), "artifactType"),
        (image(subject={"digest": "x"}), "subject.mediaType"),
        (without(index(), "manifests") | {"mediaType": media.OCI_INDEX}, "manifests"),
        (index(layers=[]), "layers"),
        (index(descriptor("x", media.OCI_LAYER)), "manifests[0].mediaType"),
    ],
)
def test_a_bad_field_is_named(document: Document, path: str) -> None:
    assert refusal(document).startswith(f"{path}:")


def test_the_media_type_of_the_body_must_be_the_content_type() -> None:
    assert "mediaType" in refusal(image(), media.DOCKER_MANIFEST)
    assert "mediaType" in refusal(image(), media.OCI_INDEX)
    assert "mediaType" in refusal(image(mediaType=None), media.OCI_MANIFEST)


def test_four_mebibytes_pass_and_one_byte_more_does_not() -> None:
    body = json.dumps(image()).encode()
    assert parse(body.ljust(MAXIMUM_SIZE), None).layers
    with pytest.raises(ManifestTooLarge):
        parse(body.ljust(MAXIMUM_SIZE + 1), None)


def test_the_number_of_descriptors_is_limited() -> None:
    one = descriptor("one", media.OCI_LAYER)
    assert len(read(image(layers=[one] * 10_000)).layers) == 10_000
    assert "10000 descriptors" in refusal(image(layers=[one] * 10_001))


def test_embedded_data_is_allowed() -> None:
    assert read(image(config=descriptor("{}", media.OCI_EMPTY, data="e30="))).config is not None


def test_the_child_for_old_clients_is_the_baseline_linux_amd64_image() -> None:
    attestation = descriptor("att", media.OCI_MANIFEST, **platform("unknown", "unknown"))
    arm = descriptor("arm", media.OCI_MANIFEST, **platform("arm64"))
    newer = descriptor("v3", media.OCI_MANIFEST, **platform("amd64", variant="v3"))
    plain = descriptor("amd", media.OCI_MANIFEST, **platform("amd64"))
    inner = descriptor("inner", media.OCI_INDEX, **platform("amd64"))
    child = linux_amd64_child(read(index(attestation, arm, inner, newer, plain)))
    assert child is not None
    assert child.digest == Digest.of(b"amd")
    only = linux_amd64_child(read(index(newer)))
    assert only is not None
    assert linux_amd64_child(read(index(arm, inner))) is None
    assert linux_amd64_child(read(image())) is None


RUBBISH: list[Any] = [
    *(None, True, -1, 0, 2, 1.5, 2**62, "", "x", "a/b", "\0", "\ud800", [], {}, [[]], {"a": 1}, [None]),
    "sha256:" + "0" * 64,
    media.OCI_INDEX,
]


def mutated(value: Any, chance: random.Random) -> Any:
    """`value` with one place of it replaced, removed, renamed or doubled."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return chance.choice(RUBBISH)
    if isinstance(value, list):
        where = chance.randrange(len(value))
        return [*value[:where], mutated(value[where], chance), *value[where + chance.randint(0, 1) :]]
    key = chance.choice(list(value))
    if chance.random() < 0.2:
        return without(value, key) | ({key.swapcase(): value[key]} if chance.random() < 0.5 else {})
    return {**value, key: mutated(value[key], chance)}


def test_whatever_is_sent_only_errors_of_the_catalogue_come_out() -> None:
    chance = random.Random(3)
    subject = descriptor("s", media.OCI_MANIFEST)
    full = descriptor("amd", media.OCI_MANIFEST, annotations={"a": "b"}, urls=["u"], **platform("amd64"))
    seeds = [image(subject=subject, annotations={"a": "b"}), index(full, subject=subject, artifactType="a/b")]
    types: list[str | None] = [None, media.JSON, "x", *sorted(media.MANIFEST_TYPES | media.SCHEMA1_TYPES)]
    accepted = 0
    messages: list[str] = []
    for _ in range(6000):
        document = chance.choice(seeds)
        for _ in range(chance.randint(0, 3)):
            document = mutated(document, chance)
        body = bytearray(json.dumps(document).encode())
        if chance.random() < 0.3 and body:
            where = chance.randrange(len(body))
            body[where : where + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
        try:
            found = parse(bytes(body), chance.choice(types))
        except RegistryError as error:
            messages.append(error.text)
        else:
            accepted += 1
            assert found.blobs is not None
            str(found.annotations).encode()
            linux_amd64_child(found)
    assert 100 < accepted < 3000
    assert not [text for text in messages if "\n" in text or len(text) > 400]
