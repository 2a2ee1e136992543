"""The one model in memory: a model that cannot be loaded costs the one that works once at most."""

import pytest

from imgen.domain.catalog import Catalog, parse_model
from imgen.domain.errors import ModelNotLoaded
from workers.engines import EngineContext
from workers.model_slot import REMEMBERED_S, ModelSlot


def model(key, backend="instant", **table):
    shared = {"label": key, "source": "none", "steps": {"default": 4}, "guidance": {"default": 3.5}}
    return parse_model(
        key, shared | {"backend": backend, "default_style": "a", "styles": {"a": {"label": "A"}}} | table
    )


GOOD = model("good")
BROKEN = model("broken", call={"load_fails": True})


@pytest.fixture
def clock():
    """Hands of a clock."""
    return [0.0]


@pytest.fixture
def slot(clock):
    made = ModelSlot(EngineContext(), clock=lambda: clock[0])
    made.engine(GOOD)
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        model("wrong", call={"step_s": "long"}),
        model("wrong", "diffusers"),
        model("wrong", "diffusers", source="/no/such/file"),
    ],
)
def test_what_can_be_known_before_keeps_the_good_model(slot, wrong):
    """A wrong entry, a missing file: the other model is not unloaded for it, nor is the failure remembered."""
    good = slot.engine(GOOD)
    for _ in range(3):
        with pytest.raises(ModelNotLoaded):
            slot.engine(wrong)
        assert slot.key == "good"
    assert slot.engine(GOOD) is good


def test_a_load_that_failed_is_not_tried_again_for_a_while(slot, clock):
    """The first try costs the good model, for it needs the memory; those that follow cost nothing until the time is over."""
    with pytest.raises(ModelNotLoaded):
        slot.engine(BROKEN)
    assert slot.key == ""
    good = slot.engine(GOOD)
    for clock[0] in (0.0, REMEMBERED_S - 1):
        with pytest.raises(ModelNotLoaded, match="asked to fail"):
            slot.engine(BROKEN)
        assert slot.engine(GOOD) is good
    clock[0] = REMEMBERED_S
    with pytest.raises(ModelNotLoaded):
        slot.engine(BROKEN)
    assert slot.key == ""


def test_another_entry_or_a_reload_is_a_new_try(slot):
    """The operator has mended the entry, or the file and asked for a reload."""
    with pytest.raises(ModelNotLoaded):
        slot.engine(BROKEN)
    assert slot.engine(model("broken")).architecture == "instant"
    with pytest.raises(ModelNotLoaded):
        slot.engine(BROKEN)
    slot.engine(GOOD)
    slot.refresh(Catalog(models={"good": GOOD, "broken": BROKEN}, characters={}))
    assert slot.key == "good"
    with pytest.raises(ModelNotLoaded):
        slot.engine(BROKEN)
    assert slot.key == ""


def test_a_changed_entry_unloads_its_model(slot):
    """So that the next job of the model loads it anew."""
    slot.refresh(Catalog(models={"good": model("good", call={"step_s": 0.1})}, characters={}))
    assert slot.key == ""
