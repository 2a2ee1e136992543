"""Answers of RunPod's endpoints, as far as they are read: states of work, and the outputs and errors of its handlers.

Sources: docs.runpod.io, Serverless, Operation reference; the handlers runpod-workers/worker-comfyui and worker-sdxl; for errors,
the package `runpod`, serverless/modules/rp_job.py and serverless/utils/rp_validator.py.
"""

import contextlib
import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

Status = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
PICTURE_KEYS = (
    "images",
    "image",
    "image_base64",
    "image_url",
    "image_urls",
    "output",
    "result",
    "data",
    "message",
    "url",
)
"""Keys below which handlers tell a picture, in order of precedence; `message` is worker-comfyui's before 5.0.0."""
ERROR_KEYS = ("error_type", "error_message", "message", "error")
MAX_DEPTH = 4
PERCENT = 100
_OF = re.compile(r"(\d{1,6})\s*(?:/|of)\s*(\d{1,6})")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_FORBIDDEN = re.compile(
    r"nsfw|content[ _](?:policy|checker|moderation)|(?:sensitive|explicit|inappropriate|prohibited) content",
    re.IGNORECASE,
)
"""Words by which handlers refuse a picture by a policy; there is no code for it."""
_MALFORMED = re.compile(
    r"is not a valid input option|is a required input|should be .{1,80} type, not|does not meet the constraints"
    r"|Workflow validation failed|Missing 'workflow' parameter|Invalid parameter"
)
"""Words by which handlers refuse an input, which another try would not mend."""


class Health(Struct):
    """Answer of `/health`."""

    workers: dict[str, Any]


class Accepted(Struct):
    """Answer of `/run`."""

    id: str


class EngineJob(Struct, rename="camel"):
    """Answer of `/status/{id}`."""

    status: Status
    output: Any = None
    error: Any = None
    worker_id: Any = None
    execution_time: Any = None
    retries: Any = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("IN_QUEUE", "IN_PROGRESS")

    @property
    def has_begun(self) -> bool:
        """Whether a worker ever had it, which is paid; work that a worker lost is in the queue once more."""
        return self.status == "IN_PROGRESS" or bool(self.worker_id or self.execution_time or self.retries)

    @property
    def reason(self) -> str:
        """Words of its error; empty: it tells none. An exception's traceback is left out: it may repeat the prompt."""
        told = self.error
        if told is None and isinstance(self.output, dict):
            told = self.output.get("error") or self.output.get("errors")
        details = self.output.get("details") if isinstance(self.output, dict) else None
        return f"{_words(told)} {_words(details)}".strip()


def done_share(output: Any) -> float | None:
    """Returns the share, 0 to 1, that a handler tells while it works: a number, or a text such as 3/20; None: it tells none."""
    if isinstance(output, dict):
        output = next((output[key] for key in ("progress", "percent", "percentage") if key in output), None)
    if isinstance(output, str):
        if (of := _OF.search(output)) and int(of[2]):
            return min(int(of[1]) / int(of[2]), 1.0)
        found = _PERCENT.search(output)
        return min(float(found[1]) / PERCENT, 1.0) if found else None
    if isinstance(output, bool) or not isinstance(output, int | float) or not 0 <= output <= PERCENT:
        return None
    return output if output <= 1 else output / PERCENT


def picture_text(output: Any, depth: int = MAX_DEPTH) -> str:
    """Returns the first picture of an output: base64, a data URI or a URL; empty: there is none."""
    if isinstance(output, str):
        return output
    if isinstance(output, dict):
        output = [output[key] for key in PICTURE_KEYS if key in output]
    if not isinstance(output, list) or not depth:
        return ""
    return next((text for one in output if (text := picture_text(one, depth - 1))), "")


def told_seed(output: Any) -> int | None:
    """Returns the seed that a handler tells beside its picture; None: it tells none."""
    if isinstance(output, list):
        output = output[0] if output else None
    seed = output.get("seed") if isinstance(output, dict) else None
    return seed if type(seed) is int and seed >= 0 else None  # a bool is an int, too


def is_forbidden(reason: str) -> bool:
    """Returns whether a handler refuses the picture by a policy."""
    return not is_malformed(reason) and _FORBIDDEN.search(reason) is not None


def is_malformed(reason: str) -> bool:
    """Returns whether a handler refuses the input."""
    return _MALFORMED.search(reason) is not None


def _words(told: Any) -> str:
    """Returns the texts of an error: a text, the JSON of an exception, or a list of such."""
    texts = (_exception_words(one) for one in (told if isinstance(told, list) else [told]))
    return "; ".join(filter(None, texts))


def _exception_words(told: Any) -> str:
    """Returns a text as it is, and of an exception that the package `runpod` caught its class and message."""
    if isinstance(told, str) and told.startswith("{"):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            told = msgspec.json.decode(told, type=dict[str, Any])
    if isinstance(told, dict):
        return "; ".join(value for key in ERROR_KEYS if isinstance(value := told.get(key), str))
    return told if isinstance(told, str) else ""
