"""The unmodified `openai` packages in front of the shared stack, tenants of their own, and pictures to edit."""

import io
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from PIL import Image, ImageDraw
from servers.stack import Stack

SIZE = (96, 64)
PROMPT = "a red coat on the beach"
BLOCKED_PROMPT = "nude marble statue of a woman"


def picture(colour: tuple[int, ...], mode: str = "RGB") -> bytes:
    """A PNG of one colour with a circle in it."""
    image = Image.new(mode, SIZE, colour)
    ImageDraw.Draw(image).ellipse((30, 14, 66, 50), fill=(0, 0, 0, 0)[: len(colour)])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


SOURCES = [picture(colour) for colour in ((200, 30, 30), (30, 200, 30), (30, 30, 200))]
MASK = picture((255, 255, 255, 255), "RGBA")
"""The circle is transparent: it is drawn anew."""


def opened(data: bytes) -> Image.Image:
    """A picture, decoded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.fixture(scope="session")
def new_key(server: Stack) -> Callable[..., str]:
    """Makes a key of a new tenant on a plan."""

    def make(plan: str = "unlimited") -> str:
        name = secrets.token_hex(5)
        return server.imgen("keys", "create", f"k{name}", "--tenant", f"openai-{name}", "--plan", plan)

    return make


@pytest.fixture(scope="module")
def key(new_key: Callable[..., str]) -> str:
    """A key of a tenant that a module has for itself."""
    return new_key()


@pytest.fixture
def client(server: Stack, key: str) -> Iterator[openai.OpenAI]:
    """The package's client as its documentation makes it."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key) as made:
        yield made


@pytest.fixture
def charged(server: Stack) -> Callable[[str], int]:
    """Counts the pictures that were charged to a key's tenant this month; none of its jobs may be open."""

    def count(key: str) -> int:
        month = server.post({"action": "usage"}, key).json()["tenant"]["month"]
        assert month["open"] == 0
        return month["pictures"]

    return count


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Paths of the three sources and of the mask."""
    paths = [tmp_path / f"{name}.png" for name in ("red", "green", "blue", "mask")]
    for path, data in zip(paths, [*SOURCES, MASK], strict=True):
        path.write_bytes(data)
    return [str(path) for path in paths]
