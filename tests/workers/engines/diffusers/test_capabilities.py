"""Capabilities of diffusers models: told from files alone, and true of the classes of the installed diffusers."""

import inspect
import json
import subprocess
import sys

import diffusers
import pytest

from imgen.domain.capabilities import Capabilities
from workers.engines import EngineContext, capabilities
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
    assert told(source) == Capabilities(negative=source != "lcm")


def test_flux(told):
    """Negatives count with true guidance alone; the scale counts if the denoiser has a place for it, which this one lacks."""
    assert told("flux") == Capabilities(negative=False, negative_above=None, guidance=False)
    guided = told("flux", call={"true_cfg_scale": 4.0})
    assert guided == Capabilities(negative=True, negative_above=None, guidance=False)


def test_configuration_has_the_last_word(told):
    """A model that is configured to use no negative prompt has none, and its batch is the configured one."""
    assert told("sdxl", negative_prompt=False, batch={"max": 4}) == Capabilities(negative=False, batch=4)


def test_unlisted_architectures_draw_from_words(told, models):
    """A class that the table does not name draws from words alone; of a missing or broken folder nothing is told."""
    folder = models / "other"
    folder.mkdir(exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "PixArtAlphaPipeline"}))
    assert told("other") == Capabilities(image=False, inpaint=False)
    (folder / "model_index.json").write_text("{")
    assert told("other") is None
    assert told("nowhere") is None


def test_no_torch_is_needed():
    """A process that tells capabilities does not load torch."""
    code = "import sys, workers.engines.diffusers.capabilities as c; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
