"""Deletions of tenants in SQL: packs outlive their tenant, and the upgrade that lets them."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from factories import add_tenant
from sqlalchemy import text

from imgen.domain.account import Pack
from imgen.domain.errors import Invalid, TenantClosed, TenantNotFound
from imgen.domain.principal import new_raw_key
from imgen.records import api_keys, packs, schema, tenant_deletions, tenants
from imgen.records.tables import metadata

BEFORE = "0021"
PACK = Pack(key="pack_40", label="Forty", credits=40)


def close(connection, tenant):
    return tenant_deletions.close(connection, tenant, begun_by="mira", with_people=False, now=1.0)


def test_a_payment_of_a_deleted_tenant_counts_for_no_other(database):
    """Its pack stays, and nothing is granted to the tenant any more."""
    with database.write() as connection:
        gone, other = add_tenant(connection, "ten_1", name="studio"), add_tenant(connection, "ten_2")
        packs.grant(connection, gone, PACK, reference="inv-1")
        close(connection, gone)
    with database.write() as connection:
        with pytest.raises(Invalid, match="another tenant"):
            packs.grant(connection, other, PACK, reference="inv-1")
        with pytest.raises(TenantClosed):
            packs.grant(connection, gone, PACK, reference="inv-2")
        assert tenants.ensure_tenant(connection, "studio", "free").id != gone.id


def test_a_key_that_is_made_at_the_closing_is_refused(database):
    """Whoever makes it waits for the closing, and is told that the tenant is gone; no key is left."""
    with database.write() as connection:
        gone = add_tenant(connection, "ten_1")
    with ThreadPoolExecutor(1) as other, database.write() as connection:
        close(connection, gone)
        late = other.submit(database.attempt, api_keys.add_key, new_raw_key(), tenant=gone, name="late")
    with pytest.raises(TenantNotFound):
        late.result()
    with database.read() as connection:
        assert api_keys.all_keys(connection) == []


def test_packs_keep_their_rows_through_both_directions(database):
    """Up and down, also with packs whose tenant is gone: it gets a row for them, under no name of its own."""
    with database.write() as connection:
        tenant = add_tenant(connection, "ten_1", name="studio")
        granted, _ = packs.grant(connection, tenant, PACK, reference="inv-1")
        packs.hold(connection, "ten_1", "run_1", 7)
        close(connection, tenant)
        command.downgrade(schema._config(connection), BEFORE)
        names = connection.scalars(text("SELECT name FROM tenants WHERE id = 'ten_1'")).all()
    schema.upgrade(database)
    with database.read() as connection:
        (kept,) = packs.of_tenant(connection, "ten_1")
        entries = connection.execute(text("SELECT job_id, kind, pack_id, credits FROM pack_entries")).all()
    assert names == ["deleted ten_1"]
    assert (kept.id, kept.held, kept.reference) == (granted.id, 7, "inv-1")
    assert [tuple(row) for row in entries] == [("run_1", "hold", granted.id, 7)]


def test_every_table_of_tenants_is_thought_of():
    """A table with a column of tenants is emptied by the closing or a pass, goes with the jobs, or is kept for the books."""
    emptied = {table.name for table, _ in tenant_deletions.ROWS.values()}
    apart = {"jobs", "assets", "cache_entries", "tenant_deletions"}
    kept = {"audit", "ledger", "packs", "counters", "engine_spending"}
    columns = {"tenant_id", "owner"}
    of_tenants = {table.name for table in metadata.sorted_tables if columns & set(table.columns.keys())} - {"locks"}
    assert of_tenants == emptied | apart | kept
