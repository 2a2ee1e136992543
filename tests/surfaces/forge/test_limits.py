"""Limits over Forge: the time of a tier, and the pictures of a month, which are told by who asks."""

import time

import pytest
from servers.local import prepare, start_local_worker
from servers.stack import INSTANT_MODELS
from surfaces.forge.site import draw, failure, generate
from surfaces.site import run_on_site

from imgen.records import ledger
from imgen.records.tables.ledger import counters

MONTH = 31 * 24 * 3600


def test_a_job_over_its_tiers_time_fails_and_costs_nothing(tmp_path, clean_redis):
    """From its first step on; pictures and credits are as before."""
    data = tmp_path / "var"
    settings = prepare(data, clean_redis, models=INSTANT_MODELS.replace("step_s = 0.0", "step_s = 0.4"))
    (data / "tiers.toml").write_text("[draft]\nsteps = { eros = 6 }\ntime_limit_s = 1\n")

    async def steps(site):
        tenant = site.tenant("free")
        async with site.by_key(site.key(tenant)) as client:
            before = (await client.get(f"/v2/tenants/{tenant.id}/usage")).json()
            ended = await draw(client, work, quality_tier="draft")
            after = (await client.get(f"/v2/tenants/{tenant.id}/usage")).json()
        assert (ended["state"], ended["error"], ended["asset_url"]) == ("failed", "Timed out after 1 s", None)
        assert ended["completed_at"] > ended["created_at"]
        assert after == before | {"total_jobs": 1}

    with start_local_worker(settings) as work:
        run_on_site(settings, steps)


def use_up(site, owner, pictures):
    """Books pictures of this month for an owner."""
    _, month = ledger.periods(site.core.clock())
    row = {"owner": owner, "period": month, "pictures": pictures}
    site.core.database.attempt(lambda connection: connection.execute(counters.insert(), row))


@pytest.mark.parametrize("is_anonymous", [True, False])
def test_the_picture_beyond_the_month_is_refused_until_the_next(site, is_anonymous):
    """The 100th is made, the 101st is told as too fast to nobody and as a quota to a tenant; `Retry-After` leads into the month."""

    async def steps(site):
        tenant, now = site.tenant("free"), time.time()
        site.core.clock = lambda: now
        here = site.client() if is_anonymous else site.by_key(site.key(tenant))
        use_up(site, f"ip_{site.here}" if is_anonymous else tenant.id, 99)
        async with here, site.client(site.elsewhere) as elsewhere:
            await generate(here)
            refused = await here.post("/v2/generate", json={"prompt": "a vase"})
            assert failure(refused) == (429, "RATE_LIMITED" if is_anonymous else "QUOTA_EXCEEDED")
            wait_s = int(refused.headers["retry-after"])
            assert 0 < wait_s <= MONTH + 1
            await generate(elsewhere)  # whom it does not concern
            site.core.clock = lambda: now + wait_s + 1
            await generate(here)

    site(steps)
