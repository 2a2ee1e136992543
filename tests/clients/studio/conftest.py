"""The clients of Studio one after another, and a stub that answers as Studio does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.scripts import CLIENTS, Client, rest_kinds
from servers.action_stub import Reply, Stub, start_stub

FOLDER = CLIENTS / "studio"
JOB_IDS = ("59fde0ab-4bfc-4721-9d6c-2d7509a2fb64", "1c0e6c1e-9a55-4b0f-8b0a-6f0a2f6f3a11")
IMAGES, GENERATE = "/api/v1/images", "/api/v1/generate"
JOBS = [f"/api/v1/jobs/{job_id}" for job_id in JOB_IDS]
KEPT = "up_5r3nT9wJ0aVq1LkXz8yB2c"
SOURCE = b"a source\0\xff" * 3000
PICTURE = b"the whole picture " * 5000
KINDS = rest_kinds(FOLDER)


def accepted(*, count: int = 1, **more: object) -> Reply:
    """The answer to a request."""
    jobs = [{"jobId": one, "statusUrl": path} for one, path in zip(JOB_IDS, JOBS, strict=True)][:count]
    body = {"jobId": JOB_IDS[0], "status": "queued", "requestId": "req_1", **({"jobs": jobs} if count > 1 else {})}
    return Reply(status=202, body={**body, **more})


def told(status: str, *, at: int = 0, **more: object) -> Reply:
    """The answer to a poll of the first or second job."""
    return Reply(body={"jobId": JOB_IDS[at], "status": status, "requestId": "req_1", **more})


def succeeded(url: str, *, at: int = 0, **more: object) -> Reply:
    """The answer to a poll of a job with a picture."""
    fields = {"downloadUrl": f"{url}/files/{at}?signature=x", "width": 1024, "height": 768, "contentType": "image/jpeg"}
    return told("succeeded", at=at, **(fields | more))


def refusal(status: int, code: str, **headers: str) -> Reply:
    """A failure as Studio answers it; `Retry_After="1"` becomes that header."""
    body = {"error": {"code": code, "message": "not now"}, "requestId": "req_2"}
    return Reply(status=status, body=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    return KINDS[request.param](tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Path of a source whose name has what shells and curl stumble over."""
    path = tmp_path / "a, b'c;.jpg"
    path.write_bytes(SOURCE)
    return str(path)


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A job that is accepted, drawn and there; a test changes the plan."""
    with start_stub() as running:
        running.poll = JOBS[0]
        running.plan = plan(running.url)
        yield running


def plan(url: str) -> dict[str, list[Reply]]:
    """Replies of a good day."""
    return {
        IMAGES: [Reply(body={"imageKey": KEPT, "width": 640, "height": 480})],
        GENERATE: [accepted()],
        JOBS[0]: [told("queued", progress=0.0), told("processing", progress=0.4), succeeded(url)],
        JOBS[1]: [succeeded(url, at=1, contentType="image/png")],
        "/files/0": [Reply(body=PICTURE)],
        "/files/1": [Reply(body=PICTURE[:-1])],
    }
