"""The clients of Forge against the real server."""

import json
from pathlib import Path

from clients.forge.conftest import KINDS
from clients.scripts import Client
from PIL import Image


def test_client_makes_a_picture_and_another_from_it(client: Client, server, tmp_path: Path) -> None:
    """Unchanged, each client gets a picture of the asked ratio and seed, and one that starts from it, which `sync` waits for."""
    words = ["red coat,", "on a beach", "--out", str(tmp_path / "out")]
    first = client.run(server.url, server.key, *words, "--ratio", "1:1", "--seed", "7", "--tier", "draft", poll_s=0.1)
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    assert (made["seed"], made["quality_tier"]) == (7, "draft")
    with Image.open(made["file"]) as picture:
        assert (picture.format, picture.size) == ("PNG", (1024, 1024))

    again = client.run(server.url, server.key, *words, "--from-job", made["job_id"], "--sync", poll_s=0.1)
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    assert json.loads(again.stdout)["asset_url"] != made["asset_url"]


def test_a_client_without_a_key_is_anonymous(server, tmp_path: Path) -> None:
    """On loopback the server takes it; a wrong value is refused in words."""
    client = KINDS["python"](tmp_path)
    done = client.run(server.url, "", "red coat", "--out", str(tmp_path / "out"), poll_s=0.1)
    assert done.returncode == 0, done.stderr
    assert Path(json.loads(done.stdout)["file"]).is_file()
    refused = client.run(server.url, "", "red coat", "--tier", "best")
    assert refused.returncode == 1
    assert "VALIDATION_ERROR: quality_tier" in refused.stderr
