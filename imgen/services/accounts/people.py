"""Users of the web face, managed by administrators: add, reset the password, remove."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.errors import Invalid
from imgen.domain.people import ROLES, Person
from imgen.records import audit, tenants, users
from imgen.services.accounts import passwords
from imgen.services.core import Core


async def add(core: Core, by: Person, *, name: str, role: str, tenant_ids: Sequence[str]) -> str:
    """Adds a user; returns the first password.

    Raises:
        Invalid: the name is taken or empty, or there is no such role.
    """
    if role not in ROLES:
        raise Invalid(f"A role is one of {', '.join(ROLES)}")
    first = passwords.new_password()
    first_hash = await passwords.hash_in_thread(first)

    def write(connection: Connection) -> None:
        person = users.add(connection, name=name, role=role, password_hash=first_hash, must_change_password=True)
        known = {tenant.id for tenant in tenants.all_tenants(connection)}
        users.set_memberships(connection, person.id, known & set(tenant_ids))
        detail = audit.change_of_person(connection, after=_find(connection, name))
        _note(connection, by, "added person", detail, subject=person.id)

    try:
        await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid(f"There is a person named {name!r} already") from exc
    return first


async def new_first_password(core: Core, by: Person, name: str) -> str:
    """Gives a user a new first password and ends all sessions; returns the password.

    Raises:
        Invalid: there is no such user.
    """
    first = passwords.new_password()
    first_hash = await passwords.hash_in_thread(first)

    def write(connection: Connection) -> None:
        person = _find(connection, name)
        users.set_password(connection, person.id, first_hash, must_change_password=True)
        users.close_sessions(connection, person.id)
        detail = audit.change_of_person(connection, before=person, after=_find(connection, name))
        _note(connection, by, "set password", detail, subject=person.id)

    await core.database.writing(write)
    return first


async def remove(core: Core, by: Person, name: str) -> None:
    """Removes a user and ends all sessions.

    Raises:
        Invalid: there is no such user, or it is the last administrator or oneself.
    """

    def write(connection: Connection) -> None:
        person = _find(connection, name)
        if person.id == by.id:
            raise Invalid("You cannot remove yourself")
        detail = audit.change_of_person(connection, before=person)
        users.remove(connection, person)
        _note(connection, by, "removed person", detail, subject=person.id)

    await core.database.writing(write)


def _find(connection: Connection, name: str) -> Person:
    person = users.find_user(connection, name)
    if person is None:
        raise Invalid(f"Nobody is named {name!r}")
    return person


def _note(connection: Connection, person: Person, action: str, detail: dict[str, object], *, subject: str) -> None:
    audit.by_person(connection, person, action=action, subject=subject, detail=detail)
