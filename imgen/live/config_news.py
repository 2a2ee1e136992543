"""News of the configuration: a token that changes when somebody asks for it to be read again."""

import secrets

from imgen.live.op import PREFIX, Op, first, ignore

_EPOCH = PREFIX + "config"


def epoch() -> Op[bytes | None]:
    """The present token; None: nobody has ever asked, or Redis lost it."""
    return Op((("GET", _EPOCH),), first)


def changed() -> Op[None]:
    """Makes every process read its configuration again before it goes on with its next round or job."""
    return Op((("SET", _EPOCH, secrets.token_hex(8)),), ignore)
