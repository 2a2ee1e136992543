"""Retries over OpenAI's dialect: they go on with the wait of the request that they repeat, in whatever process."""

import base64
import time

from servers.local import run_with_core
from surfaces.openai.answered import failure
from surfaces.openai.test_edits import EDITS, png

from imgen import composition
from imgen.records import retention
from imgen.records.awaited_answers import LEFT_S
from imgen.records.tables.answers import awaited_answers
from imgen.services.awaited_answers import Abandonment

RETRY = {"x-stainless-retry-count": "1"}


def settle(openai, later_s):
    """Has another process cancel what nobody waits for, as if it were so many seconds later."""
    run_with_core(openai.api.settings, lambda core: Abandonment(core).round(now=time.time() + later_s))


def ids(openai):
    return {row.id for row in openai.rows()}


def test_a_retry_joins_in_another_process(openai):
    """It gets the picture of the first request's job; once that is delivered, a retry makes a job of its own."""
    with openai.another() as other:
        job_id = openai.abandon(seed=1, user="joined")
        before = ids(openai)
        answer = openai.drawn(other.generate(seed=1, user="joined", headers=RETRY))
        assert answer.status_code == 200, answer.text
        assert base64.b64decode(answer.json()["data"][0]["b64_json"])
        assert ids(openai) == before
        openai.until(lambda: job_id not in {row.id for row in openai.read(awaited_answers)})
        openai.drawn(other.generate(seed=1, user="joined", headers=RETRY))
    assert len(ids(openai) - before) == 1


def test_a_finished_answer_that_nobody_got_is_joined(openai):
    """The picture is drawn once, and comes at once."""
    job_id = openai.abandon(user="finished")
    openai.work(job_id)
    before = ids(openai)
    assert openai.generate(user="finished", headers=RETRY).result().status_code == 200
    assert ids(openai) == before


def test_a_job_that_was_deleted_is_made_anew(openai):
    """Its retry makes another one."""
    job_id = openai.abandon(user="deleted")
    openai.work(job_id)
    database = composition.open_database(openai.api.settings)
    try:
        database.attempt(retention.delete_jobs, [job_id])
    finally:
        database.close()
    before = ids(openai)
    assert openai.drawn(openai.generate(user="deleted", headers=RETRY)).status_code == 200
    assert len(ids(openai) - before) == 1


def test_first_requests_and_others_keys_join_nothing(openai):
    """Count 0 makes a job however equal the body, and so does the key of another tenant, or of the same one."""
    job_id = openai.abandon(user="alone")
    for key, headers in (
        ("", {"x-stainless-retry-count": "0"}),
        (openai.new_key("other"), RETRY),
        (openai.new_key("first"), RETRY),
    ):
        before = ids(openai)
        assert openai.drawn(openai.generate(key=key, user="alone", headers=headers)).status_code == 200
        assert len(ids(openai) - before) == 1
    assert job_id in ids(openai)


def test_two_equal_requests_have_two_pictures(openai):
    """Their retries join one job each, and make none."""
    made = {openai.abandon(user="twice"), openai.abandon(user="twice")}
    before = ids(openai)
    sent = [openai.generate(user="twice", headers=RETRY) for _ in made]
    answers = [openai.drawn(one).json()["data"][0]["b64_json"] for one in sent]
    assert ids(openai) == before
    assert len(set(answers)) == 2


def test_a_form_is_the_same_with_another_boundary(openai):
    """The retry of an edit that was not finished in time goes on with its job."""
    form = {"files": {"image": ("a.png", png())}, "data": {"prompt": "a red coat", "user": "form"}}
    with openai.another(wait_s=0.2) as hasty:
        before = ids(openai)
        late = hasty.post(EDITS, **form).result()
        assert failure(late) == (504, "timeout", None)
        assert late.headers["retry-after-ms"] == "1000"
        assert openai.drawn(openai.post(EDITS, headers=RETRY, **form)).status_code == 200
    assert len(ids(openai) - before) == 1


def test_jobs_of_a_client_that_is_gone_are_cancelled(openai):
    """Half a minute later, by any process; a retry then makes another one. They cost nothing."""
    job_id = openai.abandon(user="gone")
    settle(openai, LEFT_S + 1)
    assert {row.state for row in openai.rows() if row.id == job_id} == {"cancelled"}
    before = ids(openai)
    assert openai.drawn(openai.generate(user="gone", headers=RETRY)).status_code == 200
    assert len(ids(openai) - before) == 1


def test_an_idempotency_key_waits_for_the_same_jobs(openai):
    """Its repetition is answered with the same picture, and says so; another body under it is refused."""
    headers = {"Idempotency-Key": "once-and-for-all"}
    first = openai.generate(user="key", headers=headers)
    openai.until(openai.open_jobs)
    second = openai.generate(user="key", headers=headers)
    answers = [openai.drawn(one) for one in (first, second)]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert failure(openai.generate(user="another", headers=headers).result())[:2] == (422, "idempotency_key_reused")
