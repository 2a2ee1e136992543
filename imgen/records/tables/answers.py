"""Table of answers that clients wait for."""

from sqlalchemy import Column, Double, Index, Table, Text

from imgen.records.tables.base import metadata

awaited_answers = Table(
    "awaited_answers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("made", Text, nullable=False),
    Column("attempt", Text, nullable=False),
    Column("taken_at", Double, nullable=False),
    Column("left_at", Double),
    Column("waited_until", Double, nullable=False),
    Column("settled_at", Double),
    Index(None, "tenant_id", "owner", "fingerprint"),
    Index(None, "waited_until"),
)
"""`id` is that of the first job, `owner` the key that asked, `made` JSON. `attempt` is the latest request that waits, since
`taken_at`; it was seen to go at `left_at`. `waited_until` is renewed as long as any request waits. `settled_at` is the time at
which nobody waited any more and nothing was open. A row goes when the answer is delivered."""
