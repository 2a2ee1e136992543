"""Parameters in the queries of the resolver, and the soft bindings that they name."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.types import Scope

from imgen.domain.errors import InvalidField
from imgen.domain.soft_binding import DIGITS, Algorithm, SoftBinding, algorithms_by_name, parse_value
from imgen.services.core import Core
from imgen.services.recognition.resolution import MAX_RESULTS
from imgen.surfaces.provenance.failures import QueryTooLong
from imgen.surfaces.strict import one_of

MAX_QUERY_BYTES = 2048
"""Length from which on a query is to be sent as a body; the longest value of ours takes a hundred."""
DEFAULT_RESULTS = 10
_FLAGS = {"true": True, "false": False}
_COUNT = re.compile(r"0*[1-9][0-9]*")


def parameters(scope: Scope) -> Mapping[str, str]:
    """Decodes the query of a request.

    Raises:
        QueryTooLong: it is longer than any query of ours.
        InvalidField: a parameter is there twice.
    """
    sent: bytes = scope["query_string"]
    if len(sent) > MAX_QUERY_BYTES:
        raise QueryTooLong
    found: dict[str, str] = {}
    for name, value in parse_qsl(sent.decode("latin-1"), keep_blank_values=True):
        if name in found:
            raise InvalidField(name, f"{name} is there twice")
        found[name] = value
    return found


def binding(
    core: Core, alg: str | None, value: str | None, *, names: tuple[str, str] = ("alg", "value")
) -> SoftBinding:
    """Makes the soft binding that an algorithm's name and a value are.

    Args:
        core: the core.
        alg: name.
        value: in base64 or as the assertion has it.
        names: parameters that hold them, for messages.

    Raises:
        InvalidField: one is missing, the algorithm is none of ours, or the value is none of the algorithm's.
    """
    for name, given in zip(names, (alg, value), strict=True):
        if not given:
            raise InvalidField(name, f"{name} is required")
    found = algorithm(core, alg or "", name=names[0])
    parsed = parse_value(found, value or "")
    if parsed is None:
        digits = DIGITS[found]
        raise InvalidField(
            names[1], f"{names[1]} is base64 of {digits} hex digits, or of the {digits // 2} bytes that they write"
        )
    return SoftBinding(algorithm=found, value=parsed)


def algorithm(core: Core, alg: str, *, name: str = "alg") -> Algorithm:
    """Returns the algorithm of a name.

    Raises:
        InvalidField: it is none of ours.
    """
    known = algorithms(core)
    if alg not in known:
        raise one_of(name, known)
    return known[alg]


def algorithms(core: Core) -> dict[str, Algorithm]:
    """Returns the algorithms by name, the present names first."""
    return algorithms_by_name(core.settings.credentials.algorithm_domain)


def hints(core: Core, sent: Mapping[str, str]) -> tuple[SoftBinding, ...]:
    """Returns the soft binding that a caller knows besides its file; one of an algorithm of others is of no use.

    Raises:
        InvalidField: algorithm or value is missing, or the value is none of the algorithm's.
    """
    alg, value = sent.get("hintAlg"), sent.get("hintValue")
    if alg is None and value is None:
        return ()
    if alg and value and alg not in algorithms(core):
        return ()
    return (binding(core, alg, value, names=("hintAlg", "hintValue")),)


def max_results(sent: Mapping[str, str]) -> int:
    """Returns the most matches that are wanted, at most MAX_RESULTS.

    Raises:
        InvalidField: it is no whole number from 1 on.
    """
    text = sent.get("maxResults", str(DEFAULT_RESULTS))
    if not _COUNT.fullmatch(text):
        raise InvalidField("maxResults", "maxResults is a whole number from 1 on")
    return min(int(text), MAX_RESULTS)


def flag(sent: Mapping[str, str], name: str) -> bool:
    """Returns a flag; left out: false.

    Raises:
        InvalidField: it is neither true nor false.
    """
    text = sent.get(name, "false").lower()
    if text not in _FLAGS:
        raise InvalidField(name, f"{name} is true or false")
    return _FLAGS[text]
