"""The way of an agent with the official SDK for TypeScript, which speaks the older protocol versions."""

import asyncio
import json

from servers.node import run_node


def test_the_sdk_for_typescript_makes_a_picture_and_gives_one_up(agents):
    """It lists the tools, is told progress, gets the picture, is told what is wrong, and cancels a call by its notification."""

    async def steps():
        known = await asyncio.to_thread(agents.jobs)
        sent = json.dumps({"url": agents.url, "key": agents.api.key})
        there = asyncio.create_task(asyncio.to_thread(run_node, "agent.mjs", sent))
        waiting = asyncio.create_task(agents.new_job(known))
        done, _ = await asyncio.wait((there, waiting), return_when=asyncio.FIRST_COMPLETED)
        if waiting not in done:  # it has failed, or has been skipped
            waiting.cancel()
            return await there, None
        drawn = waiting.result()
        known = await asyncio.to_thread(agents.jobs)
        await asyncio.to_thread(agents.work, drawn)
        given_up = await agents.new_job(known)
        return await there, await agents.state(given_up, "failed", "completed")

    output, given_up = agents.run(steps)
    told = json.loads(output)
    assert told["version"] == "2025-11-25"
    assert told["tools"] == ["generate_image", "list_models", "check_job", "cancel_job"]
    shares = [one["progress"] for one in told["progress"]]
    assert shares == sorted(set(shares))
    assert told["content"] == ["text", "image"]
    assert told["structuredContent"]["state"] == "completed"
    assert not told["isError"]
    assert told["wrong"]["isError"]
    assert told["wrong"]["content"][0]["text"] == "prompt is required."
    assert "AbortError" in told["error"]
    assert given_up["error"] == "Cancelled"
