"""Panel in the test's own process: its pages over a core, and a browser without scripts that an administrator has signed in."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.applications import Starlette

from imgen.domain.user import User
from imgen.records import memberships, users
from imgen.services.accounts import people
from imgen.services.core import Core
from imgen.surfaces.web.account import Account
from imgen.surfaces.web.sections import NAV
from imgen.surfaces.web.shell import Shell

ADMIN = User(id="usr_admin", name="admin", role="admin", must_change_password=False)
PASSWORD = "correct horse battery"


class Browser:
    """Client of the pages; `post` sends a form with the token that pages carry."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.get = client.get
        self.send = client.post

    async def post(self, path: str, **form: str) -> httpx2.Response:
        """Sends a form."""
        return await self._client.post(path, data=form, headers={"x-csrftoken": self._client.cookies["csrftoken"]})

    async def upload(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """Sends a file as the body of a request."""
        token = {"x-csrftoken": self._client.cookies["csrftoken"], "content-type": "application/octet-stream"}
        return await self._client.post(path, content=body, headers={**token, **headers})


@asynccontextmanager
async def open_panel(
    core: Core,
    sections: Sequence[Callable[[Shell], Any]],
    *,
    name: str = "mira",
    role: str = "admin",
    roles: Mapping[str, str] | None = None,
) -> AsyncIterator[Browser]:
    """Serves the account's pages and those of the sections, to a new user with PASSWORD, and roles within tenants by their ids."""
    first = await people.add(core, ADMIN, name=name, role=role, tenant_ids=())
    user = await core.database.reading(users.find_user, name)
    for tenant_id, tenant_role in (roles or {}).items():
        await core.database.writing(memberships.join, user.id, tenant_id, tenant_role)
    shell = Shell(core, NAV)
    routes = [route for section in (Account, *sections) for route in section(shell).routes()]
    app = Starlette(routes=routes, middleware=shell.middleware(), exception_handlers=shell.exception_handlers())
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        browser = Browser(client)
        token = re.search(r'name="csrftoken" value="([^"]+)"', (await client.get("/sign-in")).text)[1]
        await client.post("/sign-in", data={"name": name, "password": first, "csrftoken": token})
        await browser.post("/panel/account", old=first, new=PASSWORD, again=PASSWORD)
        yield browser
