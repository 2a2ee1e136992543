"""The embedded sentence model beside the library whose numbers it must give."""

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertModel
from transformers.utils import logging

from imgen.domain.errors import ConfigurationError
from imgen.embedder.minilm import MiniLM, Unreadable, folder

TEXTS = [
    "",
    "red",
    "red coat, on a beach",
    "RED COAT, ON A BEACH",
    "Ein Mädchen — nein, eine Frau — mit Hut; naïve café, 東京",
    "a woman with a red coat and a blue hat walking in the city at night, cinematic light, long hair, detailed",
    "x9f3 qqqq zzz " * 10,
    "a " * 254,
]


@pytest.fixture(scope="module")
def model():
    return MiniLM(folder())


@pytest.fixture(scope="module")
def library():
    """The same weights in transformers."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    bert, tokenizer = BertModel.from_pretrained(folder()).eval(), AutoTokenizer.from_pretrained(folder())

    def vector(text):
        with torch.inference_mode():
            hidden = bert(**tokenizer(text, return_tensors="pt", truncation=True, max_length=256)).last_hidden_state
        mean = hidden.mean(dim=1)[0]
        return (mean / mean.norm()).numpy()

    return vector


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20] or "nothing")
def test_its_vectors_are_those_of_transformers(model, library, text):
    """Every number, to a millionth."""
    found = model.vector(text)
    assert (found.shape, found.dtype) == ((384,), np.float32)
    np.testing.assert_allclose(found, library(text), atol=1e-6)
    assert abs(float(np.linalg.norm(found)) - 1) < 1e-5


def test_a_text_that_would_be_cut_is_refused(model):
    """256 tokens with the two that frame them, and not one more."""
    assert model.tokens("a " * 254) == 256
    with pytest.raises(Unreadable, match="257 tokens"):
        model.vector("a " * 255)


@pytest.mark.parametrize("text", ["🐱", "a cat 🐱", "แมวสีแดง", "ಬೆಕ್ಕು", "q" * 101])
def test_what_the_model_cannot_read_is_refused(model, text):
    """All of it would be one and the same token: a cat and a dog in emoji would be the same picture."""
    with pytest.raises(Unreadable, match="does not know"):
        model.vector(text)


def test_meaning_is_near_and_other_things_are_far(model):
    """Likeness of sentences, as the cache relies on it."""
    one = model.vector("a lighthouse on a cliff at sunset")
    assert one @ model.vector("at sunset, a lighthouse on a cliff") > 0.95
    assert one @ model.vector("portrait of an astronaut in a spacesuit") < 0.4


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_holds_no_model_is_named(tmp_path, broken):
    """A missing or garbled file is a sentence with the folder in it, not a trace."""
    for name in ("config.json", "sentence_bert_config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).symlink_to(folder() / name)
    (tmp_path / broken).unlink()
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        MiniLM(tmp_path)
    (tmp_path / broken).write_bytes(b"{")
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        MiniLM(tmp_path)
