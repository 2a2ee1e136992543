"""Trial of a new model: one picture, and the LoRA files that the configuration has for it already."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import ValidationError
from rich.progress import Progress

from imgen.domain.catalog import Catalog, Model, Style, parse_model
from imgen.domain.engine_options import DiffusersOptions
from imgen.domain.errors import ConfigurationError, PictureFlagged
from imgen.domain.recipe import Diffusion
from imgen.settings import Settings
from imgen.settings.layers import read_toml
from imgen.weights.lookup import in_order

PROMPT = "a woman in a red coat, on a beach, warm lighting"
SEED = 1
STYLES = {
    "professional": Style(label="Professional", quality_tags="sharp focus, balanced composition"),
    "cinematic": Style(label="Cinematic", quality_tags="cinematic light, wide shot", negative_extra="flat light"),
}
SLOWER_AT_WORST = 4
"""Ratio of the time limit to the trial's time: another size, more steps, a busy machine."""


class TrialSize(NamedTuple):
    """Pixels of the picture that a new model is tried with."""

    width: int
    height: int


def trial_render(
    loaded: Settings,
    key: str,
    asked: Mapping[str, Any],
    steps: int,
    *,
    size: TrialSize,
    download: bool,
) -> tuple[Model, Path, float]:
    """Renders one picture with the model.

    Args:
        loaded: settings.
        key: the model's.
        asked: keys of its entry as they are asked for, among them `label` and `source`.
        steps: its default; 0: as usual for its kind.
        size: of the picture.
        download: whether the hub may be asked.

    Returns:
        Its entry, the picture's path and the seconds. Writes only the picture.

    Raises:
        ConfigurationError: the entry would not be one.
        ModelError, Retryable: it cannot be loaded, or cannot draw.
    """
    from PIL import Image

    from workers import engines  # the API's package never imports workers, but this command does their work
    from workers.engines.diffusers.model_files import absent_components
    from workers.engines.diffusers.placement import place

    allowed = download or loaded.workers.allow_downloads
    folders = loaded.model_folders
    is_half = place(key, DiffusersOptions()).is_half
    components = asked.get("components", {})
    without = (*asked.get("leave_out", ()), *components)
    absent = absent_components(asked["source"], folders, allow_downloads=allowed, leave_out=without, is_half=is_half)
    left_out = [name for name in absent if name not in components or name in asked.get("leave_out", ())]
    kinds = read_toml(loaded.config_dir / "architectures.toml")

    def model_of(kind: dict[str, Any], **more: object) -> Model:
        table = {**kind, **asked, "leave_out": left_out, **more}
        try:
            return parse_model(key, table | {"styles": STYLES, "default_style": next(iter(STYLES))})
        except ValidationError as exc:
            raise ConfigurationError(str(exc)) from exc

    context = engines.EngineContext(folders=folders, allow_downloads=allowed)
    engine = engines.load(model_of(kinds["other"], call={}), context)
    kind = kinds.get(engine.architecture, kinds["other"])
    if steps:
        least, most = min(steps, kind["steps"]["min"]), max(steps, kind["steps"]["max"])
        kind |= {"steps": {"default": steps, "min": least, "max": most}}
    model = model_of(kind)
    diffusion = Diffusion(
        positive=PROMPT,
        negative=model.base_negative,
        width=size.width,
        height=size.height,
        seed=SEED,
        num_inference_steps=model.steps.default,
        guidance_scale=model.guidance.default,
    )
    with Progress(transient=True) as bar:
        task = bar.add_task(f"{engine.architecture}: one picture", total=None)
        started = time.monotonic()
        (drawn,) = engine.render(
            [engines.Shot(diffusion=diffusion)],
            lambda done, total, _preview: bar.update(task, completed=done, total=total),
        )
        seconds = time.monotonic() - started
    engine.unload()
    if isinstance(drawn, PictureFlagged):
        raise drawn
    picture = loaded.data_dir / "models" / f"{model.key}.trial.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn.pixels).save(picture)
    limit_s = max(model.time_limit_s, round(SLOWER_AT_WORST * seconds))
    return model_of(kind, time_limit_s=min(limit_s, loaded.workers.longest_render_s)), picture, seconds


def check_loras(loaded: Settings, catalog: Catalog, model: Model) -> None:
    """Checks the LoRA files that characters.toml has for the model already.

    Raises:
        ModelError: one is missing, is of an unknown kind or does not fit the model.
    """
    from workers.engines.diffusers.components import config_of, find_components
    from workers.engines.diffusers.lora_check import check_fit
    from workers.engines.diffusers.model_files import find_lora, find_model

    options, folders = model.engine, loaded.model_folders
    if not isinstance(options, DiffusersOptions):
        return
    without = (*options.leave_out, *options.components)
    for character in catalog.characters.values():
        if model.key not in character.loras:
            continue
        name = character.loras[model.key]
        folder = find_model(model.source, folders, allow_downloads=False, leave_out=without)
        components = find_components(
            model.key, options.components, lambda _name: folders, config_of(folder), allow_downloads=False
        )
        path = find_lora(name, in_order(name, folders, catalog.shipped))
        check_fit(path, folder, leave_out=options.leave_out, components=components)
