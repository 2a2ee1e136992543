"""Views of jobs for pollers (state and progress), and the cancel flag that a running worker reads.

No view moves a job backward: a view of an ended job lives under a key of its own, which takes precedence over a late one of an
earlier state; one of an open job replaces none of a higher rank; and a server that restarts may bring back older views, so the
names of keys have its run id. A writer gives the run id that it saw before it read or committed the row: news from before a
restart is out of sight after it. Whoever tells a state that SQL has sets its view first.
Views of open jobs expire within seconds, so a missed update does not last.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from imgen.domain.job import ENDED, FINISH_QUEUE, View, render_queue
from imgen.live import waiting
from imgen.live.command import PREFIX, Arguments, Calls, Command, ignore

OPEN_VIEW_S = 10
ENDED_VIEW_S = 3600
PROGRESS_S = 120

_SET_OPEN = """
local old = redis.pcall('GET', KEYS[1])
local rank = type(old) == 'string' and string.match(old, '"rank":(%d+)')
if not rank or tonumber(rank) <= tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
"""
"""Script that sets a view of an open job unless one of a higher rank is there: two commands would race with another writer."""
_decode_view = msgspec.json.Decoder(View).decode
_encode = msgspec.json.Encoder().encode


class CachedView(NamedTuple):
    """Cached state of a job; any part of it may be missing."""

    view: View | None
    progress: float | None
    """Share of the denoising steps done, 0–1."""


def get_view(job_id: str) -> Command[CachedView]:
    """Reads view and progress of a job."""

    def calls(run_id: str) -> Calls:
        return (("MGET", *_view_keys(job_id, run_id)),)

    return Command(calls, _cached_view)


def set_view(job_id: str, view: View, run_id: str, *, keep_s: float = ENDED_VIEW_S) -> Command[None]:
    """Sets the view after a commit or a read of the row, unless a newer one is there; one that cannot be decoded is replaced.

    Args:
        job_id: the job.
        view: its view.
        run_id: as seen before the commit or the read.
        keep_s: time to keep the view of an ended job.
    """
    if view.state in ENDED:
        put: Arguments = ("SET", _key("ended", job_id, run_id), _encode(view), "EX", max(1, math.ceil(keep_s)))
        outdated = ("DEL", _key("open", job_id, run_id), _key("progress", job_id, run_id))
        waits = [waiting.removal(queue, job_id) for queue in (render_queue(view.model), FINISH_QUEUE)]
        return Command((put, outdated, *waits), ignore)
    put = ("EVAL", _SET_OPEN, 1, _key("open", job_id, run_id), view.rank, _encode(view), OPEN_VIEW_S)
    return Command((put,), ignore)


def start_progress(job_id: str, run_id: str) -> Command[None]:
    """Sets the progress of a job that is claimed for the first time to 0."""
    return Command(_progress_calls(job_id, run_id, 0.0, fence=1), ignore)


def set_progress(job_id: str, progress: float | None, *, fence: int, news: Calls = ()) -> Command[bool]:
    """Sets the progress of a running job, None: leaves it; returns whether the job was cancelled meanwhile.

    `news` are calls that tell it (see news.py).
    """

    def calls(run_id: str) -> Calls:
        put = () if progress is None else _progress_calls(job_id, run_id, progress, fence=fence)
        return (*put, *news, ("EXISTS", _key("cancel", job_id)))

    return Command(calls, _last_exists)


def get_progress(job_id: str) -> Command[float | None]:
    """Reads the progress that an earlier attempt at the job has set; None: unknown."""
    return Command(
        lambda run_id: (("GET", _key("progress", job_id, run_id)),), lambda replies: _progress(replies[0])[0]
    )


def request_cancel(job_id: str) -> Command[None]:
    """Asks the worker that runs the job to stop at its next step. The row in SQL holds the cancellation itself."""
    return Command((("SET", _key("cancel", job_id), 1, "EX", ENDED_VIEW_S),), ignore)


def delete_view(job_id: str) -> Command[None]:
    """Deletes the views and the progress of a job."""
    return Command(lambda run_id: (_deletion(job_id, run_id),), ignore)


def delete_all(job_ids: Collection[str]) -> Command[None]:
    """Deletes everything that is kept of jobs, at least one: views, progress, cancel flags and previews."""

    def calls(run_id: str) -> Calls:
        flags = (_key(kind, job_id) for job_id in job_ids for kind in ("cancel", "watched", "preview"))
        return (("DEL", *flags, *(key for job_id in job_ids for key in _view_keys(job_id, run_id))),)

    return Command(calls, ignore)


def _key(kind: str, job_id: str, run_id: str = "") -> str:
    return f"{PREFIX}{kind}:{run_id}:{job_id}" if run_id else f"{PREFIX}{kind}:{job_id}"


def _view_keys(job_id: str, run_id: str) -> tuple[str, str, str]:
    return _key("ended", job_id, run_id), _key("open", job_id, run_id), _key("progress", job_id, run_id)


def _deletion(job_id: str, run_id: str) -> Arguments:
    return ("DEL", *_view_keys(job_id, run_id))


def _progress_calls(job_id: str, run_id: str, progress: float, *, fence: int) -> Calls:
    return (("SET", _key("progress", job_id, run_id), f"{progress:.4f} {fence}", "EX", PROGRESS_S),)


def _cached_view(replies: Sequence[Any]) -> CachedView:
    ended, is_open, progress = replies[0]
    raw = is_open if ended is None else ended
    if raw is None:
        return CachedView(None, None)
    try:
        view = _decode_view(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return CachedView(None, None)
    done, fence = _progress(progress) if ended is None else (None, 0)
    return CachedView(view, done if fence == view.fence else None)


def _progress(raw: bytes | None) -> tuple[float | None, int]:
    """Parses progress and the fence of the claim that set it; None and 0: there is none, or something else."""
    try:
        done, fence = (raw or b"").split()
        progress = float(done)
        return (progress, int(fence)) if 0 <= progress <= 1 else (None, 0)
    except ValueError:
        return None, 0


def _last_exists(replies: Sequence[Any]) -> bool:
    return bool(replies[-1])
