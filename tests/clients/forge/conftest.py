"""The clients of Forge one after another, and a stub that answers as Forge does."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.scripts import CLIENTS, Client, rest_kinds
from servers.action_stub import Reply, Stub, start_stub

FOLDER = CLIENTS / "forge"
JOB_ID = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
PICTURE = b"the whole picture " * 5000
DIGEST = hashlib.sha256(PICTURE).hexdigest()
ASSET, JOB = f"/v2/assets/{DIGEST}", f"/v2/jobs/{JOB_ID}"


KINDS = rest_kinds(FOLDER, "sha256sum")


def told(state: str, **more: object) -> dict[str, object]:
    """A job as Forge answers it."""
    fields = {"quality_tier": "draft", "model": "eros", "seed": 4294967295, "asset_url": None, "error": None}
    return {"job_id": JOB_ID, "state": state, **fields, **more}


def refusal(status: int, code: str, **headers: str) -> Reply:
    """A failure as Forge answers it; `Retry_After="1"` becomes that header."""
    body = {"error": {"code": code, "message": "not now"}}
    return Reply(status=status, body=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


COMPLETED = Reply(body=told("completed", asset_url=ASSET))


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    return KINDS[request.param](tmp_path)


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A job that is accepted, drawn and there; a test changes the plan."""
    with start_stub() as running:
        running.poll = JOB
        running.plan = {
            "/v2/generate": [Reply(status=202, body=told("queued"))],
            JOB: [Reply(body=told("queued")), Reply(body=told("processing")), COMPLETED],
            ASSET: [Reply(body=PICTURE)],
        }
        yield running
