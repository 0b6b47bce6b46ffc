"""Direct URLs of AzureStorage, and what the operator writes for it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pydantic import ValidationError
from quayframe_storage_azure import AzureConfig, AzureStorage, quayframe_providers

from quayframe.plugin.storage import StorageError, UrlRequest
from quayframe.testing.storage_base import new_key, store
from quayframe.testing.storage_streams import Stream, content, pattern, same

KEY = "sha256/ab/abcdef.1"
GOOD: dict[str, Any] = {"azure_container": "c", "azure_account_name": "a", "azure_account_key": "a2V5"}


@pytest.fixture
def storage(config: dict[str, Any]) -> AzureStorage:
    return AzureStorage(AzureConfig(**config))


def signed(storage: AzureStorage, key: str, request: UrlRequest) -> str:
    url = storage.url(key, request)
    assert url is not None
    return url


def test_a_direct_url_gives_the_bytes_with_type_and_name(storage: AzureStorage) -> None:
    used = store(storage, KEY, pattern(100_000))
    request = UrlRequest(content_type="application/x-tar", filename='Bücher "2026".tar')
    answer = requests.get(signed(storage, used, request), timeout=30)
    same(answer.content, pattern(100_000))
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"B_cher _2026_.tar\"; filename*=UTF-8''B%C3%BCcher%20%222026%22.tar"
    )


def test_a_direct_url_answers_ranges_and_head(storage: AzureStorage) -> None:
    used = store(storage, KEY, pattern(100_000))
    url = signed(storage, used, UrlRequest())
    part = requests.get(url, headers={"Range": "bytes=1000-1999"}, timeout=30)
    assert part.status_code == 206
    same(part.content, pattern(100_000)[1000:2000])
    assert requests.head(url, timeout=30).headers["Content-Length"] == "100000"


def test_a_direct_url_ends(storage: AzureStorage) -> None:
    used = store(storage, KEY, b"content")
    assert requests.get(signed(storage, used, UrlRequest(expires=-1)), timeout=30).status_code == 403


def test_a_direct_url_opens_nothing_but_its_blob_and_only_for_reading(storage: AzureStorage) -> None:
    used = store(storage, KEY, b"content")
    other = store(storage, KEY, b"other")
    url = signed(storage, used, UrlRequest())
    assert requests.get(url.replace(used, other), timeout=30).status_code == 403
    assert requests.delete(url, timeout=30).status_code == 403
    forged = requests.put(url, data=b"forged", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30)
    assert forged.status_code == 403
    same(content(storage, used), b"content")


def test_a_direct_url_cannot_be_made_to_last(storage: AzureStorage) -> None:
    used = store(storage, KEY, b"content")
    url = signed(storage, used, UrlRequest())
    end = parse_qs(urlsplit(url).query)["se"][0]
    longer = url.replace(end[:4], str(int(end[:4]) + 1))
    assert longer != url
    assert requests.get(longer, timeout=30).status_code == 403


def test_only_reading_has_direct_urls(storage: AzureStorage) -> None:
    assert storage.url(KEY, UrlRequest(method="PUT")) is None


def test_a_url_over_https_says_so() -> None:
    storage = AzureStorage(AzureConfig(**GOOD))
    url = signed(storage, KEY, UrlRequest())
    assert url.startswith(f"https://a.blob.core.windows.net/c/{KEY}?")
    assert parse_qs(urlsplit(url).query)["spr"] == ["https"]


def test_with_a_signature_in_place_of_the_key_all_works_and_there_are_no_direct_urls(
    config: dict[str, Any],
) -> None:
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    token = generate_container_sas(
        config["azure_account_name"],
        config["azure_container"],
        account_key=config.pop("azure_account_key"),
        permission=ContainerSasPermissions(
            read=True, add=True, create=True, write=True, delete=True, list=True
        ),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    storage = AzureStorage(AzureConfig(**{**config, "sas_token": f"?{token}"}))
    used = store(storage, KEY, pattern(5_000_000))
    same(content(storage, used), pattern(5_000_000))
    assert list(storage.keys()) == [used]
    assert storage.url(used, UrlRequest()) is None
    storage.delete(used)
    assert list(storage.keys()) == []


def test_put_stores_under_the_key_itself_also_again(storage: AzureStorage, config: dict[str, Any]) -> None:
    for data in (b"", b"content", pattern(9_000_000), pattern(4 * 1024 * 1024)):
        assert storage.put(KEY, Stream(data)) == KEY
        same(content(storage, KEY), data)
    assert list(storage._container.list_blob_names()) == [f"datastorage/registry/{KEY}"]


def test_blobs_of_another_storage_path_are_not_seen(config: dict[str, Any]) -> None:
    one, two = (AzureStorage(AzureConfig(**{**config, "storage_path": path})) for path in ("a", "a/b"))
    used = store(one, KEY, b"content")
    assert list(two.keys()) == []
    assert list(one.keys()) == [used]


def test_keys_come_from_all_pages(storage: AzureStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quayframe_storage_azure.backend._PAGE", 3)
    used = {storage.put(new_key(), Stream(b"content")) for _ in range(8)}
    assert set(storage.keys()) == used


@pytest.mark.parametrize("key", ["", "a//b", "../x", "a/../b", "uploads/x", "a\nb", "ä", "/a", "a" * 2000])
def test_what_is_no_key_is_refused(storage: AzureStorage, key: str) -> None:
    for call in (storage.size, storage.read, storage.delete):
        with pytest.raises(StorageError):
            call(key)


def test_the_provider_is_found_by_its_name() -> None:
    assert [(p.name, p.kind) for p in quayframe_providers()] == [("AzureStorage", "storage")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"azure_account_key": None}, "azure_account_key or sas_token"),
        ({"azure_account_key": "not base64"}, "not an account key"),
        ({"azure_container": ""}, "azure_container"),
        ({"endpoint_url": "example.com"}, "http"),
        ({"azure_contaner": "c"}, "azure_contaner"),
        ({"attempts": 0}, "attempts"),
    ],
)
def test_a_wrong_configuration_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AzureConfig(**{**GOOD, **change})


def test_secrets_are_not_printed() -> None:
    config = AzureConfig(**{**GOOD, "sas_token": "sig=geheim"})
    printed = f"{config!r} {json.dumps(config.model_dump(mode='json'))}"
    assert "a2V5" not in printed
    assert "geheim" not in printed
