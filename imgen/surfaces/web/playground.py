"""Playground: a form, its picture, the user's latest pictures, and the same request as code.

Requests pass through the same services as all others, with the user as principal.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

from msgspec import structs
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import read_body, replay_body
from imgen.domain import errors
from imgen.domain.example_prompt import example_prompt
from imgen.domain.job import ENDED, Job
from imgen.domain.request import FORMATS, POSITIONS, RANGES, UPSCALES
from imgen.domain.user import User
from imgen.services import uploads
from imgen.services.accounts import authentication
from imgen.services.logos import MAX_LOGO_BYTES
from imgen.services.orders import repaired_order
from imgen.services.submit import submit
from imgen.surfaces.web import (
    playground_forge,
    playground_form,
    playground_history,
    playground_openai,
    playground_tenant,
    snippets,
)
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.nul import form_of
from imgen.surfaces.web.playground_asked import as_source, asked_for
from imgen.surfaces.web.playground_openai import openai_request
from imgen.surfaces.web.playground_problem import problem
from imgen.surfaces.web.playground_shown import with_batch
from imgen.surfaces.web.shell import Shell

SURFACE = "playground"
COUNTS = (1, 2, 3, 4)
"""Numbers of pictures that the form offers."""


class Playground:
    """Section of the playground."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/", "Playground"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._core = shell.core

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages and their parts for htmx."""
        signed_in = self._shell.signed_in
        return [
            Route("/", signed_in(self.home), methods=["GET"]),
            Route("/play", signed_in(self.generate), methods=["POST"]),
            Route("/play/history", signed_in(self.history), methods=["GET"]),
            Route("/play/code", signed_in(self.code), methods=["POST"]),
        ]

    async def home(self, request: Request, user: User) -> Response:
        """Shows the form, filled from a job or with its picture as source, and the job that was asked for or the latest one."""
        here, with_keys = await self._history(user)
        opened = await asked_for(self._core, request, user, "job")
        source = await asked_for(self._core, request, user, "source")
        shown = opened if opened and opened.state in ENDED else next(iter(here or with_keys), None)
        models = self._models()
        sizes = dict.fromkeys(size for model in self._core.catalog.models.values() for size in model.sizes)
        return self._shell.page(
            request,
            "playground.html",
            **await playground_tenant.choice(self._core, user, here[0].tenant_id if here else ""),
            models=models,
            example=example_prompt([key for key, _ in models[0]["characters"]]),
            sizes=[(width, height, _ratio(width, height)) for width, height in sizes],
            longest=max(map(max, sizes)),
            formats=FORMATS,
            positions=POSITIONS,
            rulesets=sorted(self._core.rulesets, key=lambda name: (name != playground_form.DEFAULT_RULESET, name)),
            quality=RANGES["quality"],
            max_chars=self._core.settings.jobs.max_prompt_chars,
            max_logo_bytes=MAX_LOGO_BYTES,
            max_source_bytes=uploads.MAX_BYTES,
            source_problem=playground_form.FIELD_SENTENCES["image"],
            upscales=UPSCALES[1:],
            strength=playground_form.DEFAULT_STRENGTH,
            counts=COUNTS,
            languages=snippets.LANGUAGES,
            apis=snippets.APIS,
            **self._thumbnails(here, with_keys),
            fill=json.dumps(playground_form.filling(opened, with_seed=True)) if opened else "",
            source=json.dumps(await as_source(self._core, user, source)) if source else "",
            **(await with_batch(self._core, user, shown) if shown else {"job": None}),
        )

    async def generate(self, request: Request, user: User) -> Response:
        """Makes a job for each picture, or shows the error in one sentence; the form in the browser does not change."""
        try:
            async with self._form(request) as form:
                credential = await playground_tenant.acting_for(self._core, request.scope, user, form.get("tenant"))
                note = answer_context(request.scope).note_rate
                principal = await authentication.authenticate(self._core, credential, note=note)
                asked = await playground_form.request_of(form)
                self._refuse_unknown(asked.model)
                submitted = await submit(
                    self._core, principal, repaired_order(self._core, principal, asked), surface=SURFACE
                )
        except errors.ImgenError as exc:
            return problem(self._shell, request, exc, playground_form.sentence(exc))
        shown = await with_batch(self._core, user, submitted.job)
        response = self._shell.page(request, "playground_answer.html", warnings=submitted.warnings, **shown)
        response.headers.update(playground_history.CHANGED)
        return response

    async def history(self, request: Request, user: User) -> Response:
        """Shows the user's latest pictures as thumbnails."""
        return self._shell.page(request, "playground_history.html", **self._thumbnails(*await self._history(user)))

    async def code(self, request: Request, _user: User) -> Response:
        """Shows the form's request as code of every API in every language."""
        root = self._core.settings.public_url
        try:
            async with self._form(request) as form:
                fields = playground_form.fields_of(form)
        except errors.ImgenError as exc:
            return problem(self._shell, request, exc, playground_form.sentence(exc))
        forge = await playground_forge.forge_request(self._core, fields)
        openai = openai_request(self._core, fields)
        texts = {
            "action": snippets.in_each_language(f"{root}/api/v2", snippets.action_body(fields)),
            "forge": snippets.in_each_language(root + playground_forge.PATH, forge.fields),
            "openai": snippets.in_each_language(root + playground_openai.PATH, openai.fields),
        }
        unsaid = {"forge": forge.unsaid, "openai": openai.unsaid}
        return self._shell.page(request, "playground_code.html", texts=texts, apis=snippets.APIS, unsaid=unsaid)

    def _refuse_unknown(self, model: object) -> None:
        """Raises Invalid if a model is not configured: a page that was opened before a reload may have it still."""
        models = self._core.catalog.models
        if isinstance(model, str) and model and model not in models:
            labels = ", ".join(one.label for one in models.values())
            raise errors.Invalid(f"There is no model {model!r} any more; there are {labels}. Load this page again.")

    @contextlib.asynccontextmanager
    async def _form(self, request: Request) -> AsyncIterator[FormData]:
        """Reads the form, with the size limit of all requests."""
        max_bytes = int(self._core.settings.http.max_body_mib * 2**20)
        body = await read_body(request.scope, request.receive, max_bytes=max_bytes)
        form = await form_of(Request(request.scope, replay_body(body, request.receive)))
        try:
            yield form
        finally:
            await form.close()

    async def _history(self, user: User) -> tuple[list[Job], list[Job]]:
        here, with_keys = await asyncio.gather(
            playground_history.made_here(self._core, user), playground_history.made_with_keys(self._core, user)
        )
        return here, with_keys

    def _thumbnails(self, here: list[Job], with_keys: list[Job]) -> dict[str, Any]:
        rows = {"here": here, "with_keys": with_keys}
        shown = {name: [playground_history.thumbnail(self._core, job) for job in row] for name, row in rows.items()}
        return {"root": "/play", **shown}

    def _models(self) -> list[dict[str, Any]]:
        """Returns the models of the form, each with its styles and characters."""
        catalog = self._core.catalog
        return [
            {
                "key": model.key,
                "label": model.label,
                "default_style": model.default_style,
                "steps": structs.asdict(model.steps),
                "guidance": structs.asdict(model.guidance),
                "sizes": [f"{width}x{height}" for width, height in model.sizes],
                "styles": [(key, style.label) for key, style in model.styles.items()],
                "characters": [(key, catalog.characters[key].label or key) for key in catalog.characters_of(model)],
            }
            for model in catalog.models.values()
        ]


def _ratio(width: int, height: int) -> str:
    """Returns the shape of a size in whole numbers: `7:4`."""
    common = math.gcd(width, height)
    return f"{width // common}:{height // common}"
