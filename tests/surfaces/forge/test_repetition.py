"""Repetitions under an idempotency key after what the request began from is gone."""

import secrets

from surfaces.forge.site import draw, failure

from imgen.domain.ids import stored_id
from imgen.records import jobs
from imgen.services import retention


def test_a_repetition_does_not_look_for_its_source(site, work):
    """The first answer comes again although the source was deleted; a new request of the same is a 404, another body a 422."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            source = await draw(client, work)
            bodies = [
                {"prompt": "a vase", "input_job_id": source["job_id"]},
                {"prompt": "a vase", "input_asset_url": source["asset_url"]},
            ]
            once = [{"Idempotency-Key": secrets.token_hex(8)} for _ in bodies]
            sent = list(zip(bodies, once, strict=True))
            made = [(await client.post("/v2/generate", json=body, headers=key)).json() for body, key in sent]
            await retention.delete_job(site.core, site.core.database.attempt(jobs.find, stored_id(source["job_id"])))
            for (body, key), job in zip(sent, made, strict=True):
                again = await client.post("/v2/generate", json=body, headers=key)
                assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
                assert again.json() == job
                assert failure(await client.post("/v2/generate", json=body)) == (404, "NOT_FOUND")
                reused = await client.post("/v2/generate", json=body | {"seed": 2}, headers=key)
                assert failure(reused) == (422, "CONFLICT")

    site(steps)
