"""What pollers read: poll views, progress, places in the queue; and the cancel flag that a running worker looks at.

A view of an ended job lives under a key of its own, which wins: however late a worker's news of an earlier state arrives,
no client sees a job go backward. Views of open jobs live so briefly that a missed update heals by itself.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from imgen.domain.job import ENDED, View
from imgen.live.op import PREFIX, Op, first, ignore

OPEN_VIEW_S = 10
ENDED_VIEW_S = 3600
PROGRESS_S = 120

_WAITING = PREFIX + "waiting"
_decode_view = msgspec.json.Decoder(View).decode
_encode = msgspec.json.Encoder().encode


class Glimpse(NamedTuple):
    """What Redis knows of a job; nothing of it is certain to be there."""

    view: View | None
    progress: float | None
    """0–1 of the denoising steps."""


def look(job_id: str) -> Op[Glimpse]:
    """View and progress of a job in one command."""
    return Op((("MGET", _key("ended", job_id), _key("open", job_id), _key("progress", job_id)),), _glimpse)


def show(job_id: str, view: View) -> Op[None]:
    """Publishes a view that its writer has just committed."""
    if view.state in ENDED:
        put = ("SET", _key("ended", job_id), _encode(view), "EX", ENDED_VIEW_S)
        return Op((put, ("DEL", _key("open", job_id), _key("progress", job_id)), ("ZREM", _WAITING, job_id)), ignore)
    return Op((("SET", _key("open", job_id), _encode(view), "EX", OPEN_VIEW_S),), ignore)


def remember(job_id: str, view: View) -> Op[None]:
    """Publishes a view that was read from SQL: never over a newer one."""
    kind, keep_s = ("ended", ENDED_VIEW_S) if view.state in ENDED else ("open", OPEN_VIEW_S)
    return Op((("SET", _key(kind, job_id), _encode(view), "NX", "EX", keep_s),), ignore)


def advance(job_id: str, progress: float) -> Op[bool]:
    """Writes the progress of a running job; tells whether it was cancelled meanwhile."""
    put = ("SET", _key("progress", job_id), f"{progress:.4f}", "EX", PROGRESS_S)
    return Op((put, ("EXISTS", _key("cancel", job_id))), _exists)


def ask_to_stop(job_id: str) -> Op[None]:
    """Tells the worker that runs the job to stop at its next step. The cancellation itself is the row's."""
    return Op((("SET", _key("cancel", job_id), 1, "EX", ENDED_VIEW_S),), ignore)


def forget(job_id: str) -> Op[None]:
    """Nothing is known of the job any more."""
    return Op((("DEL", _key("ended", job_id), _key("open", job_id), _key("progress", job_id)),), ignore)


def enter(job_id: str, *, priority: int, created_at: float) -> Op[None]:
    """Notes that the job waits to be rendered: the queue's order is priority, then time."""
    return Op((("ZADD", _WAITING, priority * 1e12 + created_at, job_id),), ignore)


def leave(job_id: str) -> Op[None]:
    """Notes that the job waits no longer."""
    return Op((("ZREM", _WAITING, job_id),), ignore)


def place(job_id: str) -> Op[int | None]:
    """How many jobs wait before this one; None: not known."""
    return Op((("ZRANK", _WAITING, job_id),), first)


def waiting() -> Op[int]:
    """How many jobs wait."""
    return Op((("ZCARD", _WAITING),), first)


def _key(kind: str, job_id: str) -> str:
    return f"{PREFIX}{kind}:{job_id}"


def _glimpse(replies: Sequence[Any]) -> Glimpse:
    ended, is_open, progress = replies[0]
    raw = ended or is_open
    return Glimpse(
        view=_decode_view(raw) if raw is not None else None, progress=float(progress) if progress is not None else None
    )


def _exists(replies: Sequence[Any]) -> bool:
    return bool(replies[1])
