"""Entry and trial of a model that engines elsewhere draw: they tell their models, and each draws one picture, which is paid."""

import asyncio
import difflib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import typer
from msgspec import ValidationError, structs

from imgen.cli.models.trial import PROMPT, SEED, SLOWER_AT_WORST, STYLES, TrialSize
from imgen.configuration import load_catalog, load_engines
from imgen.domain.catalog import Model, parse_model
from imgen.domain.engine_options import Parameter, RemoteOptions
from imgen.domain.errors import ConfigurationError, ModelError, PictureFlagged
from imgen.domain.recipe import Diffusion
from imgen.settings import Settings
from imgen.settings.layers import nearest, read_toml

if TYPE_CHECKING:
    from imgen.domain.remote_engine import RemoteEngine
    from workers.engines import EngineContext

PROBE_S = 10
"""Longest time in which an engine tells its models."""
NEAREST = 5
"""Names that are told for one that the engine does not have."""
_ON_THE_WIRE: Mapping[str, tuple[str, ...]] = {
    "seed": ("seed",),
    "steps": ("num_inference_steps", "steps"),
    "guidance": ("guidance_scale", "guidance", "cfg"),
    "negative": ("negative_prompt", "negative"),
    "strength": ("strength", "denoise"),
    "lora": ("lora",),
}
"""Parameter → names by which engines' refusals may name it."""


class Asked(NamedTuple):
    """Options of the command that only remote models have."""

    engines: tuple[str, ...]
    """Keys in engines.toml, in the order in which they are asked."""
    models: tuple[str, ...]
    """The engines' own names of the model: one for all, one for each, or none."""
    takes: str
    """Names of parameters, with commas between them."""
    edits: str
    workflow: str
    nodes: Mapping[str, str | tuple[str, ...]]
    options: Mapping[str, object]


class Added(NamedTuple):
    """Model that was made up of the options, and its trial pictures."""

    model: Model
    pictures: tuple[tuple[str, Path, float], ...]
    """Engine, path and seconds of each; none: nothing was drawn."""


def add_remote(
    loaded: Settings,
    key: str,
    label: str,
    asked: Asked,
    *,
    steps: int,
    size: TrialSize,
    is_tried: bool,
    is_agreed: bool,
) -> Added:
    """Asks the engines for their models, and has each draw one picture. Writes only the pictures.

    Args:
        loaded: settings.
        key: the model's.
        label: of the model.
        asked: what the engines are to draw it with.
        steps: its default; 0: the usual one.
        size: of the pictures.
        is_tried: whether pictures are drawn.
        is_agreed: whether they may be paid without a question.

    Raises:
        ConfigurationError: an engine is not configured or has no such model, or the entry would be none.
        ImgenError: an engine does not answer, or did not draw.
    """
    from workers import engines  # the API's package never imports workers, but this command does their work
    from workers.resources import engine_context

    remotes = load_engines(loaded)
    for name in asked.engines:
        if name not in remotes:
            raise ConfigurationError(f"engines.toml has no engine {name!r}{nearest(name, remotes)}")
    context = engine_context(loaded, load_catalog(loaded), remotes)
    names = _names(asked)
    choices = [
        _choice(asked, engine, asyncio.run(_found_model(remotes[engine], name, asked, context)))
        for engine, name in zip(asked.engines, names, strict=True)
    ]
    model = _parsed(loaded, key, label, choices, steps)
    engines.check(model, context)
    if not is_tried:
        return Added(model, ())
    if not is_agreed:
        _ask(model, remotes)
    pictures = tuple(_trial(loaded, model, number, context, size) for number in range(len(choices)))
    longest_s = max(seconds for _, _, seconds in pictures)
    limit_s = min(max(model.time_limit_s, round(SLOWER_AT_WORST * longest_s)), loaded.workers.longest_render_s)
    return Added(structs.replace(model, time_limit_s=limit_s), pictures)


def _names(asked: Asked) -> tuple[str, ...]:
    """Returns the engines' own names of the model, one for each engine; empty: not told.

    Raises:
        ConfigurationError: there are neither one nor as many.
    """
    engines, models = asked.engines, asked.models
    if len(models) not in (0, 1, len(engines)):
        raise ConfigurationError(
            f"--model is given {len(models)} times for {len(engines)} engines: once, or once for each"
        )
    return models if len(models) == len(engines) else (models or ("",)) * len(engines)


async def _found_model(remote: "RemoteEngine", name: str, asked: Asked, context: "EngineContext") -> str:
    """Returns the engine's own name of the model, once it has told its models.

    Raises:
        ConfigurationError: it has no such model, or has several and none is named.
        ImgenError: it does not answer as it should.
    """
    from workers.engines.remote.engine import open_client

    client = open_client(remote, context)
    try:
        async with asyncio.timeout(PROBE_S):
            told = await client.probe((name,) if name else ())
    except TimeoutError as exc:
        raise ConfigurationError(f"engine {remote.key}: no answer within {PROBE_S} s") from exc
    finally:
        await client.close()
    if not told or name in told or asked.workflow:
        return name
    if name:
        near = difflib.get_close_matches(name, told, n=NEAREST, cutoff=0.3)
        raise ConfigurationError(
            f"engine {remote.key} has no model {name!r}; "
            + (f"the nearest are {', '.join(near)}" if near else _listed(told))
        )
    if len(told) > 1:
        raise ConfigurationError(f"engine {remote.key} has several models, name one with --model: {', '.join(told)}")
    return told[0]


def _listed(names: Sequence[str]) -> str:
    return f"it has {', '.join(names)}"


def _choice(asked: Asked, engine: str, name: str) -> dict[str, Any]:
    """Returns an engine's table in the model's entry; what is not asked for is not in it.

    Raises:
        ConfigurationError: a parameter is none.
    """
    takes = tuple(filter(None, (word.strip() for word in asked.takes.split(","))))
    known = get_args(Parameter)
    for word in takes:
        if word not in known:
            raise ConfigurationError(f"--takes {word}: it is none of {', '.join(known)}")
    table = {
        "engine": engine,
        "model": name,
        "takes": takes,
        "edits": asked.edits,
        "workflow": asked.workflow,
        "nodes": dict(asked.nodes),
        "options": dict(asked.options),
    }
    return {field: value for field, value in table.items() if value}


def _parsed(loaded: Settings, key: str, label: str, choices: Sequence[dict[str, Any]], steps: int) -> Model:
    kind = read_toml(loaded.config_dir / "architectures.toml")["other"]
    if steps:
        least, most = min(steps, kind["steps"]["min"]), max(steps, kind["steps"]["max"])
        kind |= {"steps": {"default": steps, "min": least, "max": most}}
    if not any("negative" in choice.get("takes", ()) for choice in choices):
        kind |= {"base_negative": "", "negative_prompt": False}
    own = {"label": label, "backend": RemoteOptions.name, "engines": choices}
    try:
        return parse_model(key, {**kind, **own, "styles": STYLES, "default_style": next(iter(STYLES))})
    except ValidationError as exc:
        raise ConfigurationError(str(exc)) from exc


def _ask(model: Model, remotes: Mapping[str, "RemoteEngine"]) -> None:
    """Asks whether the trial may be paid. Raises typer.Abort if not."""
    names = dict.fromkeys(choice.engine for choice in _options(model).engines)
    prices = ", ".join(f"{name} ({remotes[name].price or 'no price is configured'})" for name in names)
    typer.confirm(f"Each engine draws one picture, which it may charge for: {prices}. Go on?", abort=True)


def _options(model: Model) -> RemoteOptions:
    if not isinstance(model.engine, RemoteOptions):
        raise TypeError(f"{model.key} is drawn here")
    return model.engine


def _trial(
    loaded: Settings, model: Model, number: int, context: "EngineContext", size: TrialSize
) -> tuple[str, Path, float]:
    """Has one engine draw a picture. Returns the engine, the picture's path and the seconds.

    Raises:
        ModelError: it refuses the request; the parameter that it names is told.
        ImgenError: it did not draw.
    """
    import numpy as np
    from PIL import Image

    from workers import engines

    choice = _options(model).engines[number]
    alone = structs.replace(model, engine=RemoteOptions(engines=(choice,)))
    diffusion = Diffusion(
        positive=PROMPT,
        negative=model.base_negative,
        width=size.width,
        height=size.height,
        seed=SEED,
        num_inference_steps=model.steps.default,
        guidance_scale=model.guidance.default,
    )
    source = None if choice.draws(source=False, mask=False) else np.full((size.height, size.width, 3), 127, np.uint8)
    engine = engines.load(alone, context)
    started = time.monotonic()
    try:
        (drawn,) = engine.render([engines.Shot(diffusion=diffusion, source=source)], lambda *_: None)
    except ModelError as exc:
        raise ModelError(f"{exc}{_refused(str(exc), choice.takes)}") from exc
    finally:
        engine.unload()
    if isinstance(drawn, PictureFlagged):
        raise drawn
    seconds = time.monotonic() - started
    name = f"{model.key}.trial.png" if len(_options(model).engines) == 1 else f"{model.key}.{choice.engine}.trial.png"
    picture = loaded.data_dir / "models" / name
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn.pixels).save(picture)
    return choice.engine, picture, seconds


def _refused(words: str, takes: Sequence[str]) -> str:
    """Returns a clause with the parameters that an engine's refusal names, or those that it may be about."""
    named = [name for name in takes if any(word in words for word in _ON_THE_WIRE[name])]
    if named:
        return f". It takes no {', '.join(named)}: leave that out of --takes"
    return f". It was sent {', '.join(takes)}: leave out of --takes those that it does not take" if takes else ""
