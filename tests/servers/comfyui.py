"""A ComfyUI server on 127.0.0.1: its queue, its jobs, its history, its files and its WebSocket, over nodes that draw in plain colours.

Routes and answers are those of ComfyUI's server.py and comfy_execution/jobs.py. `faults` hold behaviours of single paths.
"""

import io
import json
import struct
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from servers.comfyui_nodes import NodeFailed, Run, validate
from servers.comfyui_socket import Socket
from servers.faulty_http import Behaviour, Exchange, FaultyServer, answer, start_faulty_http

JSON = {"Content-Type": "application/json; charset=utf-8"}
PREVIEW_EVENT, JPEG = 1, 1


class Interrupted(Exception):
    """Processing was interrupted."""


class Comfy:
    """The server's state. `gate` is open unless a test closes it: samplers wait at it before each step."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.arrived = threading.Condition(self.lock)
        self.pending: list[dict[str, Any]] = []
        self.running: dict[str, Any] | None = None
        self.history: dict[str, dict[str, Any]] = {}
        self.files: dict[tuple[str, str], bytes] = {}
        self.sockets: dict[str, Socket] = {}
        self.drawn: list[dict[str, Any]] = []
        """Parameters of each run that began, which is what a provider would be paid for."""
        self.gate = threading.Event()
        self.faults: defaultdict[str, list[Behaviour]] = defaultdict(list)
        """Behaviours for the next requests of a method and path, such as `POST /prompt`; * after them: for all that begin so."""
        self.asked: list[str] = []
        self.is_old = False
        """Whether it has no `/api/jobs`, and stops whatever runs."""
        self.has_own_ids = False
        self.is_closing = False
        self.interrupted = ""
        self.gate.set()

    def reset(self) -> None:
        """Makes it a new server for the next test."""
        self.forget()
        with self.lock:
            self.drawn, self.asked, self.faults = [], [], defaultdict(list)
            self.is_old = self.has_own_ids = False
        self.gate.set()

    def forget(self) -> None:
        """Forgets all work and all temporary files, as ComfyUI does when it starts again."""
        with self.lock:
            self.pending, self.running, self.history, self.files = [], None, {}, {}
            self.interrupted = ""

    # ------ work

    def work(self) -> None:
        """Runs workflows one after another until the server closes."""
        while True:
            with self.arrived:
                while not self.pending and not self.is_closing:
                    self.arrived.wait()
                if self.is_closing:
                    return
                item = self.running = self.pending.pop(0)
            self._run(item)

    def _run(self, item: dict[str, Any]) -> None:
        prompt_id, outputs, messages = item["id"], {}, [["execution_start", {"prompt_id": item["id"]}]]
        run = Run(item["prompt"], self._open, lambda *where: self._step(item, *where))
        self.drawn.append(run.parameters)
        name = f"ComfyUI_{len(self.drawn):05}_.png"
        status = "success"
        try:
            for node_id, (kind, file) in run.outputs().items():
                outputs[node_id] = {"text": ["done"]}
                if file:
                    self.files[kind, name] = file
                    outputs[node_id] = {"images": [{"filename": name, "subfolder": "", "type": kind}]}
            messages.append(["execution_success", {"prompt_id": prompt_id}])
        except Interrupted:
            status = "error"
            messages.append(
                ["execution_interrupted", {"prompt_id": prompt_id, "node_id": "3", "node_type": "KSampler"}]
            )
        except NodeFailed as exc:
            status = "error"
            node_id, node_type, kind, message = exc.args
            facts = {
                "exception_message": message,
                "exception_type": kind,
                "traceback": ["…"],
                "current_inputs": item["prompt"],
            }
            messages.append(
                ["execution_error", {"prompt_id": prompt_id, "node_id": node_id, "node_type": node_type} | facts]
            )
        with self.lock:
            if self.running is item:
                self.running, self.interrupted = None, ""
                self.history[prompt_id] = {
                    "prompt": [item["number"], prompt_id, item["prompt"], item["extra"], ["9"]],
                    "outputs": outputs,
                    "status": {"status_str": status, "completed": status == "success", "messages": messages},
                }
        for event, data in messages[1:]:
            self.tell(item, event, data)
        self.tell(item, "executing", {"node": None, "prompt_id": prompt_id})

    def _step(self, item: dict[str, Any], node_id: str, number: int, steps: int) -> None:
        self.gate.wait()
        if self.interrupted == item["id"] or self.running is not item or self.is_closing:
            raise Interrupted
        self.tell(item, "progress", {"value": number, "max": steps, "prompt_id": item["id"], "node": node_id})
        stream = io.BytesIO()
        Image.new("RGB", (64, 48), (0, 0, 250)).save(stream, "JPEG")
        self.send(item, struct.pack(">II", PREVIEW_EVENT, JPEG) + stream.getvalue())

    def _open(self, name: str) -> bytes:
        return self.files[self._place(name)]

    def _place(self, name: str) -> tuple[str, str]:
        for kind in ("temp", "output", "input"):
            if name.endswith(f" [{kind}]"):
                return kind, name.removesuffix(f" [{kind}]")
        return "input", name

    def tell(self, item: dict[str, Any], event: str, data: Any) -> None:
        self.send(item, json.dumps({"type": event, "data": data}))

    def send(self, item: dict[str, Any], message: str | bytes) -> None:
        if (socket := self.sockets.get(item["extra"].get("client_id", ""))) is not None:
            socket.send(message)

    @property
    def remaining(self) -> int:
        """Number of workflows that wait or run."""
        with self.lock:
            return len(self.pending) + (self.running is not None)

    def interrupt(self, prompt_id: str) -> bool:
        with self.lock:
            if self.running is None or self.running["id"] != prompt_id:
                return False
            self.interrupted = prompt_id
            return True

    def dequeue(self, prompt_id: str) -> bool:
        with self.lock:
            before = len(self.pending)
            self.pending = [item for item in self.pending if item["id"] != prompt_id]
            return len(self.pending) < before

    # ------ routes

    def serve(self, exchange: Exchange) -> None:
        """Answers one request."""
        asked = exchange.request_read
        url = urlsplit(asked.path)
        path = url.path.removeprefix("/api") if not url.path.startswith("/api/jobs") else url.path
        key = f"{asked.method} {path}"
        self.asked.append(key)
        for pattern, behaviours in self.faults.items():
            if behaviours and (pattern == key or (pattern.endswith("*") and key.startswith(pattern[:-1]))):
                behaviours.pop(0)(exchange)
                return
        if path == "/ws":
            Socket(self, parse_qs(url.query).get("clientId", [""])[0]).serve(exchange)
            return
        status, body = self._answer(asked.method, path, parse_qs(url.query), asked)
        if isinstance(body, bytes):
            answer(status, body, {"Content-Type": "image/png"})(exchange)
        elif body is None:
            answer(status, b"" if status == 200 else b"404: Not Found", {"Content-Type": "text/plain"})(exchange)
        else:
            answer(status, json.dumps(body).encode(), JSON)(exchange)

    def serve_unheard(self, exchange: Exchange) -> None:
        """Takes a request, whose answer is lost."""
        asked = exchange.request_read
        self._answer(asked.method, urlsplit(asked.path).path, {}, asked)

    def _answer(self, method: str, path: str, query: dict[str, list[str]], asked: Any) -> tuple[int, Any]:
        if (method, path) == ("POST", "/upload/image"):
            return 200, self._upload(asked)
        if (method, path) == ("GET", "/view"):
            file = self.files.get((query.get("type", ["output"])[0], query["filename"][0]))
            return (200, file) if file else (404, None)
        body = json.loads(asked.body) if asked.body else {}
        if (method, path) == ("POST", "/prompt"):
            return self._prompt(body)
        if path.startswith("/api/jobs/") and not self.is_old:
            prompt_id, _, verb = path.removeprefix("/api/jobs/").partition("/")
            if method == "POST" and verb == "cancel":
                return 200, {"cancelled": self.interrupt(prompt_id) or self.dequeue(prompt_id)}
            job = self._job(prompt_id)
            return (200, job) if job else (404, {"error": "Job not found"})
        return self._answer_old(method, path, body)

    def _answer_old(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if (method, path) == ("GET", "/system_stats"):
            return 200, {"system": {"os": "posix", "comfyui_version": "0.36.0"}, "devices": []}
        with self.lock:
            if (method, path) == ("GET", "/queue"):
                running = [self.running] if self.running else []
                return 200, {"queue_running": [*map(_row, running)], "queue_pending": [*map(_row, self.pending)]}
            if method == "GET" and path.startswith("/history/"):
                prompt_id = path.removeprefix("/history/")
                return 200, {prompt_id: self.history[prompt_id]} if prompt_id in self.history else {}
            if (method, path) == ("POST", "/queue"):
                for prompt_id in body.get("delete", []):
                    self.dequeue(prompt_id)
                return 200, None
            if (method, path) == ("POST", "/interrupt"):
                running_id = self.running["id"] if self.running else ""
                self.interrupt(running_id if self.is_old or "prompt_id" not in body else body["prompt_id"])
                return 200, None
        return (404 if method == "GET" else 405), None

    def _upload(self, asked: Any) -> dict[str, str]:
        head = b"Content-Type: " + asked.headers["Content-Type"].encode() + b"\r\n\r\n"
        parts = {
            part.get_param("name", header="content-disposition"): part
            for part in BytesParser().parsebytes(head + asked.body).get_payload()
        }
        kind = parts["type"].get_payload() if "type" in parts else "input"
        name = parts["image"].get_filename()
        self.files[kind, name] = parts["image"].get_payload(decode=True)
        return {"name": name, "subfolder": "", "type": kind}

    def _prompt(self, body: dict[str, Any]) -> tuple[int, Any]:
        prompt_id = str(uuid.uuid4()) if self.has_own_ids else body.get("prompt_id", str(uuid.uuid4()))
        try:
            is_canonical = str(uuid.UUID(prompt_id)) == prompt_id
        except ValueError:
            is_canonical = False
        if not is_canonical:
            error = {
                "type": "invalid_prompt_id",
                "message": "prompt_id must be a valid UUID",
                "details": "",
                "extra_info": {},
            }
            return 400, {"error": error, "node_errors": {}}
        if (refusal := validate(body["prompt"], lambda name: self._place(name) in self.files)) is not None:
            return 400, refusal
        extra = body.get("extra_data", {}) | ({"client_id": body["client_id"]} if "client_id" in body else {})
        with self.arrived:
            number = len(self.drawn) + len(self.pending)
            extra["create_time"] = int(time.time() * 1000)
            self.pending.append({"id": prompt_id, "prompt": body["prompt"], "extra": extra, "number": number})
            self.arrived.notify_all()
        return 200, {"prompt_id": prompt_id, "number": number, "node_errors": {}}

    def _job(self, prompt_id: str) -> dict[str, Any] | None:
        with self.lock:
            if prompt_id in self.history:
                return _ended(prompt_id, self.history[prompt_id])
            for item, status in [(self.running, "in_progress"), *((one, "pending") for one in self.pending)]:
                if item is not None and item["id"] == prompt_id:
                    return {
                        "id": prompt_id,
                        "status": status,
                        "outputs_count": 0,
                        "workflow": {"prompt": item["prompt"]},
                    }
        return None


def _row(item: dict[str, Any]) -> list[Any]:
    return [item["number"], item["id"], item["prompt"], item["extra"], ["9"]]


def _ended(prompt_id: str, entry: dict[str, Any]) -> dict[str, Any]:
    facts = dict(entry["status"]["messages"])
    status = "completed"
    if entry["status"]["status_str"] == "error":
        status = "cancelled" if "execution_interrupted" in facts else "failed"
    job = {"id": prompt_id, "status": status, "outputs": entry["outputs"], "execution_status": entry["status"]}
    return job | ({"execution_error": facts["execution_error"]} if "execution_error" in facts else {})


@contextmanager
def start_comfyui() -> Iterator[tuple[FaultyServer, Comfy]]:
    """Serves on a free port for the length of the block."""
    comfy = Comfy()
    thread = threading.Thread(target=comfy.work)
    thread.start()
    try:
        with start_faulty_http(comfy.serve) as server:
            yield server, comfy
    finally:
        with comfy.arrived:
            comfy.is_closing = True
            comfy.arrived.notify()
        comfy.gate.set()
        thread.join()
