"""The table of rooms: each is a module with pages of its own, and what the bar at the top shows of them."""

from collections.abc import Sequence
from typing import Protocol

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from imgen.services.core import Core
from imgen.surfaces.static import static_files
from imgen.surfaces.web.account import Account
from imgen.surfaces.web.audit import Audit
from imgen.surfaces.web.cache import Cache
from imgen.surfaces.web.catalog import Catalog
from imgen.surfaces.web.desk import Desk
from imgen.surfaces.web.jobs import Jobs
from imgen.surfaces.web.keys import Keys
from imgen.surfaces.web.overview import Overview
from imgen.surfaces.web.people import People
from imgen.surfaces.web.playground import Playground
from imgen.surfaces.web.usage import Usage


class Room(Protocol):
    """Some pages."""

    def __init__(self, desk: Desk) -> None: ...

    def routes(self) -> Sequence[BaseRoute]:
        """Its pages."""


ROOMS: tuple[type[Room], ...] = (Account, Playground, Overview, Jobs, Keys, Usage, Catalog, Cache, People, Audit)
"""A new page is a method and a template; a new room is a module and its name here."""


def application(core: Core) -> Starlette:
    """All pages, and the files they are made of."""
    desk = Desk(core)
    return Starlette(
        routes=[Mount("/static", static_files()), *(route for room in ROOMS for route in room(desk).routes())],
        middleware=desk.middleware(),
        exception_handlers=desk.exception_handlers(),
    )
