"""Client of the kind `openai`: OpenAI's images, as OpenAI, SGLang-Diffusion and vLLM-Omni serve them. One call a picture, no ids.

Source of the dialect: platform.openai.com, API reference, Images.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from pydantic import SecretStr

from imgen.domain.errors import RefusedByProvider, RemoteEngineFailed
from imgen.domain.recipe import Diffusion, strength_of
from imgen.domain.remote_engine import RemoteEngine
from workers.engines.remote.http import EngineHttp, HttpAnswer
from workers.engines.remote.pictures import alpha_mask, from_json_base64, png
from workers.engines.remote.protocol import DirectClient, PictureRequest, Progress, RemoteAnswer

REFUSALS = ("content_policy_violation", "moderation_blocked")
"""Codes by which a provider refuses to draw (platform.openai.com, guides/error-codes)."""
_NOT_FOUND = 404


class _Picture(Struct):
    b64_json: msgspec.Raw = msgspec.Raw(b"null")
    url: str | None = None
    revised_prompt: str | None = None


class _Answer(Struct):
    data: list[_Picture]


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model] = []


class OpenAIImages(DirectClient):
    """Client of one server."""

    def __init__(self, remote: RemoteEngine, key: SecretStr, folders: Sequence[Path] = ()) -> None:  # noqa: ARG002 - no workflows
        secret = key.get_secret_value()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = EngineHttp(remote, headers=headers, secrets=(secret,))
        self._remote = remote

    async def probe(self, models: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002 - it lists them
        """Lists the models; a server without a list answers at least. See `RemoteClient.probe`."""
        answer = await self._http.send("GET", "models", max_bytes=2**22)
        if answer.status == _NOT_FOUND:
            return ()
        if not answer.is_ok:
            raise self._http.error(answer)
        return tuple(model.id for model in self._http.parsed(answer, _Models).data)

    async def draw(self, request: PictureRequest, progress: Progress) -> RemoteAnswer:  # noqa: ARG002 - it tells none
        """Asks for a picture. See `DirectClient.draw`."""
        fields, shot = _fields(request), request.shot
        if shot.source is None:
            answer = await self._http.send("POST", "images/generations", is_call=True, json=fields)
        else:
            files = {"image": ("image.png", png(shot.source), "image/png")}
            if shot.mask is not None:
                files["mask"] = ("mask.png", png(alpha_mask(shot.source, shot.mask)), "image/png")
            texts = {name: _text(value) for name, value in fields.items()}
            answer = await self._http.send("POST", "images/edits", is_call=True, data=texts, files=files)
        if answer.is_ok:
            return self._picture(answer)
        if answer.status in (400, 403) and any(code.encode() in answer.body for code in REFUSALS):
            raise RefusedByProvider(self._http.words(answer, request.hidden))
        raise self._http.error(answer, request.hidden)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    def _picture(self, answer: HttpAnswer) -> RemoteAnswer:
        where = f"Engine {self._remote.key}"
        first = next(iter(self._http.parsed(answer, _Answer).data), _Picture())
        try:
            has_file = bytes(memoryview(first.b64_json)[:4]) not in (b"null", b'""')
            file = from_json_base64(first.b64_json) if has_file else first.url
        except ValueError as exc:
            raise RemoteEngineFailed(f"{where} answered in another form") from exc
        if not file:
            raise RemoteEngineFailed(f"{where} answered without a picture")
        return RemoteAnswer(file=file, revised_prompt=first.revised_prompt or "")


def _fields(request: PictureRequest) -> dict[str, Any]:
    diffusion = request.shot.diffusion
    return {
        "model": request.choice.model,
        "prompt": diffusion.positive,
        "n": 1,
        "size": f"{diffusion.width}x{diffusion.height}",
        **_taken(request, diffusion),
        **request.choice.options,
    }


def _taken(request: PictureRequest, diffusion: Diffusion) -> dict[str, Any]:
    """Returns the parameters beyond OpenAI's own, by the names of SGLang-Diffusion and vLLM-Omni."""
    values: Mapping[str, tuple[str, Any]] = {
        "seed": ("seed", diffusion.seed),
        "steps": ("num_inference_steps", diffusion.num_inference_steps),
        "guidance": ("guidance_scale", diffusion.guidance_scale),
        "negative": ("negative_prompt", diffusion.negative),
    }
    if request.shot.source is not None:
        values = {**values, "strength": ("strength", strength_of(diffusion))}
    return dict(values[name] for name in request.choice.takes if name in values)


def _text(value: Any) -> str:
    """Returns a value as a form has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
