"""Semantic cache: statistics and purging."""

import time
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.user import User
from imgen.records import audit, cache, tenants
from imgen.records.cache import Statistics
from imgen.surfaces.web.name_cursors import format_place, parse_place
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import Shell

PAGE = 50
COUNTED_FOR_S = 30.0
"""Time to keep the statistics of all tenants."""


class Cache:
    """Section of the semantic cache."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/cache", "Cache", is_for_admins=True, group="System"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._counted: tuple[float, Statistics] | None = None

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/cache", signed_in(self.page, admin=True), methods=["GET"]),
            Route("/panel/cache/purge", signed_in(self.purge, admin=True), methods=["POST"]),
        ]

    async def page(self, request: Request, _user: User, *, problem: str = "") -> Response:
        """Shows the statistics of the cache, and those of tenants by name."""
        core, given = self._shell.core, request.query_params
        words, after = given.get("words", "").strip()[:200], parse_place(given.get("after", ""))
        shown, following = await core.database.reading(tenants.page, scope=None, prefix=words, after=after, limit=PAGE)
        by_id = await core.database.reading(cache.statistics_of, [one.id for one in shown])
        return self._shell.page(
            request,
            "cache.html",
            status=400 if problem else 200,
            problem=problem,
            total=await self._total(),
            by_tenant=[(one, by_id[one.id]) for one in shown],
            words=words,
            older=urlencode({"words": words, "after": format_place(following)}) if following else "",
            models=list(core.catalog.models),
            limits=core.settings.cache,
        )

    async def _total(self) -> Statistics:
        """Returns the statistics of all tenants, counted at most every COUNTED_FOR_S: they are sums over every tenant and day."""
        now = time.monotonic()
        if self._counted is None or now - self._counted[0] >= COUNTED_FOR_S:
            self._counted = now, await self._shell.core.database.reading(cache.statistics)
        return self._counted[1]

    async def purge(self, request: Request, user: User) -> Response:
        """Purges the cache, or the entries of a tenant or model."""
        form, database = await form_of(request), self._shell.core.database
        name, model = str(form.get("tenant", "")).strip(), str(form.get("model", ""))
        tenant = await database.reading(tenants.find_in_scope, name, scope=None) if name else None
        if name and tenant is None:
            return await self.page(request, user, problem=f"There is no tenant {name!r}")
        number = await self._shell.core.cache.purge(tenant_id=tenant.id if tenant else None, model=model or None)
        self._counted = None
        detail: dict[str, object] = {"tenant": tenant.name if tenant else "", "model": model, "entries": number}
        subject = tenant.id if tenant else ""
        await database.writing(audit.by_person, user, action="purged cache", subject=subject, detail=detail)
        return self._shell.redirect(
            request, "/panel/cache", f"Purged {number} {'entry' if number == 1 else 'entries'}."
        )
