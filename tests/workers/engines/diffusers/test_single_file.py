"""A model in one file, as most are passed on: same pictures as its folder, without asking anyone."""

import shutil

import numpy as np
import pytest
from drawing import draw_one
from first_release_names import LAYOUT, renamed
from safetensors.torch import load_file, save_file

from imgen import configuration, settings
from imgen.domain.errors import ModelError
from workers.engines import EngineContext, load

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture(scope="module")
def single(models, tmp_path_factory):
    """The SD 1.5 folder's weights as one file in a folder of models."""
    tensors = {}
    for file, (prefix, names) in LAYOUT.items():
        tensors |= renamed(load_file(models / "sd15" / f"{file}.safetensors"), names, prefix)
    folder = tmp_path_factory.mktemp("single")
    save_file(tensors, folder / "dream.safetensors")
    return folder


@pytest.fixture
def configured(single, models):
    """The same with its configuration in a folder of the file's name beside it."""
    folder = single / "dream"
    shutil.copytree(models / "sd15", folder, ignore=shutil.ignore_patterns("*.safetensors"))
    yield single
    shutil.rmtree(folder)


def test_single_file(configured, entry, models, ask, no_network):
    """A single file draws what its folder draws, bit for bit, and nothing is asked for."""
    asked = ask("a (red:1.2) coat")
    file = load(entry("dream.safetensors"), EngineContext(folders=(configured,)))
    folder = load(entry("sd15"), EngineContext(folders=(models,)))
    assert np.array_equal(draw_one(file, asked, lambda *_: None), draw_one(folder, asked, lambda *_: None))
    assert no_network == []


def test_single_file_with_pipeline_class(configured, entry, ask):
    """The pipeline class may be named where the configuration's is not wanted; one that reads no single files is refused."""
    named = entry("dream.safetensors", pipeline="StableDiffusionPipeline")
    assert draw_one(load(named, EngineContext(folders=(configured,))), ask(), lambda *_: None).std() > 1
    with pytest.raises(ModelError, match="no pipeline that diffusers loads"):
        load(entry("dream.safetensors", pipeline="DiTPipeline"), EngineContext(folders=(configured,)))
    with pytest.raises(ModelError, match="no pipeline that diffusers loads"):
        load(entry("dream.safetensors", pipeline="Nonsense"), EngineContext(folders=(configured,)))


def test_single_file_without_configuration(single, entry, no_network):
    """Without configuration beside it, and offline, the error says whose is needed and where to put it; nothing is asked for."""
    with pytest.raises(ModelError, match="stable-diffusion-v1-5.*dream/"):
        load(entry("dream.safetensors"), EngineContext(folders=(single,)))
    assert no_network == []


def test_single_file_becomes_a_model_by_one_command(configured, imgen, data):
    """Parts that the folder beside it has as missing are left out, as for a folder."""
    source = str(configured / "dream.safetensors")
    done = imgen("add", source, "--as", "mine", "--steps", "1")
    assert done.returncode == 0, done.stderr
    model = configuration.load_catalog(settings.load(data, environ={})).models["mine"]
    assert (model.source, model.guidance.default) == (source, 7.0)
    assert "safety_checker" in model.engine.leave_out
