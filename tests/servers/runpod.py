"""RunPod Serverless on 127.0.0.1: two endpoints with a queue and a worker each, `comfy` with worker-comfyui, `plain` with fields by name.

Routes and answers are those of docs.runpod.io, the handlers those of runpod-workers, wrapped as the package `runpod` wraps them.
"""

import base64
import io
import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from servers.comfyui_models import EDIT, TEXT
from servers.comfyui_nodes import RED, NodeFailed, Run, validate
from servers.faulty_http import Behaviour, Exchange, FaultyServer, answer, start_faulty_http

JSON = {"Content-Type": "application/json"}
KEY = "rpa_0123456789abcdef"
PLAIN = {
    "engine": "elsewhere",
    "model": "plain",
    "takes": ["seed", "steps", "guidance", "negative", "strength", "lora"],
    "edits": "mask",
}
"""Entries of a model for the endpoints; the workflows are those that ship."""
WORKFLOW = TEXT | {"model": "comfy"}
EDITED = EDIT | {"model": "comfy"}
MAX_BODY_BYTES = 10_000_000
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
SCHEMA = {
    "prompt": str,
    "negative_prompt": str,
    "width": int,
    "height": int,
    "seed": int,
    "num_inference_steps": int,
    "guidance_scale": float,
    "guidance": float,
    "strength": float,
    "lora": str,
    "lora_scale": float,
    "image": str,
    "init": str,
    "mask": str,
    "scheduler": str,
}
Output = Callable[[str], Any]
"""Form of an output: takes the picture's base64."""


class Stopped(Exception):
    """The work was cancelled while a worker had it."""


@dataclass
class Work:
    endpoint: str
    body: dict[str, Any]
    id: str = field(default_factory=lambda: f"{uuid.uuid4()}-u1")
    status: str = "IN_QUEUE"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> dict[str, Any]:
        return {"id": self.id, "status": self.status} | self.facts


class RunPod:
    """State of the service. Gates are open unless a test closes them: `workers` of work in the queue, `steps` of work under way."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.arrived = threading.Condition(self.lock)
        self.workers = threading.Event()
        self.steps = threading.Event()
        self.is_closing = False
        self.reset()

    def reset(self) -> None:
        """Makes it a new service for the next test."""
        with self.lock:
            self.works: dict[str, Work] = {}
            self.begun: list[dict[str, Any]] = []
            """Inputs of each work that a worker took, which is paid."""
            self.drawn: list[dict[str, Any]] = []
            """Parameters of each run of a workflow."""
            self.asked: list[str] = []
            self.policies: list[dict[str, Any]] = []
            self.faults: defaultdict[str, list[Behaviour]] = defaultdict(list)
            """Behaviours for the next requests of a method and path, such as `POST /plain/run`; * after them: all that begin so."""
            self.output: Output = lambda text: {"image_url": f"data:image/png;base64,{text}", "seed": 11}
            self.told: Any = "Step 1/4"
            """Progress that the handler tells at its first step."""
        self.workers.set()
        self.steps.set()

    # ------ work

    def work(self, endpoint: str) -> None:
        """Takes work of an endpoint, one after another, until the service closes."""
        while not self.is_closing:
            with self.arrived:
                work = next((one for one in self._queued(endpoint) if self.workers.is_set()), None)
                if work is None:
                    self.arrived.wait(0.02)
                    continue
                work.status = "IN_PROGRESS"
                work.facts |= {"delayTime": 12, "workerId": "oqk7ao1uomckye"}
                self.begun.append(work.body["input"])
            result = self._result(work)
            with self.lock:
                if work.status == "IN_PROGRESS":
                    work.facts.pop("output", None)
                    work.facts |= result | {"executionTime": 34}
                    work.status = "FAILED" if "error" in result else "COMPLETED"

    def _queued(self, endpoint: str) -> list[Work]:
        return [one for one in self.works.values() if one.endpoint == endpoint and one.status == "IN_QUEUE"]

    def _result(self, work: Work) -> dict[str, Any]:
        """Runs a handler, as rp_job.run_job does: an `error` of its answer is the work's."""
        try:
            output = {"comfy": self._comfy, "plain": self._plain}[work.endpoint](work)
        except Stopped:
            return {}
        except Exception as exc:  # noqa: BLE001 - so does the package
            told = {"error_type": str(type(exc)), "error_message": str(exc), "error_traceback": json.dumps(work.body)}
            return {"error": json.dumps(told)}
        if isinstance(output, dict) and (error := output.pop("error", None)):
            return {"error": error} | ({"output": output} if output else {})
        return {"output": output}

    def step(self, work: Work) -> None:
        with self.lock:
            work.facts["output"] = self.told
        self.steps.wait()
        if work.status != "IN_PROGRESS" or self.is_closing:
            raise Stopped

    def _plain(self, work: Work) -> Any:
        """Draws in red; where a mask is black, the source stays."""
        given = work.body["input"]
        errors = [f"Unexpected input. {key} is not a valid input option." for key in given if key not in SCHEMA]
        errors += ["prompt is a required input."] if "prompt" not in given else []
        errors += [
            f"{key} should be {kind} type, not {type(given[key])}."
            for key, kind in SCHEMA.items()
            if key in given and not isinstance(given[key], (kind, int) if kind is float else kind)
        ]
        if errors:
            return {"error": errors}
        if "explode" in given["prompt"]:
            raise RuntimeError(f"CUDA out of memory while drawing {given['prompt']}")
        if "forbidden" in given["prompt"]:
            return {"error": "NSFW content detected. Try running it again, or try a different prompt."}
        self.step(work)
        pixels = np.full((given["height"], given["width"], 3), RED, np.uint8)
        if "mask" in given:
            kept = _pixels(given["mask"])[..., 0] < 128
            pixels[kept] = _pixels(given["image"])[kept]
        return self.output(_base64(pixels))

    def _comfy(self, work: Work) -> Any:
        """worker-comfyui: stores the pictures, runs the workflow, tells the saved files and no temporary ones."""
        given = work.body["input"]
        if "workflow" not in given:
            return {"error": "Missing 'workflow' parameter"}
        files = {image["name"]: base64.b64decode(image["image"]) for image in given.get("images", [])}
        if (refusal := validate(given["workflow"], files.__contains__)) is not None:
            details = [f"Node {node_id} (errors): {one['errors']}" for node_id, one in refusal["node_errors"].items()]
            return {"error": "\n".join(["Workflow validation failed:", *(f"• {detail}" for detail in details)])}
        run = Run(given["workflow"], files.__getitem__, lambda *_: self.step(work))
        self.drawn.append(run.parameters)
        try:
            made = run.outputs()
        except NodeFailed as exc:
            node_id, kind, _, message = exc.args
            words = f"Workflow execution error: Node Type: {kind}, Node ID: {node_id}, Message: {message}"
            return {"error": "Job processing failed", "details": [words]}
        images = [
            {"filename": "ComfyUI_00001_.png", "type": "base64", "data": base64.b64encode(file).decode()}
            for kind, file in made.values()
            if kind == "output" and file
        ]
        return {"images": images} if images else {"status": "success_no_images", "images": []}

    # ------ routes

    def serve(self, exchange: Exchange) -> None:
        """Answers one request."""
        asked = exchange.request_read
        path = urlsplit(asked.path).path
        key = f"{asked.method} {path}"
        self.asked.append(key)
        for pattern, behaviours in self.faults.items():
            if behaviours and (pattern == key or (pattern.endswith("*") and key.startswith(pattern[:-1]))):
                behaviours.pop(0)(exchange)
                return
        status, body = self._answer(asked, *path.removeprefix("/v2/").split("/"))
        answer(status, json.dumps(body).encode(), JSON)(exchange)

    def serve_unheard(self, exchange: Exchange) -> None:
        """Takes a request, whose answer is lost."""
        asked = exchange.request_read
        self._answer(asked, *asked.path.removeprefix("/v2/").split("/"))

    def _answer(self, asked: Any, endpoint: str, operation: str = "", work_id: str = "") -> tuple[int, Any]:
        if asked.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {"error": "Unauthorized"}
        if endpoint not in ("comfy", "plain"):
            return 404, {"error": "endpoint not found"}
        if asked.method == "POST" and operation in ("run", "runsync"):
            return self._run(endpoint, asked.body, waits=operation == "runsync")
        if operation in ("health", "purge-queue"):
            return 200, self._health(endpoint) if operation == "health" else self._purged(endpoint)
        work = self.works.get(work_id)
        if work is None or work.endpoint != endpoint or operation not in ("status", "cancel", "stream"):
            return 404, {"error": "job not found"}
        if operation == "cancel":
            with self.lock:
                if work.status not in FINAL:
                    work.status = "CANCELLED"
                    work.facts.pop("output", None)
        return 200, work.told

    def _health(self, endpoint: str) -> dict[str, Any]:
        counts = {"inQueue": len(self._queued(endpoint)), "completed": 0, "failed": 0, "inProgress": 0, "retried": 0}
        return {"jobs": counts, "workers": {"idle": 1, "running": 0}}

    def _purged(self, endpoint: str) -> dict[str, Any]:
        with self.lock:
            queued = self._queued(endpoint)
            for one in queued:
                del self.works[one.id]
        return {"removed": len(queued), "status": "completed"}

    def _run(self, endpoint: str, text: bytes, *, waits: bool) -> tuple[int, Any]:
        if len(text) > MAX_BODY_BYTES:
            return 413, {"error": "payload too large"}
        body = json.loads(text)
        policy = body.get("policy", {})
        if not isinstance(body.get("input"), dict) or not body["input"]:
            return 400, {"error": "input is required"}
        if policy.get("executionTimeout", 6000) <= 5000 or policy.get("ttl", 10_000) < 10_000:
            return 400, {"error": "policy is invalid"}
        work = Work(endpoint, body)
        with self.arrived:
            self.policies.append(policy)
            self.works[work.id] = work
            self.arrived.notify_all()
        while waits and work.status not in FINAL and not self.is_closing:
            with self.arrived:
                self.arrived.wait(0.02)
        return 200, work.told if waits else {"id": work.id, "status": "IN_QUEUE"}


def _pixels(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def _base64(pixels: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


@contextmanager
def start_runpod() -> Iterator[tuple[FaultyServer, RunPod]]:
    """Serves on a free port for the length of the block; the base URL ends in /v2."""
    pod = RunPod()
    threads = [threading.Thread(target=pod.work, args=(endpoint,)) for endpoint in ("comfy", "plain")]
    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(pod.steps.set)
        stack.callback(setattr, pod, "is_closing", True)
        yield stack.enter_context(start_faulty_http(pod.serve)), pod
