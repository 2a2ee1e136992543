"""The catalog: models out of the tables of models.toml, in which an engine's options stand beside the model's own keys."""

import re
from typing import get_args

import msgspec
import pytest

from imgen.domain.catalog import MORE_SIZES, RATIOS, SIZES, model_table, parse_catalog, parse_model, size_of_ratio
from imgen.domain.engine_options import DiffusersOptions, EngineOptions, InstantOptions

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
        ({"backend": "remote", "engines": []}, "length >= 1"),
        ({"dtype": 16}, "Expected `str`, got `int`"),
        ({"steps": {"default": "many"}}, r"\$.steps.default"),
        ({"backend": "abacus"}, f"no backend 'abacus'; there are {re.escape(', '.join(ENGINES))}"),
    ],
)
def test_a_wrong_table_is_refused(change, told):
    """A misspelt key, a wrong type and an unknown engine are named."""
    with pytest.raises(msgspec.ValidationError, match=told):
        parse_catalog({"tiny": TABLE | change}, {})


@pytest.mark.parametrize("takes", [["lora"], []])
def test_a_remote_model_has_a_character_with_a_lora_only_if_an_engine_takes_one(takes):
    """One that is drawn by words alone it has in any case."""
    engines = [{"engine": "first"}, {"engine": "second", "takes": takes}]
    catalog = parse_catalog(
        {"far": TABLE | {"backend": "remote", "engines": engines}},
        {"zoe": {"trigger": "zoe", "loras": {"far": "zoe.safetensors"}}, "ann": {"positive": "adult woman"}},
    )
    assert catalog.characters_of(catalog.models["far"]) == (("zoe", "ann") if takes else ("ann",))


@pytest.mark.parametrize("backend", ENGINES)
def test_a_table_written_again_is_the_same_model(backend):
    """`model_table` gives back what `parse_model` read."""
    model = parse_model(
        "tiny", TABLE | {"backend": backend, "call": {"step_s": 0.5}, "engines": [{"engine": "elsewhere"}]}
    )
    assert parse_model("tiny", model_table(model)) == model


@pytest.mark.parametrize(
    "sizes", [[], [[1000, 1001]], [[64, 64]], [[2048, 2048]], [[4096, 480]], [[1024]], [["a", "b"]], 5], ids=str
)
def test_sizes_that_no_picture_of_ours_can_have_are_refused(sizes):
    """Too small for the watermark, too large to be enlarged and verified, or no pair of multiples of 8."""
    with pytest.raises(msgspec.ValidationError):
        parse_model("tiny", TABLE | {"sizes": sizes})


def test_a_model_that_lists_no_sizes_has_more_than_the_action_apis():
    """1024 × 768 is among them, for tiers and ratios; a list of its own is all that it has."""
    own = parse_model("tiny", TABLE | {"sizes": [[512, 768], [512, 512]]})
    bare = parse_model("tiny", TABLE)
    assert (bare.sizes, bare.all_sizes) == (SIZES, SIZES + MORE_SIZES)
    assert (1024, 768) in bare.all_sizes
    assert own.sizes == own.all_sizes == ((512, 768), (512, 512))


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("1:1", (1024, 1024)), ("16:9", (1344, 768)), ("9:16", (768, 1344)), ("4:3", (1024, 768)), ("3:4", (768, 1024)),
     ("3:2", (1216, 832)), ("2:3", (832, 1216))],
)  # fmt: skip
def test_each_ratio_has_a_size(ratio, size):
    """Of every model that lists none of its own."""
    assert size_of_ratio(ratio, parse_model("tiny", TABLE).all_sizes) == size


def test_a_ratio_that_no_size_is_near_to_has_none():
    """A square stands for no other ratio; of two sizes of a ratio the first counts."""
    assert {ratio: size_of_ratio(ratio, [(512, 512)]) for ratio in RATIOS} == {"1:1": (512, 512)} | dict.fromkeys(
        list(RATIOS)[1:]
    )
    assert size_of_ratio("3:2", [(768, 512), (1152, 768)]) == (768, 512)
