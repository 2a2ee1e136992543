"""Table of the actions: each row is whole, without a server."""

import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from msgspec import structs

from imgen import configuration, settings
from imgen.surfaces.action import wire
from imgen.surfaces.action.actions import ACTIONS
from imgen.surfaces.action.decoding import action_of, decode
from imgen.surfaces.action.description import describe
from imgen.surfaces.action.fields import REQUIRED, fields

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """The parts of a Core that the description needs."""
    loaded = settings.load(tmp_path_factory.mktemp("data"))
    read = configuration.load(loaded)
    return SimpleNamespace(settings=loaded, catalog=read.catalog, rulesets=read.rulesets)


def test_a_key_is_the_tag_of_its_struct():
    """The decoder finds the Struct by the tag, and the dispatch the row by the same word."""
    assert {name: action.request.__struct_config__.tag for name, action in ACTIONS.items()} == {
        name: name for name in ACTIONS
    }
    for action in ACTIONS.values():
        assert decode(json.dumps({"action": action.request.__struct_config__.tag}).encode()) == action.request()


def test_every_request_has_a_row():
    """No Struct of wire.py is left out of the table."""
    tagged = {kind for kind in vars(wire).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)}
    tagged = {kind for kind in tagged if kind.__module__ == wire.__name__ and not kind.__name__.startswith("_")}
    assert {action.request for action in ACTIONS.values()} == tagged


def test_every_field_of_every_request_is_described(core):
    """fields.py has the requests of the table, and the fields of each."""
    described = {request: set(about) for request, about in fields(core).items()}
    requests = [action.request for action in ACTIONS.values()]
    assert described == {request: {field.name for field in structs.fields(request)} for request in requests}
    assert all(set(names) <= described[request] for request, names in REQUIRED.items())


@pytest.mark.parametrize("name", ACTIONS)
def test_examples_fit_their_structs(core, name):
    """The decoder takes the request, with fields that it knows; each answer is one of its kind, with no other field."""
    action = ACTIONS[name]
    examples = action.examples(core)
    for request in (examples.request, *(one.request for one in examples.variants)):
        assert set(request) <= set(action.request.__struct_fields__)
        assert action_of(decode(json.dumps({"action": name, **request}).encode())) is action
    pairs = [*zip(action.answers, examples.answers, strict=True)]
    for kind, answer in [*pairs, *((action.answers[0], one.answer) for one in examples.variants)]:
        assert json.loads(msgspec.json.encode(msgspec.convert(answer, kind))) == answer


def test_the_description_has_every_action(core):
    """In the order of the table."""
    assert [operation.name for operation in describe(core).operations] == list(ACTIONS)


def test_the_manual_has_every_action():
    """docs/reference/action.md has a section for each."""
    text = (ROOT / "docs" / "reference" / "action.md").read_text()
    assert [name for name in ACTIONS if f"\n## `{name}`\n" not in text] == []
