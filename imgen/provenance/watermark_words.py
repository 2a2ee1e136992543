"""The way in which a watermark was found, in words."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgen.provenance.watermark_reading.acceptance import DecodedWatermark

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SEARCHES = {
    "exact": "as it is",
    "restored": "restored to its size",
    "steps": "at another contrast",
    "crop": "in a part",
    "scale": "in a part that was resized",
    "candidate": "confirmed beside a picture that it resembles",
}
"""Search that found the watermark → its words."""


def how_found(watermark: "DecodedWatermark") -> str:
    """Returns the way in which a watermark was found, such as `in a part, mirrored, grid at 3, 5`."""
    parts = [
        _SEARCHES[watermark.search],
        *(("mirrored",) if watermark.mirrored else ()),
        *((f"scale {watermark.scale:g}",) if watermark.scale != 1 else ()),
        *((f"contrast {watermark.step:g}",) if watermark.step != 1 else ()),
        *((f"grid at {watermark.crop.x}, {watermark.crop.y}",) if watermark.crop else ()),
    ]
    return ", ".join(parts)


def rarity(false_accepts: float) -> str:
    """Returns the unmarked pictures of which one at most would be read as marked, as a power of ten: `10¹²`."""
    return f"10{str(math.floor(-math.log10(false_accepts))).translate(_RAISED)}"
