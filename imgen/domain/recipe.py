"""Everything a worker needs to make one picture: decided once at submit, stored with the job, never changed after."""

from msgspec import Struct


class Diffusion(Struct, frozen=True, kw_only=True):
    """What the engine gets. The only part of a recipe that an engine sees."""

    positive: str
    negative: str
    width: int
    height: int
    seed: int
    """0 … 2³²−1."""
    num_inference_steps: int
    guidance_scale: float
    lora: str = ""
    """Safetensors file of the character for this model, as configured; empty: none."""
    lora_scale: float = 1.0


class Words(Struct, frozen=True, kw_only=True):
    """The prompt in its parts: what reviewers look at and `meta` tells."""

    prompt: str
    """As the caller gets it back: enhanced where asked for."""
    original_prompt: str
    character: str = ""
    positive: str = ""
    """The caller's positive terms alone."""
    negative: str = ""
    """The caller's `-terms` and explicit negative, joined."""
    optimized: bool = False


class Output(Struct, frozen=True, kw_only=True):
    """File format of the finished picture."""

    format: str = "jpeg"
    """`jpeg`, `png`, `webp` or `avif`."""
    quality: int = 95
    lossless: bool = False


class Brand(Struct, frozen=True, kw_only=True):
    """A visible mark laid over the picture."""

    image_key: str = ""
    """Object key of the stored mark; empty: no mark."""
    position: str = "bottom-right"
    scale: int = 5
    """Width in percent of the picture's."""
    transparency: int = 100
    """Opacity: 100 is opaque, 0 invisible. The wire's name says the opposite and stays."""
    rotation: int = 0
    """Degrees, clockwise."""
    padding_x: int = 10
    padding_y: int = 10
    """Pixels from the edges the position names."""


class Claim(Struct, frozen=True, kw_only=True):
    """What the C2PA manifest says about the picture's origin."""

    author: str = ""
    title: str = ""
    description: str = ""
    organization: str = ""
    vendor: str = ""


class Reused(Struct, frozen=True, kw_only=True):
    """The picture is there already: only the finish half is done anew."""

    entry_id: str
    """Of the semantic cache."""
    codes: tuple[str, ...] = ()
    """Rule ids that were noted when it was reviewed."""
    judged_by: str = ""
    """Digest of the reviewers and rules that passed it; others look at it anew."""


class Recipe(Struct, frozen=True, kw_only=True):
    """One picture, fully decided."""

    model: str
    style: str
    words: Words
    diffusion: Diffusion
    output: Output = Output()
    brand: Brand = Brand()
    claim: Claim = Claim()
    """The caller's overrides; an empty field falls back to the configured default when signing."""
    ruleset: str = "default"
    precompliance: str = ""
    reused: Reused | None = None
    keep_as: str = ""
    """Entry of the semantic cache that keeps the master if the picture is safe; empty: none does."""
