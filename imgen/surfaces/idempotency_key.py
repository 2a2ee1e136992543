"""Idempotency key in the head of a request, for every surface."""

from starlette.types import Scope

from imgen.asgi.endpoint import headers
from imgen.domain.errors import InvalidField
from imgen.domain.idempotency import HEADER, parse_key


def idempotency_key(scope: Scope) -> str:
    """Returns the idempotency key of a request; empty: it has none.

    Raises:
        InvalidField: the header holds no key, or there are different ones.
    """
    sent = set(headers(scope, HEADER.lower().encode()))
    if len(sent) > 1:
        raise InvalidField(HEADER)
    return parse_key(sent.pop()) if sent else ""
