"""Fields of a request that have no effect with its model: told, and pictures that cannot be used left out."""

import pytest

from imgen.domain.capabilities import Capabilities, assumed, heeding
from imgen.domain.catalog import parse_catalog, parse_model
from imgen.domain.repair import resolve
from imgen.domain.request import GenerateRequest
from imgen.domain.resolution import fit_source

MODEL = {
    "label": "Eros",
    "source": "eros",
    "steps": {"default": 4},
    "guidance": {"default": 3.0},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}
CATALOG = parse_catalog({"eros": MODEL}, {})
PICTURES = {"image": "up_0123456789abcdefghijkl", "image_strength": 0.5, "mask": "up_abcdefghijklmnopqrstuv"}


@pytest.fixture
def heeded():
    """Resolves a request and heeds capabilities; returns the order with the fields that were told."""

    def heed(able, **fields):
        request = GenerateRequest(**{"prompt": "red coat"} | fields)
        resolved = heeding(resolve(request, CATALOG, {"default"}, max_prompt_chars=2000), able)
        return resolved, set(resolved.warnings)

    return heed


def test_a_request_that_loses_its_source_is_looked_up_in_the_cache(heeded):
    """So `use_cache` has its effect; with a source it has none, and that is told."""
    fields = {"use_cache": True, "cache_force": True} | PICTURES
    assert heeded(Capabilities(), **fields)[1] == {"use_cache", "cache_force"}
    assert heeded(Capabilities(image=False), **fields)[1] == set(PICTURES)


def test_able_models_heed_everything(heeded):
    """Nothing is told where all has its effect, and the pictures stay."""
    fields = {"prompt": "red coat, -hat", "negative": "blurry", "guidance": 5, "seed": 3} | PICTURES
    order, told = heeded(Capabilities(), **fields)
    assert told == set()
    assert (order.source, order.mask) == (PICTURES["image"], PICTURES["mask"])


@pytest.mark.parametrize(
    ("able", "fields", "told"),
    [
        ({"negative": False}, {"negative": "blurry"}, {"negative"}),
        ({"negative": False}, {"prompt": "red coat, -hat"}, {"prompt"}),
        ({}, {"prompt": "red coat, -hat", "negative": "blurry", "guidance": 1}, {"prompt", "negative"}),
        ({}, {"negative": " ", "guidance": 1}, set()),
        ({"negative_above": 0.0}, {"negative": "blurry", "guidance": 1}, set()),
        ({"negative_above": None}, {"negative": "blurry", "guidance": 0}, set()),
        ({"guidance": False}, {"guidance": 5}, {"guidance"}),
        ({"seed": False}, {"seed": 3}, {"seed"}),
        ({"steps": False}, {"steps": 9}, {"steps"}),
        ({"strength": False}, {"image": PICTURES["image"], "image_strength": 0.5}, {"image_strength"}),
        ({"strength": False}, {"image": PICTURES["image"]}, set()),
        ({"negative": False, "guidance": False, "seed": False, "image": False}, {}, set()),
    ],
    ids=[
        "negative",
        "terms",
        "at 1",
        "blank",
        "above 0",
        "always",
        "guidance",
        "seed",
        "steps",
        "strength",
        "no strength",
        "nothing sent",
    ],
)
def test_idle_fields_are_told(heeded, able, fields, told):
    """Only what was sent is told."""
    assert heeded(Capabilities(**able), **fields)[1] == told


@pytest.mark.parametrize("able", [{"image": False}, {"inpaint": False}], ids=["no image", "no mask"])
def test_pictures_that_cannot_be_used_are_left_out(heeded, able):
    """A model that cannot draw from the source, or only all over it, draws from words; each field is told."""
    order, told = heeded(Capabilities(**able), **PICTURES)
    assert (order.source, order.mask) == (None, None)
    assert told == {"image", "image_strength", "mask"}


def test_the_catalog_counts_until_a_worker_tells(heeded):
    """An entry that says that its model uses no negative prompt is believed."""
    able = assumed(parse_model("flux", MODEL | {"negative_prompt": False}))
    assert heeded(able, negative="blurry")[1] == {"negative"}


@pytest.mark.parametrize(
    ("engines", "able"),
    [
        ([{}], {"image": False, "inpaint": False, "seed": False, "steps": False, "strength": False}),
        (
            [{"takes": ["seed", "strength"]}, {"takes": ["steps"], "edits": "image"}],
            {"inpaint": False, "strength": False, "steps": False},
        ),
        ([{"takes": ["steps"]}, {"takes": ["strength"], "edits": "mask"}], {"seed": False}),
    ],
)
def test_a_remote_models_entry_tells_its_capabilities(engines, able):
    """Parameters are those of its first engine; the strength counts where one that draws from sources takes it."""
    table = {name: value for name, value in MODEL.items() if name != "source"} | {"backend": "remote"}
    model = parse_model("far", table | {"engines": [{"engine": "a"} | one for one in engines]})
    usual = {"negative": False, "guidance": False, "negative_above": None}
    assert assumed(model) == Capabilities(**usual | able)


def test_a_source_without_a_mask_needs_no_inpainting(heeded):
    """Without a mask the mode `inpaint` is not asked for."""
    order, told = heeded(Capabilities(inpaint=False), image=PICTURES["image"])
    assert (order.source, told) == (PICTURES["image"], set())


@pytest.mark.parametrize(
    ("able", "sent", "size", "told"),
    [
        ({}, {"width": 512, "height": 768}, (512, 768), set()),
        ({"size_multiple": 64}, {"width": 512, "height": 768}, (512, 768), set()),
        ({"size_multiple": 64}, {"width": 1000, "height": 600}, (1024, 640), {"width", "height"}),
        ({"longest_side": 1000}, {"width": 1024, "height": 640}, (1000, 600), {"width", "height"}),
        ({"longest_side": 1000}, {}, (1000, 600), set()),
        ({"size_multiple": 512}, {"width": 512, "height": 768}, (512, 768), set()),
    ],
    ids=["all", "fits", "multiple", "longest side", "default", "none is drawn"],
)
def test_sizes_that_the_files_do_not_allow_are_not_drawn(able, sent, size, told):
    """The nearest size of the model's list is, also for a source; what was sent and changed is told."""
    model = MODEL | {"sizes": [[1024, 640], [1000, 600], [512, 768]]}
    request = GenerateRequest(prompt="red coat", **sent)
    resolved = resolve(request, parse_catalog({"eros": model}, {}), {"default"}, max_prompt_chars=2000)
    heeded = heeding(resolved, Capabilities(**able))
    assert ((heeded.width, heeded.height), set(heeded.warnings)) == (size, told)
    if not sent:
        fitted = fit_source(heeded, (1024, 640))
        assert (fitted.width, fitted.height) == (1000, 600)
