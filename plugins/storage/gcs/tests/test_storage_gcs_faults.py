"""What GoogleCloudStorage does when the service fails: a server in between disturbs, for both interfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fault_proxy import Fault, FaultProxy
from hmac_gateway import HmacGateway
from quayframe_storage_gcs import GoogleCloudStorage, GoogleConfig, calls
from token_server import TokenServer

from quayframe.plugin.storage import ObjectNotFound, StorageError, StorageUnavailable, UploadLost
from quayframe.testing.storage_base import append, begin, now_ms, store
from quayframe.testing.storage_streams import Stream, content, pattern, same

MIB = 1024 * 1024
KEY = "sha256/ab/abcdef.1"
BUSY = (429, 500, 502, 503, 504)
NO_BUCKET = {
    "config": b'{"error": {"code": 404, "message": "The specified bucket does not exist."}}',
    "hmac_config": b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>m</Message></Error>",
}
DENIED = b'{"error": {"code": 403, "message": "registry@test does not have storage.objects.create access"}}'


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_FIRST_WAIT_S", 0.01)


@pytest.fixture(params=["config", "hmac_config"], ids=["service account", "hmac key"])
def chosen(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.getfixturevalue(request.param))


@pytest.fixture
def proxy(chosen: dict[str, Any]) -> Iterator[FaultProxy]:
    with FaultProxy(chosen["endpoint_url"]) as made:
        yield made


@pytest.fixture
def settings(chosen: dict[str, Any], proxy: FaultProxy) -> dict[str, Any]:
    return {**chosen, "endpoint_url": proxy.url, "attempts": 3}


@pytest.fixture
def storage(settings: dict[str, Any]) -> GoogleCloudStorage:
    return GoogleCloudStorage(GoogleConfig(**settings))


@pytest.mark.parametrize("status", BUSY)
def test_each_call_survives_an_answer_that_passes(
    storage: GoogleCloudStorage, proxy: FaultProxy, status: int
) -> None:
    proxy.fail(Fault(status=status))
    upload = storage.begin()
    proxy.fail(*[Fault(method=method, status=status) for method in ("GET|HEAD", "PUT|POST")])
    upload = storage.append(upload, Stream(pattern(3 * MIB)))
    proxy.fail(*[Fault(method=method, status=status) for method in ("GET|HEAD", "PUT|POST", "DELETE")])
    used = storage.commit(upload, KEY)
    proxy.fail(Fault(status=status))
    assert storage.size(used) == 3 * MIB
    proxy.fail(Fault(status=status))
    same(content(storage, used), pattern(3 * MIB))
    proxy.fail(Fault(status=status))
    assert list(storage.keys()) == [used]
    proxy.fail(Fault(status=status))
    storage.delete(used)
    assert list(storage.keys()) == []


@pytest.mark.parametrize("status", BUSY)
def test_a_service_that_goes_on_failing_is_unavailable_after_the_attempts(
    storage: GoogleCloudStorage, proxy: FaultProxy, status: int
) -> None:
    proxy.fail(Fault(status=status, times=99))
    with pytest.raises(StorageUnavailable, match=f"{status}.*after 3 attempts"):
        storage.size(KEY)
    assert len(proxy.asked) == 3


def test_a_retry_after_of_seconds_is_kept_and_one_of_minutes_is_not_waited_for(
    storage: GoogleCloudStorage, proxy: FaultProxy
) -> None:
    used = store(storage, KEY, b"content")
    proxy.fail(Fault(status=429, headers={"Retry-After": "1"}))
    start = now_ms()
    assert storage.size(used) == 7
    assert now_ms() - start >= 1000
    proxy.fail(Fault(status=503, headers={"Retry-After": "120"}, times=99))
    with pytest.raises(StorageUnavailable):
        storage.size(used)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("where", [0, 1, 3 * MIB])
def test_a_download_that_is_cut_goes_on_where_it_was(
    storage: GoogleCloudStorage, proxy: FaultProxy, where: int
) -> None:
    data = pattern(10 * MIB)
    used = store(storage, KEY, data)
    pieces = storage.read(used, 100)
    proxy.fail(Fault(method="GET", cut_answer=where, times=2))
    same(b"".join(pieces), data[100:])
    # One for each piece of 4 MiB, and one again for each cut.
    assert proxy.count("GET") <= 3 + 2


def test_a_download_that_is_cut_again_and_again_ends(storage: GoogleCloudStorage, proxy: FaultProxy) -> None:
    used = store(storage, KEY, pattern(10 * MIB))
    pieces = storage.read(used)
    proxy.fail(Fault(method="GET", cut_answer=1000, times=999))
    with pytest.raises(StorageUnavailable):
        b"".join(pieces)
    assert proxy.count("GET") == 3


@pytest.mark.parametrize("known", [{}, {"Range": "bytes=0-5242879"}], ids=["nothing", "the chunk before"])
def test_a_chunk_that_is_cut_is_sent_again(
    storage: GoogleCloudStorage, proxy: FaultProxy, known: dict[str, str]
) -> None:
    """fake-gcs-server answers a status query wrongly, so the server in between gives the right answer."""
    data = pattern(12 * MIB)
    upload = storage.begin()
    proxy.fail(
        Fault(method="PUT", content_range=r"^bytes 5242880-10485759/\*$", cut_request=1_000_000),
        Fault(method="PUT", content_range=r"^bytes \*/\*$", status=308, headers=known),
    )
    upload = storage.append(upload, Stream(data))
    same(content(storage, storage.commit(upload, KEY)), data)


def test_of_a_chunk_that_arrived_in_part_only_the_rest_is_sent(
    storage: GoogleCloudStorage, proxy: FaultProxy
) -> None:
    rest = Fault(
        method="PUT",
        content_range=r"^bytes 6291456-10485759/\*$",
        status=308,
        headers={"Range": "bytes=0-10485759"},
    )
    proxy.fail(
        Fault(method="PUT", content_range=r"^bytes 5242880-10485759/\*$", cut_request=1_000_000),
        Fault(method="PUT", content_range=r"^bytes \*/\*$", status=308, headers={"Range": "bytes=0-6291455"}),
        rest,
    )
    storage.append(storage.begin(), Stream(pattern(12 * MIB)))
    assert rest.times == 0


def test_an_answer_to_a_chunk_that_gets_lost_does_no_harm(
    storage: GoogleCloudStorage, proxy: FaultProxy
) -> None:
    data = pattern(12 * MIB)
    upload = storage.begin()
    proxy.fail(
        Fault(method="PUT", content_range=r"^bytes 5242880-10485759/\*$", lost=True),
        Fault(
            method="PUT", content_range=r"^bytes \*/\*$", status=308, headers={"Range": "bytes=0-10485759"}
        ),
    )
    upload = storage.append(upload, Stream(data))
    assert proxy.count("PUT") == 4
    same(content(storage, storage.commit(upload, KEY)), data)


def test_an_answer_to_the_last_chunk_that_gets_lost_does_no_harm(
    storage: GoogleCloudStorage, proxy: FaultProxy
) -> None:
    data = pattern(12 * MIB)
    upload = storage.begin()
    proxy.fail(
        Fault(method="PUT", content_range=r"-12582911/12582912$", lost=True),
        Fault(method="PUT", content_range=r"^bytes \*/12582912$", status=200),
    )
    upload = storage.append(upload, Stream(data))
    same(content(storage, storage.commit(upload, KEY)), data)


@pytest.mark.parametrize("status", [404, 410])
def test_a_resumable_upload_that_the_service_forgot_leaves_the_value_good(
    storage: GoogleCloudStorage, proxy: FaultProxy, status: int
) -> None:
    upload = begin(storage, pattern(100_000))
    proxy.fail(Fault(method="PUT", content_range="bytes 5242880-", status=status))
    with pytest.raises(StorageUnavailable, match="forgotten"):
        storage.append(upload, Stream(pattern(12 * MIB)))
    upload = append(storage, upload, b"end")
    same(content(storage, storage.commit(upload, KEY)), pattern(100_000) + b"end")


@pytest.mark.parametrize("chunks", [[b"tail"], [pattern(100_000), pattern(50_000)]], ids=["tail", "parts"])
def test_a_commit_whose_answers_get_lost_can_be_made_again(
    storage: GoogleCloudStorage, proxy: FaultProxy, chunks: list[bytes]
) -> None:
    upload = begin(storage, *chunks)
    proxy.fail(Fault(method="PUT|POST", lost=True, times=99))
    with pytest.raises(StorageUnavailable):
        storage.commit(upload, KEY)
    proxy.fail(Fault(method="PUT|POST", lost=True))
    assert storage.commit(upload, KEY) == KEY
    same(content(storage, KEY), b"".join(chunks))


def test_what_stayed_after_a_commit_is_swept(storage: GoogleCloudStorage, proxy: FaultProxy) -> None:
    upload = begin(storage, pattern(100_000), pattern(100_000))
    proxy.fail(Fault(method="DELETE", status=500, times=99))
    used = storage.commit(upload, KEY)
    proxy.fail()
    storage.sweep(now_ms() + 2000)
    assert [found.name for found in storage._list("")] == [f"datastorage/registry/{used}"]
    with pytest.raises(UploadLost):
        storage.append(upload, Stream(b"more"))


def test_a_sweep_that_was_broken_off_is_taken_up_by_the_next(
    storage: GoogleCloudStorage, proxy: FaultProxy
) -> None:
    upload = begin(storage, pattern(100_000), pattern(100_000))
    proxy.fail(Fault(method="DELETE"), Fault(method="DELETE", status=500, times=99))
    with pytest.raises(StorageUnavailable):
        storage.sweep(now_ms() + 2000)
    proxy.fail()
    with pytest.raises(UploadLost):
        storage.append(upload, Stream(b"more"))
    assert storage.sweep(now_ms() + 2000) == 0
    assert list(storage._list("")) == []


def test_a_service_that_is_slow_is_given_up(settings: dict[str, Any], proxy: FaultProxy) -> None:
    storage = GoogleCloudStorage(GoogleConfig(**{**settings, "boto_timeout": 0.5, "attempts": 2}))
    used = store(storage, KEY, b"content")
    proxy.fail(Fault(delay_s=2))
    assert storage.size(used) == 7
    proxy.fail(Fault(delay_s=2, times=9))
    start = now_ms()
    with pytest.raises(StorageUnavailable):
        storage.size(used)
    assert now_ms() - start < 5000


def test_a_service_that_is_not_there_is_unavailable(chosen: dict[str, Any]) -> None:
    with FaultProxy(chosen["endpoint_url"]) as gone:
        pass
    storage = GoogleCloudStorage(GoogleConfig(**{**chosen, "endpoint_url": gone.url, "attempts": 2}))
    for call in (storage.begin, lambda: storage.size(KEY), lambda: list(storage.keys())):
        with pytest.raises(StorageUnavailable):
            call()


def test_a_bucket_that_has_vanished_is_named_with_the_cure(
    storage: GoogleCloudStorage, proxy: FaultProxy, settings: dict[str, Any]
) -> None:
    upload = begin(storage, b"content")
    said = NO_BUCKET["hmac_config" if "access_key" in settings else "config"]
    calls: list[Callable[[], object]] = [
        storage.begin,
        lambda: storage.put(KEY, Stream(b"content")),
        lambda: storage.put(KEY, Stream(pattern(6 * MIB))),
        lambda: list(storage.keys()),
        lambda: storage.sweep(now_ms()),
    ]
    if "access_key" not in settings:
        # An answer to HEAD has no body, so that a missing object is all that it can say.
        calls += [lambda: storage.size(KEY), lambda: storage.read(KEY)]
    for call in calls:
        proxy.fail(Fault(status=404, body=said, headers={"Content-Type": "application/json"}, times=99))
        with pytest.raises(StorageUnavailable, match=f"no bucket {settings['bucket_name']}.*bucket_name"):
            call()
        assert len(proxy.asked) == 1
    assert upload.size == 7


def test_a_refused_credential_is_named_with_the_cure_and_not_tried_again(
    storage: GoogleCloudStorage, proxy: FaultProxy
) -> None:
    proxy.fail(Fault(status=403, body=DENIED, headers={"Content-Type": "application/json"}, times=9))
    with pytest.raises(StorageUnavailable, match=r"403.*storage.objects.create.*service_account_key"):
        storage.begin()
    assert len(proxy.asked) == 1


def test_a_service_account_that_was_taken_away_is_named_with_the_cure(
    config: dict[str, Any], tokens: TokenServer
) -> None:
    tokens.refusal = "invalid_grant"
    storage = GoogleCloudStorage(GoogleConfig(**config))
    with pytest.raises(StorageUnavailable, match=r"401.*invalid_grant.*service_account_key") as failed:
        storage.begin()
    assert "PRIVATE" not in str(failed.value)
    tokens.refusal = None
    assert storage.begin().size == 0


def test_a_wrong_hmac_secret_is_refused(hmac_config: dict[str, Any], gateway: HmacGateway) -> None:
    storage = GoogleCloudStorage(GoogleConfig(**{**hmac_config, "secret_key": "wrong"}))
    with pytest.raises(StorageUnavailable, match=r"403 .SignatureDoesNotMatch.*secret_key"):
        storage.begin()
    assert gateway.refused == ["SignatureDoesNotMatch"]
    gateway.refused.clear()


def test_what_the_service_refuses_is_an_error_at_once(storage: GoogleCloudStorage, proxy: FaultProxy) -> None:
    body = b'{"error": {"code": 400, "message": "no such thing"}}'
    proxy.fail(Fault(status=400, body=body, headers={"Content-Type": "application/json"}))
    with pytest.raises(StorageError, match=r"400.*no such thing"):
        storage.delete(KEY)
    assert len(proxy.asked) == 1


def test_an_object_deleted_during_a_read_is_missing(storage: GoogleCloudStorage) -> None:
    used = store(storage, KEY, pattern(9 * MIB))
    pieces = storage.read(used)
    next(pieces)
    storage.delete(used)
    with pytest.raises(ObjectNotFound):
        next(pieces)
