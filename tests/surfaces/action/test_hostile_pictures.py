"""Sources, masks and uploads made to break the gate, over HTTP: clear refusals that leave nothing, and pictures taken right."""

import base64
import io

import httpx2
import pytest
from hostile_pictures import RED, halves, make_refused, make_unusual
from PIL import Image
from servers.local import start_local_api
from sqlalchemy import func, select

from imgen import composition
from imgen.domain.ids import is_upload_id, new_job_id, new_upload_id
from imgen.provenance import intake
from imgen.records.tables.jobs import jobs
from imgen.records.tables.uploads import job_inputs, uploads
from imgen.services.inputs import MAX_INLINE_BYTES
from imgen.services.uploads import MAX_BYTES

GOOD = io.BytesIO()
halves(RED, RED).save(GOOD, "PNG")


def uri(body, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


@pytest.fixture(scope="module")
def api(tmp_path_factory, redis_url):
    """An API over a data folder of this module's own."""
    with start_local_api(
        tmp_path_factory.mktemp("pictures") / "var", redis_url, "[jobs]\nmax_queued = 1000\n"
    ) as running:
        yield running


@pytest.fixture
def kept(api):
    """Counts what is stored: files of inputs, and rows of jobs, inputs and uploads."""
    database = composition.open_database(api.settings)

    def count():
        folder = api.settings.data_dir / "objects" / "inputs"
        with database.read() as connection:
            rows = [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (jobs, job_inputs, uploads)
            ]
        return len([path for path in folder.rglob("*") if path.is_file()]), *rows

    yield count
    database.close()


def generate(api, **fields):
    return api.post({"action": "generate", "prompt": "vase", **fields})


def send(api, body, key=None, **headers):
    sent = {"Authorization": f"Bearer {api.key if key is None else key}", "Content-Type": "image/png", **headers}
    return httpx2.post(f"{api.url}/api/v2/upload", content=body, headers=sent, timeout=60)


def told(answer):
    return answer.status_code, answer.json()["error"]


def test_over_60_hostile_pictures_are_refused(api, bombs, kept):
    """As a source, a mask, an upload and a raw upload: 400 with the field's name, and neither file nor row is left."""
    before, refused = kept(), make_refused(bombs)
    assert len(refused) >= 100
    good = uri(GOOD.getvalue())
    for name, body in refused.items():
        image, mask = (400, "Invalid image"), (400, "Invalid mask")
        assert told(generate(api, image=uri(body))) == image, name
        assert told(generate(api, image=good, mask=uri(body, "image/webp"))) == mask, name
        assert told(api.post({"action": "upload", "image": uri(body, "text/html")})) == image, name
        assert told(send(api, body)) == image, name
    assert kept() == before


def test_what_is_no_picture_is_refused(api, kept):
    """Texts, other types of JSON, addresses, paths, unknown ids: 400; too much: 413; and nothing is left."""
    before, good = kept(), uri(GOOD.getvalue())
    texts = ("x", "data:", "data:,", "data:image/png;base64,", "data:image/png;base64,@@@", "data:text/plain,hello%20you",
             "http://127.0.0.1/a.png", "file:///etc/passwd", "../../inputs/x", "inputs/ten_1/2026-01-01/" + "a" * 64,
             good.removeprefix("data:image/png;base64,"), new_upload_id(), new_job_id(), "cache_" + "0" * 32, "up_", "\0")  # fmt: skip
    for sent in (*texts, 5, True, [], {}, [good], {"url": good}, 1.5):
        assert told(generate(api, image=sent)) == (400, "Invalid image"), sent
        assert told(generate(api, image=good, mask=sent)) == (400, "Invalid mask"), sent
        assert told(api.post({"action": "upload", "image": sent})) == (400, "Invalid image"), sent
    for sent in (None, "", " "):
        assert told(api.post({"action": "upload", "image": sent})) == (400, "Invalid image")
    large = uri(bytes(MAX_INLINE_BYTES + 1))
    assert told(generate(api, image=large)) == (400, "Invalid image")
    assert told(generate(api, image=good, mask=large)) == (400, "Invalid mask")
    assert told(generate(api, image=uri(bytes(10 * 1024 * 1024)))) == (413, "Request too large")
    assert told(send(api, bytes(MAX_BYTES + 1))) == (413, "Request too large")
    assert told(send(api, (bytes(1 << 20) for _ in range(40)))) == (413, "Request too large")
    assert told(send(api, b"")) == (400, "Invalid image")
    assert kept() == before


def test_unusual_pictures_are_taken_with_their_colours(api, bombs):
    """Every kind of PNG, JPEG and WebP, uploaded raw: the file that is stored has the colours that were meant."""
    database = composition.open_database(api.settings)
    for name, (body, left, right, off) in make_unusual(bombs).items():
        answer = send(api, body, **{"Content-Type": "application/x-nonsense"})
        assert answer.status_code == 200, (name, answer.text)
        upload = answer.json()
        with database.read() as connection:
            key = connection.execute(select(uploads.c.key).where(uploads.c.id == upload["image"])).scalar_one()
        image = Image.open(api.settings.data_dir / "objects" / key)
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (upload["width"], upload["height"])), name
        found = [image.getpixel((image.width * at // 4, image.height // 2)) for at in (1, 3)]
        for colour, expected in zip(found, (left, right), strict=True):
            assert expected is None or max(abs(a - b) for a, b in zip(colour, expected, strict=True)) <= off, (
                name,
                found,
            )
    database.close()


def test_a_stranger_uploads_nothing(api, kept):
    """The key is looked at before a byte of the body; it needs the scope, and the method is POST."""
    before = kept()
    endless = (bytes(1 << 16) for _ in range(10_000))
    assert told(send(api, endless, key="imgen_" + "0" * 64)) == (401, "Invalid API key")
    assert told(httpx2.post(f"{api.url}/api/v2/upload", content=GOOD.getvalue())) == (401, "Unauthorized")
    reader = api.imgen("keys", "create", "reader", "--tenant", "first", "--scope", "read")
    assert told(send(api, GOOD.getvalue(), key=reader)) == (403, "API key may not do this.")
    assert told(api.post({"action": "upload", "image": uri(GOOD.getvalue())}, key=reader)) == (
        403,
        "API key may not do this.",
    )
    assert told(httpx2.get(f"{api.url}/api/v2/upload")) == (405, "Method not allowed")
    assert kept() == before


def test_an_upload_is_a_source_and_a_mask_of_its_tenant(api):
    """Its id works with every key of the tenant, and looks unknown to every other."""
    upload = send(api, GOOD.getvalue()).json()
    assert is_upload_id(upload["image"])
    assert (upload["width"], upload["height"], len(upload["sha256"])) == (96, 64, 64)
    white = io.BytesIO()
    Image.new("L", (96, 64), 255).save(white, "PNG")
    mask = send(api, white.getvalue()).json()["image"]
    answer = generate(api, image=upload["image"], mask=mask, image_strength=0.4)
    assert (answer.status_code, answer.json().get("warnings")) == (200, None)
    foreign = api.imgen("keys", "create", "foreign", "--tenant", "second", "--plan", "unlimited")
    for sent in (upload["image"], answer.json()["id"]):
        body = {"action": "generate", "prompt": "vase", "image": sent}
        assert told(api.post(body, key=foreign)) == (400, "Invalid image")


def test_uploads_have_a_space(tmp_path, clean_redis):
    """A tenant whose uploads take all of it waits until the oldest of them ends."""
    stored = intake.take_source(GOOD.getvalue(), "image", formats=intake.OUTSIDE_FORMATS).body
    with start_local_api(tmp_path / "var", clean_redis, f"[objects]\nuploads_gib = {len(stored) / 2**30}\n") as api:
        assert send(api, GOOD.getvalue()).status_code == 200
        refused = send(api, GOOD.getvalue())
        assert told(refused) == (429, "Quota exceeded")
        assert 86_000 < int(refused.headers["Retry-After"]) <= 86_401
