"""Logos in SQL: the jobs that have them, by the object key in their recipe."""

from collections.abc import Collection

from sqlalchemy import Connection, or_, select

from imgen.records.tables.jobs import HAS_LOGO, jobs


def needed(connection: Connection, keys: Collection[str], *, since: float) -> set[str]:
    """Returns the keys of logos that an open job has, or one that began or ended since a time.

    Processes of version 0.2 that run beside this one during an upgrade write no `logo_key`: of open jobs the recipes are read.
    """
    is_recent = or_(jobs.c.ended_at.is_(None), jobs.c.ended_at >= since, jobs.c.created_at >= since)
    found = select(jobs.c.logo_key).where(jobs.c.logo_key.in_(keys), HAS_LOGO, is_recent).distinct()
    unmarked = select(jobs.c.recipe).where(
        jobs.c.ended_at.is_(None), jobs.c.logo_key == "", jobs.c.recipe.contains('"image_key":"brands/')
    )
    recipes = connection.execute(unmarked).scalars().all()
    return {*connection.execute(found).scalars(), *(key for key in keys if any(key in recipe for recipe in recipes))}


def is_used(connection: Connection, key: str) -> bool:
    """Returns whether any job has the logo."""
    return connection.execute(select(jobs.c.id).where(jobs.c.logo_key == key, HAS_LOGO).limit(1)).first() is not None
