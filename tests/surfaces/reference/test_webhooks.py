"""Webhooks in the OpenAPI document: the real data of each event is as its schema says."""

import json

import pytest
from factories import make_job
from jsonschema import Draft202012Validator
from msgspec import structs
from services.webhooks.calls import SETTINGS

from imgen.dispatcher import forms
from imgen.domain.failure import CODES
from imgen.domain.job import State
from imgen.domain.outcome import Blocked, Outcome
from imgen.domain.webhook import EVENT_OF, EVENTS
from imgen.services.webhooks.body import make_body

OUTCOMES = {
    State.BLOCKED: Outcome(blocked=Blocked(names=("Nudity",), categories=("nudity",), unsafe_key="withheld/x")),
    State.FAILED: Outcome(error="Generation failed"),
    State.TIMED_OUT: Outcome(error="Timed out"),
    State.CANCELLED: Outcome(error="Cancelled"),
}


def validator(document, schema):
    """A validator of one of the document's schemas."""
    return Draft202012Validator({**schema, "components": document["components"]})


@pytest.mark.parametrize("surface", ["action", "studio"])
@pytest.mark.parametrize("state", OUTCOMES)
def test_real_bodies_are_as_told(core, document, state, surface):
    """Each end without a picture, as the dispatcher sends it for a job of each surface with a form of its own."""
    job = structs.replace(make_job(), state=state, outcome=OUTCOMES[state], error_code=CODES.get(state, ""))

    async def main(core):
        return make_body(EVENT_OF[state], 0, forms()[surface](core, job))

    schema = document["webhooks"][EVENT_OF[state]]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(validator(document, schema).iter_errors(json.loads(core(main, SETTINGS)))) == []


def test_every_event_is_told_with_an_example(document):
    """The example is as the schema says."""
    assert set(document["webhooks"]) == set(EVENTS)
    for event, item in document["webhooks"].items():
        content = item["post"]["requestBody"]["content"]["application/json"]
        value = content["examples"][event]["value"]
        assert list(validator(document, content["schema"]).iter_errors(value)) == []
        assert value["type"] == event
