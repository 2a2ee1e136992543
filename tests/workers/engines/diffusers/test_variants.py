"""Half-precision files under names of their own: in folders, whole or in shards, and in repositories of the hub."""

import shutil
from pathlib import Path

import diffusers
import huggingface_hub
import numpy as np
import pytest
import torch
from drawing import draw_one

from imgen.domain.errors import ModelError
from workers import engines
from workers.engines import EngineContext
from workers.engines.diffusers.model_files import find_model
from workers.engines.diffusers.variants import variant_of

# numpy 2 warns at how diffusers' schedulers turn tensors into arrays; nothing we can call differently.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHARDS = "50KB"


@pytest.fixture
def halves(models, tmp_path):
    """Writes the tiny SDXL with half-precision files alone, in shards."""
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / "sdxl", dtype=torch.float16)
    pipe.save_pretrained(tmp_path / "halves", variant="fp16", max_shard_size=SHARDS)
    assert list((tmp_path / "halves" / "unet").glob("*.fp16-00001-of-*.safetensors"))
    return tmp_path / "halves"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_folder_of_half_precision_shards_draws(halves, dtype, entry, ask):
    """In full precision as well, if that is asked for."""
    engine = engines.load(entry("halves", dtype=dtype), EngineContext(folders=(halves.parent,)))
    assert engine._pipe.unet.dtype is getattr(torch, dtype)
    assert draw_one(engine, ask()).shape == (128, 64, 3)


def test_an_index_of_half_shards_is_checked_like_any(halves):
    """It may name safetensors files beside it only."""
    index = next((halves / "unet").glob("*.index.fp16.json"))
    index.write_text(index.read_text().replace(".safetensors", ".bin"))
    with pytest.raises(ModelError, match="names shards that are no safetensors files"):
        find_model("halves", (halves.parent,), allow_downloads=False)


def test_a_folder_with_both_gives_the_one_that_fits(halves, models, entry, ask):
    """Half-precision files for a half-precision dtype, else the full ones, bit for bit."""
    shutil.copytree(models / "sdxl", halves, dirs_exist_ok=True)
    for part in ("unet", "text_encoder", "text_encoder_2", "vae"):
        for file in (halves / part).glob("*fp16*"):
            if part != "unet":
                file.unlink()
    context = EngineContext(folders=(halves.parent, models))
    both, full = (draw_one(engines.load(entry(name), context), ask()) for name in ("halves", "sdxl"))
    assert np.array_equal(both, full)
    for file in (halves / "unet").glob("diffusion_pytorch_model.safetensors"):
        file.unlink()  # only half there: loading proves which files were read
    assert engines.load(entry("halves", dtype="bfloat16"), context)._pipe.unet.dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("names", "is_half", "variant"),
    [
        (["unet/a.safetensors", "unet/a.fp16.safetensors"], True, "fp16"),
        (["unet/a.safetensors", "unet/a.fp16.safetensors"], False, None),
        (["unet/a.fp16.safetensors"], False, "fp16"),
        (["unet/a-00001-of-00002.safetensors", "unet/a.fp16-00001-of-00002.safetensors"], True, "fp16"),
        (["unet/a-00001-of-00002.safetensors", "unet/a.fp16-00001-of-00002.safetensors"], False, None),
        (["unet/a.safetensors", "vae/a.fp16.safetensors"], False, "fp16"),
        (["unet/a.safetensors", "all.fp16.safetensors", "unet/a.fp16.bin"], True, None),
        (["unet/a.non_ema.safetensors"], True, None),
    ],
)
def test_variant_by_names(names, is_half, variant):
    """Of parts' safetensors files; a single file beside the parts is another model's form."""
    assert variant_of(names, is_half=is_half) == variant


@pytest.mark.parametrize(("is_half", "variant"), [(True, "fp16"), (False, None)])
def test_the_hub_gives_the_variant_that_fits(is_half, variant, models, monkeypatch):
    """By the files that the repository lists: half the bytes where the weights are wanted in half precision."""
    asked = []

    def download(_source: str, **options: object) -> Path:
        asked.append(options["variant"])
        return models / "sdxl"

    names = ["model_index.json", "unet/x.safetensors", "unet/x.fp16.safetensors"]
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda _source: names)
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    find_model("owner/model", (), allow_downloads=True, is_half=is_half)
    assert asked == [variant]
