"""What worker processes tell of themselves every few seconds. A worker that stops telling is gone."""

from collections.abc import Sequence
from typing import Any

import msgspec

from imgen.live.op import PREFIX, Op, ignore

BEAT_S = 3
LASTS_S = 15
_ALL = PREFIX + "workers"


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process."""

    name: str
    queues: tuple[str, ...]
    pid: int
    memory_bytes: int
    """Resident."""
    job_id: str = ""
    """What it works on; empty: it waits."""
    model: str = ""
    """The loaded model's key; empty: none."""
    since: float
    """When the process began."""
    at: float
    """When it told this."""


def tell(beat: Beat) -> Op[None]:
    """The present state of one process."""
    return Op((("HSET", _ALL, beat.name, msgspec.json.encode(beat)), ("EXPIRE", _ALL, LASTS_S)), ignore)


def leave(name: str) -> Op[None]:
    """The process ends."""
    return Op((("HDEL", _ALL, name),), ignore)


def beats() -> Op[list[Beat]]:
    """All that told something lately, by name."""

    def decode(replies: Sequence[Any]) -> list[Beat]:
        found = [msgspec.json.decode(value, type=Beat) for value in replies[0]]
        newest = max((beat.at for beat in found), default=0.0)
        return sorted((beat for beat in found if beat.at > newest - LASTS_S), key=lambda beat: beat.name)

    return Op((("HVALS", _ALL),), decode)
