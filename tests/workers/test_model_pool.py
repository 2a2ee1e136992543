"""Models in memory: they stay while they fit, and a model that cannot be loaded costs none that it need not."""

import pytest

from imgen.domain.catalog import Catalog, parse_model
from imgen.domain.errors import ModelNotLoaded
from workers.engines import EngineContext, instant
from workers.failed_loads import REMEMBERED_S
from workers.memory_pool import MemoryPool
from workers.model_pool import ModelPool

MIB = 2**20


def model(key, backend="instant", **table):
    shared = {"label": key, "source": "none", "steps": {"default": 4}, "guidance": {"default": 3.5}}
    return parse_model(
        key, shared | {"backend": backend, "default_style": "a", "styles": {"a": {"label": "A"}}} | table
    )


GOOD = model("good", call={"memory_mib": 60})
OTHER = model("other", call={"memory_mib": 60})
BROKEN = model("broken", call={"load_fails": True, "memory_mib": 60})


@pytest.fixture
def clock():
    """Hands of a clock."""
    return [0.0]


@pytest.fixture
def loads(monkeypatch):
    """Keys of the models that the engine has loaded, in order."""
    keys = []
    load = instant.load

    def counted(model, options, context):
        keys.append(model.key)
        return load(model, options, context)

    monkeypatch.setattr(instant, "load", counted)
    return keys


@pytest.fixture
def make_pool(clock, loads):
    def make(budget_mib):
        return ModelPool(EngineContext(), MemoryPool(lambda _device: budget_mib * MIB), clock=lambda: clock[0])

    return make


@pytest.fixture
def pool(make_pool):
    """Pool with room for one model, which is loaded."""
    made = make_pool(100)
    made.engine(GOOD)
    return made


def test_two_models_that_fit_alternate_without_a_load(make_pool, loads):
    """Each is loaded once; the pool's sum is that of both."""
    pool = make_pool(120)
    engines = [pool.engine(asked) for asked in (GOOD, OTHER) * 5]
    assert loads == ["good", "other"]
    assert len({id(engine) for engine in engines}) == 2
    assert pool.memory.used_bytes() == 120 * MIB
    assert pool.keys == ("good", "other")


def test_a_budget_for_one_is_never_exceeded(make_pool, loads, monkeypatch):
    """Each change is a load, before which the other one is gone."""
    pool = make_pool(119)
    held = []
    load = instant.load
    monkeypatch.setattr(instant, "load", lambda *of: held.append(pool.memory.used_bytes()) or load(*of))
    for asked in (GOOD, OTHER) * 3:
        pool.engine(asked)
        assert pool.memory.used_bytes() == 60 * MIB
        assert pool.keys == (asked.key,)
    assert loads == ["good", "other"] * 3
    assert held == [0] * 6


@pytest.mark.parametrize(
    "wrong",
    [
        model("wrong", call={"step_s": "long"}),
        model("wrong", "diffusers"),
        model("wrong", "diffusers", source="/no/such/file"),
    ],
)
def test_a_fault_that_shows_before_the_load_keeps_the_good_model(pool, wrong):
    """A wrong entry, a missing file: no other model is unloaded for it, nor is the failure remembered."""
    good = pool.engine(GOOD)
    for _ in range(3):
        with pytest.raises(ModelNotLoaded):
            pool.engine(wrong)
        assert pool.keys == ("good",)
    assert pool.engine(GOOD) is good


def test_a_load_that_failed_is_not_tried_again(pool, clock, loads):
    """The first try costs the good model, for it needs the memory; those that follow cost nothing, however late they come."""
    with pytest.raises(ModelNotLoaded):
        pool.engine(BROKEN)
    assert pool.keys == ()
    good = pool.engine(GOOD)
    for clock[0] in (0.0, REMEMBERED_S, 100 * REMEMBERED_S):
        with pytest.raises(ModelNotLoaded, match="asked to fail"):
            pool.engine(BROKEN)
        assert pool.engine(GOOD) is good
    assert loads == ["good", "broken", "good"]


def test_a_load_that_fails_with_room_to_spare_costs_nobody(make_pool):
    """The broken model would have fitted beside the good one."""
    pool = make_pool(120)
    good = pool.engine(GOOD)
    with pytest.raises(ModelNotLoaded):
        pool.engine(BROKEN)
    assert pool.engine(GOOD) is good


def test_another_entry_or_a_reload_is_a_new_try(pool):
    """The operator has mended the entry, or the file and asked for a reload."""
    with pytest.raises(ModelNotLoaded):
        pool.engine(BROKEN)
    assert pool.engine(model("broken")).architecture == "instant"
    with pytest.raises(ModelNotLoaded):
        pool.engine(BROKEN)
    pool.engine(GOOD)
    pool.refresh(Catalog(models={"good": GOOD, "broken": BROKEN}, characters={}))
    assert pool.keys == ("good",)
    with pytest.raises(ModelNotLoaded):
        pool.engine(BROKEN)
    assert pool.keys == ()


def test_a_changed_entry_unloads_its_model_alone(make_pool, loads):
    """So that the next job of the model loads it anew; one that is gone is unloaded, too."""
    pool = make_pool(1000)
    for asked in (GOOD, OTHER, model("gone")):
        pool.engine(asked)
    changed = model("good", call={"step_s": 0.1})
    pool.refresh(Catalog(models={"good": changed, "other": OTHER}, characters={}))
    assert pool.keys == ("other",)
    assert pool.engine(changed) is pool.engine(changed)
    assert loads == ["good", "other", "gone", "good"]


def test_a_render_that_runs_out_of_memory_has_all_of_it_for_its_next_try(make_pool):
    """The other models are unloaded."""
    pool = make_pool(1000)
    pool.engine(GOOD)
    pool.engine(OTHER)
    pool.unload_others(OTHER)
    assert pool.keys == ("other",)


def test_models_are_loaded_ahead_and_a_broken_one_is_passed_over(make_pool, loads):
    """Neither is loaded again for the first job."""
    pool = make_pool(1000)
    for asked in (GOOD, BROKEN, OTHER):
        pool.preload(asked)
    pool.engine(GOOD)
    with pytest.raises(ModelNotLoaded):
        pool.engine(BROKEN)
    pool.engine(OTHER)
    assert loads == ["good", "broken", "other"]
