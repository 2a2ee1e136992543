"""Tries: guesses and other dear requests, counted within a quarter of an hour, in Redis."""

import contextlib
import hashlib

from imgen.domain.errors import RateLimited, Unavailable
from imgen.domain.remote_ip import network_of
from imgen.live import sign_in_limits
from imgen.services.core import Core


async def count(core: Core, key: str, *, limit: int) -> None:
    """Counts one try.

    Raises:
        RateLimited: there were more than `limit` within the window.
        Unavailable: Redis does not answer, so tries cannot be counted.
    """
    if await core.live.run(sign_in_limits.count_try(key)) > limit:
        raise RateLimited("Too many tries; wait a quarter of an hour", retry_after_s=sign_in_limits.WINDOW_S)


async def count_if_possible(core: Core, key: str, *, limit: int) -> None:
    """Counts one try of somebody who is known; nothing is counted while Redis does not answer.

    Raises:
        RateLimited: as for `count`.
    """
    with contextlib.suppress(Unavailable):
        await count(core, key, limit=limit)


def network_key(kind: str, remote_ip: str) -> str:
    """Returns the key for tries of one kind from the network of an address."""
    return f"{kind}:" + hashlib.sha256(network_of(remote_ip).encode()).hexdigest()[:32]
