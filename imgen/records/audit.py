"""The audit: what was done, by whom and to whom. Rows are added in the transaction of what they tell, and never changed."""

import secrets
import time
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, and_, insert, or_, select

from imgen.domain.people import Person
from imgen.records.tables import audit


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    id: str
    at: float
    actor: str
    action: str
    tenant_id: str
    subject: str
    detail: dict[str, object]


def note(
    connection: Connection,
    *,
    actor: str,
    action: str,
    tenant_id: str,
    subject: str,
    detail: Mapping[str, object],
    now: float | None = None,
) -> None:
    """Adds a row. `detail` may hold callers' words: it is for operators, and never logged."""
    connection.execute(
        insert(audit).values(
            id="aud_" + secrets.token_hex(8),
            at=now or time.time(),
            actor=actor,
            action=action,
            tenant_id=tenant_id,
            subject=subject,
            detail=msgspec.json.encode(detail).decode(),
        )
    )


def by_person(
    connection: Connection,
    person: Person,
    *,
    action: str,
    subject: str,
    detail: Mapping[str, object],
    tenant_id: str = "",
) -> None:
    """What somebody did in the web face, and from where."""
    told = {"address": person.address, **detail}
    note(connection, actor=person.name, action=action, tenant_id=tenant_id, subject=subject, detail=told)


def reasons(connection: Connection, subjects: Sequence[str]) -> dict[str, str]:
    """Job id → why a reviewer withheld it, of those that have a row that says so."""
    query = select(audit.c.subject, audit.c.detail).where(audit.c.subject.in_(subjects), audit.c.action == "blocked")
    told = {row.subject: msgspec.json.decode(row.detail).get("reason", "") for row in connection.execute(query)}
    return {subject: reason for subject, reason in told.items() if reason}


def page(connection: Connection, *, limit: int, before: str = "", words: str = "") -> list[Entry]:
    """Rows of all, newest first, older than that of an id; `words` may be in the actor, the action or the subject."""
    query = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    if before:
        place = select(audit.c.at).where(audit.c.id == before).scalar_subquery()
        query = query.where(or_(audit.c.at < place, and_(audit.c.at == place, audit.c.id < before)))
    if words:
        query = query.where(
            or_(
                *(
                    column.icontains(words, autoescape=True)
                    for column in (audit.c.actor, audit.c.action, audit.c.subject)
                )
            )
        )
    return [_entry(row) for row in connection.execute(query).mappings()]


def of_subject(connection: Connection, subject: str) -> list[Entry]:
    """All rows about a job, key or person, oldest first."""
    found = connection.execute(select(audit).where(audit.c.subject == subject).order_by(audit.c.at, audit.c.id))
    return [_entry(row) for row in found.mappings()]


def _entry(row: RowMapping) -> Entry:
    return Entry(
        **{name: row[name] for name in Entry.__struct_fields__} | {"detail": msgspec.json.decode(row["detail"])}
    )
