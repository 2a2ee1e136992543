"""Requests to Forge by the clients of a site."""

import asyncio
from collections.abc import Callable

import httpx2
from surfaces.forge import answered

from imgen.domain.ids import stored_id


async def generate(client: httpx2.AsyncClient, *, status: int = 202, **fields) -> dict:
    """The answer to a request for a picture, which must have this status."""
    answer = await client.post("/v2/generate", json={"prompt": "a red coat on the beach"} | fields)
    assert answer.status_code == status, answer.text
    return answer.json()


async def draw(client: httpx2.AsyncClient, work: Callable[[str], None], **fields) -> dict:
    """A job that the worker has ended."""
    made = await generate(client, **fields)
    await asyncio.to_thread(work, stored_id(made["job_id"]))
    answer = await client.get(f"/v2/jobs/{made['job_id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def failure(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a failure, whose form is checked."""
    return answered.failure(answer)[:2]
