"""Heartbeats of worker processes, published every few seconds. A worker without a recent one counts as dead."""

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from imgen.domain.capabilities import Capabilities
from imgen.live.command import PREFIX, Command, ignore

log = structlog.get_logger(__name__)

INTERVAL_S = 3
LASTS_S = 15
_ALL = PREFIX + "workers"


class WorkerHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """State of one worker process."""

    name: str
    queues: tuple[str, ...]
    pid: int
    memory_bytes: int
    """Resident set size."""
    job_id: str = ""
    """Id of its job; empty: it waits."""
    models: tuple[str, ...] = ()
    """Keys of the loaded models."""
    is_loading: bool = False
    """Whether it loads models ahead, and takes no job yet."""
    capabilities: dict[str, Capabilities] = {}
    """Capabilities of the models that it draws with, by model key."""
    since: float
    """Unix time of the process's start."""
    at: float
    """Unix time of this heartbeat."""


def publish(heartbeat: WorkerHeartbeat) -> Command[None]:
    """Stores the present state of one process."""
    return Command((("HSET", _ALL, heartbeat.name, msgspec.json.encode(heartbeat)), ("EXPIRE", _ALL, LASTS_S)), ignore)


def remove(name: str) -> Command[None]:
    """Removes the heartbeat of a process that ends."""
    return Command((("HDEL", _ALL, name),), ignore)


def list_workers() -> Command[list[WorkerHeartbeat]]:
    """Returns the recent heartbeats, by name; without those that cannot be decoded, such as of another version."""

    def decode(replies: Sequence[Any]) -> list[WorkerHeartbeat]:
        found = [one for one in map(_heartbeat, replies[0]) if one is not None]
        newest = max((one.at for one in found), default=0.0)
        return sorted((one for one in found if one.at > newest - LASTS_S), key=lambda one: one.name)

    return Command((("HVALS", _ALL),), decode)


def _heartbeat(raw: bytes) -> WorkerHeartbeat | None:
    try:
        return msgspec.json.decode(raw, type=WorkerHeartbeat)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        log.warning("a worker's heartbeat cannot be decoded", reason=type(exc).__name__)
        return None
