"""MCP over a real SQLite and a real Redis, served in the test's process, with a worker that draws when it is told to."""

from collections.abc import Iterator

import pytest
from servers.local import start_local_api, start_local_worker
from servers.redis_server import start_redis
from surfaces.mcp.agents import Agents

PLANS = """
[rest]
label = "REST"
surfaces = ["action", "forge"]

[slow]
label = "Slow"
requests_per_minute = 2

[tiny]
label = "Tiny"
pictures_per_month = 1
open_jobs = 1
tiers = ["draft", "standard"]
"""
"""Plans beside those that ship: without MCP, slow, and with hardly anything."""


@pytest.fixture(scope="session")
def agents(tmp_path_factory) -> Iterator[Agents]:
    """A served API; its tests have tenants of their own where they count.

    Its Redis is its own: in one with others it would take their jobs out of the order, for it does not know them.
    """
    folder = tmp_path_factory.mktemp("mcp")
    data = folder / "var"
    data.mkdir()
    (data / "plans.toml").write_text(PLANS)
    with (
        start_redis(folder) as redis,
        start_local_api(data, redis.url) as api,
        start_local_worker(api.settings) as work,
    ):
        yield Agents(api, work)
