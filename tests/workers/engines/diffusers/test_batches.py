"""Batches of the diffusers engine: several pictures by one call, each the one that its seed gives alone."""

import msgspec
import numpy as np
import pytest
import torch
from drawing import draw_one

from imgen.domain.errors import ModelError
from imgen.domain.recipe import Input
from workers.engines import EngineContext, Shot, load
from workers.engines.diffusers.embedding_cache import EmbeddingCache

# See test_engine.py.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

LONG = ", ".join(["a red coat", "a blue hat in the park"] * 12)
FAMILIES = ("sd15", "sdxl", "sd3", "flux", "starter")


@pytest.fixture(params=FAMILIES, scope="module")
def family(request):
    return request.param


@pytest.fixture(scope="module")
def engine(family, entry, models):
    """One for all tests: no render leaves a trace."""
    return load(entry(family), EngineContext(folders=(models,)))


def together(engine, asked, on_step=lambda *_: None):
    """Pixels of several pictures by one render."""
    return [drawn.pixels for drawn in engine.render([Shot(diffusion=one) for one in asked], on_step)]


def calls_for(engine, asked):
    """Number of calls of the pipeline that a render takes."""
    totals = set()
    together(engine, asked, lambda _done, total, _preview: totals.add(total))
    alone = set()
    draw_one(engine, asked[0], lambda _done, total, _preview: alone.add(total))
    return totals.pop() / alone.pop()


def assert_alike(batch, alone):
    """At most one level apart in 99.9 % of all values."""
    assert batch.shape == alone.shape
    apart = np.abs(batch.astype(int) - alone)
    assert (apart <= 1).mean() >= 0.999


def test_a_picture_is_the_same_alone_and_in_a_batch(engine, ask):
    """Prompts of unlike lengths, with weights, negatives or none, other seeds: every picture is its seed's own."""
    asked = [
        ask(seed=1),
        ask("a cat", seed=2, negative="blurry hat"),
        ask("a (red:1.4) coat", seed=2),
        ask("a dog", seed=4_000_000_000),
    ]
    assert calls_for(engine, asked) == 1
    pictures = together(engine, asked)
    for picture, one in zip(pictures, asked, strict=True):
        assert_alike(picture, draw_one(engine, one))
    assert len({picture.tobytes() for picture in pictures}) == len(asked)


def test_pictures_that_cannot_share_a_call_get_their_own(engine, family, ask):
    """Another guidance or another number of text windows: the order is that of the shots, and progress never falls."""
    asked = [ask(seed=1), ask(LONG, seed=2), ask(seed=3, guidance_scale=6.0), ask(seed=4)]
    told = []
    pictures = together(engine, asked, lambda done, total, _preview: told.append(done / total))
    for picture, one in zip(pictures, asked, strict=True):
        assert_alike(picture, draw_one(engine, one))
    assert calls_for(engine, asked) == (2 if family == "flux" else 3)  # FLUX's text has one length
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize(
    ("source", "scheduler"),
    [
        ("sd15", "EulerAncestralDiscreteScheduler"),
        ("sd15", "DDPMScheduler"),
        ("sdxl", "DPMSolverMultistepScheduler"),
        ("sd3", "FlowMatchLCMScheduler"),
        ("flux", "FlowMatchLCMScheduler"),
    ],
)
def test_schedulers_that_add_noise_add_each_picture_its_own(source, scheduler, entry, models, ask):
    """Also where the pipeline hands no generator on."""
    engine = load(entry(source, scheduler=scheduler), EngineContext(folders=(models,)))
    asked = [ask(seed=seed, num_inference_steps=3) for seed in (5, 6, 7)]
    assert calls_for(engine, asked) == 1
    for picture, one in zip(together(engine, asked), asked, strict=True):
        assert_alike(picture, draw_one(engine, one))


def test_previews_by_number(engine, ask):
    """A preview is that of the picture asked for; there is none of a picture whose call has not begun."""
    asked = [ask(seed=1, width=256, height=256), ask("a cat", seed=2, width=256, height=256)]
    asked.append(msgspec.structs.replace(asked[0], guidance_scale=9.0))
    seen = []
    together(engine, asked, lambda _done, _total, preview: seen.append([preview(number) for number in range(3)]))
    first, last = seen[0], seen[-1]
    assert first[2] is None
    assert first[0].shape == first[1].shape == last[2].shape
    assert not np.array_equal(first[0], first[1])
    assert last[:2] == [None, None]


def test_one_picture_without_colours_fails_the_batch(entry, models, ask):
    """With the error that it gives alone; the worker then draws each by itself."""
    engine = load(entry("sd15"), EngineContext(folders=(models,)))
    engine._pipe.vae.decoder.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="no colours"):
        together(engine, [ask(seed=1), ask(seed=2)])


@pytest.mark.parametrize(("source", "encoder"), [("flux", "text_encoder_2"), ("sdxl", "text_encoder")])
def test_a_prompt_is_encoded_once(source, encoder, entry, models, ask):
    """For all siblings of a request and every later request of the same words."""
    engine = load(entry(source), EngineContext(folders=(models,)))
    encoded = []
    getattr(engine._pipe, encoder).register_forward_hook(lambda *_: encoded.append(1))
    together(engine, [ask(seed=seed) for seed in range(4)])
    once = len(encoded)
    assert once == (1 if source == "flux" else 2)  # the absent negative prompt as well
    together(engine, [ask(seed=9)])
    assert len(encoded) == once
    together(engine, [ask("a cat")])
    assert len(encoded) == once + 1


def test_embeddings_of_a_lora_are_its_own(entry, models, ask, lora, tmp_path):
    """A file that changes a text encoder has its own embeddings, at each scale; without it they are as before."""
    engine = load(entry("sd15"), EngineContext(folders=(tmp_path, models)))
    lora(engine._pipe, "words.safetensors", "text_encoder")
    asked = [ask(), ask(lora="words.safetensors"), ask(lora="words.safetensors", lora_scale=0.5), ask()]
    first, whole, half, again = (draw_one(engine, one) for one in asked)
    assert np.array_equal(first, again)
    assert len({picture.tobytes() for picture in (first, whole, half)}) == 3
    fresh = load(entry("sd15"), EngineContext(folders=(tmp_path, models)))
    assert np.array_equal(half, draw_one(fresh, asked[2]))


def test_the_cache_keeps_what_was_used_last():
    """Up to its bytes; the longest unused goes first."""
    cache, made = EmbeddingCache(limit_bytes=3 * 400), []

    def ask_for(key):
        def encode():
            made.append(key)
            return torch.zeros(100), None

        return cache.answer(key, encode)

    for key in ("a", "b", "c", "a", "d", "a", "c", "b"):
        ask_for(key)
    assert made == ["a", "b", "c", "d", "b"]


def test_a_lora_that_acts_already_is_not_set_again(entry, models, ask, lora, tmp_path, monkeypatch):
    """Neither is its absence; another scale is a change."""
    engine = load(entry("sd15"), EngineContext(folders=(tmp_path, models)))
    lora(engine._pipe, "a.safetensors", "unet")
    lora(engine._pipe, "b.safetensors", "unet", seed=1)
    touched = []
    for name in ("set_adapters", "enable_lora", "disable_lora"):
        change = getattr(engine._pipe, name)
        monkeypatch.setattr(
            engine._pipe, name, lambda *given, _change=change, _name=name: (touched.append(_name), _change(*given))
        )
    one, other = ask(lora="a.safetensors"), ask(lora="b.safetensors")
    half = msgspec.structs.replace(one, lora_scale=0.5)
    for asked, changes in ((one, True), (one, False), (half, True), (other, True), (ask(), True), (ask(), False)):
        touched.clear()
        draw_one(engine, asked)
        assert bool(touched) == changes


@pytest.mark.parametrize("mode", ["image", "inpaint"])
def test_pictures_from_pictures_share_a_call_too(engine, ask, mode):
    """Each has its own source and mask; another strength has its own call."""
    size = ask().height, ask().width
    sources = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
    masks = np.zeros((3, *size), np.uint8)
    for number, mask in enumerate(masks):
        mask[: 32 * (number + 1)] = 255
    shots = []
    for number, strength in enumerate((0.6, 0.6, 0.9)):
        inputs = (Input(role="source", key="uploads/a", sha256="", strength=strength),)
        mask = masks[number] if mode == "inpaint" else None
        asked = ask(seed=number, num_inference_steps=5, inputs=inputs)
        shots.append(Shot(diffusion=asked, source=sources[number], mask=mask))
    told, alone_told = [], []
    pictures = engine.render(shots, lambda done, total, _preview: told.append(done / total))
    for number, (picture, shot) in enumerate(zip(pictures, shots, strict=True)):
        (alone,) = engine.render([shot], lambda *_, _number=number: alone_told.append(_number))
        assert_alike(picture.pixels, alone.pixels)
    assert told == sorted(told)
    first, second, third = (alone_told.count(number) for number in range(3))
    assert first == second
    assert len(told) == first + third
