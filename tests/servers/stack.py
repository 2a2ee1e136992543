"""Runs `imgen up` as a user would, over a data folder of its own, with an engine that needs no model."""

import contextlib
import os
import re
import selectors
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil
from servers.command import checked

INSTANT_MODELS = """
[eros]
label = "Eros"
source = "none"
backend = "instant"
base_negative = "blurry"
steps = { default = 4, min = 1, max = 500 }
guidance = { default = 3.5, min = 1.0, max = 12.0 }
time_limit_s = 60
default_style = "professional"
call = { step_s = 0.0 }

[eros.styles.professional]
label = "Professional"
quality_tags = "clean lines"
negative_extra = "clutter"

[eros.styles.cinematic]
label = "Cinematic"
quality_tags = "cinematic light"
"""

CHARACTERS = "".join(
    f'[{key}]\nlabel = ""\ntrigger = "{trigger}"\npositive = ""\nloras = {{}}\n'
    for key, trigger in (("aaliyah", ""), ("aya", "aya"), ("bella", ""))
)
"""Characters that every model draws, by words alone; a table adds to the shipped one of its name."""

PARTS = {
    "redis": "redis-server",
    "render": "--queues render",
    "finish": "--queues finish",
    "embedder": "imgen.cli embedder",
    "dispatcher": "imgen.cli dispatcher",
    "api": "imgen.cli api",
}
"""Part → words of its processes' command lines."""


@dataclass
class Stack:
    """A running stack."""

    url: str
    key: str
    data: Path
    process: subprocess.Popen
    lines: list[str] = field(default_factory=list)

    def post(self, body: dict, key: str | None = None, **more) -> httpx2.Response:
        """Sends one action with this stack's key, without the 20 ms that TLS would take to be made ready."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx2.post(f"{self.url}/api/v2", json=body, headers=headers, timeout=30, verify=False, **more)

    def generate(self, prompt: str = "red coat, on a beach", **fields) -> dict:
        """The answer to `generate`, which must be 200."""
        response = self.post({"action": "generate", "prompt": prompt, **fields})
        assert response.status_code == 200, response.text
        return response.json()

    def status(self, job: dict, key: str | None = None) -> dict:
        """The answer to `status`."""
        response = self.post({"action": "status", "id": job["id"]}, key)
        assert response.status_code == 200, response.text
        return response.json()

    def wait(self, job: dict, within_s: float = 60, key: str | None = None) -> dict:
        """Polls to the end."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            answer = self.status(job, key)
            if answer["status"] in ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED"):
                return answer
            time.sleep(0.05)
        raise AssertionError(f"no end within {within_s} s: {answer}")

    def imgen(self, *arguments: str) -> str:
        """Output of an `imgen` command over the same data folder."""
        return checked(*arguments, "--data", str(self.data))

    def pids(self) -> dict[str, list[int]]:
        """Process ids of the stack's parts by the words of their command lines, children included."""
        import psutil

        found: dict[str, list[int]] = {part: [] for part in PARTS}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                line = " ".join(child.cmdline())
                for part, words in PARTS.items():
                    if words in line:
                        found[part].append(child.pid)
        return found

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Stops it and returns its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def stop_between_writes(data: Path, pids: Collection[int]) -> None:
    """SIGSTOP for processes of the stack over a data folder, none of them amid a write: the database's lock would stop with it."""
    with contextlib.closing(sqlite3.connect(data / "imgen.db", timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while {psutil.Process(pid).status() for pid in pids} != {psutil.STATUS_STOPPED}:
            assert time.monotonic() < deadline, "not stopped within 10 s"
            time.sleep(0.01)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def start_stack(
    data: Path,
    *,
    settings: str = "",
    models: str | None = INSTANT_MODELS,
    environ: dict | None = None,
    key: str = "",
) -> Iterator[Stack]:
    """`imgen up` until the block ends. `key` is for a folder whose first run is past; no `models`: those that ship."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "imgen.toml").write_text(settings)
    if models is not None:
        (data / "models.toml").write_text(models)
        (data / "characters.toml").write_text(CHARACTERS)
    port = free_port()
    with (data / "stderr.log").open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "imgen.cli", "up", "--data", str(data), "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | (environ or {}),
        )
    stack = Stack(f"http://127.0.0.1:{port}", key, data, process)
    try:
        _await_ready(stack)
        yield stack
    finally:
        if process.poll() is None:
            stack.stop()
        process.stdout.close()


def _await_ready(stack: Stack, within_s: float = 180) -> None:
    selector = selectors.DefaultSelector()
    selector.register(stack.process.stdout, selectors.EVENT_READ)
    deadline, text = time.monotonic() + within_s, ""
    while "Ready:" not in text:
        if not selector.select(max(0, deadline - time.monotonic())):
            raise AssertionError(f"not ready within {within_s} s:\n{text}\n{(stack.data / 'stderr.log').read_text()}")
        chunk = os.read(stack.process.stdout.fileno(), 65536).decode()
        if not chunk:
            raise AssertionError(f"ended before it was ready:\n{text}\n{(stack.data / 'stderr.log').read_text()}")
        text += chunk
    selector.close()
    stack.lines = text.splitlines()
    if found := re.search(r"imgen_[0-9a-f]{64}", text):
        stack.key = found.group()
