"""News of one tenant's jobs within a process: who waits for which of them, and the handing out to all of those. No I/O."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from imgen.domain.job import ENDED
from imgen.records.job_events import JobEvent

T = TypeVar("T")

MOST_EVENTS = 500
"""Events that are kept for a listener who does not take them; then it has to read them from SQL."""
MOST_HEARD = 500
"""Jobs by whose ids events are read; if more are listened to, those of all jobs are."""


class Progress(NamedTuple):
    """Progress of a running job."""

    share: float
    """Share of the denoising steps done, 0–1."""
    fence: int


class Wait:
    """Wait for the ends of some jobs."""

    def __init__(self, job_ids: Collection[str]) -> None:
        self.open = set(job_ids)
        """Jobs that are not known to have ended."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.end(())

    def end(self, job_ids: Iterable[str]) -> None:
        """Takes jobs as ended."""
        self.open.difference_update(job_ids)
        if not self.open and not self.done.done():
            self.done.set_result(None)


class Listener:
    """Listener to the events of some jobs, or of all of a tenant: events in their order, and of progress the latest alone."""

    def __init__(self, job_ids: Collection[str]) -> None:
        self.job_ids = frozenset(job_ids)
        """Empty: all."""
        self._events: list[JobEvent] = []
        self._progress: dict[str, Progress] = {}
        self._is_behind = False
        self._number = 0
        """Number of the latest event that was added."""
        self._told = asyncio.Event()

    async def changed(self) -> None:
        """Waits until there is something to take."""
        await self._told.wait()

    def take(self) -> tuple[list[JobEvent], dict[str, Progress], bool]:
        """Takes events, progress by job, and whether events are missing because too many came."""
        taken = self._events, self._progress, self._is_behind
        self._events, self._progress, self._is_behind = [], {}, False
        self._told.clear()
        return taken

    def put(self, event: JobEvent) -> None:
        """Adds an event, unless it was added before."""
        if event.number <= self._number:
            return
        self._number = event.number
        if len(self._events) >= MOST_EVENTS:
            self._events, self._is_behind = [], True
        if not self._is_behind:
            self._events.append(event)
        if event.state in ENDED:
            self._progress.pop(event.job_id, None)
        self._told.set()

    def get_further(self, job_id: str, progress: Progress) -> None:
        """Sets the latest progress of a job."""
        if len(self._progress) < MOST_EVENTS or job_id in self._progress:
            self._progress[job_id] = progress
            self._told.set()


class TenantNews:
    """Waits and listeners of one tenant."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.number = 0
        """Number up to which events are handed out."""
        self.is_due = False
        """Whether there may be further events."""
        self.changes = 0
        """Number of changes of the listeners."""
        self.uses = 0
        """Number of those who use this value."""
        self._waits: dict[str, list[Wait]] = defaultdict(list)
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        """By job; those to all jobs under an empty id."""

    @property
    def has_listeners(self) -> bool:
        """Returns whether anybody listens to events."""
        return bool(self._listeners)

    @property
    def heard(self) -> Collection[str]:
        """Returns the jobs whose events are listened to; none: all."""
        return () if "" in self._listeners or len(self._listeners) > MOST_HEARD else tuple(self._listeners)

    @property
    def awaited(self) -> Collection[str]:
        """Returns the jobs whose ends are waited for."""
        return self._waits.keys()

    def is_heard(self, job_id: str) -> bool:
        """Returns whether anybody listens to a job's events."""
        return job_id in self._listeners or "" in self._listeners

    @contextlib.contextmanager
    def waiting(self, wait: Wait) -> Iterator[None]:
        """Has a wait told of ends while the block runs."""
        with _under(self._waits, tuple(wait.open), wait):
            yield

    @contextlib.contextmanager
    def listening(self, listener: Listener) -> Iterator[Listener]:
        """Hands events out to a listener while the block runs."""
        self.changes += 1
        with _under(self._listeners, listener.job_ids or ("",), listener):
            yield listener

    def end(self, job_ids: Iterable[str]) -> None:
        """Tells the waits that jobs have ended."""
        for job_id in job_ids:
            for wait in self._waits.get(job_id, ()):
                wait.end((job_id,))

    def hand_out(self, events: Sequence[JobEvent]) -> None:
        """Hands events out."""
        for event in events:
            for listener in (*self._listeners.get(event.job_id, ()), *self._listeners.get("", ())):
                listener.put(event)

    def get_further(self, job_id: str, share: float, fence: int) -> None:
        """Tells the listeners a job's progress."""
        for listener in (*self._listeners.get(job_id, ()), *self._listeners.get("", ())):
            listener.get_further(job_id, Progress(share, fence))


@contextlib.contextmanager
def _under(table: dict[str, list[T]], keys: Iterable[str], value: T) -> Iterator[None]:
    keys = tuple(keys)
    for key in keys:
        table[key].append(value)
    try:
        yield
    finally:
        for key in keys:
            table[key].remove(value)
            if not table[key]:
                del table[key]
