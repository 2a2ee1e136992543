"""The scripts of docs/clients/openai against the real server, run as their users run them."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from clients.scripts import CLIENTS, Client
from PIL import Image
from servers.node import installed, node_program
from servers.stack import Stack

FOLDER = CLIENTS / "openai"
PROMPT = ["a red coat", "on the beach"]


def node(folder: Path) -> Client:
    """The script beside the packages of npm, as `npm install` leaves them."""
    folder.mkdir()
    (folder / "node_modules").symlink_to(installed() / "node_modules")
    script = shutil.copy(FOLDER / "generate.mjs", folder)
    return Client((str(node_program()), str(script)), os.environ["PATH"])


KINDS = {
    "python": lambda _folder: Client((sys.executable, str(FOLDER / "generate.py")), os.environ["PATH"]),
    "node": node,
}


@pytest.fixture(params=KINDS)
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    return KINDS[request.param](tmp_path / "script")


def lines(script: Client, server: Stack, key: str, out: Path, *arguments: str) -> tuple[list[dict], str]:
    """Lines of a successful run about its pictures, all of which must be there, and its words on stderr."""
    done = script.run(server.url, key, *PROMPT, "--out", str(out), *arguments)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(Path(one["file"]).name for one in told) == sorted(path.name for path in out.iterdir())
    return told, done.stderr


def test_pictures_are_generated(script: Client, server: Stack, key: str, tmp_path: Path) -> None:
    """Each is a file of the asked format under its digest."""
    told, _ = lines(
        script, server, key, tmp_path / "out", "--n", "2", "--size", "1024x1024", "--format", "webp", "--seed", "7"
    )
    assert [one["number"] for one in told] == [0, 1]
    for one in told:
        with Image.open(one["file"]) as picture:
            assert (picture.format, picture.size, one["size"]) == ("WEBP", (1024, 1024), "1024x1024")


def test_a_picture_is_edited(script: Client, server: Stack, key: str, files: list[str], tmp_path: Path) -> None:
    """Several sources and a mask are sent as files."""
    sources = [word for path in files[:3] for word in ("--image", path)]
    told, _ = lines(script, server, key, tmp_path / "out", *sources, "--mask", files[3], "--strength", "0.5")
    assert len(told) == 1


def test_a_stream_ends_with_the_picture(script: Client, server: Stack, key: str, tmp_path: Path) -> None:
    """With `--stream` the finished picture is saved as without."""
    told, said = lines(script, server, key, tmp_path / "out", "--stream")
    assert len(told) == 1
    assert all(line.startswith("imgen: partial picture ") for line in said.splitlines())


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        (["nude marble statue of a woman"], 3, "moderation_blocked"),
        (["vase", "--model", "nobody/has-this"], 1, "model_not_found"),
        (["vase", "--image", "/nowhere.png"], 1, "nowhere.png"),
        ([], 1, "prompt"),
    ],
    ids=["blocked", "unknown model", "no file", "no prompt"],
)
def test_failures_are_told(
    script: Client, server: Stack, key: str, tmp_path: Path, given: list[str], code: int, text: str
) -> None:
    """The reason is on stderr, no file is left, and the exit code tells blocked pictures from errors."""
    done = script.run(server.url, key, *given, "--out", str(tmp_path / "out"))
    assert done.returncode == code
    assert text in done.stderr.lower()
    assert done.stdout == ""
    assert not list((tmp_path / "out").glob("*"))
