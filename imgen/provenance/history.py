"""History of a picture in the words of C2PA: its actions and its ingredients. Writes no manifest.

Actions: C2PA 2.4, section 18.15; ingredients: section 18.16. Beside the specification, the C2PA Conformance Program 0.2 wants a
`digitalSourceType` on every action that changes what is seen, `c2pa.placed` excepted, and none on `c2pa.opened`.
"""

from pathlib import PurePath
from typing import Literal

from msgspec import Struct, structs

SOURCE = "source"
LOGO = "logo"
ANSWER = "answer"
"""Labels by which an action names its ingredient. They stand in no file: the library replaces them with hashed URIs."""

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
DRAWN = f"{_SOURCE_TYPES}trainedAlgorithmicMedia"
PARTLY_DRAWN = f"{_SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
ENHANCED = f"{_SOURCE_TYPES}algorithmicallyEnhanced"


class Action(Struct, frozen=True, kw_only=True):
    """Step in which a picture was made or changed. An empty text is left out."""

    name: str
    """One of C2PA's predefined actions, say `c2pa.edited`."""
    source_type: str = ""
    """IPTC digital source type, a URL."""
    software_agent: str = ""
    """Program or model that took the step, if it was not Imgen itself."""
    when: str = ""
    """RFC 3339, UTC."""
    description: str = ""
    ingredient: str = ""
    """Label of the ingredient that it acts on."""


class Ingredient(Struct, frozen=True, kw_only=True):
    """Picture that another one was made from."""

    label: str
    relationship: Literal["parentOf", "componentOf", "inputTo"]
    """`parentOf`: the picture is a version of it, at most one; `componentOf`: it is a part of the picture; `inputTo`: a model
    drew from it what the picture is a version of."""
    title: str = ""
    """Of a file that is ours: a stranger's has that of its own manifest (C2PA 2.4, section 18.16.4)."""
    thumbnail: bytes = b""
    """Small copy, JPEG, of pixels that were reviewed; empty: none."""
    file: bytes = b""
    """The file as its owner gave it; its manifest is kept, if it has one. Empty: the ingredient has no file, or a bare one."""


WATERMARKED = Action(name="c2pa.watermarked")
"""Its finer forms of C2PA 2.3, `.bound` and `.unbound`, are unknown to older readers."""

OPENED = Action(name="c2pa.opened", ingredient=SOURCE)

OPENED_ANSWER = Action(name="c2pa.opened", ingredient=ANSWER)
"""A remote engine's file with credentials of its own: that it is drawn stands in those."""

PLACED = Action(name="c2pa.placed", ingredient=LOGO)

CROPPED = Action(name="c2pa.cropped", source_type=ENHANCED)

RESIZED = Action(name="c2pa.resized", source_type=ENHANCED)


ENHANCEMENT = (
    Action(name="c2pa.edited", source_type=ENHANCED, description="Denoised and sharpened"),
    Action(name="c2pa.color_adjustments", source_type=ENHANCED, description="Tones spread over the whole range"),
)
"""Actions of a picture that was made better without a model."""


def created(model: str, when: str) -> Action:
    """Returns the action of a picture that a model drew from words alone."""
    return Action(name="c2pa.created", source_type=DRAWN, software_agent=model, when=when)


def enlarged(upscaler: str) -> Action:
    """Returns the action of an upscaler, named as a file or a method."""
    return structs.replace(RESIZED, software_agent=PurePath(upscaler).stem)


def redrawn(model: str, when: str, description: str) -> Action:
    """Returns the action of a model that drew over an opened picture, or over a part of it."""
    return Action(
        name="c2pa.edited", source_type=PARTLY_DRAWN, software_agent=model, when=when, description=description
    )
