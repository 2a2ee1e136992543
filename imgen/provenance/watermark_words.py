"""The way in which a watermark was found, in words."""

from imgen.provenance.watermark_reading.acceptance import DecodedWatermark

_SEARCHES = {
    "exact": "as it is",
    "restored": "restored to its size",
    "steps": "at another contrast",
    "crop": "in a part",
    "scale": "in a part that was resized",
    "candidate": "confirmed beside a picture that it resembles",
}
"""Search that found the watermark → its words."""


def how_found(watermark: DecodedWatermark) -> str:
    """Returns the way in which a watermark was found, such as `in a part, mirrored, grid at 3, 5`."""
    parts = [
        _SEARCHES[watermark.search],
        *(("mirrored",) if watermark.mirrored else ()),
        *((f"scale {watermark.scale:g}",) if watermark.scale != 1 else ()),
        *((f"contrast {watermark.step:g}",) if watermark.step != 1 else ()),
        *((f"grid at {watermark.crop.x}, {watermark.crop.y}",) if watermark.crop else ()),
    ]
    return ", ".join(parts)
