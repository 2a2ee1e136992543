"""Bodies, pictures and framings made to break the API, sent to a real process: no 5xx, no memory kept, no connection held."""

import base64
import collections
import contextlib
import json
import math
import re
import select
import struct
import time
import zlib
from dataclasses import dataclass

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.api import start_api
from servers.redis_server import start_redis
from servers.wire import Wire, exchange, post

from imgen.surfaces.action.actions import ACTIONS

AT_ONCE = 10
READ_TIMEOUT_S = 2
MAX_QUEUED = 300

SETTINGS = f"""
[http]
read_timeout_s = {READ_TIMEOUT_S}
[jobs]
max_queued = {MAX_QUEUED}
[logs]
level = "WARNING"
"""

FIELDS = {name: list(action.request.__struct_fields__) or ["x"] for name, action in ACTIONS.items()}
FIELDS["generate"].append("webhook_url")  # unknown to the Struct: it is ignored
ERRORS = {
    400: {"Invalid JSON", "Missing action", "Unknown action", "Prompt is required", "Invalid character", "Bad ID",
          "Only one character per prompt", *(f"Invalid {name}" for names in FIELDS.values() for name in [*names, "action"])},
    404: {"Job not found", "No cached result found", "Cached result not found or expired"},
    413: {"Request too large"},
    429: {"Queue is full"},
}  # fmt: skip
"""Every refusal that a stranger's body may meet (contract, section 1)."""


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """An API process of this module's own, so that nobody else's requests are in its memory."""
    folder = tmp_path_factory.mktemp("hostile")
    with (
        start_redis(folder) as redis,
        start_api(folder / "var", settings=SETTINGS, environ={"IMGEN_REDIS__URL": redis.url}) as running,
    ):
        yield running


@pytest.fixture
def wires(api):
    """Keep-alive connections to it."""
    opened = [Wire(api.port) for _ in range(AT_ONCE)]
    yield opened
    for wire in opened:
        wire.close()


# ------------------------------------------------------------------ what is sent


@dataclass(frozen=True)
class Token:
    """JSON text that is put in as it is."""

    text: str


class Pairs(list):
    """An object as pairs, since keys may come twice."""


def written(value, *, escaped):
    """JSON text, of whatever Python's encoder would refuse as well."""
    if isinstance(value, Token):
        return value.text
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{written(k, escaped=escaped)}:{written(v, escaped=escaped)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item, escaped=escaped) for item in value) + "]"
    return json.dumps(value, ensure_ascii=escaped)


def png(width, height, *, lie=None, rows=None):
    """A PNG; `lie` replaces the size that its header claims, `rows` its pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", *(lie or (width, height)), 8, 6, 0, 0, 0)
    pixels = zlib.compress(rows if rows is not None else (b"\0" + b"\xff\0\0\x80" * width) * height, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def data_uri(body, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


GOOD_MARK = data_uri(png(8, 8))
TOKENS = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "-0.0", "01", "+1", ".5", "1.", "0x10", "1_000", "tru", "nul",
    "undefined", "'x'", "1" * 500, "-" + "9" * 500, "9" * 5000, "[" * 2000, '{"a":' * 2000, "[" * 900 + "]" * 900, '"\\ud800"',
    '"\\udc00\\ud800"', '"\\u0000"', '"\\u12"', '"\\x41"', '"a\nb"', '"open', "", "[1,]", "{,}", '{"a"}', "/**/1", "1 2",
]  # fmt: skip
TEXTS = [
    "", " ", "\0", "\x7f", "\ud800", "x\udfffy", "\u202ered\u202c", "\ufeff", "e\u0301" * 50, "\U0001f9e5" * 20, "red coat", "@aya red coat, -hat",
    "@nobody", "@aya @bella", "@", "-", ",,,", "((((((", "(a:1.2)" * 50, "\\@\\-", "-" * 300, "@" * 300, "a," * 300, "x" * 10_001, "nan", "inf",
    "-inf", "1e309", "95", " 95 ", "9" * 400, "true", "null", "[]", "{}", "' OR 1=1 --", "../../etc/passwd", "%00", "{{7*7}}", "$(id)", "run_" + "x" * 22,
    "cache_" + "0" * 32, "run_" + "\0" * 22, "bmFuIHg", "MTcwMDAwMDAwMC4wIHJ1bl94", "data:", "data:image/png;base64,", "data:image/png;base64,====",
    "data:image/png,abc", "data:;base64,AAAA", "data:image/png;base64,AA\0AA", "data:image/svg+xml;base64,PHN2Zy8+", "data:" + ";a=b" * 60, "javascript:1",
    "http://127.0.0.1/", GOOD_MARK, GOOD_MARK[:-9], GOOD_MARK.replace("png", "jpeg"), data_uri(png(1, 1, lie=(60_000, 60_000))), "default", "strict", "eros",
    "webp", "COMPLETED", "professional",
]  # fmt: skip

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 1, 100, 101, 1344, 768, 1024, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 10**30, 10**500]),
    st.floats(),
    st.text(st.characters(codec=None), max_size=8),
    st.sampled_from(TEXTS),
    st.sampled_from(TOKENS).map(Token),
)
values = st.one_of(
    scalars,
    scalars,
    scalars,
    st.lists(scalars, max_size=3),
    st.lists(st.tuples(st.text(max_size=3), scalars), max_size=2).map(Pairs),
)


@st.composite
def calls(draw):
    """An action with some of its fields, and what should not be there."""
    action = draw(st.sampled_from([*FIELDS, "generate", "generate", "generate", "generate"]))
    pairs = Pairs([("action", action)]) if draw(st.integers(0, 19)) else Pairs([("action", draw(values))])
    if action in ("generate", "optimize") and draw(st.integers(0, 3)):
        pairs.append(("prompt", "red coat"))
    names = st.sampled_from(FIELDS[action])
    pairs += draw(st.lists(st.tuples(names, values), max_size=3))
    if not draw(st.integers(0, 9)):
        pairs.append((draw(st.sampled_from(["action", "prompt", "\ud800", "", "__proto__", "x" * 500])), draw(values)))
    text = written(pairs, escaped=draw(st.booleans()))
    return text.encode("utf-8", "surrogatepass")


@st.composite
def bodies(draw):
    """A call as it is, or with its bytes broken."""
    body = draw(calls())
    breaking = draw(st.sampled_from([None] * 5 + list(BREAKINGS)))
    return body if breaking is None else breaking(draw, body)


def cut(draw, body):
    return body[: draw(st.integers(0, len(body)))]


def flip(draw, body):
    at = draw(st.integers(0, len(body)))
    return body[:at] + bytes(byte ^ 0x20 for byte in body[at : at + 1]) + body[at + 1 :]


def insert(draw, body):
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.sampled_from(JUNK)) + body[at:]


def drop(draw, body):
    at = draw(st.integers(0, len(body)))
    return body[:at] + body[at + draw(st.integers(1, 8)) :]


def append(draw, body):
    return body + draw(st.sampled_from(JUNK))


def wrap(draw, body):
    depth = draw(st.sampled_from([1, 100, 3000, 50_000]))
    return b"[" * depth + body + b"]" * depth


def recode(draw, body):
    codec = draw(st.sampled_from(["utf-16", "utf-32", "utf-7", "cp037"]))
    recoded = body.decode("utf-8", "replace").encode(codec, "replace")
    return draw(st.sampled_from([recoded, zlib.compress(body), body * 3, b"a=1&action=models"]))


def junk_alone(draw, _body):
    return draw(st.binary(max_size=64))


BREAKINGS = (cut, flip, insert, drop, append, wrap, recode, junk_alone)
JUNK = [
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b",", b"}", b"]", b'"', b"\\", b"{", b"\r\n", b"[" * 5000,
]  # fmt: skip


TYPES = ["application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
         "image/png", "", "\xff", "application/json, text/html", "x" * 4000]  # fmt: skip
ENCODINGS = ["", "", "", "gzip", "br", "identity", "x"]
requests = st.tuples(bodies(), st.sampled_from(TYPES), st.sampled_from(ENCODINGS))


def is_json_object(body):
    """What Python's parser says, None where it is laxer or stricter than RFC 8259 by design."""

    def refuse(constant):
        raise json.JSONDecodeError("no constant of JSON", constant, 0)

    def within_range(number):
        if math.isinf(float(number)):
            raise OverflowError(number)  # JSON by its grammar, and refused all the same
        return float(number)

    try:
        value = json.loads(body.decode("utf-8"), parse_constant=refuse, parse_float=within_range)
    except json.JSONDecodeError:
        return False
    except (UnicodeDecodeError, RecursionError, OverflowError, ValueError):
        return None
    if body.count(b"[") + body.count(b"{") > 300 or re.search(rb"\\u[dD][89a-fA-F]", body):
        return None
    return isinstance(value, dict)


def check(body, answer):
    """An answer of the contract, and not `Invalid JSON` where JSON was not the trouble, or another where it was."""
    assert answer is not None
    assert answer.headers["content-type"] == "application/json"
    is_object = is_json_object(body)
    if answer.status == 200:
        assert "error" not in json.loads(answer.body)
        assert is_object is not False
        return "ok"
    assert answer.error in ERRORS.get(answer.status, ()), (answer, body[:300])
    if is_object is not None:
        assert (answer.error == "Invalid JSON") == (not is_object), (answer, body[:300])
    return re.sub("^Invalid [a-z].*", "Invalid <field>", answer.error)


# ------------------------------------------------------------------ the tests


@pytest.mark.parametrize(("count", "kinds"), [(1_000, 7), pytest.param(10_000, 8, marks=pytest.mark.faults)])
def test_hostile_bodies(api, wires, count, kinds):
    """No 5xx, only the contract's answers; the process keeps neither memory nor descriptors."""
    seen = collections.Counter()

    def send(batch):
        answers = exchange(
            wires, [post(body, key=api.key, Content_Type=kind, Content_Encoding=code) for body, kind, code in batch]
        )
        seen.update(check(body, answer) for (body, _, _), answer in zip(batch, answers, strict=True))

    def run(examples):
        quiet = settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        quiet(given(st.lists(requests, min_size=AT_ONCE, max_size=AT_ONCE))(send))()

    process = psutil.Process(api.process.pid)
    run(count // AT_ONCE // 5)
    rss, descriptors = process.memory_info().rss, process.num_fds()
    seen.clear()
    started = time.perf_counter()
    while seen.total() < count:
        run(count // AT_ONCE)
    seconds = time.perf_counter() - started
    grown = process.memory_info().rss - rss
    print(
        f"{seen.total()} bodies, {seen.total() / seconds:.0f}/s, {rss >> 20} MB + {grown / 2**20:.1f} MB: {dict(seen)}"
    )
    assert grown < 30 << 20
    assert process.num_fds() <= descriptors + 20  # the pools of connections breathe
    assert len(seen) >= kinds  # else the bodies were not as different as they should be
    assert api.post({"action": "models"}).status_code == 200
    assert "Traceback" not in api.log.read_text()


def test_picture_bombs(api, bombs):
    """Pictures made to take all memory are refused, or used where they are none; the process does not grow, nor stop."""
    process = psutil.Process(api.process.pid)
    api.post({"action": "generate", "prompt": "red coat", "wm_image": GOOD_MARK})
    before, highest, told = process.memory_info().rss, 0, collections.Counter()
    refused, opened = bombs
    for name, picture in (refused | opened).items():
        answer = api.post({"action": "generate", "prompt": "red coat", "wm_image": data_uri(picture)})
        highest = max(highest, process.memory_info().rss)
        assert answer.status_code in ((400, 413) if name in refused else (200, 413, 429)), (name, answer.text)
        if answer.status_code == 400:
            assert answer.json() == {"error": "Invalid wm_image"}
        told[answer.status_code] += 1
    print(f"{told.total()} bombs: {dict(told)}, grown by {(highest - before) / 2**20:.0f} MB")
    assert told[400] >= 40
    assert highest - before < 100 << 20


def test_slow_clients_hold_nobody_up(api):
    """Two hundred clients that stop in the head or the body are sent away in time; a poll beside them is answered."""
    whole = post(b'{"action": "models"}', key=api.key)
    silent = [Wire(api.port) for _ in range(200)]
    try:
        for number, wire in enumerate(silent):
            wire.send(whole[: (0, 10, 60, len(whole) - 5)[number % 4]])
        for _ in range(50):
            assert api.post({"action": "models"}).status_code == 200
        answers = [wire.receive() for wire in silent]
        assert {answer.status for answer in answers if answer} <= {408}
        assert all(wire.is_closed() for wire in silent)
    finally:
        for wire in silent:
            wire.close()


def test_a_body_that_trickles_is_cut_off(api):
    """A body sent a byte at a time is given up once it took longer than the time a body may take."""
    wire = Wire(api.port)
    request = post(b'{"action": "models"}' + b" " * 5_000, key=api.key)
    head = request.index(b"\r\n\r\n") + 10
    wire.send(request[:head])
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        for byte in request[head:]:
            wire.link.send(bytes([byte]))
            time.sleep(0.02)
            if select.select([wire.link], [], [], 0)[0]:
                break
    assert time.monotonic() - started < READ_TIMEOUT_S * 10
    answer = wire.receive()
    assert answer is None or (answer.status, answer.error) == (408, "Request timed out")
    wire.close()
