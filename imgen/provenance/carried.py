"""Pictures that a C2PA manifest store carries: thumbnails and other files in the manifests of ingredients. Judges nothing.

Credentials that are kept bring them along, and programs that show credentials show them: none may go by unseen.
"""

import re
from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from imgen.domain.errors import InvalidField
from imgen.provenance import untrusted_image
from imgen.provenance.intake import OWN_FORMATS

MAX_TRIED = 64
"""Places of a store that are tried; programs write a thumbnail or two for each ingredient."""
MAX_SIDE = 2048
"""Pixels of the long edge of what is given: reviewers need no more."""

_FILE, _PACKED = b"bidb", b"brob"
"""Types of the boxes that hold an embedded file (ISO 19566-5, section B.5), or another box compressed (ISO 18181-2, 9.3)."""
_START = re.compile(rb"bidb|\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n|RIFF....WEBP|\0\0..ftypavi", re.DOTALL)
"""Start of an embedded file, or of a picture in a box of another type, such as the CBOR of a data box."""


def carried_pictures(store: bytes, known: Collection[bytes] = ()) -> Iterator[NDArray[np.uint8] | None]:
    """Yields each picture that a manifest store carries, (h, w, 4) uint8; None: there is a file that cannot be looked at.

    Args:
        store: JUMBF.
        known: files that are passed over.
    """
    if _PACKED in store:
        yield None
    passed = 0
    for tried, found in enumerate(_START.finditer(store)):
        if tried == MAX_TRIED:
            yield None
            return
        start, is_file = found.start(), found[0] == _FILE
        if start < passed:
            continue
        if is_file:
            end = start - 4 + int.from_bytes(store[start - 4 : start], "big")  # the box's length stands before its type
            body = store[found.end() : end]
            passed = end if body in known else found.end() + 1
            if body in known:
                continue
        else:
            body = store[start:]
        pixels = _opened(body)
        if is_file or pixels is not None:
            yield pixels


def _opened(body: bytes) -> NDArray[np.uint8] | None:
    try:
        with untrusted_image.open_untrusted(body, "", OWN_FORMATS) as image:
            if getattr(image, "n_frames", 1) > 1:  # the others would go by unseen
                return None
            image.load()
            small = untrusted_image.convert(image, "RGBA")
            small.thumbnail((MAX_SIDE, MAX_SIDE))
            return np.asarray(small)
    except InvalidField:
        return None
