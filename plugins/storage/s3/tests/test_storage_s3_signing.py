"""The URLs that are signed here are those that boto3 signs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr
from quayframe_storage_s3.bucket import Bucket
from quayframe_storage_s3.configs import S3Config

KEY = "blobs/ab/0123456789abcdef.x"


def bucket(session: Any = None, *, keys: bool = True, **parameters: Any) -> Bucket:
    if keys:
        parameters = {"s3_access_key": SecretStr("A" * 20), "s3_secret_key": SecretStr("s" * 40)} | parameters
    config = S3Config(storage_path="/x", s3_bucket="some.bucket", **parameters)
    return Bucket(config.target(), (lambda: session) if session else None)


def parts(url: str) -> tuple[str, str, str, dict[str, list[str]]]:
    split = urlsplit(url)
    return split.scheme, split.netloc, split.path, parse_qs(split.query, keep_blank_values=True)


def same(one: Bucket, method: str, key: str, **asked: str) -> None:
    """Holds both URLs against each other, made within one second."""
    names = {
        "type": ("response-content-type", "ResponseContentType"),
        "disposition": ("response-content-disposition", "ResponseContentDisposition"),
    }
    operation = {"GET": "get_object", "HEAD": "head_object"}[method]
    ours: str | None = None
    theirs = ""
    for _ in range(10):
        ours = one.signed(method, key, 600, {names[name][0]: value for name, value in asked.items()})
        theirs = one.presigned(operation, 600, Key=key, **{names[n][1]: v for n, v in asked.items()})
        if ours and parts(ours)[3]["X-Amz-Date"] == parts(theirs)[3]["X-Amz-Date"]:
            break
    assert ours is not None
    assert parts(ours) == parts(theirs)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"endpoint_url": "http://127.0.0.1:8333"}, id="path"),
        pytest.param({"endpoint_url": "https://s3.example.com:443"}, id="the port that HTTPS has"),
        pytest.param({"endpoint_url": "https://example.com/s3"}, id="an endpoint with a path"),
        pytest.param({"s3_region": "eu-central-1"}, id="amazon"),
        pytest.param({"s3_region": "eu-central-1", "addressing_style": "virtual"}, id="virtual"),
    ],
)
def test_a_url_is_the_one_that_boto3_makes(parameters: dict[str, Any]) -> None:
    same(
        bucket(**parameters),
        "GET",
        KEY,
        type="application/x; a=b",
        disposition='attachment; filename="a é"\'',
    )


@pytest.mark.parametrize("key", ["a b/c+d", "x/~tilde!$&'()*,;=:@%41", "sha256/ab/abc.d"])
def test_every_character_of_a_key_is_written_as_boto3_writes_it(key: str) -> None:
    same(bucket(endpoint_url="http://127.0.0.1:8333"), "GET", key)


def test_a_url_for_head_is_the_one_that_boto3_makes() -> None:
    same(bucket(endpoint_url="http://127.0.0.1:8333"), "HEAD", KEY)


def test_a_role_s_token_is_in_the_url() -> None:
    session = boto3.session.Session("A" * 20, "s" * 40, "to/ken+=", region_name="eu-west-1")
    same(bucket(session, keys=False, s3_region="eu-west-1"), "GET", KEY)


def test_the_old_signature_is_left_to_boto3() -> None:
    old = bucket(endpoint_url="http://127.0.0.1:8333", signature_version="s3")
    assert old.signed("GET", KEY, 600, {}) is None
