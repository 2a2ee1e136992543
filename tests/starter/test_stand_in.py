"""The stand-in model is laid out like the starter, is made once, and says what it is."""

import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from starter.stand_in import CHARACTERS, build, tokenizer
from starter.vocabulary import byte_pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "deep" / "starter"
    build(folder)
    return folder


def files(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_layout(folder):
    """It is an SD3 folder without T5, float16, a few megabytes, readable to all, with nothing left beside it."""
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusion3Pipeline"
    assert index["text_encoder_3"] == index["tokenizer_3"] == [None, None]
    weights = list(folder.rglob("*.safetensors"))
    assert {tensor.dtype for file in weights for tensor in load_file(file).values() if tensor.is_floating_point()} == {
        torch.float16
    }
    assert sum(file.stat().st_size for file in folder.rglob("*")) < 16e6
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in folder.rglob("*"))
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_says_what_it_is(folder):
    """A file beside the weights says that nothing is trained and the pictures are noise."""
    text = (folder / "ABOUT.txt").read_text()
    assert "no trained model" in text
    assert "noise" in text


def test_loras(folder):
    """Each character has a LoRA under 300 KB, and they differ."""
    contents = [(folder / "loras" / f"{name}.safetensors").read_bytes() for name in CHARACTERS]
    assert CHARACTERS == ("aaliyah", "aya", "bella")
    assert len(set(contents)) == 3
    assert all(len(content) < 300_000 for content in contents)


def test_same_every_time(folder, tmp_path):
    """Another build gives the same bytes, and a build over a finished one does nothing."""
    build(tmp_path / "again")
    assert files(tmp_path / "again") == files(folder)
    (tmp_path / "again" / "model_index.json").write_text("touched")
    build(tmp_path / "again")
    assert (tmp_path / "again" / "model_index.json").read_text() == "touched"


def test_keeps_what_is_there(tmp_path):
    """A folder with something else in it is left alone."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(FileExistsError):
        build(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_command(tmp_path):
    """`python -m starter.stand_in FOLDER` builds, and says nothing but where."""
    done = subprocess.run(
        [sys.executable, "-m", "starter.stand_in", str(tmp_path / "x")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["folder"] == str(tmp_path / "x")
    assert done.stderr == ""


def test_words_are_whole():
    """Words of the list are one token each; other words are spelled."""
    words = tokenizer()
    assert len(words("red coat beach", add_special_tokens=False)["input_ids"]) == 3
    assert len(words("reddish", add_special_tokens=False)["input_ids"]) > 1
    assert words.model_max_length == 77


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_spelled(text):
    """Every text has tokens, between one mark at its start and one at its end, and none is unknown."""
    words = tokenizer()
    ids = words(text)["input_ids"]
    assert ids[0] == words.bos_token_id
    assert ids[-1] == words.eos_token_id
    assert words.eos_token_id not in ids[1:-1]


def test_byte_pairs():
    """The most frequent pair is joined first, ties go by the alphabet, and learning ends when all words are whole."""
    vocabulary, merges = byte_pairs("aba aba ab b", merges=100)
    assert merges == [("a", "b"), ("ab", "a</w>"), ("a", "b</w>")]
    assert vocabulary["<|endoftext|>"] == len(vocabulary) - 1
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
