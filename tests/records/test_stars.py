"""Stars in SQL, and the keys that are a user's own."""

from factories import make_job

from imgen.domain.job import State
from imgen.records import api_keys, job_search, jobs, retention, stars, tenants, users
from imgen.records.job_search import JobFilter
from imgen.records.tables.users import stars as table


def add_user(connection, name, role="member", own=()):
    user = users.add(connection, name=name, role=role, password_hash="x", must_change_password=False)
    users.set_memberships(connection, user.id, own)
    return users.find_user(connection, name)


def starred(connection, user, **wanted):
    found = job_search.search(connection, JobFilter(starred_by=user.id, scope=user.scope, **wanted), limit=9)
    return [job.id for job in found.jobs]


def test_stars_are_a_users_own_and_filter_the_list(database):
    """Starred twice is starred once; another user's stars and other tenants' jobs are not found; the newest come first."""
    with database.write() as connection:
        ten = [tenants.ensure_tenant(connection, name, "standard").id for name in ("one", "two")]
        ada, bob = add_user(connection, "ada", "admin"), add_user(connection, "bob", own=ten[:1])
        made = [make_job(tenant_id=ten[number % 2], created_at=float(number)) for number in range(4)]
        for job in made:
            jobs.add(connection, job)
        ids = [job.id for job in made]
        stars.add(connection, ada.id, ids[:3])
        stars.add(connection, ada.id, ids[1:3])
        stars.add(connection, bob.id, ids[1:])
        stars.add(connection, bob.id, [])
        assert starred(connection, ada) == [ids[2], ids[1], ids[0]]
        assert starred(connection, bob) == [ids[2]]
        assert starred(connection, ada, states=frozenset({State.COMPLETED})) == []
        assert stars.starred_among(connection, ada.id, ids) == set(ids[:3])
        stars.remove(connection, ada.id, ids[:2])
        assert starred(connection, ada) == [ids[2]]
        assert starred(connection, bob) == [ids[2]]


def test_stars_go_with_their_job_and_with_their_user(database):
    """Neither a deleted job nor a removed user leaves any behind."""
    with database.write() as connection:
        ada, bob = (add_user(connection, name, "admin") for name in ("ada", "bob"))
        gone, kept = (make_job(state=State.COMPLETED, ended_at=1.0) for _ in range(2))
        for job in (gone, kept):
            jobs.add(connection, job)
            for user in (ada, bob):
                stars.add(connection, user.id, [job.id])
        retention.delete_jobs(connection, [gone.id])
        users.remove(connection, bob)
        assert [tuple(row) for row in connection.execute(table.select())] == [(ada.id, kept.id)]


def test_own_keys_are_those_one_made_and_those_of_the_command_line(database):
    """Of visible tenants alone, last used first; with their jobs, the newest of all keys first."""
    with database.write() as connection:
        one, two = (tenants.ensure_tenant(connection, name, "standard") for name in ("one", "two"))
        ada, bob = (add_user(connection, name, own=[one.id]) for name in ("ada", "bob"))
        boss = add_user(connection, "boss", "admin")
        keys = {
            name: api_keys.add_key(connection, f"imgen_{name:0<64}", tenant=tenant, name=name, made_by=maker).id
            for name, tenant, maker in (
                ("cli", one, ""), ("adas", one, ada.id), ("bobs", one, bob.id), ("other", two, ""),
            )
        }  # fmt: skip
        api_keys.note_used(connection, [keys["cli"]], now=9e9)
        made = [make_job(tenant_id=one.id, counted_as=keys[name], created_at=at)
                for name, at in (("cli", 1.0), ("adas", 2.0), ("cli", 3.0), ("bobs", 4.0))]  # fmt: skip
        for job in made:
            jobs.add(connection, job)
        own = api_keys.keys_of_user(connection, ada, limit=9)
        assert own == [keys["cli"], keys["adas"]]
        assert api_keys.keys_of_user(connection, ada, limit=1) == [keys["cli"]]
        assert set(api_keys.keys_of_user(connection, boss, limit=9)) == {keys["cli"], keys["other"]}
        assert [api_keys.is_key_of_user(connection, ada, keys[name]) for name in keys] == [True, True, False, False]
        latest = jobs.latest_of_keys(connection, own, limit=2)
        assert [job.id for job in latest] == [made[2].id, made[1].id]
        assert jobs.latest_of_keys(connection, [], limit=2) == []
