"""What is configured, the semantic cache, people, and the audit."""

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen import composition
from imgen.domain import errors
from imgen.domain.people import ROLES, Person
from imgen.domain.review import Ruleset, parse_ruleset
from imgen.live import config_news
from imgen.records import accounts, audit, cache, gallery, users
from imgen.services import configured, people
from imgen.settings import read_toml
from imgen.surfaces.web.desk import Desk

ROWS = 100
LOOKED_AT = 500
"""Latest pictures among which samples are looked for."""


class Settings:
    """A room."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._read: tuple[configured.Configured, dict[str, Ruleset]] | None = None

    def routes(self) -> Sequence[BaseRoute]:
        """Its pages."""
        person = self._desk.signed_in
        return [
            Route("/panel/catalog", person(self.catalog), methods=["GET"]),
            Route("/panel/catalog/reload", person(self.reload, admin=True), methods=["POST"]),
            Route("/panel/cache", person(self.cache, admin=True), methods=["GET"]),
            Route("/panel/cache/purge", person(self.purge, admin=True), methods=["POST"]),
            Route("/panel/people", person(self.people, admin=True), methods=["GET"]),
            Route("/panel/people", person(self.add, admin=True), methods=["POST"]),
            Route("/panel/people/{name}/remove", person(self.remove, admin=True), methods=["POST"]),
            Route("/panel/people/{name}/password", person(self.new_password, admin=True), methods=["POST"]),
            Route("/panel/audit", person(self.audit, admin=True), methods=["GET"]),
        ]

    async def catalog(self, request: Request, person: Person) -> Response:
        """Models with their styles, characters and rulesets, each with a sample out of the person's own pictures."""
        core = self._desk.core
        found = await core.database.reading(gallery.samples, scope=person.scope, latest=LOOKED_AT)
        samples = {
            name: next((core.objects.url(i.key) for i in job.outcome.images if i.type == "thumbnail"), "")
            for name, job in found.items()
            if job.outcome is not None
        }
        return self._desk.page(
            request, "catalog.html", catalog=core.catalog, rulesets=self._rulesets(), samples=samples
        )

    async def reload(self, request: Request, person: Person) -> Response:
        """Reads the configuration again, here at once and everywhere else within seconds."""
        core = self._desk.core
        try:
            await asyncio.to_thread(composition.load_rulesets, core.settings)  # as workers will read them
            read = await asyncio.to_thread(configured.load, core.settings)
        except errors.ConfigurationError as exc:
            raise errors.Invalid(f"The old configuration stays: {exc}") from exc
        await core.live.run(config_news.changed())  # first: where nobody can be told, nobody changes
        core.configured = read
        await self._note(person, "reloaded configuration", "", {"models": list(core.catalog.models)})
        return self._desk.back(request, "/panel/catalog", "The configuration is read again.")

    def _rulesets(self) -> dict[str, Ruleset]:
        """As the service uses them now: read once for each configuration."""
        core = self._desk.core
        if self._read is None or self._read[0] is not core.configured:
            folder = core.settings.config_dir / "rulesets"
            rules = {name: parse_ruleset(name, read_toml(folder / f"{name}.toml")) for name in sorted(core.rulesets)}
            self._read = core.configured, rules
        return self._read[1]

    async def cache(self, request: Request, _person: Person) -> Response:
        """What the semantic cache holds, by tenant, and emptying it."""
        core = self._desk.core
        tenants = await core.database.reading(accounts.all_tenants)
        by_tenant = [(one, await core.database.reading(cache.statistics, tenant_id=one.id)) for one in tenants]
        return self._desk.page(
            request,
            "cache.html",
            total=await core.database.reading(cache.statistics),
            by_tenant=by_tenant,
            models=list(core.catalog.models),
            limits=core.settings.cache,
        )

    async def purge(self, request: Request, person: Person) -> Response:
        """Empties the cache, or a tenant's or a model's part of it."""
        form = await request.form()
        tenant, model = str(form.get("tenant", "")), str(form.get("model", ""))
        number = await self._desk.core.cache.purge(tenant_id=tenant or None, model=model or None)
        detail: dict[str, object] = {"tenant": tenant, "model": model, "entries": number}
        await self._note(person, "purged cache", tenant, detail)
        return self._desk.back(request, "/panel/cache", f"Purged {number} {'entry' if number == 1 else 'entries'}.")

    async def people(
        self, request: Request, _person: Person, *, problem: str = "", first: tuple[str, str] = ("", "")
    ) -> Response:
        """Everybody with an account."""
        database = self._desk.core.database
        return self._desk.page(
            request,
            "people.html",
            status=400 if problem else 200,
            everybody=await database.reading(users.everybody),
            tenants=await database.reading(accounts.all_tenants),
            roles=ROLES,
            problem=problem,
            first=first,
        )

    async def add(self, request: Request, person: Person) -> Response:
        """A new person with a first password."""
        form = await request.form()
        name, role = str(form.get("name", "")).strip(), str(form.get("role", ""))
        tenants = [str(value) for value in form.getlist("tenant")]
        try:
            password = await people.add(self._desk.core, person, name=name, role=role, tenant_ids=tenants)
        except errors.Invalid as exc:
            return await self.people(request, person, problem=str(exc))
        return await self.people(request, person, first=(name, password))

    async def remove(self, request: Request, person: Person) -> Response:
        """Takes a person away."""
        name = request.path_params["name"]
        try:
            await people.remove(self._desk.core, person, name)
        except errors.Invalid as exc:
            return await self.people(request, person, problem=str(exc))
        return self._desk.back(request, "/panel/people", f"{name} is removed and signed out everywhere.")

    async def new_password(self, request: Request, person: Person) -> Response:
        """A new first password for somebody who lost theirs."""
        name = request.path_params["name"]
        password = await people.new_first_password(self._desk.core, person, name)
        return await self.people(request, person, first=(name, password))

    async def audit(self, request: Request, _person: Person) -> Response:
        """Who did what."""
        given = request.query_params
        words, before = given.get("words", "").replace("\0", "").strip()[:200], given.get("before", "")
        entries = await self._desk.core.database.reading(audit.page, limit=ROWS + 1, before=before, words=words)
        shown = entries[:ROWS]
        return self._desk.page(
            request,
            "audit.html",
            entries=shown,
            words=words,
            before=shown[-1].id if len(entries) > ROWS else "",
        )

    async def _note(self, person: Person, action: str, subject: str, detail: dict[str, object]) -> None:
        await self._desk.core.database.writing(audit.by_person, person, action=action, subject=subject, detail=detail)
