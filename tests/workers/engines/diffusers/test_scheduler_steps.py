"""Pipelines whose call takes no step callback: their steps are told, can be stopped and previewed like all others."""

import diffusers
import numpy as np
import pytest
import tiny_pixart
import torch
from drawing import draw_one

from imgen.domain.errors import Cancelled
from workers import engines
from workers.engines import EngineContext
from workers.engines.diffusers.latent_preview import latent_preview


@pytest.fixture
def pixart(models, entry, tmp_path):
    """Loads a tiny PixArt-Sigma, made of the tiny SD3's T5 and VAE."""
    parts = diffusers.StableDiffusion3Pipeline.from_pretrained(models / "sd3")
    tiny_pixart.pixart(parts).save_pretrained(tmp_path / "pixart")
    more = {"call": {"use_resolution_binning": False, "clean_caption": False}}
    return engines.load(entry("pixart", **more), EngineContext(folders=(tmp_path,)))


def test_every_step_is_told_with_its_preview(pixart, ask):
    """The picture is the same whoever listens, and the scheduler is its own again afterwards."""
    told = []

    def listen(done, total, preview):
        told.append((done, total, preview().shape))

    drawn = draw_one(pixart, ask(num_inference_steps=3), listen)
    assert told == [(done, 3, (32, 16, 3)) for done in (1, 2, 3)]
    assert "step" not in vars(pixart._pipe.scheduler)
    assert np.array_equal(draw_one(pixart, ask(num_inference_steps=3)), drawn)


def test_a_cancellation_stops_the_render(pixart, ask):
    """At the step at which it comes; the next render goes through."""
    told = []

    def cancel(done, *_):
        told.append(done)
        raise Cancelled

    with pytest.raises(Cancelled):
        draw_one(pixart, ask(num_inference_steps=3), cancel)
    assert told == [1]
    draw_one(pixart, ask())


def test_a_preview_that_is_no_colours_is_none(pixart):
    """Grey would look like a picture; so would anything made up for a pipeline without a VAE."""
    latents = torch.zeros(1, pixart._pipe.vae.config.latent_channels, 16, 16)
    assert latent_preview(pixart._pipe, latents, 128, 128) is not None
    assert latent_preview(pixart._pipe, latents * float("nan"), 128, 128) is None
    pixart._pipe.vae = None
    assert latent_preview(pixart._pipe, latents, 128, 128) is None
