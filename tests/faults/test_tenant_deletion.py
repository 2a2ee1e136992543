"""SIGKILL of an API process amid the deletion of a tenant: the next process goes on, and the others keep everything."""

import time

import pytest
from servers.api import Api, start_api
from servers.redis_server import start_redis
from sqlalchemy import delete, func, select

from imgen import composition, settings
from imgen.domain.account import Tenant
from imgen.domain.job import OPEN
from imgen.records import books, tenant_deletions, tenants
from imgen.records.database import Database
from imgen.records.tables.jobs import jobs
from imgen.records.tables.operations import audit, locks

REQUESTS, PICTURES = 40, 10
TRIES = 3
"""Tenants that are deleted until one is caught amid it."""


@pytest.mark.faults
def test_a_kill_amid_a_deletion_costs_nothing(tmp_path):
    """Open jobs are cancelled with their holds released, rows go, the audit tells it once; a tenant beside it is as before."""
    with start_redis(tmp_path) as redis:
        with start_api(tmp_path / "var", settings=f'[redis]\nurl = "{redis.url}"\n') as api:
            staying = api.post({"action": "generate", "prompt": "red coat"}).json()["id"]
            database = composition.open_database(settings.load(api.data))
            tenant, key = caught_amid(api, database)
        database.attempt(lambda connection: connection.execute(delete(locks)))  # the dead process has it for a minute
        with start_api(tmp_path / "var", name="again") as again:
            again.key = api.key
            await_emptied(database, tenant)
            assert again.post({"action": "status", "id": staying}).json()["status"] == "IN_QUEUE"
            assert again.post({"action": "models"}, key).status_code == 401
        with database.snapshot() as connection:
            assert count(connection, jobs.c.tenant_id == tenant.id) == 0
            assert books.differences(connection) == []
            told = select(func.count()).where(audit.c.tenant_id == tenant.id, audit.c.action == "deleted tenant")
            assert connection.execute(told).scalar_one() == 1
        database.close()


def caught_amid(api: Api, database: Database) -> tuple[Tenant, str]:
    """A tenant whose deletion was begun and not ended when the process was killed, and its key."""
    for number in range(TRIES):
        name = f"leaver-{number}"
        key = api.imgen("keys", "create", name, "--tenant", name, "--plan", "unlimited")
        for _ in range(REQUESTS):
            assert api.post({"action": "generate", "prompt": "red coat", "n": PICTURES}, key).status_code == 200
        tenant = database.attempt(tenants.find_tenant, name)
        database.attempt(tenant_deletions.close, tenant, begun_by="mira", with_people=False, now=time.time())
        if is_killed_amid(api, database, tenant):
            return tenant, key
    raise AssertionError("no deletion was caught")


def is_killed_amid(api: Api, database: Database, tenant: Tenant) -> bool:
    """Kills the process once it has cancelled some jobs; False: it was too fast."""
    own = jobs.c.tenant_id == tenant.id
    while True:
        with database.write() as connection:  # it waits meanwhile
            if count(connection, own) == 0:
                return False
            if count(connection, own & jobs.c.state.in_(OPEN)) < REQUESTS * PICTURES:
                api.process.kill()
                api.process.wait()
                return True
        time.sleep(0.002)


def count(connection, condition) -> int:
    """Jobs that meet a condition."""
    return connection.execute(select(func.count()).select_from(jobs).where(condition)).scalar_one()


def await_emptied(database: Database, tenant: Tenant) -> None:
    """Waits until a pass has left nothing."""
    deadline = time.monotonic() + 240
    while True:
        with database.read() as connection:
            found = tenant_deletions.due(connection, tenant_id=tenant.id)
        if not found or found[0].emptied_at is not None:
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)
