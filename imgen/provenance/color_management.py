"""Colour management: converts pixels to sRGB by the ICC profile of their file. A profile that cannot be used counts as sRGB."""

import io
from collections.abc import Callable

from PIL import Image, ImageCms

SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
"""Mode of an image → colour space of a profile that fits it, as the profile's header has it (ICC.1, section 7.2.6)."""
_CLASSES = {"mntr", "scnr", "prtr", "spac"}
"""Classes of profiles that describe colours of pixels: monitor, scanner, printer, colour space."""
_UNUSABLE = (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError)


def to_srgb(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """Makes the conversion of images of a mode (`RGB`, `L` or `CMYK`) to RGB in sRGB.

    Relative colorimetric with black point compensation, as picture editors do it: white stays white.

    Returns:
        The conversion; None: the pixels are sRGB already, or the profile is broken or of another colour space.
    """
    if not profile:
        return None
    try:
        opened = ImageCms.getOpenProfile(io.BytesIO(profile))
        described = opened.profile
        if described.xcolor_space != SPACES[mode] or described.device_class not in _CLASSES:
            return None
        if mode == "RGB" and "srgb" in (described.profile_description or "").lower():
            return None
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except _UNUSABLE:
        return None

    def convert(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform)
        return image if converted is None else converted

    return convert
