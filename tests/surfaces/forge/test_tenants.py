"""Tenants over Forge: made with a key that is shown once, the key replaced, and the use of plan and packs."""

import re
import secrets
import time

from surfaces.forge.site import draw, failure, generate
from surfaces.site import second_process

from imgen.records import api_keys, audit, memberships, packs, tenants
from imgen.records.tables.ledger import counters
from imgen.services.accounts.strangers import BURST, LOOKUPS_BURST, Strangers
from imgen.services.accounts.tenant_keys import FIRST_KEY

FIELDS = ["tenant_id", "name", "api_key", "api_key_prefix", "scopes", "tier"]
DECEMBER_ENDS = 1798761600.0
"""2027-01-01T00:00:00Z."""


def entitlements(answer, kind="standard"):
    """Entitlements of a kind in the use of a tenant."""
    return [one for one in answer.json()["entitlements"] if one["type"] == kind]


def test_a_tenant_comes_with_its_key(site):
    """Without a body or with a name; the raw key is shown this once, and works at once."""

    async def steps(site):
        async with site.person() as (user, client):
            made = await client.post("/v2/tenants")
            assert (made.status_code, list(made.json())) == (201, FIELDS)
            fields = made.json()
            assert re.fullmatch("imgf_[0-9a-f]{64}", fields["api_key"])
            assert fields["api_key_prefix"] == fields["api_key"][:13]
            assert (fields["scopes"], fields["tier"]) == (["generate", "read"], "free")
            assert user.name in fields["name"]
            async with site.by_key(fields["api_key"]) as by_key:
                job = await generate(by_key)
            name = f"Acme {secrets.token_hex(4)}"
            named = await client.post("/v2/tenants", json={"name": f" {name} ", "later": 1})
            assert named.json()["name"] == name
            listed = (await client.get("/v2/tenants")).json()
            assert listed == {
                "tenants": [
                    {"tenant_id": one["tenant_id"], "name": one["name"], "tier": "free", "role": "owner"}
                    for one in (fields, named.json())
                ]
            }
            assert fields["api_key"] not in (await client.get("/v2/tenants")).text
            assert (await client.get("/v2/jobs")).json()["jobs"] == [job]  # of the oldest

    site(steps)


def test_a_new_key_works_where_unknown_ones_are_throttled(site):
    """In every process, although it is read for the first time."""

    async def steps(site):
        async with site.person() as (_, client), second_process(site) as other:
            for process in (site, other):
                process.core.strangers = Strangers(clock=lambda: 0.0)  # nothing is forgiven meanwhile
            async with site.client() as here, other.client() as there:
                for one in (here, there):
                    await one.get("/v2/models")
                    for number in range(BURST + LOOKUPS_BURST + 1):
                        refused = await one.get("/v2/models", headers={"X-API-Key": f"imgf_{number:064x}"})
                    assert failure(refused) == (429, "RATE_LIMITED")
                key = {"X-API-Key": (await client.post("/v2/tenants")).json()["api_key"]}
                for one in (here, there):
                    assert (await one.get("/v2/jobs", headers=key)).status_code == 200

    site(steps)


def test_a_person_owns_three(site):
    """The fourth is a 403; a taken or wrong name is a 400 that names the field. None of them makes anything."""

    async def steps(site):
        async with site.person() as (_, client), site.person() as (_, other):
            name = f"Acme {secrets.token_hex(4)}"
            assert (await client.post("/v2/tenants", json={"name": name})).status_code == 201
            for body in ({"name": name}, {"name": "x" * 201}, {"name": 5}, {"name": [name]}, {"name": "a\0b"}):
                answer = await other.post("/v2/tenants", json=body)
                assert failure(answer) == (400, "VALIDATION_ERROR"), body
                assert answer.json()["error"]["field"] == "name"
            assert failure(await other.post("/v2/tenants", content=b"[]")) == (400, "VALIDATION_ERROR")
            assert (await other.get("/v2/tenants")).json() == {"tenants": []}
            for body in (None, {"name": None}, {"name": "  "}):
                assert (await other.post("/v2/tenants", json=body)).status_code == 201, body
            assert failure(await other.post("/v2/tenants")) == (403, "FORBIDDEN")
            assert len((await other.get("/v2/tenants")).json()["tenants"]) == 3

    site(steps)


def test_the_old_key_is_dead_at_once_in_every_process(site):
    """Other keys of the tenant stay; rotation is for its owners."""

    async def steps(site):
        async with site.person() as (_, client), second_process(site) as other:
            made = (await client.post("/v2/tenants")).json()
            path = f"/v2/tenants/{made['tenant_id']}"
            further = site.key(site.core.database.attempt(tenants.find_tenant_by_id, made["tenant_id"]))
            async with site.client() as here, other.client() as there:

                async def statuses(key):
                    head = {"X-API-Key": key}
                    return [(await one.get("/v2/jobs", headers=head)).status_code for one in (here, there)]

                assert await statuses(made["api_key"]) == [200, 200]
                new = await client.post(f"{path}/rotate")
                assert (new.status_code, list(new.json())) == (200, FIELDS)
                assert new.json()["tenant_id"] == made["tenant_id"]
                assert new.json()["api_key"] != made["api_key"]
                assert await statuses(made["api_key"]) == [401, 401]
                assert await statuses(new.json()["api_key"]) == [200, 200]
                assert await statuses(further) == [200, 200]
            async with site.person() as (user, member):
                site.core.database.attempt(memberships.join, user.id, made["tenant_id"], "member")
                assert failure(await member.post(f"{path}/rotate")) == (403, "FORBIDDEN")
                assert (await member.get(f"{path}/usage")).status_code == 200

    site(steps)


def test_a_new_key_works_where_the_old_one_was_switched_off(site):
    """Switched off in the panel, or by the command: who replaces a key wants one that works, in every process."""

    async def steps(site):
        async with site.person() as (_, client), second_process(site) as other:
            made = (await client.post("/v2/tenants")).json()
            key = site.core.database.attempt(api_keys.find_key_named, made["tenant_id"], FIRST_KEY)
            site.core.database.attempt(api_keys.set_enabled, key.id, enabled=False)
            new = (await client.post(f"/v2/tenants/{made['tenant_id']}/rotate")).json()
            async with site.client() as here, other.client() as there:
                for one in (here, there):
                    statuses = [
                        (await one.get("/v2/jobs", headers={"X-API-Key": raw})).status_code
                        for raw in (made["api_key"], new["api_key"])
                    ]
                    assert statuses == [401, 200]
            entry = next(
                one for one in site.core.database.attempt(audit.of_subject, key.id) if one.action == "rotated key"
            )
            assert (entry.detail["before"]["enabled"], entry.detail["after"]["enabled"]) == (False, True)

    site(steps)


def test_requests_for_tenants_have_a_rate(site):
    """They count under the person, with those for a tenant: at the rate of sign-ups without a tenant, else at its plan's."""

    async def steps(site):
        now = time.time()
        site.core.clock = lambda: now
        site.set_plan(site.core.settings.accounts.sign_up_plan, requests_per_minute=3)
        async with site.person() as (user, client):
            routes = [("GET", "/v2/tenants"), ("POST", "/v2/tenants/ten_unknown/rotate")]
            routes += [("GET", "/v2/tenants/ten_unknown/usage"), ("POST", "/v2/tenants")]
            answers = [await client.request(*route) for route in routes]
            assert [one.status_code for one in answers] == [200, 404, 404, 429]
            assert failure(answers[-1]) == (429, "RATE_LIMITED")
            assert [one.headers["ratelimit"].partition(";t=")[0] for one in answers] == [
                f'"default";r={remaining}' for remaining in (2, 1, 0, 0)
            ]
            assert failure(await client.get("/v2/tenants")) == (429, "RATE_LIMITED")
            site.tenant("unlimited", user)
            assert "ratelimit" not in (await client.get("/v2/tenants")).headers

    site(steps)


def test_a_repetition_is_a_conflict(site):
    """A raw key is not stored, so it cannot be told again: 409, and nothing is made or replaced."""

    async def steps(site):
        async with site.person() as (_, client):
            once = {"Idempotency-Key": secrets.token_hex(8)}
            made = (await client.post("/v2/tenants", headers=once)).json()
            assert failure(await client.post("/v2/tenants", headers=once)) == (409, "CONFLICT")
            reused = await client.post("/v2/tenants", headers=once, json={"name": "Other"})
            assert failure(reused) == (422, "CONFLICT")
            assert len((await client.get("/v2/tenants")).json()["tenants"]) == 1
            path = f"/v2/tenants/{made['tenant_id']}/rotate"
            new = (await client.post(path, headers=once)).json()
            assert failure(await client.post(path, headers=once)) == (409, "CONFLICT")
            async with site.by_key(new["api_key"]) as by_key:
                assert (await by_key.get("/v2/jobs")).status_code == 200

    site(steps)


def test_use_is_told_to_people_and_keys_of_the_tenant(site, work):
    """The plan's month and each pack, by session and by key; of other tenants it is a 404, as of unknown ones."""

    async def steps(site):
        site.set_plan("free", credits_per_month=1)
        async with site.person() as (_, client), site.person() as (_, other):
            made = (await client.post("/v2/tenants")).json()
            await other.post("/v2/tenants")
            path = f"/v2/tenants/{made['tenant_id']}/usage"
            tenant_id = made["tenant_id"]
            tenant = site.core.database.attempt(tenants.find_tenant_by_id, tenant_id)
            pack = site.core.configured.packs["pack_500"]
            site.core.database.attempt(packs.grant, tenant, pack, reference=secrets.token_hex(8))
            async with site.by_key(made["api_key"]) as by_key:
                await draw(by_key, work, quality_tier="standard")
                answer = await client.get(path)
                assert (await by_key.get(path)).json() == answer.json()
                foreign = f"/v2/tenants/{(await other.get('/v2/tenants')).json()['tenants'][0]['tenant_id']}/usage"
                for one in (by_key, client):
                    refused = [await one.get(path) for path in (foreign, "/v2/tenants/ten_unknown/usage")]
                    assert [failure(answer) for answer in refused] == [(404, "NOT_FOUND")] * 2
                    assert refused[0].json() == refused[1].json()
            told = answer.json()
            assert list(told) == ["tenant_id", "tier", "total_jobs", "entitlements"]
            assert (told["tenant_id"], told["tier"], told["total_jobs"]) == (tenant_id, "free", 1)
            (pictures,) = entitlements(answer)
            assert (pictures["quota_limit"], pictures["quota_used"], pictures["remaining"]) == (100, 1, 99)
            plan, pack = entitlements(answer, "credits")
            assert (plan["quota_limit"], plan["quota_used"], plan["remaining"], plan["source"]) == (1, 1, 0, "plan")
            assert (pack["quota_limit"], pack["quota_used"], pack["remaining"]) == (500, 1, 499)
            assert (pack["source"], pack["period_end"]) == ("pack_500", None)

    site(steps)


def test_months_are_those_of_utc(site):
    """December ends with the year; the next second begins a month with nothing used."""

    async def steps(site):
        async with site.person() as (_, client):
            made = (await client.post("/v2/tenants")).json()
            path = f"/v2/tenants/{made['tenant_id']}/usage"
            row = {"owner": made["tenant_id"], "period": "2026-12", "pictures": 7}
            site.core.database.attempt(lambda connection: connection.execute(counters.insert(), row))
            seen = []
            for now in (DECEMBER_ENDS - 1, DECEMBER_ENDS):
                site.core.clock = lambda now=now: now
                async with site.by_key(made["api_key"]) as by_key:
                    (pictures,) = entitlements(await by_key.get(path))
                seen.append((pictures["period_start"][:10], pictures["period_end"][:10], pictures["quota_used"]))
            assert seen == [("2026-12-01", "2027-01-01", 7), ("2027-01-01", "2027-02-01", 0)]
            assert pictures["period_start"].endswith("T00:00:00.000Z")

    site(steps)
