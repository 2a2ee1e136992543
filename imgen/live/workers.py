"""Heartbeats of worker processes, published every few seconds. A worker without a recent one counts as dead."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import structlog

from imgen.domain.capabilities import Capabilities
from imgen.domain.remote_engine import EngineState
from imgen.live.command import PREFIX, Command, ignore

log = structlog.get_logger(__name__)

INTERVAL_S = 3
LASTS_S = 15
MOST_SCANNED = 10_000
"""Processes among which those of one worker are found in one call."""
_ALL = PREFIX + "workers"


class SigningTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Failure of a worker process's latest try to sign: its key is away or refuses, or the certificate is no good."""

    reason: str
    at: float
    """Unix time of the try."""


class WorkerHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """State of one worker process."""

    name: str
    queues: tuple[str, ...]
    pid: int
    memory_bytes: int
    """Resident set size."""
    job_id: str = ""
    """Id of its job, of several the longest under way; empty: it waits."""
    jobs: int = 0
    """Number of its jobs; several where engines elsewhere draw them."""
    models: tuple[str, ...] = ()
    """Keys of the loaded models."""
    is_loading: bool = False
    """Whether it loads models ahead, and takes no job yet."""
    capabilities: dict[str, Capabilities] = {}
    """Capabilities of the models that it draws with, by model key."""
    engines: dict[str, EngineState] = {}
    """States of the engines elsewhere that its models name, by the engines' keys."""
    signing_trouble: SigningTrouble | None = None
    """None: its latest signature was made, or it has made none yet."""
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
        return sorted(_recent(map(_heartbeat, replies[0])), key=lambda one: one.name)

    return Command((("HVALS", _ALL),), decode)


def loaded_models(worker: str) -> Command[frozenset[str]]:
    """Returns the keys of the models that all processes of the worker of that name have loaded."""
    pattern = "".join(f"\\{sign}" if sign in "*?[]\\^" else sign for sign in worker)

    def decode(replies: Sequence[Any]) -> frozenset[str]:
        _cursor, found = replies[0]
        models = [frozenset(one.models) for one in _recent(map(_heartbeat, found[1::2]))]
        return frozenset[str]().union(*models[:1]).intersection(*models)

    return Command((("HSCAN", _ALL, 0, "MATCH", f"{pattern} #*", "COUNT", MOST_SCANNED),), decode)


def _recent(heartbeats: Iterable[WorkerHeartbeat | None]) -> list[WorkerHeartbeat]:
    found = [one for one in heartbeats if one is not None]
    newest = max((one.at for one in found), default=0.0)
    return [one for one in found if one.at > newest - LASTS_S]


def _heartbeat(raw: bytes) -> WorkerHeartbeat | None:
    try:
        return msgspec.json.decode(raw, type=WorkerHeartbeat)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        log.warning("a worker's heartbeat cannot be decoded", reason=type(exc).__name__)
        return None
