"""Penalty for tenants with many blocked pictures: no requests for a while. Lives in Redis alone; losing it forgives."""

from imgen.live.command import PREFIX, Command, first, ignore

TTL_S = 3600
"""Time to live of a count: each further blocked picture extends it."""


def count_block(tenant_id: str) -> Command[int]:
    """Counts one blocked picture; returns the count of the last hour or so."""
    key = f"{PREFIX}blocked:{tenant_id}"
    return Command((("INCR", key), ("EXPIRE", key, TTL_S)), first)


def penalize(tenant_id: str, seconds: float) -> Command[None]:
    """Refuses the tenant's requests for some seconds."""
    return Command((("SET", f"{PREFIX}slow:{tenant_id}", 1, "PX", max(1, round(seconds * 1000))),), ignore)


def remaining_ms(tenant_id: str) -> Command[int]:
    """Reads for how many ms the tenant's requests are still refused; 0 or less: there is no penalty."""
    return Command((("PTTL", f"{PREFIX}slow:{tenant_id}"),), first)
