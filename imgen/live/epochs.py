"""Epochs: tokens in Redis, one for each kind of data that processes cache. A changed token invalidates their copies."""

import secrets

from imgen.live.command import PREFIX, Command, first, ignore

KEYS = PREFIX + "keys"
"""API keys and their tenants, as principal_cache.py keeps them."""
CACHE = PREFIX + "cache"
"""Entries of the semantic cache: changes with every insert and purge."""
CONFIGURATION = PREFIX + "config"
"""The operator's files: changes with every request to reload them."""


def read(kind: str) -> Command[bytes | None]:
    """Reads the present token; None: no change yet, or Redis lost it."""
    return Command((("GET", kind),), first)


def bump(kind: str) -> Command[None]:
    """Invalidates the copies of this kind of data in every process. Send it after the commit."""
    return Command((("SET", kind, secrets.token_hex(8)),), ignore)
