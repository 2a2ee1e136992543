"""Engine `openai`: has a server draw that speaks OpenAI's images (`engines.toml`); one call for each picture and attempt.

It imports no torch. Pictures of another size than asked for are scaled and cut from the middle, and that is told.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import SecretStr

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import Model, OpenAIOptions
from imgen.domain.errors import (
    InvalidField,
    ModelError,
    PictureFlagged,
    RefusedByProvider,
    RemoteEngineAway,
    RemoteEngineFailed,
    UpstreamPaused,
    UpstreamUnavailable,
)
from imgen.domain.recipe import REDRAWN, Diffusion
from imgen.domain.remote_engine import RemoteEngine
from imgen.provenance.untrusted_image import convert, open_untrusted
from imgen.settings.sections import Upstream
from imgen.upstream.openai_client import BlockingOpenAIClient, Limits
from workers.engines import Drawn, EngineContext, OnStep, Requirements, Shot
from workers.engines.openai_answer import MAX_ANSWER_BYTES, fetched, picture_of
from workers.engines.paste_back import pasted_back

PAUSE_S = 20
"""Seconds for which a failing engine is not asked."""
REFUSALS = ("content_policy_violation", "moderation_blocked")
"""Codes by which a provider refuses to draw (platform.openai.com, guides/error-codes)."""
AWAY = frozenset({429, 502, 503})
"""Statuses that say that nothing was drawn, and that another time may do."""
KEY_REFUSED = frozenset({401, 403})
REFUSED = frozenset({400, 404, 413, 422})


def check(model: Model, options: OpenAIOptions, context: EngineContext) -> Requirements:
    """Checks that the remote engine is configured, and has its key. See `workers.engines.Check`."""
    _remote(model, options, context)
    if (model.batch.max or 1) > 1:
        raise ModelError(f"models.toml: {model.key}: batch.max: one call draws one picture with backend openai")
    return Requirements()


def try_out(_model: Model, _options: OpenAIOptions, _context: EngineContext) -> None:
    """Does nothing: a call is paid. See `workers.engines.TryOut`."""


def check_lora(model: Model, _options: OpenAIOptions, _context: EngineContext, lora: str) -> None:
    """Refuses every LoRA: the protocol has none. See `workers.engines.CheckLora`."""
    raise ModelError(f"models.toml: {model.key}: backend openai draws without LoRAs, and {lora} is one")


def capabilities(model: Model, options: OpenAIOptions, _context: EngineContext) -> Capabilities:
    """Returns what the entry says of the remote engine. See `workers.engines.TellCapabilities`."""
    return Capabilities(
        image=bool(options.edits),
        inpaint=options.edits == "mask",
        negative=model.negative_prompt and "negative" in options.takes,
        negative_above=None,
        guidance="guidance" in options.takes,
        seed="seed" in options.takes,
    )


def default_batch(_options: OpenAIOptions) -> int:
    """Returns 1: a call that fails is then no other picture's. See `workers.engines.DefaultBatch`."""
    return 1


def load(model: Model, options: OpenAIOptions, context: EngineContext) -> "OpenAIImages":
    """Opens a client; nothing is asked. See `workers.engines.Load`."""
    return OpenAIImages(model, options, *_remote(model, options, context))


def _remote(model: Model, options: OpenAIOptions, context: EngineContext) -> tuple[RemoteEngine, SecretStr]:
    """Returns the remote engine and its key.

    Raises:
        ModelError: there is no such engine.
        RemoteEngineAway: its key is not in the environment; jobs wait until the operator has mended that.
    """
    remote = context.remote_engines.get(options.engine)
    if remote is None:
        raise ModelError(f"models.toml: {model.key}: there is no engine {options.engine!r} in engines.toml")
    key = context.key_in(remote.api_key_env)
    if remote.api_key_env and not key.get_secret_value():
        raise RemoteEngineAway(f"engines.toml: {remote.key}: the environment has no {remote.api_key_env}")
    return remote, key


class OpenAIImages:
    """Engine of one model at one server."""

    def __init__(self, model: Model, options: OpenAIOptions, remote: RemoteEngine, key: SecretStr) -> None:
        self._model = model
        self._options = options
        self._remote = remote
        upstream = Upstream(base_url=remote.base_url, api_key=key, timeout_s=remote.timeout_s, pause_s=PAUSE_S)
        limits = Limits(
            total_s=remote.timeout_s, max_bytes=MAX_ANSWER_BYTES, follow_redirects=False, harmless=KEY_REFUSED | REFUSED
        )
        self._client = BlockingOpenAIClient(upstream, limits)

    @property
    def architecture(self) -> str:
        """Protocol of the server."""
        return "openai"

    @property
    def memory_bytes(self) -> int:
        """Nothing: the weights are elsewhere."""
        return 0

    def render(self, shots: Sequence[Shot], on_step: OnStep) -> list[Drawn | PictureFlagged]:
        """Has each shot drawn by a call of its own; cancellations and time limits act between calls.

        Raises:
            ModelError: the server refuses the request, or the entry does not fit it.
            RemoteEngineAway: nothing was drawn; another time may do.
            RemoteEngineFailed: the call may have been paid, and gave no picture.
        """
        drawn: list[Drawn | PictureFlagged] = []
        for shot in shots:
            on_step(len(drawn), len(shots), _no_preview)
            try:
                drawn.append(self._draw(shot))
            except RefusedByProvider as refusal:
                drawn.append(refusal)
        on_step(len(drawn), len(shots), _no_preview)
        return drawn

    def unload(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _draw(self, shot: Shot) -> Drawn:
        picture, notes = self._asked(shot), []
        size = (shot.diffusion.width, shot.diffusion.height)
        if picture.size != size:
            notes.append(
                f"{self._remote.key} drew {picture.width} × {picture.height}, scaled and cut to the size asked for"
            )
            picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
        pixels = np.asarray(picture)
        if shot.source is not None and shot.mask is not None:
            pixels = pasted_back(shot.diffusion, pixels, shot.source, shot.mask)
        idle = [name for name in ("negative", "guidance", "seed") if name not in self._options.takes]
        return Drawn(pixels=pixels, notes=tuple(notes), idle=tuple(idle))

    def _asked(self, shot: Shot) -> Image.Image:
        try:
            body = self._client.ask(lambda client: self._start(client, shot))
        except UpstreamUnavailable as exc:
            raise self._translated(exc) from exc
        self._client.breaker.succeeded()
        try:
            file = picture_of(body)
            if isinstance(file, str):
                file = fetched(file, timeout_s=self._remote.timeout_s)
            with open_untrusted(file, "picture") as image:
                return convert(image, "RGB")
        except (InvalidField, ValueError) as exc:
            raise RemoteEngineFailed(f"{self._remote.key} answered with no picture: {exc}") from exc

    def _start(self, client: Any, shot: Shot) -> Any:
        common: dict[str, Any] = {
            "model": self._model.source,
            "prompt": shot.diffusion.positive,
            "n": 1,
            "size": f"{shot.diffusion.width}x{shot.diffusion.height}",
            "extra_body": self._further(shot.diffusion),
        }
        if self._options.response_format:
            common["response_format"] = self._options.response_format
        if shot.source is None:
            return client.images.with_streaming_response.generate(**common)
        if shot.mask is not None:
            common["mask"] = ("mask.png", _png(_alpha_mask(shot.source, shot.mask)), "image/png")
        image = ("image.png", _png(shot.source), "image/png")
        return client.images.with_streaming_response.edit(image=image, **common)

    def _further(self, diffusion: Diffusion) -> dict[str, Any]:
        values: Mapping[str, tuple[str, Any]] = {
            "seed": ("seed", diffusion.seed),
            "steps": ("num_inference_steps", diffusion.num_inference_steps),
            "guidance": ("guidance_scale", diffusion.guidance_scale),
            "negative": ("negative_prompt", diffusion.negative),
        }
        return dict(values[name] for name in self._options.takes)

    def _translated(self, exc: UpstreamUnavailable) -> Exception:
        """Returns the error that says what becomes of the job."""
        where = f"Engine {self._remote.key}"
        if exc.status in (400, 403) and any(code in exc.words for code in REFUSALS):
            return RefusedByProvider()
        if exc.status in KEY_REFUSED:
            return RemoteEngineAway(f"{where} refuses the key of {self._remote.api_key_env or 'no variable'}")
        if isinstance(exc, UpstreamPaused) or exc.status in AWAY or _is_unsent(exc):
            return RemoteEngineAway(f"{where} is away: {exc} {exc.status or ''}", retry_after_s=exc.retry_after_s)
        if exc.status in REFUSED:
            return ModelError(f"{where} refuses the request: {exc.status} {exc.words}")
        return RemoteEngineFailed(f"{where} failed: {exc} {exc.status or ''}")


def _is_unsent(exc: UpstreamUnavailable) -> bool:
    """Returns whether no connection came about, so that nothing can have been drawn."""
    import httpx2

    cause = exc.__cause__.__cause__ if exc.__cause__ is not None else None
    return isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)


def _alpha_mask(source: NDArray[uint8], mask: NDArray[uint8]) -> NDArray[uint8]:
    """Returns the source with an alpha of 0 where it is redrawn, as OpenAI's dialect marks it: (height, width, 4)."""
    return np.dstack([source, np.where(mask >= REDRAWN, 0, 255).astype(uint8)])


def _png(pixels: NDArray[uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _no_preview(number: int = 0) -> None:  # noqa: ARG001 - the protocol's name
    return None
