"""IF, whose call takes no step callback, and whose safety checker looks at arrays alone."""

import diffusers
import numpy as np
import pytest
import torch
from drawing import draw_one

from imgen.domain.errors import Cancelled, PictureFlagged, TimedOut
from workers import engines
from workers.engines import EngineContext


@pytest.fixture
def model(models, entry, tmp_path):
    """Loads a tiny IF, made of the tiny SD3's T5."""
    parts = diffusers.StableDiffusion3Pipeline.from_pretrained(models / "sd3")
    unet = diffusers.UNet2DConditionModel(
        sample_size=64,
        in_channels=3,
        out_channels=6,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        encoder_hid_dim=32,
        encoder_hid_dim_type="text_proj",
        cross_attention_dim=32,
        attention_head_dim=8,
    )
    pipe = diffusers.IFPipeline(
        tokenizer=parts.tokenizer_3,
        text_encoder=parts.text_encoder_3,
        unet=unet,
        scheduler=diffusers.DDPMScheduler(variance_type="learned_range", thresholding=True),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(tmp_path / "if")
    return engines.load(entry("if", call={"clean_caption": False}), EngineContext(folders=(tmp_path,)))


def test_steps_are_told_and_a_cancellation_stops_them(model, ask):
    """At the step at which it comes."""
    told = []
    draw_one(model, ask(num_inference_steps=3), lambda done, total, _preview: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def cancel(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        draw_one(model, ask(), cancel)


def test_its_time_limit_stops_it(model, ask):
    """At the first step after it; the scheduler is its own again, and the next render goes through."""
    told = []

    def limited(done, *_):
        told.append(done)
        if done == 2:
            raise TimedOut

    with pytest.raises(TimedOut):
        draw_one(model, ask(num_inference_steps=4), limited)
    assert told == [1, 2]
    assert "step" not in vars(model._pipe.scheduler)
    draw_one(model, ask())


def test_levels_are_those_that_the_model_drew(model, ask):
    """Its values from -1 to 1 are levels from black to white."""
    latents = []
    step = model._pipe.scheduler.step

    def seen(*args, **options):
        latents.append(step(*args, **options))
        return latents[-1]

    model._pipe.scheduler.step = seen
    drawn = draw_one(model, ask())
    wanted = ((latents[-1][0][0] / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    assert np.array_equal(drawn, wanted.numpy())


def test_its_safety_checker_looks(model, ask):
    """A flagged picture is no picture."""
    seen = []

    def check(image, *_):
        seen.append(image.shape)
        return image, [True], [False]

    model._pipe.run_safety_checker = check
    with pytest.raises(PictureFlagged):
        draw_one(model, ask())
    assert seen == [(1, 128, 64, 3)]
