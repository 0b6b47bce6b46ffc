"""What clients do to the servers: bodies that are cut, slow, silent or many; heads too large; TLS."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import json
import resource
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from server_running import Launch, Running, answer, wait_for


def _received(running: Running) -> int:
    return int((running.data / "received").read_text() or 0)


def test_a_whole_body_arrives_as_it_was_sent(launch: Launch, server: str) -> None:
    running = launch(server=server)
    content = bytes(range(256)) * 40_000
    status, _, body = answer(running.begin_upload(len(content), content))

    assert (status, body.decode()) == (200, hashlib.sha256(content).hexdigest())


def test_a_chunked_body_arrives_as_it_was_sent(launch: Launch, server: str) -> None:
    running = launch(server=server)
    status, _, body = answer(running.begin_upload(None, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"))

    assert (status, body.decode()) == (200, hashlib.sha256(b"hello world").hexdigest())


def test_a_body_cut_short_is_refused_with_what_came_kept(launch: Launch, server: str) -> None:
    running = launch(server=server)
    with running.begin_upload(5000, b"x" * 3000):
        pass

    wait_for((running.data / "received").exists)
    wait_for(lambda: _received(running) == 3000)


def test_a_silent_body_is_told_408_and_gives_its_thread_back(launch: Launch, server: str) -> None:
    # 17 threads: a single long request is admitted
    running = launch(server=server, threads=17, env={"TEST_WINDOW": "1.5"})
    status, _, body = answer(running.begin_upload(100_000, b"x" * 5000))

    assert status == 408
    assert b"resumed" in body
    wait_for(lambda: (running.data / "received").exists() and _received(running) == 5000)
    assert wait_for(lambda: answer(running.begin_upload(70_000, b"x" * 70_000))[0] == 200)


def test_silent_clients_that_stay_give_their_threads_back_while_others_work(
    launch: Launch, server: str
) -> None:
    running = launch(server=server, threads=40, env={"TEST_WINDOW": "1.5"})
    silent = [running.begin_upload(100_000, b"x" * 100) for _ in range(10)]
    busy = running.begin_upload(100_000, b"x" * 100)
    stop = _trickling(busy, b"x" * 2000, 0.05)
    wait_for(lambda: int(running.get("/active")) == 11)

    # none of the silent ones reads its answer or closes; the busy one from the same address goes on
    assert answer(busy)[0] == 200
    stop.set()
    wait_for(lambda: int(running.get("/active")) == 0)
    for connection in silent:
        connection.close()


def _trickle(connection: socket.socket, piece: bytes, every: float, stop: threading.Event) -> None:
    while not stop.wait(every):
        try:
            connection.sendall(piece)
        except OSError:
            return


def _trickling(connection: socket.socket, piece: bytes, every: float) -> threading.Event:
    stop = threading.Event()
    threading.Thread(target=_trickle, args=(connection, piece, every, stop), daemon=True).start()
    return stop


def test_a_body_slower_than_the_minimum_is_cut(launch: Launch, server: str) -> None:
    running = launch(server=server, env={"TEST_WINDOW": "1.5"})
    connection = running.begin_upload(100_000)
    stop = _trickling(connection, b"x" * 20, 0.1)

    assert answer(connection)[0] == 408
    stop.set()


def test_a_slow_body_above_the_minimum_is_served(launch: Launch, server: str) -> None:
    running = launch(server=server, env={"TEST_WINDOW": "1.5"})
    connection = running.begin_upload(12_000)
    stop = _trickling(connection, b"x" * 300, 0.1)

    assert answer(connection)[0] == 200
    stop.set()


def test_trickled_uploads_do_not_stop_others_and_too_many_are_refused(launch: Launch, server: str) -> None:
    running = launch(server=server, threads=40)
    uploads = [running.begin_upload(1_000_000) for _ in range(60)]
    stops = [_trickling(upload, b"x" * 200, 0.1) for upload in uploads]
    refused = [upload for upload in uploads if _readable(upload, 0.05)]
    took = []
    for _ in range(200):
        start = time.monotonic()
        assert running.get("/") == "hello"
        took.append(time.monotonic() - start)
    answers = [answer(upload) for upload in refused]
    for stop in stops:
        stop.set()
    for upload in uploads:
        upload.close()

    assert {status for status, _, _ in answers} == {503}
    assert all(int(headers["retry-after"]) >= 1 for _, headers, _ in answers)
    assert len(refused) == 60 - (40 - 16)
    assert sorted(took)[197] < 0.25


def _readable(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        connection.settimeout(15)


def test_a_refusal_comes_before_the_body_is_asked_for(launch: Launch) -> None:
    running = launch(threads=17)
    with running.begin_upload(100_000, b"x"), running.connect() as second:
        assert running.get("/") == "hello"
        head = b"PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
        second.sendall(head)
        assert second.recv(12) == b"HTTP/1.1 503"


def test_many_idle_connections_leave_room_for_more(launch: Launch, server: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    running = launch(server=server)
    idle = [running.connect() for _ in range(2000)]

    assert running.get("/") == "hello"
    for connection in idle:
        connection.close()


@pytest.mark.parametrize(("size", "count"), [(600_000, 1), (10, 300)], ids=["a large field", "many fields"])
def test_a_head_that_is_too_large_is_refused(launch: Launch, server: str, size: int, count: int) -> None:
    running = launch(server=server)
    connection = running.connect()
    fields = "".join(f"X-{number}: {'a' * size}\r\n" for number in range(count))
    with connection:
        # the server may close before it has read all
        with contextlib.suppress(OSError):
            connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        status = connection.recv(12)

    # gunicorn's parser in C says 400 of too many fields
    assert status in (b"HTTP/1.1 431", b"HTTP/1.1 400")
    assert running.get("/") == "hello"


def test_a_token_of_many_scopes_fits_into_the_head(launch: Launch, server: str) -> None:
    running = launch(server=server)
    with running.connect() as connection:
        head = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {'a' * 30_000}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_an_answer_is_closed_when_its_client_leaves(launch: Launch, server: str) -> None:
    running = launch(server=server)
    with running.connect() as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1000)

    wait_for((running.data / "closed").exists, 7)


def test_the_requests_environ_has_no_variables_of_the_process(launch: Launch, server: str) -> None:
    running = launch(server=server, env={"A_SECRET": "x"})

    assert "A_SECRET" not in json.loads(running.get("/environ"))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """(certificate, key) of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quayframe test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "ssl.cert", tmp_path / "ssl.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    return cert_file, key_file


def test_tls_is_served_with_the_certificate(
    launch: Launch, server: str, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    running = launch(server=server, cert=str(cert), key=str(key))
    context = ssl.create_default_context(cafile=str(cert))
    with context.wrap_socket(running.connect(), server_hostname="127.0.0.1") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        status = connection.recv(12)

    assert running.url.startswith("https://")
    assert status == b"HTTP/1.1 200"


@pytest.mark.filterwarnings("ignore:ssl.OP_NO:DeprecationWarning")
def test_tls_before_1_2_is_refused(launch: Launch, server: str, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    running = launch(server=server, cert=str(cert), key=str(key))
    context = ssl._create_unverified_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3

    with running.connect() as plain, pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(plain)


def test_a_silent_body_over_tls_is_cut(launch: Launch, server: str, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    running = launch(server=server, cert=str(cert), key=str(key), env={"TEST_WINDOW": "1.5"})
    context = ssl._create_unverified_context()
    with context.wrap_socket(running.connect()) as connection:
        connection.sendall(b"PUT /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
        wait_for(lambda: (running.data / "received").exists() and _received(running) == 5000)
