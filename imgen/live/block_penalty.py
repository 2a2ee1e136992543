"""Penalty for owners of quotas with many blocked pictures: no requests for some time. In Redis only; a lost penalty is over."""

from imgen.live.command import PREFIX, Command, first, ignore

TTL_S = 3600
"""Time to live of a count: each further blocked picture extends it."""


def count_block(owner: str) -> Command[int]:
    """Counts one blocked picture; returns the count of about the last hour."""
    key = f"{PREFIX}blocked:{owner}"
    return Command((("INCR", key), ("EXPIRE", key, TTL_S)), first)


def pause_s(blocks: int, *, free: int, first_s: float, longest_s: float) -> float:
    """Returns the penalty for so many blocked pictures: each beyond the free ones doubles it; 0: none."""
    too_many = blocks - free
    return min(first_s * 2.0 ** min(too_many - 1, 20), longest_s) if too_many > 0 else 0.0


def penalize(owner: str, seconds: float) -> Command[None]:
    """Refuses the owner's requests for some seconds."""
    return Command((("SET", f"{PREFIX}slow:{owner}", 1, "PX", max(1, round(seconds * 1000))),), ignore)


def remaining_ms(owner: str) -> Command[int]:
    """Reads the remaining time of the owner's penalty in ms; 0 or less: there is none."""
    return Command((("PTTL", f"{PREFIX}slow:{owner}"),), first)
