"""Requests that are wrong: each gets the specification's status and a text that says what to change."""

import pytest
from sqlalchemy import text
from surfaces.provenance.asking import (
    BY_BINDING,
    BY_CONTENT,
    FINGERPRINT,
    MANIFESTS,
    SERVICES,
    WATERMARK,
    bearer,
    failure,
)

from imgen.domain.errors import ObjectStoreUnavailable

VALUE = "0" * 12
TWICE = f"{BY_BINDING}?alg={WATERMARK}&alg={WATERMARK}&value={VALUE}"
NAMES = "alg is one of internal.imgen.dwtDctSvd.bch127, internal.imgen.pdq, imgen.dwtDctSvd.bch127, com.facebook.pdq"


def by_binding(**query):
    return "GET", BY_BINDING, {"params": query}


def content(body=b"no picture", kind="image/png", **query):
    return "POST", BY_CONTENT, {"content": body, "params": query, "headers": {"Content-Type": kind}}


WRONG = [
    (by_binding(alg=WATERMARK), 400, "value is required"),
    (by_binding(alg=WATERMARK, value=""), 400, "value is required"),
    (by_binding(value=VALUE), 400, "alg is required"),
    (by_binding(alg="com.adobe.trustmark.P", value=VALUE), 400, NAMES),
    (
        by_binding(alg=WATERMARK, value="!!!"),
        400,
        "value is base64 of 12 hex digits, or of the 6 bytes that they write",
    ),
    (
        by_binding(alg=FINGERPRINT, value=VALUE),
        400,
        "value is base64 of 64 hex digits, or of the 32 bytes that they write",
    ),
    *(
        (by_binding(alg=WATERMARK, value=VALUE, maxResults=wrong), 400, "maxResults is a whole number from 1 on")
        for wrong in ("0", "-1", "ten", "1.5", "", "٣")
    ),
    (("GET", TWICE, {}), 400, "alg is there twice"),
    (by_binding(alg=WATERMARK, value="0" * 2048), 414, "Query too long: send it with POST"),
    (("POST", BY_BINDING, {"json": {"alg": WATERMARK}}), 400, "value is required"),
    (("POST", BY_BINDING, {"json": {"value": VALUE}}), 400, "alg is required"),
    (("POST", BY_BINDING, {"json": []}), 400, "Invalid JSON"),
    (("POST", BY_BINDING, {"content": b"{"}), 400, "Invalid JSON"),
    (("POST", BY_BINDING, {"json": {"alg": 1, "value": VALUE}}), 400, "alg: expected a string, got a whole number"),
    (("POST", BY_BINDING, {"content": bytes(17 * 1024)}), 413, "Request too large"),
    (content(), 400, "Invalid image"),
    (content(kind=""), 400, "Invalid image"),
    (content(kind="application/octet-stream"), 400, "Invalid image"),
    (content(b""), 400, "Invalid image"),
    *(
        (content(kind=kind), 415, "The body is a PNG, JPEG, WebP or AVIF file itself, with its media type")
        for kind in ("image/gif", "multipart/form-data; boundary=x", "application/json", "video/mp4", "nonsense")
    ),
    (content(bytes(13 * 1024 * 1024)), 413, "Request too large"),
    (content(alg="x"), 400, NAMES),
    (content(hintAlg=WATERMARK), 400, "hintValue is required"),
    (content(hintValue=VALUE), 400, "hintAlg is required"),
    (
        content(hintAlg=WATERMARK, hintValue="x"),
        400,
        "hintValue is base64 of 12 hex digits, or of the 6 bytes that they write",
    ),
    (content(maxResults="0"), 400, "maxResults is a whole number from 1 on"),
    (
        ("GET", f"{MANIFESTS}/x", {"params": {"returnActiveManifest": "1"}}),
        400,
        "returnActiveManifest is true or false",
    ),
]


def test_each_is_refused_with_its_reason(site):
    """By a key, before and after the body."""

    async def steps(site):
        async with bearer(site, site.key()) as client:
            for (method, path, more), status, reason in WRONG:
                answer = await client.request(method, path, **more)
                assert failure(answer) == (status, reason), (method, path, str(more)[:200])

    site(steps)


def test_odd_but_right_requests_are_answered(site):
    """More matches than there may be, unknown parameters and fields, a value that nobody has."""

    async def steps(site):
        async with bearer(site, site.key()) as client:
            for query in ({"maxResults": "9" * 400}, {"maxResults": "007"}, {"more": "x"}):
                answer = await client.get(BY_BINDING, params={"alg": WATERMARK, "value": VALUE} | query)
                assert (answer.status_code, answer.json()) == (200, {"matches": []})
            answer = await client.post(BY_BINDING, json={"alg": FINGERPRINT, "value": "5" * 64, "more": 1})
            assert (answer.status_code, answer.json()) == (200, {"matches": []})
            for method, path in (
                ("PUT", BY_BINDING),
                ("GET", BY_CONTENT),
                ("DELETE", f"{MANIFESTS}/x"),
                ("POST", f"{SERVICES}/status"),
            ):
                assert (await client.request(method, path)).status_code == 405, path

    site(steps)


class Away:
    """Object store that does not answer."""

    def exists(self, _key):
        raise ObjectStoreUnavailable


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_the_status_is_that_of_the_parts(site):
    """Both are asked: without objects it is degraded, without records down; the answer is 200 in any case."""

    async def status(site):
        async with site.client() as client:
            answer = await client.get(f"{SERVICES}/status")
        assert answer.status_code == 200
        assert answer.json()["timestamp"].endswith("Z")
        return answer.json()["status"]

    async def steps(site):
        assert await status(site) == "ok"
        objects, site.core.objects = site.core.objects, Away()
        site.set_provenance()  # a process that has not asked yet
        assert await status(site) == "degraded"
        site.core.objects = objects
        with site.core.database.write() as connection:
            connection.execute(text("ALTER TABLE picture_records RENAME TO elsewhere"))
        site.set_provenance()
        try:
            assert await status(site) == "down"
        finally:
            with site.core.database.write() as connection:
                connection.execute(text("ALTER TABLE elsewhere RENAME TO picture_records"))

    site(steps)
