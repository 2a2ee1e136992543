"""Gallery, `python -m starter.gallery URL FILE`: 24 pictures from a running Imgen, laid out in rows.

The key comes from IMGEN_KEY. Prompts are like those of people, not captions of training pictures.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console

from imgen.cli.client import Client

CONSOLE = Console()
WIDTH, GAP = 1600, 10
"""Pixels of a row, and between pictures."""
ROWS: tuple[tuple[tuple[str, str, tuple[int, int]], ...], ...] = (
    (
        ("woman in a red coat walking a dog on the beach, sunset", "professional", (1344, 768)),
        ("@aya blue dress, city, night, street lamp", "cinematic", (832, 1216)),
        ("mountains, no people, sunny day", "professional", (1152, 896)),
        ("man, short black hair, green suit, office", "professional", (896, 1152)),
    ),
    (
        ("@bella yellow dress, park, tree, sunny day", "professional", (1024, 1024)),
        ("desert, nobody, sunny day", "professional", (1344, 768)),
        ("portrait of a woman with pink hair, black coat, night, city", "cinematic", (832, 1216)),
        ("man with a bicycle in a park, orange shirt", "professional", (1024, 1024)),
    ),
    (
        ("@aaliyah purple coat, snow, morning, waving", "professional", (768, 1344)),
        ("living room with a cat, evening, nobody", "cinematic", (1216, 832)),
        ("woman, grey hair in a bun, white shirt, library, portrait", "professional", (1024, 1024)),
        ("forest, dawn, no people", "cinematic", (1216, 832)),
    ),
    (
        ("businesswoman, blue suit, downtown, confident", "professional", (896, 1152)),
        ("@aya portrait, green coat, forest, morning", "professional", (1152, 896)),
        ("man, curly red hair, white shirt, beach, umbrella", "professional", (1216, 832)),
        ("@bella portrait, red dress, night", "cinematic", (832, 1216)),
    ),
    (
        ("beach at night, moonlight, no people", "cinematic", (1344, 768)),
        ("woman with blue hair and a balloon, yellow coat, meadow", "professional", (1024, 1024)),
        ("man, long blond hair, purple coat, desert, walking", "cinematic", (896, 1152)),
        ("@aaliyah portrait, orange shirt, beach", "professional", (1024, 1024)),
    ),
    (
        ("woman on a bench in the park, orange dress, dog", "professional", (1152, 896)),
        ("a cat in the snow", "professional", (1024, 1024)),
        ("@aaliyah red suit, city, sunset", "cinematic", (768, 1344)),
        ("man, brown hair, red coat, mountains, day", "professional", (1344, 768)),
    ),
)
"""Prompt, style and size of each picture."""


def main(url: str, file: Path) -> None:
    """Makes all pictures and writes the grid as PNG."""
    with contextlib.closing(Client(url, os.environ["IMGEN_KEY"])) as client, tempfile.TemporaryDirectory() as folder:
        lines = [_line([_picture(client, Path(folder), *asked) for asked in row]) for row in ROWS]
    grid = Image.new("RGB", (WIDTH, sum(line.height + GAP for line in lines) - GAP), "white")
    top = 0
    for line in lines:
        grid.paste(line, (0, top))
        top += line.height + GAP
    grid.save(file, optimize=True)


def _line(pictures: list[Image.Image]) -> Image.Image:
    """Joins pictures of any proportions side by side; their height is such that they fill the width."""
    room = WIDTH - GAP * (len(pictures) - 1)
    height = round(room / sum(one.width / one.height for one in pictures))
    line = Image.new("RGB", (WIDTH, height), "white")
    left = 0.0
    for one in pictures:
        width = height * one.width / one.height
        line.paste(one.resize((round(width), height), Image.Resampling.LANCZOS), (round(left), 0))
        left += width + GAP
    return line


def _picture(client: Client, folder: Path, prompt: str, style: str, size: tuple[int, int]) -> Image.Image:
    width, height = size
    job = client.call("generate", prompt=prompt, style=style, width=width, height=height, seed=1, format="png")
    answer = client.wait(job, CONSOLE)
    if answer["status"] != "COMPLETED":
        raise SystemExit(f"{prompt}: {answer}")
    (signed,) = (image["filename"] for image in answer["meta"]["images"] if image["type"] == "signed")
    client.download(answer, folder)
    with Image.open(folder / signed) as picture:
        return picture.convert("RGB")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
