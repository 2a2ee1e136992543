"""One engine for four architectures: pictures, seeds, prompts, schedulers, stopping and staying offline."""

import itertools
import weakref

import msgspec
import numpy as np
import pytest
from drawing import draw_one

from imgen.domain.errors import Cancelled, ModelError
from workers.engines import EngineContext, load

# numpy 2 warns at how diffusers' schedulers turn tensors into arrays; nothing we can call differently.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

FAMILIES = ("sd15", "sdxl", "sd3", "flux", "starter")
LONG = ", ".join(f"a {colour} {thing} in the {place}" for colour, thing, place in itertools.product(
    ("red", "green", "blue"), ("coat", "hat"), ("park", "forest", "street")
))  # fmt: skip


@pytest.fixture(params=FAMILIES, scope="module")
def family(request):
    return request.param


@pytest.fixture(scope="module")
def engine(family, entry, models):
    """One for all tests: no render leaves a trace, as some of them show."""
    return load(entry(family), EngineContext(folders=(models,)))


def quietly(_done, _steps, _preview):
    pass


def test_draws(engine, ask):
    """Every architecture draws through the same call: right size, right type, no flat picture."""
    asked = ask()
    picture = draw_one(engine, asked, quietly)
    assert picture.shape == (asked.height, asked.width, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert picture.std() > 1


def test_same_seed_same_picture(engine, ask):
    """A seed gives its picture again bit for bit, after other pictures, and another seed gives another."""
    first = draw_one(engine, ask(seed=1), quietly)
    other = draw_one(engine, ask("a cat", seed=2), quietly)
    assert np.array_equal(first, draw_one(engine, ask(seed=1), quietly))
    assert not np.array_equal(first, other)


def test_progress(engine, ask):
    """Each step is told once, in order, and the last one equals the total."""
    told = []
    draw_one(engine, ask(num_inference_steps=3), lambda done, steps, _preview: told.append((done, steps)))
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert {steps for _, steps in told} == {len(told)}
    assert len(told) in (3, 4)  # the PNDM scheduler takes one step more than it is asked for


def test_previews_show_the_picture_so_far(engine, ask):
    """After each step a small picture of the same proportions can be had; asking changes nothing."""
    asked, previews = ask(width=256, height=512, num_inference_steps=3), []
    picture = draw_one(engine, asked, lambda _done, _steps, preview: previews.append(preview()))
    assert np.array_equal(picture, draw_one(engine, asked, quietly))
    for one in previews:
        height, width, _ = one.shape
        assert one.dtype == np.uint8
        assert height == 2 * width
        assert 16 <= height <= 128
    assert len({one.tobytes() for one in previews}) == len(previews)


def test_stops_at_any_step(engine, ask):
    """An error raised at a step comes out as the same object, whatever its type, and leaves no trace in the next picture."""
    before = draw_one(engine, ask(), quietly)
    for stop_at, error in ((1, Cancelled()), (2, ValueError("the job's own")), (1, MemoryError("the job's own"))):

        def stop(done, _steps, _preview, at=stop_at, error=error):
            if done == at:
                raise error

        with pytest.raises(type(error)) as caught:
            draw_one(engine, ask(), stop)
        assert caught.value is error
    assert np.array_equal(before, draw_one(engine, ask(), quietly))


def test_negative_prompt(engine, family, ask):
    """A negative prompt changes the picture where the model is guided; FLUX has no use for it as it is configured here."""
    without, with_it = (draw_one(engine, ask(negative=negative), quietly) for negative in ("", "blurry hat"))
    assert np.array_equal(without, with_it) == (family == "flux")


def test_long_prompts_count_to_the_end(engine, family, ask):
    """Words beyond CLIP's 77 tokens change the picture, in the positive prompt and in the negative one."""
    plain, longer = (draw_one(engine, ask(LONG + end), quietly) for end in ("", ", at night"))
    assert not np.array_equal(plain, longer)
    if family != "flux":
        one, other = (draw_one(engine, ask(negative=LONG + end), quietly) for end in ("", ", at night"))
        assert not np.array_equal(one, other)


def test_weights_count(engine, ask):
    """`(term:1.2)` changes the picture, `(term:1)` is the same as the term alone, and 1.2 and 0.5 differ."""
    plain, one, more, less = (
        draw_one(engine, ask(f"a {coat} on a beach"), quietly)
        for coat in ("red coat", "(red coat:1)", "(red coat:1.2)", "(red coat:0.5)")
    )
    assert np.array_equal(plain, one)
    assert not np.array_equal(plain, more)
    assert not np.array_equal(more, less)
    assert not np.array_equal(plain, less)


def test_negative_longer_than_the_positive(engine, ask):
    """A short positive prompt beside a long negative one still gives a picture of the size asked for."""
    short, long = (draw_one(engine, ask("a cat", negative=negative), quietly) for negative in ("hat", f"({LONG}:1.1)"))
    assert short.shape == long.shape


def test_no_request_leaves(family, entry, models, ask, no_network):
    """Loading and drawing asks no other machine for anything."""
    engine = load(entry(family), EngineContext(folders=(models,)))
    draw_one(engine, ask(f"({LONG}:1.1)", negative="ugly"), quietly)
    assert no_network == []


def test_hub_ids_are_not_asked_for(entry, models, no_network):
    """A hub id that is not in the cache is refused without a request while downloads are off."""
    with pytest.raises(ModelError, match="downloads are off"):
        load(entry("someone/some-model"), EngineContext(folders=(models,)))
    assert no_network == []


def test_hub_ids_are_asked_for_where_allowed(entry, models, no_network):
    """With downloads on the hub is asked, and its silence is a ModelError."""
    with pytest.raises(ModelError, match="hub did not give it"):
        load(entry("someone/some-model"), EngineContext(folders=(models,), allow_downloads=True))
    assert no_network


@pytest.mark.parametrize(
    ("source", "scheduler"),
    [
        ("sd15", "EulerAncestralDiscreteScheduler"),
        ("sdxl", "DPMSolverMultistepScheduler"),
        ("sd3", "FlowMatchHeunDiscreteScheduler"),
    ],
)
def test_scheduler_by_name(source, scheduler, entry, models, ask):
    """A scheduler named in models.toml takes the place of the model's own, and its pictures differ."""
    own = load(entry(source), EngineContext(folders=(models,)))
    named = load(entry(source, scheduler=scheduler), EngineContext(folders=(models,)))
    asked = ask(num_inference_steps=4)
    assert not np.array_equal(draw_one(own, asked, quietly), draw_one(named, asked, quietly))


@pytest.mark.parametrize(
    "scheduler", ["FlowMatchEulerDiscreteScheduler", "AutoencoderKL", "os", "__class__", "Nonsense"]
)
def test_unfit_scheduler(scheduler, entry, models):
    """A scheduler of another kind, or no scheduler at all, is refused with the names that would do."""
    with pytest.raises(ModelError, match="EulerDiscreteScheduler"):
        load(entry("sd15", scheduler=scheduler), EngineContext(folders=(models,)))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"device": "xpu"}, "not on this machine"),
        ({"dtype": "int8"}, "no dtype 'int8'"),
        ({"leave_out": ("text_encoder_9",)}, "no text_encoder_9"),
        ({"call": {"true_cfg_scale": 4.0}}, "takes no true_cfg_scale"),
        ({"call": {"generator": 1}}, "takes no generator"),
        ({"source": "nowhere"}, "no model 'nowhere'"),
    ],
)
def test_wrong_entries(overrides, told, entry, models):
    """An entry that asks for what is not there is refused when the model is loaded, naming what is wrong."""
    with pytest.raises(ModelError, match=told):
        load(
            entry("sd15", **overrides) if "source" not in overrides else entry(**overrides),
            EngineContext(folders=(models,)),
        )


def test_call_arguments_reach_the_pipeline(entry, models, ask):
    """Arguments from models.toml act: FLUX with true_cfg_scale heeds negative prompts."""
    engine = load(entry("flux", call={"true_cfg_scale": 4.0}), EngineContext(folders=(models,)))
    without, with_it, weighed = (
        draw_one(engine, ask(negative=negative), quietly) for negative in ("", "blurry hat", "blurry (hat:1.3)")
    )
    assert not np.array_equal(without, with_it)
    assert not np.array_equal(with_it, weighed)


def test_explicit_dtype(entry, models, ask):
    """A dtype named in models.toml is the dtype of the weights, and pictures come out of it."""
    engine = load(entry("starter", dtype="bfloat16"), EngineContext(folders=(models,)))
    assert str(engine._pipe.dtype) == "torch.bfloat16"
    assert draw_one(engine, ask(), quietly).std() > 1


def test_impossible_size(entry, models, ask):
    """A size that the model cannot draw is a ModelError, not another size."""
    engine = load(entry("starter"), EngineContext(folders=(models,)))
    with pytest.raises(ModelError):
        draw_one(engine, ask(width=72), quietly)


def test_no_colours(entry, models, ask):
    """Weights that overflow give an error, never a black picture."""
    engine = load(entry("sd15"), EngineContext(folders=(models,)))
    engine._pipe.vae.decoder.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="no colours"):
        draw_one(engine, ask(), quietly)


def test_prompts_stay_out_of_logs(engine, ask, caplog, capfd):
    """No prompt, however long, is written anywhere by the libraries underneath."""
    caplog.set_level("DEBUG")
    draw_one(engine, ask(f"{LONG}, CanaryWord " * 8, negative=f"{LONG} CanaryWord"), quietly)
    assert "canary" not in (caplog.text + "".join(capfd.readouterr())).lower()


def test_leaves_out_what_the_entry_says(entry, models, ask):
    """SD3 without T5 loads from a folder that has it, draws, and differs from the whole model."""
    whole = load(entry("sd3"), EngineContext(folders=(models,)))
    part = load(entry("sd3", leave_out=("text_encoder_3", "tokenizer_3")), EngineContext(folders=(models,)))
    assert part._pipe.text_encoder_3 is None
    assert not np.array_equal(draw_one(whole, ask(), quietly), draw_one(part, ask(), quietly))


def test_unload(family, entry, models, ask):
    """An unloaded model's weights are gone from memory."""
    engine = load(entry(family), EngineContext(folders=(models,)))
    draw_one(engine, ask(), quietly)
    weights = [weakref.ref(weight) for weight in engine._pipe.vae.parameters()]
    engine.unload()
    assert [reference() for reference in weights] == [None] * len(weights)


def test_guidance_and_steps_reach_the_pipeline(engine, ask):
    """Guidance scale and number of steps are those of the recipe."""
    base = ask(num_inference_steps=2, guidance_scale=3.0)
    pictures = [
        draw_one(engine, msgspec.structs.replace(base, **change), quietly)
        for change in ({}, {"num_inference_steps": 3}, {"guidance_scale": 6.0})
    ]
    if engine._pipe.__class__.__name__ == "FluxPipeline":  # this one is not distilled: it has no guidance input
        pictures.pop()
    assert all(not np.array_equal(pictures[0], other) for other in pictures[1:])
