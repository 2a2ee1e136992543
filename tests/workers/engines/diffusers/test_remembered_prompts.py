"""Prompts of pipelines that take texts alone: encoded once, and drawn as if they were encoded for each picture."""

import diffusers
import numpy as np
import pytest
import tiny_pixart
import tiny_qwen
import torch
import transformers
from drawing import draw_one

from workers.engines.diffusers.adapters import Adapters
from workers.engines.diffusers.engine import DiffusersEngine
from workers.engines.diffusers.pipelines import settle
from workers.engines.diffusers.placement import Placement
from workers.engines.diffusers.remembered_prompts import remembered


def z_image(parts):
    """Builds a tiny Z-Image of a tiny Qwen-Image's tokenizer."""
    words = tiny_qwen.qwen_image().tokenizer
    words.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    config = transformers.Qwen3Config(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=parts.vae.config.latent_channels,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[512, 64, 64],
    )
    return diffusers.ZImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=parts.vae,
        text_encoder=transformers.Qwen3Model(config).eval(),
        tokenizer=words,
        transformer=transformer,
    )


BUILD = {
    "pixart": (tiny_pixart.pixart, {"use_resolution_binning": False, "clean_caption": False}),
    "qwen": (lambda _parts: tiny_qwen.qwen_image(), {}),
    "z_image": (z_image, {}),
}


@pytest.fixture(params=sorted(BUILD))
def make_engine(request, models):
    """Makes engines over one pipeline, which has encoded nothing yet."""
    torch.manual_seed(0)
    build, extra = BUILD[request.param]
    pipe = build(diffusers.StableDiffusion3Pipeline.from_pretrained(models / "sd3"))
    settle(pipe, Placement(torch.device("cpu"), torch.float32))
    return lambda: DiffusersEngine(pipe, Adapters(pipe, lambda _name: (), limit_bytes=0), dict(extra))


@pytest.fixture
def encoded(make_engine):
    """Counts the runs of the text encoder."""
    runs = []
    make_engine()._pipe.text_encoder.register_forward_hook(lambda *_: runs.append(1))
    return runs


def test_a_prompt_that_comes_again_is_not_encoded_again(make_engine, encoded, ask):
    """For another seed and for the second picture of a batch, it draws what an engine draws that sees it for the first time."""
    engine = make_engine()
    draw_one(engine, ask(negative="blurry"))
    first = len(encoded)
    assert first > 0
    again = draw_one(engine, ask(negative="blurry", seed=8))
    assert len(encoded) == first
    anew = draw_one(make_engine(), ask(negative="blurry", seed=8))
    assert np.abs(again.astype(int) - anew).max() <= 1  # how matrices of two rows are rounded depends on where they lie
    assert len(encoded) == 2 * first


def test_another_prompt_or_negative_is_encoded(make_engine, encoded, ask):
    """Each is a text of its own; and the pipeline is its own again afterwards."""
    engine = make_engine()
    for words in ({"negative": "blurry"}, {"negative": "grey"}, {"positive": "a hat", "negative": "grey"}):
        before = len(encoded)
        draw_one(engine, ask(**words))
        assert len(encoded) > before
    assert "encode_prompt" not in vars(engine._pipe)


class Recorder:
    """Pipeline that encodes into nested tensors."""

    def encode_prompt(self, prompt, pictures=None, count=1):
        return [torch.ones(count)], None


def test_what_a_call_changes_is_not_what_is_kept():
    """Nor is anything kept of a call with more than texts and numbers."""
    kept, pipe = {}, Recorder()

    def remember(key, encode):
        if key not in kept:
            kept[key] = encode()
        return kept[key]

    with remembered(pipe, remember):
        for _ in range(2):
            (embeds,), nothing = pipe.encode_prompt(["a", "b"], count=3)
            assert embeds.tolist() == [1, 1, 1]
            assert nothing is None
            embeds += 1
        pipe.encode_prompt("a", pictures=torch.ones(2))
    assert len(kept) == 1
