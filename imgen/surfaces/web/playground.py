"""The playground: a form, the picture that comes of it, one's latest pictures, and the same request as code.

What is asked for here goes the way of every other request, with the person in the place of a key.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain import errors
from imgen.domain import principal as principals
from imgen.domain.account import Tenant
from imgen.domain.catalog import SIZES
from imgen.domain.job import ENDED, Job, Outcome, State
from imgen.domain.people import Person
from imgen.domain.request import FORMATS, POSITIONS, RANGES
from imgen.live import previews
from imgen.records import job_search, jobs
from imgen.records.tenants import all_tenants
from imgen.services import jobs as job_service
from imgen.services.submit import submit
from imgen.services.uploads import MAX_LOGO_BYTES
from imgen.surfaces.action import told
from imgen.surfaces.http import giving, read_body
from imgen.surfaces.web import playground_form, snippets
from imgen.surfaces.web.desk import Desk

SURFACE = "playground"
SHOWN = 12
"""Thumbnails of earlier pictures."""
CHANGED = {"HX-Trigger": "job-changed"}
"""Tells the page that the thumbnails are out of date."""

STATES: dict[State, str] = {
    State.QUEUED: "Waiting for its turn",
    State.RENDERING: "Being drawn",
    State.RENDERED: "Drawn, about to be reviewed",
    State.FINISHING: "Being reviewed, marked and signed",
    State.COMPLETED: "Done",
    State.BLOCKED: "Blocked by review",
    State.FAILED: "Generation failed",
    State.TIMED_OUT: "Timed out",
    State.CANCELLED: "Cancelled",
}


class Playground:
    """A room."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._core = desk.core

    def routes(self) -> Sequence[BaseRoute]:
        """Its pages, and the parts of them that htmx asks for."""
        person = self._desk.signed_in
        return [
            Route("/", person(self.home), methods=["GET"]),
            Route("/play", person(self.generate), methods=["POST"]),
            Route("/play/history", person(self.history), methods=["GET"]),
            Route("/play/code", person(self.code), methods=["POST"]),
            Route("/play/jobs/{id}", person(self.job), methods=["GET"]),
            Route("/play/jobs/{id}/cancel", person(self.cancel), methods=["POST"]),
        ]

    async def home(self, request: Request, person: Person) -> Response:
        """The form, and a picture that is still under way."""
        latest = await self._latest(person)
        under_way = latest[0] if latest and latest[0].state not in ENDED else None
        wanted = request.query_params.get("job", "")
        opened = (
            await self._core.database.reading(job_search.find_visible, wanted, scope=person.scope) if wanted else None
        )
        return self._desk.page(
            request,
            "playground.html",
            tenants=[one for one in await self._tenants() if person.scope is None or one.id in person.scope],
            models=self._models(),
            sizes=SIZES,
            formats=FORMATS,
            positions=POSITIONS,
            rulesets=sorted(self._core.rulesets, key=lambda name: (name != playground_form.DEFAULT_RULESET, name)),
            quality=RANGES["quality"],
            max_chars=self._core.settings.jobs.max_prompt_chars,
            max_mark_bytes=MAX_LOGO_BYTES,
            languages=snippets.LANGUAGES,
            latest=[self._thumbnail(job) for job in latest],
            fill=json.dumps(playground_form.filling(opened, with_seed=True)) if opened else "",
            **(await self._shown(person, under_way) if under_way else {"job": None}),
        )

    async def generate(self, request: Request, person: Person) -> Response:
        """Makes a job, or says in one sentence why there is none; the form in the browser stays as it is."""
        try:
            form = await self._form(request)
            tenant = await self._tenant(str(form.get("tenant", "")))
            ask = await playground_form.ask_of(form)
            submitted = await submit(self._core, principals.user_principal(person, tenant), ask, surface=SURFACE)
        except errors.ImgenError as exc:
            return self._problem(request, exc)
        shown = await self._shown(person, submitted.job)
        response = self._desk.page(request, "playground_answer.html", warnings=submitted.warnings, **shown)
        response.headers.update(CHANGED)
        return response

    async def job(self, request: Request, person: Person) -> Response:
        """How a job of one's own stands. A poll of an open job gets its standing alone, and the whole once it has ended."""
        job = await self._own(request, person)
        shown = await self._shown(person, job)
        is_poll = "poll" in request.query_params
        if is_poll and not shown["told"]:
            return self._desk.page(request, "playground_standing.html", **shown)
        response = self._desk.page(request, "playground_job.html", **shown)
        if is_poll:
            response.headers.update(CHANGED | {"HX-Retarget": "closest article", "HX-Reswap": "outerHTML"})
        return response

    async def cancel(self, request: Request, person: Person) -> Response:
        """Ends a job of one's own."""
        job = await self._own(request, person)
        principal = principals.user_principal(person, await self._tenant(job.tenant_id))
        ended = await job_service.cancel(self._core, principal, job.id)
        response = self._desk.page(request, "playground_job.html", **await self._shown(person, ended))
        response.headers.update(CHANGED)
        return response

    async def history(self, request: Request, person: Person) -> Response:
        """One's latest pictures as thumbnails."""
        latest = [self._thumbnail(job) for job in await self._latest(person)]
        return self._desk.page(request, "playground_history.html", latest=latest)

    async def code(self, request: Request, _person: Person) -> Response:
        """The request of the form in every language."""
        url = f"{self._core.settings.public_url}/api/v2"
        try:
            fields = playground_form.fields_of(await self._form(request))
        except errors.ImgenError as exc:
            return self._problem(request, exc)
        texts = {key: (label, write(url, fields)) for key, (label, write) in snippets.LANGUAGES.items()}
        return self._desk.page(request, "playground_code.html", texts=texts)

    def _problem(self, request: Request, error: errors.ImgenError) -> Response:
        text, status = playground_form.sentence(error), playground_form.status(error)
        response = self._desk.page(request, "playground_problem.html", status=status, problem=text, warnings=())
        response.headers.update({"HX-Retarget": "#problem", "HX-Reswap": "innerHTML"})
        return response

    async def _form(self, request: Request) -> FormData:
        """What was sent, no larger than any other surface takes it."""
        max_bytes = int(self._core.settings.http.max_body_mib * 2**20)
        body = await read_body(request.scope, request.receive, max_bytes=max_bytes)
        return await Request(request.scope, giving(body)).form()

    async def _tenants(self) -> list[Tenant]:
        return await self._core.database.reading(all_tenants)

    async def _tenant(self, tenant_id: str) -> Tenant:
        """Raises Forbidden where there is none: unknown and another's look the same."""
        tenant = next((one for one in await self._tenants() if one.id == tenant_id), None)
        if tenant is None:
            raise errors.Forbidden
        return tenant

    async def _latest(self, person: Person) -> list[Job]:
        return await self._core.database.reading(jobs.latest_of_key, person.id, scope=person.scope, limit=SHOWN)

    async def _own(self, request: Request, person: Person) -> Job:
        """The job of the path, if this person asked for it and still belongs to its tenant; anything else is 404."""
        try:
            job = await self._core.database.reading(jobs.find, request.path_params["id"])
        except errors.JobNotFound as exc:
            raise HTTPException(404) from exc
        if job.key_id != person.id or (person.scope is not None and job.tenant_id not in person.scope):
            raise HTTPException(404)
        return job

    async def _shown(self, person: Person, job: Job) -> dict[str, Any]:
        """What the templates of a job take: the row for one that has ended, Redis for one that is open."""
        if job.state in ENDED:
            return self._values(job, job.state, job.outcome or Outcome(), None)
        principal = principals.user_principal(person, await self._tenant(job.tenant_id))
        standing = await job_service.job_status(self._core, principal, job.id, job_service.get_view(self._core, job.id))
        values = self._values(job, standing.view.state, standing.view.outcome, standing)
        return values | {"preview": await self._preview(job) if standing.view.state is State.RENDERING else ""}

    async def _preview(self, job: Job) -> str:
        """The picture so far, as text for a data: address; empty: there is none."""
        try:
            latest = await self._core.live.run(previews.watch(job.id))
        except errors.Unavailable:
            return ""
        return base64.b64encode(latest or b"").decode()

    def _values(
        self, job: Job, state: State, outcome: Outcome | None, standing: job_service.JobStatus | None
    ) -> dict[str, Any]:
        said = {} if outcome is None else told(self._core, outcome)
        return {
            "job": job,
            "state": state,
            "state_text": STATES[state],
            "standing": standing,
            "told": said,
            "rules": outcome.blocked.names if outcome and outcome.blocked else (),
            "images": {image["type"]: image for image in said.get("meta", {}).get("images", ())},
            "unsafe_url": base64.b64decode(said.get("unsafe_url", "")).decode(),
            "model_label": self._label(job.recipe.model),
            "style_label": self._label(job.recipe.model, job.recipe.style),
        }

    def _label(self, model_key: str, style_key: str = "") -> str:
        """As configured now; a model or style that is gone keeps its key."""
        model = self._core.catalog.models.get(model_key)
        if not style_key:
            return model.label if model else model_key
        style = model.styles.get(style_key) if model else None
        return style.label if style else style_key

    def _thumbnail(self, job: Job) -> dict[str, Any]:
        images = {image.type: image.key for image in job.outcome.images} if job.outcome else {}
        key = images.get("thumbnail", "") if job.state is State.COMPLETED else ""
        url = self._core.objects.url(key, expires_s=self._core.settings.objects.url_expires_s) if key else ""
        return {"job": job, "url": url, "fill": json.dumps(playground_form.filling(job)), "text": STATES[job.state]}

    def _models(self) -> list[dict[str, Any]]:
        """Options of the form, each with what the page needs to know when it is chosen."""
        catalog = self._core.catalog
        return [
            {
                "key": model.key,
                "label": model.label,
                "default_style": model.default_style,
                "styles": [(key, style.label) for key, style in model.styles.items()],
                "characters": [(key, catalog.characters[key].label or key) for key in catalog.characters_of(model)],
            }
            for model in catalog.models.values()
        ]
