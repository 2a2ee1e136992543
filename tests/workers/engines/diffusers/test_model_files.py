"""Only safetensors, only inside the folders: pickles and path tricks reach nothing."""

import json
import os
import pickle
import shutil
import struct

import pytest
import torch
from drawing import draw_one
from safetensors.torch import save_file

from imgen.domain.errors import ModelError
from imgen.weights.lookup import find
from workers.engines import EngineContext, load
from workers.engines.diffusers.model_files import check_file, check_folder, find_lora, find_model, in_cache


class Canary:
    """Writes a file when a pickle of it is opened."""

    def __init__(self, sign):
        self.sign = sign

    def __reduce__(self):
        return (open, (str(self.sign), "w"))


@pytest.fixture
def sign(tmp_path):
    """Exists as soon as a pickle was opened."""
    path = tmp_path / "opened"
    yield path
    assert not path.exists()


@pytest.fixture
def poison(sign):
    """Pickles in the two forms that torch opens, plain and zipped."""

    def write(path, *, zipped=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        if zipped:
            with path.open("wb") as file:
                torch.save({"lora_A": Canary(sign)}, file)
        else:
            path.write_bytes(pickle.dumps(Canary(sign)))
        return path

    return write


def test_the_canary_sings(tmp_path):
    """The pickle these tests are made with does what it should: opening it leaves a file."""
    path = tmp_path / "opened"
    pickle.loads(pickle.dumps(Canary(path))).close()
    assert path.exists()


NAMES = (
    "a.bin",
    "a.safetensors",
    "a.Safetensors",
    "a.SAFETENSORS",
    "a.pt",
    "a.ckpt",
    "a.safetensors.bin",
    "a",
    ".safetensors",
)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_pickled_lora(name, zipped, poison, tmp_path, entry, models, ask):
    """No LoRA file that is a pickle is opened, whatever it is called, beside a model that would take it."""
    engine = load(entry("sd15"), EngineContext(folders=(tmp_path / "loras", models)))
    poison(tmp_path / "loras" / name, zipped=zipped)
    with pytest.raises(ModelError):
        draw_one(engine, ask(lora=name), lambda *_: None)


@pytest.mark.parametrize("name", NAMES)
def test_pickled_single_file(name, poison, tmp_path, entry):
    """No model in one file that is a pickle is opened, whatever it is called."""
    poison(tmp_path / "models" / name)
    with pytest.raises(ModelError):
        load(entry(name), EngineContext(folders=(tmp_path / "models",)))


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.safetensors", "model.Safetensors", "model.ckpt", "model.fp16.bin"]
)
def test_pickled_component(name, poison, tmp_path, models, entry):
    """A folder with one component only as a pickle is refused before anything is loaded."""
    folder = tmp_path / "models" / "sd15"
    shutil.copytree(models / "sd15", folder)
    (folder / "text_encoder" / "model.safetensors").unlink()
    poison(folder / "text_encoder" / name)
    with pytest.raises(ModelError):
        load(entry("sd15"), EngineContext(folders=(tmp_path / "models",)))


def test_pickles_beside_safetensors(poison, tmp_path, models, entry, ask):
    """Pickles that lie beside safetensors files are not opened, and the model loads."""
    folder = tmp_path / "models" / "sd15"
    shutil.copytree(models / "sd15", folder)
    poison(folder / "text_encoder" / "pytorch_model.bin")
    poison(folder / "unet" / "diffusion_pytorch_model.bin")
    pixels = draw_one(load(entry("sd15"), EngineContext(folders=(tmp_path / "models",))), ask(), lambda *_: None)
    assert pixels.shape == (128, 64, 3)


test_pickles_beside_safetensors = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")(
    test_pickles_beside_safetensors
)


@pytest.mark.parametrize(
    "shard", ["model.bin", "../model.safetensors", "/etc/model.safetensors", "..\\model.safetensors"]
)
def test_index_of_shards(shard, poison, tmp_path, models, entry):
    """An index that names shards of another kind or place is refused."""
    folder = tmp_path / "models" / "sd15"
    shutil.copytree(models / "sd15", folder)
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.rename(file.with_name("diffusion_pytorch_model-00001-of-00001.safetensors"))
    poison(folder / "unet" / "model.bin")
    index = {"metadata": {"total_size": 1}, "weight_map": {"conv_in.weight": shard}}
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="shards"):
        load(entry("sd15"), EngineContext(folders=(tmp_path / "models",)))


@pytest.mark.parametrize(
    "change", [{"_class_name": ["mine", "Pipeline"]}, {"unet": ["mine", "Net"]}, {"unet": ["os", "system"]}]
)
def test_code_in_the_folder(change, tmp_path, models, entry, sign):
    """Python that a model folder brings along is never run, nor are other modules taken for models."""
    folder = tmp_path / "models" / "sd15"
    shutil.copytree(models / "sd15", folder)
    code = f"open({str(sign)!r}, 'w')\nclass Net: ...\nclass Pipeline: ..."
    for place in (folder / "mine.py", folder / "unet" / "mine.py", folder / "None.py", folder / "pipeline.py"):
        place.write_text(code)
    index = json.loads((folder / "model_index.json").read_text()) | change
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError):
        load(entry("sd15"), EngineContext(folders=(tmp_path / "models",)))


TRICKS = (
    "../secret.safetensors",
    "a/../../secret.safetensors",
    "..",
    "link.safetensors",
    "linked/secret.safetensors",
    "",
    "\0",
)


@pytest.mark.parametrize("name", TRICKS)
def test_ways_out(name, tmp_path):
    """No relative name leads out of the folders, by dots or by links, though the file is there and sound."""
    save_file({"lora_A": torch.zeros(1)}, tmp_path / "secret.safetensors")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "a").mkdir()
    (folder / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    (folder / "linked").symlink_to(tmp_path)
    with pytest.raises(ModelError):
        find(name, (folder,))
    with pytest.raises(ModelError):
        find_lora(name, (folder,))
    with pytest.raises(ModelError):
        find_model(name, (folder,), allow_downloads=False)


def test_ways_in(tmp_path):
    """Names inside are found in the folders' order, links that stay inside too, and absolute names as the operator wrote them."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        (folder / "deep").mkdir(parents=True)
        save_file({"lora_A": torch.zeros(1)}, folder / "deep" / "both.safetensors")
    save_file({"lora_A": torch.zeros(1)}, second / "one.safetensors")
    (first / "inner.safetensors").symlink_to(first / "deep" / "both.safetensors")
    folders = (first, second)
    assert find_lora("deep/both.safetensors", folders) == first / "deep" / "both.safetensors"
    assert find_lora("one.safetensors", folders) == second / "one.safetensors"
    assert find_lora("inner.safetensors", folders) == first / "inner.safetensors"
    assert find_lora(str(second / "one.safetensors"), (first,)) == second / "one.safetensors"
    assert find("nothing", folders) is None
    assert find("one.safetensors", ()) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02",
        struct.pack("<Q", 2),
        struct.pack("<Q", 0),
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 3) + b"{,}",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 3) + b"{}",
        b"PK\x03\x04" + bytes(60),
        b"version https://git-lfs.github.com/spec/v1\n",
    ],
)
def test_broken_headers(content, tmp_path):
    """A file that does not begin like safetensors is none, whatever its name says."""
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ModelError):
        check_file(tmp_path / "a.safetensors")


def test_truncated_weights(tmp_path, models, entry):
    """A file with a sound header and half its content is a ModelError when it is loaded."""
    folder = tmp_path / "sd15"
    shutil.copytree(models / "sd15", folder)
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(entry("sd15"), EngineContext(folders=(tmp_path,)))


def test_no_diffusers_folder(tmp_path):
    """A folder without an index, or with a broken one, is named as such."""
    with pytest.raises(ModelError, match="no model_index"):
        check_folder(tmp_path)
    for text in ("", "[]", "{}", '{"_class_name": null}'):
        (tmp_path / "model_index.json").write_text(text)
        with pytest.raises(ModelError, match="model_index"):
            check_folder(tmp_path)


def test_left_out_components_are_not_looked_at(tmp_path, models, poison, entry):
    """A component that the entry leaves out may lie there as a pickle: it is neither refused nor opened."""
    folder = tmp_path / "models" / "sd3"
    shutil.copytree(models / "sd3", folder)
    (folder / "text_encoder_3" / "model.safetensors").unlink()
    poison(folder / "text_encoder_3" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only as pytorch_model.bin"):
        load(entry("sd3"), EngineContext(folders=(tmp_path / "models",)))
    load(entry("sd3", leave_out=("text_encoder_3", "tokenizer_3")), EngineContext(folders=(tmp_path / "models",)))


def test_half_precision_names(tmp_path, models, entry):
    """A folder whose weights have half-precision names only loads as it is."""
    folder = tmp_path / "sd15"
    shutil.copytree(models / "sd15", folder)
    for file in folder.glob("*/*.safetensors"):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    assert load(entry("sd15"), EngineContext(folders=(tmp_path,))).architecture == "StableDiffusionPipeline"


def test_cache_lookup_asks_no_one(no_network):
    """A hub id that is not in the local cache is None at once."""
    assert in_cache("someone/nothing") is None
    assert no_network == []
