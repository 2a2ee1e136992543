"""The example prompt: one for all places, in words that the starter model knows."""

from pathlib import Path

import pytest

from imgen.cli.demo import PROMPT
from imgen.domain.example_prompt import NEGATIVE, POSITIVE, example_prompt
from imgen.domain.prompt import parse
from starter import wording

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/reference/action.md", "docs/clients/README.md"])
def test_the_first_example_of_every_page_is_the_same(page):
    """The example of README is the one that the demo draws and the reference explains."""
    text = (ROOT / page).read_text()
    assert example_prompt() == PROMPT
    assert PROMPT in text
    assert text.index(PROMPT) == min(text.index(word) for word in (PROMPT, "red coat"))


def test_the_starter_model_knows_every_term():
    """Each is in its vocabulary, so it was trained to draw it; the negative one is one that it can leave away."""
    place, time = POSITIVE.split(", ")[1:]
    dye, clothes = POSITIVE.split(", ")[0].split()
    assert dye in wording.DYES["red"]
    assert clothes in wording.CLOTHES["coat"]
    assert place in wording.PLACES["beach"]
    assert time in wording.TIMES["sunset"]
    assert NEGATIVE in wording.HATS


@pytest.mark.parametrize(
    ("characters", "name"), [(("aya", "bella"), "bella"), (("mia", "aya"), "mia"), ((), "")]
)  # fmt: skip
def test_it_takes_a_character_that_there_is(characters, name):
    """Another catalog has other names, or none."""
    parsed = parse(example_prompt(characters), characters)
    assert (parsed.character or "", ", ".join(parsed.positive), parsed.negative) == (name, POSITIVE, (NEGATIVE,))
