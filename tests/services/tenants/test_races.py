"""Deletion of a tenant beside those who are just doing something for it."""

import asyncio
import io

import pytest
from factories import make_job, make_recipe
from PIL import Image
from services.tenants.furnished import Furnished, furnish, objects_of, rows_with
from services.tenants.test_emptying import begin, deletion_of, left_of, make_due
from submitting import submit_repaired

from imgen.app import close_core, open_core
from imgen.domain.account import ANONYMOUS_TENANT_ID
from imgen.domain.credential import KeyCredential
from imgen.domain.errors import Forbidden, Invalid, InvalidKey, TenantClosed, TenantNotFound
from imgen.domain.job import FINISH_QUEUE, State
from imgen.domain.principal import hash_key, new_raw_key
from imgen.domain.request import GenerateRequest
from imgen.domain.user import User
from imgen.records import api_keys, job_transitions, jobs, memberships, tenants, users
from imgen.services import uploads
from imgen.services.accounts import authentication
from imgen.services.tenants import closing, emptying
from workers import tasks
from workers.resources import open_resources


def png():
    body = io.BytesIO()
    Image.new("RGB", (64, 64)).save(body, "PNG")
    return body.getvalue()


def test_a_worker_that_is_just_publishing_leaves_nothing(core, caller, admin):
    """The tenant is deleted between two files of a finished picture: the job is not completed, and the files go with a later pass."""

    async def work(core):
        principal = caller(core, "leaver")
        made = await submit_repaired(core, principal, GenerateRequest(prompt="red coat"), surface="action")
        gone = Furnished(principal.tenant.id, "leaver", "red coat", (made.job.id,), (made.job.gen_id,), "none", "")
        loop, resources = asyncio.get_running_loop(), open_resources(core.settings)
        put = resources.objects.put

        async def delete():
            assert await emptying.empty(core, await begin(core, admin, gone))

        def put_late(key, body, kind):
            if key.startswith("manifests/") and deletion_of(core, gone) is None:
                asyncio.run_coroutine_threadsafe(delete(), loop).result(60)
            put(key, body, kind)

        resources.objects.put = put_late
        try:
            for phase in (tasks.RENDER, tasks.FINISH):
                await asyncio.to_thread(tasks.run_phase, resources, phase, made.job.id)
        finally:
            resources.close()
        late = objects_of(core, gone)
        make_due(core)
        await emptying.TenantDeleter(core).round()
        return late, left_of(core, gone)

    late, left = core(work)
    assert any(key.endswith("c2pa") for key in late)
    assert left == (set(), [], {})


def test_requests_under_way_are_refused(core, caller, admin):
    """Whoever was let in before the closing makes neither a job nor an upload after it."""

    async def work(core):
        principal = caller(core, "leaver")
        await closing.delete_tenant(core, admin, principal.tenant.id, typed="leaver")
        with pytest.raises(TenantClosed):
            await submit_repaired(core, principal, GenerateRequest(prompt="red coat"), surface="action")
        with pytest.raises(TenantClosed):
            await uploads.upload(core, principal, png)
        return set(rows_with(core.database, [principal.tenant.id]))

    assert core(work) <= {"audit", "counters", "tenant_deletions"}


def test_a_key_ends_at_once_in_every_process(core, admin):
    """Another process that has the key in memory refuses it with the next request."""

    async def work(core):
        raw, other = new_raw_key(), open_core(core.settings)
        credential = KeyCredential(key_hash=hash_key(raw))

        def write(connection):
            tenant = tenants.ensure_tenant(connection, "leaver", "unlimited")
            api_keys.add_key(connection, raw, tenant=tenant, name="first")
            return tenant

        tenant = core.database.attempt(write)
        try:
            assert (await authentication.authenticate(other, credential)).tenant == tenant
            await closing.delete_tenant(core, admin, tenant.id, typed="leaver")
            with pytest.raises(InvalidKey):
                await authentication.authenticate(other, credential)
        finally:
            await close_core(other)

    core(work)


def test_a_master_that_another_tenants_job_reads_stays_for_it(core, caller, admin):
    """Of cached pictures that tenants share, the entry is found no more at once, and its file goes when that job has ended."""

    async def work(core):
        gone, other = await furnish(core, caller(core, "leaver")), caller(core, "stayer")
        key = f"cache/{gone.entry_id}/1.webp"
        job = make_job(
            tenant_id=other.tenant.id, recipe=make_recipe(), state=State.RENDERED, queue=FINISH_QUEUE, master_key=key
        )
        core.database.attempt(jobs.add, job)
        deletion = await begin(core, admin, gone)
        first = await emptying.empty(core, deletion), core.objects.exists(key)
        core.database.attempt(job_transitions.cancel, job.id, other.tenant.id)
        return first, await emptying.empty(core, deletion), left_of(core, gone)

    assert core(work) == ((False, True), True, (set(), [], {}))


def test_only_who_manages_a_tenant_and_types_its_name_deletes_it(core, caller, admin):
    """Strangers find none; another name changes nothing; the anonymous tenant stays; only administrators remove people."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        core.database.attempt(tenants.ensure_anonymous_tenant)
        owner = User(id=gone.user_id, name="mira", role="member", must_change_password=False)
        stranger = User(id="usr_x", name="x", role="member", must_change_password=False)
        for user, tenant_id, typed, people, error in (
            (stranger, gone.tenant_id, "leaver", False, TenantNotFound),
            (owner, gone.tenant_id, "Leaver", False, Invalid),
            (owner, gone.tenant_id, "leaver", True, Forbidden),
            (admin, ANONYMOUS_TENANT_ID, "Anonymous", False, TenantNotFound),
        ):
            with pytest.raises(error):
                await closing.delete_tenant(core, user, tenant_id, typed=typed, with_people=people)
        assert deletion_of(core, gone) is None
        await closing.delete_tenant(core, owner, gone.tenant_id, typed="leaver")
        with core.database.read() as connection:
            return users.find_user_by_id(connection, gone.user_id).tenant_ids

    assert core(work) == frozenset()


def test_people_of_no_other_tenant_are_removed_on_request(core, caller, admin):
    """A member of another tenant stays."""

    async def work(core):
        gone = await furnish(core, caller(core, "leaver"))
        other = await furnish(core, caller(core, "stayer"))
        core.database.attempt(memberships.join, other.user_id, gone.tenant_id, "member")
        await closing.delete_tenant(core, admin, gone.tenant_id, typed="leaver", with_people=True)
        with core.database.read() as connection:
            return [users.find_user_by_id(connection, one.user_id) is None for one in (gone, other)]

    assert core(work) == [True, False]
