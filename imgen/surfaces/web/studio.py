"""Studio: a page where a picture becomes another one by a mode, seen before and after, and the same request as code."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from msgspec import structs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.asgi.answer_headers import answer_context
from imgen.domain import errors
from imgen.domain.catalog import RATIOS
from imgen.domain.credential import SessionCredential
from imgen.domain.framing import in_another_size
from imgen.domain.job import ENDED, Job
from imgen.domain.studio import ASPECTS, LONG_SIDES, MOST_COUNT, NEEDS_PROMPT
from imgen.domain.user import User
from imgen.services import uploads
from imgen.services.accounts import authentication
from imgen.services.studio_orders import studio_order
from imgen.services.submit import resubmit, submit
from imgen.surfaces.static import FOLDER
from imgen.surfaces.web import (
    playground_form,
    playground_history,
    playground_tenant,
    snippets,
    studio_form,
    studio_plan,
)
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.playground_asked import as_source, asked_for
from imgen.surfaces.web.playground_problem import problem
from imgen.surfaces.web.shell import Shell
from imgen.surfaces.web.studio_shown import with_batch

ROOT = "/studio"
SAMPLES = "studio"
"""Folder of the presets' sample pictures among the assets: `<preset>.webp`."""
MODE_WORDS = {
    "style": "Drawn anew by your words",
    "avatar": "A portrait in a chosen look",
    "product": "Kept, on another background",
    "enhance": "Sharper and larger, nothing redrawn",
}
"""Mode → what it does."""


class Studio:
    """Section of Studio."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry(ROOT, "Studio"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._core = shell.core

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its page and the parts of it for htmx."""
        signed_in = self._shell.signed_in
        return [
            Route(ROOT, signed_in(self.home), methods=["GET"]),
            Route(ROOT, signed_in(self.generate), methods=["POST"]),
            Route(f"{ROOT}/plan", signed_in(self.plan), methods=["GET"]),
            Route(ROOT + "/jobs/{id}/export", signed_in(self.export), methods=["POST"]),
            Route(f"{ROOT}/history", signed_in(self.history), methods=["GET"]),
            Route(f"{ROOT}/code", signed_in(self.code), methods=["POST"]),
        ]

    async def home(self, request: Request, user: User) -> Response:
        """Shows the form, filled from a job or with its picture as source, and the job that was asked for or the latest one."""
        core, (here, with_keys) = self._core, await self._history(user)
        opened = await asked_for(core, request, user, "job")
        source = await asked_for(core, request, user, "source")
        shown = opened if opened and opened.state in ENDED else next(iter(here or with_keys), None)
        values = await playground_tenant.choice(core, user, here[0].tenant_id if here else "")
        if values["tenants"]:
            values |= await self._plan(request, user, values["tenant_value"] or values["tenants"][0].id, "")
        return self._shell.page(
            request,
            "studio.html",
            modes=core.studio.modes.values(),
            mode_words=MODE_WORDS,
            needs_prompt=NEEDS_PROMPT,
            presets=core.studio.presets.values(),
            samples={path.stem for path in (FOLDER / SAMPLES).glob("*.webp")},
            aspects=[(name, RATIOS.get(name)) for name in ASPECTS],
            counts=range(1, MOST_COUNT + 1),
            max_chars=core.settings.jobs.max_prompt_chars,
            max_source_bytes=uploads.MAX_BYTES,
            source_problem=playground_form.FIELD_SENTENCES["image"],
            languages=snippets.LANGUAGES,
            fill=json.dumps(studio_form.filling(opened)) if opened else "",
            source=json.dumps(await as_source(core, user, source)) if source else "",
            **self._thumbnails(here, with_keys),
            **values,
            **(await with_batch(core, user, shown) if shown else {"job": None}),
        )

    async def generate(self, request: Request, user: User) -> Response:
        """Makes a job for each picture, or shows the error in one sentence; the form in the browser does not change."""
        core = self._core
        try:
            form = await form_of(request)
            credential = await playground_tenant.acting_for(core, request.scope, user, form.get("tenant"))
            note = answer_context(request.scope).note_rate
            principal = await authentication.authenticate(core, credential, note=note)
            arguments = studio_form.arguments_of(form, core.studio)
            plan = core.plan_of(principal.tenant.plan)
            plan.require_surface(studio_plan.SURFACE)  # before what is to be mended in the form
            order = await studio_order(core, principal, **arguments)
            submitted = await submit(core, principal, order, surface=studio_plan.SURFACE)
        except errors.SurfaceNotInPlan as exc:
            return problem(self._shell, request, exc, f"Studio needs the plan {studio_plan.needed_plan(core, plan)}.")
        except errors.ImgenError as exc:
            return problem(self._shell, request, exc, studio_form.sentence(exc))
        return await self._made(request, user, submitted.job)

    async def export(self, request: Request, user: User) -> Response:
        """Makes a job's picture once more, in another size."""
        core, job = self._core, await playground_history.find_own(self._core, user, request.path_params["id"])
        size = LONG_SIDES.get(str((await form_of(request)).get("export", "")))
        if job is None or size is None or not job.recipe.mode:
            raise HTTPException(404)
        try:
            note = answer_context(request.scope).note_rate
            principal = await authentication.authenticate(core, SessionCredential(user, job.tenant_id), note=note)
            resized = structs.replace(job, recipe=in_another_size(job.recipe, size))
            made = await resubmit(core, principal, resized, surface=studio_plan.SURFACE)
        except errors.ImgenError as exc:
            return problem(self._shell, request, exc, studio_form.sentence(exc))
        return await self._made(request, user, made)

    async def plan(self, request: Request, user: User) -> Response:
        """Shows what the plan of the chosen tenant includes and has left; nothing while a name is being typed."""
        query = request.query_params
        try:
            values = await self._plan(request, user, query.get("tenant", ""), query.get("export", ""))
        except errors.ImgenError:
            return self._shell.unchanged()
        return self._shell.page(request, "studio_plan.html", **values)

    async def history(self, request: Request, user: User) -> Response:
        """Shows the user's latest pictures as thumbnails."""
        return self._shell.page(request, "playground_history.html", **self._thumbnails(*await self._history(user)))

    async def code(self, request: Request, _user: User) -> Response:
        """Shows the form's request as code in every language."""
        try:
            fields = studio_form.fields_of(await form_of(request), self._core.studio)
        except errors.ImgenError as exc:
            return problem(self._shell, request, exc, studio_form.sentence(exc))
        texts = {"studio": snippets.in_each_language(self._core.settings.public_url + studio_form.PATH, fields)}
        return self._shell.page(request, "playground_code.html", texts=texts, apis={}, unsaid={})

    async def _made(self, request: Request, user: User, job: Job) -> Response:
        response = self._shell.page(request, "studio_answer.html", **await with_batch(self._core, user, job))
        response.headers.update(playground_history.CHANGED)
        return response

    async def _plan(self, request: Request, user: User, tenant: str, export: str) -> dict[str, Any]:
        credential = await playground_tenant.acting_for(self._core, request.scope, user, tenant)
        principal = await authentication.session_principal(self._core, credential)
        return await studio_plan.plan_values(self._core, principal, export)

    async def _history(self, user: User) -> tuple[list[Job], list[Job]]:
        here = await playground_history.made_here(self._core, user, in_studio=True)
        return here, await playground_history.made_with_keys(self._core, user, in_studio=True)

    def _thumbnails(self, here: list[Job], with_keys: list[Job]) -> dict[str, Any]:
        rows = {"here": here, "with_keys": with_keys}
        thumbnail = partial(playground_history.thumbnail, self._core, filling=studio_form.filling)
        return {"root": ROOT, **{name: list(map(thumbnail, row)) for name, row in rows.items()}}
