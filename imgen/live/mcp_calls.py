"""Calls of MCP's first protocol versions that make jobs, so that any process can cancel one: a call's name → its job.

Each side writes before it reads, so whichever comes second sees the other. Lost entries cost a cancellation, no job.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from imgen.live.command import PREFIX, Command

JOB_S = 3600
"""Time for which a call can be cancelled; none waits longer."""
CANCELLED_S = 60
"""Time for which a cancellation that came before its call's job is kept."""
_JOBS, _CANCELLED = PREFIX + "mcp:job:", PREFIX + "mcp:cancelled:"


def call_name(owner: str, session: str, request_id: str | int) -> str:
    """Returns the name of a call: that of a request of a session of one caller."""
    parts = (owner, session, type(request_id).__name__, str(request_id))
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part.encode()), part.encode()) for part in parts)).hexdigest()


def note_job(name: str, job_id: str) -> Command[bool]:
    """Notes the job of a call; returns whether the call was cancelled before."""

    def decode(replies: Sequence[Any]) -> bool:
        return bool(replies[1])

    return Command((("SET", _JOBS + name, job_id, "EX", JOB_S), ("EXISTS", _CANCELLED + name)), decode)


def note_cancelled(name: str) -> Command[str]:
    """Notes that a call is cancelled; returns the id of its job, empty: it has none yet, or never made one."""

    def decode(replies: Sequence[Any]) -> str:
        return (replies[1] or b"").decode("ascii")

    return Command((("SET", _CANCELLED + name, "1", "EX", CANCELLED_S), ("GET", _JOBS + name)), decode)
