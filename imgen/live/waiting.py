"""Jobs that wait to be rendered, by queue: for positions, estimates and `Queue is full`. The broker has their messages.

Workers remove a job when they claim it; services/waiting_check.py compares all of it with SQL.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from imgen.live.command import PREFIX, Arguments, Command, first, ignore

_WRITE: Arguments = ("SET", PREFIX + "room", 1, "EX", 60)


def add(queue: str, job_id: str, *, priority: int, created_at: float) -> Command[None]:
    """Adds a job to the waiting ones of its queue, ordered by priority, then time."""
    # A score is a double: of priorities up to 9 and times near 2e9 it keeps 2 ms
    return Command((("ZADD", _key(queue), priority * 1e12 + created_at, job_id),), ignore)


def remove(queue: str, job_ids: Collection[str]) -> Command[None]:
    """Removes jobs, at least one, from the waiting ones of a queue."""
    return Command((removal(queue, *job_ids),), ignore)


def removal(queue: str, *job_ids: str) -> Arguments:
    """Returns the call that removes jobs, for a command that does more."""
    return ("ZREM", _key(queue), *job_ids)


def position(queue: str, job_id: str) -> Command[int | None]:
    """Counts the jobs of the queue that wait before this one; None: unknown."""
    return Command((("ZRANK", _key(queue), job_id),), first)


def head(queue: str, count: int) -> Command[list[str]]:
    """Lists the first waiting jobs of a queue in their order, at most `count`."""
    return Command((("ZRANGE", _key(queue), 0, count - 1),), _members)


def count(queues: Iterable[str]) -> Command[int]:
    """Counts the waiting jobs of some queues, after a write as in `check_room`."""
    return Command((_WRITE, *(("ZCARD", _key(queue)) for queue in queues)), _sum_after_write)


def check_room() -> Command[None]:
    """Writes: a server whose memory or disk is full refuses it, as it would a job's message."""
    return Command((_WRITE,), ignore)


def scan(queue: str, cursor: int, *, count: int) -> Command[tuple[int, list[str]]]:
    """Reads some of a queue's waiting jobs, about `count`, and the next cursor; 0 begins and ends a pass over all."""
    return Command((("ZSCAN", _key(queue), cursor, "COUNT", count),), _scanned)


def are_waiting(jobs: Sequence[tuple[str, str]]) -> Command[list[bool]]:
    """Returns, for each (queue, job id), at least one, whether it is among the waiting ones."""
    return Command(tuple(("ZSCORE", _key(queue), job_id) for queue, job_id in jobs), _present)


def _sum_after_write(replies: Sequence[Any]) -> int:
    return sum(replies[1:])


def _key(queue: str) -> str:
    return f"{PREFIX}waiting:{queue}"


def _members(replies: Sequence[Any]) -> list[str]:
    return [member.decode() for member in replies[0]]


def _scanned(replies: Sequence[Any]) -> tuple[int, list[str]]:
    cursor, found = replies[0]
    return int(cursor), [member.decode() for member in found[::2]]


def _present(replies: Sequence[Any]) -> list[bool]:
    return [score is not None for score in replies]
