"""File of a remote engine's picture: kept beside the master, in the cache and in the spool, with its credentials."""

import base64
import json

from factories import PLAN, make_job, make_recipe
from servers.faulty_http import answer
from servers.image_engine import JSON, pictures
from signed_elsewhere import (
    CREATED,
    MARKED,
    actions,
    added,
    credentials_of,
    finished,
    found,
    theirs,
)

from imgen.domain.errors import Retryable
from imgen.domain.job import State
from imgen.records import jobs, ledger
from workers import tasks


def test_the_engines_file_lies_beside_the_master_until_the_job_has_ended(resources, provider, server):
    """It is the file as it came, and goes with the master."""
    signed = theirs(provider)
    server.script.append(pictures(signed.body))
    job = added(resources)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    kept = {one.key.rpartition(".")[2]: one.key for one in resources.objects.list(f"work/{job.id}/")}
    assert resources.objects.get(kept["answer"]) == signed.body
    tasks.run_phase(resources, tasks.FINISH, job.id)
    assert not list(resources.objects.list(f"work/{job.id}/"))


def test_a_file_that_is_gone_leaves_a_drawing(resources, provider, server):
    """The job completes, and its picture says itself that it is drawn."""
    server.script.append(pictures(theirs(provider).body))
    job = added(resources)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    (key,) = (one.key for one in resources.objects.list(f"work/{job.id}/") if one.key.endswith(".answer"))
    resources.objects.delete(key)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    assert actions(credentials_of(resources, found(resources, job))) == [CREATED, MARKED]


def test_a_cache_hit_has_the_engines_credentials_too(resources, provider, server):
    """They lie beside the cached master, and count with its size."""
    signed = theirs(provider)
    data = {"b64_json": base64.b64encode(signed.body).decode(), "revised_prompt": "a crimson coat"}
    server.script.append(answer(200, json.dumps({"data": [data]}).encode(), JSON))
    finished(resources, cache_entry_id="ent_1")
    kept = {one.key.rpartition(".")[2]: one.key for one in resources.objects.list("cache/ent_1/")}
    assert sorted(kept) == ["answer", "webp"]
    hit = make_job(state=State.RENDERED, queue="finish", master_key=kept["webp"], recipe=make_recipe())
    with resources.database.write() as connection:
        jobs.add(connection, hit)
        ledger.hold(connection, hit, PLAN)
    tasks.run_phase(resources, tasks.FINISH, hit.id)
    ended = found(resources, hit)
    (parent,) = credentials_of(resources, ended)["ingredients"]
    assert parent["active_manifest"] == signed.manifest_id
    meta = ended.outcome.meta
    assert (meta.engine, meta.drawn_width, meta.drawn_height, meta.seed) == ("elsewhere", 256, 256, None)
    assert meta.revised_prompt == "a crimson coat"


class FullStore:
    """The store behind it, which takes nothing."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def put(self, *_):
        raise Retryable("full")


def test_pixels_that_the_store_did_not_take_keep_their_credentials(resources, provider, server):
    """The next attempt on this host has the master and the engine's file out of the spool, and asks nobody."""
    signed = theirs(provider)
    server.script.append(pictures(signed.body))
    job = added(resources)
    store, resources.objects = resources.objects, FullStore(resources.objects)
    tasks.run_phase(resources, tasks.RENDER, job.id)
    resources.objects = store
    assert len(list((resources.settings.data_dir / "spool").iterdir())) == 2
    with resources.database.write() as connection:  # its pause is over
        connection.execute(jobs.jobs.update().where(jobs.jobs.c.id == job.id).values(available_at=0))
    tasks.run_phase(resources, tasks.RENDER, job.id)
    tasks.run_phase(resources, tasks.FINISH, job.id)
    (parent,) = credentials_of(resources, found(resources, job))["ingredients"]
    assert parent["active_manifest"] == signed.manifest_id
    assert (len(server.requests), list((resources.settings.data_dir / "spool").iterdir())) == (1, [])
