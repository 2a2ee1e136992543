"""Requests to Studio by the clients of a site, and parts of answers that several tests look at."""

import asyncio
import base64
import functools
from collections.abc import Callable

import httpx2
from bombs import saved
from PIL import Image

from imgen.domain.ids import stored_id
from imgen.records import ledger

GENERATE, IMAGES, JOBS = "/api/v1/generate", "/api/v1/images", "/api/v1/jobs"
UNKNOWN_JOB = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
REQUEST_ID = r"req_[0-9a-f]{32}"


@functools.cache
def picture(kind: str = "PNG", size: tuple[int, int] = (96, 64)) -> bytes:
    """A picture of two colours."""
    image = Image.new("RGB", size, (200, 30, 30))
    image.paste((30, 30, 200), (size[0] // 2, 0, *size))
    return saved(image, kind)


def base64_of(body: bytes) -> str:
    return base64.b64encode(body).decode()


def body(**fields) -> dict:
    """A request for a picture; None leaves a field out."""
    whole = {"mode": "style", "prompt": "watercolor", "imageBase64": base64_of(picture())} | fields
    return {name: value for name, value in whole.items() if value is not None}


async def generate(client: httpx2.AsyncClient, *, status: int = 202, headers=None, **fields) -> dict:
    """The answer to a request for a picture, which must have this status."""
    answer = await client.post(GENERATE, json=body(**fields), headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def poll(client: httpx2.AsyncClient, job_id: str) -> dict:
    """The answer to a poll, which must be 200."""
    answer = await client.get(f"{JOBS}/{job_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def draw(client: httpx2.AsyncClient, work: Callable[[str], None], **fields) -> dict:
    """A job that the worker has ended."""
    made = await generate(client, **fields)
    await asyncio.to_thread(work, stored_id(made["jobId"]))
    return await poll(client, made["jobId"])


async def keep(client: httpx2.AsyncClient, content: bytes | None = None) -> str:
    """The key of a kept source."""
    answer = await client.post(IMAGES, content=content or picture())
    assert answer.status_code == 200, answer.text
    return answer.json()["imageKey"]


def failure(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a failure, whose form is checked."""
    told = answer.json()
    assert set(told) == {"error", "requestId"}
    assert set(told["error"]) == {"code", "message"}
    assert told["error"]["message"]
    assert told["requestId"] == answer.headers["x-request-id"]
    return answer.status_code, told["error"]["code"]


def month_of(site, owner: str) -> ledger.Count:
    """The sums of a tenant or key in this month."""
    now = site.core.clock()
    _, month = ledger.periods(now)
    return site.core.database.attempt(ledger.counts, (owner,), now=now).get((owner, month), ledger.Count())
