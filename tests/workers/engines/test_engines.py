"""Table of the engines: it and the union of their options name the same."""

from pathlib import Path
from typing import get_args

from imgen.domain.catalog import EngineOptions
from workers.engines import ENGINES

ROOT = Path(__file__).parents[3]


def test_every_engine_has_options_and_all_options_an_engine():
    """The name of an engine, the tag of its options and their `name` are one word."""
    options = {kind.__struct_config__.tag: kind.name for kind in get_args(EngineOptions)}
    assert options == {name: name for name in ENGINES}


def test_every_engine_is_named_in_models_toml():
    """The comment on `backend` names all of them."""
    text = (ROOT / "config" / "models.toml").read_text()
    comments = "".join(line for line in text.splitlines() if line.startswith("#"))
    assert [name for name in ENGINES if f'"{name}"' not in comments] == []
