"""Users of the web face, managed by administrators: add, reset the password, remove."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.errors import Invalid
from imgen.domain.user import ROLES, User
from imgen.records import audit, tenants, users
from imgen.services.accounts import known_keys, passwords, seats
from imgen.services.core import Core


async def add(core: Core, by: User, *, name: str, role: str, tenant_ids: Sequence[str]) -> str:
    """Adds a user; returns the first password.

    Raises:
        Invalid: the name is taken or empty, there is no such role, or a tenant has no seat left.
    """
    if role not in ROLES:
        raise Invalid(f"A role is one of {', '.join(ROLES)}")
    first = passwords.new_password()
    first_hash = await passwords.hash_in_thread(first)

    def write(connection: Connection) -> None:
        user = users.add(connection, name=name, role=role, password_hash=first_hash, must_change_password=True)
        known = tenants.of_ids(connection, tenant_ids)
        seats.set_memberships(connection, user.id, set(known), core.plan_of)
        detail = audit.change_of_user(connection, after=_find(connection, name))
        _note(connection, by, "added person", detail, subject=user.id)

    try:
        await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid(f"There is a user named {name!r} already") from exc
    return first


async def new_first_password(core: Core, by: User, name: str) -> str:
    """Gives a user a new first password and ends all sessions; returns the password.

    Raises:
        Invalid: there is no such user.
    """
    first = passwords.new_password()
    first_hash = await passwords.hash_in_thread(first)

    def write(connection: Connection) -> None:
        user = _find(connection, name)
        users.set_password(connection, user.id, first_hash, must_change_password=True)
        users.close_sessions(connection, user.id)
        detail = audit.change_of_user(connection, before=user, after=_find(connection, name))
        _note(connection, by, "set password", detail, subject=user.id)

    await core.database.writing(write)
    await known_keys.forget(core)
    return first


async def remove(core: Core, by: User, name: str) -> None:
    """Removes a user and ends all sessions.

    Raises:
        Invalid: there is no such user, or it is the last administrator or oneself.
    """

    def write(connection: Connection) -> None:
        user = _find(connection, name)
        if user.id == by.id:
            raise Invalid("You cannot remove yourself")
        detail = audit.change_of_user(connection, before=user)
        users.remove(connection, user)
        _note(connection, by, "removed person", detail, subject=user.id)

    await core.database.writing(write)
    await known_keys.forget(core)


def _find(connection: Connection, name: str) -> User:
    user = users.find_user(connection, name)
    if user is None:
        raise Invalid(f"Nobody is named {name!r}")
    return user


def _note(connection: Connection, user: User, action: str, detail: dict[str, object], *, subject: str) -> None:
    audit.by_person(connection, user, action=action, subject=subject, detail=detail)
