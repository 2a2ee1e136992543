"""Requests for several pictures of which some are missing: the others come, and the answer names what does not."""

import time

from msgspec import structs
from servers.local import run_with_core
from surfaces.openai.answered import failure
from surfaces.openai.conftest import PROMPT
from surfaces.openai.test_streams import events

from imgen.domain.job import State
from imgen.domain.outcome import Blocked, Outcome
from imgen.records import jobs
from imgen.services.awaited_answers import Abandonment
from imgen.surfaces.openai import results
from imgen.surfaces.openai.asked import GENERATIONS, Asked
from imgen.surfaces.openai.wire import OpenAIGenerate

WITHHELD = Outcome(blocked=Blocked(names=("Violence",), categories=("violence",)))


def cancel_last(openai, number=1):
    """Cancels the newest open jobs once three are there."""
    openai.until(lambda: len(openai.open_jobs()) == 3)
    for job_id in openai.open_jobs()[-number:]:
        assert openai.api.post({"action": "cancel", "id": job_id}).json() == {"status": "CANCELLED"}


def test_the_others_come(openai):
    """`failed` names the cancelled picture by its place, the head says it too, and two are counted."""
    sent = openai.generate(n=3, size="1024x1024")
    cancel_last(openai)
    answer = openai.drawn(sent)
    told = answer.json()
    assert len(told["data"]) == 2
    assert [(one["index"], one["code"]) for one in told["failed"]] == [(2, "cancelled")]
    assert told["usage"]["output_tokens"] == 2048
    assert "picture 2 is missing: cancelled" in answer.headers["x-imgen-warnings"]


def test_a_stream_names_them_at_its_end(openai):
    """After the finished pictures, as an event of its own."""
    sent = openai.generate(n=3, stream=True)
    cancel_last(openai)
    got = events(openai.drawn(sent).text)
    assert [name for name, _ in got] == ["image_generation.completed"] * 2 + ["image_generation.missing"]
    assert (got[-1][1]["index"], got[-1][1]["code"]) == (2, "cancelled")


def test_a_request_without_any_picture_is_an_error(openai):
    """400 with the reason: cancelled, or withheld by the review, with the names of the rules."""
    sent = openai.generate(n=3)
    cancel_last(openai, 3)
    assert failure(sent.result()) == (400, "cancelled", None)
    answer = openai.drawn(openai.generate(prompt="nude child", n=2))
    assert failure(answer) == (400, "moderation_blocked", None)
    assert answer.json()["error"]["type"] == "image_generation_user_error"
    assert "minors" in answer.json()["error"]["message"]


def test_a_withheld_picture_among_others_is_named(openai):
    """`blocked` has it, with the names of the rules."""
    job_id = openai.abandon(user="withheld")
    openai.work(job_id)
    asked = Asked(route=GENERATIONS, sent=OpenAIGenerate(prompt=PROMPT), prompt=PROMPT, body_digest="")

    async def look(core):
        drawn = await core.database.reading(jobs.find, job_id)
        withheld = structs.replace(drawn, state=State.BLOCKED, outcome=WITHHELD)
        return (await results.result(core, asked, [withheld, drawn])).answer

    answer = run_with_core(openai.api.settings, look)
    assert len(answer.data) == 1
    (blocked,) = answer.blocked
    assert (blocked.index, blocked.code) == (0, "moderation_blocked")
    assert "Violence" in blocked.message


def test_nothing_is_cancelled_right_after_the_database_was_away(openai):
    """Other processes could not renew what they wait for, and get the time to do it."""
    job_id = openai.abandon(user="away")

    async def look(core):
        task = Abandonment(core)
        task._database_away_at = time.monotonic()
        return await task.round(now=time.time() + 3600)

    assert run_with_core(openai.api.settings, look) == 0
    openai.work(job_id)
    assert {row.state for row in openai.rows() if row.id == job_id} == {"completed"}
