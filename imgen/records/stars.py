"""Stars in SQL: pictures that users marked."""

from collections.abc import Collection

from sqlalchemy import Connection, Select, delete, select

from imgen.records.database import dialect_insert
from imgen.records.tables.users import stars


def add(connection: Connection, user_id: str, job_ids: Collection[str]) -> None:
    """Marks jobs for a user; marked ones stay so."""
    if rows := [{"user_id": user_id, "job_id": job_id} for job_id in sorted(job_ids)]:
        connection.execute(dialect_insert(connection, stars).on_conflict_do_nothing(), rows)


def remove(connection: Connection, user_id: str, job_ids: Collection[str]) -> None:
    """Takes the marks of a user away."""
    connection.execute(delete(stars).where(stars.c.user_id == user_id, stars.c.job_id.in_(job_ids)))


def starred_among(connection: Connection, user_id: str, job_ids: Collection[str]) -> set[str]:
    """Returns those of the jobs that the user has marked."""
    found = connection.execute(starred_by(user_id).where(stars.c.job_id.in_(job_ids)))
    return {row.job_id for row in found}


def starred_by(user_id: str) -> Select[tuple[str]]:
    """Selects the ids of all jobs that the user has marked."""
    return select(stars.c.job_id).where(stars.c.user_id == user_id)
