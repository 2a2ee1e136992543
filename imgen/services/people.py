"""Signing in and out of the web face, and passwords. A session is a random token in a cookie and its hash in SQL."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence

from msgspec import structs
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.account import SCOPES, ApiKey, Principal, Tenant
from imgen.domain.errors import Forbidden, Invalid, RateLimited
from imgen.domain.people import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, ROLES, Person
from imgen.live import sign_in_limits
from imgen.records import audit, tenants, users
from imgen.services import passwords
from imgen.services.core import Core

SESSION_S = 14 * 24 * 3600
TRIES_BY_NAME, TRIES_BY_ADDRESS = 10, 50
"""Within a quarter of an hour; the second is wide because a whole office may have one address. Of an address only tries
that fail count in the end: who signs in neither uses them up nor wins new ones for guessing other names."""
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
    by_name, by_address = "name:" + token_hash(name)[:32], "address:" + token_hash(address)[:32]
    await _count_try(core, by_address, TRIES_BY_ADDRESS)  # first: who is out counts against no name
    await _count_try(core, by_name, TRIES_BY_NAME)
    stored = await core.database.reading(users.password_hash, name)
    fits = await _fits(password, stored or _NOBODYS)
    person = await core.database.reading(users.named, name)
    if stored is None or not fits or person is None:
        raise Invalid("Wrong name or password")
    token, now = secrets.token_urlsafe(32), core.clock()

    def write(connection: Connection) -> None:
        if users.password_hash(connection, name) != stored:  # changed while this one was being checked
            raise Invalid("Wrong name or password")
        users.open_session(
            connection, token_hash(token), person.id, address=address, agent=agent, now=now, lasts_s=SESSION_S
        )
        _note(connection, structs.replace(person, address=address), "signed in", {})

    await core.database.writing(write)
    await core.live.run(sign_in_limits.forgive(by_name))
    await core.live.run(sign_in_limits.give_back(by_address))
    return token


async def signed_in(core: Core, token: str) -> Person | None:
    """Whose token it is; None: nobody's, or not any more."""
    if not token:
        return None
    return await core.database.reading(users.signed_in, token_hash(token), now=core.clock())


async def sign_out(core: Core, person: Person, token: str) -> None:
    """Ends one session."""

    def write(connection: Connection) -> None:
        users.close_session(connection, token_hash(token))
        _note(connection, person, "signed out", {})

    await core.database.writing(write)


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
        RateLimited: too many tries with a wrong old one, by whoever sits at this browser.
        Unavailable: Redis does not answer, so nobody can count tries.
    """
    tries = "person:" + person.id
    await _count_try(core, tries, TRIES_BY_NAME)
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
        after = structs.replace(person, must_change_password=False)
        _note(connection, person, "changed password", audit.change_of_person(connection, before=person, after=after))

    await core.database.writing(write)
    await core.live.run(sign_in_limits.forgive(tries))


async def add(core: Core, by: Person, *, name: str, role: str, tenant_ids: Sequence[str]) -> str:
    """A new person's first password.

    Raises:
        Invalid: the name is taken or none, or there is no such role.
    """
    if role not in ROLES:
        raise Invalid(f"A role is one of {', '.join(ROLES)}")
    first = passwords.new_password()
    async with _hashing:
        first_hash = await asyncio.to_thread(passwords.hashed, first)

    def write(connection: Connection) -> None:
        person = users.add(connection, name=name, role=role, password_hash=first_hash, must_change_password=True)
        known = {tenant.id for tenant in tenants.all_tenants(connection)}
        users.set_memberships(connection, person.id, known & set(tenant_ids))
        told = audit.change_of_person(connection, after=_named(connection, name))
        _note(connection, by, "added person", told, subject=person.id)

    try:
        await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid(f"There is a person named {name!r} already") from exc
    return first


async def new_first_password(core: Core, by: Person, name: str) -> str:
    """Replaces somebody's password and ends all their sessions.

    Raises:
        Invalid: nobody has that name.
    """
    first = passwords.new_password()
    async with _hashing:
        first_hash = await asyncio.to_thread(passwords.hashed, first)

    def write(connection: Connection) -> None:
        person = _named(connection, name)
        users.set_password(connection, person.id, first_hash, must_change_password=True)
        users.close_sessions(connection, person.id)
        told = audit.change_of_person(connection, before=person, after=_named(connection, name))
        _note(connection, by, "set password", told, subject=person.id)

    await core.database.writing(write)
    return first


async def remove(core: Core, by: Person, name: str) -> None:
    """Takes a person away, signed out everywhere.

    Raises:
        Invalid: nobody has that name, or it is the last administrator, or oneself.
    """

    def write(connection: Connection) -> None:
        person = _named(connection, name)
        if person.id == by.id:
            raise Invalid("You cannot remove yourself")
        told = audit.change_of_person(connection, before=person)
        users.remove(connection, person)
        _note(connection, by, "removed person", told, subject=person.id)

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


async def _count_try(core: Core, name: str, most: int) -> None:
    if await core.live.run(sign_in_limits.count_try(name)) > most:
        raise RateLimited("Too many tries; wait a quarter of an hour", retry_after_s=sign_in_limits.WINDOW_S)


async def _fits(password: str, stored: str) -> bool:
    if len(password) > MAX_PASSWORD_CHARS:
        return False
    async with _hashing:
        return await asyncio.to_thread(passwords.fits, password, stored)


def _named(connection: Connection, name: str) -> Person:
    person = users.named(connection, name)
    if person is None:
        raise Invalid(f"Nobody is named {name!r}")
    return person


def _note(connection: Connection, person: Person, action: str, detail: dict[str, object], *, subject: str = "") -> None:
    audit.by_person(connection, person, action=action, subject=subject or person.id, detail=detail)
