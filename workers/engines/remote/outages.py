"""Outages of an engine that has work of ours: short ones are waited out, and no answer about that work blames the request."""

import asyncio
from typing import Any

from imgen.domain.errors import ImgenError, RemoteEngineAway, RemoteEngineFailed
from workers.engines.remote.http import BUSY, EngineHttp, HttpAnswer, retry_after_s

OUTAGE_S = 10.0
"""Longest outage that is waited out while an engine has work of ours, and longest silence within an answer about it."""
RETRY_S = 0.5
_SERVER_ERROR = 500


async def answer_after_outages(http: EngineHttp, path: str, *, outage_s: float, **options: Any) -> HttpAnswer:
    """Asks until the engine answers, in so far as that takes no longer than an outage may.

    Args:
        http: connections to the engine.
        path: after its base URL.
        outage_s: longest outage.
        options: of `EngineHttp.send`.

    Raises:
        RemoteEngineAway: it does not answer.
        RemoteEngineFailed: its answer is too long.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + outage_s
    while True:
        left_s = until - loop.time()
        try:
            answer = await http.send("GET", path, **options)
        except RemoteEngineAway:
            if left_s <= 0:
                raise
            pause_s = RETRY_S
        else:
            if left_s <= 0 or (answer.status < _SERVER_ERROR and answer.status not in BUSY):
                return answer
            pause_s = max(RETRY_S, retry_after_s(answer.headers) or 0)
        await asyncio.sleep(min(pause_s, max(left_s, 0)))


def error_of_work(http: EngineHttp, answer: HttpAnswer) -> ImgenError:
    """Returns the error of an answer about work that the engine has: its request is no more to blame.

    Its words are left out: they may repeat the workflow, and with it the prompt.
    """
    error = http.error(answer._replace(body=b""))
    return error if isinstance(error, RemoteEngineAway) else RemoteEngineFailed(str(error))
