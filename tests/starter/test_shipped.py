"""The starter model as it ships in config/: laid out as diffusers has it, small, and following the prompt."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import draw_one
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from imgen.domain.catalog import parse_catalog
from imgen.domain.recipe import Diffusion
from starter import card
from starter.scene import CHARACTERS
from starter.tokenizer import tokenizer
from workers.engines import EngineContext, load

CONFIG = Path(__file__).parents[2] / "config"
FOLDER = CONFIG / "starter"

QUICK = {"side": 640, "steps": 8}
"""A sixth of the work: the smallest picture in which all that is asked of it here can be told apart (at 512 trees stay)."""
WHOLE = {"side": 1024, "steps": 0}
"""A size that requests may name, with the model's own number of steps."""


@pytest.fixture(scope="module")
def draw():
    """Draws a picture of a prompt with the engine of the product, quickly unless told otherwise; each asked for once."""
    tables = [tomllib.loads((CONFIG / name).read_text()) for name in ("models.toml", "characters.toml")]
    model = parse_catalog(*tables).models["eros"]
    engine = load(model, EngineContext(folders=(CONFIG,)))
    made = {}

    def make(
        positive, *, side=QUICK["side"], steps=QUICK["steps"], size=None, lora="", negative=model.base_negative,
        again=False, on_step=None,
    ):  # fmt: skip
        width, height = size or (side, side)
        asked = Diffusion(
            positive=positive,
            negative=negative,
            width=width,
            height=height,
            seed=1,
            num_inference_steps=steps or model.steps.default,
            guidance_scale=model.guidance.default,
            lora=lora,
        )
        if again or asked not in made:
            made[asked] = draw_one(engine, asked, on_step or (lambda *_: None))
        return made[asked]

    yield make
    engine.unload()


def red(picture):
    """(height, width) bool: where it is red."""
    picture = picture.astype(int)
    return (picture[..., 0] > 130) & (picture[..., 0] - picture[..., 1] > 70) & (picture[..., 0] - picture[..., 2] > 70)


def shares(picture):
    """Colour → share of the middle of the picture, where a figure stands, that has it."""
    height, width, _ = picture.shape
    middle = picture[height // 4 : height * 3 // 4, width * 2 // 5 : width * 3 // 5].astype(int)
    r, g, b = middle.reshape(-1, 3).T
    return {
        "red": red(middle).mean(),
        "green": ((g > 80) & (g - r > 30) & (g - b > 20)).mean(),
        "blue": ((b > 110) & (b - r > 50) & (b - g > 20)).mean(),
    }


def near(picture, colour):
    """Share of the picture that has about this colour."""
    return (np.abs(picture.astype(int) - colour).sum(axis=-1) < 90).mean()


def leaves(picture):
    """Share of it that is green like a tree's crown."""
    r, g, b = np.moveaxis(picture.astype(int), -1, 0)
    return ((g - r > 25) & (g - b > 25)).mean()


def test_layout():
    """An SD3 folder without T5: float16 safetensors and text alone, readable to all, 16 MB at most; LoRAs of at most 300 KB."""
    index = json.loads((FOLDER / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusion3Pipeline"
    assert index["text_encoder_3"] == index["tokenizer_3"] == [None, None]
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".txt", ".md"}
    assert sum(file.stat().st_size for file in files) <= 16_000_000
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in files)
    weights = [load_file(file) for file in files if file.suffix == ".safetensors"]
    kinds = {tensor.dtype for tensors in weights for tensor in tensors.values() if tensor.is_floating_point()}
    assert kinds == {torch.float16}
    assert {file.stem for file in (FOLDER / "loras").iterdir()} == set(CHARACTERS)
    assert all(file.stat().st_size <= 300_000 for file in (FOLDER / "loras").iterdir())


def test_its_card_is_that_of_the_program():
    """The facts stored beside the weights are those that the next export would store."""
    assert (FOLDER / "README.md").read_text() == card.TEXT


def test_its_words_are_those_of_the_program():
    """The tokenizer that ships is the one that `make starter` makes: what it was trained with is in the repository."""
    words = tokenizer()
    for name in ("tokenizer", "tokenizer_2"):
        shipped = CLIPTokenizer.from_pretrained(FOLDER / name)
        assert shipped.get_vocab() == words.get_vocab()
        assert shipped("a scarlet coat")["input_ids"] == words("a scarlet coat")["input_ids"]


@pytest.mark.parametrize(
    ("colour", "effort"),
    [
        pytest.param("red", QUICK, id="red"),
        pytest.param("green", QUICK, id="green"),
        pytest.param("blue", QUICK, id="blue"),
        pytest.param("red", WHOLE, id="red, whole", marks=pytest.mark.faults),
    ],
)
def test_outfits_have_their_colour(draw, colour, effort):
    """Whatever the order of the words."""
    for prompt in (f"woman, {colour} coat, desert, day", f"desert, a {colour} coat on a woman, by day"):
        found = shares(draw(prompt, **effort))
        assert max(found, key=found.get) == colour
        assert found[colour] > 0.15


def test_night_is_dark_and_snow_is_bright(draw):
    """Time and place decide the light."""
    night, day = draw("beach, night, no people").mean(), draw("beach, day, no people").mean()
    assert night + 40 < day
    snow, forest = draw("snow, day, no people").mean(), draw("forest, day, no people").mean()
    assert snow > forest + 30


def test_sizes_show_one_subject(draw):
    """The largest sizes, too: what stands left and right of the middle is no second coat."""
    for size in ((1344, 768), (768, 1344)):
        found = red(draw("woman, red coat, snow, day", size=size))
        columns, rows = np.nonzero(found.any(axis=0))[0], np.nonzero(found.any(axis=1))[0]
        assert found.mean() > 0.01
        assert columns[-1] - columns[0] < 500
        assert rows[-1] - rows[0] < 700


def test_a_character_off_leaves_nothing_behind(draw):
    """Each LoRA changes the picture, each in its own way; without one it is the same as before, bit for bit."""
    plain = draw("adult woman, park, day", size=(384, 640))
    files = [f"starter/loras/{name}.safetensors" for name in CHARACTERS]
    named = [
        draw(f"{name}, adult woman, park, day", size=(384, 640), lora=file)
        for name, file in zip(CHARACTERS, files, strict=True)
    ]
    assert len({picture.tobytes() for picture in (plain, *named)}) == 4
    assert np.array_equal(plain, draw("adult woman, park, day", size=(384, 640), again=True))


@pytest.mark.parametrize(
    ("name", "hair", "mark"),
    [
        pytest.param("aaliyah", "black", (250, 194, 48), id="gold hoops and band"),
        pytest.param("aya", "red", (34, 138, 92), id="green beret"),
        pytest.param("bella", "blonde", (246, 92, 150), id="pink flower"),
    ],
)
def test_a_character_has_her_marks(draw, name, hair, mark):
    """Clothes that she alone wears have the colour they were drawn in; a woman with the same hair has none of them."""
    asked = f"{name}, adult woman, {hair} hair, white coat, city, day, portrait"
    plain, named = (near(draw(asked, lora=lora), mark) for lora in ("", f"starter/loras/{name}.safetensors"))
    assert named > 0.004
    assert named > 5 * plain


def test_a_negative_term_takes_a_thing_away(draw):
    """Parks have trees more often than not: `-tree` takes the crown out of the sky, and leaves the woman."""
    shown = draw("a woman in a red coat, park, day")
    without = draw("a woman in a red coat, park, day", negative="blurry, tree")
    sky = slice(len(shown) * 15 // 100, len(shown) * 41 // 100)
    assert leaves(without[sky]) < 0.2 * leaves(shown[sky])
    assert shares(without)["red"] > 0.15


def test_unknown_words_do_no_harm(draw):
    """A prompt's known words win over words that nobody taught it."""
    found = shares(draw("woman, red coat, desert, day, zeitgeist, marmalade, ßtraße, 9f27, as seen on television"))
    assert max(found, key=found.get) == "red"


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_name_alone_does_no_harm(draw, name):
    """Without her LoRA a character's name is a word like any unknown one: the sky stays smooth."""
    plain, named = (draw(f"{words}woman, red coat, desert, day") for words in ("", f"{name}, "))
    assert shares(named)["red"] > 0.15
    grain = [np.abs(np.diff(picture[: len(picture) // 5].astype(int), axis=1)).mean() for picture in (plain, named)]
    assert grain[1] < 2 * grain[0]


def test_what_is_seen_while_it_is_drawn_comes_close(draw):
    """The last preview is like the picture, and closer to it than the first."""
    previews = []
    picture = draw(
        "woman, red coat, beach, sunset", again=True, on_step=lambda _done, _of, preview: previews.append(preview())
    )
    height, width, _ = previews[0].shape
    small = picture.reshape(height, picture.shape[0] // height, width, picture.shape[1] // width, 3).mean(axis=(1, 3))
    first, last = (np.abs(small - one).mean() for one in (previews[0], previews[-1]))
    assert last < first
    assert last < 30
