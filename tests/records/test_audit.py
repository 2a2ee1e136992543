"""The audit keeps what it is told, in order, apart by subject."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from imgen.records import api_keys, audit, tenants, users


def test_entries_are_kept_by_subject_in_order(database):
    """Entries come back as they were noted, oldest first, and none of another subject."""
    details = [{"codes": ["hate"], "reason": "„Grund“"}, {"floor": True}]
    with database.write() as connection:
        for number, detail in enumerate(details):
            audit.note(
                connection,
                actor="reviewer",
                action="blocked",
                tenant_id="ten_1",
                subject="run_a",
                detail=detail,
                now=100.0 + number,
            )
        audit.note(connection, actor="key_1", action="deleted", tenant_id="ten_1", subject="run_b", detail={})
    with database.read() as connection:
        kept = audit.of_subject(connection, "run_a")
    assert [entry.detail for entry in kept] == details
    assert [entry.at for entry in kept] == [100.0, 101.0]
    assert {(entry.actor, entry.action, entry.tenant_id) for entry in kept} == {("reviewer", "blocked", "ten_1")}


def test_an_entry_is_undone_with_what_it_tells(database):
    """A transaction that fails leaves no entry behind."""

    def note_twice(connection):
        audit.note(connection, actor="a", action="b", tenant_id="t", subject="run_c", detail={})
        audit.note(connection, actor="a", action="b", tenant_id="t", subject="run_c", detail={"x": object()})

    with pytest.raises(TypeError):
        database.attempt(note_twice)
    with database.read() as connection:
        assert audit.of_subject(connection, "run_c") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'somebody else'",
        "UPDATE audit SET detail = '{}' WHERE subject = 'run_d'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE at < 1e12",
        "REPLACE INTO audit SELECT id, at, 'somebody else', action, tenant_id, subject, detail FROM audit",
        "TRUNCATE audit",
    ],
)
def test_the_database_refuses_to_change_or_lose_an_entry(database, statement):
    """Whatever asks for it; what stands there stays, and new entries follow."""
    only = {"REPLACE": True, "TRUNCATE": False}.get(statement.split()[0])
    if only is not None and only is not database.is_sqlite:
        statement = "DELETE FROM audit"  # the other database does not know the word
    for number in range(2):
        with database.write() as connection:
            audit.note(
                connection, actor="ada", action="made key", tenant_id="t", subject="run_d", detail={"number": number}
            )
        with pytest.raises(IntegrityError, match="the audit only grows"), database.write() as connection:
            connection.execute(text(statement))
    with database.read() as connection:
        kept = audit.of_subject(connection, "run_d")
    assert [(entry.actor, entry.detail) for entry in kept] == [("ada", {"number": 0}), ("ada", {"number": 1})]


def test_a_search_looks_at_all_of_a_row(database):
    """Actor, action, subject and detail, whatever the case; what SQL or JSON would read otherwise is meant as written."""
    rows = [
        ("ada", "made key", "key_1", {"name": 'the "best" shop'}),
        ("bob", "signed in", "usr_1", {"address": "10.0.0.7"}),
        ("bob", "purged cache", "", {"entries": 3, "model": "100%_eros"}),
    ]
    with database.write() as connection:
        for number, (actor, action, subject, detail) in enumerate(rows):
            audit.note(
                connection, actor=actor, action=action, tenant_id="", subject=subject, detail=detail, now=1.0 + number
            )
    wanted = {
        "ADA": [0],
        "Signed": [1],
        "usr_1": [1],
        '"best" SHOP': [0],
        "10.0": [1],
        "0%_e": [2],
        "1_0": [],
    }
    with database.read() as connection:
        found = {words: audit.search(connection, words, limit=10).entries for words in wanted}
    assert {words: [int(one.at) - 1 for one in entries] for words, entries in found.items()} == wanted


def test_a_search_goes_on_where_it_ended(database):
    """It looks at some rows at a time and says how far it came; a full page ends at its last row."""
    with database.write() as connection:
        for number in range(10):
            action = "made key" if number in (0, 1, 9) else "signed in"
            audit.note(connection, actor="ada", action=action, tenant_id="", subject="", detail={}, now=1.0 + number)
    with database.read() as connection:
        first = audit.search(connection, "made", limit=5, looks_at=6)
        assert ([one.at for one in first.entries], first.searched_to) == ([10.0], 5.0)
        second = audit.search(connection, "made", limit=5, looks_at=6, before=first.before)
        assert ([one.at for one in second.entries], second.before, second.searched_to) == ([2.0, 1.0], "", None)
        full = audit.search(connection, "signed", limit=3, looks_at=6)
        assert ([one.at for one in full.entries], full.searched_to) == ([9.0, 8.0, 7.0], None)
        after = audit.search(connection, "signed", limit=3, looks_at=6, before=full.before)
        assert [one.at for one in after.entries] == [6.0, 5.0, 4.0]
        assert audit.search(connection, "nothing", limit=3).entries == []


def test_ids_have_the_names_that_are_known(database):
    """Of keys that are there or deleted, people and tenants; nothing of anything else."""
    with database.write() as connection:
        tenant = tenants.ensure_tenant(connection, "studio", "standard")
        keys = [api_keys.add_key(connection, f"imgen_{name}", tenant=tenant, name=name) for name in ("shop", "old")]
        api_keys.delete_key(connection, keys[1])
        user = users.add(connection, name="ada", role="admin", password_hash="x", must_change_password=False)
        ids = [tenant.id, keys[0].id, keys[1].id, user.id]
        assert audit.names(connection, [*ids, "run_1", ""]) == dict(
            zip(ids, ("studio", "shop", "old", "ada"), strict=True)
        )
