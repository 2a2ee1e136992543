"""Askers of the resolver: keys, the public and nobody; whatever a tenant has is to others as if nobody had it."""

import io
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import event
from surfaces.provenance.asking import (
    BY_BINDING,
    BY_CONTENT,
    FINGERPRINT,
    MANIFESTS,
    SERVICES,
    WATERMARK,
    bearer,
    by_binding,
    by_content,
    failure,
    publish,
    stripped,
)
from surfaces.recorder import Recorder

from imgen.domain.errors import RateLimited
from imgen.provenance.inspection import inspect_picture
from imgen.provenance.watermark import embed
from imgen.services.recognition.resolution import MAX_OF_NETWORK, MAX_PUBLIC, PublicTurns

WELL_KNOWN = "/.well-known/c2pa-soft-binding-resolution"
DOCUMENTS = [f"{SERVICES}/{name}" for name in ("supportedAlgorithms", "capabilities", "status")]
NOBODYS = "urn:c2pa:00000000-0000-4000-8000-000000000000"


class Searches:
    """Index of a core, whose searches are noted."""

    def __init__(self, known, noted):
        self._known = known
        self._noted = noted

    def __getattr__(self, name):
        self._noted.append(name)
        return getattr(self._known, name)


def requests_about(record, files):
    """Requests of every route that name a picture."""
    yield "GET", BY_BINDING, {"params": {"alg": WATERMARK, "value": record[0]}}
    yield "GET", BY_BINDING, {"params": {"alg": FINGERPRINT, "value": record[1]}}
    yield "POST", BY_BINDING, {"json": {"alg": WATERMARK, "value": record[0]}}
    yield "POST", BY_BINDING, {"json": {"alg": FINGERPRINT, "value": record[1]}}
    for file in files:
        image = {"content": file, "headers": {"Content-Type": "image/jpeg"}}
        yield "POST", BY_CONTENT, image
        yield "POST", BY_CONTENT, image | {"params": {"hintAlg": WATERMARK, "hintValue": record[0]}}
    for alone in ("true", "false"):
        yield "GET", f"{MANIFESTS}/{record[2]}", {"params": {"returnActiveManifest": alone}}


def test_anothers_picture_is_as_nobodys(site, work):
    """By every route: the same answer, for the same statements of SQL, commands of Redis and searches."""

    async def steps(site):
        owner, other = site.key(), site.key()
        picture = await publish(site, work, owner, seed=21)
        record = picture.record
        theirs = (record.watermark_id, record.fingerprint, record.manifest_id)
        files = stripped(picture.file), stripped(picture.file, quality=10)  # the second has lost its watermark
        noise = blurred(np.random.default_rng(3), like=picture.file)
        unknown = ("0123456789ab", "0123456789abcdef" * 4, NOBODYS)
        strange = jpeg(embed(noise, unknown[0])), jpeg(noise)
        assert [read_mark(file) for file in (*files, *strange)] == [record.watermark_id, None, unknown[0], None]
        noted = []
        event.listen(
            site.core.database.engine,
            "before_cursor_execute",
            lambda *told: noted.append(told[2].partition(" IN (")[0]),  # without the ids of pictures of all tenants
        )
        site.core.known_fingerprints = Searches(site.core.known_fingerprints, noted)
        connected, site.core.live = site.core.live, Recorder(site.core.settings.redis_url, noted)
        async with bearer(site, other) as stranger, bearer(site, owner) as own:
            for client in (stranger, own):
                await by_content(client, strange[1])  # the process knows the key, and all fingerprints
            for foreign, nobodys in zip(requests_about(theirs, files), requests_about(unknown, strange), strict=True):
                first, second = [await cost(stranger, noted, one) for one in (foreign, nobodys)]
                assert first == second, foreign[:2]
                assert "search" in first[2] or foreign[1] != BY_CONTENT
                assert (await cost(own, noted, foreign))[:2] != second[:2]  # the owner finds it
        await site.core.live.close()
        site.core.live = connected

    site(steps)


async def cost(client, noted, request):
    """Status and body of an answer, and all that was asked for it."""
    noted.clear()
    method, path, more = request
    answer = await client.request(method, path, **more)
    return answer.status_code, answer.content, list(noted)


def blurred(rng, like):
    """Pixels of blurred noise, of the size of a picture."""
    with Image.open(io.BytesIO(like)) as image:
        size = image.size
    return np.asarray(
        Image.fromarray(rng.integers(0, 256, (12, 21, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    )


def jpeg(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def read_mark(file):
    return inspect_picture(file).watermark.id


def test_who_is_served(site, work):
    """Without a key nothing is told but the documents; a key needs the scope `read`, and no plan bars it."""

    async def steps(site):
        picture = await publish(site, work, site.key(), seed=22)
        async with site.client() as nobody:
            for method, path, more in requests_about((picture.record.watermark_id, "0" * 64, NOBODYS), [b"x"]):
                answer = await nobody.request(method, path, **more)
                assert (failure(answer), answer.headers["www-authenticate"]) == ((401, "Unauthorized"), "Bearer"), path
            for path in (*DOCUMENTS, WELL_KNOWN):
                answer = await nobody.get(path)
                assert answer.status_code == 200, path
                assert answer.headers["access-control-allow-origin"] == "*"
        async with bearer(site, site.key(scopes=("generate",))) as writer:
            answer = await writer.get(f"{MANIFESTS}/{NOBODYS}")
            assert failure(answer) == (403, "API key may not do this.")
        async with bearer(site, "imgen_" + "0" * 64) as unknown:
            assert failure(await unknown.get(f"{MANIFESTS}/{NOBODYS}")) == (401, "Invalid API key")
        async with bearer(site, site.key(site.tenant("free"))) as free:
            answer = await free.get(f"{MANIFESTS}/{NOBODYS}")
            assert answer.status_code == 404
            assert "ratelimit" in answer.headers

    site(steps)


def test_the_public_finds_pictures_of_all_tenants(site, work):
    """Anybody, and every key; each address has a rate, and a wrong key is refused all the same."""

    async def steps(site):
        site.set_provenance(resolution="public", public_requests_per_minute=4)
        pictures = [await publish(site, work, site.key(), seed=seed) for seed in (23, 24)]
        async with site.client() as here, site.client(site.elsewhere) as elsewhere, bearer(site, site.key()) as key:
            for client in (here, key):
                for picture in pictures:
                    (match,) = await by_binding(client, WATERMARK, picture.record.watermark_id)
                    assert match["manifestId"] == picture.record.manifest_id
            (match, *_) = await by_content(here, stripped(pictures[0].file))
            assert match["manifestId"] == pictures[0].record.manifest_id
            answer = await here.get(f"{MANIFESTS}/{match['manifestId']}")
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
            refused = await here.get(f"{MANIFESTS}/{match['manifestId']}")
            assert failure(refused) == (429, "Rate limit exceeded")
            assert int(refused.headers["retry-after"]) >= 1
            assert (await elsewhere.get(f"{MANIFESTS}/{match['manifestId']}")).status_code == 200
            assert (await key.get(f"{MANIFESTS}/{match['manifestId']}")).status_code == 200
            for path in DOCUMENTS:
                assert (await here.get(path)).status_code == 200
        async with bearer(site, "imgen_" + "0" * 64) as unknown:
            assert failure(await unknown.get(f"{MANIFESTS}/{match['manifestId']}"))[0] == 401

    site(steps)


def test_pages_of_any_origin_may_ask_a_public_resolver(site):
    """A browser's question before a POST of a picture is answered; where keys are needed it is a wrong method."""

    async def steps(site):
        asked = {"Origin": "https://reader.example", "Access-Control-Request-Method": "POST"}
        async with site.client() as client:
            assert (await client.options(BY_CONTENT, headers=asked)).status_code == 405
        site.set_provenance(resolution="public")
        async with site.client() as client:
            for path in (BY_CONTENT, BY_BINDING):
                answer = await client.options(path, headers=asked)
                assert answer.status_code == 200
                assert answer.headers["access-control-allow-origin"] == "*"
                assert "POST" in answer.headers["access-control-allow-methods"]
                assert "content-type" in answer.headers["access-control-allow-headers"].lower()

    site(steps)


def test_strangers_leave_the_queue_to_keys():
    """No more than some of their files are looked at or wait, few of one network; a turn that has ended is free again."""
    turns = PublicTurns()
    with ExitStack() as entered:
        for number in range(MAX_PUBLIC):
            entered.enter_context(turns.one(f"10.0.0.{number // MAX_OF_NETWORK}"))
            if number == MAX_OF_NETWORK - 1:
                with pytest.raises(RateLimited):
                    entered.enter_context(turns.one("10.0.0.0"))
        with pytest.raises(RateLimited):
            entered.enter_context(turns.one("10.0.1.1"))
    with turns.one("10.0.0.0"), turns.one("10.0.1.1"):
        pass


def test_an_installation_can_switch_it_off(site):
    """Every path is 404, with a key and without."""

    async def steps(site):
        site.set_provenance(resolution="off")
        async with site.client() as nobody, bearer(site, site.key()) as key:
            for client in (nobody, key):
                for path in (*DOCUMENTS, WELL_KNOWN, BY_BINDING, f"{MANIFESTS}/{NOBODYS}"):
                    assert (await client.get(path)).status_code == 404, path
                assert (await client.post(BY_CONTENT, content=b"x")).status_code == 404

    site(steps)
