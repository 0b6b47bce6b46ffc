"""Signatures, direct URLs, and what the operator writes for GoogleCloudStorage."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hmac_gateway import HmacGateway
from pydantic import ValidationError
from quayframe_storage_gcs import GoogleCloudStorage, GoogleConfig, quayframe_providers
from quayframe_storage_gcs.signing import Dialect, Signer

from quayframe.plugin.storage import StorageError, UrlRequest
from quayframe.testing.storage_base import new_key, store
from quayframe.testing.storage_streams import Stream, content, pattern, same

KEY = "sha256/ab/abcdef.1"
GOOD: dict[str, Any] = {"bucket_name": "bucket", "access_key": "GOOG1E", "secret_key": "geheim"}
# The scheme that Google's is modelled on has published examples.
AWS = Dialect("AWS4-HMAC-SHA256", "AWS4", "aws4_request", "x-amz-", "us-east-1", "s3")
AWS_SIGNER = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", AWS)
MOMENT = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.fixture
def storage(config: dict[str, Any]) -> GoogleCloudStorage:
    return GoogleCloudStorage(GoogleConfig(**config))


@pytest.fixture
def by_hmac(hmac_config: dict[str, Any]) -> GoogleCloudStorage:
    return GoogleCloudStorage(GoogleConfig(**hmac_config))


def signed(storage: GoogleCloudStorage, key: str, request: UrlRequest) -> str:
    url = storage.url(key, request)
    assert url is not None
    return url


def test_a_signed_url_is_the_published_one() -> None:
    query = AWS_SIGNER.query("GET", "examplebucket.s3.amazonaws.com", "/test.txt", {}, 86400, MOMENT)
    assert dict(parse_qsl(query))["X-Amz-Signature"] == (
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_a_url_of_a_service_account_verifies_with_its_public_key(
    storage: GoogleCloudStorage, private_key: str, config: dict[str, Any]
) -> None:
    request = UrlRequest(expires=600, content_type="application/x-tar", filename='Bücher "2026".tar')
    split = urlsplit(signed(storage, KEY, request))
    pairs = dict(parse_qsl(split.query))
    assert split.path == f"/{config['bucket_name']}/datastorage/registry/{KEY}"
    assert pairs["X-Goog-Expires"] == "600"
    assert pairs["response-content-type"] == "application/x-tar"
    assert pairs["response-content-disposition"].endswith("filename*=UTF-8''B%C3%BCcher%20%222026%22.tar")
    assert pairs["X-Goog-Credential"].startswith("registry@test.iam.gserviceaccount.com/")
    signature = bytes.fromhex(pairs.pop("X-Goog-Signature"))
    query = "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in sorted(pairs.items()))
    canonical = f"GET\n{split.path}\n{query}\nhost:{split.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = pairs["X-Goog-Credential"].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"GOOG4-RSA-SHA256\n{pairs['X-Goog-Date']}\n{scope}\n{digest}"
    key = serialization.load_pem_private_key(private_key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    key.public_key().verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_a_url_by_hmac_key_gives_the_bytes_with_type_and_name(by_hmac: GoogleCloudStorage) -> None:
    used = store(by_hmac, KEY, pattern(100_000))
    request = UrlRequest(content_type="application/x-tar", filename="a b.tar")
    answer = requests.get(signed(by_hmac, used, request), timeout=30)
    same(answer.content, pattern(100_000))
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a b.tar"'


def test_a_url_by_hmac_key_opens_nothing_but_its_object_for_reading_and_in_time(
    by_hmac: GoogleCloudStorage, gateway: HmacGateway
) -> None:
    used = store(by_hmac, KEY, b"content")
    other = store(by_hmac, new_key(), b"other")
    url = signed(by_hmac, used, UrlRequest(expires=600))
    tries = [
        requests.get(url.replace(used, other), timeout=30),
        requests.delete(url, timeout=30),
        requests.get(url.replace("Expires=600", "Expires=6000"), timeout=30),
        requests.get(signed(by_hmac, used, UrlRequest(expires=-1)), timeout=30),
    ]
    assert [answer.status_code for answer in tries] == [403] * 4
    assert gateway.refused == ["SignatureDoesNotMatch"] * 3 + ["ExpiredToken"]
    gateway.refused.clear()
    same(content(by_hmac, used), b"content")


def test_only_reading_has_direct_urls(storage: GoogleCloudStorage) -> None:
    assert storage.url(KEY, UrlRequest(method="PUT")) is None


def test_one_bucket_serves_both_interfaces(storage: GoogleCloudStorage, by_hmac: GoogleCloudStorage) -> None:
    upload = storage.append(storage.begin(), Stream(pattern(1_000_000)))
    upload = by_hmac.append(upload, Stream(b"end"))
    used = by_hmac.commit(upload, KEY)
    for one in (storage, by_hmac):
        same(content(one, used), pattern(1_000_000) + b"end")
        assert list(one.keys()) == [used]


@pytest.mark.parametrize("key", ["x y+&=?#%", "a/~b/c;d", "a'\"<>b"])
def test_keys_of_all_characters_pass_both_interfaces(
    storage: GoogleCloudStorage, by_hmac: GoogleCloudStorage, key: str
) -> None:
    for one in (storage, by_hmac):
        one.commit(one.append(one.begin(), Stream(b"content")), key)
        same(content(one, key), b"content")
        assert list(one.keys(key[:2])) == [key]
        one.delete(key)


def test_put_stores_under_the_key_itself_also_again(storage: GoogleCloudStorage) -> None:
    for data in (b"", b"content", pattern(9_000_000), pattern(5 * 1024 * 1024)):
        assert storage.put(KEY, Stream(data)) == KEY
        same(content(storage, KEY), data)
    assert list(storage.keys()) == [KEY]


@pytest.mark.parametrize("interface", ["config", "hmac_config"])
def test_keys_come_from_all_pages(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, interface: str
) -> None:
    monkeypatch.setattr("quayframe_storage_gcs.json_wire.PAGE", 3)
    monkeypatch.setattr("quayframe_storage_gcs.xml_wire.PAGE", 3)
    storage = GoogleCloudStorage(GoogleConfig(**request.getfixturevalue(interface)))
    used = {storage.put(new_key(), Stream(b"content")) for _ in range(8)}
    assert set(storage.keys()) == used


@pytest.mark.parametrize("key", ["", "a//b", "../x", "a/../b", "uploads/x", "a\nb", "ä", "/a", "a" * 2000])
def test_what_is_no_key_is_refused(storage: GoogleCloudStorage, key: str) -> None:
    for call in (storage.size, storage.read, storage.delete):
        with pytest.raises(StorageError):
            call(key)


def test_the_provider_is_found_by_its_name() -> None:
    assert [(p.name, p.kind) for p in quayframe_providers()] == [("GoogleCloudStorage", "storage")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"secret_key": None}, "go together"),
        ({"access_key": None, "secret_key": None}, "service_account_key or access_key"),
        ({"service_account_key": "{"}, "not the JSON"),
        ({"service_account_key": "{}"}, "client_email, private_key, token_uri missing"),
        ({"endpoint_url": "example.com"}, "http"),
        ({"bucket": "c"}, "bucket"),
        ({"minimum_chunk_size_mb": 0}, "minimum_chunk_size_mb"),
    ],
)
def test_a_wrong_configuration_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        GoogleConfig(**{**GOOD, **change})


def test_a_configuration_of_the_original_is_taken() -> None:
    config = GoogleConfig(
        **GOOD, storage_path="/datastorage/registry", boto_timeout=60, signature_version="s3v4"
    )
    assert config.storage_path == "datastorage/registry"


def test_secrets_are_not_printed(config: dict[str, Any]) -> None:
    for made in (GoogleConfig(**GOOD), GoogleConfig(**config)):
        printed = f"{made!r} {json.dumps(made.model_dump(mode='json'))}"
        assert "geheim" not in printed
        assert "PRIVATE" not in printed
