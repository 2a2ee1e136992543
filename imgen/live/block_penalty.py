"""Penalty for tenants with many blocked pictures: no requests for some time. Stored in Redis only; a lost penalty is over."""

from imgen.live.command import PREFIX, Command, first, ignore

TTL_S = 3600
"""Time to live of a count: each further blocked picture extends it."""


def count_block(tenant_id: str) -> Command[int]:
    """Counts one blocked picture; returns the count of about the last hour."""
    key = f"{PREFIX}blocked:{tenant_id}"
    return Command((("INCR", key), ("EXPIRE", key, TTL_S)), first)


def penalize(tenant_id: str, seconds: float) -> Command[None]:
    """Refuses the tenant's requests for some seconds."""
    return Command((("SET", f"{PREFIX}slow:{tenant_id}", 1, "PX", max(1, round(seconds * 1000))),), ignore)


def remaining_ms(tenant_id: str) -> Command[int]:
    """Reads the remaining time of the tenant's penalty in ms; 0 or less: there is none."""
    return Command((("PTTL", f"{PREFIX}slow:{tenant_id}"),), first)
