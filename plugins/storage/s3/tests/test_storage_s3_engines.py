"""The engines by their names and parameters, and the credentials that a role gives."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from object_servers import Seaweedfs
from pydantic import ValidationError
from quayframe_storage_s3 import IBMCloudStorage, S3Storage, STSS3Storage, quayframe_providers
from quayframe_storage_s3.configs import Common, GatewayConfig, IBMConfig, S3Config, STSConfig

from quayframe.plugin.storage import StorageUnavailable
from quayframe.testing.storage_base import store
from quayframe.testing.storage_streams import content, same

KEY = "sha256/ab/abcdef.1"
AMAZON = {"storage_path": "/datastorage/registry", "s3_bucket": "b", "s3_region": "eu-west-1"}
KEYS = {"s3_access_key": "a", "s3_secret_key": "s"}
GATEWAY = {
    "storage_path": "/datastorage/registry",
    "hostname": "gateway.example",
    "is_secure": True,
    "bucket_name": "b",
    "access_key": "a",
    "secret_key": "hidden",
    "signature_version": "s3v4",
    "maximum_chunk_size_mb": 100,
}
WRITTEN: dict[str, dict[str, Any]] = {
    "S3Storage": {
        **AMAZON,
        **KEYS,
        "host": "s3.eu-west-1.amazonaws.com",
        "port": 443,
        "minimum_chunk_size_mb": 5,
        "maximum_chunk_size_gb": 5,
        "signature_version": "s3v4",
    },
    "STSS3Storage": {
        **AMAZON,
        "sts_role_arn": "arn:aws:iam::1:role/r",
        "sts_user_access_key": "a",
        "sts_user_secret_key": "s",
        "endpoint_url": "https://s3.example",
        "maximum_chunk_size_gb": 5,
    },
    "CloudFrontedS3Storage": {
        **AMAZON,
        **KEYS,
        "cloudfront_distribution_domain": "d.cloudfront.example",
        "cloudfront_key_id": "k",
        "cloudfront_privatekey_filename": "cloudfront.pem",
        "cloudfront_distribution_org_overrides": {"a": "b.example"},
    },
    "RadosGWStorage": {
        **GATEWAY,
        "port": 8443,
        "region_name": "r",
        "minimum_chunk_size_mb": 5,
        "server_side_assembly": True,
    },
    "RHOCSStorage": GATEWAY,
    "IBMCloudStorage": GATEWAY,
}


@pytest.mark.parametrize("engine", quayframe_providers(), ids=lambda engine: engine.name)
def test_an_engine_takes_the_parameters_of_its_name(engine: type[S3Storage]) -> None:
    config = engine.Config.model_validate(WRITTEN[engine.name])
    assert isinstance(config, Common)
    assert config.target().bucket == "b"
    assert config.target().root == "datastorage/registry/"
    assert "hidden" not in repr(config)


@pytest.mark.parametrize("engine", quayframe_providers(), ids=lambda engine: engine.name)
def test_an_engine_refuses_a_parameter_that_it_does_not_know(engine: type[S3Storage]) -> None:
    with pytest.raises(ValidationError, match="bukkit"):
        engine.Config.model_validate({**WRITTEN[engine.name], "bukkit": 1})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"s3_secret_key": None}, "come together"),
        ({"endpoint_url": "s3.example"}, "must begin with"),
        ({"endpoint_url": "https://a", "host": "b"}, "exclude each other"),
        ({"port": 1}, "port needs host"),
        ({"storage_path": "/a/../b"}, "without"),
        ({"server_side_encryption": "rot13"}, "AES256"),
        ({"minimum_chunk_size_mb": 4}, "greater than or equal to 5"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        S3Config.model_validate({**AMAZON, **KEYS, **changes})


def test_a_gateway_s_address_is_put_together() -> None:
    def endpoint(**changes: Any) -> str | None:
        return GatewayConfig.model_validate({**GATEWAY, **changes}).target().endpoint

    assert endpoint() == "https://gateway.example"
    assert endpoint(port=8080, is_secure=False) == "http://gateway.example:8080"


def test_amazon_is_asked_for_encryption_and_others_are_not() -> None:
    assert S3Config.model_validate(AMAZON).target().encryption == "AES256"
    assert GatewayConfig.model_validate(GATEWAY).target().encryption is None


def test_the_bucket_stands_in_the_path_where_an_endpoint_is_named() -> None:
    assert S3Config.model_validate(AMAZON).target().addressing == "auto"
    assert GatewayConfig.model_validate(GATEWAY).target().addressing == "path"


def test_importing_the_plugin_imports_no_sdk() -> None:
    code = "import sys, quayframe_storage_s3; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_any_credentials_the_error_says_what_to_do(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    bare = {k: v for k, v in config.items() if k not in {"s3_access_key", "s3_secret_key"}}
    with pytest.raises(StorageUnavailable, match="give the machine a role"):
        S3Storage(S3Config(**bare)).begin()


def test_ibm_s_engine_stores(seaweedfs: Seaweedfs, config: dict[str, Any]) -> None:
    backend = IBMCloudStorage(
        IBMConfig.model_validate(
            {
                "storage_path": config["storage_path"],
                "hostname": "127.0.0.1",
                "port": seaweedfs.port,
                "is_secure": False,
                "bucket_name": seaweedfs.BUCKET,
                "access_key": seaweedfs.ACCESS_KEY,
                "secret_key": seaweedfs.SECRET_KEY,
                "maximum_chunk_size_mb": 100,
            }
        )
    )
    same(content(backend, store(backend, KEY, b"content")), b"content")


# -- a role ------------------------------------------------------------------------------------

ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>token</SessionToken><Expiration>{expires}</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""


class TokenService(HTTPServer):
    """Gives the credentials of a role."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Token)
        self.life = timedelta(hours=1)
        self.asked: list[dict[str, list[str]]] = []


class _Token(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        service = self.server
        assert isinstance(service, TokenService)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        service.asked.append(parse_qs(body))
        expires = (datetime.now(UTC) + service.life).strftime("%Y-%m-%dT%H:%M:%SZ")
        number = len(service.asked)
        text = ANSWER.format(key=f"key{number}", secret="secret", expires=expires).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """The tests say themselves what went wrong."""


@pytest.fixture
def tokens() -> Iterator[TokenService]:
    with TokenService() as service:
        threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
        yield service
        service.shutdown()


def by_role(tokens: TokenService, config: dict[str, Any]) -> STSS3Storage:
    return STSS3Storage(
        STSConfig.model_validate(
            {
                "storage_path": config["storage_path"],
                "s3_bucket": config["s3_bucket"],
                "endpoint_url": config["endpoint_url"],
                "sts_role_arn": "arn:aws:iam::1:role/r",
                "sts_user_access_key": "a",
                "sts_user_secret_key": "s",
                "sts_endpoint_url": f"http://127.0.0.1:{tokens.server_address[1]}",
            }
        )
    )


def test_requests_are_signed_with_the_role_s_credentials(
    tokens: TokenService, config: dict[str, Any]
) -> None:
    from quayframe.plugin.storage import UrlRequest

    backend = by_role(tokens, config)
    assert tokens.asked == []
    urls = [backend.url(KEY, UrlRequest()) for _ in range(3)]
    assert all("key1%2F" in str(url) and "X-Amz-Security-Token=token" in str(url) for url in urls)
    assert len(tokens.asked) == 1
    assert tokens.asked[0]["RoleArn"] == ["arn:aws:iam::1:role/r"]


def test_credentials_that_are_about_to_expire_are_renewed(
    tokens: TokenService, config: dict[str, Any]
) -> None:
    from quayframe.plugin.storage import UrlRequest

    tokens.life = timedelta(minutes=1)
    backend = by_role(tokens, config)
    first, second = (str(backend.url(KEY, UrlRequest())) for _ in range(2))
    assert first.count("key1%2F") + first.count("key2%2F") == 1
    assert second != first
    assert len(tokens.asked) > 1
