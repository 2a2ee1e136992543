"""Schedulers of models.toml: another class, other options, each compared with what the class takes."""

import numpy as np
import pytest
from drawing import draw_one

from imgen.domain.errors import ModelError
from workers import engines
from workers.engines import EngineContext

# numpy 2 warns at how diffusers' schedulers turn tensors into arrays; nothing we can call differently.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def load(models, entry):
    return lambda source, **more: engines.load(entry(source, **more), EngineContext(folders=(models,)))


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("sdxl", {"scheduler_options": {"use_karras_sigmas": True}}),
        ("sdxl", {"scheduler": "DPMSolverMultistepScheduler", "scheduler_options": {"solver_order": 1}}),
        ("sd3", {"scheduler_options": {"shift": 3}}),
    ],
)
def test_options_reach_the_scheduler_and_change_the_picture(family, options, load, ask):
    """They stand in its configuration, which every mode's scheduler is made of."""
    engine, plain = load(family, **options), load(family)
    scheduler = engine._pipe.scheduler
    for name, value in options["scheduler_options"].items():
        assert scheduler.config[name] == value
    assert type(scheduler).__name__ == options.get("scheduler", type(plain._pipe.scheduler).__name__)
    asked = ask(num_inference_steps=4)
    assert not np.array_equal(draw_one(engine, asked), draw_one(plain, asked))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"use_carras_sigmas": True},
            "EulerDiscreteScheduler takes no use_carras_sigmas; it takes .*use_karras_sigmas",
        ),
        ({"use_karras_sigmas": "yes"}, "use_karras_sigmas of EulerDiscreteScheduler is true or false, not 'yes'"),
        ({"beta_start": True}, "beta_start of EulerDiscreteScheduler is a number, not True"),
        ({"timestep_spacing": 3}, "timestep_spacing of EulerDiscreteScheduler is a text, not 3"),
    ],
)
def test_a_wrong_option_is_named(options, words, load):
    """With what the class takes."""
    with pytest.raises(ModelError, match=words):
        load("sdxl", scheduler_options=options)
