"""Architectures that diffusers has modes for: pipeline classes by mode, as names, so that no torch is needed to know them."""

from typing import Literal, NamedTuple

Mode = Literal["text", "image", "inpaint"]


class Architecture(NamedTuple):
    """Pipeline classes over the same components."""

    text: str
    image: str = ""
    """Empty: diffusers has none that is told how far it may leave its source."""
    inpaint: str = ""
    """Empty: diffusers has none."""

    def pipeline(self, mode: Mode) -> str:
        """Returns the class of a mode; empty: there is none."""
        return {"text": self.text, "image": self.image, "inpaint": self.inpaint}[mode]


def _usual(stem: str, *, inpaint: bool = True) -> Architecture:
    return Architecture(f"{stem}Pipeline", f"{stem}Img2ImgPipeline", f"{stem}InpaintPipeline" if inpaint else "")


ARCHITECTURES: tuple[Architecture, ...] = (
    _usual("StableDiffusion"),
    _usual("StableDiffusionXL"),
    _usual("StableDiffusion3"),
    _usual("StableDiffusionPAG"),
    _usual("StableDiffusionXLPAG"),
    _usual("StableDiffusion3PAG", inpaint=False),
    _usual("LatentConsistencyModel", inpaint=False),
    _usual("Flux"),
    _usual("QwenImage"),
    _usual("ZImage"),
    _usual("Chroma"),
)


def is_listed(pipeline: str) -> bool:
    """Returns whether a pipeline class, by its name, is one of an architecture that is listed."""
    return any(pipeline in known for known in ARCHITECTURES)


def architecture_of(pipeline: str) -> Architecture:
    """Returns the architecture of a pipeline class, by its name; one that is not listed has its own class for text alone."""
    return next((known for known in ARCHITECTURES if pipeline in known), Architecture(pipeline))
