"""Drawing at remote engines: the order in which a model's engines are asked, and the calls that are gone on with.

The clients of a process share one event loop in a thread; each job waits in a thread of its own, and stops its call from there.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from imgen.domain.catalog import Model
from imgen.domain.engine_options import EngineChoice, RemoteOptions
from imgen.domain.errors import (
    LeaseLost,
    ModelError,
    PictureFlagged,
    RefusedByProvider,
    RemoteEngineAway,
    SpendingCapReached,
    WorkerEnds,
)
from imgen.domain.remote_engine import EngineState, RemoteEngine
from imgen.records.engine_calls import EngineCall
from workers.engines import Drawn, DrawPreview, OnStep, Shot, draw_no_preview
from workers.engines.remote.call import CallUnderWay, WorkGoesOn
from workers.engines.remote.calls import Calls
from workers.engines.remote.opened import OpenedEngine
from workers.engines.remote.pictures import preview_pixels
from workers.engines.remote.protocol import QueueClient, RemoteClient

WATCH_S = 0.5
"""Seconds between two looks at whether a job is still wanted."""
STOP_S = 10.0
"""Longest time for which a stopped job waits until its engine has been told."""
DECODERS = 2
"""Answers that are decoded at a time: each takes memory for some copies of its picture."""
PARTS = 1000
"""Parts that progress is told in."""

T = TypeVar("T")
OpenClient = Callable[[RemoteEngine], RemoteClient]
log = structlog.get_logger(__name__)


@dataclass
class _Watch:
    """Progress of one picture, and the wish to stop it; written by one thread and read by another."""

    done: float = 0.0
    preview: bytes = b""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    is_begun: bool = False
    """Whether an engine is being asked."""
    is_left: bool = False
    """Whether the stopped job may be gone on with by another worker."""
    is_bound: bool = False
    """Whether a call is under way that no other worker could go on with."""

    def progress(self, done: float, preview: bytes) -> None:
        self.done = max(self.done, min(done, 1.0))
        self.preview = preview or self.preview

    def begun(self) -> None:
        self.is_begun = True

    def bind(self) -> None:
        if self.stop.is_set():
            raise asyncio.CancelledError
        self.is_bound = True

    @property
    def draw_preview(self) -> DrawPreview:
        return (lambda _number=0: preview_pixels(self.preview)) if self.preview else draw_no_preview


class RemoteDrawing:
    """Drawing at all remote engines of one worker process."""

    def __init__(self, engines: Mapping[str, RemoteEngine], open_client: OpenClient) -> None:
        """Takes the engines of engines.toml by key, and the function that opens an engine's client (see `engine.open_client`)."""
        self._engines = dict(engines)
        self._open_client = open_client
        self._opened: dict[str, OpenedEngine] = {}
        self._is_leaving = False
        self._is_breaking_off = False
        self._is_closing = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(DECODERS, thread_name_prefix="remote pictures"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote engines", daemon=True)
        self._thread.start()

    def draw(
        self, model: Model, shot: Shot, calls: Calls, on_step: OnStep, on_begin: Callable[[], None] = lambda: None
    ) -> Drawn | PictureFlagged:
        """Has one picture drawn by the first of the model's engines that can; called in the job's own thread.

        Args:
            model: has `RemoteOptions`.
            shot: the picture.
            calls: book of the job's calls. On success the call is left open: whoever stores the picture ends it.
            on_step: called several times a second; its error stops the call, at the engine too.
            on_begin: called once, soon after an engine is asked: until then the picture waits for its turn. Its error stops all.

        Raises:
            RemoteEngineAway: no engine takes work now.
            ModelError: none of them can draw this.
            RemoteEngineFailed: one took the work and gave no picture.
            WorkerEnds: see `leave`.
            ImgenError: raised by `on_step`.
        """
        watch = _Watch()
        future = self._submit(self._stoppable(self._drawn(model, shot, calls, watch), watch))
        begin = [on_begin]
        try:
            while not concurrent.futures.wait([future], timeout=WATCH_S).done:
                if watch.is_begun and begin:
                    begin.pop()()
                on_step(int(watch.done * (PARTS - 1)), PARTS, watch.draw_preview)
                if self._is_leaving:
                    self._loop.call_soon_threadsafe(self._leave, watch)
        except BaseException as exc:
            watch.is_left = isinstance(exc, LeaseLost)
            self._loop.call_soon_threadsafe(watch.stop.set)
            concurrent.futures.wait([future], timeout=STOP_S)
            raise
        try:
            drawn = future.result()
        except RefusedByProvider as refusal:
            return refusal
        except concurrent.futures.CancelledError:
            raise WorkerEnds from None
        on_step(PARTS, PARTS, watch.draw_preview)
        return drawn

    def states(self) -> dict[str, EngineState]:
        """Returns the states of the engines that were asked so far; any thread may call it."""
        return {key: opened.state for key, opened in self._opened.copy().items()}

    def refresh(self, engines: Mapping[str, RemoteEngine]) -> None:
        """Takes the engines of a changed engines.toml; calls under way end with the entry that they began with."""
        self._submit(self._refreshed(dict(engines))).result()

    def leave(self, *, is_over: bool = False) -> None:
        """Makes `draw` raise `WorkerEnds` once another worker can go on with its picture; or at once, where time is over."""
        self._is_breaking_off = is_over
        self._is_leaving = True

    def _leave(self, watch: _Watch) -> None:
        """Stops a picture of a worker that ends; in the event loop, so that no call begins at the same moment."""
        if self._is_breaking_off or not watch.is_bound:
            watch.is_left = True
            watch.stop.set()

    def close(self) -> None:
        """Closes all connections. Calls under way are broken off; what their engines have is left to the jobs' next attempts."""
        self._is_closing = True
        self._submit(self._closed()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _stoppable(self, work: Coroutine[Any, Any, T], watch: _Watch) -> T:
        """Awaits work, or cancels it once it is to stop; then waits until it has told its engine."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(watch.stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        stop.cancel()
        return task.result()

    async def _drawn(self, model: Model, shot: Shot, calls: Calls, watch: _Watch) -> Drawn:
        options = model.engine
        if not isinstance(options, RemoteOptions):
            raise TypeError(f"{model.key} is drawn here")
        if (drawn := await self._gone_on(options, shot, calls, watch)) is not None:
            return drawn
        if not (fitting := _fitting(options, shot)):
            raise ModelError(f"models.toml: {model.key}: none of its engines draws from these inputs")
        reasons = list[tuple[int, RemoteEngineAway]]()
        for choice in fitting:
            try:
                opened = await self._engine(choice)
                async with opened.slot() as answered:
                    return await self._call(opened, choice, shot, calls, watch, answered=answered).begin()
            except WorkGoesOn as exc:
                raise exc.reason from exc
            except RemoteEngineAway as exc:
                is_missing, is_off = choice.engine not in self._engines, isinstance(exc, SpendingCapReached)
                reasons.append((2 if is_missing else 1 if is_off else 0, exc))
        # Engines that come back by themselves count first, then those that wait for the next month, then for the operator
        _, first_back = min(reasons, key=lambda one: (one[0], one[1].retry_after_s or 0))
        words = "; ".join(str(reason) for _, reason in reasons)
        raise type(first_back)(words, retry_after_s=first_back.retry_after_s)

    async def _gone_on(self, options: RemoteOptions, shot: Shot, calls: Calls, watch: _Watch) -> Drawn | None:
        """Goes on with the call that an earlier attempt left open. None: there is none, or it has come to nothing."""
        call = await calls.find_open()
        if call is None:
            return None
        choice = next((one for one in _fitting(options, shot) if one.engine == call.engine), None)
        if choice is None or choice.engine not in self._engines:
            await calls.end(call, is_paid=True)
            return None
        try:
            opened = await self._engine(choice)
        except RemoteEngineAway as exc:
            await _give_up(call, calls, self._engines[choice.engine], exc)
            return None
        if not call.engine_job_id:  # where the id is ours, it is noted before the engine is asked
            is_unasked = isinstance(opened.client, QueueClient) and opened.client.takes_our_id
            await calls.end(call, is_paid=not is_unasked)
            return None
        try:
            async with opened.slot(is_new=False) as answered:
                return await self._call(opened, choice, shot, calls, watch, answered=answered).go_on(call)
        except WorkGoesOn as exc:
            await _give_up(call, calls, opened.remote, exc.reason)
        except RemoteEngineAway as exc:
            await _give_up(call, calls, opened.remote, exc)
        return None

    def _call(
        self,
        opened: OpenedEngine,
        choice: EngineChoice,
        shot: Shot,
        calls: Calls,
        watch: _Watch,
        *,
        answered: Callable[[], None],
    ) -> CallUnderWay:
        return CallUnderWay(
            opened=opened,
            choice=choice,
            shot=shot,
            calls=calls,
            progress=watch.progress,
            begun=watch.begun,
            bind=watch.bind,
            answered=answered,
            is_left=lambda: watch.is_left or self._is_closing,
        )

    async def _engine(self, choice: EngineChoice) -> OpenedEngine:
        """Returns an engine, opened at its first use.

        Raises:
            RemoteEngineAway: engines.toml has none of this name, or its key is not set.
        """
        if (opened := self._opened.get(choice.engine)) is not None:
            return opened
        remote = self._engines.get(choice.engine)
        if remote is None:
            raise RemoteEngineAway(f"engines.toml has no engine {choice.engine}")
        opened = self._opened[choice.engine] = OpenedEngine(remote, self._open_client(remote))
        return opened

    async def _refreshed(self, engines: dict[str, RemoteEngine]) -> None:
        self._engines = engines
        for key, opened in list(self._opened.items()):
            if engines.get(key) != opened.remote:
                del self._opened[key]
                await opened.retire()

    async def _closed(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        for opened in self._opened.values():
            with contextlib.suppress(RuntimeError):
                await opened.client.close()
        await self._loop.shutdown_default_executor()


async def _give_up(call: EngineCall, calls: Calls, remote: RemoteEngine, reason: RemoteEngineAway) -> None:
    """Ends the call of work whose engine has been away for longer than a picture may take; raises the reason until then."""
    if time.time() - call.opened_at < remote.timeout_s:
        raise reason
    log.warning("an engine is away for too long, its work is given up", call=call.id, engine=call.engine)
    await calls.end(call, is_paid=True)


def _fitting(options: RemoteOptions, shot: Shot) -> list[EngineChoice]:
    """Returns the entries that can draw a shot. A model may name one engine twice, with a workflow for each kind of input."""
    has_source, has_mask, has_lora = shot.source is not None, shot.mask is not None, bool(shot.diffusion.lora)
    return [one for one in options.engines if one.draws(source=has_source, mask=has_mask, lora=has_lora)]
