"""Epochs: tokens in Redis, one a kind of data that processes keep copies of. A changed token tells them to read it again."""

import secrets

from imgen.live.command import PREFIX, Command, first, ignore

KEYS = PREFIX + "keys"
"""API keys and their tenants, as principal_cache.py keeps them."""
CACHE = PREFIX + "cache"
"""Entries of the semantic cache: changes with every insert and purge."""
CONFIGURATION = PREFIX + "config"
"""The operator's files: changes when somebody asks for them to be read again."""


def read(kind: str) -> Command[bytes | None]:
    """Reads the present token; None: there has been no change yet, or Redis lost it."""
    return Command((("GET", kind),), first)


def bump(kind: str) -> Command[None]:
    """Makes every process read data of this kind again before it uses it next. Send it after the commit."""
    return Command((("SET", kind, secrets.token_hex(8)),), ignore)
