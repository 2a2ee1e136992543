"""The engine without a model keeps an engine's promises, and fails as it is told."""

import multiprocessing
import signal
import time

import msgspec
import numpy as np
import pytest
from drawing import draw_one

from imgen.domain.catalog import SIZES
from imgen.domain.errors import Cancelled, ModelError, Retryable
from imgen.provenance.fingerprint import fingerprint
from workers.engines import EngineContext, Shot, load


@pytest.fixture
def engine(entry):
    def make(**knobs):
        return load(entry("", backend="instant", call=knobs), EngineContext(folders=()))

    return make


def quietly(_done, _steps, _preview):
    pass


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_draws(engine, ask, width, height):
    """Every size comes out as asked for, with structure enough for a perceptual hash."""
    for seed in range(3):
        picture = draw_one(engine(), ask(width=width, height=height, seed=seed), quietly)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8
        assert fingerprint(picture).quality >= 50


def test_depends_on_all_it_is_asked(engine, ask):
    """The same question gives the same picture; seed, prompts, LoRA and its scale each give another."""
    changes = ({}, {"seed": 8}, {"positive": "x"}, {"negative": "x"}, {"lora": "a"}, {"lora_scale": 0.5})
    pictures = [draw_one(engine(), msgspec.structs.replace(ask(), **change), quietly).tobytes() for change in changes]
    assert len(set(pictures)) == len(changes)
    assert draw_one(engine(), ask(), quietly).tobytes() == pictures[0]


def test_steps(engine, ask):
    """Each step is told, takes the time it should, and may stop the job."""
    told = []

    def stop_at_three(done, steps, _preview):
        told.append((done, steps))
        if done == 3:
            raise Cancelled

    started = time.monotonic()
    with pytest.raises(Cancelled):
        draw_one(engine(step_s=0.02), ask(num_inference_steps=5), stop_at_three)
    assert told == [(1, 5), (2, 5), (3, 5)]
    assert time.monotonic() - started >= 0.06


def test_a_batch_costs_less_than_its_pictures_alone(engine, ask):
    """A step has a cost of the call and one of each picture, as that of a GPU has; each picture is as alone."""
    engine, asked = engine(step_s=0.02, shot_step_s=0.01), [ask(seed=seed, num_inference_steps=3) for seed in range(4)]
    started = time.monotonic()
    drawn = engine.render([Shot(diffusion=one) for one in asked], quietly)
    assert time.monotonic() - started >= 3 * (0.02 + 4 * 0.01)
    for picture, one in zip(drawn, asked, strict=True):
        assert np.array_equal(picture.pixels, draw_one(engine, one, quietly))


def test_fails_as_told(engine, ask):
    """The words that are to make it fail do, and others do not."""
    engine = engine(fail_on="broken", retry_on="flaky")
    with pytest.raises(ModelError):
        draw_one(engine, ask("a broken vase"), quietly)
    with pytest.raises(Retryable):
        draw_one(engine, ask("a flaky vase"), quietly)
    draw_one(engine, ask("a vase"), quietly)


def _crash(engine, asked, told):
    draw_one(engine, asked, lambda done, _steps, _preview: told.put(done))


def test_crashes_as_told(engine, ask):
    """The word that is to kill the process kills it, in the middle of the job."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    process = context.Process(target=_crash, args=(engine(crash_on="bomb", step_s=0.05), ask("a bomb"), told))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert told.get(timeout=5) == 1


@pytest.mark.parametrize("knobs", [{"step_s": "long"}, {"steps": 3}])
def test_wrong_knobs(engine, knobs):
    """A knob it does not have, or of another type, is refused when it is loaded."""
    with pytest.raises(ModelError, match="call"):
        engine(**knobs)


def test_unload(engine, ask):
    """Unloading one leaves another as it was."""
    kept, gone = engine(), engine()
    gone.unload()
    assert draw_one(kept, ask(), quietly).shape[2] == 3
