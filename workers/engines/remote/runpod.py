"""Client of the kind `runpod`: queue-based endpoints of RunPod Serverless, with worker-comfyui or any handler that draws.

Source of the routes: docs.runpod.io, Serverless, Operation reference. The id of work begins with its endpoint, which the model's
entry names, and may name differently by the time that the work is looked for.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import httpx2
from pydantic import SecretStr

from imgen.domain.engine_options import EngineChoice
from imgen.domain.errors import ImgenError, ModelError, RefusedByProvider, RemoteEngineFailed, RemoteJobLost
from imgen.domain.remote_engine import RemoteEngine
from workers.engines.remote.http import EngineHttp
from workers.engines.remote.outages import OUTAGE_S, answer_after_outages, error_of_work
from workers.engines.remote.pictures import from_base64
from workers.engines.remote.protocol import PictureRequest, Progress, QueueClient, RemoteAnswer
from workers.engines.remote.runpod_answers import (
    Accepted,
    EngineJob,
    Health,
    done_share,
    is_forbidden,
    is_malformed,
    picture_text,
    told_seed,
)
from workers.engines.remote.runpod_request import run_body
from workers.engines.remote.workflow import check_workflow, contradictions

FIRST_PAUSE_S, LONGEST_PAUSE_S, PAUSE_GROWTH = 0.25, 2.0, 1.5
"""Seconds between two looks at work: an endpoint answers 200 a second, and a cold one takes minutes."""
MAX_JSON_BYTES = 2**20
"""Bytes of an answer without a picture."""
MAX_STATUS_BYTES = 2**25
"""Bytes of an answer with a picture: RunPod takes results of 20 MB at most from a worker (runpod, rp_tips.py)."""
NO_ENDPOINT = "imgen"
"""Endpoint id that is asked for where no entry names one: a refused key is told before an unknown endpoint."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")
_NOT_FOUND = 404


class RunPod(QueueClient):
    """Client of one account."""

    def __init__(
        self, remote: RemoteEngine, key: SecretStr, folders: Sequence[Path] = (), *, outage_s: float = OUTAGE_S
    ) -> None:
        """Opens a client; see `RemoteClient`."""
        secret = key.get_secret_value()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = EngineHttp(remote, headers=headers, secrets=(secret,))
        self._remote = remote
        self._folders = tuple(folders)
        self._outage_s = outage_s
        self._short = httpx2.Timeout(outage_s, connect=remote.connect_timeout_s, pool=None)

    @classmethod
    def check_choice(cls, choice: EngineChoice, folders: Sequence[Path]) -> None:
        """Checks the endpoint's id, and the entry against its workflow. See `RemoteClient.check_choice`."""
        if not _ID.fullmatch(choice.model):
            raise ModelError(f"engine {choice.engine}: model is {choice.model!r}; write the id of a RunPod endpoint")
        if choice.workflow:
            check_workflow(choice, folders)
        for problem in contradictions(choice):
            raise ModelError(f"engine {choice.engine}: {problem}")

    async def probe(self, models: Sequence[str] = ()) -> tuple[str, ...]:
        """Asks each endpoint for its health. See `RemoteClient.probe`."""
        for endpoint in models or (NO_ENDPOINT,):
            answer = await self._http.send("GET", f"{endpoint}/health", max_bytes=MAX_JSON_BYTES)
            if answer.status == _NOT_FOUND:
                if not models:
                    break
                raise RemoteEngineFailed(f"{self._where} has no endpoint {endpoint}")
            if not answer.is_ok:
                raise self._http.error(answer)
            self._http.parsed(answer, Health)
        return tuple(models)

    async def submit(self, request: PictureRequest) -> str:
        """Queues the work at the entry's endpoint. See `QueueClient.submit`."""
        body = await asyncio.to_thread(run_body, request, self._remote, self._folders)
        answer = await self._http.send(
            "POST",
            f"{request.choice.model}/run",
            is_call=True,
            max_bytes=MAX_JSON_BYTES,
            content=body,
            headers={"Content-Type": "application/json"},
        )
        if not answer.is_ok:
            raise self._http.error(answer, request.hidden)
        accepted = self._http.parsed(answer, Accepted)
        if not _ID.fullmatch(accepted.id):
            raise RemoteEngineFailed(f"{self._where} gave the work an id that is none")
        return f"{request.choice.model}/{accepted.id}"

    async def wait(self, engine_job_id: str, request: PictureRequest, progress: Progress) -> RemoteAnswer:
        """Looks at the work until it has ended. See `QueueClient.wait`."""
        pause_s = FIRST_PAUSE_S
        while True:
            job = await self._look_up(engine_job_id)
            if job is None:
                raise RemoteJobLost(f"{self._where} does not know work {engine_job_id}")
            if not job.is_open:
                return await asyncio.to_thread(self._picture, job, request)
            if (share := done_share(job.output)) is not None:
                progress(share, b"")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * PAUSE_GROWTH, LONGEST_PAUSE_S)

    async def cancel(self, engine_job_id: str) -> bool:
        """Takes the work out of the queue, or stops it. See `QueueClient.cancel`."""
        before = await self._look_up(engine_job_id)
        if before is None or not before.is_open:
            return False
        answer = await self._http.send(
            "POST", _path("cancel", engine_job_id), max_bytes=MAX_JSON_BYTES, timeout=self._short
        )
        if not answer.is_ok:
            raise error_of_work(self._http, answer)
        if before.has_begun:
            return False
        after = await self._look_up(engine_job_id)  # a worker may have taken it meanwhile
        return after is not None and after.status == "CANCELLED" and not after.has_begun

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    async def _look_up(self, engine_job_id: str) -> EngineJob | None:
        """Returns the work as RunPod has it; None: it knows none of this id, or no more."""
        answer = await answer_after_outages(
            self._http,
            _path("status", engine_job_id),
            outage_s=self._outage_s,
            max_bytes=MAX_STATUS_BYTES,
            timeout=self._short,
        )
        if answer.status == _NOT_FOUND:
            return None
        if not answer.is_ok:
            raise error_of_work(self._http, answer)
        return self._http.parsed(answer, EngineJob)

    def _picture(self, job: EngineJob, request: PictureRequest) -> RemoteAnswer:
        """Returns the picture of work that has ended."""
        if job.status == "CANCELLED":
            raise RemoteEngineFailed(f"{self._where}: the work was cancelled there")
        if job.status == "TIMED_OUT":
            raise RemoteEngineFailed(f"{self._where}: the work took longer than {self._remote.timeout_s:g} s there")
        text = picture_text(job.output) if job.status == "COMPLETED" else ""
        if not text:
            raise self._failure(self._http.shown(job.reason, request.hidden))
        if text.startswith(("https://", "http://")):
            return RemoteAnswer(file=text, seed=told_seed(job.output))
        try:
            return RemoteAnswer(file=from_base64(text), seed=told_seed(job.output))
        except ValueError as exc:
            raise RemoteEngineFailed(f"{self._where} answered in another form: {exc}") from exc

    def _failure(self, reason: str) -> ImgenError:
        """Returns the error of a handler that gave no picture."""
        if is_malformed(reason):
            return ModelError(f"{self._where} refuses the request: {reason}")
        if is_forbidden(reason):
            return RefusedByProvider(reason)
        return RemoteEngineFailed(f"{self._where} gave no picture: {reason or 'no reason was told'}")

    @property
    def _where(self) -> str:
        return f"Engine {self._remote.key}"


def _path(operation: str, engine_job_id: str) -> str:
    endpoint, _, job_id = engine_job_id.partition("/")
    return f"{endpoint}/{operation}/{job_id}"
