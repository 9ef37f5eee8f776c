"""The HTTP client against servers that misbehave in every way a real one has, over real sockets."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from connectors.governor import Governor, Limits, SourceFailedError
from connectors.http import Endpoint, HttpClient
from tests.doubles.serving import answering

QUICK = Limits(timeout_seconds=0.4, attempts=1, most_bytes=100_000)


def reply(status: str = "200 OK", body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Server:
    """Answers with the given bytes in turn, the last one again and again; remembers what was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []
        self.close_after = False

    def __call__(self, connection: socket.socket, head: bytes) -> None:
        self.heads.append(head.decode())
        connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


@pytest.fixture
def opened() -> Iterator[list[HttpClient]]:
    clients: list[HttpClient] = []
    yield clients
    for each in clients:
        each.close()


def client(opened: list[HttpClient], url: str, limits: Limits = QUICK, **more: object) -> HttpClient:
    made = HttpClient(Endpoint("tempo/main", url, limits=limits, **more))  # type: ignore[arg-type]  # test shorthand
    opened.append(made)
    return made


def failure(opened: list[HttpClient], answer: bytes, limits: Limits = QUICK) -> SourceFailedError:
    with answering(Server(answer)) as url, pytest.raises(SourceFailedError) as caught:
        client(opened, url, limits).get("api").json()
    return caught.value


def trickle(data: bytes, pause: float = 0.05) -> object:
    def script(connection: socket.socket, _head: bytes) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return script


@pytest.mark.parametrize("data", [reply(body=b"x" * 200), b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 200])
def test_an_answer_that_trickles_byte_by_byte_is_given_up_in_time(
    opened: list[HttpClient], data: bytes
) -> None:
    with answering(trickle(data)) as url:  # type: ignore[arg-type]  # a script
        began = time.monotonic()
        with pytest.raises(SourceFailedError, match=r"no whole answer within 0\.4 s") as caught:
            client(opened, url).get("api")
        assert time.monotonic() - began < 2
        assert not caught.value.retry
        assert caught.value.counts


def test_half_an_answer_is_a_failure_and_never_an_answer(opened: list[HttpClient]) -> None:
    def script(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}")
        connection.shutdown(socket.SHUT_RDWR)

    with answering(script) as url, pytest.raises(SourceFailedError, match="not reachable") as caught:
        client(opened, url).get("api")
    assert caught.value.retry


def test_a_connection_that_is_reset_is_tried_again(opened: list[HttpClient]) -> None:
    seen: list[bytes] = []

    def script(connection: socket.socket, head: bytes) -> None:
        seen.append(head)
        if len(seen) == 1:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        else:
            connection.sendall(reply())

    with answering(script) as url:
        assert client(opened, url, Limits(timeout_seconds=2, attempts=2)).get("api").json() == {}
    assert len(seen) == 2


def test_nobody_there_is_said_in_one_line(opened: list[HttpClient]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceFailedError, match=r"not reachable: .*refused") as caught:
        client(opened, f"http://127.0.0.1:{port}").get("api")
    assert caught.value.retry


def test_too_many_requests_waits_as_long_as_asked_and_tries_again(opened: list[HttpClient]) -> None:
    slept: list[float] = []
    server = Server(reply("429 Too Many Requests", b"slow down", "Retry-After: 2"), reply(body=b"[1]"))
    limits = Limits(timeout_seconds=5, attempts=2)
    with answering(server) as url:
        endpoint = Endpoint("loki/main", url, limits=limits)
        made = HttpClient(endpoint, Governor("loki/main", limits, sleep=slept.append))
        opened.append(made)
        assert made.get("api").json() == [1]
    assert slept == [2.0]


def test_a_wait_longer_than_the_time_limit_is_not_waited_for(opened: list[HttpClient]) -> None:
    answer = reply("429 Too Many Requests", b"", "Retry-After: 3600")
    with answering(server := Server(answer)) as url, pytest.raises(SourceFailedError) as caught:
        client(opened, url, Limits(timeout_seconds=1, attempts=3)).get("api")
    assert len(server.heads) == 1
    assert caught.value.retry_after == 3600
    assert str(caught.value) == "too many requests (429)"


@pytest.mark.parametrize("written", ["soon", "²", "-1", ""])
def test_a_retry_after_that_makes_no_sense_is_left_aside(opened: list[HttpClient], written: str) -> None:
    answer = reply("429 Too Many Requests", b"").replace(
        b"\r\n\r\n", f"\r\nRetry-After: {written}\r\n\r\n".encode()
    )
    assert failure(opened, answer).retry_after is None


def test_a_retry_after_may_be_a_date(opened: list[HttpClient]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    after = failure(opened, reply("503 Service Unavailable", b"", f"Retry-After: {date}")).retry_after
    assert after is not None
    assert 50 < after <= 60


@pytest.mark.parametrize(
    ("status", "says", "retry", "counts"),
    [
        ("401 Unauthorized", "the credentials were refused (401): token expired", False, False),
        ("403 Forbidden", "not allowed (403): token expired", False, False),
        ("404 Not Found", "not found (404): token expired", False, False),
        ("400 Bad Request", "status 400: token expired", False, False),
        ("500 Internal Server Error", "status 500: token expired", False, True),
        ("503 Service Unavailable", "status 503: token expired", True, True),
    ],
)
def test_each_refusal_says_what_it_means_and_whether_to_try_again(
    opened: list[HttpClient], status: str, says: str, retry: bool, counts: bool
) -> None:
    found = failure(opened, reply(status, b"token\n expired"))
    assert (str(found), found.retry, found.counts) == (says, retry, counts)


def test_what_a_server_says_is_shown_without_secrets_and_short(opened: list[HttpClient]) -> None:
    found = failure(opened, reply("500 Oops", b"password=hunter2 " + b"<script>" * 500))
    assert "hunter2" not in str(found)
    assert len(str(found)) < 300


@pytest.mark.parametrize("body", [b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000, b"", b"1" * 5_000])
def test_what_is_no_json_is_a_failure(opened: list[HttpClient], body: bytes) -> None:
    assert "not JSON" in str(failure(opened, reply(body=body)))


def test_an_answer_may_have_to_be_an_object(opened: list[HttpClient]) -> None:
    with answering(Server(reply(body=b"[]"))) as url, pytest.raises(SourceFailedError, match="JSON object"):
        client(opened, url).get("api").fields()


def test_a_gigantic_answer_is_not_read_to_its_end(opened: list[HttpClient]) -> None:
    found = failure(opened, reply(body=b"x" * 200_000))
    assert "larger than" in str(found)
    assert not found.retry


def test_a_bomb_of_packed_zeros_is_not_unpacked_to_its_end(opened: list[HttpClient]) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    assert "larger than" in str(failure(opened, reply("200 OK", bomb, "Content-Encoding: gzip")))


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "zstd"])
def test_what_is_packed_twice_or_tighter_than_gzip_is_refused_unread(
    opened: list[HttpClient], packing: str
) -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 5_000_000))
    found = failure(opened, reply("200 OK", bomb, f"Content-Encoding: {packing}"))
    assert f"packed as {packing!r}" in str(found)


def test_half_a_character_in_json_does_not_cost_the_answer(opened: list[HttpClient]) -> None:
    body = b'{"cut": "a\\ud83d", "whole": "\\ud83d\\ude00"}'
    with answering(Server(reply(body=body))) as url:
        assert client(opened, url).get("api").fields() == {"cut": "a?", "whole": "\U0001f600"}


def test_a_packed_answer_is_unpacked(opened: list[HttpClient]) -> None:
    packed = gzip.compress(json.dumps({"a": 1}).encode())
    with answering(Server(reply("200 OK", packed, "Content-Encoding: gzip"))) as url:
        assert client(opened, url).get("api").fields() == {"a": 1}


def test_damaged_packing_is_a_failure(opened: list[HttpClient]) -> None:
    assert "not reachable" in str(failure(opened, reply("200 OK", b"no gzip", "Content-Encoding: gzip")))


def test_a_redirect_is_not_followed_but_named(opened: list[HttpClient]) -> None:
    answer = reply("302 Found", b"", "Location: https://sso.example/login?next=secret")
    found = failure(opened, answer)
    assert "redirected to sso.example (302)" in str(found)
    assert "secret" not in str(found)


def test_garbage_instead_of_http_is_a_failure(opened: list[HttpClient]) -> None:
    assert "not reachable" in str(failure(opened, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))


@pytest.mark.parametrize("hours", [-3, 0, 2])
def test_the_skew_of_the_servers_clock_is_told(opened: list[HttpClient], hours: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    with answering(Server(reply("200 OK", b"{}", f"Date: {date}"))) as url:
        skew = client(opened, url).get("api").skew_seconds
    assert skew is not None
    assert abs(skew - hours * 3600) < 2


def test_a_token_is_read_anew_for_each_request(opened: list[HttpClient], tmp_path: Path) -> None:
    token = tmp_path / "token"
    with answering(server := Server(reply())) as url:
        made = client(opened, url, bearer_file=str(token))
        for written in ("first", "second"):
            token.write_text(written + "\n")
            made.get("api")
    assert ["first" in server.heads[0], "second" in server.heads[1]] == [True, True]


def test_a_missing_token_file_is_a_failure_of_ours(opened: list[HttpClient]) -> None:
    with answering(Server(reply())) as url, pytest.raises(SourceFailedError, match="cannot ask") as caught:
        client(opened, url, bearer_file="/nowhere/token").get("api")
    assert not caught.value.counts


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:9", "http://[::", "http://x:99999", ""])
def test_an_address_that_is_none_is_a_failure(opened: list[HttpClient], url: str) -> None:
    with pytest.raises(SourceFailedError):
        client(opened, url).get("api")


def test_certificates_that_cannot_be_read_are_a_failure(opened: list[HttpClient]) -> None:
    with pytest.raises(SourceFailedError, match="certificates"):
        client(opened, "https://127.0.0.1:9", ca_file="/nowhere/ca.pem").get("api")


def test_a_long_query_travels_as_a_form(opened: list[HttpClient]) -> None:
    with answering(server := Server(reply())) as url:
        client(opened, url).search("api/v1/query", {"query": "up", "time": 1})
    assert server.heads[0].startswith("POST /api/v1/query ")
    assert "application/x-www-form-urlencoded" in server.heads[0]


def test_the_path_of_the_endpoint_stays_in_front(opened: list[HttpClient]) -> None:
    with answering(server := Server(reply())) as url:
        client(opened, url + "/tenant/a/").get("/api/search", {"q": "{ a = 1 }"})
    assert server.heads[0].startswith("GET /tenant/a/api/search?q=%7B")


def test_a_forward_proxy_is_asked_for_the_whole_address(opened: list[HttpClient]) -> None:
    with answering(server := Server(reply(body=b"[3]"))) as url:
        made = client(opened, "http://tempo.example:3200", proxy=url)
        assert made.get("api/echo").json() == [3]
    assert server.heads[0].startswith("GET http://tempo.example:3200/api/echo ")


def test_a_proxy_of_the_environment_is_not_taken(
    opened: list[HttpClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with answering(Server(reply(body=b"[4]"))) as url:
        assert client(opened, url).get("api").json() == [4]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away certificate of 127.0.0.1 with its key, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        str(file) + ".key",
    ]
    about = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-days",
        "2",
        "-out",
        str(file),
    ]
    subprocess.run([openssl, "req", "-x509", *key, *about], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.key").read_text())
    return file


@contextmanager
def secured(certificate: Path, trickled: bool = False) -> Iterator[str]:
    """An HTTPS server that answers each connection once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    for part in [bytes([byte]) for byte in reply()] if trickled else [reply()]:
                        connection.sendall(part)
                        time.sleep(0.05 if trickled else 0)
            except ssl.SSLError:
                continue  # the client did not trust the certificate
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_a_certificate_is_checked_against_the_named_bundle(
    opened: list[HttpClient], certificate: Path
) -> None:
    with secured(certificate) as url:
        assert client(opened, url, ca_file=str(certificate)).get("api").json() == {}
        with pytest.raises(SourceFailedError, match="CERTIFICATE_VERIFY_FAILED"):
            client(opened, url).get("api")
        assert client(opened, url, verify=False).get("api").json() == {}


def test_the_time_limit_holds_under_tls_too(opened: list[HttpClient], certificate: Path) -> None:
    with (
        secured(certificate, trickled=True) as url,
        pytest.raises(SourceFailedError, match="no whole answer"),
    ):
        client(opened, url, ca_file=str(certificate)).get("api")


def test_connections_are_kept_and_shared_between_threads(opened: list[HttpClient]) -> None:
    connections: set[int] = set()

    def script(connection: socket.socket, _head: bytes) -> None:
        connections.add(connection.fileno())
        connection.sendall(reply(body=b"[7]"))

    with answering(script) as url, ThreadPoolExecutor(8) as pool:
        made = client(opened, url, Limits(timeout_seconds=5, concurrent=3))
        answers = list(pool.map(lambda _: made.get("api").json(), range(60)))
    assert answers == [[7]] * 60
    assert len(connections) <= 3
    assert made.governor.traffic.requests == 60


def test_a_source_in_trouble_is_left_alone_after_a_few_failures(opened: list[HttpClient]) -> None:
    limits = Limits(timeout_seconds=1, attempts=1, failures=3, rest_seconds=60)
    with answering(server := Server(reply("500 Oops", b""))) as url:
        made = client(opened, url, limits)
        said = []
        for _ in range(5):
            with pytest.raises(SourceFailedError) as caught:
                made.get("api")
            said.append(str(caught.value))
    assert len(server.heads) == 3
    assert "left alone" in said[-1]


@pytest.mark.parametrize("secret", ["sup3rsecret\nvalue", "schl\xfcsselsup3rsecret", "a\x00sup3rsecret"])
def test_a_secret_that_cannot_be_sent_is_not_quoted(opened: list[HttpClient], secret: str) -> None:
    with answering(Server(reply())) as url, pytest.raises(SourceFailedError, match="a header") as caught:
        client(opened, url, headers={"X-Api-Key": secret}).get("api")
    assert "sup3r" not in str(caught.value)
    assert not caught.value.retry


def test_secrets_of_an_endpoint_are_never_printed() -> None:
    shown = repr(Endpoint("x", "http://x", headers={"Authorization": "Bearer abc"}, basic=("a", "hunter2")))
    assert "abc" not in shown
    assert "hunter2" not in shown
