"""Agents of a served API: clients of the `mcp` package in each protocol version, and the worker that draws for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from servers.local import LocalApi

from imgen import composition
from imgen.domain.ids import stored_id
from imgen.domain.job import Job
from imgen.records import jobs

MODERN, LEGACY, OLDER = "2026-07-28", "legacy", "2025-11-25"
VERSIONS = (MODERN, LEGACY)
PROMPT = {"prompt": "a red coat on the beach"}
WAIT_S = 60


@dataclass(frozen=True)
class Agents:
    """A served API, its worker, and the key of an unlimited tenant."""

    api: LocalApi
    work: Callable[[str], None]

    @property
    def url(self) -> str:
        """Address that hosts are given."""
        return self.api.url + "/mcp"

    def run(self, steps: Callable[[], Awaitable[Any]]) -> Any:
        """Runs a coroutine function in a loop of its own: in the test's thread Playwright may keep one."""
        return self.start(steps).result()

    def start(self, steps: Callable[[], Awaitable[Any]]) -> Future[Any]:
        """Starts it."""

        async def main() -> Any:
            async with asyncio.timeout(WAIT_S * 2):
                return await steps()

        other = ThreadPoolExecutor(1)
        started = other.submit(asyncio.run, main())
        other.shutdown(wait=False)
        return started

    @contextlib.asynccontextmanager
    async def client(self, mode: str, *, key: str = "", **headers: str) -> AsyncIterator[Client]:
        """A connected client."""
        sent = {"Authorization": f"Bearer {key or self.api.key}"} | headers
        async with (
            httpx2.AsyncClient(headers=sent, timeout=WAIT_S) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode) as client,
        ):
            yield client

    def post(self, message: Any = None, *, key: str | None = "", version: str = "", **more: Any) -> httpx2.Response:
        """Sends a message; key None: without a key."""
        headers = {"Accept": "application/json, text/event-stream"}
        headers |= {} if key is None else {"Authorization": f"Bearer {key or self.api.key}"}
        headers |= {"MCP-Protocol-Version": version} if version else {}
        headers |= more.pop("headers", {})
        method = more.pop("method", "POST")
        url = self.url + more.pop("query", "")
        return httpx2.request(method, url, json=message, headers=headers, timeout=WAIT_S, **more)

    def jobs(self, key: str = "") -> list[dict]:
        """The tenant's jobs, newest first."""
        answer = httpx2.get(self.api.url + "/v2/jobs", headers={"X-API-Key": key or self.api.key}, timeout=WAIT_S)
        return answer.json()["jobs"]

    def record(self, job_id: str) -> Job:
        """A job as it is stored."""
        database = composition.open_database(self.api.settings)
        try:
            return database.attempt(jobs.find, job_id)
        finally:
            database.close()

    async def new_job(self, known: list[dict], key: str = "") -> str:
        """The stored id of a job that was not known, as soon as there is one."""
        ids = {job["job_id"] for job in known}
        while True:
            for job in await asyncio.to_thread(self.jobs, key):
                if job["job_id"] not in ids:
                    return stored_id(job["job_id"])
            await asyncio.sleep(0.02)

    async def state(self, job_id: str, *states: str) -> dict:
        """The job, as soon as it is in one of these states."""
        while True:
            for job in await asyncio.to_thread(self.jobs):
                if stored_id(job["job_id"]) == job_id and job["state"] in states:
                    return job
            await asyncio.sleep(0.02)

    async def draw(self, client: Client, *, key: str = "", progress=None, **arguments: Any) -> Any:
        """The answer to a call of generate_image whose job the worker does meanwhile; if progress is wanted, after the first of it."""
        known, begun = await asyncio.to_thread(self.jobs, key), asyncio.Event()

        async def note(*told: Any) -> None:
            await progress(*told)
            begun.set()

        wanted = None if progress is None else note
        call = asyncio.create_task(client.call_tool("generate_image", PROMPT | arguments, progress_callback=wanted))
        job_id = await self.new_job(known, key)
        if progress is not None:
            await begun.wait()
        await asyncio.to_thread(self.work, job_id)
        return await call

    def new_key(self, name: str, *, plan: str = "unlimited", **options: str) -> str:
        """A key of a tenant."""
        more = [word for option, value in options.items() for word in (f"--{option}", value)]
        return self.api.imgen("keys", "create", f"k{name}", "--tenant", name, "--plan", plan, *more)


def text_of(answer: Any) -> str:
    """The words of an answer."""
    return "\n".join(part.text for part in answer.content if part.type == "text")


def message(method: str, request_id: Any = 1, **params: Any) -> dict:
    """A request of JSON-RPC."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def generate(request_id: Any, version: str) -> dict:
    """A call of generate_image that asks for progress."""
    meta = {"progressToken": "told"}
    if version == MODERN:
        meta |= {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return message("tools/call", request_id, name="generate_image", arguments=PROMPT, _meta=meta)


def named(version: str) -> dict[str, str]:
    """Headers that repeat the method and the tool of such a call, as the version demands."""
    return {"Mcp-Method": "tools/call", "Mcp-Name": "generate_image"} if version == MODERN else {}
