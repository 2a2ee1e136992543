"""Table of the engines: it and the union of their options name the same."""

import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

from imgen.domain.catalog import EngineOptions
from workers.engines import ENGINES, EngineModule

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


def test_an_engine_that_is_being_imported_has_the_least_batch(entry, monkeypatch):
    """As one that is not imported yet: a process tells what its models can do while another thread of it loads the first one."""
    for module in (None, ModuleType("half_imported")):
        if module is not None:
            monkeypatch.setitem(sys.modules, "half_imported", module)
        assert EngineModule("half_imported", "").default_batch(entry("starter")) == 1
