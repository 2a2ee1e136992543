"""Views of jobs for pollers (state, progress, position in the queue), and the cancel flag that a running worker reads.

A view of an ended job lives under a key of its own, which takes precedence: a late view of an earlier
state never moves a job backward. Views of open jobs expire within seconds, so a missed update does not last.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from imgen.domain.job import ENDED, View
from imgen.live.command import PREFIX, Command, first, ignore

OPEN_VIEW_S = 10
ENDED_VIEW_S = 3600
PROGRESS_S = 120

_WAITING = PREFIX + "waiting"
_decode_view = msgspec.json.Decoder(View).decode
_encode = msgspec.json.Encoder().encode


class CachedView(NamedTuple):
    """Cached state of a job; any part of it may be missing."""

    view: View | None
    progress: float | None
    """Share of the denoising steps done, 0–1."""


def get_view(job_id: str) -> Command[CachedView]:
    """Reads view and progress of a job."""
    return Command((("MGET", _key("ended", job_id), _key("open", job_id), _key("progress", job_id)),), _cached_view)


def set_view(job_id: str, view: View) -> Command[None]:
    """Sets the view after a commit."""
    if view.state in ENDED:
        put = ("SET", _key("ended", job_id), _encode(view), "EX", ENDED_VIEW_S)
        return Command(
            (put, ("DEL", _key("open", job_id), _key("progress", job_id)), ("ZREM", _WAITING, job_id)), ignore
        )
    return Command((("SET", _key("open", job_id), _encode(view), "EX", OPEN_VIEW_S),), ignore)


def set_view_if_absent(job_id: str, view: View) -> Command[None]:
    """Sets a view read from SQL unless there is one, which may be newer."""
    kind, keep_s = ("ended", ENDED_VIEW_S) if view.state in ENDED else ("open", OPEN_VIEW_S)
    return Command((("SET", _key(kind, job_id), _encode(view), "NX", "EX", keep_s),), ignore)


def set_progress(job_id: str, progress: float) -> Command[bool]:
    """Sets the progress of a running job; returns whether it was cancelled meanwhile."""
    put = ("SET", _key("progress", job_id), f"{progress:.4f}", "EX", PROGRESS_S)
    return Command((put, ("EXISTS", _key("cancel", job_id))), _exists)


def request_cancel(job_id: str) -> Command[None]:
    """Asks the worker that runs the job to stop at its next step. The row in SQL holds the cancellation itself."""
    return Command((("SET", _key("cancel", job_id), 1, "EX", ENDED_VIEW_S),), ignore)


def delete_view(job_id: str) -> Command[None]:
    """Deletes the views and the progress of a job."""
    return Command((("DEL", _key("ended", job_id), _key("open", job_id), _key("progress", job_id)),), ignore)


def enqueue(job_id: str, *, priority: int, created_at: float) -> Command[None]:
    """Adds the job to the waiting ones, ordered by priority, then time."""
    # A score is a double: of priorities up to 9 and times near 2e9 it keeps 2 ms
    return Command((("ZADD", _WAITING, priority * 1e12 + created_at, job_id),), ignore)


def dequeue(job_id: str) -> Command[None]:
    """Removes the job from the waiting ones."""
    return Command((("ZREM", _WAITING, job_id),), ignore)


def dequeue_all(job_ids: Collection[str]) -> Command[None]:
    """Removes jobs, at least one, from the waiting ones."""
    return Command((("ZREM", _WAITING, *job_ids),), ignore)


def scan_waiting(cursor: int, *, count: int) -> Command[tuple[int, list[str]]]:
    """Reads some of the waiting jobs, about `count`, and the cursor of the next ones; 0 begins and ends a pass over all."""
    return Command((("ZSCAN", _WAITING, cursor, "COUNT", count),), _scanned)


def are_waiting(job_ids: Sequence[str]) -> Command[list[bool]]:
    """Returns, for each of the jobs, at least one, whether it is among the waiting ones."""
    return Command(tuple(("ZSCORE", _WAITING, job_id) for job_id in job_ids), _present)


def position(job_id: str) -> Command[int | None]:
    """Counts the waiting jobs before this one; None: unknown."""
    return Command((("ZRANK", _WAITING, job_id),), first)


def count_waiting() -> Command[int]:
    """Counts the waiting jobs."""
    return Command((("ZCARD", _WAITING),), first)


def _key(kind: str, job_id: str) -> str:
    return f"{PREFIX}{kind}:{job_id}"


def _cached_view(replies: Sequence[Any]) -> CachedView:
    ended, is_open, progress = replies[0]
    raw = ended or is_open
    return CachedView(
        view=_decode_view(raw) if raw is not None else None, progress=float(progress) if progress is not None else None
    )


def _exists(replies: Sequence[Any]) -> bool:
    return bool(replies[1])


def _scanned(replies: Sequence[Any]) -> tuple[int, list[str]]:
    cursor, found = replies[0]
    return int(cursor), [member.decode() for member in found[::2]]


def _present(replies: Sequence[Any]) -> list[bool]:
    return [score is not None for score in replies]
