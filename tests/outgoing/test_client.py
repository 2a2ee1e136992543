"""Client: limits of time and size, and reasons in words."""

import asyncio
import ipaddress
import time

import pytest
from servers.faulty_http import answer, cut, hang, reset, start_faulty_http
from servers.stack import free_port

from imgen.domain.errors import NoAnswer
from imgen.outgoing.client import OutgoingClient

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def post(url, timeout_s=20.0):
    """One request."""
    return asyncio.run(OutgoingClient(allow=LOOPBACK, timeout_s=timeout_s).post(url, {"X-Test": "1"}, b"body"))


def drip(exchange):
    """Sends the head, and then a byte of the body ten times a second."""
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not exchange.server.closing.wait(0.1):
        exchange.wfile.write(b".")
        exchange.wfile.flush()


def test_an_answer_has_status_and_headers():
    """Names of headers are in lower case; the request is what was given."""
    with start_faulty_http(answer(429, b"slow down", {"Retry-After": "7"})) as server:
        told = post(f"{server.url}/hook")
        assert (told.status, told.headers["retry-after"]) == (429, "7")
        (request,) = server.requests
        assert (request.method, request.path, request.body, request.headers["X-Test"]) == (
            "POST",
            "/hook",
            b"body",
            "1",
        )


@pytest.mark.parametrize("behaviour", [hang, drip], ids=["hang", "drip"])
def test_the_time_limit_is_for_the_whole_answer(behaviour):
    """A server that hangs, or sends byte by byte, is left in time."""
    with start_faulty_http(behaviour) as server:
        started = time.monotonic()
        with pytest.raises(NoAnswer, match="No whole answer within 1 s"):
            post(server.url, timeout_s=1)
        assert time.monotonic() - started < 10


def test_a_long_answer_is_not_read_to_its_end():
    """Its status counts."""

    def flood(exchange):
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not exchange.server.closing.is_set():
            exchange.wfile.write(b"." * 65536)

    with start_faulty_http(flood) as server:
        assert post(server.url).status == 200


@pytest.mark.parametrize(("behaviour", "words"), [(reset, "reset"), (cut, "peer closed")], ids=["reset", "cut"])
def test_a_broken_answer_is_none(behaviour, words):
    """The reason is the innermost one."""
    with start_faulty_http(behaviour) as server, pytest.raises(NoAnswer, match=words):
        post(server.url)


def test_a_closed_port_is_told():
    """In the words of the system."""
    with pytest.raises(NoAnswer, match="Connection refused"):
        post(f"http://127.0.0.1:{free_port()}/")


def test_a_name_without_an_address_is_told():
    """RFC 6761 keeps `.invalid` from ever having one."""
    with pytest.raises(NoAnswer, match="no address|in time"):
        post("https://hooks.invalid/")


def test_what_is_at_a_url_is_read_up_to_a_limit():
    """A longer body is no answer; one of the very length is."""

    def get(url, max_bytes):
        client = OutgoingClient(allow=LOOPBACK, timeout_s=20)
        return asyncio.run(client.get(url, {"Accept": "text/plain"}, max_bytes=max_bytes))

    with start_faulty_http(answer(200, b"words")) as server:
        assert get(f"{server.url}/page", 5).body == b"words"
        with pytest.raises(NoAnswer, match="longer than 4 bytes"):
            get(f"{server.url}/page", 4)
        assert (server.requests[0].method, server.requests[0].headers["Accept"]) == ("GET", "text/plain")
