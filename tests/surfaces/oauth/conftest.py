"""Authorization server over a real Redis and both databases, in the test's own event loop."""

import functools
from collections.abc import Awaitable, Callable

import pytest
from servers.local import prepare, run_with_core
from surfaces.oauth.dance import OAuthSite

from imgen.settings import Settings


@pytest.fixture(scope="session")
def oauth_homes(database_section, tmp_path_factory, redis_url) -> Callable[[str], Settings]:
    """Makes the installation of each kind of database, once: its tests have addresses, people and tenants of their own."""

    @functools.cache
    def make(kind: str) -> Settings:
        settings = f"[forge]\nanonymous = false\n{database_section(kind)}"
        return prepare(tmp_path_factory.mktemp(f"oauth-{kind}") / "var", redis_url, settings)

    return make


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def oauth_home(request, oauth_homes) -> Settings:
    """Settings of an installation over each database."""
    return oauth_homes(request.param)


@pytest.fixture
def oauth(oauth_home) -> Callable[[Callable[[OAuthSite], Awaitable[None]]], None]:
    """Runs a coroutine function with a site over the installation."""
    return lambda steps: run_with_core(oauth_home, lambda core: steps(OAuthSite(core)))


@pytest.fixture
def oauth_sqlite(oauth_homes) -> Callable[[Callable[[OAuthSite], Awaitable[None]]], None]:
    """Runs a coroutine function with a site over SQLite, for what does not reach SQL."""
    return lambda steps: run_with_core(oauth_homes("sqlite"), lambda core: steps(OAuthSite(core)))
