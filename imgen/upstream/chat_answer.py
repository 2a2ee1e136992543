"""JSON object in the text of a chat completion. Exactly one of the right form counts as an answer.

Models write around it: a fence, a thought, a sentence; endpoints send text in parts, or as a stream that nothing asked for.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")


def answered_object(body: bytes, kind: type[T]) -> T:
    """Returns the one JSON object of a chat completion's text; what a model writes around it is passed over.

    Raises:
        One of openai_client.MALFORMED: there is none of this kind, or there are several that differ.
    """
    text = _THOUGHT.sub("", _content(body).removeprefix("\ufeff")).strip()
    if _OPEN_THOUGHT.search(text):
        raise ValueError("a thought without end")
    found = {msgspec.json.encode(one): one for one in _objects(text, kind)}
    if len(found) != 1:
        raise ValueError(f"{len(found)} different objects")
    return next(iter(found.values()))


_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_OPEN_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_scan = json.JSONDecoder().raw_decode


def _objects(text: str, kind: type[T]) -> Iterator[T]:
    """Yields the outermost JSON objects in a text that are of a kind."""
    start = text.find("{")
    while start >= 0:
        try:
            value, end = _scan(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            with contextlib.suppress(msgspec.ValidationError):  # some other object, such as an example
                yield msgspec.convert(value, kind)
        start = text.find("{", end)


class _Part(Struct):
    text: str = ""


class _Text(Struct):
    content: str | list[_Part] | None = None


class _Choice(Struct):
    message: _Text | None = None
    delta: _Text | None = None


class _Completion(Struct):
    choices: list[_Choice]


_decode_completion = msgspec.json.Decoder(_Completion).decode


def _content(body: bytes) -> str:
    """Returns the text of a completion's first choice; some endpoints stream it, though nothing asked for that.

    Raises:
        One of openai_client.MALFORMED.
    """
    if body.lstrip().startswith(b"data:"):
        lines = [line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:")]
        return "".join(_first_text(line) for line in lines if line and line != b"[DONE]")
    return _first_text(body)


def _first_text(body: bytes) -> str:
    choices = _decode_completion(body).choices
    if not choices:
        return ""
    text = choices[0].message or choices[0].delta or _Text()
    return text.content if isinstance(text.content, str) else "".join(part.text for part in text.content or ())
