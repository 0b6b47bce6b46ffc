"""Direct URLs: they give the object to who has them, until they expire, and to nobody who changes them."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from object_servers import Seaweedfs
from pydantic import SecretStr
from quayframe_storage_s3 import CloudFrontedS3Storage, RadosGWStorage, RHOCSStorage, S3Storage
from quayframe_storage_s3.configs import CloudFrontConfig, GatewayConfig, S3Config

from quayframe.plugin.storage import StorageError, UrlRequest
from quayframe.testing.storage_base import store
from quayframe.testing.storage_streams import pattern

KEY = "sha256/ab/abcdef.1"
DATA = pattern(100_000)
ALL = UrlRequest(
    client_address="203.0.113.7", namespace="devtable", repository="simple", user="devtable+robot"
)


def url_of(backend: S3Storage, key: str, request: UrlRequest) -> str:
    url = backend.url(key, request)
    assert url is not None
    return url


@pytest.fixture
def used(backend: S3Storage) -> str:
    return store(backend, KEY, DATA)


def test_a_url_gives_the_object_with_type_and_name(backend: S3Storage, used: str) -> None:
    request = UrlRequest(content_type="application/x-layer", filename='a "b" é.tar')
    answer = requests.get(url_of(backend, used, request), timeout=30)
    assert answer.status_code == 200
    assert answer.content == DATA
    assert answer.headers["Content-Type"] == "application/x-layer"
    expected = "attachment; filename=\"a _b_ _.tar\"; filename*=UTF-8''a%20%22b%22%20%C3%A9.tar"
    assert answer.headers["Content-Disposition"] == expected


def test_a_url_gives_ranges(backend: S3Storage, used: str) -> None:
    answer = requests.get(url_of(backend, used, UrlRequest()), headers={"Range": "bytes=10-19"}, timeout=30)
    assert (answer.status_code, answer.content) == (206, DATA[10:20])


def test_a_url_for_head_is_good_for_head_alone(backend: S3Storage, used: str) -> None:
    url = url_of(backend, used, UrlRequest(method="HEAD"))
    answer = requests.head(url, timeout=30)
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, "100000")
    assert requests.get(url, timeout=30).status_code == 403


def test_no_url_for_other_methods(backend: S3Storage, used: str) -> None:
    assert backend.url(used, UrlRequest(method="PUT")) is None


@pytest.mark.parametrize("change", ["key", "signature", "expiry", "type"])
def test_a_changed_url_gives_nothing(backend: S3Storage, used: str, change: str) -> None:
    url = url_of(backend, used, UrlRequest(expires=60, content_type="text/plain"))
    other = store(backend, KEY + "2", b"other")
    changed = {
        "key": url.replace(used, other),
        "signature": url[:-1] + ("0" if url[-1] != "0" else "1"),
        "expiry": url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        "type": url.replace("text%2Fplain", "text%2Fhtml"),
    }[change]
    assert changed != url
    assert requests.get(changed, timeout=30).status_code == 403


def test_a_url_expires(backend: S3Storage, used: str) -> None:
    url = url_of(backend, used, UrlRequest(expires=1))
    deadline = time.monotonic() + 20
    while (status := requests.get(url, timeout=30).status_code) != 403:
        assert status == 200
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_url_lives_as_long_as_is_asked_and_s3_allows(backend: S3Storage) -> None:
    lives = [
        parse_qs(urlsplit(url_of(backend, KEY, UrlRequest(expires=asked))).query)["X-Amz-Expires"]
        for asked in (0, 600, 10**9)
    ]
    assert lives == [["1"], ["600"], ["604800"]]


@pytest.mark.parametrize("engine", [RadosGWStorage, RHOCSStorage])
def test_a_gateway_gives_no_url_where_cors_is_needed(
    engine: type[RadosGWStorage], seaweedfs: Seaweedfs
) -> None:
    config = GatewayConfig(
        storage_path="/x",
        hostname="127.0.0.1",
        port=seaweedfs.port,
        is_secure=False,
        bucket_name=seaweedfs.BUCKET,
        access_key=SecretStr(seaweedfs.ACCESS_KEY),
        secret_key=SecretStr(seaweedfs.SECRET_KEY),
    )
    gateway = engine(config)
    key = store(gateway, KEY, DATA)
    assert gateway.url(key, UrlRequest(cors=True)) is None
    assert requests.get(url_of(gateway, key, UrlRequest()), timeout=30).content == DATA


def test_the_old_signature_is_to_be_had(config: dict[str, Any]) -> None:
    old = S3Storage(S3Config(**{**config, "signature_version": "s3"}))
    query = parse_qs(urlsplit(url_of(old, KEY, UrlRequest())).query)
    assert set(query) == {"AWSAccessKeyId", "Signature", "Expires"}


# -- CloudFront --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def key_pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def fronted(config: dict[str, Any], key_pair: rsa.RSAPrivateKey, tmp_path: Path) -> dict[str, Any]:
    """What an operator would write for CloudFrontedS3Storage."""
    file = tmp_path / "cloudfront.pem"
    file.write_bytes(
        key_pair.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {
        **config,
        "s3_region": "eu-west-1",
        "cloudfront_distribution_domain": "d1.cloudfront.example",
        "cloudfront_key_id": "APKAEXAMPLE",
        "cloudfront_privatekey_filename": str(file),
        "cloudfront_distribution_org_overrides": {"special": "d2.cloudfront.example"},
    }


def made(parameters: dict[str, Any]) -> CloudFrontedS3Storage:
    return CloudFrontedS3Storage(CloudFrontConfig(**parameters))


def test_a_known_client_gets_a_url_of_cloudfront(
    fronted: dict[str, Any], key_pair: rsa.RSAPrivateKey
) -> None:
    before = int(time.time())
    url = url_of(made(fronted), KEY, ALL)
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.netloc) == ("https", "d1.cloudfront.example")
    assert parts.path == f"{fronted['storage_path']}/{KEY}"
    assert (query["username"], query["namespace"], query["repo_name"]) == (
        "devtable+robot",
        "devtable",
        "simple",
    )
    assert before + 600 <= int(query["Expires"]) <= time.time() + 600
    assert query["Key-Pair-Id"] == "APKAEXAMPLE"
    resource = url.partition("&Expires=")[0]
    policy = {
        "Statement": [
            {
                "Resource": resource,
                "Condition": {"DateLessThan": {"AWS:EpochTime": int(query["Expires"])}},
            }
        ]
    }
    text = json.dumps(policy, separators=(",", ":")).encode()
    signature = base64.b64decode(query["Signature"].translate(str.maketrans("-_~", "+=/")))
    key_pair.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA1())


def test_a_namespace_may_have_a_distribution_of_its_own(fronted: dict[str, Any]) -> None:
    request = UrlRequest(client_address="203.0.113.7", namespace="special")
    assert urlsplit(url_of(made(fronted), KEY, request)).netloc == "d2.cloudfront.example"


def test_an_unknown_client_gets_a_url_of_s3(fronted: dict[str, Any]) -> None:
    url = url_of(made(fronted), KEY, UrlRequest(namespace="special"))
    assert url.startswith(fronted["endpoint_url"])


def test_a_client_in_the_bucket_s_region_gets_a_url_of_s3(fronted: dict[str, Any], tmp_path: Path) -> None:
    ranges = {
        "prefixes": [
            {"ip_prefix": "203.0.113.0/24", "region": "eu-west-1", "service": "EC2"},
            {"ip_prefix": "198.51.100.0/24", "region": "us-east-1", "service": "EC2"},
        ],
        "ipv6_prefixes": [{"ipv6_prefix": "2001:db8::/32", "region": "eu-west-1", "service": "EC2"}],
    }
    file = tmp_path / "ip-ranges.json"
    file.write_text(json.dumps(ranges))
    backend = made({**fronted, "aws_ip_ranges_filename": str(file)})
    by_address = {
        address: urlsplit(url_of(backend, KEY, UrlRequest(client_address=address))).netloc
        for address in ("203.0.113.7", "::ffff:203.0.113.7", "2001:db8::7", "198.51.100.7", "2001:db9::7")
    }
    s3, cloudfront = urlsplit(fronted["endpoint_url"]).netloc, "d1.cloudfront.example"
    assert list(by_address.values()) == [s3, s3, s3, cloudfront, cloudfront]


def test_a_relative_key_file_is_found_beside_the_configuration(
    fronted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUAYFRAME_CONFIG", str(tmp_path / "config.yaml"))
    url = url_of(made({**fronted, "cloudfront_privatekey_filename": "cloudfront.pem"}), KEY, ALL)
    assert "cloudfront.example" in url


@pytest.mark.parametrize("text", [None, "no key"])
def test_a_key_that_cannot_be_read_is_named(
    fronted: dict[str, Any], tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "other.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StorageError, match=r"cloudfront_privatekey_filename: .*other\.pem"):
        made({**fronted, "cloudfront_privatekey_filename": str(file)})
