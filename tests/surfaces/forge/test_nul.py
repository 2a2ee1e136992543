"""NUL in what clients send to Forge, over both kinds of database: refused, or not found, never an outage."""

from surfaces.forge.site import failure, generate

FIELDS = (
    "prompt", "negative_prompt", "quality_tier", "model", "cf_model", "aspect_ratio", "input_asset_url", "input_job_id",
    "mask_image", "idempotency_key",
)  # fmt: skip


def test_a_nul_is_no_outage(site):
    """In each text of a request, in paths and in the query; a job that comes of it is read back."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            for name in FIELDS:
                answer = await client.post("/v2/generate", json={"prompt": "a vase"} | {name: "a\0 vase"})
                assert answer.status_code in (202, 400, 404), (name, answer.text)
                if answer.status_code == 202:
                    made = answer.json()
                    assert (await client.get(f"/v2/jobs/{made['job_id']}")).json() == made
            for path in ("/v2/jobs/a%00", "/v2/assets/%00", "/v2/tenants/ten_%00/usage"):
                assert failure(await client.get(path)) == (404, "NOT_FOUND")
            assert failure(await client.get("/v2/jobs?cursor=a%00")) == (400, "VALIDATION_ERROR")
        async with site.person() as (user, person):
            site.tenant("unlimited", user)
            for method, path in (("GET", "/v2/tenants/ten_%00/usage"), ("POST", "/v2/tenants/ten_%00/rotate")):
                assert failure(await person.request(method, path)) == (404, "NOT_FOUND")
            await generate(person)

    site(steps)
