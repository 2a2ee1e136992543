"""Baseline servers: a bare echo, `status` with sync redis-py in the thread pool, and Starlette's own response of a file.

`python -m bench.baselines echo --port PORT`, `… sync --port PORT --data FOLDER` or `… file --port PORT --data FILE`; uvicorn is
set as in `imgen api`.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import redis
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from imgen import settings
from imgen.app import open_core
from imgen.asgi.answer_headers import AnswerHeaders
from imgen.asgi.endpoint import json_response, sent_key
from imgen.domain.errors import JobNotFound
from imgen.domain.principal import TenantKey, hash_key
from imgen.live import job_views, request_gate
from imgen.live.command import calls_for
from imgen.records import api_keys
from imgen.services.accounts import rates
from imgen.surfaces.action import translation
from imgen.surfaces.action.choices import job_id_of
from imgen.surfaces.action.decoding import decode


def echo() -> Starlette:
    """Makes a server that sends a JSON body back."""

    async def endpoint(request: Request) -> Response:
        return JSONResponse(await request.json())

    return Starlette(routes=[Route("/api/v2", endpoint, methods=["POST"])])


def file(path: Path) -> Starlette:
    """Makes a server that answers with one file."""

    async def endpoint(_request: Request) -> Response:
        return FileResponse(path, media_type="image/png")

    return Starlette(routes=[Route("/file", endpoint)])


def sync(data: Path) -> Starlette:
    """Makes a server that answers `status` by a blocking handler: same key table, same Redis commands in one pipeline."""
    core = open_core(settings.load(data))
    known: dict[str, TenantKey | None] = {}
    client = redis.Redis.from_url(core.settings.redis_url, protocol=2)
    run_id = str(client.info("server")["run_id"])

    def work(key: str, body: bytes) -> Any:
        call = decode(body)
        job_id, key_hash = job_id_of(call), hash_key(key)
        if key_hash not in known:
            with core.database.read() as connection:
                known[key_hash] = api_keys.find_key_by_hash(connection, key_hash)
        found = known[key_hash]
        counted, looked = request_gate.hit(found.key.id, core.clock()), job_views.get_view(job_id)
        pipeline = client.pipeline(transaction=False)
        counting = calls_for(counted, run_id)
        for command in (*counting, *calls_for(looked, run_id)):
            pipeline.execute_command(*command)
        replies = pipeline.execute()
        passage = counted.decode(replies[: len(counting)])
        view = looked.decode(replies[len(counting) :]).view
        if passage.is_first:
            expiry = request_gate.expire(found.key.id, core.clock())
            client.execute_command(*calls_for(expiry, run_id)[0])
        if view.tenant_id != found.tenant.id:
            raise JobNotFound
        return translation.ended_answer(core, job_id, view.state, view.outcome)

    async def endpoint(request: Request) -> Response:
        return json_response(await run_in_threadpool(work, sent_key(request.scope), await request.body()))

    headers = Middleware(AnswerHeaders, uncount=partial(rates.uncount, core))  # the answer has those of ours
    return Starlette(routes=[Route("/api/v2", endpoint, methods=["POST"])], middleware=[headers])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=["echo", "file", "sync"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    uvicorn.run(
        {"echo": echo, "file": partial(file, given.data), "sync": partial(sync, given.data)}[given.which](),
        port=given.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
