"""A model in one file, as most are passed on: same pictures as its folder, without asking anyone."""

import re
import shutil

import numpy as np
import pytest
from drawing import draw_one
from safetensors.torch import load_file, save_file

from imgen import configuration, settings
from imgen.domain.errors import ModelError
from workers.engines import EngineContext, load

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

# The first public SD releases' names (right) of what diffusers calls otherwise (left), for two levels of one layer.
RESNET = [
    (r"(resnets\.\d)\.norm1\.", r"\1.in_layers.0."),
    (r"(resnets\.\d)\.conv1\.", r"\1.in_layers.2."),
    (r"(resnets\.\d)\.time_emb_proj\.", r"\1.emb_layers.1."),
    (r"(resnets\.\d)\.norm2\.", r"\1.out_layers.0."),
    (r"(resnets\.\d)\.conv2\.", r"\1.out_layers.3."),
    (r"(resnets\.\d)\.conv_shortcut\.", r"\1.skip_connection."),
]
UNET = [
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^down_blocks\.0\.resnets\.0\.", "input_blocks.1.0."),
    (r"^down_blocks\.0\.downsamplers\.0\.conv\.", "input_blocks.2.0.op."),
    (r"^down_blocks\.1\.resnets\.0\.", "input_blocks.3.0."),
    (r"^down_blocks\.1\.attentions\.0\.", "input_blocks.3.1."),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
    (r"^up_blocks\.0\.resnets\.(\d)\.", r"output_blocks.\1.0."),
    (r"^up_blocks\.0\.attentions\.(\d)\.", r"output_blocks.\1.1."),
    (r"^up_blocks\.0\.upsamplers\.0\.", "output_blocks.1.2."),
    (r"^up_blocks\.1\.resnets\.0\.", "output_blocks.2.0."),
    (r"^up_blocks\.1\.resnets\.1\.", "output_blocks.3.0."),
]
VAE = [
    (r"\.down_blocks\.(\d)\.resnets\.(\d)\.", r".down.\1.block.\2."),
    (r"\.down_blocks\.(\d)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.up_blocks\.0\.", ".up.3."),
    (r"\.up_blocks\.1\.", ".up.2."),
    (r"\.up_blocks\.2\.", ".up.1."),
    (r"\.up_blocks\.3\.", ".up.0."),
    (r"(\.up\.\d)\.resnets\.", r"\1.block."),
    (r"\.upsamplers\.0\.", ".upsample."),
    (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
    (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
    (r"\.mid_block\.attentions\.0\.group_norm\.", ".mid.attn_1.norm."),
    (r"\.mid_block\.attentions\.0\.to_([qkv])\.", r".mid.attn_1.\1."),
    (r"\.mid_block\.attentions\.0\.to_out\.0\.", ".mid.attn_1.proj_out."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.conv_norm_out\.", ".norm_out."),
]
LAYOUT = [
    ("unet/diffusion_pytorch_model", "model.diffusion_model.", RESNET + UNET),
    ("vae/diffusion_pytorch_model", "first_stage_model.", VAE),
    ("text_encoder/model", "cond_stage_model.transformer.", [(r"^(?!text_model\.)", "text_model.")]),
]


@pytest.fixture(scope="module")
def single(models, tmp_path_factory):
    """The SD 1.5 folder's weights as one file in a folder of models."""
    tensors = {}
    for file, prefix, names in LAYOUT:
        for name, tensor in load_file(models / "sd15" / f"{file}.safetensors").items():
            for pattern, replacement in names:
                name = re.sub(pattern, replacement, name)
            if re.search(r"mid\.attn_1\.(q|k|v|proj_out)\.weight", name):
                tensor = tensor[:, :, None, None]
            tensors[prefix + name] = tensor
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
