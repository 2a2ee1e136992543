"""Image to image and inpainting, over the weights of any loaded architecture."""

import itertools

import numpy as np
import pytest
from drawing import draw_one

from imgen.domain.errors import Cancelled, ModelError
from imgen.domain.recipe import Input
from workers.engines import EngineContext, Shot, load
from workers.engines.diffusers.modes import Modes
from workers.engines.paste_back import SEAM_PX

# numpy 2 warns at how diffusers' schedulers turn tensors into arrays; nothing we can call differently.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

FAMILIES = ("sd15", "sdxl", "sd3", "flux", "starter", "sd15-inpainting", "sdxl-inpainting", "lcm")
CLIP_FAMILIES = ("sd15", "sdxl", "sd3", "starter")
STEPS = 5
LONG = ", ".join(
    f"a {colour} {thing} in the {place}"
    for colour, thing, place in itertools.product(
        ("red", "green", "blue"), ("coat", "hat"), ("park", "forest", "street")
    )
)


@pytest.fixture(params=FAMILIES, scope="module")
def family(request):
    return request.param


@pytest.fixture(scope="module")
def engine(family, entry, models):
    """One for all tests: no render leaves a trace, as one of them shows."""
    return load(entry(family), EngineContext(folders=(models,)))


@pytest.fixture
def asked(ask):
    """Makes what is asked for with a source: five steps, of which a strength of 0.6 draws three."""

    def make(*words, strength=0.6, **overrides):
        source = Input(role="source", key="uploads/a", sha256="0" * 64, strength=strength)
        return ask(*words, **{"inputs": (source,), "num_inference_steps": STEPS} | overrides)

    return make


def source_for(diffusion, seed=0):
    """Makes a picture of soft colours of the size asked for."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (diffusion.height // 32, diffusion.width // 32, 3), np.uint8)
    return np.repeat(np.repeat(coarse, 32, axis=0), 32, axis=1)


def mask_for(diffusion):
    """Makes a mask of the upper third, with a black margin."""
    mask = np.zeros((diffusion.height, diffusion.width), np.uint8)
    mask[4 : diffusion.height // 3, 8:-8] = 255
    return mask


def test_draws_from_a_source(engine, asked):
    """The picture has the size asked for, is the same for the same source and seed, and another for another of either."""
    diffusion = asked()
    first = draw_one(engine, diffusion, source=source_for(diffusion))
    assert first.shape == (diffusion.height, diffusion.width, 3)
    assert np.array_equal(first, draw_one(engine, diffusion, source=source_for(diffusion)))
    assert not np.array_equal(first, draw_one(engine, diffusion, source=source_for(diffusion, seed=1)))
    assert not np.array_equal(first, draw_one(engine, asked(seed=8), source=source_for(diffusion)))


@pytest.mark.parametrize("masked", [False, True], ids=["image", "inpaint"])
def test_strength_decides_the_steps(engine, family, asked, masked):
    """A strength draws its share of the steps, the smallest one at least one; each is told in order, with a preview.

    Latent consistency models always draw as many as are asked for, in a part of the schedule.
    """
    counts = []
    for strength in (0.001, 0.6, 1.0):
        told, diffusion = [], asked(strength=strength, width=128, height=128)
        mask = mask_for(diffusion) if masked else None
        draw_one(
            engine,
            diffusion,
            lambda *step: told.append((*step[:2], step[2]())),
            source=source_for(diffusion),
            mask=mask,
        )
        assert [done for done, _, _ in told] == list(range(1, told[0][1] + 1))
        assert all(preview.ndim == 3 for _, _, preview in told)
        counts.append(len(told))
    assert counts[0] in ((STEPS,) if family == "lcm" else (1, 2))  # the PNDM scheduler takes one step more
    assert counts[0] < counts[1] < counts[2] or family == "lcm"


def test_strength_zero_is_the_source(engine, asked):
    """A picture that may not leave its source is the source, pixel by pixel, and the operator is told."""
    diffusion = asked(strength=0.0)
    source, told = source_for(diffusion), []
    (drawn,) = engine.render([Shot(diffusion=diffusion, source=source)], lambda *step: told.append(step[:2]))
    assert np.array_equal(drawn.pixels, source)
    assert drawn.notes
    assert told == [(1, 1)]


def test_a_black_mask_gives_the_source(engine, asked):
    """Nothing is drawn for it, also beside a picture that is drawn; the operator is told."""
    diffusion, told = asked(), []
    source, black = source_for(diffusion), np.zeros_like(mask_for(diffusion))
    shots = [Shot(diffusion=diffusion, source=source, mask=mask) for mask in (mask_for(diffusion), black)]
    drawn, kept = engine.render(shots, lambda *step: told.append(step[:2]))
    assert np.array_equal(kept.pixels, source)
    assert kept.notes
    assert kept.idle == ("negative", "guidance")
    assert not np.array_equal(drawn.pixels, source)
    assert drawn.notes == ()
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_inpainting_keeps_what_is_black(engine, asked, strength):
    """Beyond the seam around the mask each pixel is the source's; inside it is drawn, by the words."""
    diffusion = asked(strength=strength)
    source, mask = source_for(diffusion), mask_for(diffusion)
    drawn = draw_one(engine, diffusion, source=source, mask=mask)
    assert np.array_equal(drawn[diffusion.height // 3 + SEAM_PX :], source[diffusion.height // 3 + SEAM_PX :])
    inside = mask > 0
    assert np.abs(drawn[inside].astype(int) - source[inside]).mean() > 2
    other = draw_one(engine, asked("a cat", strength=strength), source=source, mask=mask)
    assert not np.array_equal(other[inside], drawn[inside])


def test_modes_leave_no_trace(engine, ask, asked):
    """A picture from words alone is bit for bit the same after pictures of the other modes, also one that was stopped."""
    diffusion, before = asked(), draw_one(engine, ask())
    source, mask = source_for(diffusion), mask_for(diffusion)

    def stop(done, _steps, _preview):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        draw_one(engine, diffusion, stop, source=source, mask=mask)
    first = draw_one(engine, diffusion, source=source, mask=mask)
    draw_one(engine, diffusion, source=source)
    assert np.array_equal(draw_one(engine, ask()), before)
    assert np.array_equal(draw_one(engine, diffusion, source=source, mask=mask), first)


def test_weights_are_shared(engine):
    """All modes draw with the same modules, each with a scheduler of its own."""
    loaded = engine._pipe
    modes = Modes(loaded)
    pipes = [modes.pipeline(mode) for mode in ("text", "image", "inpaint")]
    for pipe in pipes:
        for name, part in pipe.components.items():
            assert name == "scheduler" or part is loaded.components.get(name)
    assert len({id(pipe.scheduler) for pipe in pipes}) == len({id(pipe) for pipe in pipes})


@pytest.mark.parametrize("family", CLIP_FAMILIES, scope="module")
@pytest.mark.parametrize("masked", [False, True], ids=["image", "inpaint"])
def test_long_and_weighted_prompts(engine, asked, masked):
    """Words far behind the encoder's window count in every mode, and so do weights."""
    diffusion = asked()
    source, mask = source_for(diffusion), mask_for(diffusion) if masked else None
    prompts = (LONG, f"{LONG}, a cat", "a (red:1.4) coat", "a red coat")
    drawn = [draw_one(engine, asked(words), source=source, mask=mask) for words in prompts]
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[2], drawn[3])


@pytest.mark.parametrize("family", ["sd15", "flux"], scope="module")
def test_lora_in_every_mode(engine, asked, lora):
    """A LoRA changes the picture of each mode, and is gone without a trace when it is not asked for."""
    diffusion = asked()
    file = lora(engine._pipe, "a.safetensors", "transformer" if hasattr(engine._pipe, "transformer") else "unet")
    source = source_for(diffusion)
    for mask in (None, mask_for(diffusion)):
        plain = draw_one(engine, diffusion, source=source, mask=mask)
        changed = draw_one(engine, asked(lora=str(file)), source=source, mask=mask)
        assert not np.array_equal(plain, changed)
        assert np.array_equal(draw_one(engine, diffusion, source=source, mask=mask), plain)


def test_missing_mode():
    """An architecture without a mode in diffusers says so by name."""

    class PixArtAlphaPipeline:
        pass

    with pytest.raises(ModelError, match="PixArtAlphaPipeline has no mode 'image'"):
        Modes(PixArtAlphaPipeline()).pipeline("image")
