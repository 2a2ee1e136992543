"""REST surfaces and the pages of people in the test's own event loop: callers of any address, persons, keys, a clock to be set."""

import functools
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
from argon2 import PasswordHasher
from msgspec import structs
from servers.local import run_with_core
from servers.panel import PASSWORD
from starlette.applications import Starlette
from starlette.types import ASGIApp

from imgen.app import SURFACES, close_core, open_core
from imgen.asgi.answer_headers import AnswerHeaders
from imgen.domain.account import Tenant
from imgen.domain.principal import SCOPES, new_raw_key
from imgen.domain.user import User
from imgen.records import api_keys, memberships, tenants, users
from imgen.services.accounts import rates
from imgen.services.core import Core
from imgen.settings import Settings
from imgen.surfaces import forge, provenance, studio, web


class Site:
    """One API process, as it were, and what its callers need."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.app = application(core)
        self.here, self.elsewhere = [f"10.{'.'.join(map(str, secrets.token_bytes(3)))}" for _ in range(2)]

    def client(self, remote_ip: str = "", **headers: str) -> httpx2.AsyncClient:
        """A client at an address; empty: here."""
        address = (remote_ip or self.here, 50_000)
        transport = httpx2.ASGITransport(self.app, client=address, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=60)

    def by_key(self, key: str) -> httpx2.AsyncClient:
        """A client with a key."""
        return self.client(**{"X-API-Key": key})

    def tenant(self, plan: str = "unlimited", *members: User) -> Tenant:
        """A new tenant, whose first member owns it."""

        def write(connection) -> Tenant:
            made = tenants.ensure_tenant(connection, f"t{secrets.token_hex(6)}", plan)
            for number, user in enumerate(members):
                memberships.join(connection, user.id, made.id, "member" if number else "owner")
            return made

        return self.core.database.attempt(write)

    def join(self, user: User, tenant: Tenant, role: str = "member") -> None:
        """Makes a user a member of a tenant."""
        self.core.database.attempt(memberships.join, user.id, tenant.id, role)

    def key(self, tenant: Tenant | None = None, *, scopes=SCOPES, expires_at: float | None = None) -> str:
        """A new key of a tenant, or of a new one."""
        raw, owner = new_raw_key(forge.NAME), tenant or self.tenant()
        name = secrets.token_hex(6)
        self.core.database.attempt(api_keys.add_key, raw, tenant=owner, name=name, scopes=scopes, expires_at=expires_at)
        return raw

    @asynccontextmanager
    async def person(self, *, is_new: bool = False) -> AsyncIterator[tuple[User, httpx2.AsyncClient]]:
        """A person without tenants, and a client that is signed in; a new one has to change the password first."""
        name = f"p{secrets.token_hex(6)}"
        user = self.core.database.attempt(
            users.add, name=name, role="member", password_hash=_password_hash(), must_change_password=is_new
        )
        async with self.client() as client:
            page = (await client.get("/sign-in")).text
            token = re.search(r'name="csrftoken" value="([^"]+)"', page)[1]
            await client.post("/sign-in", data={"name": name, "password": PASSWORD, "csrftoken": token})
            client.headers["x-csrftoken"] = client.cookies["csrftoken"]
            yield user, client

    def set_forge(self, **changes: object) -> None:
        """Changes settings of the section `forge`."""
        self._set("forge", changes)

    def set_provenance(self, **changes: object) -> None:
        """Changes settings of the section `provenance`."""
        self._set("provenance", changes)

    def _set(self, name: str, changes: dict[str, object]) -> None:
        section = getattr(self.core.settings, name).model_copy(update=changes)
        self.core.settings = self.core.settings.model_copy(update={name: section})
        self.app = application(self.core)

    def set_plan(self, key: str, **changes: object) -> None:
        """Changes a plan."""
        changed = structs.replace(self.core.plan_of(key), **changes)
        self.core.configured = replace(self.core.configured, plans={**self.core.configured.plans, key: changed})


@functools.cache
def _password_hash() -> str:
    """Hash of PASSWORD that takes a thousandth of the product's time to compare: it says itself how it was made."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def application(core: Core) -> ASGIApp:
    """Makes the application of the REST surfaces and the pages, behind the headers of every answer."""
    dialects = (forge, studio, provenance, web.surface(lambda: SURFACES))
    routes = [route for dialect in dialects for route in dialect.routes(core)]
    return AnswerHeaders(Starlette(routes=routes), lambda rate: rates.uncount(core, rate))


def run_on_site(settings: Settings, steps: Callable[[Site], Awaitable[None]]) -> None:
    """Runs a coroutine function with a site over a prepared data folder."""
    run_with_core(settings, lambda core: steps(Site(core)))


@asynccontextmanager
async def second_process(site: Site) -> AsyncIterator[Site]:
    """Another API process over the same database and Redis."""
    core = open_core(site.core.settings)
    try:
        yield Site(core)
    finally:
        await close_core(core)
