"""Capabilities of diffusers models: told from files alone, and true of the classes of the installed diffusers."""

import inspect
import json
import subprocess
import sys

import diffusers
import pytest
from drawing import draw_one

from imgen.domain.capabilities import Capabilities
from workers.engines import EngineContext, capabilities, load
from workers.engines.diffusers.architectures import ARCHITECTURES

IDS = [known.text for known in ARCHITECTURES]


def parameters(name):
    return inspect.signature(getattr(diffusers, name).__call__).parameters


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=IDS)
def test_classes_take_the_arguments(architecture):
    """Every class of the table is in diffusers, and takes steps, source, strength and mask in its mode."""
    for name in filter(None, architecture):
        assert {"callback_on_step_end", "num_inference_steps"} <= set(parameters(name))
    if architecture.image:
        assert {"image", "strength"} <= set(parameters(architecture.image))
    if architecture.inpaint:
        assert {"image", "mask_image", "strength"} <= set(parameters(architecture.inpaint))


@pytest.fixture
def told(entry, models):
    """Tells the capabilities of an entry."""

    def tell(source, **overrides):
        model = entry(source, **overrides)
        return capabilities([model], EngineContext(folders=(models,))).get(model.key)

    return tell


@pytest.mark.parametrize("source", ["sd15", "sdxl", "sd3", "starter", "sd15-inpainting", "lcm", "qwen"])
def test_modes_of_usual_models(told, source):
    """All modes, guidance, negatives and seeds; a distilled model has no negatives."""
    longest = {"sd3": 96 * 16, "starter": 1344}.get(source)
    multiple = {"sd3": 16, "qwen": 16, "starter": 32}.get(source, 8)
    assert told(source) == Capabilities(negative=source != "lcm", size_multiple=multiple, longest_side=longest)


def test_flux(told):
    """Negatives count with true guidance alone; the scale counts if the denoiser has a place for it, which this one lacks."""
    assert told("flux") == Capabilities(negative=False, negative_above=None, guidance=False, size_multiple=16)
    guided = told("flux", call={"true_cfg_scale": 4.0})
    assert guided == Capabilities(negative=True, negative_above=None, guidance=False, size_multiple=16)


def test_configuration_has_the_last_word(told):
    """A model that is configured to use no negative prompt has none, and its batch is the configured one."""
    assert told("sdxl", negative_prompt=False, batch={"max": 4}) == Capabilities(
        negative=False, batch=4, size_multiple=8
    )


def test_unlisted_architectures_draw_from_words(told, models):
    """A class that the table does not name draws from words alone; of a missing or broken folder nothing is told."""
    folder = models / "other"
    folder.mkdir(exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "PixArtAlphaPipeline"}))
    assert told("other") == Capabilities(image=False, inpaint=False, size_multiple=8)
    (folder / "model_index.json").write_text("{")
    assert told("other") is None
    assert told("nowhere") is None


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize("source", ["sd15", "sd3", "flux", "qwen", "starter"])
def test_sizes_are_those_that_the_model_draws(told, entry, models, ask, source):
    """Twice and thrice the multiple is drawn as asked for."""
    step = told(source).size_multiple
    engine = load(entry(source), EngineContext(folders=(models,)))
    asked = ask(width=3 * step, height=2 * step)
    assert draw_one(engine, asked).shape == (2 * step, 3 * step, 3)


def test_no_torch_is_needed():
    """A process that tells capabilities does not load torch."""
    code = "import sys, workers.engines.diffusers.capabilities as c; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
