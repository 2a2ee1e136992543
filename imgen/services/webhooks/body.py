"""Body of a webhook: the event's type, its time, and the answer to a poll of the ended job, in less than 20 kB."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

MAX_BODY_BYTES = 20_000
"""Bytes that a body stays below (Standard Webhooks, "Payload size")."""
_URL_NAME = "url"
"""End of the names of members, such as `url` and `asset_url`, that are of no use when they are cut."""


def make_body(event: str, at: float, data: object) -> bytes:
    """Makes the body as JSON; over MAX_BODY_BYTES its longest texts are cut to one length, and `truncated` is true.

    Args:
        event: its type.
        at: its time, in seconds since the epoch.
        data: the answer, with the job's id.
    """
    body: dict[str, Any] = {"type": event, "timestamp": time_text(at), "data": msgspec.to_builtins(data)}
    encoded = msgspec.json.encode(body)
    if len(encoded) < MAX_BODY_BYTES:
        return encoded
    shortest, longest = 0, len(encoded)
    while shortest < longest:  # the longest texts that fit
        middle = (shortest + longest + 1) // 2
        fits = len(_cut_body(body, middle)) < MAX_BODY_BYTES
        shortest, longest = (middle, longest) if fits else (shortest, middle - 1)
    return _cut_body(body, shortest)


def time_text(at: float) -> str:
    """Formats seconds since the epoch as ISO 8601, UTC, to the millisecond: the ends of jobs are told apart by it."""
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut_body(body: Mapping[str, Any], length: int) -> bytes:
    return msgspec.json.encode({**body, "data": _cut(body["data"], length), "truncated": True})


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, str):
        return value[:length]
    if isinstance(value, dict):
        return {
            name: inner if isinstance(inner, str) and name.lower().endswith(_URL_NAME) else _cut(inner, length)
            for name, inner in value.items()
        }
    return [_cut(inner, length) for inner in value] if isinstance(value, list) else value
