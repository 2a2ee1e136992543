"""Semantic cache: statistics and purging."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.user import User
from imgen.records import audit, cache
from imgen.records.tenants import all_tenants
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.shell import NavEntry, Shell


class Cache:
    """Section of the semantic cache."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/cache", "Cache", is_for_admins=True),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/cache", signed_in(self.cache, admin=True), methods=["GET"]),
            Route("/panel/cache/purge", signed_in(self.purge, admin=True), methods=["POST"]),
        ]

    async def cache(self, request: Request, _user: User) -> Response:
        """Shows the statistics of the cache by tenant."""
        core = self._shell.core
        tenants = await core.database.reading(all_tenants)
        by_tenant = [(one, await core.database.reading(cache.statistics, tenant_id=one.id)) for one in tenants]
        return self._shell.page(
            request,
            "cache.html",
            total=await core.database.reading(cache.statistics),
            by_tenant=by_tenant,
            models=list(core.catalog.models),
            limits=core.settings.cache,
        )

    async def purge(self, request: Request, user: User) -> Response:
        """Purges the cache, or the entries of a tenant or model."""
        form = await form_of(request)
        tenant, model = str(form.get("tenant", "")), str(form.get("model", ""))
        number = await self._shell.core.cache.purge(tenant_id=tenant or None, model=model or None)
        database = self._shell.core.database
        names = {one.id: one.name for one in await database.reading(all_tenants)}
        detail: dict[str, object] = {"tenant": names.get(tenant, tenant), "model": model, "entries": number}
        await database.writing(audit.by_person, user, action="purged cache", subject=tenant, detail=detail)
        return self._shell.redirect(
            request, "/panel/cache", f"Purged {number} {'entry' if number == 1 else 'entries'}."
        )
