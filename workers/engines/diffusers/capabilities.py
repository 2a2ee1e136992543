"""Capabilities of a diffusers model by the names and configurations in its folder: without weights, and without torch."""

import json
from pathlib import Path
from typing import Any

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import DiffusersOptions, Model
from imgen.domain.errors import ModelError
from imgen.weights.lookup import find
from workers.engines import EngineContext, batch_max
from workers.engines.diffusers.architectures import Architecture, architecture_of
from workers.engines.diffusers.model_files import in_cache, read_index

LEAST_TRUE_CFG = 1.0
"""`true_cfg_scale` up to which a distilled model draws in one pass."""


def capabilities(model: Model, options: DiffusersOptions, context: EngineContext) -> Capabilities | None:
    """Returns a model's capabilities. None: nothing is known of it before it is loaded."""
    try:
        path = find(model.source, context.folders_of(model.source)) or in_cache(model.source)
        if path is None:
            return None
        folder = path if path.is_dir() else path.with_suffix("")
        name = options.pipeline or str(read_index(folder)["_class_name"])
    except (ModelError, ValueError):  # the latter of a name that no hub has
        return None
    architecture = architecture_of(name)
    return Capabilities(
        image=bool(architecture.image),
        inpaint=bool(architecture.inpaint or architecture.image),
        negative=model.negative_prompt and _heeds_negatives(architecture, options),
        guidance=_is_guided(architecture, folder),
        batch=batch_max(model),
    )


def _heeds_negatives(architecture: Architecture, options: DiffusersOptions) -> bool:
    if not architecture.distilled:
        return True
    scale = options.call.get("true_cfg_scale", 0)
    return isinstance(scale, int | float) and scale > LEAST_TRUE_CFG


def _is_guided(architecture: Architecture, folder: Path) -> bool:
    """Returns whether the guidance scale reaches the denoiser: distilled ones may have been made without a place for it."""
    if not architecture.distilled:
        return True
    return bool(_configuration(folder / "transformer").get("guidance_embeds", True))


def _configuration(component: Path) -> dict[str, Any]:
    try:
        found = json.loads((component / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
