"""Answers that come before the end of a request: a client that writes first and reads then must see them."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from functools import partial
from urllib.parse import urlsplit

import httpx2
import pytest
from servers.asgi import start_asgi

from imgen.asgi.endpoint import Endpoint, json_answer, read_body
from imgen.asgi.linger import MAX_BYTES, SILENCE_S, TOTAL_S, Linger
from imgen.asgi.protocol import TimeoutProtocol
from imgen.domain.errors import TooLarge

MIB = 1 << 20
LIMIT = MIB
TOLD = {"error": "Request too large"}


@pytest.fixture(scope="module")
def url():
    """A server whose bodies are limited to a megabyte."""

    async def answer(scope, receive):
        try:
            return json_answer({"size": len(await read_body(scope, receive, max_bytes=LIMIT))})
        except TooLarge as exc:
            return json_answer({"error": str(exc)}, 413)

    protocol = partial(
        TimeoutProtocol, read_timeout_s=30, refusal=lambda _path, status, text: json_answer(text, status)
    )
    with start_asgi(lambda _url: Endpoint(answer), http=protocol, loop="uvloop") as url:
        yield url


def pieces(size):
    """A body of unknown length."""
    for _ in range(size // (64 << 10)):
        yield bytes(64 << 10)


def by_urllib(url, size, *, chunked):
    request = urllib.request.Request(url, data=pieces(size) if chunked else bytes(size), method="POST")
    try:
        urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


def by_http_client(url, size, *, chunked):
    link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    link.request("POST", "/", pieces(size) if chunked else bytes(size), {"Connection": "close"}, encode_chunked=chunked)
    answer = link.getresponse()
    return answer.status, json.loads(answer.read())


def by_httpx(url, size, *, chunked):
    answer = httpx2.post(url, content=pieces(size) if chunked else bytes(size), headers={"Connection": "close"})
    return answer.status_code, answer.json()


def by_curl(url, size, *, chunked):
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    command = ["curl", "-sS", "--http1.0" if not chunked else "--http1.1", "-w", "\n%{http_code}", "-H", "Expect:", url]
    command += ["-H", "Transfer-Encoding: chunked"] * chunked + ["--data-binary", "@-"]
    done = subprocess.run(command, input=bytes(size), capture_output=True, check=True, timeout=20)
    body, _, status = done.stdout.decode().rpartition("\n")
    return int(status), json.loads(body)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("size", [LIMIT + (64 << 10), 12 * MIB], ids=["a little", "a lot"])
@pytest.mark.parametrize("post", [by_urllib, by_http_client, by_httpx, by_curl])
def test_a_client_that_writes_first_reads_the_refusal(url, post, size, chunked):
    """Five times of five, also where the client asked for the connection to be closed."""
    for _ in range(5):
        assert post(url, size, chunked=chunked) == (413, TOLD)


def test_the_rest_of_a_declared_body_is_awaited(url):
    """A declared length has an end, so more of it is dropped than of a body without one."""
    assert by_urllib(url, 4 * MAX_BYTES, chunked=False) == (413, TOLD)


def test_the_connection_serves_the_next_request(url):
    """A client that keeps its connection loses nothing but its body."""
    with httpx2.Client() as client:
        assert client.post(url, content=bytes(2 * MIB)).status_code == 413
        assert client.post(url, content=b"x").json() == {"size": 1}


@pytest.mark.parametrize("ending", ["keep-alive", "close"])
def test_a_client_that_never_stops_is_cut(url, ending):
    """An endless body costs a bounded number of bytes, and the answer was there to be read."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=20) as link:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: {ending}\r\nTransfer-Encoding: chunked\r\n\r\n"
        link.sendall(head.encode())
        chunk, sent, answer = b"10000\r\n" + bytes(64 << 10) + b"\r\n", 0, b""
        with contextlib.suppress(ConnectionError):
            while sent < 4 * MAX_BYTES:
                link.sendall(chunk)
                sent += len(chunk)
                if not answer and sent > 2 * LIMIT:
                    answer = link.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < LIMIT + 2 * MAX_BYTES


@pytest.mark.parametrize(
    "junk", [b"nonsense\r\n\r\n", b"GET /x HTTP/1.1\r\nA: " + b"a" * (1 << 17)], ids=["400", "431"]
)
def test_what_is_no_request_reads_its_refusal_too(url, junk):
    """Junk goes on after the refusal, and the refusal is there all the same."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=20) as link:
        link.sendall(junk + bytes(MIB))
        answer = link.recv(1 << 16)
        link.sendall(bytes(MIB))
        while chunk := link.recv(1 << 16):
            answer += chunk
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


def test_patience_ends():
    """A pause is 5 seconds at most, the whole half a minute."""
    linger = Linger(100.0, None)
    assert [linger.patience_s(now) for now in (100, 100 + TOTAL_S - 1, 100 + TOTAL_S, 200)] == [SILENCE_S, 1, 0, 0]
    assert linger.count(MAX_BYTES)
    assert not linger.count(1)
