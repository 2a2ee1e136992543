"""History in a manifest of anybody's, in words for people."""

from collections.abc import Iterator, Mapping
from typing import Any

MAX_STEPS = 30
MAX_CHARS = 60
"""Limits of what is shown: a stranger's manifest may have thousands of actions, and names of any length."""

_SOURCE_TYPES = {
    "algorithmicallyEnhanced": "enhanced by a program",
    "compositeWithTrainedAlgorithmicMedia": "partly drawn by a model",
    "computationalCapture": "captured by a camera",
    "digitalCapture": "captured by a camera",
    "humanEdits": "changed by a person",
    "trainedAlgorithmicMedia": "drawn by a model",
}
"""Words by IPTC digital source type; others keep their own name."""


def history_words(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the actions of a manifest as the library reports it, one line each: `edited by eros, partly drawn by a model`."""
    return tuple(_line(action) for action, _ in zip(_actions(manifest), range(MAX_STEPS), strict=False))


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in manifest.get("assertions", []):
        data = assertion.get("data")
        if str(assertion.get("label", "")).startswith("c2pa.actions") and isinstance(data, dict):
            actions = data.get("actions")
            yield from (action for action in actions if isinstance(action, dict)) if isinstance(actions, list) else ()


def _line(action: Mapping[str, Any]) -> str:
    agent = action.get("softwareAgent")  # a text until version 2 of the assertion
    agent = agent.get("name") if isinstance(agent, dict) else agent
    source_type = action.get("digitalSourceType")
    kind = _text(source_type.rpartition("/")[2]) if isinstance(source_type, str) else ""
    by = f" by {_text(agent)}" if _text(agent) else ""
    how = f", {_SOURCE_TYPES.get(kind, kind)}" if kind else ""
    return f"{_text(action.get('action')).removeprefix('c2pa.') or 'unknown'}{by}{how}"


def _text(value: object) -> str:
    """Returns a text without control characters, cut at the limit; empty: it is none."""
    printable = "".join(letter for letter in value if letter.isprintable()) if isinstance(value, str) else ""
    return printable[:MAX_CHARS]
