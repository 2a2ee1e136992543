"""News of the semantic cache: a token that changes with every insert and purge, read along with whatever a request asks."""

import secrets

from imgen.live.op import PREFIX, Op, first, ignore

_EPOCH = PREFIX + "cache"


def epoch() -> Op[bytes | None]:
    """The present token; None after Redis lost it."""
    return Op((("GET", _EPOCH),), first)


def changed() -> Op[None]:
    """Makes every API process read what is new before its next look-up. Send it after the commit."""
    return Op((("SET", _EPOCH, secrets.token_hex(8)),), ignore)
