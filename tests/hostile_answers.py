"""Process that asks hostile engines for pictures, and tells for each the error, the time and the growth of its memory.

Reads lines of JSON: the engine's kind, its server's URL and its limit of time. Answers each with a line.
"""

import json
import sys
import time
from pathlib import Path

import structlog
from pydantic import SecretStr

from imgen.composition import configure_logs
from imgen.domain.catalog import parse_model
from imgen.domain.errors import ImgenError
from imgen.domain.recipe import Diffusion
from imgen.domain.remote_engine import parse_remote_engine
from imgen.settings import Logs
from workers import engines
from workers.engines import EngineContext, Shot

PROMPT = "a red coat in the harbour of naïveté"
KEY = "sk-remote-0123456789"
MODEL = {
    "label": "Remote",
    "backend": "remote",
    "steps": {"default": 4},
    "guidance": {"default": 3.5},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}


ENGINES = {
    "openai": ("/v1", "gpt-image-2"),
    "gemini": ("", "gemini-3.1-flash-image"),
    "workersai": ("/client/v4/accounts/0", "@cf/leonardo/lucid-origin"),
}
"""Kind → path of its base URL, and its name of a model."""


def peak_mb():
    """Peak of the memory in use since it was last set back."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def used_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def asked(kind, url, timeout_s):
    """One picture asked for."""
    path, name = ENGINES[kind]
    table = {"kind": kind, "base_url": url + path, "api_key_env": "REMOTE_KEY", "timeout_s": timeout_s}
    context = EngineContext(
        remote_engines={"hostile": parse_remote_engine("hostile", table)},
        key_in={"REMOTE_KEY": SecretStr(KEY)}.__getitem__,
    )
    shot = Shot(
        diffusion=Diffusion(
            positive=PROMPT, negative="", width=256, height=256, seed=7, num_inference_steps=4, guidance_scale=3.5
        )
    )
    engine = engines.load(parse_model("remote", MODEL | {"engines": [{"engine": "hostile", "model": name}]}), context)
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use
    before, began, error, words = used_mb(), time.monotonic(), "", ""
    try:
        (drawn,) = engine.render([shot], lambda *_: None)
        if isinstance(drawn, ImgenError):
            error, words = type(drawn).__name__, str(drawn)
    except ImgenError as exc:
        error, words = type(exc).__name__, str(exc)
        structlog.get_logger().warning("no picture", reason=words, exc_info=exc)
    taken_s, grown_mb = time.monotonic() - began, peak_mb() - before
    engine.unload()
    return {"error": error, "words": words, "taken_s": taken_s, "grown_mb": grown_mb}


if __name__ == "__main__":
    configure_logs(Logs())
    for line in sys.stdin:
        print(json.dumps(asked(**json.loads(line))), flush=True)
