"""Better prompts: the chat endpoint's client against a real server that may do anything, the embedded one, and both over HTTP."""

import asyncio
import json
import logging
import threading
import time
import tomllib
from pathlib import Path

import httpx2
import pytest
from servers.chat import ADDED, FAULTS, HANGS, better, start_chat
from servers.local import start_local_api
from servers.redis_server import start_redis
from structlog.testing import capture_logs

from imgen.domain.catalog import Catalog, parse_catalog
from imgen.domain.errors import ConfigurationError, EnhancementFailed
from imgen.domain.prompt import Parsed
from imgen.domain.wordlists import Wordlists, parse_wordlists
from imgen.services.enhance import enhance, open_enhancer
from imgen.settings.sections import Enhancer as EnhancerSettings

CONFIG = Path(__file__).parents[2] / "config"
INSTRUCTIONS = CONFIG / "prompts" / "enhance.md"
KEY = "sk-0123456789abcdefCANARY"
TIMEOUT_S = 0.5
ALLOWED_S = 1.5 * TIMEOUT_S
"""Both tries together."""
PROMPT = Parsed(character="quillon", positive=("red coat", "on a bench"), negative=("zeppelin",))


@pytest.fixture(scope="module")
def words() -> Wordlists:
    return parse_wordlists(tomllib.loads((CONFIG / "prompts" / "words.toml").read_text("utf-8")))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return parse_catalog(tomllib.loads((CONFIG / "models.toml").read_text("utf-8")), {})


@pytest.fixture(scope="module")
def running_chat():
    with start_chat() as started:
        yield started


@pytest.fixture
def chat(running_chat):
    """The endpoint, in order and with nothing asked of it yet."""
    running_chat.will()
    return running_chat


@pytest.fixture
def improved(chat, words, catalog):
    """Enhances prompts with one enhancer, opened over the endpoint; returns the last result."""

    def run(*prompts: Parsed, **changes) -> Parsed:
        given = {"base_url": chat.base_url, "api_key": KEY, "model": "wordsmith", "timeout_s": TIMEOUT_S} | changes
        model = catalog.models["eros"]

        async def main():
            enhancer = open_enhancer(EnhancerSettings(**given), words, INSTRUCTIONS)
            try:
                for prompt in prompts or (PROMPT,):
                    result = await enhance(enhancer, prompt, model, model.styles["cinematic"])
            finally:
                await enhancer.close()
            return result

        return asyncio.run(main())

    return run


# ------------------------------------------------------------------ the chat endpoint's client


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
    expected = INSTRUCTIONS.read_text("utf-8").replace("{model_label}", model.label)
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
    assert time.monotonic() - started < ALLOWED_S + 1
    assert chat.asked


@pytest.mark.parametrize("how", HANGS)
def test_a_hang_ends_in_time(chat, improved, how):
    """An endpoint that never ends its answer is given up when the time for both tries is over."""
    improved()  # the client is imported now
    chat.will(always=HANGS[how])
    started = time.monotonic()
    with pytest.raises(EnhancementFailed):
        improved()
    assert TIMEOUT_S <= time.monotonic() - started < ALLOWED_S + 0.5


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


@pytest.mark.parametrize("missing", ["model", "instructions"])
def test_a_half_configured_endpoint_is_told_at_the_start(words, missing, tmp_path):
    """A base URL without a model, or no file of instructions, is an error before anybody asks."""
    settings = EnhancerSettings(base_url="http://127.0.0.1:1/v1", model="" if missing == "model" else "wordsmith")
    with pytest.raises(ConfigurationError, match=missing):
        open_enhancer(settings, words, INSTRUCTIONS if missing == "model" else tmp_path / "instructions.md")


# ------------------------------------------------------------------ the embedded enhancer


def test_without_a_base_url_the_embedded_one_answers(improved, chat):
    """It asks nobody, keeps the caller's terms first, adds some, and says the same each time."""
    first = improved(base_url="")
    assert first.positive[:2] == PROMPT.positive
    assert len(first.positive) > 2
    assert (first.character, first.negative) == (PROMPT.character, PROMPT.negative)
    assert improved(base_url="") == first
    assert chat.asked == []


def test_the_embedded_one_leaves_alone_what_is_good(improved):
    """What it made, what is in another script and what has no terms comes back as it was."""
    made = improved(base_url="")
    for prompt in (made, Parsed(positive=("赤いコート",)), Parsed(character="quillon")):
        assert improved(prompt, base_url="") == prompt


def test_a_dead_endpoint_is_left_alone(chat, words, catalog):
    """After three failures in a row it is not asked at all; once the pause is over it is tried, and used if it answers."""
    given = {"base_url": chat.base_url, "model": "wordsmith", "timeout_s": TIMEOUT_S, "pause_s": 0.3}
    model = catalog.models["eros"]

    async def main():
        enhancer = open_enhancer(EnhancerSettings(**given), words, INSTRUCTIONS)
        style = model.styles["cinematic"]
        chat.will(always=FAULTS["503"])
        for _ in range(3):
            with pytest.raises(EnhancementFailed):
                await enhance(enhancer, PROMPT, model, style)
        asked = len(chat.asked)
        for _ in range(20):
            with pytest.raises(EnhancementFailed):
                await enhance(enhancer, PROMPT, model, style)
        assert len(chat.asked) == asked
        await asyncio.sleep(0.35)
        chat.will()
        better = await enhance(enhancer, PROMPT, model, style)
        await enhancer.close()
        return better

    assert asyncio.run(main()).positive != PROMPT.positive


# ------------------------------------------------------------------ over HTTP

HTTP_TIMEOUT_S = 1


@pytest.fixture(scope="module")
def running_api(tmp_path_factory, running_chat):
    """An API of this process whose enhancer is the endpoint."""
    folder = tmp_path_factory.mktemp("enhance")
    settings = f"""
[enhancer]
base_url = "{running_chat.base_url}"
api_key = "{KEY}"
model = "wordsmith"
timeout_s = {HTTP_TIMEOUT_S}
pause_s = 0
"""
    with start_redis(folder) as redis, start_local_api(folder / "var", redis.url, settings) as started:
        yield started


@pytest.fixture
def api(running_api, chat):
    """The API, its endpoint in order."""
    return running_api


def books(api) -> tuple[list, dict]:
    """The tenant's jobs, and its counts of pictures."""
    jobs = api.post({"action": "jobs", "limit": 100}).json()["jobs"]
    usage = api.post({"action": "usage"}).json()
    for period in usage["tenant"].values():
        period.pop("requests")
    return [job["id"] for job in jobs], usage["tenant"]


def told(response) -> tuple[int, dict]:
    return response.status_code, response.json()


def test_optimize_rewrites_the_positive_part(api, chat):
    """`optimize` answers the whole prompt, character first and negatives last, and sends the named style's hints."""
    body = {"action": "optimize", "prompt": "@aya red coat, on a bench, -hat", "model": "eros", "style": "cinematic"}
    assert told(api.post(body)) == (200, {"prompt": f"@aya red coat, on a bench, {ADDED}, -hat"})
    (asked,) = chat.asked
    assert asked.said("user") == "red coat, on a bench"
    assert "Style: Cinematic" in asked.said("system")


def test_optimize_of_a_good_prompt_changes_nothing(api, chat):
    """Nothing to improve: the same prompt."""
    chat.will(always=better("red coat, on a bench"))
    body = {"action": "optimize", "prompt": "@aya red coat, on a bench, -hat"}
    assert told(api.post(body)) == (200, {"prompt": "@aya red coat, on a bench, -hat"})


@pytest.mark.parametrize("fault", ["401", "500", "prose", "markdown", "an error with 200", "nested content"])
def test_a_failing_endpoint_is_a_502(api, chat, fault):
    """`optimize` says so, and tells neither the key nor what the endpoint said."""
    chat.will(always=FAULTS[fault])
    response = api.post({"action": "optimize", "prompt": "red coat"})
    assert told(response) == (502, {"error": "Enhancement failed"})


def test_generate_uses_the_better_prompt(api, chat):
    """`optimize: true` answers with the prompt that the picture is made from; without it nobody is asked."""
    job = api.post({"action": "generate", "prompt": "@aya red coat, -hat", "optimize": True})
    assert (job.status_code, job.json()["prompt"]) == (200, f"@aya red coat, {ADDED}, -hat")
    assert len(chat.asked) == 1
    plain = api.post({"action": "generate", "prompt": "@aya red coat, -hat"})
    assert plain.json()["prompt"] == "@aya red coat, -hat"
    assert len(chat.asked) == 1
    listed = {one["id"]: one["prompt"] for one in api.post({"action": "jobs"}).json()["jobs"]}
    assert listed[job.json()["id"]] == f"@aya red coat, {ADDED}, -hat"


@pytest.mark.parametrize("fault", ["401", "reset", "prose"])
def test_no_job_is_made_without_the_better_prompt(api, chat, fault):
    """`generate` with `optimize` is a 502 when the endpoint fails: no row, no hold, and the next one works."""
    before = books(api)
    chat.will(always=FAULTS[fault])
    refused = api.post({"action": "generate", "prompt": "red coat", "optimize": True})
    assert told(refused) == (502, {"error": "Enhancement failed"})
    assert books(api) == before
    chat.will()
    assert api.post({"action": "generate", "prompt": "red coat", "optimize": True}).status_code == 200
    assert len(books(api)[0]) == len(before[0]) + 1


@pytest.mark.parametrize("how", HANGS)
def test_others_are_served_while_an_endpoint_hangs(api, chat, how):
    """Twenty calls hang and end as 502 in time; who asks for something else meanwhile does not notice."""
    chat.will(always=HANGS[how])
    before, ended = books(api), []

    def ask(client):
        started = time.monotonic()
        body = {"action": "generate", "prompt": "red coat", "optimize": True}
        ended.append((told(client.post(f"{api.url}/api/v2", json=body)), time.monotonic() - started))

    slowest, served = 0.0, 0
    with httpx2.Client(headers={"Authorization": f"Bearer {api.key}"}, timeout=30) as client:
        hanging = [threading.Thread(target=ask, args=(client,)) for _ in range(20)]
        for thread in hanging:
            thread.start()
        while not ended:
            started = time.monotonic()
            assert client.post(f"{api.url}/api/v2", json={"action": "random"}).status_code == 200
            slowest, served = max(slowest, time.monotonic() - started), served + 1
        for thread in hanging:
            thread.join()
    print(f"{served} others served, the slowest in {slowest * 1000:.0f} ms; hung for {max(s for _, s in ended):.2f} s")
    assert {json.dumps(answer) for answer, _ in ended} == {json.dumps((502, {"error": "Enhancement failed"}))}
    assert max(seconds for _, seconds in ended) < HTTP_TIMEOUT_S * 1.5 + 4
    assert served > 20
    assert slowest < 0.5
    assert books(api) == before


def test_the_log_tells_of_failures_but_no_secret(api, chat, caplog):
    """A 502 leaves a line for the operator; the endpoint's key and the caller's words are not in it, nor a traceback."""
    with capture_logs() as events:
        for fault in ("401", "prose", "far too long", "null choices"):
            chat.will(always=FAULTS[fault])
            api.post({"action": "optimize", "prompt": "red coat, CANARYWORD"})
    assert not any(event.get("exc_info") for event in events)
    log = f"{events} {caplog.text}"
    assert "enhancement_failed" in log
    for hidden in (KEY, api.key, "CANARYWORD", ADDED, "Traceback"):
        assert hidden not in log
