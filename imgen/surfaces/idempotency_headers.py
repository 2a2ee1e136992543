"""Headers of idempotency keys, for the reference of every surface."""

from imgen.domain.idempotency import HEADER, KEPT_S, LONGEST
from imgen.surfaces.description import Schema

REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true`: an earlier request with the same idempotency key made what is answered.",
        "schema": {"type": "string", "const": "true"},
    }
}
"""Header of answers."""


def once(about: str) -> Schema:
    """Returns the parameter of operations that make something; `about` says for which of them it is, or nothing."""
    return {
        "name": HEADER,
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": "^[\\x21-\\x7e][\\x20-\\x7e]*$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        "description": f"Random text, bare or quoted{about}. The same request with the same key within {KEPT_S // 3600} hours "
        "makes nothing again and gets the first answer: it is safe to repeat after a broken connection.",
    }
