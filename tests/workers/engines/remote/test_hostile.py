"""Hostile engines: endless, bombed, slow and lying answers cost bounded memory and time, and are told without prompt and key."""

import asyncio
import json
import time

import pytest
from hostile_answers import KEY, PROMPT
from servers.faulty_http import answer
from servers.hostile_engine import (
    NEVER,
    SHORT_S,
    SIXTY,
    TRAPS,
    URLS,
    assert_given_up,
    assert_told,
    assert_told_at_once,
    broken,
    head,
    in_answers,
    raw,
)
from servers.image_engine import JSON, at_url, pictures, refusal

from imgen.domain.errors import RemoteEngineAway
from imgen.domain.remote_engine import parse_remote_engine
from workers.engines import EngineContext
from workers.engines.remote.engine import open_client
from workers.engines.remote.http import MAX_ERROR_BYTES


def in_answer(field, text):
    return raw(head(), b'{"data": [{"%s": "' % field, text, b'"}]}')


AT_ONCE = TRAPS | {
    "60 MB of no base64": lambda: in_answer(b"b64_json", b"%" * SIXTY),
    "60 MB of base64 of no picture": lambda: in_answer(b"b64_json", b"A" * SIXTY),
    "60 MB of escaped base64": lambda: in_answer(b"b64_json", b"\\/AAA" * (SIXTY // 5)),
    "60 MB of pictures": lambda: raw(head(), b'{"data": [', b"{}," * (SIXTY // 3), b"{}]}"),
    "60 MB of URL": lambda: in_answer(b"url", b"a" * SIXTY),
    "data of another type": lambda: broken({"data": 5}),
    "a picture of another type": lambda: broken({"data": [5]}),
    "base64 of another type": lambda: broken({"data": [{"b64_json": 5}]}),
    "an object for base64": lambda: broken({"data": [{"b64_json": {"data": "AAAA"}}]}),
    "a URL of another type": lambda: broken({"data": [{"url": ["https://example.com"]}]}),
    "an unfinished text": lambda: raw(head(), b'{"data": [{"b64_json": "AAAA'),
    **in_answers(pictures),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_an_answer_that_is_a_trap_is_told_at_once(ask, name):
    """Before its time is up, and for less memory than it asks for."""
    assert_told_at_once(ask(AT_ONCE[name]()))


@pytest.mark.parametrize("name", NEVER)
def test_an_answer_that_never_ends_is_given_up_in_time(ask, name):
    """Whatever it sends meanwhile, the whole answer counts."""
    assert_given_up(ask(NEVER[name], SHORT_S))


@pytest.mark.parametrize("name", [name for name in AT_ONCE if " by " in name])
def test_a_compressed_answer_is_not_unfolded(ask, name):
    """A few bytes of it would keep all calls of the process waiting."""
    assert "compressed" in ask(AT_ONCE[name]())["words"]


def test_a_look_at_an_engine_ends_in_time_too(hostile_server):
    """The doctor has no job whose time is limited."""
    table = {"kind": "openai", "base_url": f"{hostile_server.url}/v1", "timeout_s": SHORT_S}
    client = open_client(parse_remote_engine("hostile", table), EngineContext())
    hostile_server.script[:] = [NEVER["a byte at a time"]]
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
    ask(AT_ONCE["a redirect to loopback"]())
    deadline = time.monotonic() + 5
    while "no picture" not in (written := log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "no picture" in written
    assert not [one for one in (PROMPT, KEY, "red coat", "naïveté") if one in written]
