"""Hostile uploads over every dialect: refusals in its own form, neither file, row nor memory kept, and good requests served after them."""

from collections.abc import Callable

import psutil
import pytest
from hostile_pictures import make_refused
from servers.api import Api
from servers.wire import Wire, post
from surfaces.dialects import multipart, sending
from surfaces.dialects.sending import EDITS, GOOD, GOOD_MASK, WAYS, Request, check_refusal, dialect_of, sends, share

PASSES, FLAT_BYTES = 8, 16 << 20
"""Bytes that a pass may add; a leak of what these pictures unfold to would add hundreds of megabytes."""
LEAST = 40


@pytest.fixture(scope="module")
def refused(bombs: tuple[dict[str, bytes], dict[str, bytes]]) -> dict[str, bytes]:
    return make_refused(bombs)


def check_memory(api: Api, work: Callable[[], object]) -> None:
    """Does the work again until it takes no more memory: each thread's allocator keeps its most, a leak grows every time."""
    process = psutil.Process(api.process.pid)
    grown = []
    for _ in range(PASSES):
        rss = process.memory_info().rss
        work()
        grown.append(process.memory_info().rss - rss)
        if grown[-1] < FLAT_BYTES:
            return
    raise AssertionError([size >> 20 for size in grown])


def takes(send: Callable, request: Request) -> bool:
    """Whether a request is taken; that of OpenAI's dialect makes its jobs and waits in vain."""
    return send(request).status_code in (200, 201, 202, 503, 504)


@pytest.mark.parametrize("way", WAYS)
def test_hostile_pictures(
    api: Api, asset_url: str, send: Callable, kept: Callable, refused: dict[str, bytes], way: str
) -> None:
    """Bombs, other formats, strips, polyglots and cut files are refused, and leave nothing; good ones are taken after them."""
    build, good = sends(GOOD, asset_url)[way], GOOD_MASK if way.endswith("mask") else GOOD
    assert takes(send, build(good))
    before = kept()
    requests = {name: build(refused[name]) for name in share(way, list(refused))}
    check_memory(api, lambda: [check_refusal(dialect_of(way), send(one), name) for name, one in requests.items()])
    assert kept() == before
    assert takes(send, build(good))


def test_each_dialect_meets_over_forty(refused: dict[str, bytes]) -> None:
    """However few ways a dialect has of taking a picture."""
    for dialect in sending.FORMS:
        met = {name for way in WAYS if dialect_of(way) == dialect for name in share(way, list(refused))}
        assert LEAST < len(met & set(refused)) == len(met)


def test_hostile_forms(api: Api, send: Callable, kept: Callable) -> None:
    """Over 40 broken, nested, endless and ambiguous forms are refused in OpenAI's words, and leave nothing."""
    assert takes(send, Request(EDITS, *multipart.edit(GOOD)))
    before, forms = kept(), {name: Request(EDITS, *body) for name, body in multipart.hostile(GOOD)}
    assert len(forms) >= LEAST
    check_memory(api, lambda: [check_refusal("openai", send(one), name) for name, one in forms.items()])
    assert kept() == before


@pytest.mark.parametrize(("name", "body"), [pytest.param(*one, id=one[0]) for one in multipart.odd(GOOD)])
def test_odd_forms_are_taken(send: Callable, kept: Callable, name: str, body: multipart.Body) -> None:
    """File names are no paths, and a form that has one meaning makes one job."""
    files, _, (made, *_) = kept()
    assert takes(send, Request(EDITS, *body)), name
    after, spooled, (now, *_) = kept()
    assert now == made + 1
    assert spooled == []
    assert {path.partition("/objects/")[1] for path in after - files} <= {"/objects/"}


@pytest.mark.parametrize("encoded", [pytest.param(change, id=name) for name, change in sending.ODD_BASE64.items()])
def test_odd_base64_is_taken(send: Callable, encoded: Callable[[str], str]) -> None:
    """Line ends, the other alphabet and missing padding are base64 all the same, over each dialect that takes it."""
    for name, request in sending.in_base64(encoded(sending.bare(GOOD))).items():
        assert takes(send, request), name


def test_broken_base64_is_refused(send: Callable, kept: Callable) -> None:
    """Texts that are none, none at all, and values of other types are refused in each dialect's form."""
    before = kept()
    for text in (
        "",
        "=",
        "@@@",
        "aGVsbG8",
        "iVBORw0KGgo=iVBORw0KGgo=",
        "\0",
        sending.bare(GOOD)[:-40],
        "https://127.0.0.1/a.png",
    ):
        for name, request in sending.in_base64(text).items():
            check_refusal(dialect_of(name), send(request), f"{name}: {text[:20]!r}")
    for value in (5, True, [], {}, None):
        for name, request in sending.in_json(value).items():
            if value is not None or name != "action":  # there it counts as left out
                check_refusal(name, send(request), f"{name}: {value!r}")
    assert kept() == before


def test_lengths_that_lie(api: Api, kept: Callable) -> None:
    """A form over the limit, declared or in chunks, shorter than it says or longer: refused or given up, and nothing is left."""
    before, body = kept(), multipart.edit(GOOD)
    large = multipart.edit(GOOD, multipart.file("image[]", bytes(9 << 20))).content
    head = {"path": EDITS, "key": api.key, "Content_Type": body.content_type}
    chunked = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (large[at : at + 65_536] for at in range(0, len(large), 65_536))
    )
    for sent, status in (
        (post(large, **head), 413),
        (post(chunked, **head, Content_Length="", Transfer_Encoding="chunked"), 413),
        (post(body.content, **head, Content_Length=str(len(body.content) - 20)), 400),
        (post(body.content, **head, Content_Length="-5"), 400),
        (post(body.content, **head, Content_Length="many"), 400),
    ):
        wire = Wire(api.port)
        wire.send(sent)
        answer = wire.receive()
        wire.close()
        assert answer.status == status, answer
    wire = Wire(api.port)
    wire.send(post(body.content, **head, Content_Length=str(len(body.content) + 1000)))
    wire.close()
    assert kept() == before


def test_nothing_went_wrong_within(api: Api) -> None:
    """None of these requests left a traceback in the log."""
    assert "Traceback" not in api.log.read_text()
