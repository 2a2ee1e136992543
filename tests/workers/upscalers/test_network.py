"""Networks with random weights through spandrel, on the CPU."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from upscaling import save_esrgan

from imgen.domain.errors import Cancelled, ModelError, OutOfMemory
from workers.upscalers import files, network


def photo(height=160, width=224):
    """Soft waves with a grain, (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.stack([128 + 80 * np.sin(columns / 9 + each) * np.cos(rows / (8 + each)) for each in range(3)], 2)
    return (waves + np.random.default_rng(2).normal(0, 4, waves.shape)).clip(0, 255).astype(np.uint8)


def quiet(_done, _total):
    pass


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_give_what_the_whole_picture_gives(tmp_path, scale):
    """By tiles or as a whole, no pixel differs by more than two levels: there are no seams."""
    loaded = network.load(save_esrgan(tmp_path / "x.safetensors", scale=scale), scale=scale)
    pixels = photo()
    whole = loaded.enlarge(pixels, tile=512, on_tile=quiet)
    tiled = loaded.enlarge(pixels, tile=96, on_tile=quiet)
    assert whole.shape == tiled.shape == (160 * scale, 224 * scale, 3)
    assert np.ptp(whole) > 30
    assert np.abs(whole.astype(int) - tiled).max() <= 2


def test_progress_is_told_after_each_tile(tmp_path):
    """The callback gets the number of tiles done and of all, and can end the work."""
    loaded, told = network.load(save_esrgan(tmp_path / "x.safetensors"), scale=4), []
    loaded.enlarge(photo(160, 160), tile=96, on_tile=lambda *progress: told.append(progress))
    assert told == [(done, 4) for done in range(1, 5)]

    def stop(_done, _total):
        raise Cancelled

    with pytest.raises(Cancelled):
        loaded.enlarge(photo(), tile=96, on_tile=stop)


class Narrow:
    """Network that finds memory for small tiles alone."""

    def __init__(self, descriptor, most):
        self.descriptor, self.most, self.sides = descriptor, most, []

    def __call__(self, given):
        self.sides.append(max(given.shape[2:]))
        if self.sides[-1] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.descriptor(given)


def test_out_of_memory_makes_tiles_smaller_for_good(tmp_path):
    """The picture is the same; the next one begins with tiles of the size that found memory."""
    loaded = network.load(save_esrgan(tmp_path / "x.safetensors"), scale=4)
    whole = loaded.enlarge(photo(), tile=512, on_tile=quiet)
    loaded._network = narrow = Narrow(loaded._network, most=150)
    assert np.abs(loaded.enlarge(photo(), tile=512, on_tile=quiet).astype(int) - whole).max() <= 2
    assert narrow.sides[0] == 224
    narrow.sides.clear()
    loaded.enlarge(photo(), tile=512, on_tile=quiet)
    assert max(narrow.sides) <= 150


def test_without_memory_for_a_small_tile_it_gives_up(tmp_path):
    """The error is the one after which a job is tried again."""
    loaded = network.load(save_esrgan(tmp_path / "x.safetensors"), scale=4)
    loaded._network = Narrow(loaded._network, most=10)
    with pytest.raises(OutOfMemory):
        loaded.enlarge(photo(), tile=256, on_tile=quiet)


def test_it_counts_the_memory_of_its_weights(tmp_path):
    """On the CPU they are float32 whatever the file has; unloaded, there are none."""
    path = save_esrgan(tmp_path / "x.safetensors", dtype=torch.float16)
    loaded = network.load(path, scale=4)
    assert loaded.memory_bytes == 4 * sum(tensor.numel() for tensor in load_file(path).values())
    loaded.unload()
    assert loaded.memory_bytes == 0


def test_another_factor_than_the_configured_one_is_refused(tmp_path):
    """The message says by how much the file enlarges."""
    path = save_esrgan(tmp_path / "x.safetensors", scale=4)
    with pytest.raises(ModelError, match="enlarges by 4, not by 2"):
        network.load(path, scale=2)


def test_an_unknown_network_is_refused(tmp_path):
    """A safetensors file of no architecture that spandrel knows names itself in the message."""
    path = tmp_path / "odd.safetensors"
    save_file({"odd": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"odd\.safetensors"):
        network.load(path, scale=4)


# ------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.safetensors", "no upscaler 'none.safetensors' in"),
        ("../x.safetensors", "leaves the folders"),
        ("folder", "is a folder; write the name"),
        ("x.pth", "no pickle is opened"),
        ("zip.safetensors", "a zip archive"),
        ("lora.safetensors", "is a LoRA, not an upscaler"),
        ("vae.safetensors", "is a VAE, not an upscaler"),
    ],
)
def test_wrong_files_are_named_as_what_they_are(tmp_path, name, message):
    """No file is loaded to find that out."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.pth").write_bytes(b"\x80\x04")
    (tmp_path / "zip.safetensors").write_bytes(b"PK\x03\x04" + bytes(200))
    save_file({"unet.to_q.lora_A.weight": torch.zeros(2)}, tmp_path / "lora.safetensors")
    save_file({"decoder.conv_in.weight": torch.zeros(2)}, tmp_path / "vae.safetensors")
    with pytest.raises(ModelError, match=re.escape(message)):
        files.find_upscaler(name, (tmp_path,))


def test_a_published_form_is_known_as_an_upscaler(tmp_path):
    """A file with the names of Real-ESRGAN is found by its name."""
    path = save_esrgan(tmp_path / "upscalers" / "x4.safetensors")
    assert files.find_upscaler("upscalers/x4.safetensors", (tmp_path,)) == path
