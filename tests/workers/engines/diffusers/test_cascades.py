"""Cascades, whose prior has a loop of its own: its steps are told, stopped and limited like those that draw the picture."""

import diffusers
import pytest
import tiny_cascades
import torch
from drawing import draw_one

from imgen.domain.errors import Cancelled, ModelError, TimedOut
from workers import engines
from workers.engines import EngineContext, Shot
from workers.engines.diffusers.adapters import Adapters
from workers.engines.diffusers.engine import DiffusersEngine
from workers.engines.diffusers.pipelines import settle
from workers.engines.diffusers.placement import Placement

pytestmark = pytest.mark.filterwarnings("ignore:`callback_steps` is deprecated:FutureWarning")  # Kandinsky's own

PRIOR = 3
STEPS = 2
BUILD = {
    "kandinsky": lambda _models: tiny_cascades.kandinsky_22(),
    "kandinsky 2.1": lambda _models: tiny_cascades.kandinsky_21(),
    "stable cascade": lambda _models: tiny_cascades.stable_cascade(),
    "unclip": lambda models: tiny_cascades.stable_unclip(
        diffusers.StableDiffusionPipeline.from_pretrained(models / "sd15")
    ),
}
IN_MEMORY = {"stable cascade"}
"""Those that diffusers saves, but does not load again."""


@pytest.fixture(scope="module", params=sorted(BUILD))
def model(request, models, entry, tmp_path_factory):
    """Tiny cascade whose prior takes three steps, loaded once: a render that was stopped leaves it as it was."""
    folder = tmp_path_factory.mktemp("cascades")
    torch.manual_seed(0)
    pipe, call = BUILD[request.param](models), {"prior_num_inference_steps": PRIOR}
    if request.param in IN_MEMORY:
        settle(pipe, Placement(torch.device("cpu"), torch.float32))
        return DiffusersEngine(pipe, Adapters(pipe, lambda _name: (), limit_bytes=0), call)
    pipe.save_pretrained(folder / "cascade")
    made = entry("cascade", call=call)
    return engines.load(made, EngineContext(folders=(folder,)))


@pytest.fixture
def shot(ask):
    """A picture of a size that each of them draws."""
    return lambda **more: ask(width=128, num_inference_steps=STEPS, **more)


def test_the_steps_of_both_loops_are_one_progress(model, shot):
    """It never falls and ends at the end, also where the shots of a render share no call."""
    told = []

    def listen(done, total, _preview):
        told.append((done, total))

    draw_one(model, shot(), listen)
    assert told == [(done, PRIOR + STEPS) for done in range(1, PRIOR + STEPS + 1)]
    told.clear()
    model.render([Shot(diffusion=shot(seed=seed)) for seed in (1, 2)], listen)
    assert told == [(done, 2 * (PRIOR + STEPS)) for done in range(1, 2 * (PRIOR + STEPS) + 1)]


@pytest.mark.parametrize("error", [Cancelled, TimedOut])
@pytest.mark.parametrize("step", [2, PRIOR + 1])
def test_either_loop_is_stopped_at_its_step(model, shot, error, step):
    """By a cancellation as by the time limit; the next render goes through."""
    told = []

    def stop(done, *_):
        told.append(done)
        if done == step:
            raise error

    with pytest.raises(error):
        draw_one(model, shot(), stop)
    assert told == list(range(1, step + 1))
    draw_one(model, shot())


def test_half_a_cascade_is_refused(entry, tmp_path):
    """Before its weights are loaded: no request has what its call needs."""
    tiny_cascades.kandinsky_22_decoder().save_pretrained(tmp_path / "decoder")
    context = EngineContext(folders=(tmp_path,))
    words = r"decoder does not draw from words: the call of KandinskyV22Pipeline needs image_embeds and negative_image_"
    for attempt in (engines.check, engines.load):
        with pytest.raises(ModelError, match=words):
            attempt(entry("decoder"), context)
