"""Headers of idempotency keys, for the reference."""

from imgen.domain.idempotency import HEADER, KEPT_S, LONGEST
from imgen.surfaces.action.actions import ACTIONS

ONCE = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    "description": f"Random text, bare or quoted, for {' and '.join(f'`{name}`' for name in ACTIONS if ACTIONS[name].is_once)}. "
    f"The same request with the same key within {KEPT_S // 3600} hours makes nothing again and gets the first answer: it is safe "
    "to repeat after a broken connection.",
}
"""Parameter of operations that make something."""
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true`: an earlier request with the same idempotency key made what is answered.",
        "schema": {"type": "string", "const": "true"},
    }
}
"""Header of answers."""
