"""Pictures by their digest: whole, in parts, unchanged or gone; for everybody, or for their tenant alone."""

import hashlib
import time

from servers.local import prepare, start_local_worker
from surfaces.forge.site import draw, failure, generate
from surfaces.site import run_on_site, second_process

from imgen.domain.ids import stored_id
from imgen.domain.job import State
from imgen.records import jobs
from imgen.services import retention

NOT_FOUND = (404, "NOT_FOUND")
DAY_S = 86_400


async def check_file(client, url, lasts):
    """Checks every way to ask for a picture."""
    whole = await client.get(url)
    digest = url.rpartition("/")[2]
    assert (whole.status_code, hashlib.sha256(whole.content).hexdigest()) == (200, digest)
    expected = {
        "content-type": "image/png",
        "content-length": str(len(whole.content)),
        "cache-control": lasts,
        "etag": f'"{digest}"',
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    changed_at = whole.headers["last-modified"]
    for answer in (whole, await client.head(url), await client.get(f"/v2/assets/{digest.upper()}")):
        assert answer.status_code == 200
        assert {name: answer.headers[name] for name in expected} == expected
        assert answer.headers["last-modified"] == changed_at
        assert answer.headers["x-request-id"]
    assert (await client.head(url)).content == b""
    for known in (f'"{digest}"', f'W/"{digest}"', f'"other", "{digest}"', "*"):
        answer = await client.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", f'"{digest}"')
        assert answer.headers["cache-control"] == lasts
    assert (await client.get(url, headers={"If-None-Match": f'"{"0" * 64}"'})).status_code == 200
    await check_parts(client, url, whole.content, changed_at)


async def check_parts(client, url, body, changed_at):
    """Checks parts: one that is there, one that is not, and a `Range` that is none."""
    size, etag = len(body), f'"{url.rpartition("/")[2]}"'
    for asked, start, end in (("0-9", 0, 10), (f"{size - 5}-", size - 5, size), ("-7", size - 7, size)):
        for condition in ({}, {"If-Range": etag}, {"If-Range": changed_at}):
            answer = await client.get(url, headers={"Range": f"bytes={asked}"} | condition)
            assert (answer.status_code, answer.content) == (206, body[start:end])
            assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert answer.headers["etag"] == etag
    changed = await client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, body)
    beyond = await client.get(url, headers={"Range": f"bytes={size}-"})
    assert failure(beyond) == (416, "RANGE_NOT_SATISFIABLE")
    assert beyond.headers["content-range"] == f"bytes */{size}"
    assert "default-src 'none'" in beyond.headers["content-security-policy"]
    for none in ("bytes", "bytes=", "bytes=a-b", "lines=1-2", "bytes=9-3"):
        answer = await client.get(url, headers={"Range": none})
        assert (answer.status_code, answer.content) == (200, body), none


async def check_private(site, drawn, key):
    """Checks that its tenant alone gets a picture, in every form of the request."""
    async with site.by_key(key) as own, site.by_key(site.key()) as other, site.client() as nobody:
        await check_file(own, drawn["asset_url"], "private, no-store")
        for client in (other, nobody):
            for headers in ({}, {"If-None-Match": "*"}, {"Range": "bytes=0-9"}):
                assert failure(await client.get(drawn["asset_url"], headers=headers)) == NOT_FOUND
        async with site.by_key(site.key(scopes=("generate",))) as blind:
            assert failure(await blind.get(drawn["asset_url"])) == (403, "FORBIDDEN")
        async with site.client(**{"X-API-Key": "imgf_" + "0" * 64}) as stranger:
            assert failure(await stranger.get(drawn["asset_url"])) == (401, "UNAUTHORIZED")


def test_a_picture_is_public_unless_the_operator_says_otherwise(site, work):
    """Public to whoever knows the digest; private to a key, and a session, of its tenant."""

    async def steps(site):
        tenant = site.tenant()
        key = site.key(tenant)
        async with site.by_key(key) as client, site.client() as nobody:
            drawn = await draw(client, work)
            await check_file(nobody, drawn["asset_url"], "public, max-age=3600")
        site.set_forge(assets="private")
        await check_private(site, drawn, key)
        async with site.person() as (user, person):
            assert failure(await person.get(drawn["asset_url"])) == (403, "FORBIDDEN")  # without any tenant
            site.join(user, tenant)
            assert (await person.get(drawn["asset_url"])).status_code == 200

    site(steps)


def test_what_is_no_picture_is_not_found(site):
    """Unknown and malformed digests, in the form of all errors."""

    async def steps(site):
        async with site.client() as client:
            for digest in ("0" * 64, "0" * 63, "0" * 65, "g" * 64, "x", "%00", "é" * 64):
                for headers in ({}, {"If-None-Match": "*"}, {"Range": "bytes=0-9"}):
                    assert failure(await client.get(f"/v2/assets/{digest}", headers=headers)) == NOT_FOUND, digest
                assert (await client.head(f"/v2/assets/{digest}")).status_code == 404

    site(steps)


def test_a_deleted_picture_is_gone_at_once_in_every_process(site, work):
    """Deleted as the panel does, or past its time: the digest is unknown again, also to who has a copy."""

    async def steps(site):
        async with site.by_key(site.key()) as client, second_process(site) as other, other.client() as there:
            deleted, expired = await draw(client, work, seed=1), await draw(client, work, seed=2)
            for one in (client, there):
                for job in (deleted, expired):
                    assert (await one.get(job["asset_url"])).status_code == 200
            job = site.core.database.attempt(jobs.find, stored_id(deleted["job_id"]))
            await retention.delete_job(site.core, job)
            assert await gone(deleted, client, there) == [NOT_FOUND] * 4
            assert (await there.get(expired["asset_url"])).status_code == 200
            now = time.time() + (site.core.settings.jobs.keep_pictures_days + 1) * DAY_S
            site.core.clock = lambda: now
            await retention.PARTS["pictures"](site.core)
            assert await gone(expired, client, there) == [NOT_FOUND] * 4
            source = {"prompt": "a vase", "input_asset_url": deleted["asset_url"]}
            assert failure(await client.post("/v2/generate", json=source)) == NOT_FOUND

    site(steps)


async def gone(job, *clients):
    """Failures of requests for a picture, also by who says that it has a copy."""
    return [
        failure(await one.get(job["asset_url"], headers=headers))
        for one in clients
        for headers in ({}, {"If-None-Match": "*"})
    ]


def test_a_withheld_picture_has_no_address(site, work):
    """It is drawn and stored, but not found by its digest, not even by its tenant."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            ended = await draw(client, work, prompt="nude marble statue of a woman")
            job = site.core.database.attempt(jobs.find, stored_id(ended["job_id"]))
            assert (ended["state"], ended["asset_url"], job.state) == ("failed", None, State.BLOCKED)
            assert ended["error"] == "Content blocked — flagged for: Sexual content"
            file = site.core.objects.get(job.outcome.blocked.unsafe_key)
            answer = await client.get(f"/v2/assets/{hashlib.sha256(file).hexdigest()}")
            assert failure(answer) == NOT_FOUND
            await generate(client)

    site(steps)


def test_pictures_of_a_bucket_are_served_the_same(tmp_path, clean_redis, s3_settings):
    """Parts, conditions and headers, and 404 once the job is deleted."""
    settings = prepare(tmp_path / "var", clean_redis, s3_settings)

    async def steps(site):
        key = site.key()
        async with site.by_key(key) as client, site.client() as nobody:
            drawn = await draw(client, work)
            await check_file(nobody, drawn["asset_url"], "public, max-age=3600")
            job = site.core.database.attempt(jobs.find, stored_id(drawn["job_id"]))
            await retention.delete_job(site.core, job)
            assert await gone(drawn, nobody) == [NOT_FOUND] * 2

    with start_local_worker(settings) as work:
        run_on_site(settings, steps)
