"""Audit: actions with actor, subject and remote IP."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imgen.domain.user import User
from imgen.records import audit
from imgen.surfaces.web import filters
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.shell import Shell

ROWS = 100
HIDDEN = ("matches", "name")
"""Fields of the detail that are not shown: callers' words that matched a rule, and the name, which has a column."""


class Audit:
    """Section of the audit."""

    nav: ClassVar[Sequence[NavEntry]] = (NavEntry("/panel/audit", "Audit", is_for_admins=True, group="System"),)

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""
        signed_in = self._shell.signed_in
        return [
            Route("/panel/audit", signed_in(self.audit, admin=True), methods=["GET"]),
        ]

    async def audit(self, request: Request, _user: User) -> Response:
        """Lists rows of the audit, newest first; a search looks at some thousand rows at a time."""
        given = request.query_params
        words, before = given.get("words", "").strip()[:200], given.get("before", "")
        database = self._shell.core.database
        if words:
            found = await database.reading(audit.search, words, limit=ROWS, before=before)
            shown, older, searched_to = found.entries, found.before, found.searched_to
        else:
            entries = await database.reading(audit.page, limit=ROWS + 1, before=before)
            shown, searched_to = entries[:ROWS], None
            older = shown[-1].id if len(entries) > ROWS else ""
        known = await database.reading(audit.names, {one.subject for one in shown})
        return self._shell.page(
            request,
            "audit.html",
            entries=[
                (one, one.detail.get("name") or known.get(one.subject, ""), detail_lines(one.detail)) for one in shown
            ],
            words=words,
            before=older,
            searched_to=searched_to,
        )


def detail_lines(detail: Mapping[str, object]) -> list[str]:
    """Returns the detail of a row as text: each change from old to new value, then the rest."""
    old, new = (value if isinstance(value := detail.get(side), dict) else {} for side in ("before", "after"))
    rest = {name: value for name, value in detail.items() if name not in HIDDEN and not isinstance(value, dict)}
    return [
        *(f"{_name(name)} {_value(name, old[name])} → {_value(name, new[name])}" for name in new if name in old),
        *(f"{_name(name)} {_value(name, value)}" for name, value in new.items() if name not in old),
        *(f"{_name(name)} was {_value(name, value)}" for name, value in old.items() if name not in new),
        *(f"{_name(name)}: {_value(name, value)}" for name, value in rest.items() if value not in (None, "", [])),
    ]


def _name(field: str) -> str:
    return field.replace("_", " ")


def _value(field: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and field.endswith(("_at", "_until")):
        return filters.moment(value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
