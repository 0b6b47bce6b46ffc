"""What AzureStorage does when the service fails: a real one, with a server in between that disturbs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fault_proxy import Fault, FaultProxy
from quayframe_storage_azure import AzureConfig, AzureStorage, calls

from quayframe.plugin.storage import ObjectNotFound, StorageError, StorageUnavailable, UploadLost
from quayframe.testing.storage_base import append, begin, now_ms, store
from quayframe.testing.storage_streams import Stream, content, pattern, same

MIB = 1024 * 1024
KEY = "sha256/ab/abcdef.1"
BUSY = (429, 500, 502, 503, 504)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_FIRST_WAIT_S", 0.01)


@pytest.fixture
def proxy(config: dict[str, Any]) -> Iterator[FaultProxy]:
    with FaultProxy(config["endpoint_url"]) as made:
        yield made


@pytest.fixture
def settings(config: dict[str, Any], proxy: FaultProxy) -> dict[str, Any]:
    return {**config, "endpoint_url": proxy.url, "attempts": 3}


@pytest.fixture
def storage(settings: dict[str, Any]) -> AzureStorage:
    return AzureStorage(AzureConfig(**settings))


@pytest.mark.parametrize("status", BUSY)
def test_each_call_survives_an_answer_that_passes(
    storage: AzureStorage, proxy: FaultProxy, status: int
) -> None:
    def disturb() -> None:
        proxy.fail(Fault(status=status), Fault(method="PUT", target="comp=block", status=status))

    disturb()
    upload = storage.begin()
    disturb()
    upload = storage.append(upload, Stream(pattern(9 * MIB)))
    disturb()
    used = storage.commit(upload, KEY)
    disturb()
    assert storage.size(used) == 9 * MIB
    disturb()
    same(content(storage, used), pattern(9 * MIB))
    disturb()
    assert list(storage.keys()) == [used]
    disturb()
    storage.delete(used)
    assert list(storage.keys()) == []


@pytest.mark.parametrize("status", BUSY)
def test_a_service_that_goes_on_failing_is_unavailable_after_the_attempts(
    storage: AzureStorage, proxy: FaultProxy, status: int
) -> None:
    used = store(storage, KEY, b"content")
    proxy.fail(Fault(status=status, times=99))
    with pytest.raises(StorageUnavailable, match=f"{status}.*after 3 attempts"):
        storage.size(used)
    assert proxy.count("HEAD") == 3


def test_a_retry_after_of_seconds_is_kept(storage: AzureStorage, proxy: FaultProxy) -> None:
    used = store(storage, KEY, b"content")
    proxy.fail(Fault(status=429, headers={"Retry-After": "1"}))
    start = now_ms()
    assert storage.size(used) == 7
    assert now_ms() - start >= 1000


def test_a_retry_after_of_minutes_is_not_waited_for(storage: AzureStorage, proxy: FaultProxy) -> None:
    used = store(storage, KEY, b"content")
    proxy.fail(Fault(status=503, headers={"Retry-After": "120"}, times=99))
    with pytest.raises(StorageUnavailable):
        storage.size(used)
    assert proxy.count("HEAD") == 1


@pytest.mark.parametrize("where", [0, 1, 3 * MIB])
def test_a_download_that_is_cut_goes_on_where_it_was(
    storage: AzureStorage, proxy: FaultProxy, where: int
) -> None:
    data = pattern(10 * MIB)
    used = store(storage, KEY, data)
    proxy.fail(Fault(method="GET", cut_answer=where, times=2))
    same(content(storage, used, 100), data[100:])
    # One for each piece of 4 MiB, and one again for each cut.
    assert proxy.count("GET") <= 3 + 2


def test_a_download_that_is_cut_again_and_again_ends(storage: AzureStorage, proxy: FaultProxy) -> None:
    used = store(storage, KEY, pattern(10 * MIB))
    proxy.fail(Fault(method="GET", cut_answer=1000, times=999))
    with pytest.raises(StorageUnavailable):
        content(storage, used)
    assert proxy.count("GET") < 20


@pytest.mark.parametrize("where", [0, 1_000_000])
def test_a_block_whose_upload_is_cut_is_sent_again(
    storage: AzureStorage, proxy: FaultProxy, where: int
) -> None:
    data = pattern(9 * MIB)
    upload = storage.begin()
    proxy.fail(Fault(method="PUT", target="comp=block&", cut_request=where, times=2))
    upload = storage.append(upload, Stream(data))
    assert proxy.count("PUT", "comp=block&") == 5
    same(content(storage, storage.commit(upload, KEY)), data)


@pytest.mark.parametrize("target", ["comp=metadata", "comp=block&", "comp=blocklist"])
def test_an_answer_that_gets_lost_does_no_harm(storage: AzureStorage, proxy: FaultProxy, target: str) -> None:
    upload = begin(storage, pattern(5 * MIB))
    proxy.fail(Fault(method="PUT", target=target, lost=True))
    upload = append(storage, upload, pattern(5 * MIB, 1))
    same(content(storage, storage.commit(upload, KEY)), pattern(5 * MIB) + pattern(5 * MIB, 1))
    assert storage.sweep(now_ms() + 1000) == 0


def test_an_append_that_fails_leaves_its_value_good(storage: AzureStorage, proxy: FaultProxy) -> None:
    upload = begin(storage, pattern(5 * MIB))
    proxy.fail(Fault(method="PUT", target="comp=block&", status=500, times=3))
    with pytest.raises(StorageUnavailable):
        storage.append(upload, Stream(pattern(5 * MIB, 1)))
    proxy.fail()
    upload = append(storage, upload, b"end")
    same(content(storage, storage.commit(upload, KEY)), pattern(5 * MIB) + b"end")


def test_a_commit_that_failed_can_be_made_again(storage: AzureStorage, proxy: FaultProxy) -> None:
    upload = begin(storage, pattern(5 * MIB), b"tail")
    proxy.fail(Fault(method="PUT", target="comp=blocklist", lost=True, times=99))
    with pytest.raises(StorageUnavailable):
        storage.commit(upload, KEY)
    proxy.fail()
    used = storage.commit(upload, KEY)
    same(content(storage, used), pattern(5 * MIB) + b"tail")


def test_a_marker_that_stayed_after_a_commit_is_swept_and_not_counted(
    storage: AzureStorage, proxy: FaultProxy
) -> None:
    upload = begin(storage, b"content")
    proxy.fail(Fault(method="DELETE", status=500, times=99))
    used = storage.commit(upload, KEY)
    proxy.fail()
    assert storage.sweep(now_ms() + 1000) == 0
    same(content(storage, used), b"content")
    with pytest.raises(UploadLost):
        storage.append(upload, Stream(b"more"))


@pytest.mark.parametrize("failing", ["comp=blocklist", "blobs/", "uploads/"])
def test_a_sweep_that_was_broken_off_is_taken_up_by_the_next(
    storage: AzureStorage, proxy: FaultProxy, failing: str
) -> None:
    upload = begin(storage, pattern(5 * MIB))
    method = "PUT" if failing.startswith("comp") else "DELETE"
    proxy.fail(Fault(method=method, target=failing, status=500, times=3))
    with pytest.raises(StorageUnavailable):
        storage.sweep(now_ms() + 1000)
    proxy.fail()
    with pytest.raises(UploadLost):
        storage.append(upload, Stream(b"more"))
    assert list(storage.keys()) == []
    storage.sweep(now_ms() + 1000)
    assert list(storage._container.list_blob_names()) == []


def test_a_service_that_is_slow_is_given_up(settings: dict[str, Any], proxy: FaultProxy) -> None:
    storage = AzureStorage(AzureConfig(**{**settings, "timeout": 0.3, "attempts": 2}))
    used = store(storage, KEY, b"content")
    proxy.fail(Fault(delay_s=1))
    assert storage.size(used) == 7
    proxy.fail(Fault(delay_s=1, times=9))
    start = now_ms()
    with pytest.raises(StorageUnavailable):
        storage.size(used)
    assert now_ms() - start < 3000


def test_a_service_that_is_not_there_is_unavailable(config: dict[str, Any]) -> None:
    with FaultProxy(config["endpoint_url"]) as gone:
        pass
    storage = AzureStorage(AzureConfig(**{**config, "endpoint_url": gone.url, "attempts": 2}))
    for call in (storage.begin, lambda: storage.size(KEY), lambda: list(storage.keys())):
        with pytest.raises(StorageUnavailable):
            call()


def test_a_container_that_has_vanished_is_named_with_the_cure(
    storage: AzureStorage, config: dict[str, Any]
) -> None:
    upload = begin(storage, b"content")
    storage._container.delete_container()
    calls = (
        storage.begin,
        lambda: storage.append(upload, Stream(b"more")),
        lambda: storage.commit(upload, KEY),
        lambda: storage.read(KEY),
        lambda: list(storage.keys()),
        lambda: storage.sweep(now_ms()),
    )
    for call in calls:
        with pytest.raises(
            StorageUnavailable, match=f"no container {config['azure_container']}.*azure_container"
        ):
            call()


def test_a_wrong_key_is_named_with_the_cure_and_not_tried_again(
    settings: dict[str, Any], proxy: FaultProxy
) -> None:
    storage = AzureStorage(AzureConfig(**{**settings, "azure_account_key": "d3Jvbmc="}))
    proxy.fail()
    with pytest.raises(StorageUnavailable, match=r"403.*azure_account_key") as failed:
        storage.begin()
    assert "d3Jvbmc" not in str(failed.value)
    assert len(proxy.asked) == 1


def test_an_expired_signature_is_named_with_the_cure(settings: dict[str, Any]) -> None:
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    token = generate_container_sas(
        settings["azure_account_name"],
        settings["azure_container"],
        account_key=settings["azure_account_key"],
        permission=ContainerSasPermissions(read=True, write=True, list=True),
        expiry=datetime.now(UTC) - timedelta(minutes=1),
    )
    storage = AzureStorage(AzureConfig(**{**settings, "azure_account_key": None, "sas_token": token}))
    with pytest.raises(StorageUnavailable, match=r"403.*expired") as failed:
        storage.size(KEY)
    assert token not in str(failed.value)


def test_what_the_service_refuses_is_an_error_at_once(storage: AzureStorage, proxy: FaultProxy) -> None:
    proxy.fail(Fault(status=409, headers={"x-ms-error-code": "BlobImmutableDueToPolicy"}))
    with pytest.raises(StorageError, match=r"409 .BlobImmutableDueToPolicy"):
        storage.delete(KEY)
    assert len(proxy.asked) == 1


def test_an_object_deleted_during_a_read_is_missing(storage: AzureStorage) -> None:
    used = store(storage, KEY, pattern(9 * MIB))
    pieces = storage.read(used)
    next(pieces)
    storage.delete(used)
    with pytest.raises(ObjectNotFound):
        next(pieces)
