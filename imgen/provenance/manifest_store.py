"""C2PA manifest store of a picture, as a file: its manifests by label, and a store of one of them. Validates nothing.

A store is a JUMBF superbox of superboxes, one for each manifest (C2PA 2.4, section 11.1.4; ISO 19566-5, annex B).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = struct.Struct(">I4s")
"""Length of a box with its head, and its type."""
_SUPERBOX, _DESCRIPTION = b"jumb", b"jumd"
_LABEL_AT = 17
"""Place of the label in a description: after the UUID of the content's type and the toggles."""
_HAS_LABEL = 0b10
"""Toggle of a description that has a label."""


class _Box(NamedTuple):
    kind: bytes
    whole: bytes
    content: bytes


def only(store: bytes, label: str) -> bytes | None:
    """Returns a store that holds one manifest of a store alone; None: it holds no such manifest, or is no store.

    Args:
        store: JUMBF.
        label: of the manifest, `urn:c2pa:…`.
    """
    try:
        (top,) = _boxes(store)
        description, *manifests = _boxes(top.content)
        found = next((one for one in manifests if _label(one) == label), None)
    except (struct.error, ValueError):
        return None
    if found is None or (top.kind, description.kind) != (_SUPERBOX, _DESCRIPTION):
        return None
    content = description.whole + found.whole
    return _HEAD.pack(_HEAD.size + len(content), _SUPERBOX) + content


def _boxes(content: bytes) -> Iterator[_Box]:
    """Yields the boxes that follow each other.

    Raises:
        struct.error, ValueError: it is cut, or no sequence of boxes.
    """
    at = 0
    while at < len(content):
        length, kind = _HEAD.unpack_from(content, at)
        if not _HEAD.size <= length <= len(content) - at:  # lengths of 64 bits, too: no store of ours is that long
            raise ValueError("no box")
        yield _Box(kind, content[at : at + length], content[at + _HEAD.size : at + length])
        at += length


def _label(superbox: _Box) -> str:
    """Returns the label of a superbox; empty: it has none."""
    description = next(_boxes(superbox.content), None) if superbox.kind == _SUPERBOX else None
    if description is None or description.kind != _DESCRIPTION or len(description.content) <= _LABEL_AT:
        return ""
    if not description.content[_LABEL_AT - 1] & _HAS_LABEL:
        return ""
    return description.content[_LABEL_AT:].partition(b"\0")[0].decode("utf-8", "replace")
