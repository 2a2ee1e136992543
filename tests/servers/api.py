"""Runs `imgen api` alone, as production does: no workers, so jobs are taken and wait."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
from servers.command import checked
from servers.stack import CHARACTERS, INSTANT_MODELS, free_port


@dataclass
class Api:
    """A running API process and the key of an unlimited tenant."""

    url: str
    port: int
    data: Path
    log: Path
    environ: dict
    process: subprocess.Popen
    key: str = ""

    def post(self, body: dict, key: str | None = None, **more) -> httpx2.Response:
        """One action."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx2.post(f"{self.url}/api/v2", json=body, headers=headers, timeout=30, verify=False, **more)

    def imgen(self, *arguments: str) -> str:
        """Output of an `imgen` command over the same data folder."""
        return checked(*arguments, "--data", str(self.data), environ=self.environ)


@contextlib.contextmanager
def start_api(
    data: Path, *, settings: str | None = None, environ: dict | None = None, name: str = "api"
) -> Iterator[Api]:
    """The API over a data folder for the length of the block. Another one beside it leaves `settings` out."""
    data.mkdir(parents=True, exist_ok=True)
    if settings is not None:
        (data / "imgen.toml").write_text(settings)
        (data / "models.toml").write_text(INSTANT_MODELS)
        (data / "characters.toml").write_text(CHARACTERS)
    port, log = free_port(), data.parent / f"{name}.log"
    around = os.environ | {"PYTHONUNBUFFERED": "1"} | (environ or {})
    command = [sys.executable, "-m", "imgen.cli", "api", "--data", str(data), "--port", str(port)]
    with log.open("ab") as words:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, env=around)
    api = Api(f"http://127.0.0.1:{port}", port, data, log, around, process)
    try:
        _await_ready(api)
        if settings is not None:
            api.key = api.imgen("keys", "create", "first", "--tenant", "first", "--plan", "unlimited")
        yield api
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _await_ready(api: Api, within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and api.process.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"{api.url}/healthz", timeout=1, verify=False).status_code == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"not ready:\n{api.log.read_text()}")
