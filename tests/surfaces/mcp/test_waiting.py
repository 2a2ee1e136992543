"""Waiting of tools: an end of patience, looks that wait, limits of plans, and a server that stops."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from servers.asgi import start_asgi
from surfaces.mcp.agents import MODERN, OLDER, PROMPT, VERSIONS, Agents, generate, named, text_of

from imgen.app import create_app, refusal
from imgen.asgi.protocol import TimeoutProtocol
from imgen.domain.ids import stored_id
from imgen.domain.job import State


@pytest.fixture(scope="module")
def hasty(agents):
    """The same installation by a process whose tools wait for a moment alone."""
    settings = agents.api.settings
    short = settings.model_copy(update={"mcp": settings.mcp.model_copy(update={"wait_s": 0.2, "tool_names": "image"})})

    def make_app(url):
        host, _, port = url.removeprefix("http://").partition(":")
        return create_app(short.with_address(host, int(port)))

    with start_asgi(make_app, lifespan="on") as url:
        yield Agents(type(agents.api)(url, short, agents.api.key), agents.work)


@pytest.mark.parametrize("mode", VERSIONS)
def test_a_job_that_outlasts_the_wait_is_answered_with_its_id(hasty, mode):
    """It is no error: the words say how to go on, and the job does."""

    async def steps():
        async with hasty.client(mode) as client:
            made = await client.call_tool("generate_image", PROMPT)
            job_id = made.structured_content["job_id"]
            looked = await client.call_tool("check_job", {"job_id": job_id, "wait_s": 0.1})
            await asyncio.to_thread(hasty.work, stored_id(job_id))
            return made, looked, await client.call_tool("check_job", {"job_id": job_id})

    made, looked, done = hasty.run(steps)
    assert (made.is_error, looked.is_error, done.is_error) == (False, False, False)
    assert made.structured_content["state"] == "queued"
    assert made.structured_content["job_id"] in text_of(made)
    assert "check_job" in text_of(made)
    assert looked.structured_content["state"] == "queued"
    assert done.structured_content["state"] == "completed"
    assert [part.type for part in done.content] == ["text", "image"]


def test_tools_are_listed_by_the_names_of_the_setting(hasty):
    """Hosts of other servers find those that they know."""

    async def steps():
        async with hasty.client(MODERN) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    assert hasty.run(steps) == ["image_generate", "image_list_models", "image_check_job", "image_cancel_job"]


@pytest.mark.parametrize("mode", VERSIONS)
def test_a_look_waits_for_the_end(agents, mode):
    """An agent asks once instead of again and again."""

    async def steps():
        async with agents.client(mode) as client:
            known = await asyncio.to_thread(agents.jobs)
            made = asyncio.create_task(client.call_tool("generate_image", PROMPT))
            job_id = await agents.new_job(known)
            look = asyncio.create_task(client.call_tool("check_job", {"job_id": job_id, "wait_s": 50}))
            await asyncio.to_thread(agents.work, job_id)
            return await made, await look

    made, look = agents.run(steps)
    assert made.structured_content == look.structured_content
    assert look.structured_content["state"] == "completed"


def test_a_plan_says_what_it_lacks(agents):
    """The tiers that it has, that its jobs are all taken, that its pictures are used up: each with what to do."""
    key = agents.new_key("tiny", plan="tiny")

    async def steps():
        async with agents.client(MODERN, key=key) as client:
            tier = await client.call_tool("generate_image", PROMPT | {"quality_tier": "ultra"})
            known = await asyncio.to_thread(agents.jobs, key)
            first = asyncio.create_task(client.call_tool("generate_image", PROMPT))
            job_id = await agents.new_job(known, key)
            full = await client.call_tool("generate_image", PROMPT)
            await asyncio.to_thread(agents.work, job_id)
            return tier, full, await first, await client.call_tool("generate_image", PROMPT)

    tier, full, first, used_up = agents.run(steps)
    assert text_of(tier) == "The plan Tiny does not include this quality_tier; it has draft, standard."
    assert not first.is_error
    assert tier.is_error
    assert full.is_error
    assert used_up.is_error
    assert "Try again" in text_of(full)
    assert "the plan Tiny are used up" in text_of(used_up)
    assert f"{agents.api.url}/account" in text_of(used_up)
    assert "Try again after" in text_of(used_up)


def test_a_blocked_picture_is_an_error_that_says_why(agents):
    """The agent learns what was flagged, and gets no address."""
    answer = agents.run(lambda: _drawn(agents, prompt="a hakenkreuz"))
    assert answer.is_error
    assert "Content blocked" in text_of(answer)
    assert answer.structured_content["url"] is None


async def _drawn(agents, **arguments):
    async with agents.client(MODERN) as client:
        return await agents.draw(client, **arguments)


@pytest.mark.parametrize("version", [MODERN, OLDER])
def test_a_server_that_stops_answers_those_who_wait(agents, version):
    """With the job, which goes on: stopping is no word of the client's that it gave the job up."""

    def make_app(url):
        host, _, port = url.removeprefix("http://").partition(":")
        return create_app(agents.api.settings.with_address(host, int(port)))

    known, protocol = agents.jobs(), partial(TimeoutProtocol, read_timeout_s=30, refusal=refusal)
    with ThreadPoolExecutor(1) as other:
        with start_asgi(make_app, lifespan="on", http=protocol) as url:
            there = Agents(type(agents.api)(url, agents.api.settings, agents.api.key), agents.work)
            waiting = other.submit(there.post, generate(1, version), version=version, headers=named(version))
            job_id = agents.run(lambda: agents.new_job(known))
        answer = waiting.result(timeout=60)
    assert answer.status_code == 200
    assert '"state":"queued"' in answer.text
    agents.work(job_id)
    assert agents.record(job_id).state is State.COMPLETED
