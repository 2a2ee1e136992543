"""Outages and crashes in the life of a job: an outage waits and counts for nothing, a crash counts, and both are told."""

import threading
import time

import pytest
import structlog
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from sqlalchemy import create_engine, text

from imgen.domain.job import State
from imgen.domain.recipe import PromptParts
from imgen.records import job_transitions, jobs, ledger, reconcile
from workers import tasks
from workers.engines import instant

QUICK = "first_pause_s = 0.05\nlongest_pause_s = 0.1\n"
"""Settings of [jobs], which the fixture's own end with."""


def submit(resources, prompt="red coat", **recipe):
    made = make_recipe(prompt_parts=PromptParts(prompt=prompt, original_prompt=prompt, positive=prompt), **recipe)
    made = structs.replace(made, diffusion=structs.replace(made.diffusion, positive=prompt, width=256, height=256))
    job = make_job(recipe=made)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def work(resources, job, phase):
    """One attempt, once it is due."""
    time.sleep(max(0, read(resources, job).available_at - time.time()) + 0.005)  # the database keeps milliseconds
    tasks.run_phase(resources, phase, job.id)
    return read(resources, job)


def charges(resources, job):
    with resources.database.read() as connection:
        rows = connection.execute(ledger.ledger.select().where(ledger.ledger.c.job_id == job.id)).all()
    return sorted(row.kind for row in rows)


@pytest.fixture
def store(make_resources):
    """Resources, and functions that take the folder of their object store away and bring it back, as a mount."""
    resources = make_resources(QUICK)
    folder = resources.settings.data_dir / "objects"
    elsewhere = folder.with_name("unmounted")
    return resources, lambda: folder.rename(elsewhere), lambda: elsewhere.rename(folder)


def test_an_outage_costs_no_attempt_and_its_pauses_grow(make_resources):
    """More failures than there are attempts: the job waits, tells for what and since when, and is left alone until it is due."""
    resources = make_resources("first_pause_s = 0.1\nlongest_pause_s = 60\n")
    work(
        resources, submit(resources, "flaky"), tasks.RENDER
    )  # the first failure of a process imports what tells its kind
    job, pauses, since = submit(resources, "flaky"), [], set()
    for _ in range(5):
        asked_at = time.time()
        waiting = work(resources, job, tasks.RENDER)
        assert (waiting.state, waiting.attempts, waiting.outcome) == (State.QUEUED, 0, None)
        assert (waiting.error_code, waiting.error_reason) == ("retryable", "asked to be tried again on 'flaky'")
        since.add(waiting.waiting_since)
        pauses.append(waiting.available_at - asked_at)
        tasks.run_phase(resources, tasks.RENDER, job.id)  # a message that comes too early
        assert read(resources, job).fence == waiting.fence
    assert pauses[4] > 2 * pauses[0]  # 16 times but for the time that a try takes
    assert len(since) == 1
    assert job.created_at < since.pop() < time.time()


def test_an_outage_that_lasts_fails_the_job_with_its_reason(make_resources):
    """After the time to give up it has failed, costs nothing, and its row says why."""
    resources = make_resources(QUICK + "give_up_s = 0.3\n")
    job = submit(resources, "flaky")
    deadline = time.monotonic() + 20
    while (ended := work(resources, job, tasks.RENDER)).state is State.QUEUED:
        assert time.monotonic() < deadline
    assert (ended.state, ended.outcome.error, ended.error_code) == (State.FAILED, "Generation failed", "retryable")
    assert ended.fence > resources.settings.jobs.max_attempts
    assert charges(resources, job) == ["hold", "release"]


def test_the_wait_for_another_part_begins_anew(make_resources, monkeypatch):
    """A job that waited long for one part does not give up at once when another one goes."""
    resources = make_resources(QUICK + "give_up_s = 0.3\n")
    job = submit(resources, "flaky")
    first = work(resources, job, tasks.RENDER)
    time.sleep(0.4)
    monkeypatch.setattr(instant.InstantEngine, "render", _raising(MemoryError()))
    second = work(resources, job, tasks.RENDER)
    assert (second.state, second.error_code) == (State.QUEUED, "out_of_memory")
    assert second.waiting_since > first.waiting_since


def test_a_picture_that_could_not_be_stored_is_not_drawn_again(store, make_resources):
    """The object store goes before the master is stored: later attempts store the pixels that there are."""
    resources, take_away, bring_back = store
    job = submit(resources)
    take_away()
    for _ in range(4):
        waiting = work(resources, job, tasks.RENDER)
        assert (waiting.state, waiting.attempts) == (State.QUEUED, 0)
        assert waiting.error_code == "object_store_unavailable"
    bring_back()
    models = resources.settings.data_dir / "models.toml"
    models.write_text(models.read_text().replace("brokenmodel", "red coat"))  # who draws it again fails
    other = make_resources(QUICK)
    assert work(other, job, tasks.RENDER).state is State.RENDERED
    ended = work(other, job, tasks.FINISH)
    assert (ended.state, ended.error_code, ended.waiting_since) == (State.COMPLETED, "", None)
    assert list((resources.settings.data_dir / "spool").iterdir()) == []


def test_a_master_is_kept_while_the_store_is_away(store):
    """The store goes between the phases: the job waits as rendered, keeps its master, and completes without another render."""
    resources, take_away, bring_back = store
    job = submit(resources)
    rendered = work(resources, job, tasks.RENDER)
    take_away()
    for _ in range(4):
        waiting = work(resources, job, tasks.FINISH)
        assert (waiting.state, waiting.attempts, waiting.master_key) == (State.RENDERED, 0, rendered.master_key)
    bring_back()
    ended = work(resources, job, tasks.FINISH)
    assert ended.state is State.COMPLETED
    assert charges(resources, job) == ["charge", "hold"]


def test_a_master_that_is_gone_is_drawn_again(store):
    """Not failed: the job goes back to the render queue, says why, and completes with its own charge."""
    resources, *_ = store
    job = submit(resources)
    rendered = work(resources, job, tasks.RENDER)
    resources.objects.delete(rendered.master_key)
    again = work(resources, job, tasks.FINISH)
    assert (again.state, again.queue, again.attempts, again.error_code) == (
        State.QUEUED,
        "render.eros",
        0,
        "master_lost",
    )
    assert work(resources, job, tasks.RENDER).state is State.RENDERED
    assert work(resources, job, tasks.FINISH).state is State.COMPLETED
    assert charges(resources, job) == ["charge", "hold"]


def test_a_store_that_loses_every_master_does_not_draw_for_ever(store):
    """After as many renders as a job has attempts it fails, with that reason."""
    resources, *_ = store
    job = submit(resources)
    for _ in range(resources.settings.jobs.max_attempts + 1):
        resources.objects.delete(work(resources, job, tasks.RENDER).master_key)
        ended = work(resources, job, tasks.FINISH)
    assert (ended.state, ended.error_code) == (State.FAILED, "master_lost")


def _raising(error):
    def render(*_):
        raise error

    return render


def test_an_error_nobody_foresaw_counts_and_is_told_without_its_text(resources, monkeypatch):
    """Three attempts; the reason names the kind of error, not its message, which may hold anything."""
    monkeypatch.setattr(instant.InstantEngine, "render", _raising(LookupError("a secret")))
    job = submit(resources)
    with structlog.testing.capture_logs():  # with all locals, the traceback takes long
        states = [work(resources, job, tasks.RENDER).state for _ in range(3)]
    ended = read(resources, job)
    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
    assert (ended.error_code, ended.fence) == ("internal", 3)
    assert "LookupError" in ended.error_reason
    assert "secret" not in ended.error_reason


@pytest.mark.parametrize(
    ("prompt", "recipe", "code"),
    [
        ("brokenmodel", {}, "model"),
        ("red coat", {"ruleset": "gone"}, "configuration"),
        ("red", {"model": "gone"}, "configuration"),
    ],
)
def test_what_cannot_be_mended_fails_at_once_with_its_code(resources, prompt, recipe, code):
    """One attempt, and the row says why."""
    job = submit(resources, prompt, **recipe)
    ended = work(resources, job, tasks.RENDER)
    assert (ended.state, ended.attempts, ended.error_code) == (State.FAILED, 1, code)
    assert ended.error_reason


def test_a_job_that_lost_its_workers_says_so(resources):
    """The reconciler's end has a reason as well, and so has that of a job past its deadline."""
    lost, overdue = submit(resources), submit(resources)
    for _ in range(3):
        with resources.database.write() as connection:
            job_transitions.claim(connection, lost.id, waiting=State.QUEUED, lease_s=-1, max_attempts=3)
            reconcile.put_back_lost(connection, lost.id, max_attempts=3)
    with resources.database.write() as connection:
        reconcile.end_overdue(connection, overdue.id)
    assert (read(resources, lost).state, read(resources, lost).error_code) == (State.FAILED, "worker_lost")
    assert (read(resources, overdue).state, read(resources, overdue).error_code) == (State.TIMED_OUT, "deadline_passed")


def test_a_database_that_is_away_during_a_render_costs_nothing(make_resources, postgres_url, monkeypatch):
    """The worker holds its picture and its lease until the database answers, and commits the one attempt."""
    resources = make_resources(f'[database]\nurl = "{postgres_url}"\n')
    admin = create_engine(postgres_url.replace("/postgres", "/template1"), isolation_level="AUTOCOMMIT")
    is_away = threading.Event()

    def close(render):
        def wrapped(*arguments):
            with admin.connect() as connection:
                connection.execute(text("ALTER DATABASE postgres ALLOW_CONNECTIONS false"))
                connection.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'")
                )
            is_away.set()
            return render(*arguments)

        return wrapped

    monkeypatch.setattr(instant.InstantEngine, "render", close(instant.InstantEngine.render))
    job = submit(resources)
    worker = threading.Thread(target=tasks.run_phase, args=(resources, tasks.RENDER, job.id))
    worker.start()
    try:
        assert is_away.wait(10)
        worker.join(1.5)  # longer than one transaction tries
        assert worker.is_alive()
    finally:
        with admin.connect() as connection:
            connection.execute(text("ALTER DATABASE postgres ALLOW_CONNECTIONS true"))
        admin.dispose()
        worker.join(20)
    rendered = read(resources, job)
    assert (rendered.state, rendered.fence, rendered.error_code) == (State.RENDERED, 1, "")


def test_a_model_that_cannot_be_loaded_says_so(make_resources):
    """The job fails with that code, and the jobs of the other model go on with it in memory."""
    resources = make_resources()
    path = resources.settings.data_dir / "models.toml"
    path.write_text(
        path.read_text() + path.read_text().replace("[eros]", "[gone]").replace("step_s", "load_fails = true, step_s")
    )
    resources = make_resources()
    first, broken, again, last = (
        submit(resources),
        *(submit(resources, model=name) for name in ("gone", "gone")),
        submit(resources),
    )
    ended = [work(resources, job, tasks.RENDER) for job in (first, broken, last, again)]
    assert [job.state for job in ended] == [State.RENDERED, State.FAILED, State.RENDERED, State.FAILED]
    assert {job.error_code for job in ended[1::2]} == {"model_not_loaded"}
    assert resources.models.keys == ("eros",)


def test_a_dead_device_ends_no_job(make_resources):
    """The job waits uncounted for another process, which this one makes room for."""
    resources = make_resources(QUICK)
    path = resources.settings.data_dir / "models.toml"
    path.write_text(path.read_text().replace("step_s", 'dead_on = "fatal", step_s'))
    resources = make_resources(QUICK)
    job = submit(resources, "fatal")
    waiting = work(resources, job, tasks.RENDER)
    assert (waiting.state, waiting.attempts, waiting.error_code) == (State.QUEUED, 0, "device_lost")
    assert resources.is_device_lost
