"""Calls of one job at remote engines: booked in SQL before they are made, so that no attempt pays for another one's work."""

import asyncio
import uuid
from typing import Protocol

import structlog

from imgen.domain.errors import Retryable
from imgen.domain.job import OPEN as OPEN_STATES
from imgen.domain.job import Job
from imgen.domain.remote_engine import RemoteEngine
from imgen.records import engine_calls, jobs
from imgen.records.database import Database
from imgen.records.engine_calls import OPEN, EngineCall
from workers.persistence import persist

log = structlog.get_logger(__name__)


class Calls(Protocol):
    """Book of the calls for one picture. Awaited in the event loop of the clients."""

    @property
    def is_last_attempt(self) -> bool:
        """Whether nobody goes on with a call that this attempt leaves open, should the attempt fail."""

    async def find_open(self) -> EngineCall | None:
        """Finds the call that an earlier attempt left open."""

    async def open(self, engine: RemoteEngine, price_micros: int) -> EngineCall:
        """Books a call that is about to be made.

        Raises:
            LeaseLost: the job is another worker's.
            SpendingCapReached: the price would bring the engine over its cap.
        """

    async def note(self, call: EngineCall, engine_job_id: str) -> None:
        """Notes the engine's own id of the work."""

    async def end(self, call: EngineCall, *, is_paid: bool) -> None:
        """Ends a call; one that cost nothing gives its price back."""

    async def is_wanted(self) -> bool:
        """Returns whether the job is still open, so that another attempt may go on with its call."""


class JobCalls:
    """Calls of a claimed job."""

    def __init__(self, database: Database, job: Job, *, max_attempts: int) -> None:
        """Takes the job as it was claimed, and the number of attempts after which it fails."""
        self._database = database
        self._job = job
        self._max_attempts = max_attempts

    @property
    def is_last_attempt(self) -> bool:
        """See `Calls.is_last_attempt`."""
        return self._job.attempts >= self._max_attempts

    async def find_open(self) -> EngineCall | None:
        """See `Calls.find_open`."""
        return await self._database.reading(engine_calls.find_open, self._job.id)

    async def open(self, engine: RemoteEngine, price_micros: int) -> EngineCall:
        """See `Calls.open`."""
        return await self._database.writing(engine_calls.open_call, self._job, engine=engine, price_micros=price_micros)

    async def note(self, call: EngineCall, engine_job_id: str) -> None:
        """See `Calls.note`. Outlasts an outage of the database: work whose id is lost is paid twice."""
        try:
            await self._database.writing(engine_calls.note_engine_job, call.id, engine_job_id)
        except Retryable:
            await asyncio.to_thread(persist, self._database, engine_calls.note_engine_job, call.id, engine_job_id)

    async def end(self, call: EngineCall, *, is_paid: bool) -> None:
        """See `Calls.end`. While the database is away the call stays open: the sweeper or the next attempt ends it."""
        try:
            await self._database.writing(engine_calls.end_call, call.id, is_paid=is_paid)
        except Retryable as exc:
            log.warning("the end of an engine's call is not booked", call=call.id, reason=str(exc))

    async def is_wanted(self) -> bool:
        """See `Calls.is_wanted`."""
        job = await self._database.reading(jobs.find, self._job.id)
        return job is not None and job.state in OPEN_STATES


class TrialCalls:
    """Calls for a trial picture, which is no job's: nothing is booked."""

    is_last_attempt = True

    async def find_open(self) -> EngineCall | None:
        """Finds none."""
        return None

    async def open(self, engine: RemoteEngine, price_micros: int) -> EngineCall:
        """Makes up a call."""
        return EngineCall(
            id=str(uuid.uuid4()),
            job_id="",
            tenant_id="",
            engine=engine.key,
            model="",
            engine_job_id="",
            price_micros=price_micros,
            state=OPEN,
            day="",
            opened_at=0,
        )

    async def note(self, call: EngineCall, engine_job_id: str) -> None:
        """Notes nothing."""

    async def end(self, call: EngineCall, *, is_paid: bool) -> None:
        """Books nothing."""

    async def is_wanted(self) -> bool:
        """Returns False: nobody goes on with a trial."""
        return False
