"""Jobs that wait to be rendered or finished, by queue, in the order in which they are served (see fair_order.py).

A message of the broker tells that one job of its queue waits; the worker that gets it takes the job that is next. Positions,
estimates and `Queue is full` are counted here, too. services/waiting_check.py compares all of it with SQL.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from imgen.live import fair_order
from imgen.live.command import PREFIX, Arguments, Command, first, ignore

KEYS = ("ids", "jobs", "slots", "order", "served")
_WRITE: Arguments = ("SET", PREFIX + "room", 1, "EX", 60)


class Waits(Protocol):
    """Job as far as its place in the order needs it."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def queue(self) -> str:
        """Queue in which it waits."""

    @property
    def tenant_id(self) -> str:
        """Tenant whose share it is part of."""

    @property
    def priority(self) -> int:
        """Priority, 0–9, 0 is served first."""

    @property
    def created_at(self) -> float:
        """Time of submission, Unix time."""

    @property
    def batch_index(self) -> int:
        """Place among the jobs of one request."""


class Taken(NamedTuple):
    """Job that was taken out of its queue, with its place's words."""

    id: str
    priority: str
    tenant_id: str
    created: str


class Next(NamedTuple):
    """Next job of a queue, to be compared with those of other queues."""

    priority: int
    ahead: int
    """Number of jobs by which its tenant is ahead of the least share among the tenants of these queues."""
    created_at: float
    """Time of submission, Unix time."""


def add(job: Waits) -> Command[None]:
    """Adds a job to the waiting ones of its queue; one that is there keeps its place."""
    created = f"{round(job.created_at * 1e6) + job.batch_index:016d}"
    return put_back(job.queue, Taken(job.id, str(job.priority), job.tenant_id, created))


def put_back(queue: str, taken: Taken) -> Command[None]:
    """Puts a job back that could not be served; its tenant has paid for the turn."""
    words = (taken.id, taken.priority, taken.tenant_id, taken.created)
    return Command((_eval(fair_order.ADD, queue, *words),), ignore)


def take(queue: str, group: str = "") -> Command[Taken | None]:
    """Takes the next job out of a queue and counts it as part of its tenant's share. None: no job waits.

    Args:
        queue: its name.
        group: of the worker's queues (see `group_of`).
    """
    return Command((_eval(fair_order.TAKE, queue, group=group),), _taken)


def serve(queue: str, job_id: str, group: str = "") -> Command[None]:
    """Takes out a job that is served out of its turn, as part of its tenant's share."""
    return Command((_eval(fair_order.SERVE, queue, job_id, group=group),), ignore)


def remove(queue: str, job_ids: Collection[str]) -> Command[None]:
    """Removes jobs, at least one, that need not be served any more."""
    return Command((removal(queue, *job_ids),), ignore)


def removal(queue: str, *job_ids: str) -> Arguments:
    """Returns the call that removes jobs, for a command that does more."""
    return _eval(fair_order.REMOVE, queue, *job_ids)


def position(queue: str, job_id: str) -> Command[int | None]:
    """Counts the jobs of the queue that are served before this one if no other comes; None: unknown."""
    return Command((_eval(fair_order.POSITION, queue, job_id),), first)


def head(queue: str, count: int) -> Command[list[str]]:
    """Lists the first waiting jobs of a queue in their order, at most `count`."""
    return Command((_eval(fair_order.HEAD, queue, count),), _members)


def count(queues: Iterable[str]) -> Command[int]:
    """Counts the waiting jobs of some queues, after a write as in `check_room`."""
    return Command((_WRITE, *(("HLEN", _key(queue, "ids")) for queue in queues)), _sum_after_write)


def check_room() -> Command[None]:
    """Writes: a server whose memory or disk is full refuses it, as it would a job's message."""
    return Command((_WRITE,), ignore)


def scan(queue: str, cursor: int, *, count: int) -> Command[tuple[int, list[str]]]:
    """Reads some of a queue's waiting jobs, about `count`, and the next cursor; 0 begins and ends a pass over all."""
    older = ("UNLINK", f"{PREFIX}waiting:{queue}")  # version 0.2 kept them there, and an old process may do so yet
    return Command((("HSCAN", _key(queue, "ids"), cursor, "COUNT", count), older), _scanned)


def are_waiting(jobs: Sequence[tuple[str, str]]) -> Command[list[bool]]:
    """Returns, for each (queue, job id), at least one, whether it is among the waiting ones."""
    return Command(tuple(("HEXISTS", _key(queue, "ids"), job_id) for queue, job_id in jobs), _present)


def group_of(queues: Collection[str]) -> str:
    """Returns the name of a worker's queues, for the shares of tenants between them; empty: there is one alone."""
    if len(queues) < 2:  # noqa: PLR2004 - there is nothing to choose
        return ""
    return hashlib.sha256("\n".join(sorted(queues)).encode()).hexdigest()[:16]


def first_of_each(queues: Sequence[str]) -> Command[list[Next | None]]:
    """Tells which job of each of a worker's queues is next; None: none waits."""
    keys = [*(_key(queue, "order") for queue in queues), _group_key(group_of(queues))]

    def decode(replies: Sequence[Any]) -> list[Next | None]:
        return [None if one is None else Next(one[0], one[1], int(one[2]) / 1e6) for one in replies[0]]

    return Command((("EVAL", fair_order.FIRST_OF_EACH, len(keys), *keys),), decode)


def _eval(script: str, queue: str, *arguments: str | int, group: str = "") -> Arguments:
    keys = [_key(queue, name) for name in KEYS]
    if group:
        keys.append(_group_key(group))
    return ("EVAL", script, len(keys), *keys, *arguments)


def _key(queue: str, name: str) -> str:
    return f"{PREFIX}waiting:{queue}:{name}"


def _group_key(group: str) -> str:
    return f"{PREFIX}shares:{group}"


def _taken(replies: Sequence[Any]) -> Taken | None:
    return None if replies[0] is None else Taken(*(word.decode() for word in replies[0]))


def _sum_after_write(replies: Sequence[Any]) -> int:
    return sum(replies[1:])


def _members(replies: Sequence[Any]) -> list[str]:
    return [member.decode() for member in replies[0]]


def _scanned(replies: Sequence[Any]) -> tuple[int, list[str]]:
    cursor, found = replies[0]
    return int(cursor), [member.decode() for member in found[::2]]


def _present(replies: Sequence[Any]) -> list[bool]:
    return [bool(is_there) for is_there in replies]
