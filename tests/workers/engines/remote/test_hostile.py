"""Hostile engines: endless, bombed, slow and lying answers cost bounded memory and time, and are told without prompt and key."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from bombs import END, chunk, pixels, png
from hostile_answers import KEY, PROMPT
from servers.faulty_http import answer, start_faulty_http
from servers.image_engine import JSON, at_url, pictures, refusal

from imgen.domain.errors import RemoteEngineAway
from imgen.domain.remote_engine import parse_remote_engine
from workers.engines import EngineContext
from workers.engines.remote.engine import open_client
from workers.engines.remote.http import MAX_ERROR_BYTES, MAX_WORDS

MAX_GROWTH_MB = 150
LIMIT_S = 30
SHORT_S = 0.5
"""Limit of time for engines that never end."""
MEGABYTE = b"\0" * 2**20


@pytest.fixture
def no_network():
    """Replaces the folder's ban: the servers are on loopback."""


@pytest.fixture(scope="module")
def server():
    with start_faulty_http(answer(500)) as started:
        yield started


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "log"


@pytest.fixture(scope="module")
def child(log):
    """Process that asks; one for all, its peak is set back each time."""
    root = Path(__file__).parents[4]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, root / "tests" / "hostile_answers.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env={**os.environ, "PYTHONPATH": str(root), "MALLOC_ARENA_MAX": "2"},
            text=True,
        )
        yield process
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def ask(server, child):
    """Has the process ask for a picture that is answered so; the prompt and the key are nowhere in what it tells."""

    def one(behaviour, timeout_s=LIMIT_S):
        server.script[:] = [behaviour]
        child.stdin.write(json.dumps({"base_url": f"{server.url}/v1", "timeout_s": timeout_s}) + "\n")
        child.stdin.flush()
        told = json.loads(child.stdout.readline())
        assert not server.script
        return told

    return one


def raw(*parts, then=None):
    """Writes bytes as they are, then goes on with the parts that a function yields."""

    def behaviour(exchange):
        exchange.close_connection = True
        with suppress(ConnectionError):
            for part in parts:
                exchange.wfile.write(part)
            for part in then(exchange) if then else ():
                exchange.wfile.write(part)
                exchange.wfile.flush()

    return behaviour


def head(*lines):
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Type: application/json", *lines, b"", b""))


def megabytes(_exchange):
    yield from [MEGABYTE] * 500


def chunks(_exchange):
    yield from [b"%x\r\n%s\r\n" % (len(MEGABYTE), MEGABYTE)] * 500


def endless(part, pause_s=0.0):
    def parts(exchange):
        while not exchange.server.closing.wait(pause_s):
            yield part

    return parts


def broken(parts):
    return answer(200, json.dumps(parts).encode(), JSON)


def in_answer(field, text):
    return raw(head(), b'{"data": [{"%s": "' % field, text, b'"}]}')


def compressed(encoding):
    body = gzip.compress(b"\0" * 200 * 2**20, 1)
    return answer(200, body, JSON | {"Content-Encoding": encoding})


SIXTY = 60 * 2**20
AT_ONCE = {
    "500 MB": raw(head(b"Content-Length: 524288000"), then=megabytes),
    "500 MB in chunks": raw(head(b"Transfer-Encoding: chunked"), then=chunks),
    "500 MB without a length": raw(head(b"Connection: close"), then=megabytes),
    "200 MB by gzip": compressed("gzip"),
    "200 MB by gzip in gzip": compressed("gzip, gzip"),
    "200 MB by brotli": compressed("br"),
    "60 MB of no base64": in_answer(b"b64_json", b"%" * SIXTY),
    "60 MB of base64 of no picture": in_answer(b"b64_json", b"A" * SIXTY),
    "60 MB of pictures": raw(head(), b'{"data": [', b"{}," * (SIXTY // 3), b"{}]}"),
    "60 MB of nothing": raw(head(), b"[", b"[]," * (SIXTY // 3), b"[]]"),
    "60 MB of URL": in_answer(b"url", b"a" * SIXTY),
    "a page": answer(200, b"<h1>Sign in</h1>", {"Content-Type": "text/html"}),
    "nothing": answer(200, b"", JSON),
    "a number": broken(5),
    "data of another type": broken({"data": 5}),
    "a picture of another type": broken({"data": [5]}),
    "base64 of another type": broken({"data": [{"b64_json": 5}]}),
    "an object for base64": broken({"data": [{"b64_json": {"data": "AAAA"}}]}),
    "a URL of another type": broken({"data": [{"url": ["https://example.com"]}]}),
    "an unfinished text": raw(head(), b'{"data": [{"b64_json": "AAAA'),
    "nested without end": answer(200, b"[" * 100_000, JSON),
    "nested in an error": answer(500, b"[" * 100_000, JSON),
    "nested just deep enough": answer(500, b"[" * 900 + b"]" * 900, JSON),
    "a picture of 4 gigapixels": pictures(png(65_535, 65_535, pixels(1000), END)),
    "a picture of 64 megapixels": pictures(png(8_000, 8_000, pixels(32_001 * 8_000), END, kind=6)),
    "a picture of 300,000 chunks": pictures(png(10, 10, chunk(b"prVt") * 300_000, pixels(310), END)),
    "a redirect to loopback": answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "a redirect to the metadata": answer(307, b"", {"Location": "http://169.254.169.254/latest/meta-data/"}),
    "headers without end": raw(b"HTTP/1.1 200 OK\r\n", then=endless(b"X-Header: " + b"a" * 1000 + b"\r\n")),
    "one header without end": raw(b"HTTP/1.1 200 OK\r\nX-Header: ", then=endless(b"a" * 65_536)),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n", then=endless(b"a" * 65_536)),
    "a length that is none": raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "chunks of no size": raw(head(b"Transfer-Encoding: chunked"), b"zz\r\n{}\r\n"),
}
NEVER = {
    "a byte at a time": raw(head(b"Content-Length: 1000000"), then=endless(b"a", 0.05)),
    "headers at a byte a time": raw(b"HTTP/1.1 200 OK\r\nX-Header: ", then=endless(b"a", 0.05)),
    "a chunk of a byte at a time": raw(head(b"Transfer-Encoding: chunked"), then=endless(b"1\r\na\r\n", 0.05)),
    "status without end": raw(then=endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.001)),
    "early hints without end": raw(then=endless(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000, 0.001)),
    "silence": raw(then=lambda exchange: [exchange.server.closing.wait() and b""]),
}
URLS = [
    "http://example.com/a.png",
    "https://127.0.0.1/a.png",
    "https://127.1/a.png",
    "https://2130706433/a.png",
    "https://0x7f000001/a.png",
    "https://localhost/a.png",
    "https://[::1]/a.png",
    "https://[::ffff:127.0.0.1]/a.png",
    "https://10.0.0.1/a.png",
    "https://192.168.0.1/a.png",
    "https://[fd00::1]/a.png",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal/a.png",
    "https://0.0.0.0/a.png",
    "https://user:password@example.com/a.png",
    "https://example.com:22/a.png",
    "file:///etc/passwd",
    "ftp://example.com/a.png",
    "data:text/html,hello",
    "//127.0.0.1/a.png",
    "https://" + "a" * 100_000,
    "https://127.0.0.1/" + PROMPT.replace(" ", "%20"),
]


def assert_told(told):
    assert told["error"] == "RemoteEngineFailed", told
    assert told["words"].strip()
    assert len(told["words"]) < MAX_WORDS + 200
    assert told["grown_mb"] < MAX_GROWTH_MB, told


@pytest.mark.parametrize("name", AT_ONCE)
def test_an_answer_that_is_a_trap_is_told_at_once(ask, name):
    """Before its time is up, and for less memory than it asks for."""
    told = ask(AT_ONCE[name])
    assert_told(told)
    assert "within" not in told["words"]
    assert told["taken_s"] < LIMIT_S / 2


@pytest.mark.parametrize("name", NEVER)
def test_an_answer_that_never_ends_is_given_up_in_time(ask, name):
    """Whatever it sends meanwhile, the whole answer counts."""
    told = ask(NEVER[name], SHORT_S)
    assert_told(told)
    assert "within 0.5 s" in told["words"]
    assert told["taken_s"] < SHORT_S + 2


@pytest.mark.parametrize("name", [name for name in AT_ONCE if " by " in name])
def test_a_compressed_answer_is_not_unfolded(ask, name):
    """A few bytes of it would keep all calls of the process waiting."""
    assert "compressed" in ask(AT_ONCE[name])["words"]


def test_a_look_at_an_engine_ends_in_time_too(server):
    """The doctor has no job whose time is limited."""
    table = {"kind": "openai", "base_url": f"{server.url}/v1", "timeout_s": SHORT_S}
    client = open_client(parse_remote_engine("hostile", table), EngineContext())
    server.script[:] = [NEVER["a byte at a time"]]
    began = time.monotonic()

    async def looked():
        try:
            await client.probe()
        finally:
            await client.close()

    with pytest.raises(RemoteEngineAway, match=r"within 0\.5 s"):
        asyncio.run(looked())
    assert time.monotonic() - began < SHORT_S + 2


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_a_url_that_leads_inside_is_not_fetched(ask, url):
    """Loopback, private and metadata addresses in all their spellings, and all but https."""
    told = ask(at_url(url))
    assert_told(told)
    assert told["words"].startswith("Engine hostile: its picture cannot be fetched: ")
    assert (url.partition("://")[2] or url) not in told["words"]


def test_errors_of_any_size_are_read_in_part(ask):
    """Of 60 MB of error a megabyte is read; that the engine failed is told."""
    assert MAX_ERROR_BYTES < SIXTY
    body = b'{"error": [%s""]}' % (b'"",' * (SIXTY // 3))
    told = ask(answer(500, body, JSON))
    assert_told(told)
    assert "failed: 500" in told["words"]


ECHOES = {
    "whole": PROMPT,
    "escaped": json.dumps({"prompt": PROMPT}),
    "escaped twice": json.dumps(json.dumps({"prompt": PROMPT})),
    "cut": PROMPT[:20] + "…",
    "another case": PROMPT.upper(),
    "with the key": f"{PROMPT} by {KEY}",
}


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
@pytest.mark.parametrize("name", ECHOES)
def test_neither_prompt_nor_key_is_repeated(ask, log, status, name):
    """Not by the error, and by no line of the log; the rest of the server's words is told."""
    is_policy = status == 403
    told = ask(refusal(status, "moderation_blocked" if is_policy else "strange", f"Sorry: {ECHOES[name]}"))
    assert is_policy == (told["error"] == "RefusedByProvider")
    written = told["words"] + log.read_text()
    assert "Sorry" in told["words"]
    assert not [one for one in (PROMPT, KEY, "coat", "harbour", "0123456789") if one in written.casefold()]


def test_the_log_of_all_this_has_neither_prompt_nor_key(ask, log):
    """With each error's whole chain."""
    ask(AT_ONCE["a redirect to loopback"])
    deadline = time.monotonic() + 5
    while "no picture" not in (written := log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "no picture" in written
    assert not [one for one in (PROMPT, KEY, "red coat", "naïveté") if one in written]
