"""Headers that every answer has, whatever answers."""

import asyncio
import re

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from imgen.asgi.answer_headers import AnswerHeaders, answer_context, headers_of
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


def test_a_fault_has_the_headers_too():
    """Its answer is made outside all middleware, from the request's scope."""
    kept = []

    async def fail(request):
        answer_context(request.scope).note_rate(RATE)
        raise ValueError

    async def on_fault(request, _exc):
        kept.append(answer_context(request.scope).request_id)
        return PlainTextResponse("x", 500, headers_of(request.scope))

    async def uncount(_rate):
        """Nothing is refused here."""

    inner = Middleware(AnswerHeaders, uncount=uncount)
    app = Starlette(routes=[Route("/x", fail)], middleware=[inner], exception_handlers={500: on_fault})

    async def ask():
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/x")

    failed = asyncio.run(ask())
    assert [failed.headers["x-request-id"]] == kept
    assert failed.headers["ratelimit"] == '"default";r=7;t=41'
