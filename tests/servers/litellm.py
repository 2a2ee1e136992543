"""LiteLLM's proxy in front of an OpenAI endpoint, from the virtual environment that `make faults` makes beside the tests' own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from servers.stack import free_port

PROGRAM = Path(f"{sys.prefix}-litellm") / "bin" / "litellm"
MASTER_KEY = "sk-imgen-tests"
MODELS = {"pictures": "gpt-image-1", "own": "eros", "by-url": "dall-e-3"}
"""Name that the proxy's users send → name that it sends on; it lets its users ask for URLs of one of these alone."""
CONFIG = """
model_list:
{models}
litellm_settings:
  telemetry: false
general_settings:
  master_key: {master_key}
"""
MODEL_CONFIG = """
  - model_name: {name}
    litellm_params:
      model: openai/{upstream}
      api_base: {url}/v1
      api_key: {key}
    model_info:
      mode: image_generation
"""


@contextlib.contextmanager
def start_litellm(folder: Path, url: str, key: str) -> Iterator[str]:
    """Runs the proxy for the length of the block and gives its URL; the test is skipped where it is not installed."""
    if not PROGRAM.is_file():
        pytest.skip(f"no LiteLLM in {PROGRAM.parent.parent}: `make faults` installs it where the package index has it")
    port, config, log = free_port(), folder / "litellm.yaml", folder / "litellm.log"
    models = [MODEL_CONFIG.format(name=name, upstream=model, url=url, key=key) for name, model in MODELS.items()]
    config.write_text(CONFIG.format(models="".join(models), master_key=MASTER_KEY))
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(folder)}  # no list of prices from elsewhere
    command = [PROGRAM, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as words:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, env=environ, cwd=folder
        )
    try:
        _await_ready(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _await_ready(url: str, process: subprocess.Popen, log: Path, within_s: float = 180) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"{url}/health/liveliness", timeout=5, verify=False).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"not ready:\n{log.read_text()[-4000:]}")
