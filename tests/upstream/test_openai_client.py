"""The client of OpenAI-compatible endpoints, on an event loop and on a thread: bounds, the breaker, and what counts for it."""

import asyncio
import json

import pytest
from servers.chat import HANGS, JSON, completion
from servers.faulty_http import answer, start_faulty_http

from imgen.domain.errors import UpstreamPaused, UpstreamUnavailable
from imgen.settings.sections import Upstream
from imgen.upstream.openai_client import BlockingOpenAIClient, Limits, OpenAIClient

MESSAGES = [{"role": "user", "content": "red coat"}]
LIMITS = Limits(total_s=0.6, max_bytes=10_000, harmless=frozenset({422}))


@pytest.fixture(scope="module")
def running():
    with start_faulty_http(completion("coat")) as server:
        yield server


@pytest.fixture
def endpoint(running):
    """The endpoint, in order and with nothing asked of it yet."""
    running.script.clear()
    running.requests.clear()
    running.standing = completion("coat")
    return running


def start(client):
    return client.chat.completions.with_streaming_response.create(model="m", messages=MESSAGES)


@pytest.fixture(params=["event loop", "thread"])
def ask(endpoint, request):
    """Asks so many times with one client; returns bodies and errors."""
    upstream = Upstream(base_url=f"{endpoint.url}/v1", model="m", timeout_s=1.5, pause_s=60)

    def outcome(exc):
        assert str(exc)
        return type(exc), exc.status

    async def on_loop(times):
        client, found = OpenAIClient(upstream, LIMITS), []
        for _ in range(times):
            try:
                found.append((await client.ask(start)).decode())
            except UpstreamUnavailable as exc:
                found.append(outcome(exc))
        await client.close()
        return found

    def on_thread(times):
        client, found = BlockingOpenAIClient(upstream, LIMITS), []
        for _ in range(times):
            try:
                found.append(client.ask(start).decode())
            except UpstreamUnavailable as exc:
                found.append(outcome(exc))
        client.close()
        return found

    return on_thread if request.param == "thread" else lambda times=1: asyncio.run(on_loop(times))


def test_a_whole_answer_comes_back(ask):
    """The body of a completion."""
    (body,) = ask(1)
    assert json.loads(body)["choices"][0]["message"]["content"] == "coat"


@pytest.mark.parametrize(
    "behaviour", [*HANGS.values(), completion("x" * 20_000), answer(500, b"no")], ids=[*HANGS, "too long", "500"]
)
def test_after_three_failures_nothing_is_sent(ask, endpoint, behaviour):
    """Hangs, endless answers and errors are failures, and the fourth call finds the circuit open."""
    endpoint.standing = behaviour
    assert [kind for kind, _ in ask(4)] == [UpstreamUnavailable] * 3 + [UpstreamPaused]
    assert len(endpoint.requests) == 3


def test_a_refused_text_is_no_failure(ask, endpoint):
    """A harmless status is told to the caller, and never opens the circuit."""
    endpoint.standing = answer(422, b'{"error": {"message": "too long"}}', JSON)
    assert ask(5) == [(UpstreamUnavailable, 422)] * 5
