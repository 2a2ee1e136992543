"""Pictures whose metadata was stripped: their manifests are found again, and are those of the pictures."""

import base64
import io
import json
from urllib.parse import quote

import c2pa
from sqlalchemy import update
from surfaces.forge.site import draw
from surfaces.provenance.asking import (
    BY_BINDING,
    FINGERPRINT,
    MANIFESTS,
    WATERMARK,
    bearer,
    by_binding,
    by_content,
    publish,
    stripped,
    told,
)

from imgen.domain.soft_binding import Algorithm
from imgen.provenance import credentials
from imgen.provenance.inspection import inspect_picture
from imgen.provenance.untrusted_image import media_type
from imgen.records import jobs
from imgen.records.tables.picture_records import picture_records
from imgen.services import retention


def read_by(store, file, anchor):
    """The report of the c2pa library on a file with a manifest store that lies elsewhere."""
    settings = credentials.SETTINGS | {"trust": {"user_anchors": anchor.decode()}}
    with c2pa.Reader(media_type(file), io.BytesIO(file), store, context=c2pa.Context.from_dict(settings)) as reader:
        return json.loads(reader.json())


def bindings_of(report):
    """Algorithm → value of the soft bindings of the active manifest."""
    assertions = report["manifests"][report["active_manifest"]]["assertions"]
    found = [one["data"] for one in assertions if one["label"].startswith("c2pa.soft-binding")]
    return {one["alg"]: one["blocks"][0]["value"] for one in found}


def failures_of(report):
    return {one["code"] for one in report["validation_results"]["activeManifest"]["failure"]}


def test_a_reader_gets_the_credentials_of_a_stripped_picture_back(site, home, work):
    """Found by the file alone; the store proves the original, and its bindings are those of the stripped picture."""

    async def steps(site):
        key = site.key()
        picture = await publish(site, work, key, seed=11)
        bare = stripped(picture.file, scale=0.9, quality=85)
        assert inspect_picture(bare).credentials.state == "None"
        async with bearer(site, key) as client:
            (match,) = await by_content(client, bare)
            answer = await client.get(f"{MANIFESTS}/{match['manifestId']}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/c2pa")
        anchor = (home.data_dir / "credentials" / "anchor.pem").read_bytes()
        whole = read_by(answer.content, picture.file, anchor)
        assert (whole["validation_state"], whole["active_manifest"]) == ("Trusted", match["manifestId"])
        found = inspect_picture(bare)
        changed = read_by(answer.content, bare, anchor)
        assert failures_of(changed) == {"assertion.dataHash.mismatch"}
        bound = bindings_of(changed)
        assert bound == bindings_of(whole)
        assert bound[WATERMARK] == found.watermark.id
        assert (int(bound[FINGERPRINT], 16) ^ int(found.fingerprint.hash, 16)).bit_count() <= 31
        assert match["similarityScore"] == 100

    site(steps)


def test_values_are_taken_as_clients_write_them(site, work):
    """The assertion's text, base64 of it, base64 of the bytes; over GET and POST; under former names of the algorithms."""

    async def steps(site):
        key = site.key()
        record = (await publish(site, work, key, seed=12)).record
        expected = [{"manifestId": record.manifest_id, "similarityScore": 100}]
        async with bearer(site, key) as client:
            listed = (await client.get("/c2pa/v1/services/supportedAlgorithms")).json()
            assert (listed["watermarks"][0]["alg"], listed["fingerprints"][0]["alg"]) == (WATERMARK, FINGERPRINT)
            for kind, value in (("watermarks", record.watermark_id), ("fingerprints", record.fingerprint)):
                raw = bytes.fromhex(value)
                written = (
                    value,
                    value.upper(),
                    base64.b64encode(value.encode()).decode(),
                    base64.b64encode(raw).decode(),
                    base64.urlsafe_b64encode(raw).decode().rstrip("="),
                )
                for alg in (one["alg"] for one in listed[kind]):
                    for sent in written:
                        assert await by_binding(client, alg, sent) == expected, (alg, sent)
                        assert told(await client.post(BY_BINDING, json={"alg": alg, "value": sent})) == expected

    site(steps)


def flipped(fingerprint, bits):
    """A fingerprint so many bits away."""
    return bytes(byte ^ (place < bits) for place, byte in enumerate(bytes.fromhex(fingerprint))).hex()


def test_the_best_match_comes_first(site, work):
    """Two pictures of one look: by score, as many as are wanted; a fingerprint 32 bits away is of neither."""

    async def steps(site):
        key = site.key()
        records = [(await publish(site, work, key, seed=13)).record for _ in range(2)]
        looks = [flipped(records[0].fingerprint, bits) for bits in (0, 10, 31, 32)]
        async with bearer(site, key) as client:
            found = [await by_binding(client, FINGERPRINT, value) for value in looks]
            best = [(one[0]["manifestId"], one[0]["similarityScore"]) for one in found[:3]]
            assert [score for _, score in best] == [100, 96, 87]
            assert {name for name, _ in best} == {records[0].manifest_id}
            assert {one["manifestId"] for one in found[0]} == {record.manifest_id for record in records}
            assert found[0][1]["similarityScore"] <= 100
            assert await by_binding(client, FINGERPRINT, looks[0], maxResults=1) == found[0][:1]
            assert records[0].manifest_id not in {one["manifestId"] for one in found[3]}

    site(steps)


def test_algorithms_and_hints_of_a_file(site, work):
    """`alg` narrows; a hint finds another picture besides; one of a foreign algorithm is ignored."""

    async def steps(site):
        key = site.key()
        first, second = [await publish(site, work, key, seed=seed, prompt=f"a {seed} hat") for seed in (14, 15)]
        bare = stripped(first.file)
        async with bearer(site, key) as client:
            for alg in (WATERMARK, FINGERPRINT):
                found = await by_content(client, bare, alg=alg)
                assert found[0]["manifestId"] == first.record.manifest_id
            hint = {"hintAlg": WATERMARK, "hintValue": second.record.watermark_id}
            found = [one["manifestId"] for one in await by_content(client, bare, **hint)]
            assert {first.record.manifest_id, second.record.manifest_id} <= set(found)
            assert found[0] == first.record.manifest_id
            plain = await by_content(client, bare)
            assert plain == await by_content(client, bare, hintAlg="com.adobe.trustmark.Q", hintValue="Mio=")
            faint = stripped(first.file, quality=8)
            assert await by_content(client, faint, alg=WATERMARK) == []

    site(steps)


def test_a_store_of_the_active_manifest_alone(site, home, work):
    """Without the manifest of the source; the library reads it, and misses nothing but that."""

    async def steps(site):
        key = site.key()
        async with site.by_key(key) as client:
            source = await draw(client, work, seed=16)
        picture = await publish(site, work, key, seed=17, input_job_id=source["job_id"], input_strength=0.5)
        path = f"{MANIFESTS}/{picture.record.manifest_id}"
        async with bearer(site, key) as client:
            whole = (await client.get(path)).content
            assert whole == (await client.get(path, params={"returnActiveManifest": "false"})).content
            alone = (await client.get(path, params={"returnActiveManifest": "true"})).content
        anchor = (home.data_dir / "credentials" / "anchor.pem").read_bytes()
        reports = [read_by(store, picture.file, anchor) for store in (whole, alone)]
        assert [len(report["manifests"]) for report in reports] == [2, 1]
        assert {report["active_manifest"] for report in reports} == {picture.record.manifest_id}
        assert bindings_of(reports[0]) == bindings_of(reports[1])
        assert reports[0]["validation_state"] == "Trusted"

    site(steps)


def test_ids_are_taken_escaped_and_not(site, work):
    """Colons and slashes of an id may be escaped; HEAD answers like GET; an id that nobody has is 404."""

    async def steps(site):
        key = site.key()
        record = (await publish(site, work, key, seed=18)).record
        slashed = f"{record.manifest_id}:acme/x"
        with site.core.database.write() as connection:
            mine = picture_records.c.gen_id == record.gen_id
            connection.execute(update(picture_records).where(mine).values(manifest_id=slashed))
        async with bearer(site, key) as client:
            (match,) = await by_binding(client, WATERMARK, record.watermark_id)
            assert match["manifestId"] == slashed
            paths = [f"{MANIFESTS}/{path}" for path in (slashed, quote(slashed, safe=":"), quote(slashed, safe=""))]
            answers = [await client.get(path) for path in paths]
            assert [answer.status_code for answer in answers] == [200] * 3
            assert len({answer.content for answer in answers}) == 1
            head = await client.head(paths[0])
            assert head.headers["content-length"] == answers[0].headers["content-length"]
            for unknown in (record.manifest_id, "urn:c2pa:conformance-does-not-exist", "a%00b", "x" * 1500, ""):
                answer = await client.get(f"{MANIFESTS}/{unknown}")
                assert (answer.status_code, answer.json()) == (404, {"error": "There is no such manifest"}), unknown

    site(steps)


def test_deleted_pictures_are_found_no_more(site, work):
    """By no value and no file, and its manifest store is gone."""

    async def steps(site):
        key = site.key()
        picture = await publish(site, work, key, seed=19)
        record, bare = picture.record, stripped(picture.file)
        async with bearer(site, key) as client:
            assert [one["manifestId"] for one in await by_content(client, bare)] == [record.manifest_id]
            job = await site.core.database.reading(jobs.find, record.job_id)
            await retention.delete_job(site.core, job)
            assert await by_content(client, bare) == []
            for algorithm, value in ((WATERMARK, record.watermark_id), (FINGERPRINT, record.fingerprint)):
                assert await by_binding(client, algorithm, value) == []
            assert (await client.get(f"{MANIFESTS}/{record.manifest_id}")).status_code == 404

    site(steps)


def test_names_are_the_operators(site):
    """Under another domain its names come first, and the private ones are still taken."""

    async def steps(site):
        section = site.core.settings.credentials.model_copy(update={"algorithm_domain": "com.example"})
        site.core.settings = site.core.settings.model_copy(update={"credentials": section})
        async with site.client() as client:
            listed = (await client.get("/c2pa/v1/services/supportedAlgorithms")).json()
        names = [one["alg"] for one in listed["watermarks"]]
        assert names[:2] == [f"com.example.{Algorithm.WATERMARK}", WATERMARK]

    site(steps)
