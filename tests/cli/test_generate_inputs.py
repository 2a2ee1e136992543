"""`imgen generate` with a source, a mask and an enlargement, and files that are none."""

import base64

import pytest
from PIL import Image
from servers.action_stub import start_stub
from servers.command import run_command

from imgen.cli import pictures
from imgen.domain.ids import new_job_id, uuid_form
from imgen.services import inputs, uploads


@pytest.fixture
def stub():
    with start_stub() as running:
        yield running


@pytest.fixture
def generate(stub, tmp_path):
    """Runs the command with a folder of its own."""

    def run(*arguments):
        around = {"IMGEN_URL": stub.url, "IMGEN_KEY": stub.key}
        return run_command("generate", "red coat", "--out", str(tmp_path / "out"), *arguments, environ=around)

    return run


@pytest.fixture
def photo(tmp_path):
    """A picture file, 64 × 48."""
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "teal").save(path)
    return path


def test_files_of_source_and_mask_are_sent_with_their_bytes(stub, generate, photo, tmp_path):
    """As data URIs, beside strength and factor; the server chooses the size."""
    Image.new("L", (64, 48), "white").save(tmp_path / "mask.png")
    done = generate("--image", str(photo), "--mask", str(tmp_path / "mask.png"), "--strength", "0.3", "--upscale", "2")
    assert done.returncode == 0, done.stderr
    (sent,) = (request.body for request in stub.asked("generate"))
    kind, _, data = sent["image"].partition(",")
    assert (kind, base64.b64decode(data)) == ("data:application/octet-stream;base64", photo.read_bytes())
    assert base64.b64decode(sent["mask"].partition(",")[2]) == (tmp_path / "mask.png").read_bytes()
    assert (sent["image_strength"], sent["upscale"]) == (0.3, 2)
    assert not {"width", "height"} & set(sent)


@pytest.mark.parametrize(
    "identifier", ["run_0123456789-_ABCDEFGHIJ", "up_0123456789-_ABCDEFGHIJ", "cache_" + "0a" * 16]
)
def test_ids_of_pictures_that_the_server_has_are_sent_as_they_are(stub, generate, identifier):
    """A job's or an upload's; a size that is given is sent with them."""
    assert generate("--image", identifier, "--size", "1024x1024").returncode == 0
    sent = stub.asked("generate")[0].body
    assert (sent["image"], sent["width"], sent["height"]) == (identifier, 1024, 1024)


def test_a_jobs_uuid_is_sent_as_the_action_api_writes_it(stub, generate):
    """Forge's and Studio's callers know a picture by it."""
    job_id = new_job_id()
    assert generate("--image", uuid_form(job_id)).returncode == 0
    assert stub.asked("generate")[0].body["image"] == job_id


def test_without_a_source_nothing_of_it_is_sent(stub, generate):
    """An older server gets what it knows."""
    assert generate().returncode == 0
    sent = stub.asked("generate")[0].body
    assert not {"image", "mask", "image_strength", "upscale", "width", "height"} & set(sent)


def unusable(tmp_path, photo):
    """Arguments → words of the refusal."""
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(pictures.MAX_BYTES))
    return [
        (("--image", str(tmp_path / "none.png")), "no file"),
        (("--image", "run_short"), "no id of an upload or of a job"),
        (("--image", str(tmp_path)), "cannot be read: Is a directory"),
        (("--image", str(tmp_path / "empty.png")), "is empty"),
        (("--image", str(tmp_path / "text.png")), "is no PNG, JPEG or WebP"),
        (("--image", str(tmp_path / "large.png")), "32.0 MiB"),
        (("--image", str(photo), "--mask", str(tmp_path / "none.png")), "cannot be read: No such file"),
        (("--mask", str(photo)), "need an --image"),
        (("--strength", "0.5"), "need an --image"),
        (("--image", str(photo), "--strength", "1.5"), "less than or equal to 1"),
        (("--upscale", "3"), "--upscale is 1, 2 or 4"),
    ]


def test_what_cannot_be_used_is_told_in_one_sentence_and_nothing_is_sent(stub, generate, tmp_path, photo):
    """Files that are not there, empty, too large or no pictures, and options without their source."""
    for arguments, words in unusable(tmp_path, photo):
        done = generate(*arguments)
        assert done.returncode != 0, arguments
        assert words in " ".join(done.stderr.split()), done.stderr
        assert "Traceback" not in done.stderr
    assert stub.asked("generate") == []


def test_limits_of_files_are_the_servers():
    """A file that is taken here is not refused there."""
    assert pictures.MAX_BYTES == uploads.MAX_BYTES
    assert pictures.MAX_INLINE_BYTES <= inputs.MAX_INLINE_BYTES
