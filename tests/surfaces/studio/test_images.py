"""`POST /api/v1/images`: a source as the body or in its JSON."""

import re

from surfaces.studio.requests import IMAGES, base64_of, failure, generate, keep, picture


def test_a_picture_is_kept_in_every_form(site):
    """Raw with any type, and in JSON with any type: its key, and its size."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            text = base64_of(picture("JPEG"))
            lines = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
            for kind in ("image/jpeg", "application/octet-stream", "text/plain", ""):
                answer = await client.post(IMAGES, content=picture("JPEG"), headers={"Content-Type": kind})
                assert answer.status_code == 200, kind
                assert list(answer.json()) == ["imageKey", "width", "height"]
                assert re.fullmatch(r"up_[A-Za-z0-9_-]{22}", answer.json()["imageKey"])
                assert (answer.json()["width"], answer.json()["height"]) == (96, 64)
            for sent in (text, lines, f"data:image/jpeg;base64,{text}"):
                answer = await client.post(IMAGES, json={"imageBase64": sent, "later": 1})
                assert (answer.status_code, answer.json()["width"]) == (200, 96)
            plain = await client.post(
                IMAGES,
                content=b'{"imageBase64": "' + text.encode() + b'"}',
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            await generate(client, imageBase64=None, imageKey=plain.json()["imageKey"])

    site(steps)


def test_what_is_no_picture_is_refused(site):
    """400 in words that name the field, and 413 over the limits."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            for content in (b"", b"no picture", picture()[:40], b"GIF89a"):
                answer = await client.post(IMAGES, content=content)
                assert failure(answer) == (400, "invalid_request"), content
                assert "The body" in answer.json()["error"]["message"]
            for sent in (
                {},
                {"imageBase64": None},
                {"imageBase64": 5},
                {"imageBase64": ""},
                {"imageBase64": "AAAA"},
                [],
            ):
                answer = await client.post(IMAGES, json=sent)
                assert failure(answer) == (400, "invalid_request"), sent
            too_large = (
                {"content": b"x" * (32 * 2**20 + 1)},
                {"content": b"{" + b" " * (12 * 2**20)},
            )
            for sent in too_large:
                assert failure(await client.post(IMAGES, **sent)) == (413, "too_large")

    site(steps)


def test_a_kept_picture_lives_for_a_day(site):
    """After that it is as unknown as any other."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            key, now = await keep(client), site.core.clock()
            site.core.clock = lambda: now + 86_000
            await generate(client, imageBase64=None, imageKey=key)
            site.core.clock = lambda: now + 86_500
            await generate(client, imageBase64=None, imageKey=key, status=404)

    site(steps)


def test_a_repetition_keeps_one_picture(site):
    """The same key and body give the first answer; another body is a 422."""

    async def steps(site):
        async with site.by_key(site.key()) as client:
            head = {"Idempotency-Key": "kept"}
            answers = [await client.post(IMAGES, content=picture(), headers=head) for _ in range(2)]
            assert answers[0].json() == answers[1].json()
            assert answers[1].headers["idempotency-replayed"] == "true"
            other = await client.post(IMAGES, content=picture("JPEG"), headers=head)
            assert failure(other) == (422, "idempotency_conflict")

    site(steps)
