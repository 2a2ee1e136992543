"""Bodies made to break the API: calls with values of every kind, and their bytes broken; and the check of their answers."""

import base64
import json
import math
import re
import struct
import zlib
from dataclasses import dataclass

from hypothesis import strategies as st

from imgen.surfaces.action.actions import ACTIONS

FIELDS = {name: list(action.request.__struct_fields__) or ["x"] for name, action in ACTIONS.items()}


ERRORS = {
    400: {"Invalid JSON", "Missing action", "Unknown action", "Prompt is required", "Invalid character", "Bad ID",
          "Only one character per prompt", *(f"Invalid {name}" for names in FIELDS.values() for name in [*names, "action"])},
    404: {"Job not found", "No cached result found", "Cached result not found or expired"},
    413: {"Request too large"},
    429: {"Queue is full"},
}  # fmt: skip
"""Every refusal that a stranger's body may meet (contract, section 1)."""


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
    """Value that Python's parser gives, None if it is laxer or stricter than RFC 8259 by design."""

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
