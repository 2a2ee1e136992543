"""Webhooks: endpoints, tenants' own secrets, the log of messages with their tries, dead letters. A secret is shown once.

Members of a tenant see what it has, its owners change it.
"""

from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct
from pydantic import SecretStr
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.user import User
from imgen.domain.webhook import EVENTS, Attempt, DeliveryState, Endpoint
from imgen.records import audit, tenants, webhook_log, webhooks
from imgen.services.webhooks import endpoints
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell

PATH = "/panel/webhooks"
PAGE = 50
"""Messages on a page."""
MOST_ENDPOINTS = 200
"""Endpoints on the page; a tenant's name in the address narrows it."""


class WebhookForm(Struct, frozen=True, kw_only=True):
    """Form for a new endpoint, as it was typed."""

    tenant: str = ""
    url: str = ""
    events: tuple[str, ...] = EVENTS


class _Shown(Struct, frozen=True, kw_only=True):
    """Rows of the page."""

    endpoints: list[Endpoint]
    page: webhook_log.Page
    attempts: dict[str, list[Attempt]]
    names: dict[str, str]
    """Tenant → its name."""


class Webhooks:
    """Section of webhooks."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry(PATH, "Webhooks", group="Accounts"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        changes = {
            PATH: self.add,
            f"{PATH}/secret": self.show_secret,
            f"{PATH}/messages/{{message}}/resend": self.resend,
            f"{PATH}/{{endpoint}}/rotate": self.rotate,
            f"{PATH}/{{endpoint}}/switch": self.switch,
            f"{PATH}/{{endpoint}}/test": self.test,
            f"{PATH}/{{endpoint}}/remove": self.remove,
        }
        return [
            Route(PATH, signed_in(self.all_webhooks), methods=["GET"]),
            *(Route(path, signed_in(handler), methods=["POST"]) for path, handler in changes.items()),
        ]

    async def all_webhooks(
        self, request: Request, user: User, *, problem: str = "", typed: WebhookForm | None = None
    ) -> Response:
        """Lists endpoints and messages that the user may see. `typed`: the form that could not be used, to be mended."""
        asked = request.query_params
        wanted, before, tenant = (asked.get(name, "") for name in ("state", "before", "tenant"))
        state = DeliveryState(wanted) if wanted in set(DeliveryState) else None
        shown = await self._shell.core.database.reading(_read, user, tenant=tenant, state=state, before=before)
        own, _ = await self._shell.core.database.reading(tenants.page, scope=user.owned_ids, limit=1)
        return self._shell.page(
            request,
            "webhooks.html",
            status=400 if problem else 200,
            shown=shown,
            events=EVENTS,
            states=list(DeliveryState),
            state=state or "",
            tenant=tenant,
            may_add=user.is_admin or bool(own),
            typed=typed or WebhookForm(tenant=tenant or (own[0].name if own else "")),
            now=self._shell.core.clock(),
            problem=problem,
        )

    async def add(self, request: Request, user: User) -> Response:
        """Registers an endpoint and shows its secret."""
        form = await form_of(request)
        tenant, url = (str(form.get(name, "")).strip() for name in ("tenant", "url"))
        typed = WebhookForm(tenant=tenant, url=url, events=tuple(map(str, form.getlist("event"))))
        try:
            made = await endpoints.add(self._shell.core, user, tenant=tenant, url=url, events=typed.events)
        except errors.Invalid as exc:
            return await self.all_webhooks(request, user, problem=str(exc), typed=typed)
        return self._shown_once(request, made.secrets.current, "Your new endpoint", made.url)

    async def rotate(self, request: Request, user: User) -> Response:
        """Replaces an endpoint's secret and shows the new one."""
        endpoint, secret = await endpoints.rotate(self._shell.core, user, request.path_params["endpoint"])
        return self._shown_once(request, secret, "A new secret", endpoint.url, is_rotated=True)

    async def show_secret(self, request: Request, user: User) -> Response:
        """Shows a tenant's own secret for the first time, or a new one."""
        form = await form_of(request)
        tenant, new = str(form.get("tenant", "")).strip(), form.get("new") == "yes"
        try:
            owner, secret = await endpoints.show_secret(self._shell.core, user, tenant, new=new)
        except errors.Invalid as exc:
            return await self.all_webhooks(request, user, problem=str(exc))
        return self._shown_once(request, secret, "Secret of webhook_url", owner.name, is_rotated=new)

    async def switch(self, request: Request, user: User) -> Response:
        """Switches an endpoint on or off."""
        enabled = (await form_of(request)).get("enabled") == "yes"
        await endpoints.switch(self._shell.core, user, request.path_params["endpoint"], enabled=enabled)
        return self._shell.redirect(request, PATH, f"The endpoint is switched {'on' if enabled else 'off'}.")

    async def test(self, request: Request, user: User) -> Response:
        """Has a test sent."""
        await endpoints.send_test(self._shell.core, user, request.path_params["endpoint"])
        return self._shell.redirect(
            request, PATH, "A test is on its way: its answer is the first line of the log in a moment."
        )

    async def remove(self, request: Request, user: User) -> Response:
        """Removes an endpoint."""
        await endpoints.remove(self._shell.core, user, request.path_params["endpoint"])
        return self._shell.redirect(request, PATH, "The endpoint is removed.")

    async def resend(self, request: Request, user: User) -> Response:
        """Sends a message again."""
        try:
            await endpoints.resend(self._shell.core, user, request.path_params["message"])
        except errors.Invalid as exc:
            return await self.all_webhooks(request, user, problem=str(exc))
        return self._shell.redirect(request, PATH, "The message is sent again.")

    def _shown_once(
        self, request: Request, secret: SecretStr, title: str, name: str, *, is_rotated: bool = False
    ) -> Response:
        raw = secret.get_secret_value()
        return self._shell.page(request, "webhook_secret.html", raw=raw, title=title, name=name, is_rotated=is_rotated)


def _read(connection: Connection, user: User, *, tenant: str, state: DeliveryState | None, before: str) -> _Shown:
    """Reads what a user sees, of one tenant if one is named."""
    ids = None if user.scope is None else list(user.scope)
    if tenant:
        found = tenants.find_tenant(connection, tenant)
        ids = [found.id] if found is not None and (ids is None or found.id in ids) else []
    known = webhooks.endpoints_of(connection, ids, limit=MOST_ENDPOINTS)
    page = webhook_log.page(connection, ids, limit=PAGE, before=before, state=state)
    owners = {*(one.tenant_id for one in known), *(one.tenant_id for one in page.deliveries)}
    return _Shown(
        endpoints=known,
        page=page,
        attempts=webhook_log.attempts(connection, [one.id for one in page.deliveries]),
        names=audit.names(connection, owners),
    )
