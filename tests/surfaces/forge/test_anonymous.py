"""Callers of Forge without a credential: their jobs and pictures, and where none are served."""

from surfaces.forge.site import draw, failure, generate

UNKNOWN_JOB = "59fde0ab-4bfc-4721-9d6c-2d7509a2fb64"
UNAUTHORIZED, FORBIDDEN = (401, "UNAUTHORIZED"), (403, "FORBIDDEN")


def test_nobody_is_served_where_the_operator_allows_it(site):
    """Their jobs are read and cancelled by their ids from any address; there is no list, and no tenant's job or picture."""

    async def steps(site):
        async with site.client() as here, site.client(site.elsewhere) as elsewhere, site.by_key(site.key()) as tenant:
            made = await generate(here, seed=3)
            assert (await elsewhere.get(f"/v2/jobs/{made['job_id']}")).json() == made
            assert failure(await here.get("/v2/jobs")) == UNAUTHORIZED
            assert failure(await here.get("/v2/tenants")) == UNAUTHORIZED
            assert failure(await here.get("/v2/tenants/ten_anonymous/usage")) == UNAUTHORIZED
            own = await generate(tenant)
            for client, job in ((tenant, made), (here, own)):
                assert failure(await client.get(f"/v2/jobs/{job['job_id']}")) == (404, "NOT_FOUND")
                assert failure(await client.delete(f"/v2/jobs/{job['job_id']}")) == (404, "NOT_FOUND")
            assert (await elsewhere.delete(f"/v2/jobs/{made['job_id']}")).json()["error"] == "Cancelled"

    site(steps)


def test_pictures_of_nobody_are_inputs_of_nobody_alone(site, work):
    """By job and by address; a tenant's picture is none of theirs."""

    async def steps(site):
        async with site.client() as here, site.client(site.elsewhere) as elsewhere, site.by_key(site.key()) as tenant:
            theirs, own = await draw(here, work), await draw(tenant, work)
            for client, source, status in (
                (elsewhere, theirs, 202),
                (tenant, own, 202),
                (tenant, theirs, 404),
                (here, own, 404),
            ):
                for field in ({"input_job_id": source["job_id"]}, {"input_asset_url": source["asset_url"]}):
                    answer = await client.post("/v2/generate", json={"prompt": "a vase"} | field)
                    assert answer.status_code == status, field
                    assert status == 202 or failure(answer) == (404, "NOT_FOUND")

    site(steps)


def test_where_nobody_is_served_a_credential_is_needed(site):
    """Health and public pictures alone need none."""

    async def steps(site):
        site.set_forge(anonymous=False)
        async with site.client() as client:
            for method, path in (
                ("POST", "/v2/generate"),
                ("GET", "/v2/jobs"),
                ("GET", f"/v2/jobs/{UNKNOWN_JOB}"),
                ("DELETE", f"/v2/jobs/{UNKNOWN_JOB}"),
                ("GET", "/v2/models"),
                ("GET", "/v2/tenants/ten_unknown/usage"),
            ):
                assert failure(await client.request(method, path)) == UNAUTHORIZED, path
            assert (await client.get("/v2/health")).json()["status"] == "ok"
            assert failure(await client.get(f"/v2/assets/{'0' * 64}")) == (404, "NOT_FOUND")

    site(steps)
