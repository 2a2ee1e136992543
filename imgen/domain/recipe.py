"""Recipe of one picture: all that a worker needs, decided once at submit, stored with the job and never changed.

Recipes are stored as JSON. Its keys are fixed: a field whose name differs from its key is listed in `rename`. A new field has
a default, which is read into older recipes.
"""

from msgspec import UNSET, Struct, UnsetType

RECIPE_VERSION = 3
"""Rises with each field or value that changes the picture: workers leave recipes of a higher version to newer workers."""

ENHANCEMENT_FAILED, NEGATIVE_IGNORED, NO_PLAIN_GROUND = "enhancement_failed", "negative_ignored", "no_plain_ground"
"""Notes of a recipe."""

REDRAWN = 128
"""Least level of a mask that counts as white: it is redrawn."""


class Input(Struct, frozen=True, kw_only=True):
    """Picture from outside that the engine draws from; reviewed before it is used."""

    role: str
    """`source`: the picture is drawn from it; `mask`: grey, white where the source is redrawn and black where it is kept."""
    key: str
    """Object key of its file, as the upload gate stored it."""
    sha256: str
    """Of that file, in hex."""
    original_key: str = ""
    """Object key of the file as it was sent, if that holds a C2PA manifest store; empty: it holds none."""
    strength: float = 1.0
    """Distance from the source that the picture may reach, 0–1; of no meaning for a mask."""


class Diffusion(Struct, frozen=True, kw_only=True):
    """Parameters of the engine, the only part of a recipe that an engine gets."""

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
    inputs: tuple[Input, ...] = ()
    """None: text to image; a source: image to image; a source and a mask: inpainting."""
    upscale: int = 1
    """Factor by which the drawn picture is enlarged before its review: 1, 2 or 4. `width` and `height` are those before it."""
    seam_px: int | UnsetType = UNSET
    """Width in pixels of the seam between what a mask keeps and what is redrawn, all of it within the redrawn part: what is kept
    stays exact. Unset: the usual soft one, on both sides of the mask's edge."""

    def input(self, role: str) -> Input | None:
        """Returns the input of a role; None: there is none."""
        return next((one for one in self.inputs if one.role == role), None)


def strength_of(diffusion: Diffusion) -> float:
    """Returns how far the picture may leave its source, 0–1; 1 without a source."""
    source = diffusion.input("source")
    return 1.0 if source is None else source.strength


class Frame(Struct, frozen=True, kw_only=True):
    """Exact size of the finished picture: cut out of the middle of the drawn one, and enlarged."""

    width: int
    height: int


class PromptParts(Struct, frozen=True, kw_only=True):
    """Prompt in its parts, for review and `meta`."""

    prompt: str
    """Prompt as the answer has it: enhanced if `optimize` was set."""
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


class VisibleWatermark(Struct, frozen=True, kw_only=True):
    """Logo that is laid over the picture, and its placement."""

    image_key: str = ""
    """Object key of the stored logo; empty: none."""
    position: str = "bottom-right"
    scale: int = 5
    """Width in percent of the picture's."""
    transparency: int = 100
    """Opacity: 100 is opaque, 0 invisible. The wire's name says the opposite and stays."""
    rotation: int = 0
    """Degrees, clockwise."""
    padding_x: int = 10
    padding_y: int = 10
    """Pixels from the edges that `position` names."""


class Attribution(Struct, frozen=True, kw_only=True):
    """Texts of the C2PA manifest about the picture's origin."""

    author: str = ""
    title: str = ""
    description: str = ""
    organization: str = ""
    vendor: str = ""


class CacheHit(Struct, frozen=True, kw_only=True, rename={"policy_digest": "judged_by"}):
    """Cached picture that the job reuses, so that only the finish phase runs."""

    entry_id: str
    """Id of the entry of the semantic cache."""
    codes: tuple[str, ...] = ()
    """Rule ids that its review noted."""
    policy_digest: str = ""
    """Digest of the reviewers and rules that passed it; under any others it is reviewed again."""


class Recipe(
    Struct,
    frozen=True,
    kw_only=True,
    rename={
        "prompt_parts": "words",
        "visible_watermark": "brand",
        "attribution": "claim",
        "cache_hit": "reused",
        "cache_entry_id": "keep_as",
    },
):
    """Recipe of one picture."""

    model: str
    style: str
    prompt_parts: PromptParts
    diffusion: Diffusion
    output: Output = Output()
    visible_watermark: VisibleWatermark = VisibleWatermark()
    attribution: Attribution = Attribution()
    """The caller's own texts; an empty one falls back to the configured default when signing."""
    ruleset: str = "default"
    precompliance: str = ""
    cache_hit: CacheHit | None = None
    cache_entry_id: str = ""
    """Id of the semantic-cache entry that is to hold the master if the picture is safe; empty: none."""
    weights: str | UnsetType = UNSET
    """Digest of the weights that `cache_entry_id` stands for: a picture of others is not kept there. Unset: there are none."""
    credits: int = 1
    """Credits that the picture costs, beside one picture of the quota."""
    tier: str | UnsetType = UNSET
    """Key of the quality tier that was asked for."""
    pinned: str | UnsetType = UNSET
    """Name by which its model was pinned."""
    time_limit_s: int | UnsetType = UNSET
    """Longest time of the job from its first step to its end; unset: the model's own limit of a render alone."""
    plain_prompt: str | UnsetType = UNSET
    """Prompt as it was sent, where `@` and `-` mean nothing in it; unset: it is in the syntax of prompt.py."""
    mode: str | UnsetType = UNSET
    """Mode of Studio that was asked for (see studio.py). `enhance` is made by no model: its picture is the source, of the size of
    `diffusion`, denoised, toned and sharpened."""
    frame: Frame | UnsetType = UNSET
    """Unset: the picture is as it was drawn, enlarged by the factor."""
    notes: tuple[str, ...] = ()
    """Facts about how the request became this recipe, for its caller: ENHANCEMENT_FAILED, NEGATIVE_IGNORED, NO_PLAIN_GROUND."""
    version: int = RECIPE_VERSION

    @property
    def size(self) -> tuple[int, int]:
        """Returns width and height of the finished picture."""
        if self.frame is not UNSET:
            return self.frame.width, self.frame.height
        return self.diffusion.width * self.diffusion.upscale, self.diffusion.height * self.diffusion.upscale
