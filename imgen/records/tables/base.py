"""Metadata of all tables, with the naming of constraints; the column that several of them have for pages by name."""

from typing import Any

from sqlalchemy import Column, Computed, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def folded_name() -> Column[Any]:
    """Makes the column of a name in lower case, ordered by code points, for pages by name (see name_pages.py)."""
    return Column("folded", Text().with_variant(Text(collation="C"), "postgresql"), Computed("lower(name)"))
