"""The clients of Forge one after another, and a stub that answers as Forge does."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.scripts import CLIENTS, SHELL_TOOLS, Client, folder_with, program
from servers.action_stub import Reply, Stub, start_stub
from servers.node import node_program

FOLDER = CLIENTS / "forge"
JOB_ID = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
PICTURE = b"the whole picture " * 5000
DIGEST = hashlib.sha256(PICTURE).hexdigest()
ASSET, JOB = f"/v2/assets/{DIGEST}", f"/v2/jobs/{JOB_ID}"


def php(script: str, *options: str) -> Client:
    return Client((program("php"), *options, str(FOLDER / script)), os.environ["PATH"])


def php_with_curl(_tmp: Path) -> Client:
    if "curl" not in subprocess.run([program("php"), "-m"], capture_output=True, text=True, check=True).stdout.split():
        pytest.skip("php has no curl extension: only its streams were tried")
    return php("generate.php")


def shell(tmp_path: Path) -> Client:
    tools = {name: program(name) for name in (*SHELL_TOOLS, "jq", "sha256sum")}
    return Client((tools["sh"], str(FOLDER / "generate.sh")), folder_with(tmp_path / "bin", tools))


KINDS = {
    "node": lambda _tmp: Client((str(node_program()), str(FOLDER / "generate.ts")), os.environ["PATH"]),
    "python": lambda _tmp: Client((sys.executable, str(FOLDER / "generate.py")), os.environ["PATH"]),
    "php-curl": php_with_curl,
    "php-streams": lambda _tmp: php("generate.php", "-d", "disable_functions=curl_init"),
    "sh": shell,
}


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
