"""Signing in and out of the web face, and passwords. A session is a random token in a cookie and its hash in SQL."""

import asyncio
import hashlib
import secrets

from sqlalchemy import Connection

from imgen.domain.account import SCOPES, ApiKey, Principal, Tenant
from imgen.domain.errors import Forbidden, Invalid, RateLimited
from imgen.domain.people import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, Person
from imgen.live import throttle
from imgen.records import audit, users
from imgen.services import passwords
from imgen.services.core import Core

SESSION_S = 14 * 24 * 3600
TRIES_BY_NAME, TRIES_BY_ADDRESS = 10, 50
"""Within a quarter of an hour; the second is wide because a whole office may have one address."""
_NOBODYS = passwords.hashed(secrets.token_hex(16))
"""Checked where nobody has the name, so that an unknown name takes as long as a wrong password."""
_hashing = asyncio.Semaphore(2)
"""Each check takes 64 MiB."""


async def sign_in(core: Core, name: str, password: str, *, address: str, agent: str) -> str:
    """The new session's token.

    Raises:
        Invalid: wrong name or password; which of them is not told.
        RateLimited: too many tries for this name or from this address.
        Unavailable: Redis does not answer, so nobody can count tries.
    """
    by_name = "name:" + token_hash(name)[:32]
    tries = await core.live.run(throttle.count(by_name, "address:" + token_hash(address)[:32]))
    if tries[0] > TRIES_BY_NAME or tries[1] > TRIES_BY_ADDRESS:
        raise RateLimited("Too many tries; wait a quarter of an hour", retry_after_s=throttle.WINDOW_S)
    stored = await core.database.reading(users.password_hash, name)
    fits = await _fits(password, stored or _NOBODYS)
    person = await core.database.reading(users.named, name)
    if stored is None or not fits or person is None:
        raise Invalid("Wrong name or password")
    token, now = secrets.token_urlsafe(32), core.clock()

    def write(connection: Connection) -> None:
        users.open_session(
            connection, token_hash(token), person.id, address=address, agent=agent, now=now, lasts_s=SESSION_S
        )
        _note(connection, person, "signed in", {"address": address})

    await core.database.writing(write)
    await core.live.run(throttle.forgive(by_name))
    return token


async def signed_in(core: Core, token: str) -> Person | None:
    """Whose token it is; None: nobody's, or not any more."""
    if not token:
        return None
    return await core.database.reading(users.signed_in, token_hash(token), now=core.clock())


async def sign_out(core: Core, token: str) -> None:
    """Ends one session."""
    await core.database.writing(users.close_session, token_hash(token))


async def sign_out_elsewhere(core: Core, person: Person, token: str) -> int:
    """Ends all other sessions of a person; how many."""

    def write(connection: Connection) -> int:
        number = users.close_sessions(connection, person.id, but=token_hash(token))
        _note(connection, person, "signed out elsewhere", {"sessions": number})
        return number

    return await core.database.writing(write)


async def change_password(core: Core, person: Person, token: str, *, old: str, new: str) -> None:
    """Sets a new password and ends all other sessions.

    Raises:
        Invalid: the old one is wrong, or the new one is too short, too long or the same.
    """
    if not MIN_PASSWORD_CHARS <= len(new) <= MAX_PASSWORD_CHARS:
        raise Invalid(f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")
    stored = await core.database.reading(users.password_hash, person.name)
    if stored is None or not await _fits(old, stored):
        raise Invalid("The present password is wrong")
    if old == new:
        raise Invalid("The new password is the old one")
    async with _hashing:
        new_hash = await asyncio.to_thread(passwords.hashed, new)

    def write(connection: Connection) -> None:
        users.set_password(connection, person.id, new_hash)
        users.close_sessions(connection, person.id, but=token_hash(token))
        _note(connection, person, "changed password", {})

    await core.database.writing(write)


def principal_of(person: Person, tenant: Tenant) -> Principal:
    """Whom a person acts as in the playground: counted under the person's own id, within the tenant's plan.

    Raises:
        Forbidden: it is another's tenant.
    """
    if person.scope is not None and tenant.id not in person.scope:
        raise Forbidden
    key = ApiKey(
        id=person.id,
        tenant_id=tenant.id,
        name=person.name,
        prefix="playground",
        scopes=SCOPES,
        enabled=True,
        created_at=0.0,
    )
    return Principal(key=key, tenant=tenant)


def token_hash(token: str) -> str:
    """What SQL keeps: a token has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def _fits(password: str, stored: str) -> bool:
    if len(password) > MAX_PASSWORD_CHARS:
        return False
    async with _hashing:
        return await asyncio.to_thread(passwords.fits, password, stored)


def _note(connection: Connection, person: Person, action: str, detail: dict[str, object]) -> None:
    audit.note(connection, actor=person.name, action=action, tenant_id="", subject=person.id, detail=detail)
