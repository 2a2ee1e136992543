"""Answers of hostile engines, for servers on 127.0.0.1: endless, bombed and slow ones that do not depend on an engine's dialect."""

import functools
import gzip
import json
from collections.abc import Callable
from contextlib import suppress

from bombs import END, chunk, pixels, png
from hostile_answers import PROMPT
from servers.faulty_http import Behaviour, answer
from servers.image_engine import JSON

from workers.engines.remote.http import MAX_WORDS

MAX_GROWTH_MB = 150
LIMIT_S = 30
SHORT_S = 0.5
"""Limit of time for engines that never end."""
MEGABYTE = b"\0" * 2**20
SIXTY = 60 * 2**20
"""Bytes of an answer that is still read."""


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


def compressed(encoding):
    return answer(200, _zeros(), JSON | {"Content-Encoding": encoding})


@functools.cache
def _zeros():
    return gzip.compress(b"\0" * 200 * 2**20, 1)


# Tables have functions that make the answers: all of them together are a gigabyte, which every test process would make at import.
Answers = dict[str, Callable[[], Behaviour]]
PICTURES = {
    "4 gigapixels": lambda: png(65_535, 65_535, pixels(1000), END),
    "64 megapixels": functools.cache(lambda: png(8_000, 8_000, pixels(32_001 * 8_000), END, kind=6)),
    "300,000 chunks": lambda: png(10, 10, chunk(b"prVt") * 300_000, pixels(310), END),
}
"""Files that are small to send, and more than a picture may be."""


def in_answers(form, label="{}") -> Answers:
    """Each of those files in the answer that a function makes of it."""
    return {label.format(name): lambda make=make: form(make()) for name, make in PICTURES.items()}


TRAPS: Answers = {
    "500 MB": lambda: raw(head(b"Content-Length: 524288000"), then=megabytes),
    "500 MB in chunks": lambda: raw(head(b"Transfer-Encoding: chunked"), then=chunks),
    "500 MB without a length": lambda: raw(head(b"Connection: close"), then=megabytes),
    "200 MB by gzip": lambda: compressed("gzip"),
    "200 MB by gzip in gzip": lambda: compressed("gzip, gzip"),
    "200 MB by brotli": lambda: compressed("br"),
    "60 MB of nothing": lambda: raw(head(), b"[", b"[]," * (SIXTY // 3), b"[]]"),
    "a page": lambda: answer(200, b"<h1>Sign in</h1>", {"Content-Type": "text/html"}),
    "nothing": lambda: answer(200, b"", JSON),
    "a number": lambda: broken(5),
    "nested without end": lambda: answer(200, b"[" * 100_000, JSON),
    "nested in an error": lambda: answer(500, b"[" * 100_000, JSON),
    "nested just deep enough": lambda: answer(500, b"[" * 900 + b"]" * 900, JSON),
    "a redirect to loopback": lambda: answer(302, b"", {"Location": "http://127.0.0.1:1/"}),
    "a redirect to the metadata": lambda: answer(307, b"", {"Location": "http://169.254.169.254/latest/meta-data/"}),
    "headers without end": lambda: raw(b"HTTP/1.1 200 OK\r\n", then=endless(b"X-Header: " + b"a" * 1000 + b"\r\n")),
    "one header without end": lambda: raw(b"HTTP/1.1 200 OK\r\nX-Header: ", then=endless(b"a" * 65_536)),
    "no HTTP": lambda: raw(b"SSH-2.0-OpenSSH_9.6\r\n", then=endless(b"a" * 65_536)),
    "a length that is none": lambda: raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "two lengths": lambda: raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "chunks of no size": lambda: raw(head(b"Transfer-Encoding: chunked"), b"zz\r\n{}\r\n"),
}
"""Answers that are told at once."""
NEVER = {
    "a byte at a time": raw(head(b"Content-Length: 1000000"), then=endless(b"a", 0.05)),
    "headers at a byte a time": raw(b"HTTP/1.1 200 OK\r\nX-Header: ", then=endless(b"a", 0.05)),
    "a chunk of a byte at a time": raw(head(b"Transfer-Encoding: chunked"), then=endless(b"1\r\na\r\n", 0.05)),
    "status without end": raw(then=endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.001)),
    "early hints without end": raw(then=endless(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000, 0.001)),
    "silence": raw(then=lambda exchange: [exchange.server.closing.wait() and b""]),
}
"""Answers that are given up in time."""
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
"""URLs that are not fetched."""


def assert_told(told):
    assert told["error"] == "RemoteEngineFailed", told
    assert told["words"].strip()
    assert len(told["words"]) < MAX_WORDS + 200
    assert told["grown_mb"] < MAX_GROWTH_MB, told


def assert_told_at_once(told):
    assert_told(told)
    assert "within" not in told["words"]
    assert told["taken_s"] < LIMIT_S / 2


def assert_given_up(told):
    assert_told(told)
    assert "within 0.5 s" in told["words"]
    assert told["taken_s"] < SHORT_S + 2
