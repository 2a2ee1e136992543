"""Cancelling of calls: by the stream's end in the modern version, by a notification to any process in the older ones."""

import asyncio
import contextlib

import httpx2
import pytest
from servers.asgi import start_asgi
from surfaces.mcp.agents import LEGACY, MODERN, OLDER, PROMPT, WAIT_S, generate, message, named, text_of

from imgen.app import create_app


@pytest.fixture(scope="module")
def second(agents):
    """Address of another API process, as it were, over the same database and Redis."""

    def make_app(url):
        host, _, port = url.removeprefix("http://").partition(":")
        return create_app(agents.api.settings.with_address(host, int(port)))

    with start_asgi(make_app, lifespan="on") as url:
        yield url + "/mcp"


def headers_of(agents, version, session=""):
    """Headers of a raw request."""
    return {
        "Authorization": f"Bearer {agents.api.key}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        **({"Mcp-Session-Id": session} if session else {}),
    }


@contextlib.asynccontextmanager
async def called(agents, version, request_id, session=""):
    """A call whose stream is open: the id of its job, and the lines of its answer."""
    known = await asyncio.to_thread(agents.jobs)
    headers = headers_of(agents, version, session) | named(version)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=WAIT_S) as http,
        http.stream("POST", agents.url, json=generate(request_id, version)) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield await agents.new_job(known), answer.aiter_lines()


def begin(agents):
    """The name of a session that `initialize` made."""
    client = {"protocolVersion": OLDER, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    answer = agents.post(message("initialize", **client))
    assert answer.status_code == 200
    return answer.headers["mcp-session-id"]


def cancel(agents, request_id, session, url=""):
    """Sends the notification that gives a request up."""
    sent = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}
    answer = httpx2.post(url or agents.url, json=sent, headers=headers_of(agents, OLDER, session), timeout=WAIT_S)
    assert (answer.status_code, answer.content) == (202, b"")


def test_a_closed_stream_cancels_in_the_modern_version(agents):
    """Nobody waits for the picture, and it costs nothing."""

    async def steps():
        async with called(agents, MODERN, 1) as (job_id, _lines):
            pass
        return await agents.state(job_id, "failed", "completed")

    assert agents.run(steps)["error"] == "Cancelled"


def test_a_client_that_gives_a_call_up_cancels_it(agents):
    """The client of the package closes the stream, or sends the notification, as its version demands."""

    async def steps(mode):
        async with agents.client(mode) as client:
            known = await asyncio.to_thread(agents.jobs)
            call = asyncio.create_task(client.call_tool("generate_image", PROMPT))
            job_id = await agents.new_job(known)
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            return await agents.state(job_id, "failed", "completed")

    for mode in (MODERN, LEGACY):
        assert agents.run(lambda mode=mode: steps(mode))["error"] == "Cancelled"


def test_a_broken_connection_cancels_nothing_in_the_older_versions(agents):
    """The job goes on, and is looked at later."""

    async def steps():
        async with called(agents, OLDER, 1) as (job_id, _lines):
            pass
        await asyncio.to_thread(agents.work, job_id)
        return await agents.state(job_id, "failed", "completed")

    assert agents.run(steps)["state"] == "completed"


@pytest.mark.parametrize("request_id", [7, "seven"])
def test_a_notification_to_another_process_cancels(agents, second, request_id):
    """The call is answered as cancelled where it waits."""
    session = begin(agents)

    async def steps():
        async with called(agents, OLDER, request_id, session) as (job_id, lines):
            async for line in lines:
                if "notifications/progress" in line:  # the call waits now
                    break
            await asyncio.to_thread(cancel, agents, request_id, session, second)
            job = await agents.state(job_id, "failed", "completed")
            return job, "".join([line async for line in lines])

    job, rest = agents.run(steps)
    assert job["error"] == "Cancelled"
    assert '"isError":true' in rest


def test_a_notification_before_its_call_has_a_job_cancels_it(agents):
    """Whichever process is first, the other sees it."""
    session = begin(agents)
    cancel(agents, 8, session)

    async def steps():
        async with called(agents, OLDER, 8, session) as (job_id, _lines):
            return await agents.state(job_id, "failed", "completed")

    assert agents.run(steps)["error"] == "Cancelled"


def test_a_notification_cancels_no_call_of_others(agents):
    """Neither of another session or id, nor of a number for a text, nor without a session; the modern version knows none."""
    session, other = begin(agents), begin(agents)

    async def steps():
        async with called(agents, OLDER, 9, session) as (job_id, lines):
            async for line in lines:
                if "notifications/progress" in line:
                    break
            for request_id, name in ((9, other), (10, session), ("9", session), (9, "")):
                await asyncio.to_thread(cancel, agents, request_id, name)
            sent = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
            modern = await asyncio.to_thread(agents.post, sent, version=MODERN, headers={"Mcp-Session-Id": session})
            assert modern.status_code == 202
            await asyncio.to_thread(agents.work, job_id)
            return await agents.state(job_id, "failed", "completed")

    assert agents.run(steps)["state"] == "completed"


def test_the_tool_cancels_a_job_and_says_so(agents):
    """One that has ended stays as it is; neither is an error."""

    async def steps():
        async with agents.client(MODERN) as client:
            known = await asyncio.to_thread(agents.jobs)
            call = asyncio.create_task(client.call_tool("generate_image", PROMPT))
            job_id = await agents.new_job(known)
            cancelled = await client.call_tool("cancel_job", {"job_id": job_id})
            done = (await agents.draw(client)).structured_content["job_id"]
            return cancelled, await call, await client.call_tool("cancel_job", {"job_id": done})

    cancelled, call, done = agents.run(steps)
    assert not cancelled.is_error
    assert cancelled.structured_content["error"] == "Cancelled"
    assert call.is_error
    assert "Cancelled" in text_of(call)
    assert (done.is_error, done.structured_content["state"]) == (False, "completed")
