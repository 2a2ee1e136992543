"""The same picture through every dialect: equal masters, equal statements in the credentials, and one charge each.

All send one source with equal words, size, seed, strength and model; steps, guidance and style are the model's own everywhere.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from manifest_readers import actions_of, base, by_another, by_library
from surfaces.dialects.workshop import PINNED, Workshop, start_workshop

from imgen import composition
from imgen.domain.ids import stored_id
from imgen.domain.job import Job
from imgen.provenance import encoding

SIZE = (1024, 1024)
SEED, STRENGTH, MODEL, STYLE = 4_294_967_290, 0.35, "eros", "professional"
PROMPT = "a vase, on a table"
SIDE = f"{SIZE[0]}x{SIZE[1]}"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, redis_url) -> Iterator[Workshop]:
    with start_workshop(tmp_path_factory.mktemp("equal") / "var", redis_url) as running:
        yield running


@dataclass(frozen=True)
class Source:
    """A picture of the tenant, which Forge takes by its asset's URL alone."""

    file: bytes
    asset_url: str

    @property
    def base64(self) -> str:
        return base64.b64encode(self.file).decode()


def by_action(shop: Workshop, key: str, source: Source) -> None:
    fields = {"prompt": PROMPT, "model": MODEL, "style": STYLE, "seed": SEED, "format": "png"}
    picture = {"image": f"data:image/png;base64,{source.base64}", "image_strength": STRENGTH}
    shop.post("/api/v2", key, action="generate", width=SIZE[0], height=SIZE[1], **fields, **picture)


def by_forge(shop: Workshop, key: str, source: Source) -> None:
    fields = {"prompt": PROMPT, "model": PINNED, "seed": SEED, "aspect_ratio": "1:1"}
    shop.post("/v2/generate", key, **fields, input_asset_url=source.asset_url, input_strength=STRENGTH)


def by_studio(shop: Workshop, key: str, source: Source) -> None:
    fields = {"mode": "style", "prompt": PROMPT, "seed": SEED, "strength": STRENGTH, "outputAspect": "1:1"}
    shop.post("/api/v1/generate", key, **fields, imageBase64=source.base64)


def by_openai(shop: Workshop, key: str, source: Source) -> None:
    fields = {"prompt": PROMPT, "model": MODEL, "size": SIDE, "seed": str(SEED), "strength": str(STRENGTH)}
    files = {"image": ("source.png", source.file, "image/png")}
    shop.call("POST", "/v1/images/edits", key, data=fields, files=files)


DIALECTS = {"action": by_action, "forge": by_forge, "studio": by_studio, "openai": by_openai}


@pytest.fixture(scope="module")
def source(workshop: Workshop) -> Source:
    """A finished picture of Forge, whose bytes the other dialects send."""
    made: list[dict] = []
    fields = {"prompt": "a table", "aspect_ratio": "1:1", "seed": 1}
    job = workshop.run(lambda: made.append(workshop.post("/v2/generate", workshop.api.key, **fields)))
    told = workshop.call("GET", f"/v2/jobs/{made[0]['job_id']}", workshop.api.key).json()
    assert stored_id(told["job_id"]) == job.id
    return Source(workshop.picture(job), told["asset_url"])


@pytest.fixture(scope="module")
def drawn(workshop: Workshop, source: Source) -> dict[str, Job]:
    """Dialect → job of the same request."""
    return {
        name: workshop.run(lambda send=send: send(workshop, workshop.api.key, source))
        for name, send in DIALECTS.items()
    }


def all_equal(values: dict[str, object]) -> bool:
    first, *others = values.values()
    return all(other == first for other in others)


def test_the_recipes_are_equal(drawn: dict[str, Job]) -> None:
    """All that the engine gets is the same: words, size, seed, steps, guidance, model, strength, and the source's pixels."""
    assert {name: job.surface for name, job in drawn.items()} == {name: name for name in DIALECTS}
    assert all_equal({name: job.recipe.diffusion for name, job in drawn.items()})
    first = drawn["action"].recipe.diffusion
    assert (first.width, first.height, first.seed) == (*SIZE, SEED)


def test_the_masters_are_equal(workshop: Workshop, drawn: dict[str, Job], source: Source) -> None:
    """The pictures before mark and credentials are the same to the last bit, and they depend on the source."""
    masters = {name: encoding.decode(workshop.masters[job.id]) for name, job in drawn.items()}
    digests = {name: hashlib.sha256(pixels.tobytes()).hexdigest() for name, pixels in masters.items()}
    assert all_equal(digests), digests
    pixels = masters["action"]
    assert pixels.shape == (*reversed(SIZE), 3)
    assert np.abs(pixels.astype(int) - encoding.decode(source.file).astype(int)).mean() > 1


def test_the_published_pictures_differ_by_the_mark_alone(workshop: Workshop, drawn: dict[str, Job]) -> None:
    """Each file is its master within the few levels that a mark of its own changes."""
    for job in drawn.values():
        master = encoding.decode(workshop.masters[job.id]).astype(int)
        assert np.abs(encoding.decode(workshop.picture(job)).astype(int) - master).mean() < 3
    assert len({job.outcome.meta.watermark_id for job in drawn.values()}) == len(drawn)


@pytest.mark.parametrize("read", [by_library, by_another])
def test_the_credentials_say_the_same(workshop: Workshop, drawn: dict[str, Job], read: Callable) -> None:
    """By two readers: the same actions with the same source types, on the same ingredients."""
    chain = SimpleNamespace(anchor=composition.trust_anchors(workshop.api.settings))
    statements = {}
    for name, job in drawn.items():
        active, *_ = read(workshop.picture(job), f"image/{job.outcome.meta.format}", chain)
        statements[name] = statement(active)
    assert all_equal(statements), statements
    actions, ingredients = statements["action"]
    assert [action["action"] for action in actions][0] == "c2pa.opened"
    assert any("digitalSourceType" in action for action in actions)
    assert [ingredient["relationship"] for ingredient in ingredients] == ["parentOf"]


def statement(manifest: dict) -> tuple[list, list]:
    """Actions and ingredients of a manifest, without ids, times and hashes."""
    actions = [
        {name: value for name, value in action.items() if name not in ("when", "parameters")}
        for action in actions_of(manifest)
    ]
    ingredients = [
        {name: content.get(name) for name in ("relationship", "dc:title", "dc:format")}
        for label, content in manifest["assertions"].items()
        if base(label).startswith("c2pa.ingredient")
    ]
    return actions, ingredients


def test_each_is_charged_once(workshop: Workshop, drawn: dict[str, Job]) -> None:
    """One picture and its credits are held when it is queued and charged when it is there; nothing else is counted."""
    entries = {name: workshop.entries(job) for name, job in drawn.items()}
    assert all_equal(entries), entries
    assert [(kind, pictures) for kind, pictures, _ in entries["action"]] == [("charge", 1), ("hold", 1)]
