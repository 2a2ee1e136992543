"""Who did what, to whom, from where."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.people import Person
from imgen.records import audit
from imgen.surfaces.web.desk import Desk

ROWS = 100


class Audit:
    """A room."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[BaseRoute]:
        """Its pages."""
        person = self._desk.signed_in
        return [
            Route("/panel/audit", person(self.audit, admin=True), methods=["GET"]),
        ]

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
