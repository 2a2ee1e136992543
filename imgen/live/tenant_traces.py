"""Traces of a deleted tenant in Redis, apart from those of its jobs: counters, penalties, shares of the fair order.

All of them expire by themselves, the shares within a day.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from imgen.domain.rate import WINDOW_S
from imgen.live.command import PREFIX, Command, ignore

SHARES = (f"{PREFIX}waiting:*:served", f"{PREFIX}shares:*")
"""Patterns of the keys that hold tenants' shares (see fair_order.py)."""
PRIORITIES = range(10)
KEYS_AT_ONCE = 1000


def forget_counts(tenant_id: str, key_ids: Iterable[str], now: float) -> Command[None]:
    """Deletes the counters of a tenant's requests, and its penalty for blocked pictures."""
    windows = (int(now // WINDOW_S) - 1, int(now // WINDOW_S))
    counters = (f"{PREFIX}requests:{owner}:{window}" for owner in (tenant_id, *key_ids) for window in windows)
    return Command((("DEL", f"{PREFIX}blocked:{tenant_id}", f"{PREFIX}slow:{tenant_id}", *counters),), ignore)


def scan(pattern: str, cursor: int) -> Command[tuple[int, list[str]]]:
    """Reads some of the keys of a pattern, and the next cursor; 0 begins and ends a pass over all."""

    def decode(replies: Sequence[Any]) -> tuple[int, list[str]]:
        following, found = replies[0]
        return int(following), [key.decode() for key in found]

    return Command((("SCAN", cursor, "MATCH", pattern, "COUNT", KEYS_AT_ONCE),), decode)


def forget_shares(keys: Collection[str], tenant_id: str) -> Command[None]:
    """Takes a tenant out of the shares under these keys, at least one."""
    members = [f"{priority}\x1f{tenant_id}" for priority in PRIORITIES]
    return Command(tuple(("ZREM", key, *members) for key in keys), ignore)
