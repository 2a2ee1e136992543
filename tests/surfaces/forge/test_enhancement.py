"""Enhancement over Forge: what an enhancer adds, and that a request is carried out without one that fails; ignored negatives."""

import pytest
from servers.chat import ADDED, FAULTS, improve, start_chat
from servers.faulty_http import hang
from servers.local import prepare
from surfaces.forge.site import generate
from surfaces.site import run_on_site

SENT = "a red coat on the beach"
AS_SENT = f"{SENT}, clean lines"
IMPROVED = "The prompt was improved."
FAILED = "The prompt could not be improved; it is drawn as it was sent."
IGNORED = "The negative prompt is ignored: the model does not use it."


@pytest.fixture(scope="module")
def chat():
    """An endpoint that does as it is told."""
    with start_chat() as endpoint:
        yield endpoint


def answers_of(tmp_path, redis_url, settings, *bodies):
    """Answers to requests of one key."""
    loaded, answers = prepare(tmp_path / "var", redis_url, settings), []
    (tmp_path / "var" / "tiers.toml").write_text("[draft]\nnegative_prompt = false\n")

    async def steps(site):
        async with site.by_key(site.key()) as client:
            for body in bodies:
                made = await generate(client, **body)
                assert (await client.get(f"/v2/jobs/{made['job_id']}")).json() == made
                answers.append(made)

    run_on_site(loaded, steps)
    return [(one["original_prompt"], one["final_prompt"], one["enhancement_logic"]) for one in answers]


@pytest.mark.parametrize(
    ("behaviour", "final", "logic"),
    [
        (improve, f"{SENT}, {ADDED}, clean lines", IMPROVED),
        (FAULTS["500"], AS_SENT, FAILED),
        (FAULTS["prose"], AS_SENT, FAILED),
        (hang, AS_SENT, FAILED),
    ],
    ids=["answers", "fails", "says something else", "hangs"],
)
def test_a_prompt_is_improved_or_drawn_as_it_was_sent(tmp_path, clean_redis, chat, behaviour, final, logic):
    """202 all the same, and the answer says what was done; the prompt that was sent is kept."""
    chat.will(always=behaviour)
    limit_s = 1 if behaviour is hang else 20
    enhancer = f'[enhancer]\nbase_url = "{chat.base_url}"\nmodel = "wordsmith"\ntimeout_s = {limit_s}\n'
    negative = {"quality_tier": "draft", "negative_prompt": "a hat"}
    told, with_negative = answers_of(tmp_path, clean_redis, enhancer, {}, negative)
    assert told == (SENT, final, logic)
    assert with_negative == (SENT, final, f"{logic} {IGNORED}")
    assert chat.asked


def test_enhancement_may_be_switched_off(tmp_path, clean_redis, chat):
    """Then nobody is asked, and null says that nothing was done."""
    chat.will(always=improve)
    settings = f'[enhancer]\nbase_url = "{chat.base_url}"\nmodel = "wordsmith"\n[forge]\nenhance = false\n'
    assert answers_of(tmp_path, clean_redis, settings, {}) == [(SENT, AS_SENT, None)]
    assert chat.asked == []


def test_a_negative_prompt_without_use_is_told(tmp_path, clean_redis):
    """By the tier that is asked for; without an enhancer nothing else is said."""
    sent = {"negative_prompt": "a hat"}
    told = answers_of(tmp_path, clean_redis, "", sent, sent | {"quality_tier": "draft"}, {"quality_tier": "draft"})
    assert told == [(SENT, AS_SENT, None), (SENT, AS_SENT, IGNORED), (SENT, AS_SENT, None)]
