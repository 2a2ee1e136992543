"""Heartbeats of worker processes, sent every few seconds. A worker without one is gone."""

from collections.abc import Sequence
from typing import Any

import msgspec

from imgen.live.command import PREFIX, Command, ignore

BEAT_S = 3
LASTS_S = 15
_ALL = PREFIX + "workers"


class WorkerHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """State of one worker process."""

    name: str
    queues: tuple[str, ...]
    pid: int
    memory_bytes: int
    """Resident."""
    job_id: str = ""
    """Job in work; empty: none."""
    model: str = ""
    """Key of the loaded model; empty: none."""
    since: float
    """Start of the process."""
    at: float
    """Time of this heartbeat."""


def report(beat: WorkerHeartbeat) -> Command[None]:
    """Reports the present state of one process."""
    return Command((("HSET", _ALL, beat.name, msgspec.json.encode(beat)), ("EXPIRE", _ALL, LASTS_S)), ignore)


def remove(name: str) -> Command[None]:
    """Removes a process that ends."""
    return Command((("HDEL", _ALL, name),), ignore)


def list_workers() -> Command[list[WorkerHeartbeat]]:
    """Lists all processes with a fresh heartbeat, by name."""

    def decode(replies: Sequence[Any]) -> list[WorkerHeartbeat]:
        found = [msgspec.json.decode(value, type=WorkerHeartbeat) for value in replies[0]]
        newest = max((beat.at for beat in found), default=0.0)
        return sorted((beat for beat in found if beat.at > newest - LASTS_S), key=lambda beat: beat.name)

    return Command((("HVALS", _ALL),), decode)
