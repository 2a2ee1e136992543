"""Ends of a job: the tasks over real parts, without a broker between them."""

import hashlib
import io
import threading
import time

import pytest
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from PIL import Image

from imgen.domain.job import State
from imgen.domain.outcome import Outcome
from imgen.domain.recipe import Attribution, Output, PromptParts, VisibleWatermark
from imgen.live import job_views
from imgen.provenance.inspection import inspect_picture
from imgen.records import assets, job_transitions, jobs, ledger, picture_records
from workers import tasks


def submit(resources, prompt="red coat", **recipe):
    made = make_recipe(prompt_parts=PromptParts(prompt=prompt, original_prompt=prompt, positive=prompt), **recipe)
    made = structs.replace(made, diffusion=structs.replace(made.diffusion, positive=prompt))
    job = make_job(recipe=made)
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def run(resources, job):
    """Both halves, as often as the job can be claimed."""
    for _ in range(8):
        tasks.run_phase(resources, tasks.RENDER, job.id)
        tasks.run_phase(resources, tasks.FINISH, job.id)
    return read(resources, job)


def settled(resources, job):
    with resources.database.read() as connection:
        rows = connection.execute(ledger.ledger.select().where(ledger.ledger.c.job_id == job.id)).all()
    return sorted(row.kind for row in rows)


def anchors(resources):
    return (resources.settings.data_dir / "credentials" / "anchor.pem").read_bytes()


def test_a_picture_is_made_signed_and_charged_once(resources):
    """Both halves leave a completed job, two signed files, a manifest store, one charge, and no master behind."""
    job = run(resources, submit(resources))
    assert job.state is State.COMPLETED
    assert settled(resources, job) == ["charge", "hold"]
    for image in job.outcome.images:
        found = inspect_picture(resources.objects.get(image.key), anchors=anchors(resources))
        assert found.credentials.state == "Trusted"
    assert {stored.key for stored in resources.objects.list("")} == {
        *(image.key for image in job.outcome.images),
        job.outcome.images[0].key.replace(".jpg", ".c2pa").replace("pictures/", "manifests/"),
    }
    with resources.database.read() as connection:
        record = picture_records.find_by_watermark(connection, job.watermark_id, scope=frozenset({job.tenant_id}))
    assert resources.objects.get(record.manifest_key)
    assert record.manifest_id == job.outcome.meta.manifest_id
    assert resources.live.run(job_views.get_view(job.id)).view.state is State.COMPLETED


def test_a_finished_picture_is_an_asset(resources):
    """Found by the digest of its file, with key, type and size, from the transaction of its job's end on."""
    job = run(resources, submit(resources))
    body = resources.objects.get(job.outcome.images[0].key)
    with resources.database.read() as connection:
        found = assets.find(connection, hashlib.sha256(body).hexdigest(), tenant_id=job.tenant_id)
    assert (found.job_id, found.key, found.media_type) == (job.id, job.outcome.images[0].key, "image/jpeg")
    assert found.size_bytes == len(body)


def test_parameters_without_effect_are_not_claimed(make_resources):
    """A distilled model's picture tells neither guidance nor negative prompt, across both phases; another's tells both."""
    resources = make_resources()
    told = run(resources, submit(resources)).outcome.meta
    assert (told.guidance, told.negative) == (3.5, "blurry")
    path = resources.settings.data_dir / "models.toml"
    path.write_text(path.read_text().replace("call = { ", "call = { distilled = true, "))
    told = run(make_resources(), submit(resources)).outcome.meta
    assert (told.guidance, told.negative, told.steps) == (None, "", 4)


def test_the_manifest_says_what_the_caller_or_the_operator_says(resources):
    """cs_* fields override the configured texts, one by one."""
    job = run(resources, submit(resources, attribution=Attribution(author="Ada", title="Coat")))
    manifest = inspect_picture(resources.objects.get(job.outcome.images[0].key), anchors=anchors(resources)).credentials
    assert manifest.title == "Coat"
    told = str(manifest.manifest)
    assert "Ada" in told
    assert resources.settings.credentials.vendor in told
    assert "trainedAlgorithmicMedia" in told
    assert job.watermark_id in told
    assert job.outcome.meta.fingerprint in told


def test_a_prompt_without_release_is_blocked_before_a_pixel_is_made(resources):
    """The floor and rules without release end the job in its first half; nothing is stored, nothing charged."""
    for prompt in ("nude child", "cocaine"):
        job = submit(resources, prompt)
        tasks.run_phase(resources, tasks.RENDER, job.id)
        ended = read(resources, job)
        assert ended.state is State.BLOCKED
        assert ended.outcome.blocked.unsafe_key == ""
        assert settled(resources, job) == ["hold", "release"]
    assert list(resources.objects.list("")) == []


def test_a_releasable_picture_is_withheld_but_kept_for_its_caller(resources):
    """A rule with release: blocked, no thumbnail, one signed file apart from the published ones."""
    job = run(resources, submit(resources, "nude marble statue of a woman"))
    assert job.state is State.BLOCKED
    with resources.database.read() as connection:
        assert connection.execute(assets.assets.select()).all() == []
    key = job.outcome.blocked.unsafe_key
    assert key.startswith("withheld/")
    assert inspect_picture(resources.objects.get(key), anchors=anchors(resources)).credentials.state == "Trusted"
    assert [stored.key for stored in resources.objects.list("pictures/")] == []
    assert settled(resources, job) == ["hold", "release"]


def test_a_broken_model_fails_at_once(resources):
    """An error that trying again cannot mend is not tried again."""
    job = submit(resources, "brokenmodel")
    tasks.run_phase(resources, tasks.RENDER, job.id)
    ended = read(resources, job)
    assert (ended.state, ended.attempts, ended.outcome.error) == (State.FAILED, 1, "Generation failed")
    assert settled(resources, job) == ["hold", "release"]


def test_a_ruleset_that_vanished_publishes_nothing(resources):
    """A job whose ruleset was taken away fails; it is never judged by another."""
    job = run(resources, submit(resources, ruleset="gone"))
    assert job.state is State.FAILED
    assert list(resources.objects.list("pictures/")) == []


def test_a_mark_that_cannot_be_read_any_more_fails_the_job(resources):
    """Rubbish under the mark's key ends the job; it does not kill the worker or loop for ever."""
    resources.objects.put("brands/x", b"rubbish", "application/octet-stream")
    job = run(resources, submit(resources, visible_watermark=VisibleWatermark(image_key="brands/x")))
    assert job.state is State.FAILED


def test_low_quality_is_told_truthfully(resources):
    """If the caller's quality destroys the mark, `watermark_verified` says what a reader finds."""
    job = run(resources, submit(resources, output=Output(format="jpeg", quality=3)))
    found = inspect_picture(resources.objects.get(job.outcome.images[0].key), anchors=anchors(resources))
    assert job.outcome.meta.watermark_verified == (found.watermark.id == job.watermark_id)


@pytest.mark.parametrize("output", [Output(format="webp", lossless=True), Output(format="png"), Output(format="avif")])
def test_formats_are_what_was_asked_for(resources, output):
    """The file is of the wanted format, whatever it is called."""
    job = run(resources, submit(resources, output=output))
    with Image.open(io.BytesIO(resources.objects.get(job.outcome.images[0].key))) as image:
        assert (image.format.lower(), image.size) == (output.format, (1344, 768))


def test_delivered_twice_it_is_done_once(resources):
    """Two workers that get the same message at once: one renders, one finds nothing to do."""
    job = submit(resources)
    threads = [threading.Thread(target=tasks.run_phase, args=(resources, tasks.RENDER, job.id)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(resources, job).fence == 1
    assert len(list(resources.objects.list("work/"))) == 1


def test_a_worker_whose_clock_is_behind_hands_its_job_on_at_once(resources, monkeypatch):
    """The message for the finish workers goes out with the commit, however far the host's clock is from the database's."""
    job = submit(resources)
    behind = time.time() - 20
    monkeypatch.setattr(time, "time", lambda: behind)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    assert (read(resources, job).state, read(resources, job).published_at is None) == (State.RENDERED, False)


def test_a_cancelled_job_stops_at_its_next_step(resources):
    """A worker in the middle of many steps stops soon after the cancel, and commits nothing."""
    job = submit(resources)
    slow = structs.replace(job.recipe.diffusion, num_inference_steps=2000)
    resources.catalog.models["eros"].engine.call["step_s"] = 0.01
    job = submit(resources)
    with resources.database.write() as connection:
        import msgspec

        from imgen.records.tables.jobs import jobs as table

        recipe = structs.replace(job.recipe, diffusion=slow)
        connection.execute(
            table.update().where(table.c.id == job.id).values(recipe=msgspec.json.encode(recipe).decode())
        )
    worker = threading.Thread(target=tasks.run_phase, args=(resources, tasks.RENDER, job.id))
    worker.start()
    while read(resources, job).state is not State.RENDERING:
        time.sleep(0.01)
    with resources.database.write() as connection:
        job_transitions.cancel(connection, job.id, job.tenant_id)
    resources.live.run(job_views.request_cancel(job.id))
    worker.join(5)
    assert not worker.is_alive()
    ended = read(resources, job)
    assert (ended.state, ended.outcome) == (State.CANCELLED, Outcome(error="Cancelled"))
    assert list(resources.objects.list("work/")) == []
