"""Keys of requests; their bodies: read whole, or into a temporary file, never beyond their limit."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from imgen.asgi.endpoint import AUTHORIZATION, SPOOL_BYTES, X_API_KEY, read_body, sent_key, spool_body
from imgen.domain.errors import TooLarge, Unauthorized

LIMIT = 3 * SPOOL_BYTES


def receiver(*chunks, ends=True):
    """Receives a body in chunks; without an end the client disconnects."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if ends and messages:
        messages[-1]["more_body"] = False
    messages += [{"type": "http.disconnect"}]
    given = iter(messages)

    async def receive():
        return next(given)

    return receive


def spooled(receive, headers=()):
    async def work():
        with await spool_body({"headers": headers}, receive, max_bytes=LIMIT) as file:
            return file.read()

    return asyncio.run(work())


def whole(receive, headers=()):
    return asyncio.run(read_body({"headers": headers}, receive, max_bytes=LIMIT))


@pytest.mark.parametrize("read", [spooled, whole])
def test_a_body_is_read_to_its_limit(read):
    """In one message or many, empty or as large as the limit; one byte more is too large."""
    block = bytes(range(256)) * (SPOOL_BYTES // 256)
    for chunks in ([b""], [b"x"], [b"a", b"", b"b"], [block] * 3):
        assert read(receiver(*chunks)) == b"".join(chunks)
    for chunks in ([block] * 3 + [b"x"], [bytes(LIMIT + 1)]):
        with pytest.raises(TooLarge):
            read(receiver(*chunks))


@pytest.mark.parametrize("read", [spooled, whole])
def test_a_declared_length_is_believed_when_it_is_too_large(read):
    """Nothing of the body is received then."""
    with pytest.raises(TooLarge):
        read(None, [(b"content-length", str(LIMIT + 1).encode())])


@pytest.mark.parametrize("read", [spooled, whole])
def test_a_client_that_goes_away_is_told_apart(read):
    """A body without its end is none."""
    with pytest.raises(ClientDisconnect):
        read(receiver(b"half", ends=False))


BOTH = (AUTHORIZATION, X_API_KEY)
BEARER, OTHER = (AUTHORIZATION, b"Bearer imgen_1"), (AUTHORIZATION, b"Bearer imgen_2")
BARE, BASIC = (X_API_KEY, b"imgen_1"), (AUTHORIZATION, b"Basic aW1nZW5fMQ==")


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([BEARER], (AUTHORIZATION,)),
        ([(AUTHORIZATION, b"bearer  imgen_1 ")], BOTH),
        ([BARE], BOTH),
        ([BEARER, BARE], BOTH),
        ([BASIC, BARE], BOTH),
        ([BEARER, (X_API_KEY, b"imgen_2")], (AUTHORIZATION,)),
    ],
)
def test_a_key_comes_in_the_headers_that_a_surface_takes(headers, taken):
    """In either of them, or the same in both; a header that it does not take says nothing."""
    assert sent_key({"headers": headers}, taken) == "imgen_1"


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([], BOTH),
        ([BASIC], BOTH),
        ([(AUTHORIZATION, b"Bearer ")], BOTH),
        ([(X_API_KEY, b" ")], BOTH),
        ([BARE], (AUTHORIZATION,)),
        ([OTHER, BARE], BOTH),
        ([BEARER, OTHER], BOTH),
        ([BARE, (X_API_KEY, b"imgen_2")], BOTH),
    ],
)
def test_no_key_and_different_keys_are_refused(headers, taken):
    """Nobody has to guess which of two keys counts."""
    with pytest.raises(Unauthorized):
        sent_key({"headers": headers}, taken)
