"""Sessions of the web face: sign-in, sign-out, own password. A session is a random token in a cookie and its hash in SQL."""

import hashlib
import secrets
from typing import NamedTuple

from msgspec import structs
from sqlalchemy import Connection

from imgen.domain.errors import Invalid
from imgen.domain.remote_ip import network_of
from imgen.domain.user import User
from imgen.live import sign_in_limits
from imgen.records import audit, users
from imgen.services.accounts import devices, passwords, tries
from imgen.services.core import Core

SESSION_S = 14 * 24 * 3600


TRIES_BY_NAME, TRIES_BY_IP = 10, 50
"""Tries within a quarter of an hour: of one name from one network, and of all names from it, which an office may share. No
limit is of a name alone: anybody could lock its user out. Of a network only failed tries count in the end: a sign-in neither
uses tries up nor resets them for guesses of other names."""


class _Budget(NamedTuple):
    key: str
    tries: int


_DECOY_HASH = passwords.decoy_hash()
"""Hash that is checked for an unknown name, so that it takes as long as a wrong password."""


async def sign_in(core: Core, name: str, password: str, *, remote_ip: str, agent: str, device: str = "") -> str:
    """Signs a user in; returns the new session's token.

    Args:
        core: the core.
        name: as typed.
        password: as typed.
        remote_ip: IP address of the browser.
        agent: its name, for the list of sessions.
        device: its device cookie; empty: it has none.

    Raises:
        Invalid: wrong name or password; the message is the same.
        RateLimited: too many tries of this device; of any other browser, for this name from its network or for all names.
        Unavailable: Redis does not answer, so tries cannot be counted.
    """
    budgets = await _budgets(core, name, remote_ip, device)
    for budget in budgets:
        await tries.count(core, budget.key, limit=budget.tries)
    stored = await core.database.reading(users.password_hash, name)
    is_right = await passwords.verify_in_thread(password, stored or _DECOY_HASH)
    user = await core.database.reading(users.find_user, name)
    if stored is None or not is_right or user is None:
        raise Invalid("Wrong name or password")
    token, now = secrets.token_urlsafe(32), core.clock()

    def write(connection: Connection) -> None:
        if users.password_hash(connection, name) != stored:  # changed during the check
            raise Invalid("Wrong name or password")
        users.open_session(
            connection, token_hash(token), user.id, remote_ip=remote_ip, agent=agent, now=now, lasts_s=SESSION_S
        )
        _note(connection, structs.replace(user, remote_ip=remote_ip), "signed in", {})

    await core.database.writing(write)
    *shared, own = budgets
    await core.live.run(sign_in_limits.reset(own.key))
    for budget in shared:
        await core.live.run(sign_in_limits.uncount_try(budget.key))
    return token


async def signed_in(core: Core, token: str) -> User | None:
    """Returns the user of a session token; None if unknown or expired."""
    if not token:
        return None
    return await core.database.reading(users.signed_in, token_hash(token), now=core.clock())


async def sign_out(core: Core, user: User, token: str) -> None:
    """Ends one session."""

    def write(connection: Connection) -> None:
        users.close_session(connection, token_hash(token))
        _note(connection, user, "signed out", {})

    await core.database.writing(write)


async def sign_out_elsewhere(core: Core, user: User, token: str) -> int:
    """Ends all other sessions of a user; returns their number."""

    def write(connection: Connection) -> int:
        number = users.close_sessions(connection, user.id, but=token_hash(token))
        _note(connection, user, "signed out elsewhere", {"sessions": number})
        return number

    return await core.database.writing(write)


async def change_password(core: Core, user: User, token: str, *, old: str, new: str) -> None:
    """Sets a new password and ends all other sessions.

    Raises:
        Invalid: the old one is wrong, or the new one is too short, too long or the same.
        RateLimited: too many tries with a wrong old one.
        Unavailable: Redis does not answer, so tries cannot be counted.
    """
    budget = _Budget("session:" + token_hash(token)[:32], TRIES_BY_NAME)
    await tries.count(core, budget.key, limit=budget.tries)
    passwords.check_length(new)
    stored = await core.database.reading(users.password_hash, user.name)
    if stored is None or not await passwords.verify_in_thread(old, stored):
        raise Invalid("The present password is wrong")
    if old == new:
        raise Invalid("The new password is the old one")
    new_hash = await passwords.hash_in_thread(new)

    def write(connection: Connection) -> None:
        users.set_password(connection, user.id, new_hash)
        users.close_sessions(connection, user.id, but=token_hash(token))
        after = structs.replace(user, must_change_password=False)
        _note(connection, user, "changed password", audit.change_of_user(connection, before=user, after=after))

    await core.database.writing(write)
    await core.live.run(sign_in_limits.reset(budget.key))


def token_hash(token: str) -> str:
    """Hashes a session token for SQL: a token has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def _budgets(core: Core, name: str, remote_ip: str, cookie: str) -> tuple[_Budget, ...]:
    """Returns the budgets that a try counts against, the shared one first: a refused network counts against no name."""
    if device := await devices.known_device(core, name, cookie):
        return (_Budget("device:" + device, TRIES_BY_NAME),)
    network = network_of(remote_ip)
    return (
        _Budget("address:" + token_hash(network)[:32], TRIES_BY_IP),
        _Budget("name:" + token_hash(f"{network}\n{name}")[:32], TRIES_BY_NAME),
    )


def _note(connection: Connection, user: User, action: str, detail: dict[str, object]) -> None:
    audit.by_person(connection, user, action=action, subject=user.id, detail=detail)
