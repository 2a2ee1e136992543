"""A small HTTP server that speaks the Action API as planned: what a client can meet on a bad day. It makes no pictures.

Replies come from `Stub.plan`; the checks that the contract makes first (key, JSON, action, prompt) are real.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "imgen_" + "0123456789abcdef" * 4
JOB_ID = "run_0123456789-_ABCDEFGHIJ"
GEN_ID = "a1b2c3d4e5f6g7h8i9j0"
FINGERPRINT = "f0" * 32
PICTURES = {
    f"{GEN_ID}_{FINGERPRINT}_00001.jpg": b"the whole picture " * 5000,
    f"{GEN_ID}_{FINGERPRINT}_00001_thumb.jpg": b"the small one",
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One planned answer. `body` is JSON, or bytes sent as they are."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0
    breaks_off: bool = False
    """Sends the head and half of the body, then closes the connection."""
    cuts: bool = False
    """Sends the whole body, then closes the connection although more is declared."""
    silent: bool = False
    """Closes the connection without a byte."""


def error(status: int, text: str, **headers: str) -> Reply:
    """An error as the contract words it; `Retry_After="1"` becomes that header."""
    return Reply(
        status=status, body={"error": text}, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    what: str
    """The action, or the path of a GET."""
    body: dict[str, object]
    headers: dict[str, str]
    at_s: float
    data: bytes
    """Body as it came."""


class Stub:
    """The running server: what it will answer, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = KEY
        self.poll = "status"
        """Action, or path of a GET, that counts as a poll."""
        self.seen: list[Seen] = []
        self.most_polls_at_once = 0
        self._polls = 0
        self._lock = threading.Lock()
        self._used: dict[str, int] = defaultdict(int)
        self.plan: dict[str, list[Reply]] = {
            "generate": [self.accepted()],
            "status": [
                Reply(body={"status": "IN_QUEUE", "position": 2}),
                Reply(body={"status": "IN_PROGRESS", "progress": 0.5, "eta": 4}),
                self.completed(),
            ],
            **{f"/files/{name}": [Reply(body=content)] for name, content in PICTURES.items()},
        }
        """Replies by action or GET path; the last one of each repeats."""

    def accepted(self, **more: object) -> Reply:
        """The answer to `generate`. Its prompt and model differ from any request's, so that an echo is noticed."""
        answer = {"id": JOB_ID, "prompt": "as returned, -hat", "model": "eros", "format": "jpeg", "gen_id": GEN_ID}
        return Reply(body={**answer, **more})

    def completed(self, *, filename: str | None = None, url: str | None = None, **more: object) -> Reply:
        """The safe end of a job; `filename` and `url` replace the signed picture's."""
        images = [
            {"url": f"{self.url}/files/{name}?signature=x", "filename": name, "type": kind}
            for name, kind in zip(PICTURES, ("signed", "thumbnail"), strict=True)
        ]
        images[0] |= {
            "filename": images[0]["filename"] if filename is None else filename,
            "url": url or images[0]["url"],
        }
        meta = {
            "id": JOB_ID,
            "gen_id": GEN_ID,
            "seed": 4294967295,
            "fingerprint": FINGERPRINT,
            "watermark_id": "1f2e3d4c5b6a",
            "compliance": "safe",
            "images": images,
        }
        return Reply(body={"status": "COMPLETED", "meta": meta, **more})

    def asked(self, what: str) -> list[Seen]:
        """The requests for one action or GET path, in order."""
        return [seen for seen in self.seen if seen.what == what]

    def reply(self, what: str, body: dict[str, object], headers: dict[str, str], data: bytes = b"") -> Reply:
        """Notes the request and takes the next planned answer."""
        with self._lock:
            self.seen.append(Seen(what, body, headers, time.monotonic(), data))
            replies = self.plan.get(what, [error(404, "Not Found")])
            step = min(self._used[what], len(replies) - 1)
            self._used[what] += 1
            self._polls += what == self.poll
            self.most_polls_at_once = max(self.most_polls_at_once, self._polls)
        time.sleep(replies[step].delay_s)
        with self._lock:
            self._polls -= what == self.poll
        return replies[step]


@contextmanager
def start_stub() -> Iterator[Stub]:
    """Serves on a free port of 127.0.0.1 until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = dict(self.headers.items())
            if self.path != "/api/v2":
                is_json = headers.get("Content-Type") == "application/json"
                self.send(stub.reply(self.path, json.loads(data) if is_json else {}, headers, data))
                return
            body, refusal = checked(data, headers.get("Authorization", ""))
            self.send(refusal or stub.reply(str(body["action"]), body, headers))

        def do_GET(self) -> None:
            self.send(stub.reply(self.path.partition("?")[0], {}, dict(self.headers.items())))

        def send(self, reply: Reply) -> None:
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.close_connection = self.close_connection or reply.breaks_off or reply.cuts or reply.silent
            if reply.silent:
                return
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if reply.breaks_off else body)

        def log_message(self, *_args: object) -> None:
            """Silent: the tests look at Stub.seen."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub = Stub(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def checked(data: bytes, authorization: str) -> tuple[dict[str, object], Reply | None]:
    """The contract's own order: key, JSON, action, the action's fields → (body, refusal if any)."""
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    fields = body if isinstance(body, dict) else {}
    action = fields.get("action")
    for wrong, refusal in (
        (not authorization.startswith("Bearer "), error(401, "Unauthorized")),
        (authorization != f"Bearer {KEY}", error(401, "Invalid API key")),
        (fields is not body, error(400, "Invalid JSON")),
        (not action, error(400, "Missing action")),
        (action not in {"generate", "status", "models"}, error(400, "Unknown action")),
        (action == "generate" and not str(fields.get("prompt", "")).strip(), error(400, "Prompt is required")),
        (action == "status" and fields.get("id") != JOB_ID, error(400, "Bad ID")),
    ):
        if wrong:
            return fields, refusal
    return fields, None


def stream(*answers: object, ends: bool = True) -> Reply:
    """A stream of events with these answers of `status`; one that breaks off if it does not end."""
    frames = "".join(
        f"event: status\nid: {number}\ndata: {json.dumps({'id': JOB_ID, **answer})}\n\n:\n\n"
        for number, answer in enumerate(answers, 1)
    )
    body = f"retry: 2000\n\n{frames}".encode()
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return Reply(
        body=body, headers=headers if ends else headers | {"Content-Length": str(len(body) + 1)}, cuts=not ends
    )
