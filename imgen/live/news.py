"""News of jobs between processes, by Redis pub/sub: a job has moved, or has got further. Lost ones do no harm: SQL has it all."""

from typing import NamedTuple

from imgen.domain.job import ENDED, Job, view_of
from imgen.live import job_views
from imgen.live.command import PREFIX, Arguments, Command, calls_for, ignore

CHANNELS = PREFIX + "news:"
DUE = PREFIX + "webhooks:due"
"""Channel of the dispatchers: there may be something to send."""
STEPS = 20
"""Steps of a render's progress that are news: 5 % each."""
_MOVED, _ENDED, _PROGRESS = b"moved", b"ended", b"progress"
_WAKE: tuple[Arguments, ...] = (("PUBLISH", DUE, b""),)


class News(NamedTuple):
    """One piece of news."""

    job_id: str
    has_ended: bool = False
    progress: float | None = None
    """Share of the denoising steps done, 0–1; None: the job moved to another state."""
    fence: int = 0
    """Claim that the progress is of."""


def channel(tenant_id: str) -> str:
    """Returns the name of a tenant's channel."""
    return CHANNELS + tenant_id


def moved(job: Job, run_id: str) -> Command[None]:
    """Sets the view of a job that has moved, then tells all who wait, of its end the dispatchers as well.

    Send it after the commit; `run_id`: see job_views.
    """
    shown = calls_for(job_views.set_view(job.id, view_of(job), run_id), run_id)
    has_ended = job.state in ENDED
    told = b"%b %b" % (_ENDED if has_ended else _MOVED, job.id.encode())
    return Command((*shown, ("PUBLISH", channel(job.tenant_id), told), *(_WAKE if has_ended else ())), ignore)


def due() -> Command[None]:
    """Tells the dispatchers that there may be something to send."""
    return Command(_WAKE, ignore)


def progressed(job: Job, progress: float) -> Arguments:
    """Returns the call that tells the progress of a running job."""
    told = b"%b %b %.4f %d" % (_PROGRESS, job.id.encode(), progress, job.fence)
    return ("PUBLISH", channel(job.tenant_id), told)


def parse(message: bytes) -> News | None:
    """Parses a message; None: it is of another version, or nobody's."""
    try:
        what, raw_id, *more = message.split()
        job_id = raw_id.decode("ascii")
        if what == _PROGRESS:
            return News(job_id, progress=float(more[0]), fence=int(more[1]))
    except (ValueError, IndexError):
        return None
    return News(job_id, has_ended=what == _ENDED) if what in (_MOVED, _ENDED) else None
