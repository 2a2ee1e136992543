"""Catalog: configured models, quality tiers, characters and rulesets with samples, and the reload of the configuration."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen import configuration
from imgen.domain import errors
from imgen.domain.tiers import tier_size
from imgen.domain.user import User
from imgen.live import epochs
from imgen.records import audit, job_search
from imgen.services.links import thumbnail_url
from imgen.services.tiers import model_offers, tier_offers
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell
from imgen.threads import LOADING


class Catalog:
    """Section of models, tiers, characters and rulesets."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/catalog", "Catalog"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/catalog", signed_in(self.catalog), methods=["GET"]),
            Route("/panel/catalog/reload", signed_in(self.reload, admin=True), methods=["POST"]),
        ]

    async def catalog(self, request: Request, user: User) -> Response:
        """Shows models with their styles, characters and rulesets, each with a sample that the user may see; and tiers."""
        core = self._shell.core
        found = await core.database.reading(job_search.samples, scope=user.scope)
        samples = {name: thumbnail_url(core, job.outcome) for name, job in found.items() if job.outcome is not None}
        return self._shell.page(
            request,
            "catalog.html",
            catalog=core.catalog,
            rulesets=core.configured.rules,
            samples=samples,
            tiers=await tier_offers(core),
            selectable=await model_offers(core),
            size_of=tier_size,
            shadows=await self._shadows() if user.is_admin else [],
        )

    async def _shadows(self) -> list[str]:
        """Describes weights in the data folder that have a shipped name; a wrong file is told by the reload."""
        try:
            return await LOADING.run(configuration.shadowed_weights, self._shell.core.settings)
        except errors.ConfigurationError:
            return []

    async def reload(self, request: Request, user: User) -> Response:
        """Reloads the configuration: at once in this process, within seconds in all others."""
        core = self._shell.core
        try:
            await LOADING.run(configuration.load_rulesets, core.settings)  # like the workers
            read = await LOADING.run(configuration.load, core.settings)
        except errors.ConfigurationError as exc:
            raise errors.Invalid(f"The old configuration stays: {exc}") from exc
        await core.live.run(epochs.bump(epochs.CONFIGURATION))  # first: without Redis no process changes
        core.reconfigure(read)
        await core.database.writing(
            audit.by_person,
            user,
            action="reloaded configuration",
            subject="",
            detail={"models": list(core.catalog.models)},
        )
        return self._shell.redirect(request, "/panel/catalog", "The configuration is read again.")
