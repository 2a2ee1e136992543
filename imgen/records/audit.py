"""The audit: what was done, by whom and to whom. Rows are added in the transaction of what they tell, and never changed."""

import secrets
import time
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, insert, select

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


def of_subject(connection: Connection, subject: str) -> list[Entry]:
    """All rows about a job, key or person, oldest first."""
    found = connection.execute(select(audit).where(audit.c.subject == subject).order_by(audit.c.at, audit.c.id))
    return [
        Entry(**{name: row[name] for name in Entry.__struct_fields__} | {"detail": msgspec.json.decode(row["detail"])})
        for row in found.mappings()
    ]
