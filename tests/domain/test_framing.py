"""Framing of exports: sizes to draw, factors and exact sizes."""

import pytest
from factories import make_recipe
from msgspec import structs

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import LEAST_PIXELS, parse_catalog
from imgen.domain.framing import finished_sizes, fit_export, in_another_size, window
from imgen.domain.recipe import Frame
from imgen.domain.repair import resolve
from imgen.domain.request import Export, GenerateRequest

EROS = {
    "label": "Eros",
    "source": "eros",
    "steps": {"default": 4},
    "guidance": {"default": 3.0},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}
CATALOG = parse_catalog({"eros": EROS}, {})


@pytest.fixture
def framed():
    """Fits an order with a source of a size."""
    order = resolve(GenerateRequest(prompt="red coat"), CATALOG, {"default"}, max_prompt_chars=1000)

    def fit(source, aspect, long_side=0, *, mode="style", longest_px=0, sizes=()):
        export = Export(aspect=aspect, long_side=long_side)
        model = structs.replace(order.model, sizes=sizes or order.model.sizes)
        asked = structs.replace(order, mode=mode, model=model)
        fitted = fit_export(asked, export, source, Capabilities(), longest_px=longest_px)
        return (fitted.width, fitted.height), fitted.upscale, fitted.frame

    return fit


@pytest.mark.parametrize(
    ("source", "aspect", "long_side", "size", "factor", "frame"),
    [
        ((3000, 2000), "source", 0, (1216, 832), 1, (1216, 811)),
        ((3000, 2000), "16:9", 0, (1344, 768), 1, (1344, 756)),
        ((3000, 2000), "1:1", 4096, (1024, 1024), 4, (4096, 4096)),
        ((3000, 2000), "9:16", 2048, (768, 1344), 2, (1152, 2048)),
        ((3000, 2000), "3:4", 4096, (768, 1024), 4, (3072, 4096)),
        ((3000, 1000), "source", 2048, (1344, 768), 2, (2048, 683)),
        ((100, 1600), "source", 0, (768, 1344), 1, (84, 1344)),
    ],
)
def test_an_export_is_cut_out_of_the_nearest_size(framed, source, aspect, long_side, size, factor, frame):
    """Its ratio is exact to the pixel, its long side what was asked for."""
    assert framed(source, aspect, long_side) == (size, factor, Frame(width=frame[0], height=frame[1]))


@pytest.mark.parametrize(
    ("source", "aspect", "long_side", "longest_px", "size", "factor", "frame"),
    [
        ((1500, 1000), "source", 0, 0, (1500, 1000), 1, (1500, 1000)),
        ((1500, 1000), "1:1", 0, 0, (1000, 1000), 1, (1024, 1024)),
        ((6000, 4000), "source", 0, 0, (4096, 2731), 1, (4096, 2731)),
        ((6000, 4000), "source", 0, 2048, (2048, 1365), 1, (2048, 1365)),
        ((400, 300), "source", 0, 0, (400, 300), 4, (1024, 768)),
        ((400, 300), "source", 4096, 0, (400, 300), 4, (4096, 3072)),
        ((32, 512), "source", 0, 0, (32, 512), 2, (64, 1024)),
    ],
)
def test_an_enhanced_picture_keeps_the_size_of_its_source(
    framed, source, aspect, long_side, longest_px, size, factor, frame
):
    """Within the plan's limit and a picture's usual sizes; a smaller one is enlarged, a larger one reduced first."""
    expected = (size, factor, Frame(width=frame[0], height=frame[1]))
    assert framed(source, aspect, long_side, mode="enhance", longest_px=longest_px) == expected


def test_no_frame_is_too_small_for_the_watermark(framed):
    """A strip out of a small model's picture becomes larger."""
    size, factor, frame = framed((480, 32), "source", sizes=((512, 512),))
    assert (size, factor) == ((512, 512), 2)
    assert frame.width * frame.height >= LEAST_PIXELS


def test_a_window_is_the_largest_part_of_a_ratio():
    """As wide or as high as the picture."""
    assert window((1344, 768), (16, 9)) == (1344, 756)
    assert window((768, 1344), (16, 9)) == (768, 432)
    assert window((1024, 1024), (9, 16)) == (576, 1024)


@pytest.mark.parametrize(
    ("long_side", "factor", "frame"), [(0, 1, (768, 1024)), (2048, 2, (1536, 2048)), (4096, 4, (3072, 4096))]
)
def test_a_picture_is_exported_in_another_size(long_side, factor, frame):
    """From the same drawing, whose part it shows; what is not drawn is left as it is."""
    recipe = make_recipe(mode="style", frame=Frame(width=1536, height=2048))
    drawing = structs.replace(recipe.diffusion, width=768, height=1024, upscale=2)
    recipe = structs.replace(recipe, diffusion=drawing)
    made = in_another_size(recipe, long_side)
    assert (made.diffusion.upscale, made.frame) == (factor, Frame(width=frame[0], height=frame[1]))
    assert structs.replace(made.diffusion, upscale=2) == drawing
    enhanced = structs.replace(recipe, mode="enhance")
    assert in_another_size(enhanced, long_side) == enhanced


def test_finished_sizes_are_drawn_enlarged_and_exported_ones():
    """Every size that a finished picture of the model can have, each once: an export at base size is the window of its ratio."""
    sizes = finished_sizes(((1344, 768), (1024, 1024)))
    assert sizes[:4] == ((1344, 768), (1024, 1024), (2688, 1536), (2048, 2048))
    assert {(5376, 3072), (4096, 4096), (2048, 1152), (4096, 2731), (1344, 756)} <= set(sizes)
    assert len(sizes) == len(set(sizes))
