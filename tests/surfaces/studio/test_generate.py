"""`POST /api/v1/generate`, line by line of the contract's section, on both databases."""

import re

import pytest
from bombs import saved
from PIL import Image, ImageDraw
from surfaces.studio.requests import (
    GENERATE,
    JOBS,
    REQUEST_ID,
    UNKNOWN_JOB,
    base64_of,
    body,
    draw,
    failure,
    generate,
    keep,
    month_of,
    picture,
    poll,
)

from imgen.domain.ids import stored_id
from imgen.records import jobs

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
UNLIMITED = {
    "source": "plan",
    "scope": "team",
    "remaining": None,
    "charged": False,
    "remainingAfterQueue": None,
    "chargedOnSuccess": True,
}


def stored(site, made):
    """The row of a job."""
    return site.core.database.attempt(jobs.find, stored_id(made["jobId"]))


def test_a_job_is_accepted(site):
    """Every field of the answer; the request's id is that of the header, and the job keeps it."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            answer = await client.post(GENERATE, json=body())
            made = answer.json()
            assert answer.status_code == 202
            assert list(made) == ["jobId", "status", "statusUrl", "requestId", "quota", "rateLimit"]
            assert re.fullmatch(UUID, made["jobId"])
            assert re.fullmatch(REQUEST_ID, made["requestId"])
            assert made["requestId"] == answer.headers["x-request-id"]
            assert made | {"jobId": "", "requestId": ""} == {
                "jobId": "",
                "status": "queued",
                "statusUrl": f"{JOBS}/{made['jobId']}",
                "requestId": "",
                "quota": UNLIMITED,
                "rateLimit": {"remainingThisMinute": None},
            }
            polled = await client.get(made["statusUrl"])
            assert polled.headers["x-request-id"] != made["requestId"] == polled.json()["requestId"]
            job = stored(site, made)
            assert (job.surface, job.request_id) == ("studio", made["requestId"])

    site(steps)


@pytest.mark.parametrize("mode", ["style", "avatar", "product", "enhance"])
def test_each_mode_makes_a_picture(site, work, mode):
    """With a preset for an avatar, and nothing but the source to enhance."""
    fields = {
        "style": {},
        "avatar": {"preset": "anime", "prompt": None},
        "product": {},
        "enhance": {"prompt": None},
    }[mode]

    async def steps(site):
        async with site.by_key(site.key()) as client:
            ended = await draw(client, work, mode=mode, **fields)
            assert ended["status"] == "succeeded", ended

    site(steps)


def test_the_source_comes_in_every_form(site, work):
    """In base64 bare, as a data URI and with line ends; kept before; and as an earlier picture of the tenant."""

    async def steps(site):
        tenant = site.tenant()
        async with site.by_key(site.key(tenant)) as client, site.by_key(site.key(tenant)) as colleague:
            for kind in ("PNG", "JPEG", "WEBP"):
                text = base64_of(picture(kind))
                lines = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\n"
                for sent in (text, f"data:image/{kind.lower()};base64,{text}", lines, f"data:;base64,{lines}"):
                    await generate(client, imageBase64=sent)
            source = await draw(client, work)
            key = await keep(client)
            for one in (client, colleague):
                await generate(one, imageBase64=None, imageKey=key)
                await generate(one, imageBase64=None, sourceGenerationId=source["jobId"])
                await generate(one, imageBase64=None, sourceGenerationId=stored_id(source["jobId"]))
            again = await draw(client, work, imageBase64=None, sourceGenerationId=source["jobId"])
            assert again["status"] == "succeeded"

    site(steps)


WRONG = [
    ({"mode": None}, "mode"),
    ({"mode": "paint"}, "mode"),
    ({"mode": 1}, "mode"),
    ({"imageBase64": None}, "imageBase64, imageKey, sourceGenerationId"),
    ({"imageKey": "up_" + "A" * 22}, "imageBase64, imageKey, sourceGenerationId"),
    ({"sourceGenerationId": UNKNOWN_JOB}, "imageBase64, imageKey, sourceGenerationId"),
    ({"imageBase64": ""}, "imageBase64"),
    ({"imageBase64": "!!!"}, "imageBase64"),
    ({"imageBase64": "AAAA"}, "imageBase64"),
    ({"imageBase64": 7}, "imageBase64"),
    ({"prompt": None}, "prompt"),
    ({"prompt": " \n "}, "prompt"),
    ({"prompt": ",,"}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": "x" * 100_000}, "prompt"),
    ({"mode": "product", "prompt": ""}, "prompt"),
    ({"exportSize": "8k"}, "exportSize"),
    ({"exportSize": 4096}, "exportSize"),
    ({"outputAspect": "5:4"}, "outputAspect"),
    ({"outputAspect": ""}, "outputAspect"),
    ({"count": 0}, "count"),
    ({"count": 6}, "count"),
    ({"count": 1.5}, "count"),
    ({"count": "2"}, "count"),
    ({"preset": "anime"}, "preset"),
    ({"mode": "avatar", "preset": "cubist"}, "preset"),
    ({"mode": "avatar", "preset": []}, "preset"),
    ({"strength": -0.01}, "strength"),
    ({"strength": 1.01}, "strength"),
    ({"strength": "0.5"}, "strength"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**32}, "seed"),
    ({"seed": 1.5}, "seed"),
]


def test_a_wrong_value_is_refused_and_makes_nothing(site):
    """Nothing is repaired: 400 in words that name the field, no job and no charge."""

    async def steps(site):
        tenant = site.tenant()
        async with site.by_key(site.key(tenant)) as client:
            for fields, named in WRONG:
                answer = await client.post(GENERATE, json=body(**fields))
                assert failure(answer) == (400, "invalid_request"), fields
                assert named in answer.json()["error"]["message"], fields
            for content in (b"", b"[]", b"null", b"{", b"\xff", b'{"mode": "\\ud800"}', b"[" * 100_000):
                assert failure(await client.post(GENERATE, content=content)) == (400, "invalid_request"), content[:9]
            assert failure(await client.post(GENERATE, content=b" " * (13 * 2**20))) == (413, "too_large")
        assert month_of(site, tenant.id).held == 0

    site(steps)


def test_limits_are_reached_and_unknown_fields_ignored(site):
    """Values at the edge of each range; null is the same as left out."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            for fields in ({"seed": 0}, {"seed": 2**32 - 1}, {"strength": 0}, {"strength": 1}, {"later": {"a": 1}}):
                await generate(client, **fields)
            nothing = dict.fromkeys(("imageKey", "sourceGenerationId", "exportSize", "outputAspect", "count", "preset"))
            answer = await client.post(GENERATE, json=body() | nothing | {"strength": None, "seed": None})
            assert answer.status_code == 202

    site(steps)


def test_the_prompt_is_plain_text(site):
    """`@` and a leading `-` mean nothing."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            for prompt in ("@aya red coat", "-hat", "@nobody, -x"):
                positive = stored(site, await generate(client, prompt=prompt)).recipe.diffusion.positive
                assert positive.startswith(prompt)

    site(steps)


def test_five_variations_of_one_picture(site, work):
    """`count` makes siblings: all are told, the first is `jobId`, and each has a seed, a picture and a charge of its own."""

    async def steps(site):
        tenant = site.tenant("business")
        async with site.by_key(site.key(tenant)) as client:
            made = await generate(client, count=5, seed=2**32 - 2)
            assert made["quota"]["remaining"] == made["quota"]["remainingAfterQueue"] == 995
            assert [one["jobId"] for one in made["jobs"]][0] == made["jobId"]
            assert [one["statusUrl"] for one in made["jobs"]] == [f"{JOBS}/{one['jobId']}" for one in made["jobs"]]
            rows = [stored(site, one) for one in made["jobs"]]
            assert [one.recipe.diffusion.seed for one in rows] == [2**32 - 2, 2**32 - 1, 0, 1, 2]
            assert {one.request_id for one in rows} == {made["requestId"]}
            for one in rows:
                work(one.id)
            ended = [await poll(client, one["jobId"]) for one in made["jobs"]]
            assert [one["status"] for one in ended] == ["succeeded"] * 5
            assert len({one["downloadUrl"].partition("?")[0] for one in ended}) == 5
        assert (month_of(site, tenant.id).pictures, month_of(site, tenant.id).held) == (5, 0)

    site(steps)


def test_what_has_no_effect_is_told(site):
    """In `warnings`, by the names of the wire, as is a product without a plain ground; else there are none."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            made = await generate(client, mode="enhance", strength=0.4, seed=7)
            assert made["warnings"] == ["prompt", "strength", "seed"]
            assert "warnings" not in await generate(client, mode="enhance", prompt=None, count=1)
            made = await generate(client, mode="enhance", prompt=None, count=2)
            assert (made["warnings"], len(made["jobs"])) == (["count"], 2)
            noise = saved(Image.effect_noise((200, 200), 90).convert("RGB"), "PNG")
            made = await generate(client, mode="product", imageBase64=base64_of(noise))
            assert made["warnings"] == ["product_mask"]
            on_white = Image.new("RGB", (240, 240), "white")
            ImageDraw.Draw(on_white).ellipse((70, 60, 170, 190), fill=(180, 40, 30))
            made = await generate(client, mode="product", imageBase64=base64_of(saved(on_white, "PNG")))
            assert "warnings" not in made

    site(steps)


def test_a_repetition_makes_no_second_job(site, work):
    """The first answer with its request's id, by each key of the tenant; another body is a 422, and its source may be gone."""

    async def steps(site):
        tenant = site.tenant("business")
        head = {"Idempotency-Key": "once"}
        async with site.by_key(site.key(tenant)) as client, site.by_key(site.key(tenant)) as colleague:
            key = await keep(client)
            fields = {"imageBase64": None, "imageKey": key, "count": 2}
            first = await client.post(GENERATE, json=body(**fields), headers=head)
            now = site.core.clock()
            site.core.clock = lambda: now + 23 * 3600 + 3599
            again = await colleague.post(GENERATE, json=body(**fields), headers={"Idempotency-Key": '"once"'})
            assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
            assert again.json() | {"rateLimit": 0} == first.json() | {"rateLimit": 0}
            other = await client.post(GENERATE, json=body(seed=1), headers=head)
            assert failure(other) == (422, "idempotency_conflict")
            for wrong in ("", "k" * 256):
                answer = await client.post(GENERATE, json=body(), headers={"Idempotency-Key": wrong})
                assert failure(answer) == (400, "invalid_request")
            work(stored_id(first.json()["jobId"]))
            ended = await client.post(GENERATE, json=body(**fields), headers=head)
            assert (ended.json()["status"], ended.json()["quota"]["charged"]) == ("succeeded", True)

    site(steps)


def test_sources_that_are_not_there_are_not_found(site):
    """404 for a job and a kept picture that no one has; 400 for a job that has no picture yet."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            waiting = await generate(client)
            for fields, status in (
                ({"sourceGenerationId": UNKNOWN_JOB}, 404),
                ({"sourceGenerationId": "x"}, 404),
                ({"sourceGenerationId": "a\0"}, 404),
                ({"imageKey": "up_" + "A" * 22}, 404),
                ({"imageKey": ""}, 404),
                ({"imageKey": "a\0"}, 404),
                ({"sourceGenerationId": waiting["jobId"]}, 400),
            ):
                answer = await client.post(GENERATE, json=body(imageBase64=None, **fields))
                assert failure(answer) == (status, "not_found" if status == 404 else "invalid_request"), fields

    site(steps)
