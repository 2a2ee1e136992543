"""Options of a model that only its engine reads: one Struct for each engine. Values only."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from imgen.domain.remote_engine import MAX_PRICE

Scalar = int | float | bool | str


class DiffusersOptions(Struct, frozen=True, kw_only=True, tag_field="backend", tag="diffusers"):
    """Keys of a model's table that only the engine `diffusers` reads."""

    name: ClassVar[str] = "diffusers"
    pipeline: str = ""
    """Pipeline class of a single file, if diffusers cannot infer it; empty: inferred."""
    scheduler: str = ""
    """Scheduler class name; empty keeps the model's own."""
    scheduler_options: dict[str, int | float | bool | str | list[float]] = field(default_factory=dict)
    """Arguments of the scheduler's class in place of the model's own, such as `use_karras_sigmas`."""
    dtype: str = "auto"
    device: str = "auto"
    leave_out: tuple[str, ...] = ()
    """Optional components not to load, such as SD3's `text_encoder_3` and `tokenizer_3`."""
    components: dict[str, str] = field(default_factory=dict)
    """Component → its own folder or single file in place of the source's, such as `vae`; names as those of a source."""
    call: dict[str, Scalar] = field(default_factory=dict)
    """Further keyword arguments of the pipeline call, such as `max_sequence_length`."""
    lora_cache_mib: Annotated[int, Meta(ge=0)] = 512
    compile: Literal["", "regional"] = ""
    """`regional`: the denoiser's repeated blocks are compiled; empty: nothing is."""

    def __post_init__(self) -> None:
        """Raises ValueError if a component is both left out and given."""
        if both := sorted(set(self.leave_out) & set(self.components)):
            raise ValueError(f"leave_out and components both name {', '.join(both)}")


class InstantOptions(Struct, frozen=True, kw_only=True, tag_field="backend", tag="instant"):
    """Keys of a model's table that only the engine `instant` reads."""

    name: ClassVar[str] = "instant"
    call: dict[str, Scalar] = field(default_factory=dict)
    """Options of the engine, see workers/engines/instant.py."""


Parameter = Literal["seed", "steps", "guidance", "negative", "strength", "lora"]
"""Parameter that not every remote engine heeds."""


class EngineChoice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a model's remote engines, and all that the engine has to be told of the model."""

    engine: str
    """Key in engines.toml."""
    model: str = ""
    """The engine's own name of the model: RunPod's endpoint id, nothing for ComfyUI, whose workflow names its files."""
    takes: tuple[Parameter, ...] = ()
    """Parameters beyond the prompt and the size that it heeds; others are not sent."""
    edits: Literal["", "image", "mask"] = ""
    """`image`: it draws from a source; `mask`: and redraws a part of one; empty: from words alone."""
    options: dict[str, Scalar] = field(default_factory=dict)
    """Further fields of the engine's request, as they are, such as OpenAI's `quality`."""
    workflow: str = ""
    """File of a ComfyUI workflow in the API's format, under <data>/workflows or config/workflows."""
    nodes: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Value of a request → inputs of the workflow that it is written into, such as `prompt = "6.text"`."""
    price: Annotated[float, Meta(ge=0, le=MAX_PRICE)] | None = None
    """Price of a picture; None: the engine's."""

    def draws(self, *, source: bool, mask: bool, lora: bool = False) -> bool:
        """Returns whether it can draw from these inputs; a workflow that loads a source draws from no words alone."""
        if (not source and "source" in self.nodes) or (lora and "lora" not in self.takes):
            return False
        return (not source or self.edits != "") and (not mask or self.edits == "mask")


class RemoteOptions(Struct, frozen=True, kw_only=True, tag_field="backend", tag="remote"):
    """Keys of a model's table that only the engine `remote` reads."""

    name: ClassVar[str] = "remote"
    engines: Annotated[tuple[EngineChoice, ...], Meta(min_length=1)]
    """Engines elsewhere, in the order in which they are asked: a later one draws where those before it are away."""

    def takes(self, parameter: Parameter) -> bool:
        """Returns whether one of the engines heeds a parameter."""
        return any(parameter in choice.takes for choice in self.engines)


EngineOptions = DiffusersOptions | InstantOptions | RemoteOptions
"""Options by engine: the tag is the table's key `backend`."""
