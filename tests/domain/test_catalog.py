"""The catalog: models out of the tables of models.toml, in which an engine's options stand beside the model's own keys."""

import re
from typing import get_args

import msgspec
import pytest

from imgen.domain.catalog import (
    DiffusersOptions,
    EngineOptions,
    InstantOptions,
    model_table,
    parse_catalog,
    parse_model,
)

ENGINES = [options.name for options in get_args(EngineOptions)]

TABLE = {
    "label": "Tiny",
    "source": "tiny",
    "steps": {"default": 2},
    "guidance": {"default": 3.0},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}


def test_an_engines_options_stand_beside_the_models_own_keys():
    """The table is flat; diffusers is the engine of a table that names none."""
    model = parse_model("tiny", TABLE | {"dtype": "float16", "leave_out": ["text_encoder_3"], "call": {"a": 1}})
    assert model.engine == DiffusersOptions(dtype="float16", leave_out=("text_encoder_3",), call={"a": 1})
    assert (model.key, model.engine.name) == ("tiny", "diffusers")


def test_a_model_may_change_its_engine_and_keep_the_options_of_the_other():
    """`instant` ignores the options of diffusers, but for `call`, which both have."""
    model = parse_model("tiny", TABLE | {"backend": "instant", "dtype": "float16", "call": {"step_s": 0.5}})
    assert model.engine == InstantOptions(call={"step_s": 0.5})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dtipe": "float16"}, "unknown field `dtipe`"),
        ({"engine": {}}, "unknown field `engine`"),
        ({"dtype": 16}, "Expected `str`, got `int`"),
        ({"steps": {"default": "many"}}, r"\$.steps.default"),
        ({"backend": "abacus"}, f"no backend 'abacus'; there are {re.escape(', '.join(ENGINES))}"),
    ],
)
def test_a_wrong_table_is_refused(change, told):
    """A misspelt key, a wrong type and an unknown engine are named."""
    with pytest.raises(msgspec.ValidationError, match=told):
        parse_catalog({"tiny": TABLE | change}, {})


@pytest.mark.parametrize("backend", ENGINES)
def test_a_table_written_again_is_the_same_model(backend):
    """`model_table` gives back what `parse_model` read."""
    model = parse_model("tiny", TABLE | {"backend": backend, "call": {"step_s": 0.5}})
    assert parse_model("tiny", model_table(model)) == model


@pytest.mark.parametrize(
    "sizes", [[], [[1000, 1001]], [[64, 64]], [[2048, 2048]], [[4096, 480]], [[1024]], [["a", "b"]], 5], ids=str
)
def test_sizes_that_no_picture_of_ours_can_have_are_refused(sizes):
    """Too small for the watermark, too large to be enlarged and verified, or no pair of multiples of 8."""
    with pytest.raises(msgspec.ValidationError):
        parse_model("tiny", TABLE | {"sizes": sizes})
