"""API keys: list, create, enable, rotate, end an old secret, revoke. A raw key is shown once, in the answer to its creation."""

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain.account import Tenant
from imgen.domain.example_prompt import POSITIVE
from imgen.domain.principal import ALL_SCOPES, SCOPES, ApiKey
from imgen.domain.user import User
from imgen.records import api_keys, ledger, tenants
from imgen.services.accounts import api_keys as key_service
from imgen.services.accounts import tenant_access
from imgen.surfaces.web import snippets
from imgen.surfaces.web.name_cursors import format_place, parse_place
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell

EXAMPLE = snippets.action_body({"prompt": POSITIVE, "seed": 7})
GRACE_DAYS = 1
"""Default of the form for a rotation."""
PAGE = 100
DEFAULT_TENANT = "default"
LAST_TENANT = "tenant"
"""Key of the cookie: name of the tenant that the latest key was made for."""


class KeyForm(Struct, frozen=True, kw_only=True):
    """Form for a new key, as it was typed."""

    name: str = ""
    tenant: str = ""
    days: str = ""
    scopes: tuple[str, ...] = SCOPES


class Keys:
    """Section of API keys."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/keys", "Keys", group="Accounts"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/keys", signed_in(self.all_keys), methods=["GET"]),
            Route("/panel/keys", signed_in(self.create), methods=["POST"]),
            Route("/panel/keys/{key}/switch", signed_in(self.switch), methods=["POST"]),
            Route("/panel/keys/{key}/rotate", signed_in(self.rotate), methods=["POST"]),
            Route("/panel/keys/{key}/end-old-secret", signed_in(self.end_old_secret), methods=["POST"]),
            Route("/panel/keys/{key}/revoke", signed_in(self.revoke), methods=["POST"]),
        ]

    async def all_keys(
        self, request: Request, user: User, *, problem: str = "", typed: KeyForm | None = None
    ) -> Response:
        """Lists keys that the user may see, by name, with their usage. `typed`: the form that could not be used, to be mended."""
        core, now = self._shell.core, self._shell.core.clock()
        await core.request_counts.write_if_possible(core.database, now=now)
        given = request.query_params
        words, after = given.get("words", "").strip()[:200], parse_place(given.get("after", ""))
        tenant = await self._named(user, given.get("tenant", ""))
        scope = frozenset({tenant.id}) if tenant else user.scope
        shown, following = await core.database.reading(
            api_keys.page, scope=scope, prefix=words, after=after, limit=PAGE
        )
        counts = await core.database.reading(ledger.counts, [one.key.id for one in shown], now=now)
        own, _ = await core.database.reading(tenants.page, scope=user.owned_ids, limit=1)
        return self._shell.page(
            request,
            "keys.html",
            status=400 if problem else 200,
            shown=shown,
            used={
                one.key.id: [counts.get((one.key.id, period), ledger.Count()) for period in ledger.periods(now)]
                for one in shown
            },
            may_change={one.key.id for one in shown if key_service.may_change(user, one)},
            plans={one.key.id: core.plan_of(one.tenant.plan) for one in shown},
            may_make=user.is_admin or bool(own),
            words=words,
            tenant=tenant,
            older=urlencode({"tenant": tenant.id if tenant else "", "words": words, "after": format_place(following)})
            if following
            else "",
            is_first=after is None and not words,
            typed=typed or KeyForm(tenant=tenant.name if tenant else _latest_tenant(request, own)),
            scopes=ALL_SCOPES if user.is_admin else SCOPES,
            now=now,
            problem=problem,
            grace_days=GRACE_DAYS,
        )

    async def create(self, request: Request, user: User) -> Response:
        """Creates a key and shows it."""
        form = await form_of(request)
        name, tenant, days = (str(form.get(field, "")).strip() for field in ("name", "tenant", "days"))
        typed = KeyForm(name=name, tenant=tenant, days=days, scopes=tuple(map(str, form.getlist("scope"))))
        try:
            key, raw = await key_service.create(
                self._shell.core,
                user,
                name=name,
                tenant=tenant,
                scopes=typed.scopes,
                days=_parse_days(days) if days else None,
            )
        except errors.Invalid as exc:
            return await self.all_keys(request, user, problem=str(exc), typed=typed)
        request.session[LAST_TENANT] = tenant
        return self._shown_once(request, key, raw, "Your new key")

    async def switch(self, request: Request, user: User) -> Response:
        """Enables or disables a key."""
        form = await form_of(request)
        enabled = form.get("enabled") == "yes"
        key = await key_service.switch(self._shell.core, user, request.path_params["key"], enabled=enabled)
        return self._shell.redirect(request, "/panel/keys", f"{key.name} is switched {'on' if enabled else 'off'}.")

    async def rotate(self, request: Request, user: User) -> Response:
        """Rotates a key and shows its new raw form once."""
        form = await form_of(request)
        grace = str(form.get("grace_days", ""))
        try:
            key, raw = await key_service.rotate(
                self._shell.core, user, request.path_params["key"], grace_days=_parse_days(grace)
            )
        except errors.Invalid as exc:
            return await self.all_keys(request, user, problem=str(exc))
        return self._shown_once(request, key, raw, f"{key.name}, rotated", grace_days=_parse_days(grace))

    async def end_old_secret(self, request: Request, user: User) -> Response:
        """Ends the grace of a rotated key."""
        key = await key_service.end_old_secret(self._shell.core, user, request.path_params["key"])
        return self._shell.redirect(request, "/panel/keys", f"The old secret of {key.name} is refused from now on.")

    async def revoke(self, request: Request, user: User) -> Response:
        """Revokes a key."""
        key = await key_service.revoke(self._shell.core, user, request.path_params["key"])
        return self._shell.redirect(request, "/panel/keys", f"{key.name} is revoked.")

    async def _named(self, user: User, tenant_id: str) -> Tenant | None:
        """Returns the tenant whose keys alone are wanted; None: those of all, since none is named."""
        if not tenant_id:
            return None
        tenant, _ = await self._shell.core.database.reading(tenant_access.visible, user, tenant_id)
        return tenant

    def _shown_once(
        self, request: Request, key: ApiKey, raw: str, title: str, *, grace_days: int | None = None
    ) -> Response:
        url = f"{self._shell.core.settings.public_url}/api/v2"
        texts = snippets.in_each_language(url, EXAMPLE)
        return self._shell.page(
            request, "key_made.html", key=key, raw=raw, title=title, texts=texts, grace_days=grace_days
        )


def _latest_tenant(request: Request, own: Sequence[Tenant]) -> str:
    """Returns the name of the tenant that a key was made for last, or else one that the user owns."""
    return str(request.session.get(LAST_TENANT) or (own[0].name if own else DEFAULT_TENANT))


def _parse_days(text: str) -> int:
    """Parses a number of days; -1, which is out of range: it is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1  # noqa: PLR2004 - over any limit
