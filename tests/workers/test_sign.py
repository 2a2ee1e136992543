"""Signing in the life of a job: the time of drawing, the thumbnail's own credentials, and an authority that is away."""

import datetime as dt
import time
from types import SimpleNamespace

import numpy as np
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from PIL import Image
from servers import kms, time_stamp
from signing_chains import make_chain, self_made

from imgen.domain.job import State, utc_text
from imgen.domain.review.verdict import Verdict
from imgen.live import workers
from imgen.provenance.inspection import inspect_picture
from imgen.records import jobs, ledger
from workers import tasks
from workers.app import ChildProcess
from workers.picture import Picture
from workers.preloading import Preloading
from workers.stages import master

DRAWN_AT = 1767323045.0  # 2026-01-02T03:04:05Z
SAFE = Verdict(safe=True)


@pytest.fixture
def authority():
    """A time-stamp authority."""
    with time_stamp.running() as running:
        yield running


def add(resources, job):
    with resources.database.write() as connection:
        jobs.add(connection, job)
        ledger.hold(connection, job, PLAN)
    return job


def read(resources, job):
    with resources.database.read() as connection:
        return jobs.find(connection, job.id)


def rendered(resources, **changes):
    """A job whose master was drawn at the beginning of 2026 and waits to be finished."""
    job = make_job(state=State.RENDERED, queue="finish", **changes)
    context = SimpleNamespace(job=job, resources=resources)
    pixels = np.random.default_rng(0).integers(0, 255, (768, 1344, 3), dtype=np.uint8)
    kept = master.keep(Picture(pixels=pixels, drawn_at=DRAWN_AT), context)
    return add(resources, structs.replace(job, master_key=kept.master_key))


def finish(resources, job):
    tasks.run_phase(resources, tasks.FINISH, job.id)
    return read(resources, job)


def manifests(resources, job):
    """Credentials of the job's picture and thumbnail."""
    anchor = (resources.settings.data_dir / "credentials" / "anchor.pem").read_bytes()
    return [inspect_picture(resources.objects.get(image.key), anchor).credentials for image in job.outcome.images]


def actions(credentials):
    (data,) = (found["data"] for found in credentials.manifest["assertions"] if found["label"] == "c2pa.actions.v2")
    return data["actions"]


def test_manifest_tells_when_the_picture_was_drawn(resources):
    """Neither the time of the request, hours before, nor the time of signing, but when the engine was done."""
    asked = add(resources, make_job(created_at=time.time() - 7200))
    before = int(time.time())
    tasks.run_phase(resources, tasks.RENDER, asked.id)
    drawn = time.time()
    (picture, _) = manifests(resources, finish(resources, asked))
    assert utc_text(before) <= actions(picture)[0]["when"] <= utc_text(drawn)


def test_manifest_of_a_late_finish_tells_when_the_master_was_drawn(resources):
    """A job that waited between its phases has the time that its master carries."""
    (picture, _) = manifests(resources, finish(resources, rendered(resources)))
    assert actions(picture)[0]["when"] == "2026-01-02T03:04:05Z"


def test_cached_master_keeps_the_time_at_which_it_was_drawn(resources):
    """A picture of the cache is as old as its master, whoever asks for it and when."""
    recipe = structs.replace(make_recipe(), cache_entry_id="ent_1")
    context = SimpleNamespace(job=make_job(recipe=recipe), resources=resources)
    pixels = np.zeros((768, 1344, 3), np.uint8)
    kept = master.keep_for_reuse(Picture(pixels=pixels, drawn_at=DRAWN_AT, verdict=SAFE), context).kept
    hit = SimpleNamespace(job=make_job(master_key=kept.key), resources=resources)
    assert master.fetch(Picture(), hit).drawn_at == DRAWN_AT


def test_master_of_an_early_version_is_read_and_tells_no_time(resources, tmp_path):
    """Masters that lie in the cache since before they carried a time."""
    Image.new("RGB", (8, 8)).save(tmp_path / "master.png")
    resources.objects.put("cache/ent_1/1.png", (tmp_path / "master.png").read_bytes(), "image/png")
    context = SimpleNamespace(job=make_job(master_key="cache/ent_1/1.png"), resources=resources)
    fetched = master.fetch(Picture(), context)
    assert (fetched.pixels.shape, fetched.drawn_at) == ((8, 8, 3), None)


def test_thumbnail_is_signed_as_a_copy_of_the_picture(resources):
    """Its parent is the picture, and it says of itself that it was resized, not that it was created or marked."""
    picture, thumbnail = manifests(resources, finish(resources, rendered(resources)))
    assert (picture.state, thumbnail.state) == ("Trusted", "Trusted")
    assert [action["action"] for action in actions(thumbnail)] == ["c2pa.opened", "c2pa.resized"]
    (parent,) = thumbnail.manifest["ingredients"]
    assert (parent["relationship"], parent["active_manifest"]) == ("parentOf", picture.manifest_id)
    assert picture.manifest_id != thumbnail.manifest_id


def test_authority_is_asked_once_for_picture_and_thumbnail(make_resources, authority):
    """One time-stamp, in the picture."""
    resources = make_resources(f'[credentials]\ntsa_url = "{authority.url}"\n')
    picture, thumbnail = manifests(resources, finish(resources, rendered(resources)))
    assert authority.asked == 1
    assert (picture.time_stamp is None, thumbnail.time_stamp is None) == (False, True)


def test_job_waits_for_an_authority_that_stalls(make_resources, authority):
    """By default an outage means waiting: the job is put back within the limit, and completes once the authority answers."""
    resources = make_resources(f'[credentials]\ntsa_url = "{authority.url}"\ntsa_timeout_s = 1\n')
    authority.habit = "stall"
    began = time.monotonic()
    waiting = finish(resources, rendered(resources))
    assert (waiting.state, waiting.outcome) == (State.RENDERED, None)
    assert time.monotonic() - began < 20
    authority.habit = "answer"
    with resources.database.write() as connection:  # its pause is over
        connection.execute(jobs.jobs.update().where(jobs.jobs.c.id == waiting.id).values(available_at=0))
    ended = finish(resources, waiting)
    assert ended.state is State.COMPLETED
    assert manifests(resources, ended)[0].time_stamp


def test_outage_may_mean_pictures_without_a_time_stamp(make_resources):
    """With `without_timestamp = "sign"` the job completes, and the log says that its picture has no time-stamp."""
    resources = make_resources('[credentials]\ntsa_url = "http://127.0.0.1:9/tsa"\nwithout_timestamp = "sign"\n')
    with structlog.testing.capture_logs() as logs:
        ended = finish(resources, rendered(resources))
    (picture, _) = manifests(resources, ended)
    assert (ended.state, picture.state, picture.time_stamp) == (State.COMPLETED, "Trusted", None)
    assert [line["manifest"] for line in logs if "without a time-stamp" in line["event"]] == [picture.manifest_id]


def test_job_waits_for_a_signing_key_that_is_away(make_resources, tmp_path, monkeypatch):
    """Before the signer is opened and after; once KMS answers the picture is signed. A key that may not sign fails the next job."""
    for name, value in kms.ENVIRON.items():
        monkeypatch.setenv(name, value)
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "chain.pem").write_bytes(self_made(key)[0])
    with kms.running() as server:
        resources = make_resources(
            f'[credentials]\ncertificate_chain = "{tmp_path}/chain.pem"\nprivate_key = "{server.add(key, "k")}"\n'
            f'[credentials.kms]\nendpoint_url = "{server.url}"\n'
        )
        job = rendered(resources)
        for habit in ("ExpiredTokenException", "answer", "ExpiredTokenException"):
            server.habits = [habit]
            if habit == "answer":
                assert resources.signer
                continue
            waiting = finish(resources, job)
            assert (waiting.state, waiting.error_code) == (State.RENDERED, "signing_key_unavailable")
            with resources.database.write() as connection:  # its pause is over
                connection.execute(jobs.jobs.update().where(jobs.jobs.c.id == job.id).values(available_at=0))
        server.habits = ["answer"]
        ended = finish(resources, job)
        chain = (tmp_path / "chain.pem").read_bytes()
        found = [inspect_picture(resources.objects.get(image.key), chain) for image in ended.outcome.images]
        assert [one.credentials.state for one in found] == ["Trusted", "Trusted"]
        server.habits = ["AccessDeniedException"]
        failed = finish(resources, rendered(resources))
        assert (failed.state, failed.error_code) == (State.FAILED, "configuration")


def test_heartbeats_tell_of_a_key_that_is_away_until_it_signs(make_resources, tmp_path, monkeypatch):
    """The reason and the time of the latest try, by a worker's process; an authority that is away is not the key's trouble."""
    for name, value in kms.ENVIRON.items():
        monkeypatch.setenv(name, value)
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "chain.pem").write_bytes(self_made(key)[0])
    with kms.running() as server, time_stamp.running() as authority:
        resources = make_resources(
            f'[credentials]\ncertificate_chain = "{tmp_path}/chain.pem"\nprivate_key = "{server.add(key, "k")}"\n'
            f'tsa_url = "{authority.url}"\n[credentials.kms]\nendpoint_url = "{server.url}"\n'
        )
        child = ChildProcess(
            resources.settings, name="finish@a", queues=("finish",), processes=1, preloading=Preloading(())
        )
        try:
            for habit, answer in (
                ("ExpiredTokenException", "answer"),
                ("answer", "refuse"),
                ("AccessDeniedException", "answer"),
            ):
                server.habits, authority.habit = [habit], answer
                began = time.time()
                child.run_phase(tasks.FINISH, rendered(resources).id, queue="finish")
                child.start().tell_models((habit,))  # publishes at once
                (told,) = resources.live.run(workers.list_workers())
                trouble = told.signing_trouble
                assert (trouble is None) == (habit == "answer")
                assert trouble is None or (habit in trouble.reason and began <= trouble.at <= time.time())
        finally:
            child.close()


def test_a_near_end_of_the_certificate_is_logged_once_a_day(resources):
    """Two pictures of one process are signed, and one line names the day."""
    make_chain(resources.settings.data_dir / "credentials", 5)
    began = dt.datetime.now(dt.UTC).date()
    first, second = rendered(resources), rendered(resources)
    with structlog.testing.capture_logs() as logs:
        assert [finish(resources, job).state for job in (first, second)] == [State.COMPLETED] * 2
    told = [line for line in logs if "certificate ends on" in line["event"]]
    assert [line["log_level"] for line in told] == ["warning"] * (
        resources.ending_told_on - began + dt.timedelta(1)
    ).days


def test_nothing_is_signed_with_a_certificate_that_has_ended(resources):
    """The job fails as a matter of configuration, and the log names the day."""
    make_chain(resources.settings.data_dir / "credentials", -1)
    with structlog.testing.capture_logs() as logs:
        ended = finish(resources, rendered(resources))
    assert (ended.state, ended.error_code) == (State.FAILED, "configuration")
    assert [line["log_level"] for line in logs if "certificate ended on" in str(line)] == ["warning"]


def test_soft_bindings_are_named_under_the_operators_domain(make_resources):
    """`[credentials] algorithm_domain` stands before the names of watermark and fingerprint."""
    resources = make_resources('[credentials]\nalgorithm_domain = "com.example"\n')
    (picture, _) = manifests(resources, finish(resources, rendered(resources)))
    found = picture.manifest["assertions"]
    names = [one["data"]["alg"] for one in found if one["label"].startswith("c2pa.soft-binding")]
    assert names == ["com.example.dwtDctSvd.bch127", "com.example.pdq"]
