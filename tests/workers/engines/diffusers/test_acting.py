"""Parameters that act on a pipeline: told by signature, configuration and known rules, and true of the pictures."""

import inspect

import diffusers
import numpy as np
import pytest

from imgen.domain.recipe import Input
from workers.engines import EngineContext, Shot, load
from workers.engines.diffusers.acting import acting, read_signature

# See test_engine.py.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

TOLD = {"guidance_embeds": True}
NOT_TOLD = {"guidance_embeds": False}
KNOWN = [
    # class, configurations, further arguments → argument of the guidance, whether it reaches the denoiser, negatives act above
    ("StableDiffusionXLPipeline", {}, {}, ("guidance_scale", True, 1.0)),
    ("StableDiffusionXLPipeline", {"unet": {"time_cond_proj_dim": 256}}, {}, ("guidance_scale", True, False)),
    ("KolorsPipeline", {}, {}, ("guidance_scale", True, 1.0)),
    ("LatentConsistencyModelPipeline", {}, {}, ("guidance_scale", True, False)),
    ("FluxPipeline", {"transformer": TOLD}, {}, ("guidance_scale", True, False)),
    ("FluxPipeline", {"transformer": NOT_TOLD}, {}, ("guidance_scale", False, False)),
    ("FluxPipeline", {"transformer": TOLD}, {"true_cfg_scale": 4.0}, ("guidance_scale", True, None)),
    ("FluxPipeline", {"transformer": TOLD}, {"true_cfg_scale": 1.0}, ("guidance_scale", True, False)),
    ("FluxKontextPipeline", {"transformer": TOLD}, {}, ("guidance_scale", True, False)),
    ("Flux2Pipeline", {}, {}, ("guidance_scale", True, False)),
    ("Flux2KleinPipeline", {"": {"is_distilled": False}, "transformer": NOT_TOLD}, {}, ("guidance_scale", True, False)),
    ("Flux2KleinPipeline", {"": {"is_distilled": True}, "transformer": NOT_TOLD}, {}, ("guidance_scale", False, False)),
    ("QwenImagePipeline", {"transformer": NOT_TOLD}, {}, ("true_cfg_scale", True, 1.0)),
    ("QwenImageEditPipeline", {"transformer": NOT_TOLD}, {}, ("true_cfg_scale", True, 1.0)),
    ("QwenImageEditPlusPipeline", {"transformer": NOT_TOLD}, {}, ("true_cfg_scale", True, 1.0)),
    ("SanaPipeline", {}, {}, ("guidance_scale", True, 1.0)),
    ("SanaSprintPipeline", {"transformer": TOLD}, {}, ("guidance_scale", True, False)),
    ("LuminaPipeline", {}, {}, ("guidance_scale", True, 1.0)),
    ("Lumina2Pipeline", {}, {}, ("guidance_scale", True, 1.0)),
    ("LTXPipeline", {}, {}, ("guidance_scale", True, 1.0)),
    ("PixArtSigmaPipeline", {}, {}, ("guidance_scale", True, 1.0)),
    ("ZImagePipeline", {}, {}, ("guidance_scale", True, 0.0)),
    ("HunyuanImagePipeline", {"transformer": TOLD}, {}, ("distilled_guidance_scale", True, False)),
    ("StableCascadeCombinedPipeline", {}, {}, ("prior_guidance_scale", True, 1.0)),
    ("Ideogram4Pipeline", {}, {}, ("guidance_scale", True, False)),
    ("NoSuchPipeline", {}, {}, ("guidance_scale", True, 1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "configurations", "call", "expected"), KNOWN)
def test_known_architectures(name, configurations, call, expected):
    """Argument of the guidance, whether it reaches the denoiser, and the guidance above which negatives act; False: at none."""
    told = acting(name, read_signature(name), lambda component: configurations.get(component, {}), call)
    assert (told.guidance, told.is_guided, told.negative and told.negative_above) == expected
    assert told.seed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted({name for name, *_ in KNOWN} - {"NoSuchPipeline", "KolorsPipeline"}))
def test_signatures_are_read_as_they_are(name):
    """Names and the defaults that decide, without importing diffusers. Kolors' class needs a library that is not installed."""
    parameters = inspect.signature(getattr(diffusers, name).__call__).parameters
    read = read_signature(name)
    assert list(read) == [key for key in parameters if key not in {"self", "kwargs"}]
    for argument in {"prompt", "guidance_scale", "true_cfg_scale", "negative_prompt"} & parameters.keys():
        assert read[argument] == parameters[argument].default


def test_names_that_are_no_class_are_not_looked_for():
    """A name out of a stranger's file is no pattern."""
    assert read_signature("Flux.*") == read_signature("") == {}


def drawn(engine, diffusion):
    (one,) = engine.render([Shot(diffusion=diffusion)], lambda *_: None)
    return one


@pytest.fixture
def engine(entry, models):
    """Loads a model's engine."""
    return lambda source, **entry_fields: load(entry(source, **entry_fields), EngineContext(folders=(models,)))


def test_guidance_acts_on_qwen_without_a_negative_prompt(engine, ask):
    """It is `true_cfg_scale` there, which contrasts the prompt with a blank one; at 1 it is off, and negatives do nothing."""
    qwen = engine("qwen")
    pictures = [drawn(qwen, ask(guidance_scale=scale)) for scale in (1.0, 4.0, 8.0)]
    assert len({one.pixels.tobytes() for one in pictures}) == len(pictures)
    assert [one.idle for one in pictures] == [("negative",), (), ()]
    assert np.array_equal(drawn(qwen, ask(guidance_scale=1.0, negative="hat")).pixels, pictures[0].pixels)


@pytest.mark.parametrize("source", ["sd15", "sd3", "flux", "lcm", "qwen", "starter"])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_idle_parameters_change_nothing_and_others_do(engine, ask, source, scale):
    """A picture tells of negative and guidance whether they changed it, and it is true."""
    loaded = engine(source)
    plain = drawn(loaded, ask(guidance_scale=scale))
    negated = drawn(loaded, ask(guidance_scale=scale, negative="a blue hat"))
    guided = drawn(loaded, ask(guidance_scale=scale + 4))
    assert np.array_equal(plain.pixels, negated.pixels) == ("negative" in plain.idle)
    assert np.array_equal(plain.pixels, guided.pixels) == ("guidance" in plain.idle)


def test_a_source_that_is_kept_has_no_use_for_either(engine, ask):
    """At strength 0 nothing is drawn."""
    given = ask(inputs=(Input(role="source", key="uploads/x", sha256="", strength=0.0),))
    source = np.zeros((given.height, given.width, 3), np.uint8)
    (kept,) = engine("sd15").render([Shot(diffusion=given, source=source)], lambda *_: None)
    assert set(kept.idle) == {"negative", "guidance"}
