"""Export of a tenant: read back by the standard library, and compared with what was stored."""

import io
import json
import zipfile

import pytest
from services.tenants.furnished import furnish

from imgen.domain.errors import Forbidden, ObjectStoreUnavailable, RateLimited, TenantNotFound
from imgen.domain.user import MEMBER, User
from imgen.records import memberships, tenants
from imgen.services.tenants import export
from imgen.services.tenants.exporting import Exports


def read(core, furnished):
    """The archive of a tenant, whole."""
    with core.database.read() as connection:
        tenant = tenants.find_tenant_by_id(connection, furnished.tenant_id)
    made = export.Export(core.database, core.objects, tenant, now=core.clock())
    archive = zipfile.ZipFile(io.BytesIO(b"".join(made)))
    assert archive.testzip() is None
    return archive


def lines(archive, name):
    return [json.loads(line) for line in archive.read(name).splitlines()]


def test_all_data_of_a_tenant_and_of_no_other(any_core, caller, monkeypatch):
    """Members, keys, books, jobs with prompts, and every signed picture with its thumbnail; no secret, nothing withheld."""
    monkeypatch.setattr(export, "PAGE", 2)

    async def work(core):
        own = await furnish(core, caller(core, "leaver"))
        other = await furnish(core, caller(core, "stayer"))
        archive = read(core, own)
        whole = b"".join(archive.read(name) for name in archive.namelist())
        assert not [word for word in other.words if word.encode() in whole]
        assert b"whsec_" not in whole
        jobs = lines(archive, "jobs.jsonl")
        assert sorted(job["id"] for job in jobs) == sorted(own.job_ids)
        assert len(jobs) == 6
        assert {job["prompt"] for job in jobs} == {own.prompt}
        pictures = [name for name in archive.namelist() if name.startswith("pictures/")]
        assert sorted(pictures) == sorted(name for job in jobs for name in job["files"])
        assert {archive.read(name) for name in pictures} == {b"x"}
        assert [one["role"] for one in lines(archive, "members.jsonl")] == ["owner"]
        assert [set(one) & {"hash", "old_hash"} for one in lines(archive, "keys.jsonl")] == [set()]
        assert {one["kind"] for one in lines(archive, "ledger.jsonl")} == {"hold", "charge", "release"}
        assert len(lines(archive, "ledger.jsonl")) == 9
        assert [one["credits"] for one in lines(archive, "packs.jsonl")] == [500]
        assert lines(archive, "usage.jsonl")
        assert [one["client_name"] for one in lines(archive, "applications.jsonl")] == ["Kite"]
        assert [one["url"] for one in lines(archive, "webhooks.jsonl")] == ["https://hooks.example.com/all"]
        assert json.loads(archive.read("tenant.json"))["name"] == "leaver"
        assert all(name in archive.read("README").decode() for name in ("jobs.jsonl", "withheld", "leaver"))
        assert export.PROBLEMS not in archive.namelist()

    any_core(work)


def test_what_cannot_be_read_is_told_in_the_archive(core, caller):
    """A picture that is gone, and one that the store does not give; the archive is whole all the same."""

    async def work(core):
        own = await furnish(core, caller(core, "leaver"))
        kept = [info.key for info in core.objects.list(f"pictures/{own.tenant_id}/") if info.key.endswith(".jpg")]
        core.objects.delete(kept[0])
        get = core.objects.get

        def failing(key):
            if key == kept[1]:
                raise ObjectStoreUnavailable("Input/output error")
            return get(key)

        core.objects.get = failing
        archive = read(core, own)
        assert len(lines(archive, "jobs.jsonl")) == 6
        return sorted(one["reason"] for one in lines(archive, export.PROBLEMS))

    assert core(work) == ["Input/output error", "It is not stored any more"]


def test_a_store_that_is_away_is_not_asked_for_ever(core, caller, monkeypatch):
    """After some failures in a row no further picture is tried; rows and a reason are in the archive."""
    monkeypatch.setattr(export, "MOST_FAILURES", 1)
    tried = []

    async def work(core):
        own = await furnish(core, caller(core, "leaver"))

        def away(key):
            tried.append(key)
            raise ObjectStoreUnavailable("away")

        core.objects.get = away
        archive = read(core, own)
        return [one["reason"] for one in lines(archive, export.PROBLEMS)], len(lines(archive, "jobs.jsonl"))

    reasons, jobs = core(work)
    assert (len(tried), jobs) == (1, 6)
    assert (reasons[0], "left out" in reasons[1], len(reasons)) == ("away", True, 2)


def test_owners_and_administrators_may_export(core, caller, admin):
    """A stranger finds no such tenant, a member may not; of one tenant an export runs at a time; the audit has each."""

    async def work(core):
        own = await furnish(core, caller(core, "leaver"))
        exports = Exports(core)
        stranger = User(id="usr_x", name="x", role="member", must_change_password=False)
        with pytest.raises(TenantNotFound):
            await exports.begin(stranger, own.tenant_id)
        owner = User(id=own.user_id, name="mira", role="member", must_change_password=False)
        _, chunks = await exports.begin(owner, own.tenant_id)
        first = await anext(chunks)
        with pytest.raises(RateLimited):
            await exports.begin(admin, own.tenant_id)
        whole = first + b"".join([chunk async for chunk in chunks])
        assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
        _, chunks = await exports.begin(admin, own.tenant_id)
        await anext(chunks)
        await chunks.aclose()  # its client has gone
        await exports.begin(admin, own.tenant_id)
        assert not exports._running

    core(work)


def test_members_may_not(core, caller):
    """Only owners see what a tenant is billed."""

    async def work(core):
        own = await furnish(core, caller(core, "leaver"))
        core.database.attempt(memberships.join, own.user_id, own.tenant_id, MEMBER)
        member = User(id=own.user_id, name="mira", role="member", must_change_password=False)
        with pytest.raises(Forbidden):
            await Exports(core).begin(member, own.tenant_id)

    core(work)
