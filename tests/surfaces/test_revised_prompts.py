"""Prompts that an engine elsewhere drew in place of those that it was given, as each dialect tells them."""

import msgspec
import pytest
from factories import make_job, make_recipe
from msgspec import UNSET, structs

from imgen.domain.job import State, View
from imgen.domain.outcome import Meta, Outcome
from imgen.domain.recipe import PromptParts
from imgen.surfaces import tier_jobs
from imgen.surfaces.openai.results import revised_prompt
from imgen.surfaces.studio import job_answers

BLANKS = {str: "", int: 0, float | None: None, int | None: None, bool: False, tuple[str, ...]: (), dict[str, float]: {}}
META = Meta(**{field.name: BLANKS[field.type] for field in msgspec.structs.fields(Meta)})
OWN = "The engine drew a prompt of its own in its place."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, UNSET),
        ({"positive": "a coat, tags"}, UNSET),
        ({"positive": "a coat, tags", "optimized": True}, "a coat, tags"),
        ({"positive": "a coat, tags", "optimized": True, "revised_prompt": "a crimson coat"}, "a crimson coat"),
        ({"revised_prompt": "a crimson coat"}, "a crimson coat"),
    ],
)
def test_openais_dialect_tells_the_last_prompt(changes, told):
    """The engine's own before the improved one; none where the prompt was drawn as it was sent."""
    assert revised_prompt(structs.replace(META, **changes)) == told


@pytest.mark.parametrize(
    ("revised", "optimized", "logic"),
    [
        ("", False, None),
        ("a crimson coat", False, OWN),
        ("a crimson coat", True, f"The prompt was improved. {OWN}"),
    ],
)
def test_forge_and_mcp_tell_what_was_drawn_in_the_end(revised, optimized, logic):
    """As `final_prompt`, with the reason; the prompt that was sent stays beside it."""
    parts = PromptParts(prompt="red coat", original_prompt="red coat", positive="red coat", optimized=optimized)
    recipe = make_recipe(prompt_parts=parts)
    meta = structs.replace(META, revised_prompt=revised)
    told = tier_jobs.of_job(make_job(state=State.COMPLETED, recipe=recipe, outcome=Outcome(meta=meta)))
    assert told.final_prompt == (revised or recipe.diffusion.positive)
    assert (told.original_prompt, told.enhancement_logic) == ("red coat", logic)


@pytest.mark.parametrize("changes", [{}, {"engine": "cloud"}, {"engine": "cloud", "revised_prompt": "a crimson coat"}])
def test_studio_tells_the_engine_and_its_prompt(changes):
    """As the action's `meta` does; what is empty there is absent here."""
    view = View(
        tenant_id="ten_1", state=State.COMPLETED, model="m", outcome=Outcome(meta=structs.replace(META, **changes))
    )
    told = job_answers.of_view(None, make_job().id, view, request_id="")  # without files it needs no core
    assert (told.engine, told.revised_prompt) == (changes.get("engine", UNSET), changes.get("revised_prompt", UNSET))


def test_an_open_job_tells_the_prompt_that_goes_to_the_engine():
    """Nobody knows yet what becomes of it."""
    recipe = make_recipe()
    assert tier_jobs.of_job(make_job(recipe=recipe)).final_prompt == recipe.diffusion.positive
