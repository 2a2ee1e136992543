"""MCP over a real SQLite and a real Redis, served in the test's process, with a worker that draws when it is told to."""

from collections.abc import Iterator

import pytest
import redis
from servers.local import start_local_api, start_local_worker
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
def agents(tmp_path_factory, redis_url) -> Iterator[Agents]:
    """A served API; its tests have tenants of their own where they count."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    data = tmp_path_factory.mktemp("mcp") / "var"
    data.mkdir()
    (data / "plans.toml").write_text(PLANS)
    with start_local_api(data, redis_url) as api, start_local_worker(api.settings) as work:
        yield Agents(api, work)
