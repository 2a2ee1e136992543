"""Capabilities of a diffusers model by the names and configurations in its folder: without weights, and without torch."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import Model
from imgen.domain.engine_options import DiffusersOptions
from imgen.domain.errors import ModelError
from imgen.weights.lookup import find
from workers.engines import EngineContext, batch_max
from workers.engines.diffusers.acting import acting, read_signature
from workers.engines.diffusers.architectures import architecture_of
from workers.engines.diffusers.drawn_sizes import longest_side, size_multiple
from workers.engines.diffusers.model_files import in_cache, read_index


def capabilities(model: Model, options: DiffusersOptions, context: EngineContext) -> Capabilities | None:
    """Returns a model's capabilities. None: nothing is known of it before it is loaded."""
    try:
        path = find(model.source, context.folders_of(model.source)) or in_cache(model.source)
        if path is None:
            return None
        folder = path if path.is_dir() else path.with_suffix("")
        own = _own_folders(options.components, context)
        name = options.pipeline or str(read_index(folder)["_class_name"])
    except (ModelError, ValueError):  # the latter of a name that no hub has
        return None
    architecture = architecture_of(name)
    configured = partial(_configuration, folder, own)
    acts = acting(name, read_signature(name), configured, options.call)
    return Capabilities(
        image=bool(architecture.image),
        inpaint=bool(architecture.inpaint or architecture.image),
        negative=model.negative_prompt and acts.negative,
        negative_above=acts.negative_above,
        guidance=acts.is_guided,
        seed=acts.seed,
        size_multiple=size_multiple(configured),
        longest_side=longest_side(configured),
        batch=batch_max(model),
    )


def _own_folders(components: Mapping[str, str], context: EngineContext) -> dict[str, Path]:
    """Returns the folders of the model's own components; a single file has the configuration of the source."""
    found = {
        name: find(each, context.folders_of(each)) or in_cache(each, "config.json") for name, each in components.items()
    }
    return {name: path for name, path in found.items() if path is not None and path.is_dir()}


def _configuration(folder: Path, own: Mapping[str, Path], component: str) -> dict[str, Any]:
    """Reads the configuration of a component, of the pipeline for an empty name; empty: there is none."""
    file = own.get(component, folder / component) / "config.json" if component else folder / "model_index.json"
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
