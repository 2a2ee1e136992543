"""The pollers in docs/clients against the real server."""

import io
import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import httpx2
from clients.scripts import CLIENTS, Client, one_of_each
from PIL import Image
from servers.faulty_http import forward, forward_then, reset, start_faulty_http


def test_client_makes_a_picture_on_the_real_server(client: Client, server, tmp_path: Path) -> None:
    """Unchanged, each client gets a picture of the asked size, format and seed from the real stack."""
    options = {"seed": "7", "format": "webp", "width": "1024", "height": "1024", "style": "no such style"}
    words = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    done = client.run(
        server.url, server.key, "red coat,", "on a beach,", "-hat", *words, "--out", str(tmp_path / "out")
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    signed, thumbnail = (Path(file) for file in report["files"])
    assert report["id"].startswith("run_")
    assert report["seed"] == 7
    assert signed.name == f"{report['gen_id']}_{report['fingerprint']}_00001.webp"
    assert thumbnail.name == f"{report['gen_id']}_{report['fingerprint']}_00001_thumb.webp"
    with Image.open(signed) as picture, Image.open(thumbnail) as small:
        assert (picture.format, picture.size) == ("WEBP", (1024, 1024))
        assert small.width < picture.width
    assert report["watermark_id"]
    assert "style" in done.stderr


def test_client_saves_several_pictures_of_the_real_server(client: Client, server, tmp_path: Path) -> None:
    """With `n` each picture is saved and reported on a line of its own, in the order of the seeds."""
    words = ["--option", "n=3", "--option", "seed=40", "--out", str(tmp_path / "out")]
    done = client.run(server.url, server.key, "red coat", *words)

    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["seed"] for report in reports] == [40, 41, 42]
    assert len({report["id"] for report in reports}) == 3
    files = [file for report in reports for file in report["files"]]
    assert sorted(files) == sorted(str(path) for path in (tmp_path / "out").iterdir())
    assert len(files) == 6


def test_the_example_with_pictures_makes_one(server, tmp_path: Path) -> None:
    """The lines of the README, run as they stand: source and mask are uploaded, and redrawn and enlarged."""
    page = (CLIENTS / "README.md").read_text()
    code = page.partition("## From a picture")[2].partition("```sh\n")[2].partition("```")[0]
    Image.linear_gradient("L").convert("RGB").resize((832, 1216)).save(tmp_path / "photo.png")
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    shutil.copy(CLIENTS / "generate.py", tmp_path)
    environ = os.environ | {"IMGEN_URL": server.url, "IMGEN_KEY": server.key, "IMGEN_POLL_S": "0.1"}
    done = subprocess.run(
        ["sh", "-eu"], input=code, capture_output=True, text=True, cwd=tmp_path, env=environ, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "corrected" not in done.stderr
    with Image.open(tmp_path / json.loads(done.stdout)["files"][0]) as picture:
        assert picture.size == (2 * 832, 2 * 1216)


@one_of_each
def test_client_starts_from_an_uploaded_picture(client: Client, server, tmp_path: Path) -> None:
    """Each takes the id of an upload as an option like any other; the size is that of the source."""
    body = io.BytesIO()
    Image.linear_gradient("L").resize((600, 400)).save(body, "PNG")
    headers = {"Authorization": f"Bearer {server.key}"}
    upload = httpx2.post(f"{server.url}/api/v2/upload", content=body.getvalue(), headers=headers, timeout=30).json()
    options = {"image": upload["image"], "image_strength": "0.4"}
    words = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    done = client.run(server.url, server.key, "red coat", *words, "--out", str(tmp_path / "out"), poll_s=0.1)

    assert done.returncode == 0, done.stderr
    assert "corrected" not in done.stderr
    with Image.open(json.loads(done.stdout)["files"][0]) as picture:
        assert picture.size == (1216, 832)


@one_of_each
def test_a_lost_answer_makes_no_second_job(client: Client, server, tmp_path: Path) -> None:
    """The server makes the job and the connection breaks: the next try is told of the same job."""
    prompt = f"red coat {uuid.uuid4().hex}"
    with start_faulty_http(forward(server.url)) as between:
        between.script = [forward_then(server.url, reset)]
        done = client.run(between.url, server.key, prompt, "--out", str(tmp_path / "out"), poll_s=0.1)

    assert done.returncode == 0, done.stderr
    assert "asking again" in done.stderr
    listed = server.post({"action": "jobs", "limit": 100}).json()["jobs"]
    made = [job["id"] for job in listed if job["prompt"] == prompt]
    assert made == [json.loads(done.stdout)["id"]]
