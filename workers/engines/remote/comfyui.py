"""Client of the kind `comfyui`: ComfyUI's own API. Work has our id, so it is found again after any interruption.

Source of the routes: ComfyUI, server.py and comfy_execution/jobs.py. Servers from before `/api/jobs` are asked by `/queue`
and `/history`.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from numpy import uint8
from numpy.typing import NDArray
from pydantic import SecretStr

from imgen.domain.engine_options import EngineChoice
from imgen.domain.errors import ImgenError, ModelError, RemoteEngineFailed, RemoteJobLost
from imgen.domain.remote_engine import RemoteEngine
from workers.engines.remote.comfyui_answers import (
    EngineJob,
    Failure,
    HistoryEntry,
    Queue,
    Queued,
    Refusal,
    SystemStats,
    Unknown,
    Upload,
)
from workers.engines.remote.comfyui_events import CallEvents
from workers.engines.remote.comfyui_request import request_pictures, request_values
from workers.engines.remote.http import AWAY, MAX_PICTURE_BYTES, EngineHttp, HttpAnswer
from workers.engines.remote.outages import OUTAGE_S, answer_after_outages, error_of_work
from workers.engines.remote.pictures import png
from workers.engines.remote.protocol import PictureRequest, Progress, QueueClient, RemoteAnswer
from workers.engines.remote.workflow import check_workflow, filled, read_workflow, samplers

LOOK_S = 1.0
"""Seconds between two looks at the work; its end is told by the socket as well."""
MAX_JSON_BYTES = 2**24
"""Bytes of an answer without a picture: the queue's repeats all workflows that wait."""
_NO_ROUTE = (404, 405)
_SERVER_ERROR = 500


class ComfyUI(QueueClient):
    """Client of one server."""

    takes_our_id = True

    def __init__(
        self, remote: RemoteEngine, key: SecretStr, folders: Sequence[Path] = (), *, outage_s: float = OUTAGE_S
    ) -> None:
        """Opens a client; see `RemoteClient`. ComfyUI itself has no keys: one is for the proxy before it."""
        secret = key.get_secret_value()
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = EngineHttp(remote, headers=self._headers, secrets=(secret,))
        self._remote = remote
        self._folders = tuple(folders)
        self._outage_s = outage_s
        self._short = httpx2.Timeout(outage_s, connect=remote.connect_timeout_s, pool=None)

    @classmethod
    def check_choice(cls, choice: EngineChoice, folders: Sequence[Path]) -> None:
        """Compares the entry with its workflow. See `RemoteClient.check_choice`."""
        check_workflow(choice, folders)

    async def probe(self, models: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002 - it names none
        """Asks for the server's version; models are named by workflows, so it lists none. See `RemoteClient.probe`."""
        answer = await self._http.send("GET", "system_stats", max_bytes=MAX_JSON_BYTES)
        if not answer.is_ok:
            raise self._http.error(answer)
        self._http.parsed(answer, SystemStats)
        return ()

    async def submit(self, request: PictureRequest) -> str:
        """Uploads the inputs and queues the workflow. See `QueueClient.submit`."""
        values = request_values(request)
        for name, pixels in request_pictures(request).items():
            values[name] = await self._uploaded(request, name, pixels)
        body = {
            "prompt": msgspec.to_builtins(filled(read_workflow(request.choice, self._folders), request.choice, values)),
            "prompt_id": request.call_id,
            "client_id": request.call_id,
            "extra_data": {"preview_method": "latent2rgb"},
        }
        try:
            answer = await self._http.send("POST", "prompt", is_call=True, max_bytes=MAX_JSON_BYTES, json=body)
        except RemoteEngineFailed as exc:
            return await self._taken_after_all(request, exc)
        if answer.is_ok:
            return await self._taken(answer, request)
        if answer.status >= _SERVER_ERROR and answer.status not in AWAY:
            return await self._taken_after_all(request, self._http.error(answer, request.hidden))
        raise self._refusal(answer, request)

    async def wait(self, engine_job_id: str, request: PictureRequest, progress: Progress) -> RemoteAnswer:
        """Waits for the end that the socket tells, or that a look finds. See `QueueClient.wait`."""
        events = CallEvents(engine_job_id, samplers(read_workflow(request.choice, self._folders)), progress)
        listener = asyncio.create_task(events.listen(self._socket_url(engine_job_id), self._headers))
        try:
            while True:
                events.calls_for_look.clear()
                job = await self._look_up(engine_job_id)
                if job is None:
                    raise RemoteJobLost(f"{self._where} does not know work {engine_job_id}")
                if not job.is_open:
                    return await self._picture(job, request)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(events.calls_for_look.wait(), LOOK_S)
        finally:
            listener.cancel()
            await asyncio.wait([listener])

    async def cancel(self, engine_job_id: str) -> bool:
        """Takes the work out of the queue, or stops it. See `QueueClient.cancel`."""
        before = await self._look_up(engine_job_id)
        if before is None or not before.is_open:
            return False
        answer = await self._http.send("POST", f"api/jobs/{engine_job_id}/cancel", max_bytes=MAX_JSON_BYTES)
        if answer.status in _NO_ROUTE:
            await self._cancel_in_queue(engine_job_id)
        elif not answer.is_ok:
            raise error_of_work(self._http, answer)
        # Work that ever ran stays in the history, work that waited leaves nothing
        return before.status == "pending" and await self._look_up(engine_job_id) is None

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    async def _uploaded(self, request: PictureRequest, name: str, pixels: NDArray[uint8]) -> str:
        """Uploads a picture into the folder that ComfyUI empties when it starts. Returns the value of a loader's input."""
        file = await asyncio.to_thread(png, pixels)
        answer = await self._http.send(
            "POST",
            "upload/image",
            max_bytes=MAX_JSON_BYTES,
            files={"image": (f"imgen-{request.call_id}-{name}.png", file, "image/png")},
            data={"type": "temp", "overwrite": "true"},
        )
        if not answer.is_ok:
            raise self._http.error(answer, request.hidden)
        return self._http.parsed(answer, Upload).value

    async def _taken(self, answer: HttpAnswer, request: PictureRequest) -> str:
        """Returns the id of work that the server has queued."""
        try:
            taken_id = self._http.parsed(answer, Queued).prompt_id
        except RemoteEngineFailed as exc:
            return await self._taken_after_all(request, exc)
        if taken_id != request.call_id:
            with contextlib.suppress(ImgenError):
                await self.cancel(taken_id)
            raise ModelError(f"{self._where} gives work an id of its own; it is too old for this service")
        return taken_id

    async def _taken_after_all(self, request: PictureRequest, error: ImgenError) -> str:
        """Returns the id of work whose acceptance got lost on the way; raises the error if the server has none of it."""
        job = None
        with contextlib.suppress(ImgenError):
            job = await self._look_up(request.call_id)
        if job is None:
            raise error
        return request.call_id

    def _refusal(self, answer: HttpAnswer, request: PictureRequest) -> ImgenError:
        """Returns the error of a workflow that the server did not queue."""
        try:
            words = self._http.parsed(answer, Refusal).words
        except RemoteEngineFailed:
            return self._http.error(answer, request.hidden)
        shown = self._http.shown(words, request.hidden)
        return ModelError(f"{self._where} refuses workflow {request.choice.workflow}: {shown}")

    async def _look_up(self, engine_job_id: str) -> EngineJob | None:
        """Returns the work as the server has it; None: it knows none of this id."""
        answer = await self._patient(f"api/jobs/{engine_job_id}")
        if answer.is_ok:
            return self._http.parsed(answer, EngineJob)
        if answer.status not in _NO_ROUTE:
            raise error_of_work(self._http, answer)
        try:
            self._http.parsed(answer, Unknown)
        except RemoteEngineFailed:
            return await self._look_up_in_queue(engine_job_id)
        return None

    async def _look_up_in_queue(self, engine_job_id: str) -> EngineJob | None:
        """Returns the work as a server without jobs has it. It only moves from the queue into the history, so that comes last."""
        queue = await self._patient("queue")
        history = await self._patient(f"history/{engine_job_id}")
        for answer in (queue, history):
            if not answer.is_ok:
                raise error_of_work(self._http, answer)
        ended = self._http.parsed(history, dict[str, HistoryEntry]).get(engine_job_id)
        return self._http.parsed(queue, Queue).job(engine_job_id) if ended is None else ended.job

    async def _cancel_in_queue(self, engine_job_id: str) -> None:
        """Cancels at a server without jobs. Only running work is interrupted: older servers stop whatever runs."""
        await self._posted("queue", {"delete": [engine_job_id]})
        job = await self._look_up_in_queue(engine_job_id)
        if job is not None and job.status == "in_progress":
            await self._posted("interrupt", {"prompt_id": engine_job_id})

    async def _posted(self, path: str, body: dict[str, Any]) -> None:
        answer = await self._http.send("POST", path, max_bytes=MAX_JSON_BYTES, json=body)
        if not answer.is_ok:
            raise error_of_work(self._http, answer)

    async def _picture(self, job: EngineJob, request: PictureRequest) -> RemoteAnswer:
        """Fetches the picture of work that has ended."""
        if job.status == "cancelled":
            raise RemoteEngineFailed(f"{self._where}: the work was interrupted there")
        if job.status == "failed":
            failure = job.execution_error or Failure()
            words = self._http.shown(f"{failure.exception_type} {failure.exception_message}", request.hidden)
            raise RemoteEngineFailed(f"{self._where} failed in {failure.node_type or 'a node'}: {words}")
        if job.picture is None:
            raise RemoteEngineFailed(f"{self._where}: workflow {request.choice.workflow} made no picture")
        answer = await self._patient("view", params=msgspec.to_builtins(job.picture), max_bytes=MAX_PICTURE_BYTES)
        if not answer.is_ok:
            raise error_of_work(self._http, answer)
        return RemoteAnswer(file=answer.body)

    async def _patient(self, path: str, *, max_bytes: int = MAX_JSON_BYTES, **options: Any) -> HttpAnswer:
        """Asks until the server answers. See `answer_after_outages`."""
        return await answer_after_outages(
            self._http, path, outage_s=self._outage_s, max_bytes=max_bytes, timeout=self._short, **options
        )

    def _socket_url(self, client_id: str) -> str:
        return f"ws{self._remote.url.removeprefix('http')}/ws?clientId={client_id}"

    @property
    def _where(self) -> str:
        return f"Engine {self._remote.key}"
