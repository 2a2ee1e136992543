"""Hiding of prompts and keys in texts of servers, which repeat them: whole, cut, or escaped."""

import html
import itertools
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

HIDDEN = "…"
"""Text in place of what is left out."""
MAX_TEXT = 4000
"""Characters of a server's text that are looked through; fewer are shown."""
LEAST_SHARED = 10
"""Bytes of letters and digits in a row that a server's text may not share with a hidden one; fewer are a word that both happen to
have. In UTF-8: four signs of Chinese tell as much as ten letters."""
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\([\"'\\/nrt])")
_QUOTED = re.compile(r"[\"'`“‘«]([^\"'`“”‘’«»]{2,}?)[\"'`”’»]")
_WORD = re.compile(r"\w+")


def without(text: str, hidden: Iterable[str]) -> str:
    """Returns the beginning of a server's text on one line, without what it shares with hidden texts.

    Left out are runs of letters and digits, whatever stands between those, shorter words of a hidden text in quotation marks, and
    a hidden text that is shorter as a whole. Escapes of JSON, HTML and URLs are undone.
    """
    text = " ".join(_plain(text[:MAX_TEXT]).split())
    letters, places = _folded(text)
    is_left_out = bytearray(len(text))
    for secret in (_folded(_plain(one))[0] for one in hidden):
        for start, end in _shared(letters, secret):
            first, last = places[start], places[end - 1]
            is_left_out[first : last + 1] = b"\1" * (last + 1 - first)
        for start, end in _named(text, secret):
            is_left_out[start:end] = b"\1" * (end - start)
    pieces = itertools.groupby(zip(text, is_left_out, strict=True), key=lambda pair: pair[1])
    return "".join(HIDDEN if is_out else "".join(sign for sign, _ in piece) for is_out, piece in pieces)


def _plain(text: str) -> str:
    """Undoes escapes; a text within a text has them twice."""
    for _ in range(2):
        text = html.unescape(unquote(_ESCAPE.sub(_unescaped, text)))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return " " if found[2] in "nrt" else found[2]


def _folded(text: str) -> tuple[bytes, list[int]]:
    """Returns the letters and digits of a text, without their case, in UTF-8, and the place of each byte's sign."""
    pairs = [(byte, place) for place, sign in enumerate(text) if sign.isalnum() for byte in sign.casefold().encode()]
    return bytes(byte for byte, _ in pairs), [place for _, place in pairs]


def _shared(letters: bytes, secret: bytes) -> Iterator[tuple[int, int]]:
    """Yields the runs of letters that also stand in a secret."""
    runs = {secret[at : at + LEAST_SHARED] for at in range(len(secret) - LEAST_SHARED + 1)}
    for start in range(len(letters) - LEAST_SHARED + 1):
        if letters[start : start + LEAST_SHARED] in runs:
            yield start, start + LEAST_SHARED


def _named(text: str, secret: bytes) -> Iterator[tuple[int, int]]:
    """Yields the places of quoted words that stand in a secret, and of a short secret as a whole."""
    for found in _QUOTED.finditer(text):
        if (quoted := _folded(found[1])[0]) and quoted in secret:
            yield found.span(1)
    if not 0 < len(secret) < LEAST_SHARED:
        return
    words = [(_folded(found[0])[0], found.span()) for found in _WORD.finditer(text)]
    for first in range(len(words)):
        joined = b""
        for word, (_, end) in words[first:]:
            joined += word
            if joined == secret:
                yield words[first][1][0], end
            if not secret.startswith(joined):
                break
