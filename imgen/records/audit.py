"""Audit: actions with their actor and subject.

A row is added in the transaction of its action and never changed: triggers refuse it.
"""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, Select, insert, literal, or_, select, tuple_

from imgen.domain.account import Tenant
from imgen.domain.principal import ApiKey
from imgen.domain.user import Actor, User
from imgen.records.tables.accounts import api_keys, tenants
from imgen.records.tables.operations import audit
from imgen.records.tables.users import users
from imgen.records.tenants import names as tenant_names

LOOKED_AT = 5000
"""Rows that one search looks at: some 40 ms."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Row of the audit."""

    id: str
    at: float
    actor: str
    action: str
    tenant_id: str
    subject: str
    detail: dict[str, object]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a search found."""

    entries: list[Entry]
    before: str
    """Id of the row at which the search goes on; empty: there is no older row."""
    searched_to: float | None = None
    """Time of the oldest row that was looked at, if there are older ones and the page is not full."""


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
    """Adds a row. `detail` may hold texts of callers: it is for operators and is never logged."""
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
    user: Actor,
    *,
    action: str,
    subject: str,
    detail: Mapping[str, object],
    tenant_id: str = "",
) -> None:
    """Adds a row for an action over HTTP, with the remote IP."""
    with_ip = {"address": user.remote_ip, **detail}
    note(connection, actor=user.name, action=action, tenant_id=tenant_id, subject=subject, detail=with_ip)


def key_fields(key: ApiKey, tenant: Tenant) -> dict[str, object]:
    """Returns the fields of a key for `change`."""
    return {"tenant": tenant.name, "scopes": key.scopes, "enabled": key.enabled, "expires_at": key.expires_at}


def change(
    name: str, *, before: Mapping[str, object] | None = None, after: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Makes the detail of a change: only the values that differ. No `before`: a creation; no `after`: a deletion."""
    old, new = before or {}, after or {}
    differ = {field for field in (*old, *new) if field not in old or field not in new or old[field] != new[field]}
    sides = {"before": old, "after": new}
    changed = {side: {field: values[field] for field in values if field in differ} for side, values in sides.items()}
    return {"name": name, **changed}


def change_of_user(
    connection: Connection, *, before: User | None = None, after: User | None = None
) -> dict[str, object]:
    """Makes the detail of a change of a user."""

    def fields(user: User) -> dict[str, object]:
        owned = sorted(tenant_names(connection, user.tenant_ids).values())
        return {"role": user.role, "tenants": owned, "first_password": user.must_change_password}

    states = {side: one for side, one in (("before", before), ("after", after)) if one is not None}
    name = next(one.name for one in states.values())
    return change(name, **{side: fields(one) for side, one in states.items()})


def reasons(connection: Connection, subjects: Sequence[str]) -> dict[str, str]:
    """Returns job id → reason of a reviewer, for those jobs that were blocked with one."""
    query = select(audit.c.subject, audit.c.detail).where(audit.c.subject.in_(subjects), audit.c.action == "blocked")
    found = {row.subject: msgspec.json.decode(row.detail).get("reason", "") for row in connection.execute(query)}
    return {subject: reason for subject, reason in found.items() if reason}


def page(connection: Connection, *, limit: int, before: str = "") -> list[Entry]:
    """Lists rows, newest first, older than the row `before`."""
    return [_entry(row) for row in connection.execute(_older(before).limit(limit)).mappings()]


def search(connection: Connection, words: str, *, limit: int, before: str = "", looks_at: int = LOOKED_AT) -> Found:
    """Searches all columns, `detail` included, of the next `looks_at` rows that are older than `before`, newest first.

    No index finds words: a search of all rows would take seconds where there are many tenants.
    """
    rows = _older(before).limit(looks_at).subquery()
    written = msgspec.json.encode(words).decode()[1:-1]  # as JSON in `detail`: a quote has a backslash
    columns = (rows.c.actor, words), (rows.c.action, words), (rows.c.subject, words), (rows.c.detail, written)
    if connection.dialect.name == "sqlite":  # its LIKE ignores case, in half the time of lower()
        fits = [column.contains(wanted, autoescape=True) for column, wanted in columns]
    else:  # collation C: a language's is slow
        fits = [column.collate("C").icontains(wanted, autoescape=True) for column, wanted in columns]
    query = select(rows).where(or_(*fits)).order_by(rows.c.at.desc(), rows.c.id.desc()).limit(limit + 1)
    entries = [_entry(row) for row in connection.execute(query).mappings()]
    if len(entries) > limit:
        return Found(entries=entries[:limit], before=entries[limit - 1].id)
    last = connection.execute(_older(before).offset(looks_at - 1).limit(1)).mappings().first()
    return Found(entries=entries, before=last["id"] if last else "", searched_to=last["at"] if last else None)


def _older(before: str) -> Select[tuple[object, ...]]:
    query = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc())
    if not before:
        return query
    place = select(audit.c.at).where(audit.c.id == before).scalar_subquery()
    return query.where(tuple_(audit.c.at, audit.c.id) < tuple_(place, literal(before)))


def names(connection: Connection, subjects: Iterable[str]) -> dict[str, str]:
    """Returns id → name of present and deleted keys, users and tenants."""
    wanted, found = set(subjects), {}
    for table in (api_keys, users, tenants):
        for row in connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(wanted))):
            found[row.id] = row.name.removesuffix(f" (deleted {row.id})")
    return found


def of_subject(connection: Connection, subject: str) -> list[Entry]:
    """Lists all rows of a job, key or user, oldest first."""
    found = connection.execute(select(audit).where(audit.c.subject == subject).order_by(audit.c.at, audit.c.id))
    return [_entry(row) for row in found.mappings()]


def _entry(row: RowMapping) -> Entry:
    return Entry(
        **{name: row[name] for name in Entry.__struct_fields__} | {"detail": msgspec.json.decode(row["detail"])}
    )
