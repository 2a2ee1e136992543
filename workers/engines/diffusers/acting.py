"""Parameters of a request that act on a pipeline, by the signature of its call, its configuration and what is known of its class.

Needs no torch: a process that has not loaded a model reads signatures from diffusers' source.
"""

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from imgen.domain.recipe import Diffusion

TRUE_CFG = "true_cfg_scale"
"""Argument that contrasts the prompt with the negative in pipelines whose `guidance_scale` is told to a distilled denoiser."""

GUIDED_BY = ("guidance_scale", "distilled_guidance_scale", "prior_guidance_scale")
"""Names of the argument that takes the guidance scale, the first that a call has; `TRUE_CFG` where `guidance_scale` is None."""

EXCLUDED_BY_GUIDANCE = "guidance_schedule"
"""Argument with a scale for each step (Ideogram 4); its call refuses it, its default even, beside a guidance scale."""

DISTILLED = "is_distilled"
"""Key of model_index.json (FLUX.2 klein): true if the denoiser was distilled and no scale reaches it."""

CONTRASTED_ABOVE = {"ZImage": 0.0, "Krea2": 0.0}
"""Guidance scale above which a negative prompt acts, by the beginning of the class's name; `USUALLY_ABOVE` for all others."""
USUALLY_ABOVE = 1.0
"""Diffusers' usual condition of `do_classifier_free_guidance`."""

NO_WORDS = " "
"""Negative prompt where a request has none and the pipeline guides only against one: as in diffusers' documentation of Qwen."""

Configured = Callable[[str], Mapping[str, Any]]
"""Returns the configuration of a component; of the pipeline itself for an empty name."""


class Acting(NamedTuple):
    """Parameters that change a pipeline's pictures."""

    guidance: str = "guidance_scale"
    """Argument that takes the guidance scale; empty: there is none."""
    is_guided: bool = True
    """Whether that scale reaches the denoiser."""
    negative: bool = True
    negative_above: float | None = USUALLY_ABOVE
    """Guidance scale above which a negative prompt acts; None: at every one."""
    needs_negative: bool = False
    """Whether the scale acts only against a negative prompt."""
    seed: bool = True

    def idle(self, diffusion: Diffusion) -> tuple[str, ...]:
        """Returns those of `negative` and `guidance` that changed nothing in a picture."""
        is_contrasted = self.negative_above is None or diffusion.guidance_scale > self.negative_above
        idle = {"negative": not (self.negative and is_contrasted), "guidance": not self.is_guided}
        return tuple(name for name, is_idle in idle.items() if is_idle)


def acting(name: str, signature: Mapping[str, Any], configured: Configured, call: Mapping[str, Any]) -> Acting:
    """Returns what acts on a pipeline.

    Args:
        name: the pipeline's class.
        signature: its call's arguments, each with its default; empty: unknown, all is taken to act.
        configured: configurations of the model.
        call: further arguments of the call by the model's entry.
    """
    if not signature:
        return Acting()
    takes_negatives, has_seed = "negative_prompt" in signature, "generator" in signature
    if TRUE_CFG in signature and signature.get("guidance_scale") is None:
        return Acting(TRUE_CFG, negative=takes_negatives, needs_negative=takes_negatives, seed=has_seed)
    guidance = next((argument for argument in GUIDED_BY if argument in signature), "")
    embeds = configured("transformer").get("guidance_embeds", True)
    if TRUE_CFG in signature or guidance == "distilled_guidance_scale":
        scale = call.get(TRUE_CFG, 0)
        contrasts = isinstance(scale, int | float) and scale > USUALLY_ABOVE if TRUE_CFG in signature else not embeds
        return Acting(guidance, bool(embeds), takes_negatives and contrasts, None, seed=has_seed)
    if not takes_negatives:
        index = configured("")
        reaches = not index[DISTILLED] if DISTILLED in index else embeds
        return Acting(guidance, bool(guidance) and bool(reaches), negative=False, seed=has_seed)
    is_told = configured("unet").get("time_cond_proj_dim") is not None  # the scale is an input, nothing is contrasted
    above = next((scale for begin, scale in CONTRASTED_ABOVE.items() if name.startswith(begin)), USUALLY_ABOVE)
    return Acting(guidance, bool(guidance), not is_told, above if guidance else None, seed=has_seed)


@cache
def read_signature(name: str) -> Mapping[str, Any]:
    """Reads the arguments of a pipeline's call from diffusers' source; empty: not found.

    Returns:
        Their defaults: literals, the source of others, `inspect.Parameter.empty` for none.
    """
    if not name.isidentifier() or (library := find_spec("diffusers")) is None or library.origin is None:
        return {}
    declared = re.compile(rf"^class {name}\b", re.MULTILINE)
    for file in sorted((Path(library.origin).parent / "pipelines").rglob("*.py")):
        source = file.read_text("utf-8")
        if declared.search(source):
            return _call_of(ast.parse(source), name)
    return {}


def _call_of(module: ast.Module, name: str) -> Mapping[str, Any]:
    """Returns the arguments of `__call__` of a class, or of the class that it inherits it from."""
    found = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name)
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__call__":
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)][1:]  # without `self`
            values = [_value(default) for default in node.args.defaults]
            return dict.fromkeys(names, inspect.Parameter.empty) | dict(
                zip(names[len(names) - len(values) :], values, strict=True)
            )
    return next((known for base in found.bases if (known := read_signature(ast.unparse(base)))), {})


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
