"""The clients of Studio against the real server."""

import json
from pathlib import Path

from clients.scripts import Client
from PIL import Image


def test_client_makes_pictures_of_a_picture_and_another_of_one(client: Client, server, tmp_path: Path) -> None:
    """Unchanged, each client gets two avatars of a file in the asked ratio, and one of them enhanced and enlarged."""
    source, out = tmp_path / "source.png", tmp_path / "out"
    Image.new("RGB", (96, 64), (200, 30, 30)).save(source)
    words = ["--mode", "avatar", "--preset", "anime", "--aspect", "1:1", "--count", "2", "--out", str(out)]
    first = client.run(server.url, server.key, "--image", str(source), *words, "a person", poll_s=0.1)
    assert first.returncode == 0, first.stderr
    made = [json.loads(line) for line in first.stdout.splitlines()]
    assert len(made) == 2
    for one in made:
        with Image.open(one["file"]) as picture:
            assert picture.size == (one["width"], one["height"])
            assert one["width"] == one["height"]

    again = client.run(
        server.url,
        server.key,
        *("--from-job", made[0]["jobId"], "--mode", "enhance", "--size", "2k", "--out", str(out)),
        poll_s=0.1,
    )
    assert again.returncode == 0, again.stderr
    enhanced = json.loads(again.stdout)
    assert (enhanced["width"], enhanced["height"]) == (2048, 2048)
