"""Pictures to and from remote engines: sources and masks as files, and an answer's file as pixels of the size asked for."""

import base64
import binascii
import io
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy import uint8
from numpy.typing import NDArray
from PIL import Image, ImageOps

from imgen.domain.errors import InvalidField, NoAnswer, RemoteEngineFailed, UnsafeUrl
from imgen.domain.recipe import REDRAWN
from imgen.domain.remote_engine import RemoteEngine
from imgen.outgoing.client import OutgoingClient
from imgen.provenance import plain_rgb as plain
from imgen.provenance.untrusted_image import convert, open_untrusted
from workers.engines import NO_PIXELS, Shot
from workers.engines.paste_back import pasted_back
from workers.engines.remote.http import MAX_PICTURE_BYTES

MAX_DATA_URI_HEAD = 100
"""Bytes in which the comma of a data URI stands."""
PIECE_BYTES = 2**20
"""Bytes of escaped base64 that are decoded at a time."""
ESCAPE_BYTES = 6
"""Length of the longest escape of JSON."""
PREVIEW_PIXELS = 512
"""Long edge of a preview that is shown."""


def png(pixels: NDArray[uint8]) -> bytes:
    """Encodes (height, width[, channels]) pixels losslessly and quickly."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def alpha_mask(source: NDArray[uint8], mask: NDArray[uint8]) -> NDArray[uint8]:
    """Returns the source with an alpha of 0 where it is redrawn, as OpenAI's dialect marks it: (height, width, 4)."""
    return np.dstack([source, np.where(mask >= REDRAWN, 0, 255).astype(uint8)])


def from_base64(text: str) -> bytes:
    """Decodes base64, also that of a data URI.

    Raises:
        ValueError: it is none.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("the picture is no base64") from exc


def from_json_base64(raw: msgspec.Raw) -> bytes:
    """Decodes base64, or a data URI, that stands in a JSON, without a copy of its text: it may have 64 MB.

    Raises:
        ValueError: it is none.
    """
    text = memoryview(raw)
    head = bytes(text[:MAX_DATA_URI_HEAD])
    if not head.startswith(b'"'):
        raise ValueError("the picture is no text")
    start = head.find(b",") + 1 if head.startswith(b'"data:') else 1
    try:
        return binascii.a2b_base64(text[start:-1], strict_mode=True)
    except binascii.Error as exc:
        try:
            return _from_escaped_base64(text[start:-1])
        except ValueError:  # msgspec's own among them
            raise ValueError("the picture is no base64") from exc


def _from_escaped_base64(text: memoryview) -> bytes:
    r"""Decodes base64 with escaped signs, piece by piece, so that its text is not copied as a whole.

    Some libraries write a slash as `\/`, others a plus as `\u002b`.
    """
    decoded, rest, escape, is_padded = bytearray(), b"", b"", False
    for start in range(0, len(text), PIECE_BYTES):
        piece = escape + bytes(text[start : start + PIECE_BYTES])
        end = _end_of_escapes(piece)
        escape = piece[end:]
        signs = rest + msgspec.json.decode(b'"%b"' % piece[:end], type=str).encode()
        whole = len(signs) - len(signs) % 4
        if is_padded and signs:
            raise ValueError("something follows the padding")
        is_padded, rest = b"=" in signs[:whole], signs[whole:]
        decoded += binascii.a2b_base64(signs[:whole], strict_mode=True)
    if rest or escape:
        raise ValueError("the last signs are not whole")
    return bytes(decoded)


def _end_of_escapes(piece: bytes) -> int:
    """Returns the place at which a piece of a JSON's text may be cut: before an escape whose end is in the next piece."""
    last = piece.rfind(b"\\", max(0, len(piece) - ESCAPE_BYTES + 1))
    needed = ESCAPE_BYTES if piece[last + 1 : last + 2] == b"u" else 2
    return last if last >= 0 and len(piece) - last < needed else len(piece)


async def fetched(url: str, remote: RemoteEngine) -> bytes:
    """Returns what is at a URL of an engine's answer: https, at public addresses alone, without redirects.

    Raises:
        RemoteEngineFailed: it may not be fetched, or is not answered in time or in size; the URL may be signed and is not told.
    """
    client = OutgoingClient(timeout_s=remote.timeout_s)
    try:
        answer = await client.get(url, {}, max_bytes=MAX_PICTURE_BYTES)
    except (UnsafeUrl, NoAnswer) as exc:
        raise RemoteEngineFailed(f"Engine {remote.key}: its picture cannot be fetched: {exc}") from exc
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise RemoteEngineFailed(f"Engine {remote.key}: its picture cannot be fetched: status {answer.status}")
    return answer.body


def preview_pixels(file: bytes) -> NDArray[uint8] | None:
    """Decodes a preview that an engine sent, (height, width, 3). None: there is none, or it is no picture."""
    if not file:
        return None
    try:
        with open_untrusted(file, "preview") as image:
            image.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
            return np.asarray(convert(image, "RGB"))
    except (InvalidField, ValueError):
        return None


@dataclass(frozen=True)
class Fitted:
    """Picture of the size asked for, and the size that the engine drew."""

    pixels: NDArray[uint8]
    """(height, width, 3); none where `png` takes their place."""
    drawn_size: tuple[int, int]
    """Width and height in pixels."""
    png: bytes = b""
    """The engine's own file without metadata; empty: there are pixels."""


def fitted(file: bytes, shot: Shot, remote: RemoteEngine) -> Fitted:
    """Decodes a file that an engine sent; another size is scaled and cut from the middle. What a mask keeps is the source's.

    A whole PNG of the right size is left as it is where nothing is done to its pixels: decoding costs more than all else.

    Raises:
        RemoteEngineFailed: the file is no picture that may be opened.
    """
    size, png_file = (shot.diffusion.width, shot.diffusion.height), plain.plain_rgb(file)
    if shot.is_final and shot.mask is None and _is_exactly(png_file, size):
        return Fitted(NO_PIXELS, size, png_file)
    try:
        with open_untrusted(png_file or file, "picture") as image:
            picture = convert(image, "RGB")
    except (InvalidField, ValueError) as exc:
        raise RemoteEngineFailed(f"Engine {remote.key} answered with no picture: {exc}") from exc
    drawn_size = picture.size
    if drawn_size != size:
        picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)
    if shot.source is not None and shot.mask is not None:
        pixels = pasted_back(shot.diffusion, pixels, shot.source, shot.mask)
    return Fitted(pixels, drawn_size)


def _is_exactly(png_file: bytes, size: tuple[int, int]) -> bool:
    """Returns whether a file of `plain_rgb` is whole and of a size. One longer than its pixels is filled up with something."""
    is_fit = png_file and plain.size(png_file) == size and len(png_file) <= size[0] * size[1] * 3
    return bool(is_fit) and plain.is_whole(png_file)
