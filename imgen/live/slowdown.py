"""Tenants whose pictures are blocked again and again are slowed down. Redis forgets it by itself; losing it forgives."""

from imgen.live.op import PREFIX, Op, first, ignore

REMEMBER_S = 3600


def count(tenant_id: str) -> Op[int]:
    """One more blocked picture; how many there were in the last hour or so."""
    key = f"{PREFIX}blocked:{tenant_id}"
    return Op((("INCR", key), ("EXPIRE", key, REMEMBER_S)), first)


def slow(tenant_id: str, seconds: float) -> Op[None]:
    """Takes nothing from the tenant for so long."""
    return Op((("SET", f"{PREFIX}slow:{tenant_id}", 1, "PX", max(1, round(seconds * 1000))),), ignore)


def remaining_ms(tenant_id: str) -> Op[int]:
    """For how much longer nothing is taken from the tenant; 0 or less: it is free."""
    return Op((("PTTL", f"{PREFIX}slow:{tenant_id}"),), first)
