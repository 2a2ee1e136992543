"""Rates of requests: counts a request against a limit, within a sliding minute."""

import contextlib
import math
from collections.abc import Callable

from imgen.domain.errors import RateLimited, Unavailable
from imgen.domain.rate import WINDOW_S, Rate
from imgen.live import request_gate
from imgen.live.request_gate import RateCheck
from imgen.services.core import Core

NoteRate = Callable[[Rate], object]
"""Takes the use of a rate for the answer's headers, before the request is refused if it is over the limit."""


def ignore(_rate: Rate) -> None:
    """Drops the use of a rate."""


async def hit(core: Core, owner: str, now: float) -> RateCheck | None:
    """Counts a request of a principal by what it is counted as; None: Redis does not answer, and nothing is counted."""
    try:
        check = await core.live.run(request_gate.hit(owner, now))
        if check.is_first:
            await core.live.run(request_gate.expire(owner, now))
    except Unavailable:
        return None
    return check


def keep(check: RateCheck, owner: str, limit: int, *, now: float, note: NoteRate) -> None:
    """Notes the use of a rate by a counted request; a limit of 0 is none.

    Raises:
        RateLimited: it is over the limit.
    """
    if not limit:
        return
    is_over = check.requests > limit
    reset_s = max(1, math.ceil(check.wait_s(limit) if is_over else WINDOW_S - check.into_s))
    remaining = 0 if is_over else math.floor(limit - check.requests)
    note(Rate(owner=owner, counted_at=now, limit=limit, remaining=remaining, reset_s=reset_s))
    if is_over:
        raise RateLimited(retry_after_s=reset_s)


async def uncount(core: Core, rate: Rate) -> None:
    """Uncounts a request that was refused with 429, so that a client that comes too often can recover."""
    with contextlib.suppress(Unavailable):
        await core.live.run(request_gate.uncount(rate.owner, rate.counted_at))
