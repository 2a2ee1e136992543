"""Engines elsewhere: their state, this month's spending against their caps, and a table of what was spent, also as CSV."""

import datetime as dt
from collections.abc import Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.errors import ConfigurationError, InvalidField
from imgen.domain.user import User
from imgen.records import engine_spending
from imgen.services.engine_standings import EngineStanding, standings
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell

SHOWN = 200
"""Rows on the page, the latest; the file has all."""
Days = tuple[dt.date, dt.date]


class Engines:
    """Section of engines elsewhere."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/engines", "Engines", is_for_admins=True, group="System"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/engines", signed_in(self.page, admin=True), methods=["GET"]),
            Route("/panel/engines.csv", signed_in(self.file, admin=True), methods=["GET"]),
        ]

    async def page(self, request: Request, _user: User) -> Response:
        """Shows the engines, and the spending from one day to another."""
        first, last = self._days(request)
        reading, days = self._shell.core.database.reading, {"first": str(first), "last": str(last)}
        found, problem = list[EngineStanding](), ""
        try:
            found = await standings(self._shell.core)
        except ConfigurationError as exc:
            problem = str(exc)
        rows = await reading(engine_spending.by_day, **days, limit=SHOWN + 1)
        sums = await reading(engine_spending.by_engine, **days)
        return self._shell.page(
            request,
            "engines.html",
            standings=found,
            problem=problem,
            rows=rows[:SHOWN],
            has_more=len(rows) > SHOWN,
            sums=sums,
            calls=sum(calls for calls, _ in sums.values()),
            amount=sum(amount for _, amount in sums.values()),
            since=first,
            until=last,
        )

    async def file(self, request: Request, _user: User) -> Response:
        """Returns the spending from one day to another as CSV."""
        first, last = self._days(request)
        rows = await self._shell.core.database.reading(engine_spending.by_day, first=str(first), last=str(last))
        name = f"engines-{first}-{last}.csv"
        headers = self._shell.headers() | {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(engine_spending.as_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)

    def _days(self, request: Request) -> Days:
        """Returns the first and the last day that are asked for; this month's up to today unless they are named.

        Raises:
            InvalidField: one is no day, or the last is before the first.
        """
        today = dt.datetime.fromtimestamp(self._shell.core.clock(), dt.UTC).date()
        last = _day(request, "until") or today
        first = _day(request, "since") or min(today, last).replace(day=1)
        if first > last:
            raise InvalidField("since", "The first day is after the last one.")
        return first, last


def _day(request: Request, name: str) -> dt.date | None:
    """Returns a day of the query; None: it is not named."""
    text = request.query_params.get(name, "").strip()
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC).date() if text else None
    except ValueError as exc:
        raise InvalidField(name, "A day is year-month-day, such as 2026-11-21.") from exc
