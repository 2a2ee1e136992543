"""Answers that clients wait for, in SQL: for retries, which join their jobs, and for jobs that nobody waits for any more."""

import contextlib
from collections.abc import Collection

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from imgen.domain.errors import JobNotFound
from imgen.domain.job import Job, State
from imgen.records import clock, job_transitions
from imgen.records.database import locked_in_order
from imgen.records.idempotency import Made
from imgen.records.tables.answers import awaited_answers

LEFT_S = 30
"""Time after which the jobs of a client that has gone are cancelled (contract, section 6)."""
JOINED_S = 900
"""Time since its end within which the wait of a request can be gone on with."""
UNSETTLED_S = 86_400
"""Time after which a row that could not be settled goes."""
_columns = awaited_answers.c
_made = msgspec.json.Decoder(Made)


class Asker(Struct, frozen=True, kw_only=True):
    """Request that waits."""

    tenant_id: str
    owner: str
    """Key that asked, as its principal is counted."""
    fingerprint: str
    """Digest of route and body."""
    attempt: str
    """Random id."""


def add(connection: Connection, asker: Asker, made: Made, *, now: float | None = None) -> None:
    """Notes a new request, in the transaction that makes its jobs."""
    time = clock.at(now)
    connection.execute(
        insert(awaited_answers).values(
            **msgspec.structs.asdict(asker),
            id=made.ids[0],
            made=msgspec.json.encode(made).decode(),
            taken_at=time,
            waited_until=time + LEFT_S,
        )
    )


def join(connection: Connection, asker: Asker, *, now: float | None = None) -> Made | None:
    """Takes over the wait of an earlier request of the same key and body; None: there is none.

    Of several it is one whose client was seen to go, else the one that was taken over longest ago: retries of equal requests
    get different ones.
    """
    recent = _columns.waited_until > clock.at(now) - (JOINED_S - LEFT_S)
    same = (
        _columns.tenant_id == asker.tenant_id,
        _columns.owner == asker.owner,
        _columns.fingerprint == asker.fingerprint,
    )
    first = select(_columns.id, _columns.attempt, _columns.made).where(*same, recent)
    first = first.order_by(_columns.left_at.is_(None), _columns.taken_at, _columns.id).limit(1)
    while (row := connection.execute(first).first()) is not None:
        if _take(connection, row.id, asker.attempt, instead_of=row.attempt, now=now):
            return _made.decode(row.made)
    return None


def join_known(connection: Connection, asker: Asker, made: Made, *, now: float | None = None) -> None:
    """Takes over the wait for jobs that are known by an idempotency key; their answer may have been delivered before."""
    _take(connection, made.ids[0], asker.attempt, now=now)


def renew(connection: Connection, ids: Collection[str], *, now: float | None = None) -> None:
    """Notes that requests still wait."""
    own = _columns.id.in_(locked_in_order(_columns.id, _columns.id.in_(ids)))
    connection.execute(update(awaited_answers).where(own).values(waited_until=clock.at(now) + LEFT_S))


def leave(connection: Connection, answer_id: str, attempt: str, *, now: float | None = None) -> None:
    """Notes that the client of a request has gone; one whose wait was taken over has nothing to leave."""
    time = clock.at(now)
    own = _columns.id == answer_id, _columns.attempt == attempt
    connection.execute(update(awaited_answers).where(*own).values(left_at=time, waited_until=time + LEFT_S))


def forget(connection: Connection, answer_id: str) -> None:
    """Deletes the row of an answer that was delivered."""
    connection.execute(delete(awaited_answers).where(_columns.id == answer_id))


def left(connection: Connection, *, limit: int, now: float | None = None) -> list[str]:
    """Finds requests for which nobody waits any more, longest first; returns their ids."""
    is_left = _columns.waited_until < clock.at(now), _columns.settled_at.is_(None)
    query = select(_columns.id).where(*is_left).order_by(_columns.waited_until).limit(limit)
    return list(connection.execute(query).scalars())


def settle(connection: Connection, answer_id: str, *, now: float | None = None) -> list[Job]:
    """Cancels the open jobs of a request for which nobody waits; returns those that are cancelled.

    What has ended before can still be joined; a request with a cancelled job cannot.
    """
    time = clock.at(now)
    is_left = _columns.id == answer_id, _columns.waited_until < time, _columns.settled_at.is_(None)
    row = connection.execute(select(_columns.made, _columns.tenant_id).where(*is_left).with_for_update()).first()
    if row is None:
        return []
    cancelled = []
    for job_id in _made.decode(row.made).ids:
        with contextlib.suppress(JobNotFound):
            job = job_transitions.cancel(connection, job_id, row.tenant_id)
            if job.state is State.CANCELLED:
                cancelled.append(job)
    if cancelled:
        forget(connection, answer_id)
    else:
        connection.execute(update(awaited_answers).where(_columns.id == answer_id).values(settled_at=time))
    return cancelled


def delete_old(connection: Connection, *, limit: int, now: float | None = None) -> int:
    """Deletes rows that can be joined no more, at most so many; returns their number.

    Those that are not settled stay: after a night without a server their jobs are still to be cancelled.
    """
    time = clock.at(now)
    is_settled = or_(_columns.settled_at.is_not(None), _columns.waited_until < time - UNSETTLED_S)
    is_old = and_(_columns.waited_until < time - (JOINED_S - LEFT_S), is_settled)
    found = connection.execute(locked_in_order(_columns.id, is_old).limit(limit)).scalars().all()
    connection.execute(delete(awaited_answers).where(_columns.id.in_(found)))
    return len(found)


def _take(
    connection: Connection, answer_id: str, attempt: str, *, instead_of: str | None = None, now: float | None = None
) -> bool:
    time = clock.at(now)
    wanted = _columns.id == answer_id
    if instead_of is not None:
        wanted &= _columns.attempt == instead_of
    taken = update(awaited_answers).where(wanted)
    values = {"attempt": attempt, "taken_at": time, "left_at": None, "settled_at": None, "waited_until": time + LEFT_S}
    return connection.execute(taken.values(**values)).rowcount == 1
