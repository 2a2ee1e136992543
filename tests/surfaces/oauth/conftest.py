"""Authorization server over a real Redis and both databases, in the test's own event loop."""

from collections.abc import Awaitable, Callable

import pytest
from servers.local import run_with_core
from surfaces.oauth.dance import OAuthSite

Run = Callable[[Callable[[OAuthSite], Awaitable[None]]], None]


@pytest.fixture
def oauth(home) -> Run:
    """Runs a coroutine function with a site over an installation of each database."""
    return lambda steps: run_with_core(home, lambda core: steps(OAuthSite(core)))


@pytest.fixture
def oauth_sqlite(homes) -> Run:
    """Runs a coroutine function with a site over SQLite, for what does not depend on the database."""
    return lambda steps: run_with_core(homes("sqlite"), lambda core: steps(OAuthSite(core)))
