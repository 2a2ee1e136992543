"""Parts that are away under load: jobs wait for the object store, the time-stamp authority and a reviewer; none is lost, none fails."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import boto3
import pytest
from botocore.config import Config
from faults.truth import FAST, MODELS, Truth, truth_of
from servers import time_stamp
from servers.chat import FAULTS, completion, start_chat
from servers.faulty_http import forward, reset, start_faulty_http
from servers.stack import Stack, start_stack
from servers.swift import start_swift

from imgen.domain.job import State

SAFE = completion(json.dumps({"safe": True, "rules": [], "reason": "fine"}))
BUCKET = "outages"
SMALL = MODELS.replace('source = "none"', 'source = "none"\nsizes = [[256, 256]]')
PATIENCE = "first_pause_s = 0.5\nlongest_pause_s = 5\n"
NO_CACHE = "[cache]\nenabled = false\n"
MINUTE_S, SAMPLE_S = 60, 6


class Part(NamedTuple):
    """Part of a running stack: the code of its outage, and functions that begin and end one."""

    stack: Stack
    code: str
    begin: Callable[[], object]
    end: Callable[[], object]


@contextlib.contextmanager
def object_store(data) -> Iterator[Part]:
    """An S3 server whose connections break."""
    with start_swift(data.parent) as s3, start_faulty_http(forward(s3.endpoint_url)) as door:
        session = boto3.session.Session(s3.access_key_id, s3.secret_access_key, region_name=s3.region)
        client = session.client("s3", endpoint_url=s3.endpoint_url, config=Config(s3={"addressing_style": "path"}))
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.region})
        settings = (
            f'[objects]\nstore = "s3"\n[objects.s3]\nendpoint_url = "{door.url}"\nbucket = "{BUCKET}"\nregion = "{s3.region}"\n'
            f'access_key_id = "{s3.access_key_id}"\nsecret_access_key = "{s3.secret_access_key}"\naddressing = "path"\n'
        )

        def behave(behaviour):
            door.standing = behaviour

        with start_stack(data, settings=FAST + PATIENCE + NO_CACHE + settings, models=SMALL) as stack:
            yield Part(
                stack, "object_store_unavailable", lambda: behave(reset), lambda: behave(forward(s3.endpoint_url))
            )


@contextlib.contextmanager
def authority(data) -> Iterator[Part]:
    """A time-stamp authority that accepts and never answers."""
    with time_stamp.running() as clock:
        settings = f'[credentials]\ntsa_url = "{clock.url}"\ntsa_timeout_s = 2\n'
        with start_stack(data, settings=FAST + PATIENCE + NO_CACHE + settings, models=SMALL) as stack:
            yield Part(
                stack,
                "timestamp_unavailable",
                lambda: setattr(clock, "habit", "stall"),
                lambda: setattr(clock, "habit", "answer"),
            )


@contextlib.contextmanager
def reviewer(data) -> Iterator[Part]:
    """A vision model that answers 503."""
    with start_chat() as chat:
        chat.will(always=SAFE)
        settings = f'[review]\nreviewers = ["rules", "vision"]\nbase_url = "{chat.base_url}"\nmodel = "eye"\npause_s = 1\n{PATIENCE}'
        with start_stack(data, settings=FAST + NO_CACHE + settings, models=SMALL) as stack:
            yield Part(
                stack, "reviewer_unavailable", lambda: chat.will(always=FAULTS["503"]), lambda: chat.will(always=SAFE)
            )


@contextlib.contextmanager
def folder(data) -> Iterator[Part]:
    """A folder of the disk store that is not mounted."""
    with start_stack(data, settings=FAST + PATIENCE + NO_CACHE, models=SMALL) as stack:
        objects, elsewhere = data / "objects", data / "elsewhere"
        yield Part(
            stack,
            "object_store_unavailable",
            lambda: objects.rename(elsewhere),
            lambda: elsewhere.rename(objects),
        )


def load(part: Part, truth: Truth, outage_s: float, every_s: float) -> list[str]:
    """Submits jobs before, during and after an outage; returns their ids once all have ended."""
    ids: list[str] = []
    is_over = threading.Event()

    def submit():
        while not is_over.wait(every_s):
            ids.append(part.stack.generate()["id"])

    submitter = threading.Thread(target=submit)
    submitter.start()
    try:
        while not ids:
            time.sleep(0.05)
        truth.await_ended(ids[:1])  # every process has opened the store
        part.begin()
        back_at, codes = time.monotonic() + outage_s, set()
        while time.monotonic() < back_at:
            codes |= {job.error_code for job in truth.jobs(list(ids)) if job.waiting_since is not None}
            time.sleep(0.2)
        part.end()
        time.sleep(1)
    finally:
        is_over.set()
        submitter.join()
    assert codes == {part.code}
    print(f"{part.code}: {len(ids)} jobs ended {truth.await_ended(ids, within_s=180):.1f} s after {outage_s} s away")
    return ids


def check(part: Part, data, outage_s: float, every_s: float) -> None:
    with truth_of(data) as truth:
        ids = load(part, truth, outage_s, every_s)
        assert {job.state for job in truth.jobs(ids)} == {State.COMPLETED}
        assert {(job.error_code, job.waiting_since) for job in truth.jobs(ids)} == {("", None)}
        assert part.stack.status({"id": ids[0]})["status"] == "COMPLETED"
        truth.check_books(ids)


@pytest.mark.faults
@pytest.mark.timeout(1200)  # of which a busy machine may need many
def test_parts_that_are_away_for_a_minute_fail_no_job(tmp_path):
    """Jobs of before, of the minute and of afterwards: all of them complete, each charged once, whichever part is away."""

    def lose(away) -> None:
        data = tmp_path / away.__name__ / "var"
        data.mkdir(parents=True)
        with away(data) as part:
            check(part, data, MINUTE_S, every_s=1)

    with ThreadPoolExecutor() as at_once:  # three stacks that mostly wait
        for outcome in [at_once.submit(lose, away) for away in (object_store, authority, reviewer)]:
            outcome.result()


def test_a_part_that_is_away_for_seconds_fails_no_job(tmp_path):
    """The sample of the long ones: a few jobs, and a store that comes back after more tries than a job has attempts."""
    with folder(tmp_path / "var") as part:
        check(part, tmp_path / "var", SAMPLE_S, every_s=2)
