"""One-time links: made, looked at and used. Guesses of tokens are counted by network; what succeeds is not."""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.errors import Invalid
from imgen.domain.one_time_link import LinkKind, OneTimeLink, hash_token, link_url, new_token
from imgen.domain.user import User
from imgen.live import sign_in_limits
from imgen.records import audit, one_time_links, tenants, users
from imgen.services.accounts import passwords, tries
from imgen.services.core import Core

T = TypeVar("T")
TRIES_BY_IP = 50
"""Tokens that fail, of one network within a quarter of an hour."""


class Invited(Struct, frozen=True, kw_only=True):
    """Invitation as it is shown to the invited."""

    tenant_name: str
    role: str
    made_by: str
    """Name of the user who made it; empty: an operator."""


async def look_at_invitation(core: Core, token: str, *, remote_ip: str) -> Invited:
    """Reads an invitation without using it.

    Raises:
        Invalid: it is unknown, used, revoked or expired.
        RateLimited: too many tokens of this network failed.
        Unavailable: Redis does not answer, so tries cannot be counted.
    """

    def read(connection: Connection) -> Invited:
        link = find(connection, core, LinkKind.INVITATION, token)
        tenant = tenants.find_tenant_by_id(connection, link.tenant_id)
        if tenant is None:
            raise Invalid("The tenant of this invitation is gone")
        by = users.find_user_by_id(connection, link.made_by)
        return Invited(tenant_name=tenant.name, role=link.role, made_by=by.name if by else "")

    return await counted(core, remote_ip, read)


async def look_at_reset(core: Core, token: str, *, remote_ip: str) -> str:
    """Returns the name of the user whose password a link resets.

    Raises:
        Invalid, RateLimited, Unavailable: as for `look_at_invitation`.
    """

    def read(connection: Connection) -> str:
        return _user_of(connection, find(connection, core, LinkKind.PASSWORD_RESET, token)).name

    return await counted(core, remote_ip, read)


async def make_reset(core: Core, by: User, name: str) -> str:
    """Makes a link that resets a user's password; returns its address, which cannot be shown again.

    Raises:
        Invalid: there is no such user, or too many links are open.
    """
    token = new_token()

    def write(connection: Connection) -> None:
        user = users.find_user(connection, name)
        if user is None:
            raise Invalid(f"Nobody is named {name!r}")
        add_reset(connection, user, token, made_by=by.id, now=core.clock())
        audit.by_person(connection, by, action="made reset link", subject=user.id, detail=audit.change(user.name))

    await core.database.writing(write)
    return link_url(core.settings.public_url, LinkKind.PASSWORD_RESET, token)


def add_reset(connection: Connection, user: User, token: str, *, made_by: str, now: float) -> OneTimeLink:
    """Stores a link that resets a user's password; those of before are revoked."""
    one_time_links.revoke_resets(connection, user.id, now=now)
    return one_time_links.add(
        connection, hash_token(token), LinkKind.PASSWORD_RESET, user_id=user.id, made_by=made_by, now=now
    )


async def reset_password(core: Core, token: str, new: str, *, remote_ip: str) -> str:
    """Sets a new password by a link, and ends all sessions of the user; returns the user's name.

    Raises:
        Invalid: the link is unknown, used, revoked or expired, or the password is too short or too long.
        RateLimited, Unavailable: as for `look_at_invitation`.
    """
    passwords.check_length(new)
    await look_at_reset(core, token, remote_ip=remote_ip)  # a password is not hashed for a guess
    new_hash = await passwords.hash_in_thread(new)

    def write(connection: Connection) -> str:
        link = find(connection, core, LinkKind.PASSWORD_RESET, token)
        user = _user_of(connection, link)
        one_time_links.use(connection, link, used_by=user.id, now=core.clock())
        users.set_password(connection, user.id, new_hash)
        users.close_sessions(connection, user.id)
        detail = {"address": remote_ip, **audit.change(user.name), "by": "reset link"}
        audit.note(connection, actor=user.name, action="set password", tenant_id="", subject=user.id, detail=detail)
        return user.name

    return await core.database.writing(write)


def find(connection: Connection, core: Core, kind: LinkKind, token: str) -> OneTimeLink:
    """Finds a link that can be used by its token.

    Raises:
        Invalid: there is none.
    """
    return one_time_links.find_open(connection, hash_token(token), kind, now=core.clock())


async def counted(core: Core, remote_ip: str, read: Callable[[Connection], T]) -> T:
    """Reads a link by a token; a failure stays counted.

    Raises:
        Invalid: as `read`.
        RateLimited, Unavailable: as for `look_at_invitation`.
    """
    key = tries.network_key("link", remote_ip)
    await tries.count(core, key, limit=TRIES_BY_IP)
    found = await core.database.reading(read)
    await core.live.run(sign_in_limits.uncount_try(key))
    return found


def _user_of(connection: Connection, link: OneTimeLink) -> User:
    user = users.find_user_by_id(connection, link.user_id)
    if user is None:
        raise Invalid("The person of this link is gone")
    return user
