"""Headers that every answer has, whatever answers."""

import asyncio
import re

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from imgen.asgi.answer_headers import AnswerHeaders, answer_context
from imgen.domain.rate import Rate

RATE = Rate(owner="key_1", counted_at=600.0, limit=120, remaining=7, reset_s=41)


def get(status, *, rate):
    """The answer of a nested application, and the rates that were uncounted."""
    uncounted = []

    async def uncount(one):
        uncounted.append(one)

    async def endpoint(request):
        if rate:
            answer_context(request.scope).note_rate(rate)
        return PlainTextResponse("x", status)

    inner = Starlette(routes=[Route("/x", endpoint)])
    app = AnswerHeaders(Starlette(routes=[Mount("/deep", inner)]), uncount)

    async def ask():
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client:
            return await client.get("/deep/x"), await client.get("/nope")

    return *asyncio.run(ask()), uncounted


def test_each_answer_has_an_id_of_its_own():
    """A handler's answer, and one that no handler gave."""
    found, missing, _ = get(200, rate=None)
    ids = {answer.headers["x-request-id"] for answer in (found, missing)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"req_[0-9a-f]{32}", one) for one in ids)
    assert "ratelimit" not in found.headers


def test_a_rate_is_told_in_the_form_of_the_draft():
    """Structured fields of one policy: limit and window, what remains and for how long."""
    found, missing, _ = get(200, rate=RATE)
    assert found.headers["ratelimit"] == '"default";r=7;t=41'
    assert found.headers["ratelimit-policy"] == '"default";q=120;w=60'
    assert "ratelimit" not in missing.headers


@pytest.mark.parametrize(("status", "uncounted"), [(200, []), (400, []), (429, [RATE]), (503, [])])
def test_a_refused_request_is_not_counted(status, uncounted):
    """429 alone, whatever it was refused for."""
    assert get(status, rate=RATE)[2] == uncounted
