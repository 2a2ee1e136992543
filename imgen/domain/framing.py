"""Framing of an export: the size to draw, the window of it that has the asked ratio, and the finished picture's exact size."""

import math
from collections.abc import Sequence

from msgspec import structs

from imgen.domain.capabilities import Capabilities
from imgen.domain.catalog import LEAST_PIXELS, RATIOS, Catalog, Size, clamp, nearest_size
from imgen.domain.recipe import Diffusion, Frame, Recipe
from imgen.domain.request import UPSCALES, Export, ResolvedRequest
from imgen.domain.studio import ENHANCE, LONG_SIDES, SOURCE_ASPECT

LEAST_ENHANCED_PX, MOST_ENHANCED_PX = 1024, 4096
"""Long side of an enhanced picture where no size is asked for: its source's, within these."""
_NEARLY = 1.25
"""Enlargement that needs no upscaler."""


def fit_export(
    resolved: ResolvedRequest, export: Export, source: Size, able: Capabilities, *, longest_px: int = 0
) -> ResolvedRequest:
    """Gives an order the size to draw, the factor of its enlargement and the exact size of its picture.

    Args:
        resolved: the order.
        export: its own.
        source: width and height of its source.
        able: what its model can draw.
        longest_px: limit of the plan, 0: none; an enhanced picture of no asked size is at most so long.
    """
    ratio = source if export.aspect == SOURCE_ASPECT else RATIOS[export.aspect]
    if resolved.is_enhance:
        whole = window(source, ratio)
        longest = min(longest_px or MOST_ENHANCED_PX, MOST_ENHANCED_PX)
        frame = _of_long_side(ratio, export.long_side or clamp(max(whole), min(LEAST_ENHANCED_PX, longest), longest))
        drawn = cut = min(whole, frame)
    else:
        sizes = resolved.model.all_sizes
        drawn = nearest_size(*ratio, tuple(filter(able.draws, sizes)) or sizes)
        cut = window(drawn, ratio)
        frame = _of_long_side(ratio, export.long_side) if export.long_side else cut
    frame = _large_enough(frame)
    return structs.replace(
        resolved,
        width=drawn[0],
        height=drawn[1],
        upscale=_factor(cut, frame),
        frame=Frame(width=frame[0], height=frame[1]),
    )


def in_another_size(recipe: Recipe, long_side: int) -> Recipe:
    """Returns the recipe of the same drawn picture in another size of export; one that nothing is drawn for stays as it is.

    Args:
        recipe: with a frame.
        long_side: pixels of the finished picture; 0: as it is drawn.
    """
    if not isinstance(recipe.frame, Frame) or recipe.mode == ENHANCE:
        return recipe
    cut = drawn_window(recipe.diffusion, recipe.frame)
    width, height = _large_enough(_of_long_side(cut, long_side) if long_side else cut)
    upscale = _factor(cut, (width, height))
    diffusion = structs.replace(recipe.diffusion, upscale=upscale)
    return structs.replace(recipe, diffusion=diffusion, frame=Frame(width=width, height=height))


def window(size: Size, ratio: Size) -> Size:
    """Returns width and height of the largest part of a picture that has a ratio."""
    width, height = size
    across, down = ratio
    if width * down <= height * across:
        return width, max(1, round(width * down / across))
    return max(1, round(height * across / down)), height


def drawn_window(diffusion: Diffusion, frame: Frame) -> Size:
    """Returns width and height of the part of a drawn picture that the finished one shows."""
    return window((diffusion.width, diffusion.height), (frame.width, frame.height))


def exported_px(recipe: Recipe) -> int:
    """Returns the long side of a recipe's export; 0: none was asked for."""
    longest = max(recipe.frame.width, recipe.frame.height) if recipe.frame else 0
    return longest if longest in LONG_SIDES.values() else 0


def finished_sizes(sizes: Sequence[Size]) -> tuple[Size, ...]:
    """Returns the sizes that pictures of a model have: its own, enlarged, and exported in every ratio.

    Args:
        sizes: all that may be asked of the model.
    """
    enlarged = [(width * factor, height * factor) for factor in UPSCALES for width, height in sizes]
    exported = [
        _large_enough(_of_long_side(ratio, long_side) if long_side else window(nearest_size(*ratio, sizes), ratio))
        for ratio in RATIOS.values()
        for long_side in LONG_SIDES.values()
    ]
    return tuple(dict.fromkeys([*enlarged, *exported]))


def catalog_sizes(catalog: Catalog) -> tuple[Size, ...]:
    """Returns the sizes that pictures of all models of a catalog have."""
    every = (size for model in catalog.models.values() for size in finished_sizes(model.all_sizes))
    return tuple(dict.fromkeys(every))


def _factor(cut: Size, frame: Size) -> int:
    """Returns the factor by which the cut part is enlarged before it is scaled to the frame."""
    return next((one for one in UPSCALES if max(cut) * max(one, _NEARLY) >= max(frame)), UPSCALES[-1])


def _of_long_side(ratio: Size, long_side: int) -> Size:
    short_side = max(1, round(long_side * min(ratio) / max(ratio)))
    return (long_side, short_side) if ratio[0] >= ratio[1] else (short_side, long_side)


def _large_enough(size: Size) -> Size:
    """Returns a size with the area that the watermark needs: a narrow strip becomes larger."""
    scale = math.sqrt(LEAST_PIXELS / (size[0] * size[1]))
    return size if scale <= 1 else (math.ceil(size[0] * scale), math.ceil(size[1] * scale))
