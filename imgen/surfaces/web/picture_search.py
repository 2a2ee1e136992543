"""Search by picture: the jobs whose pictures a picture is, was made from, or looks like."""

from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.asgi.answer_headers import answer_context
from imgen.domain import errors
from imgen.domain.user import User
from imgen.records import job_search
from imgen.services.accounts import authentication
from imgen.services.links import thumbnail_url
from imgen.services.recognition.recognize import Match, recognize
from imgen.surfaces.surface import problem_of
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.sent_picture import MAX_MIB, sent_picture, sentence
from imgen.surfaces.web.shell import Shell
from imgen.surfaces.web.verdict_words import SIGNS

PATH = "/panel/pictures"
SHOWN = 60
"""Limit of the pictures on the page: the nearest."""


class PictureSearch:
    """Section of the search by picture, within the tenants of its user."""

    nav: ClassVar[Sequence[NavEntry]] = ()

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its page."""
        signed_in = self._shell.signed_in
        return [
            Route(PATH, signed_in(self.form), methods=["GET"]),
            Route(PATH, signed_in(self.search), methods=["POST"]),
        ]

    async def form(self, request: Request, _user: User) -> Response:
        """Shows the form."""
        return await self._page(request, _user)

    async def search(self, request: Request, user: User) -> Response:
        """Reads the picture of the form, and lists what it points to."""
        core, is_deep = self._shell.core, False
        try:
            await authentication.count_person(core, user, note=answer_context(request.scope).note_rate)
            sent = await sent_picture(request)
            with sent.form:
                is_deep = sent.is_deep
                found = await recognize(core, sent.read, scope=user.scope, is_deep=is_deep)
        except errors.ImgenError as exc:
            return await self._page(request, user, problem=exc, is_deep=is_deep)
        except ClientDisconnect:
            return Response(status_code=400)
        return await self._page(request, user, matches=found.matches, is_deep=is_deep)

    async def _page(
        self,
        request: Request,
        user: User,
        *,
        matches: Sequence[Match] | None = None,
        problem: errors.ImgenError | None = None,
        is_deep: bool = False,
    ) -> Response:
        core, told = self._shell.core, None if problem is None else problem_of(problem)
        shown = (matches or ())[:SHOWN]
        ids = [match.picture.job_id for match in shown]
        found = await core.database.reading(job_search.find_all_visible, ids, scope=user.scope) if ids else []
        jobs = {job.id: job for job in found}
        rows = [(match, job, thumbnail_url(core, job.outcome if job else None)) for match in shown
                for job in [jobs.get(match.picture.job_id)]]  # fmt: skip
        response = self._shell.page(
            request,
            "picture_search.html",
            status=told.status if told else 200,
            problem="" if problem is None else sentence(problem, is_deep=is_deep),
            rows=None if matches is None else rows,
            left_off=len(matches or ()) - len(shown),
            signs=SIGNS,
            is_deep=is_deep,
            max_mib=MAX_MIB,
        )
        response.headers.update(told.headers if told else {})
        return response
