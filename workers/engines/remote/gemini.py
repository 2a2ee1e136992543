"""Client of the kind `gemini`: pictures of Google's Gemini models by `generateContent`. One call a picture, no ids.

Sources: ai.google.dev/api, generateContent and image generation; google.genai, types.py.
"""

import base64
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field
from pydantic import SecretStr

from imgen.domain.engine_options import EngineChoice
from imgen.domain.errors import (
    ImgenError,
    ModelError,
    RefusedByProvider,
    RemoteEngineBusy,
    RemoteEngineFailed,
    RemoteKeyRefused,
)
from imgen.domain.recipe import Diffusion
from imgen.domain.remote_engine import RemoteEngine
from workers.engines.remote.hiding import MAX_TEXT
from workers.engines.remote.http import BUSY, MAX_PAUSE_S, EngineHttp, HttpAnswer, retry_after_s
from workers.engines.remote.pictures import from_json_base64, png
from workers.engines.remote.protocol import DirectClient, PictureRequest, Progress, RemoteAnswer

RATIOS = ((1, 1), (2, 3), (3, 2), (3, 4), (4, 3), (4, 5), (5, 4), (9, 16), (16, 9), (21, 9))
"""Ratios of width to height that Gemini draws; it takes no size in pixels."""
REFUSALS = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
"""Finish reasons by which a picture is refused; with NO_IMAGE and IMAGE_OTHER another attempt may draw."""
IMAGE_OPTIONS = frozenset({"aspectRatio", "imageSize"})
"""Options that belong into `imageConfig`; others are fields of `generationConfig`."""
ACCOUNT_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "FAILED_PRECONDITION"})
"""Reasons and statuses that concern the account, though they come with status 400: a wrong key, no billing, no service there."""
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*")
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_PAGE = 1000


class _File(Struct, rename="camel"):
    data: msgspec.Raw
    mime_type: str = ""


class _Part(Struct, rename="camel"):
    inline_data: _File | None = None
    thought: bool = False
    """Whether it is a draft of a model that thinks, and not its answer."""


class _Content(Struct):
    parts: list[_Part] = []


class _Candidate(Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str = ""
    finish_message: str = ""


class _Feedback(Struct, rename="camel"):
    block_reason: str = ""


class _Answer(Struct, rename="camel"):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None


class _Detail(Struct, rename="camel"):
    type: str = field(default="", name="@type")
    reason: str = ""
    retry_delay: str = ""


class _Problem(Struct):
    status: str = ""
    details: list[_Detail] = []


class _Refusal(Struct):
    error: _Problem


class _Model(Struct, rename="camel"):
    name: str
    supported_generation_methods: list[str] = []


class _Models(Struct):
    models: list[_Model] = []


class Gemini(DirectClient):
    """Client of one account."""

    def __init__(self, remote: RemoteEngine, key: SecretStr, folders: Sequence[Path] = ()) -> None:  # noqa: ARG002 - no workflows
        secret = key.get_secret_value()
        headers = {"x-goog-api-key": secret} if secret else {}
        self._http = EngineHttp(remote, headers=headers, secrets=(secret,))
        self._remote = remote

    @classmethod
    def check_choice(cls, choice: EngineChoice, folders: Sequence[Path]) -> None:  # noqa: ARG003 - no workflows
        """Refuses all that Gemini has no field for. See `RemoteClient.check_choice`."""
        where = f"engine {choice.engine}: model {choice.model!r}"
        if not _MODEL.fullmatch(choice.model):
            raise ModelError(f"{where} is no name of a Gemini model, such as gemini-3.1-flash-image")
        if choice.edits == "mask":
            raise ModelError(f"{where}: edits = 'mask', and Gemini takes no masks; it can be at most 'image'")
        if unknown := [name for name in choice.takes if name != "seed"]:
            raise ModelError(f"{where} takes no {', '.join(unknown)}; it takes seed")

    async def probe(self, models: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002 - it lists its own
        """Lists the models that generate content. See `RemoteClient.probe`."""
        answer = await self._http.send("GET", "v1beta/models", max_bytes=2**22, params={"pageSize": str(_PAGE)})
        if not answer.is_ok:
            raise self._error(answer, ())
        found = self._http.parsed(answer, _Models).models
        return tuple(
            model.name.removeprefix("models/")
            for model in found
            if "generateContent" in model.supported_generation_methods
        )

    async def draw(self, request: PictureRequest, progress: Progress) -> RemoteAnswer:  # noqa: ARG002 - it tells none
        """Asks for a picture. See `DirectClient.draw`."""
        path = f"v1beta/models/{request.choice.model}:generateContent"
        answer = await self._http.send("POST", path, is_call=True, json=_body(request))
        if not answer.is_ok:
            raise self._error(answer, request.hidden)
        return self._picture(answer, request.hidden)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    def _picture(self, answer: HttpAnswer, hidden: Sequence[str]) -> RemoteAnswer:
        found = self._http.parsed(answer, _Answer)
        first = next(iter(found.candidates), _Candidate())
        blocked = found.prompt_feedback.block_reason if found.prompt_feedback else ""
        if blocked or first.finish_reason in REFUSALS:
            reason = self._http.shown(_told(blocked or first.finish_reason, first.finish_message), hidden)
            raise RefusedByProvider(reason)
        parts = first.content.parts if first.content else []
        files = [part.inline_data.data for part in parts if part.inline_data and not part.thought]
        if not files:
            reason = self._http.shown(_told(first.finish_reason, first.finish_message), hidden)
            raise RemoteEngineFailed(
                f"Engine {self._remote.key} answered without a picture: {reason or 'no reason told'}"
            )
        try:
            return RemoteAnswer(file=from_json_base64(files[0]))
        except ValueError as exc:
            raise RemoteEngineFailed(f"Engine {self._remote.key} answered in another form") from exc

    def _error(self, answer: HttpAnswer, hidden: Sequence[str]) -> ImgenError:
        problem = _problem(answer)
        where, words = f"Engine {self._remote.key}", self._http.words(answer, hidden)
        if ACCOUNT_REASONS & {problem.status, *(detail.reason for detail in problem.details)}:
            named = self._remote.api_key_env or "it has no api_key_env"
            return RemoteKeyRefused(f"{where} refuses the key ({named}): {words}")
        pause_s = _retry_delay_s(problem)
        if answer.status in BUSY and pause_s is not None and retry_after_s(answer.headers) is None:
            return RemoteEngineBusy(f"{where} is busy: {answer.status} {words}", retry_after_s=pause_s)
        return self._http.error(answer, hidden)


def _problem(answer: HttpAnswer) -> _Problem:
    try:
        return msgspec.json.decode(answer.body, type=_Refusal).error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _Problem()


def _retry_delay_s(problem: _Problem) -> int | None:
    """Returns the pause that a quota's answer asks for, such as `17.5s`, at most an hour; None: it names none."""
    for detail in problem.details:
        if detail.type == RETRY_INFO and (found := _SECONDS.fullmatch(detail.retry_delay)):
            return min(math.ceil(float(found[1])), MAX_PAUSE_S)
    return None


def _body(request: PictureRequest) -> dict[str, Any]:
    shot, options = request.shot, request.choice.options
    parts: list[dict[str, Any]] = [{"text": shot.diffusion.positive}]
    if shot.source is not None:
        data = base64.b64encode(png(shot.source)).decode()
        parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
    image = {name: value for name, value in options.items() if name in IMAGE_OPTIONS}
    further = {name: value for name, value in options.items() if name not in IMAGE_OPTIONS}
    seed = {"seed": shot.diffusion.seed % 2**31} if "seed" in request.choice.takes else {}  # the field is an int32
    return {
        "contents": [{"role": "user", "parts": parts}],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": _ratio(shot.diffusion), **image},
            **seed,
            **further,
        },
    }


def _ratio(diffusion: Diffusion) -> str:
    """Returns the ratio nearest to a size."""
    wanted = math.log(diffusion.width / diffusion.height)
    width, height = min(RATIOS, key=lambda ratio: abs(math.log(ratio[0] / ratio[1]) - wanted))
    return f"{width}:{height}"


def _told(*words: str) -> str:
    """Joins the beginnings of texts, which may be long, so that no whole one is copied."""
    return " ".join(word[:MAX_TEXT] for word in words if word)
