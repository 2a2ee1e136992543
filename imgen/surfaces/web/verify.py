"""Page that tells whose a picture is: the verdict with its evidence, and the original for those who may see it."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import ClassVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.asgi.answer_headers import answer_context
from imgen.domain import errors
from imgen.domain.job import Job
from imgen.domain.user import User
from imgen.provenance.watermark_words import how_found, rarity
from imgen.records import job_search
from imgen.services.accounts import authentication
from imgen.services.links import urls_by_kind
from imgen.services.recognition import strangers
from imgen.services.recognition.recognize import Recognized, recognize
from imgen.services.recognition.resolution import PublicTurns
from imgen.surfaces.surface import problem_of
from imgen.surfaces.web.entering import remote_ip
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.sent_picture import MAX_MIB, sent_picture, sentence
from imgen.surfaces.web.shell import Shell
from imgen.surfaces.web.verdict_words import CREDENTIALS, words_of

PATH = "/verify"


class Verify:
    """Section of the page for signed-in people, and for everybody where the operator opened it."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry(PATH, "Verify"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._is_public = strangers.is_public(shell.core)
        self._turns = PublicTurns()

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its page."""
        may = self._shell.open_to_all if self._is_public else self._shell.signed_in
        return [
            Route(PATH, may(self.form), methods=["GET"]),
            Route(PATH, may(self.verify), methods=["POST"]),
        ]

    async def form(self, request: Request, user: User | None) -> Response:
        """Shows the form."""
        return self._page(request, user)

    async def verify(self, request: Request, user: User | None) -> Response:
        """Reads the picture of the form, and shows the findings."""
        core, known, ip = self._shell.core, _known(user), remote_ip(request)
        is_deep = False
        try:
            if known is None:
                await strangers.count(core, ip)
            else:
                await authentication.count_person(core, known, note=answer_context(request.scope).note_rate)
            sent = await sent_picture(request)
            with sent.form, self._turns.one(ip) if known is None else nullcontext():
                is_deep = sent.is_deep and known is not None
                scope = None if self._is_public or known is None else known.scope
                found = await recognize(core, sent.read, scope=scope, is_deep=is_deep)
        except errors.ImgenError as exc:
            return self._page(request, user, problem=exc, is_deep=is_deep)
        except ClientDisconnect:
            return Response(status_code=400)
        return self._page(request, user, found=found, job=await self._job(found, known), is_deep=is_deep)

    async def _job(self, found: Recognized, user: User | None) -> Job | None:
        """Returns the job of the picture that was found; None: it is gone, or of a tenant that the viewer does not belong to."""
        if found.picture is None or user is None:
            return None
        read = self._shell.core.database.reading
        return await read(job_search.find_visible, found.picture.job_id, scope=user.scope)

    def _page(
        self,
        request: Request,
        user: User | None,
        *,
        found: Recognized | None = None,
        job: Job | None = None,
        problem: errors.ImgenError | None = None,
        is_deep: bool = False,
    ) -> Response:
        told = None if problem is None else problem_of(problem)
        known = _known(user)
        response = self._shell.page(
            request,
            "verify.html",
            status=told.status if told else 200,
            problem="" if problem is None else sentence(problem, is_deep=is_deep),
            found=found,
            words=None if found is None else words_of(found),
            credentials=CREDENTIALS,
            is_own=known is not None
            and found is not None
            and found.picture is not None
            and (known.scope is None or found.picture.tenant_id in known.scope),
            job=job,
            files=urls_by_kind(self._shell.core, job.outcome) if job else {},
            is_stranger=known is None,
            is_everybodys=self._is_public or (known is not None and known.is_admin),
            is_deep=is_deep,
            how_found=how_found,
            rarity=rarity,
            max_mib=MAX_MIB,
        )
        response.headers.update(told.headers if told else {})
        return response


def _known(user: User | None) -> User | None:
    """Returns the user who may see pictures of tenants; one with a first password, which others know, is as a stranger."""
    return None if user is None or user.must_change_password else user
