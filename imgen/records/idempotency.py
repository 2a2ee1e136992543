"""Idempotency keys in SQL: claimed by the attempt that carries a request out, then kept with what it made."""

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, or_, select

from imgen.domain.errors import KeyReused, RequestInProgress
from imgen.domain.idempotency import KEPT_S, RUNNING_S, Once
from imgen.records import clock
from imgen.records.database import locked_in_order, upsert
from imgen.records.tables.idempotency import idempotency_keys

_columns = idempotency_keys.c


class Made(Struct, frozen=True, kw_only=True):
    """Result of a request, from which its answer is made again. Ids only: URLs are signed anew."""

    ids: tuple[str, ...]
    """Of the jobs, or of the upload."""
    warnings: tuple[str, ...] = ()


class Claim(Struct, frozen=True, kw_only=True):
    """Attempt to carry out a request once."""

    owner: str
    once: Once
    attempt: str
    """Random id."""


class KeyTaken(Exception):
    """Claim of a key that another attempt has."""


_made = msgspec.json.Decoder(Made)


def find(connection: Connection, owner: str, once: Once, *, now: float | None = None) -> Made | None:
    """Finds what a request has made; None: nothing yet, and nobody is about to.

    Raises:
        KeyReused: the key was used with another body.
        RequestInProgress: the request runs.
    """
    own = select(_columns.fingerprint, _columns.made).where(*_is_key(owner, once), _columns.expires_at > clock.at(now))
    row = connection.execute(own).first()
    if row is None:
        return None
    if row.fingerprint != once.fingerprint:
        raise KeyReused
    if row.made is None:
        raise RequestInProgress(retry_after_s=1)
    return _made.decode(row.made)


def begin(connection: Connection, claim: Claim, *, now: float | None = None) -> None:
    """Claims a key for a request that will take some time.

    Raises:
        KeyTaken: another attempt has it.
    """
    _put(connection, claim, made=None, keep_s=RUNNING_S, now=now)


def finish(connection: Connection, claim: Claim, made: Made, *, now: float | None = None) -> None:
    """Keeps what a request made, in the transaction that makes it; it need not have begun.

    Raises:
        KeyTaken: another attempt has the key: roll back.
    """
    _put(connection, claim, made=msgspec.json.encode(made).decode(), keep_s=KEPT_S, now=now)


def release(connection: Connection, claim: Claim) -> None:
    """Gives a key back whose request failed before it made anything."""
    own = (*_is_key(claim.owner, claim.once), _columns.claimed_by == claim.attempt, _columns.made.is_(None))
    connection.execute(delete(idempotency_keys).where(*own))


def delete_expired(connection: Connection, *, limit: int, now: float | None = None) -> int:
    """Deletes keys past their time, at most so many; returns their number."""
    old = select(_columns.claimed_by).where(_columns.expires_at < clock.at(now)).limit(limit)
    attempts = connection.execute(old).scalars().all()
    found = connection.execute(
        locked_in_order(_columns.claimed_by, _columns.claimed_by.in_(attempts), _columns.expires_at < clock.at(now))
    )
    connection.execute(delete(idempotency_keys).where(_columns.claimed_by.in_(found.scalars().all())))
    return len(attempts)


def _put(connection: Connection, claim: Claim, *, made: str | None, keep_s: float, now: float | None) -> None:
    time = clock.at(now)
    once = claim.once
    values = {
        "fingerprint": once.fingerprint,
        "claimed_by": claim.attempt,
        "made": made,
        "expires_at": time + keep_s,
    }
    changed = upsert(
        connection,
        idempotency_keys,
        {"owner": claim.owner, "route": once.route, "key": once.key, **values},
        update=values,
        where=or_(_columns.claimed_by == claim.attempt, _columns.expires_at < time),
    )
    if not changed:
        raise KeyTaken


def _is_key(owner: str, once: Once) -> tuple:  # type: ignore[type-arg]
    return _columns.owner == owner, _columns.route == once.route, _columns.key == once.key
