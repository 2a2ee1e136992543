"""Client of the kind `workersai`: Cloudflare Workers AI over REST. One call a picture, no ids.

Sources: developers.cloudflare.com/workers-ai, the schemas of its models and its table of errors.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image
from pydantic import SecretStr

from imgen.domain.engine_options import EngineChoice, Parameter
from imgen.domain.errors import (
    ImgenError,
    ModelError,
    RefusedByProvider,
    RemoteEngineBusy,
    RemoteEngineFailed,
    RemoteKeyRefused,
)
from imgen.domain.recipe import strength_of
from imgen.domain.remote_engine import RemoteEngine
from workers.engines.remote.http import BUSY, MAX_ERROR_BYTES, MAX_PAUSE_S, EngineHttp, HttpAnswer, retry_after_s
from workers.engines.remote.pictures import from_json_base64, png
from workers.engines.remote.protocol import DirectClient, PictureRequest, Progress, RemoteAnswer

REFERENCE_SIDE = 504
"""Longest side of a source that FLUX.2 is sent; it takes pictures below 512 × 512."""
FLAGGED = re.compile(r"flagged|\bNSFW\b", re.IGNORECASE)
"""Words by which a picture is refused; the code beside them, 3030 or 8007, stands for other failures too."""
KEY_CODES = frozenset({6003, 6111, 9109, 10000, 10001})
"""Codes of a token that is no token, or that may not do this; some come with status 400."""
MODEL_CODES = frozenset({3041, 5016, 5018})
"""Codes of a model that the account may not use, or whose terms it has not accepted; they come with status 403."""
ALLOCATION_SPENT = 3036
"""Code of a free allocation that is used up for this day."""
_MODEL = re.compile(r"@?[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*")
_FILES = ("image/", "application/octet-stream")


class Family(NamedTuple):
    """Requests that the models of one family take."""

    marker: str
    """Part of the names of its models."""
    fields: Mapping[Parameter, str]
    """Parameter → its field."""
    has_size: bool = True
    edits: tuple[str, ...] = ("",)
    """Values of an entry's `edits`."""
    is_form: bool = False
    """Whether it takes forms alone, never JSON."""


FAMILIES = (
    Family("/flux-2-klein-", {"seed": "seed"}, edits=("", "image"), is_form=True),  # its four steps are fixed
    Family("/flux-2-", {"seed": "seed", "steps": "steps", "guidance": "guidance"}, edits=("", "image"), is_form=True),
    Family("/flux-1-schnell", {"steps": "steps"}, has_size=False),  # it refuses all other fields
    Family("/lucid-", {"seed": "seed", "steps": "num_steps", "guidance": "guidance"}),
    Family("/phoenix-", {"seed": "seed", "steps": "num_steps", "guidance": "guidance", "negative": "negative_prompt"}),
    Family(
        "",  # Stable Diffusion, and models that are not known here
        {
            "seed": "seed",
            "steps": "num_steps",
            "guidance": "guidance",
            "negative": "negative_prompt",
            "strength": "strength",
        },
        edits=("", "image", "mask"),
    ),
)
"""Families of models; the first whose marker is in the name counts."""


class _Problem(Struct):
    code: int = 0
    message: str = ""


class _Problems(Struct):
    errors: list[_Problem] | None = None


class _Result(Struct):
    image: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(Struct):
    success: bool = True
    result: _Result | None = None


class _Model(Struct):
    name: str


class _Models(Struct):
    result: list[_Model]


class WorkersAI(DirectClient):
    """Client of one account."""

    def __init__(self, remote: RemoteEngine, key: SecretStr, folders: Sequence[Path] = ()) -> None:  # noqa: ARG002 - no workflows
        secret = key.get_secret_value()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = EngineHttp(remote, headers=headers, secrets=(secret,))
        self._remote = remote

    @classmethod
    def check_choice(cls, choice: EngineChoice, folders: Sequence[Path]) -> None:  # noqa: ARG003 - no workflows
        """Compares the entry with the model's family. See `RemoteClient.check_choice`."""
        where, family = f"engine {choice.engine}: model {choice.model!r}", family_of(choice.model)
        if not _MODEL.fullmatch(choice.model):
            raise ModelError(f"{where} is no name of Workers AI, such as @cf/black-forest-labs/flux-2-dev")
        if unknown := [name for name in choice.takes if name not in family.fields]:
            raise ModelError(f"{where} takes no {', '.join(unknown)}; it takes {', '.join(family.fields)}")
        if choice.edits not in family.edits:
            most = f"at most {family.edits[-1]!r}" if family.edits[-1] else "nothing"
            raise ModelError(f"{where}: edits = {choice.edits!r}, and it can be {most}")

    async def probe(self, models: Sequence[str] = ()) -> tuple[str, ...]:  # noqa: ARG002 - it lists its own
        """Lists the models that draw from words. See `RemoteClient.probe`."""
        params = {"task": "Text-to-Image", "per_page": "100"}
        answer = await self._http.send("GET", "ai/models/search", max_bytes=2**22, params=params)
        if not answer.is_ok:
            raise self._error(answer, ())
        return tuple(model.name for model in self._http.parsed(answer, _Models).result)

    async def draw(self, request: PictureRequest, progress: Progress) -> RemoteAnswer:  # noqa: ARG002 - it tells none
        """Asks for a picture. See `DirectClient.draw`."""
        family = family_of(request.choice.model)
        body = _form(request, family) if family.is_form else _json(request, family)
        answer = await self._http.send("POST", f"ai/run/{request.choice.model}", is_call=True, **body)
        if answer.is_ok and answer.media_type.startswith(_FILES):
            return RemoteAnswer(file=answer.body)
        if not answer.is_ok or self._problems(answer):
            raise self._error(answer, request.hidden)
        return self._picture(answer)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    def _picture(self, answer: HttpAnswer) -> RemoteAnswer:
        found = self._http.parsed(answer, _Answer)
        image = found.result.image if found.success and found.result else _Result().image
        head = bytes(memoryview(image)[:9])
        if head in (b"null", b'""'):
            raise RemoteEngineFailed(f"Engine {self._remote.key} answered without a picture")
        try:
            is_url = head.startswith((b'"http://', b'"https://'))
            return RemoteAnswer(file=msgspec.json.decode(image, type=str) if is_url else from_json_base64(image))
        except ValueError as exc:  # msgspec's own among them
            raise RemoteEngineFailed(f"Engine {self._remote.key} answered in another form") from exc

    def _error(self, answer: HttpAnswer, hidden: Sequence[str]) -> ImgenError:
        """Returns our error of an answer with errors, which may have a status of success."""
        problems = self._problems(answer)
        codes = {problem.code for problem in problems}
        told = self._http.shown(" ".join(f"{one.code} {one.message}" for one in problems), hidden)
        where = f"Engine {self._remote.key}"
        if FLAGGED.search(told):
            return RefusedByProvider(told)
        if codes & KEY_CODES:
            named = self._remote.api_key_env or "it has no api_key_env"
            return RemoteKeyRefused(f"{where} refuses the key ({named})")
        if codes & MODEL_CODES:
            return ModelError(f"{where} refuses the model: {told}")
        if answer.status in BUSY and ALLOCATION_SPENT in codes:
            pause_s = retry_after_s(answer.headers)
            return RemoteEngineBusy(f"{where} is busy: {told}", retry_after_s=pause_s or MAX_PAUSE_S)
        if answer.is_ok:
            return RemoteEngineFailed(f"{where} failed: {told}")
        return self._http.error(answer, hidden)

    @staticmethod
    def _problems(answer: HttpAnswer) -> list[_Problem]:
        if len(answer.body) > MAX_ERROR_BYTES:  # a picture's
            return []
        try:
            return msgspec.json.decode(answer.body, type=_Problems).errors or []
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return []


def family_of(model: str) -> Family:
    """Returns the family of a model."""
    return next(family for family in FAMILIES if family.marker in model)


def _fields(request: PictureRequest, family: Family) -> dict[str, Any]:
    diffusion = request.shot.diffusion
    values: dict[Parameter, Any] = {
        "seed": diffusion.seed,
        "steps": diffusion.num_inference_steps,
        "guidance": diffusion.guidance_scale,
        "negative": diffusion.negative,
    }
    if request.shot.source is not None:
        values["strength"] = strength_of(diffusion)
    size = {"width": diffusion.width, "height": diffusion.height} if family.has_size else {}
    taken = {family.fields[name]: values[name] for name in request.choice.takes if name in values}
    return {"prompt": diffusion.positive, **size, **taken, **request.choice.options}


def _json(request: PictureRequest, family: Family) -> dict[str, Any]:
    """Returns the request as JSON: the source in base64, the mask's file as a list of its bytes, white where it is redrawn."""
    fields, shot = _fields(request, family), request.shot
    if shot.source is not None:
        fields["image_b64"] = base64.b64encode(png(shot.source)).decode()
    if shot.mask is not None:
        fields["mask"] = list(png(shot.mask))
    return {"json": fields}


def _form(request: PictureRequest, family: Family) -> dict[str, Any]:
    """Returns the request as a form, also where it has no file."""
    parts: dict[str, tuple[Any, ...]] = {
        name: (None, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in _fields(request, family).items()
    }
    if request.shot.source is not None:
        parts["input_image_0"] = ("image.png", png(_reference(request.shot.source)), "image/png")
    return {"files": parts}


def _reference(source: NDArray[uint8]) -> NDArray[uint8]:
    """Returns a source no larger than FLUX.2 takes it."""
    image = Image.fromarray(source)
    image.thumbnail((REFERENCE_SIDE, REFERENCE_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image)
