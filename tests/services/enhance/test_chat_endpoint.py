"""Better prompts: the chat endpoint's client against a real server that may do anything."""

import json
import logging
import time

import pytest
from servers.chat import ADDED, FAULTS, HANGS, better
from services.enhance.prompts import ALLOWED_S, INSTRUCTIONS, KEY, PROMPT, TIMEOUT_S

from imgen.domain.errors import ConfigurationError, EnhancementFailed
from imgen.domain.prompt import Parsed
from imgen.services.enhance import open_enhancer
from imgen.settings.sections import Enhancer as EnhancerSettings


def test_the_endpoint_gets_instructions_and_the_positive_part_alone(chat, improved, catalog):
    """One request with model, key, the filled-in instructions and the terms; character and negatives stay at home."""
    improved()
    (asked,) = chat.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.authorization == f"Bearer {KEY}"
    assert asked.body["model"] == "wordsmith"
    assert asked.said("user") == "red coat, on a bench"
    model = catalog.models["eros"]
    style = model.styles["cinematic"]
    expected = INSTRUCTIONS.replace("{model_label}", model.label)
    expected = expected.replace("{style_label}", style.label).replace("{style_hints}", style.hints)
    assert asked.said("system") == expected
    assert style.hints in expected
    for kept_at_home in ("quillon", "zeppelin", "{model_label}"):
        assert kept_at_home not in json.dumps(asked.body)


def test_only_the_positive_part_changes(improved):
    """The answer's terms take the place of the positive ones; character and negatives come back as they were."""
    assert improved() == Parsed(character="quillon", positive=("red coat", "on a bench", ADDED), negative=("zeppelin",))


def test_a_prompt_that_cannot_be_improved_comes_back(chat, improved):
    """An endpoint that answers with the prompt it got changes nothing."""
    chat.will(always=better("red coat, on a bench"))
    assert improved() == PROMPT


def test_without_positive_terms_nobody_is_asked(chat, improved):
    """A character or negatives alone give an endpoint nothing to rewrite."""
    bare = Parsed(character="quillon", negative=("zeppelin",))
    assert improved(bare) == bare
    assert chat.asked == []


@pytest.mark.parametrize(
    ("said", "terms"),
    [
        ("red coat, @bella at the sea, -hat, - ugly hands, golden light", ("red coat", "at the sea", "golden light")),
        ("@bella, red coat", ("red coat",)),
        (" red   coat ,\n\n golden\tlight ,, ", ("red coat", "golden light")),
        ("red\u200b coat\x00, golden\x1b light", ("red coat", "golden light")),
        ("red coat, (golden light", ("red coat", "golden light")),
        ("(red coat:1.2), a sign that says 'open'", ("(red coat:1.2)", "a sign that says 'open'")),
        ("赤いコート、海辺", ("赤いコート", "海辺")),
        (f"red coat, {'very ' * 20}long", ("red coat", " ".join(["very"] * 11))),
    ],
    ids=[
        "names and negatives",
        "a name alone",
        "spaces",
        "control signs",
        "parentheses",
        "weights",
        "kana",
        "too long",
    ],
)
def test_answers_are_taken_for_plain_terms(chat, improved, said, terms):
    """No answer brings in a character, a negative, a control sign or more than the configured length."""
    chat.will(always=better(said))
    assert improved(max_chars=65).positive == terms


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_answer_fails(chat, improved, fault):
    """Whatever an endpoint does wrong is one error, within the time allowed, and its text tells nothing of it."""
    chat.will(always=FAULTS[fault])
    started = time.monotonic()
    with pytest.raises(EnhancementFailed) as failure:
        improved()
    assert str(failure.value) == "Enhancement failed"
    assert time.monotonic() - started < ALLOWED_S + 10
    assert chat.asked


@pytest.mark.parametrize("how", HANGS)
def test_a_hang_ends_in_time(chat, improved, how):
    """An endpoint that never ends its answer is given up when the time for both tries is over."""
    improved()  # the client is imported now
    chat.will(always=HANGS[how])
    started = time.monotonic()
    with pytest.raises(EnhancementFailed):
        improved()
    assert TIMEOUT_S <= time.monotonic() - started < ALLOWED_S + 10


@pytest.mark.parametrize("fault", ["429", "500", "reset"])
def test_a_passing_fault_is_tried_once_more(chat, improved, fault):
    """One failed try is made up for by the second; there is no third."""
    chat.will(FAULTS[fault])
    assert improved(timeout_s=5).positive[-1] == ADDED
    assert len(chat.asked) == 2
    chat.will(always=FAULTS[fault])
    with pytest.raises(EnhancementFailed):
        improved(timeout_s=5)
    assert len(chat.asked) == 2


def test_a_refused_key_is_not_tried_again(chat, improved):
    """401 is final: a wrong key does not become right."""
    chat.will(always=FAULTS["401"])
    with pytest.raises(EnhancementFailed):
        improved()
    assert len(chat.asked) == 1


def test_one_enhancer_outlives_failures(chat, improved):
    """The client that met a fault serves the next prompt."""
    chat.will(always=FAULTS["500"])
    with pytest.raises(EnhancementFailed):
        improved()
    chat.will()
    assert improved(PROMPT, PROMPT).positive[-1] == ADDED
    assert len(chat.asked) == 2


def test_nobody_listens(improved):
    """An address where nothing listens is the same failure."""
    with pytest.raises(EnhancementFailed):
        improved(base_url="http://127.0.0.1:1/v1")


@pytest.mark.parametrize("fault", ["none", "401", "500", "reset", "no JSON"])
def test_the_key_is_in_no_log(chat, improved, caplog, fault):
    """With all libraries at their most talkative the key is in no record and no error text, even if an endpoint repeats it."""
    chat.will(always=FAULTS.get(fault))
    with caplog.at_level(logging.DEBUG):
        try:
            improved()
        except EnhancementFailed as exc:
            assert KEY not in f"{exc!r} {exc}"
    assert "openai" in caplog.text  # the libraries did talk
    assert KEY not in caplog.text
    assert KEY not in repr(EnhancerSettings(api_key=KEY))


def test_a_half_configured_endpoint_is_told_at_the_start(words):
    """A base URL without a model is an error before anybody asks."""
    with pytest.raises(ConfigurationError, match="model"):
        open_enhancer(EnhancerSettings(base_url="http://127.0.0.1:1/v1"), words, INSTRUCTIONS)
