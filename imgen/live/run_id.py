"""Run id of a Redis server: another one after each start, so it tells data of this run from data that a restart brought back.

A server that is killed may lose its last second (`appendfsync everysec`), or more after a failover, and comes back with older
values. Keys with the run id in their name are out of sight then.
"""

import re
from typing import Any

ASK = ("INFO", "server")
UNKNOWN = "unknown"
"""Run id where the server tells none, as some hosted ones do; restarts are not noticed there."""
_LINE = re.compile(rb"^run_id:(\w+)", re.MULTILINE)


def parse_run_id(reply: Any) -> str:
    """Parses the reply to ASK, which may be an error."""
    found = _LINE.search(reply) if isinstance(reply, bytes) else None
    return found.group(1).decode() if found else UNKNOWN
