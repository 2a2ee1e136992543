"""Requests that are carried out once however often they come: a repetition gets what the first one made."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from imgen.domain.errors import RequestInProgress, Retryable
from imgen.domain.idempotency import Once
from imgen.records import idempotency as records
from imgen.records.idempotency import Claim, KeyTaken, Made
from imgen.services.core import Core

T = TypeVar("T")

TRIES = 3


async def run_once(
    core: Core,
    owner: str,
    once: Once,
    *,
    make: Callable[[Claim], Awaitable[T]],
    replay: Callable[[Made], Awaitable[T]],
    takes_long: bool,
) -> T:
    """Carries a request out, or tells again what it made.

    Args:
        core: the core.
        owner: whose key it is: `quota_owner` of a principal, or the id of a user.
        once: the request.
        make: carries it out, and calls `records.finish` in the transaction that makes something.
        replay: makes the result from what was made.
        takes_long: whether the key is claimed beforehand, so that nothing dear is done twice at a time.

    Raises:
        KeyReused: the key was used with another body.
        RequestInProgress: the request is being carried out.
        Retryable: the database does not answer.
    """
    for _ in range(TRIES):
        made = await core.database.reading(records.find, owner, once)
        if made is not None:
            return await replay(made)
        claim = Claim(owner=owner, once=once, attempt=secrets.token_hex(16))
        try:
            if takes_long:
                await core.database.writing(records.begin, claim)
            return await make(claim)
        except KeyTaken:  # a moment ago: look again
            continue
        except BaseException:
            if takes_long:
                with contextlib.suppress(Retryable):  # it is given back by itself in a minute
                    await asyncio.shield(core.database.writing(records.release, claim))
            raise
    raise RequestInProgress(retry_after_s=1)
