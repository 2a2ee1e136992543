"""Call of one engine for one picture: handed over, awaited, and ended in the book where it fails or is stopped."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from imgen.domain.engine_options import EngineChoice
from imgen.domain.errors import (
    ImgenError,
    ModelError,
    RefusedByProvider,
    RemoteEngineAway,
    RemoteEngineFailed,
    RemoteJobLost,
)
from imgen.domain.outcome import DrawnElsewhere
from imgen.domain.remote_engine import micros
from imgen.provenance.embedded_parts import has_manifest
from imgen.records.engine_calls import EngineCall
from workers.engines import Drawn, Shot
from workers.engines.remote.calls import Calls
from workers.engines.remote.hiding import without
from workers.engines.remote.opened import OpenedEngine
from workers.engines.remote.pictures import fetched, fitted
from workers.engines.remote.protocol import DirectClient, PictureRequest, Progress, QueueClient, RemoteAnswer

CANCEL_S = 5.0
"""Longest time for telling an engine of a cancellation."""
MAX_REVISED_PROMPT = 8000
"""Characters of a revised prompt that are kept."""
log = structlog.get_logger(__name__)


class WorkGoesOn(Exception):
    """Outage of an engine that has the work: no other engine is asked, the next attempt goes on with the call."""

    def __init__(self, reason: RemoteEngineAway) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(kw_only=True)
class CallUnderWay:
    """Call of one attempt, made or gone on with once. Used in the event loop alone."""

    opened: OpenedEngine
    choice: EngineChoice
    shot: Shot
    calls: Calls
    progress: Progress
    begun: Callable[[], None]
    """Tells that the engine is being asked, after all waiting for its turn."""
    bind: Callable[[], None]
    """Tells that a call is begun that no other worker could go on with."""
    answered: Callable[[], None]
    """Tells that the engine has given its answer, and may be asked for the next picture."""
    is_left: Callable[[], bool]
    """Returns whether a stopped job may be gone on with by another worker."""

    async def begin(self) -> Drawn:
        """Books a call, makes it and waits for its picture.

        Raises:
            SpendingCapReached: nothing was asked.
            WorkGoesOn: the engine does not answer, and has the work.
            ImgenError: see `RemoteDrawing.draw`.
        """
        price = self.opened.remote.price if self.choice.price is None else self.choice.price
        call = await self._booked(micros(price))
        self.begun()
        return await self._ended(call, is_new=True)

    async def _booked(self, price_micros: int) -> EngineCall:
        """Books a call; where the job is stopped amid that, nothing is asked, and the price is given back."""
        task = asyncio.ensure_future(self.calls.open(self.opened.remote, price_micros))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await _ended_by_itself(task)
            with contextlib.suppress(ImgenError):
                await self.calls.end(task.result(), is_paid=False)
            raise

    async def go_on(self, call: EngineCall) -> Drawn | None:
        """Goes on with an open call of an earlier attempt. None: the engine has lost the work, and a new call has to be made.

        Raises:
            WorkGoesOn, ImgenError: see `begin`.
        """
        self.begun()
        try:
            return await self._ended(call, is_new=False)
        except RemoteJobLost as exc:
            log.warning("an engine has lost its work", call=call.id, engine=call.engine, reason=str(exc))
            return None

    async def _ended(self, call: EngineCall, *, is_new: bool) -> Drawn:
        """Awaits the picture; ends the call where it came to nothing."""
        remote, client = self.opened.remote, self.opened.client
        work = _Work(call)
        try:
            async with asyncio.timeout(remote.timeout_s):
                drawn = await self._discreet(work, is_new=is_new)
        except TimeoutError as exc:
            is_paid = not await self._cancelled(work)
            error = RemoteEngineFailed(f"Engine {remote.key} gave no picture within {remote.timeout_s:g} s")
            self.opened.failed(error)
            await self.calls.end(call, is_paid=is_paid)
            raise error from exc
        except asyncio.CancelledError:
            await self._stopped(work)
            raise
        except RemoteEngineAway as exc:
            self.opened.is_away(exc)
            if work.is_handed_over:
                raise WorkGoesOn(exc) from exc
            await self.calls.end(call, is_paid=False)
            raise
        except (RefusedByProvider, ModelError) as exc:
            self.opened.succeeded()  # it answers
            await self.calls.end(call, is_paid=isinstance(client, QueueClient) and work.is_handed_over)
            if isinstance(exc, RefusedByProvider):
                raise RefusedByProvider(f"engine {remote.key}: {exc}") from exc
            raise
        except RemoteEngineFailed as exc:
            self.opened.failed(exc)
            await self._failed(work)
            raise
        except RemoteJobLost:
            await self.calls.end(call, is_paid=True)
            raise
        self.opened.succeeded()
        return drawn

    async def _discreet(self, work: "_Work", *, is_new: bool) -> Drawn:
        """Awaits the picture; errors do not repeat the prompt, whatever a client took out of an answer."""
        request = self._request(work)
        try:
            return await self._picture(request, work, is_new=is_new)
        except ImgenError as exc:
            exc.args = (without(str(exc), request.hidden),)
            raise

    def _request(self, work: "_Work") -> PictureRequest:
        return PictureRequest(call_id=work.call.id, choice=self.choice, shot=self.shot)

    async def _picture(self, request: PictureRequest, work: "_Work", *, is_new: bool) -> Drawn:
        client = self.opened.client
        if isinstance(client, QueueClient):
            answer = await self._queued(client, request, work, is_new=is_new)
        elif isinstance(client, DirectClient):
            self.bind()
            work.is_called = True
            answer = await client.draw(request, self.progress)
        else:
            raise TypeError(f"{type(client).__name__} is neither a direct client nor a queue's")
        self.answered()
        file = answer.file
        if isinstance(file, str):
            file = await fetched(file, self.opened.remote)
        return await asyncio.get_running_loop().run_in_executor(None, self._drawn, file, answer)

    async def _queued(
        self, client: QueueClient, request: PictureRequest, work: "_Work", *, is_new: bool
    ) -> RemoteAnswer:
        work.is_handed_over = not is_new
        if is_new:
            await self._hand_over(client, request, work)
        try:
            return await client.wait(work.engine_job_id, request, self.progress)
        except RemoteJobLost:
            if is_new or not client.takes_our_id:
                raise
        # The attempt before may have ended between the note and the request
        work.is_handed_over = False
        await self._hand_over(client, request, work)
        return await client.wait(work.engine_job_id, request, self.progress)

    async def _hand_over(self, client: QueueClient, request: PictureRequest, work: "_Work") -> None:
        """Submits the work, with its id in the row before anybody waits for it. Once begun it is not broken off by a stop."""

        async def submitted() -> None:
            if client.takes_our_id:
                await self.calls.note(work.call, work.call.id)
                work.engine_job_id = work.call.id
                await client.submit(request)
            else:
                work.engine_job_id = await client.submit(request)
                await self.calls.note(work.call, work.engine_job_id)
            work.is_handed_over = True
            self.opened.took_work()

        task = asyncio.ensure_future(submitted())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await _ended_by_itself(task)
            try:
                task.result()
            except RemoteEngineAway:
                work.engine_job_id = ""  # it certainly has nothing of ours
            except ImgenError:
                pass
            raise

    def _drawn(self, file: bytes, answer: RemoteAnswer) -> Drawn:
        """Makes the picture of an answer's file; takes some 20 ms of CPU."""
        made, taken = fitted(file, self.shot, self.opened.remote), self.choice.takes
        return Drawn(
            pixels=made.pixels,
            idle=tuple(name for name in ("negative", "guidance", "seed", "steps") if name not in taken),
            elsewhere=DrawnElsewhere(
                engine=self.choice.engine,
                model=self.choice.model,
                width=made.drawn_size[0],
                height=made.drawn_size[1],
                revised_prompt=answer.revised_prompt[:MAX_REVISED_PROMPT],
                seed=answer.seed,
            ),
            file=file if has_manifest(file) else b"",  # nothing else of it is wanted any more
            png=made.png,
        )

    def _may_be_found(self, work: "_Work") -> bool:
        """Returns whether the engine may have taken work whose answer was lost: the next attempt asks for it by our id."""
        client = self.opened.client
        return isinstance(client, QueueClient) and client.takes_our_id and not work.is_handed_over

    async def _failed(self, work: "_Work") -> None:
        """Ends the call of an engine that failed, unless a next attempt may find its work. Without one that is cancelled."""
        if not self._may_be_found(work):
            await self.calls.end(work.call, is_paid=True)
        elif self.calls.is_last_attempt:
            await self.calls.end(work.call, is_paid=not await self._cancelled(work))

    async def _stopped(self, work: "_Work") -> None:
        """Ends the call of a stopped job; where another worker may go on with the engine's work, it stays open."""
        is_queued = isinstance(self.opened.client, QueueClient)
        if is_queued and work.is_handed_over and self.is_left() and await self.calls.is_wanted():
            return
        is_unpaid = await self._cancelled(work) if work.engine_job_id else not work.is_called
        await self.calls.end(work.call, is_paid=not is_unpaid)

    async def _cancelled(self, work: "_Work") -> bool:
        """Cancels the work at its engine, as far as that has such a thing. Returns whether it certainly had not begun.

        Work is cancelled also where its acceptance got lost: the engine may have it, and where the id is ours it can be named.
        """
        client = self.opened.client
        if not isinstance(client, QueueClient) or not work.engine_job_id:
            return False
        try:
            async with asyncio.timeout(CANCEL_S):
                return await client.cancel(work.engine_job_id)
        except (ImgenError, TimeoutError) as exc:
            reason = without(str(exc), self._request(work).hidden)
            log.warning("an engine was not told of a cancellation", call=work.call.id, reason=reason)
            return False


async def _ended_by_itself(task: asyncio.Future[Any]) -> None:
    """Waits until a task has ended, also where whoever waits is cancelled once more, such as by a time limit."""
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})


class _Work:
    """Work of a call, as far as it has got."""

    def __init__(self, call: EngineCall) -> None:
        self.call = call
        self.engine_job_id = call.engine_job_id
        """The engine's id of it, also of work that it was just asked to take; empty: it has none."""
        self.is_handed_over = False
        """Whether the engine has it, by an id that the row knows."""
        self.is_called = False
        """Whether an engine without ids is asked."""
