"""`imgen generate` and `imgen verify` against a running stack."""

import io
import os
import subprocess
import sys

import pytest
from servers.command import run_command


def environ(server, key=None):
    return {"IMGEN_URL": server.url, "IMGEN_KEY": key or server.key}


def imgen(server, *arguments, key=None):
    """Runs a command in this process."""
    return run_command(*arguments, environ=environ(server, key))


def imgen_process(server, *arguments):
    """Runs a command as a user does."""
    command = [sys.executable, "-m", "imgen.cli", *arguments]
    around = os.environ | environ(server)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=around)


def test_a_picture_is_made_saved_and_verified(server, tmp_path):
    """Both files lie in the folder, and `verify` finds our credentials and mark in the picture."""
    out = tmp_path / "out"
    done = imgen_process(
        server,
        "generate",
        "red coat, on a beach",
        "--out",
        str(out),
        "--format",
        "webp",
        "--size",
        "768x1344",
        "--seed",
        "5",
    )
    assert done.returncode == 0, done.stderr
    picture, thumbnail = done.stdout.split()
    assert sorted(str(path) for path in out.iterdir()) == sorted([picture, thumbnail])
    found = imgen_process(server, "verify", picture, "--data", str(server.data))
    assert found.returncode == 0, found.stderr
    assert "768 × 1344" in found.stdout
    assert "Trusted" in found.stdout


def test_several_pictures_are_all_saved(server, tmp_path):
    """`--count` saves each picture and its thumbnail; where none is released all of them are told as missing."""
    done = imgen(server, "generate", "red coat", "--count", "3", "--seed", "5", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    paths = done.stdout.split()
    assert len(paths) == 6
    assert sorted(str(path) for path in tmp_path.iterdir()) == sorted(paths)
    pictures = {(tmp_path / path).read_bytes() for path in paths}
    assert len(pictures) == 6
    blocked = imgen(server, "generate", "gore", "--count", "2", "--out", str(tmp_path))
    assert (blocked.returncode, blocked.stdout) == (1, "")
    assert "2 of 2 pictures are missing: Content blocked" in blocked.stderr
    assert imgen(server, "generate", "red coat", "--count", "11").returncode == 2


def test_a_strangers_picture_is_not_ours(server, tmp_path):
    """A picture without credentials and mark ends with exit code 1, a file that is none as well."""
    from PIL import Image

    Image.new("RGB", (640, 480), "teal").save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("not a picture")
    for name in ("plain.png", "text.png"):
        found = imgen(server, "verify", str(tmp_path / name), "--data", str(server.data))
        assert found.returncode == 1
        assert "Traceback" not in found.stderr


def test_refusals_are_told_in_one_line(server, tmp_path):
    """The server's words reach the user: a wrong key, a wrong prompt, a blocked picture, no server."""
    cases = [
        (imgen(server, "generate", "x", key="imgen_wrong"), "Invalid API key"),
        (imgen(server, "generate", "-hat"), "No such option"),
        (imgen(server, "generate", "@nobody"), "Invalid character"),
        (imgen(server, "generate", "gore", "--out", str(tmp_path)), "Content blocked"),
        (imgen(server, "generate", "x", "--url", "http://127.0.0.1:1"), "127.0.0.1:1"),
    ]
    for done, said in cases:
        assert done.returncode != 0
        assert said in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("size", [1, 5])
def test_a_picture_is_made_from_a_file(server, tmp_path, size):
    """Small or large: its credentials tell that a source was opened, and its size is the one nearest to the source's."""
    from PIL import Image

    from imgen.cli import pictures
    from imgen.provenance import credentials

    source = tmp_path / "source.png"
    noise = Image.effect_noise((400 * size, 600 * size), 90)
    noise.save(source, compress_level=0)
    assert (source.stat().st_size > pictures.MAX_INLINE_BYTES) == (size > 1)
    done = imgen(server, "generate", "red coat", "--image", str(source), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    body = (tmp_path / "out" / done.stdout.split()[0].rpartition("/")[2]).read_bytes()
    found = credentials.read(body, "image/jpeg")
    (data,) = (one["data"] for one in found.manifest["assertions"] if one["label"] == "c2pa.actions.v2")
    assert [action["action"] for action in data["actions"]] == ["c2pa.opened", "c2pa.edited", "c2pa.watermarked"]
    assert [one["relationship"] for one in found.manifest["ingredients"]] == ["parentOf"]
    with Image.open(io.BytesIO(body)) as image:
        assert image.size == (832, 1216)
