"""What S3Storage does when the service fails: a real one, with a server in between that disturbs."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fault_proxy import Fault, FaultProxy
from quayframe_storage_s3 import S3Storage
from quayframe_storage_s3.configs import S3Config

from quayframe.plugin.storage import NoSpace, ObjectNotFound, StorageError, StorageUnavailable
from quayframe.testing.storage_base import append, begin, new_key, store
from quayframe.testing.storage_streams import Stream, content, pattern, same

MIB = 1024 * 1024
KEY = "sha256/ab/abcdef.1"
BUSY = (429, 500, 502, 503, 504)


def error_body(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()


@pytest.mark.parametrize("status", BUSY)
def test_each_call_survives_an_answer_that_passes(through: S3Storage, proxy: FaultProxy, status: int) -> None:
    def disturb() -> None:
        proxy.fail(Fault(status=status), Fault(method="PUT", target="partNumber", status=status))

    disturb()
    upload = through.begin()
    disturb()
    upload = through.append(upload, Stream(pattern(9 * MIB)))
    disturb()
    used = through.commit(upload, KEY)
    disturb()
    assert through.size(used) == 9 * MIB
    disturb()
    same(content(through, used), pattern(9 * MIB))
    disturb()
    assert list(through.keys()) == [used]
    disturb()
    through.delete(used)
    assert list(through.keys()) == []


@pytest.mark.parametrize("status", BUSY)
def test_a_service_that_goes_on_failing_is_unavailable_after_the_attempts(
    through: S3Storage, proxy: FaultProxy, status: int
) -> None:
    used = store(through, KEY, b"content")
    proxy.fail(Fault(status=status, times=99))
    with pytest.raises(StorageUnavailable, match=str(status)):
        through.size(used)
    assert proxy.count("HEAD") == 3


def test_a_retry_after_is_kept(through: S3Storage, proxy: FaultProxy) -> None:
    used = store(through, KEY, b"content")
    proxy.fail(Fault(status=429, headers={"Retry-After": "1"}))
    start = time.monotonic()
    assert through.size(used) == 7
    assert time.monotonic() - start >= 1


def test_a_long_retry_after_is_left_to_the_caller(through: S3Storage, proxy: FaultProxy) -> None:
    used = store(through, KEY, b"content")
    proxy.fail(Fault(status=503, headers={"Retry-After": "600"}))
    with pytest.raises(StorageUnavailable):
        through.size(used)
    assert proxy.count("HEAD") == 1


def test_a_part_that_is_cut_in_the_middle_is_sent_again(through: S3Storage, proxy: FaultProxy) -> None:
    upload = through.begin()
    proxy.fail(Fault(method="PUT", target="partNumber=1$", cut_request=3 * MIB))
    upload = through.append(upload, Stream(pattern(20 * MIB)))
    assert proxy.count("PUT", "partNumber=1$") == 2
    same(content(through, through.commit(upload, KEY)), pattern(20 * MIB))


def test_an_append_that_fails_leaves_the_value_good(through: S3Storage, proxy: FaultProxy) -> None:
    upload = append(through, through.begin(), pattern(6 * MIB, 1))
    proxy.fail(Fault(method="PUT", target="partNumber", status=500, times=99))
    with pytest.raises(StorageUnavailable):
        through.append(upload, Stream(pattern(30 * MIB, 2)))
    proxy.fail()
    upload = append(through, upload, pattern(7 * MIB, 3))
    same(content(through, through.commit(upload, KEY)), pattern(6 * MIB, 1) + pattern(7 * MIB, 3))


@pytest.mark.parametrize("size", [0, 1000, 100_000, 9 * MIB], ids=["empty", "rest", "tail", "parts"])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "GET"])
def test_a_commit_whose_answers_get_lost_is_made_once(
    through: S3Storage, proxy: FaultProxy, size: int, method: str
) -> None:
    upload = begin(through, pattern(size))
    proxy.fail(Fault(method=method, lost=True, times=2))
    same(content(through, through.commit(upload, KEY)), pattern(size))


@pytest.mark.parametrize("cut", [0, 1, 100_000, 7_999_999])
def test_a_download_that_is_cut_goes_on_from_there(through: S3Storage, proxy: FaultProxy, cut: int) -> None:
    used = store(through, KEY, pattern(8_000_000))
    proxy.fail(Fault(method="GET", cut_answer=cut, times=2))
    same(content(through, used, 0, 8_000_000), pattern(8_000_000))
    assert proxy.count("GET") == (3 if cut < 7_999_999 else 2)


def test_a_range_that_is_cut_goes_on_from_there(through: S3Storage, proxy: FaultProxy) -> None:
    used = store(through, KEY, pattern(3_000_000))
    proxy.fail(Fault(method="GET", cut_answer=1_000_000))
    same(content(through, used, 500_000, 2_600_000), pattern(3_000_000)[500_000:2_600_000])


def test_a_download_that_is_cut_again_and_again_ends(through: S3Storage, proxy: FaultProxy) -> None:
    used = store(through, KEY, pattern(3_000_000))
    proxy.fail(Fault(method="GET", cut_answer=1000, times=99))
    with pytest.raises(StorageUnavailable, match="cut at byte 3000 of 3000000"):
        content(through, used)
    assert proxy.count("GET") == 3


def test_a_download_does_not_go_on_in_another_object(through: S3Storage, proxy: FaultProxy) -> None:
    used = store(through, KEY, pattern(3_000_000, 1))
    proxy.fail(Fault(method="GET", cut_answer=1_000_000))
    pieces = through.read(used)
    next(pieces)
    through.put(used, Stream(pattern(3_000_000, 2)))
    with pytest.raises(StorageError, match="went away"):
        list(pieces)


def test_an_object_that_goes_in_the_middle_of_a_download_is_an_error(
    through: S3Storage, proxy: FaultProxy
) -> None:
    used = store(through, KEY, pattern(3_000_000, 1))
    proxy.fail(Fault(method="GET", cut_answer=1_000_000))
    pieces = through.read(used)
    next(pieces)
    through.delete(used)
    with pytest.raises(StorageError, match="went away"):
        list(pieces)


def test_a_slow_service_is_asked_again_after_the_timeout(
    config: dict[str, Any], proxy: FaultProxy, short_waits: None
) -> None:
    slow = S3Storage(S3Config(**{**config, "endpoint_url": proxy.url, "read_timeout": 0.3}))
    used = store(slow, KEY, b"content")
    proxy.fail(Fault(method="GET", delay_s=2))
    same(content(slow, used), b"content")
    assert proxy.count("GET") == 2


def test_a_service_that_is_not_there_is_unavailable(config: dict[str, Any], short_waits: None) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        away = S3Storage(S3Config(**{**config, "endpoint_url": url, "max_attempts": 2}))
        with pytest.raises(StorageUnavailable):
            away.begin()


@pytest.mark.parametrize(
    ("code", "status", "cure"),
    [
        ("ExpiredToken", 400, "have expired: renew them"),
        ("InvalidAccessKeyId", 403, "correct the access key"),
        ("SignatureDoesNotMatch", 403, "secret key is wrong"),
        ("AccessDenied", 403, "need GetObject, PutObject"),
        ("RequestTimeTooSkewed", 403, "clock is wrong"),
        ("NoSuchBucket", 404, "create it, or correct its name"),
        ("PermanentRedirect", 301, "correct s3_region"),
    ],
)
def test_a_refusal_names_its_cause_and_cure(
    through: S3Storage, proxy: FaultProxy, code: str, status: int, cure: str
) -> None:
    used = store(through, KEY, b"content")
    proxy.fail(Fault(method="GET", status=status, body=error_body(code), times=99))
    with pytest.raises(StorageUnavailable, match=cure):
        content(through, used)
    assert proxy.count("GET") == 1


@pytest.mark.parametrize(("code", "status"), [("QuotaExceeded", 403), ("InsufficientStorage", 507)])
def test_a_full_service_is_no_space(through: S3Storage, proxy: FaultProxy, code: str, status: int) -> None:
    upload = through.begin()
    proxy.fail(Fault(method="PUT", status=status, body=error_body(code), times=99))
    with pytest.raises(NoSpace):
        through.append(upload, Stream(b"content"))


def test_wrong_keys_are_unavailable_with_the_cure(config: dict[str, Any]) -> None:
    for name, cure in (("s3_access_key", "the access key is unknown"), ("s3_secret_key", "is wrong")):
        wrong = S3Storage(S3Config(**{**config, name: "wrong-one-of-some-length"}))
        with pytest.raises(StorageUnavailable, match=cure):
            list(wrong.keys())


def test_a_bucket_that_is_not_there_is_not_a_missing_object(config: dict[str, Any]) -> None:
    gone = S3Storage(S3Config(**{**config, "s3_bucket": "vanished"}))
    for call in (lambda: gone.size(KEY), lambda: gone.read(KEY), lambda: list(gone.keys())):
        with pytest.raises(StorageUnavailable, match="bucket does not exist"):
            call()


def test_a_service_without_encryption_is_told_of_in_the_error(
    config: dict[str, Any], short_waits: None
) -> None:
    strict = S3Storage(S3Config(**{**config, "server_side_encryption": "AES256", "max_attempts": 1}))
    with pytest.raises(StorageUnavailable, match="server_side_encryption: null"):
        strict.begin()


def test_requests_under_way_are_bounded(config: dict[str, Any], proxy: FaultProxy) -> None:
    narrow = S3Storage(S3Config(**{**config, "endpoint_url": proxy.url, "max_connections": 2}))
    used = store(narrow, KEY, b"content")
    proxy.fail(Fault(method="HEAD", delay_s=0.2, times=6))
    start = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(narrow.size, [used] * 6)) == {7}
    assert time.monotonic() - start >= 0.6


def test_a_download_that_is_left_gives_its_place_back(config: dict[str, Any]) -> None:
    narrow = S3Storage(S3Config(**{**config, "max_connections": 2}))
    used = store(narrow, KEY, pattern(2 * MIB))
    for _ in range(5):
        next(narrow.read(used))
        with pytest.raises(ObjectNotFound):
            narrow.read(new_key())
    same(content(narrow, used), pattern(2 * MIB))
