"""Table of the sections: each is a module with pages and their lines in the navigation."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from imgen.services.core import Core
from imgen.surfaces.static import static_files
from imgen.surfaces.web.account import Account
from imgen.surfaces.web.applications import Applications
from imgen.surfaces.web.audit import Audit
from imgen.surfaces.web.cache import Cache
from imgen.surfaces.web.catalog import Catalog
from imgen.surfaces.web.chosen import Chosen
from imgen.surfaces.web.consent import Consent
from imgen.surfaces.web.engines import Engines
from imgen.surfaces.web.job_list import JobList
from imgen.surfaces.web.jobs import Jobs
from imgen.surfaces.web.keys import Keys
from imgen.surfaces.web.leaving import Leaving
from imgen.surfaces.web.links import Links
from imgen.surfaces.web.navigation import NavEntry
from imgen.surfaces.web.overview import Overview
from imgen.surfaces.web.people import People
from imgen.surfaces.web.picture_search import PictureSearch
from imgen.surfaces.web.playground import Playground
from imgen.surfaces.web.playground_jobs import PlaygroundJobs
from imgen.surfaces.web.playground_upload import PlaygroundUpload
from imgen.surfaces.web.shell import Shell
from imgen.surfaces.web.sign_up import SignUp
from imgen.surfaces.web.studio import Studio
from imgen.surfaces.web.suggestions import Suggestions
from imgen.surfaces.web.tenant_members import TenantMembers
from imgen.surfaces.web.tenants import Tenants
from imgen.surfaces.web.usage import Usage
from imgen.surfaces.web.verify import Verify
from imgen.surfaces.web.webhooks import Webhooks


class Section(Protocol):
    """Section: pages about one subject."""

    nav: ClassVar[Sequence[NavEntry]]
    """Lines in the navigation."""

    def __init__(self, shell: Shell) -> None: ...

    def routes(self) -> Sequence[BaseRoute]:
        """Returns its pages."""


SECTIONS: tuple[type[Section], ...] = (
    Account,
    Applications,
    Consent,
    Leaving,
    Links,
    SignUp,
    Playground,
    PlaygroundJobs,
    PlaygroundUpload,
    Studio,
    Overview,
    JobList,
    Jobs,
    PictureSearch,
    Verify,
    Chosen,
    Tenants,
    TenantMembers,
    Keys,
    Webhooks,
    Suggestions,
    Usage,
    Catalog,
    Cache,
    Engines,
    People,
    Audit,
)
"""Table of the sections. A new page is a method and a template; a new section is a module and a line here."""
NAV = sorted((entry for section in SECTIONS for entry in section.nav), key=lambda entry: entry.is_for_admins)
"""Lines of the navigation in the sections' order, those for administrators last."""


def application(core: Core) -> Starlette:
    """Makes the application of all pages and their assets."""
    shell = Shell(core, NAV)
    return Starlette(
        routes=[
            Mount("/static", static_files()),
            *(route for section in SECTIONS for route in section(shell).routes()),
        ],
        middleware=shell.middleware(),
        exception_handlers=shell.exception_handlers(),
    )
