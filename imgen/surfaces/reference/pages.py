"""Pages of the reference. Each document is made once, at its first request, and kept.

The prose takes a quarter of a second and is made with the application, in a thread; the rest takes milliseconds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from imgen.asgi.endpoint import json_response
from imgen.asgi.lazy import pass_on
from imgen.configuration import Configuration
from imgen.services.core import Core
from imgen.surfaces.pages import environment, page_headers
from imgen.surfaces.reference import llms, openapi, prose
from imgen.surfaces.surface import Surface

STRICT = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


def application(core: Core, surfaces: Sequence[Surface], docs: Path = prose.DOCS) -> Starlette:
    """Makes the application of all pages from the descriptions of `surfaces`."""
    reference = _Reference(core, surfaces, docs)
    return Starlette(
        routes=[
            Route("/openapi.json", reference.openapi),
            Route("/reference", reference.interactive),
            Route("/docs", reference.contents),
            Route(f"/docs/{prose.PICTURES}/{{file}}", reference.picture),
            Route("/docs/{page}.md", reference.source),
            Route("/docs/{page}", reference.page),
            Route("/llms.txt", reference.short),
            Route("/llms-full.txt", reference.full),
        ],
        exception_handlers={404: reference.missing, 405: _not_allowed, Exception: pass_on},
    )


class _Made(NamedTuple):
    of: Configuration
    openapi_json: bytes
    short: str
    full: str


class _Reference:
    def __init__(self, core: Core, surfaces: Sequence[Surface], docs: Path) -> None:
        self._core = core
        self._surfaces = surfaces
        self._pages = prose.pages(docs)
        self._pictures = prose.pictures(docs)
        self._templates = environment()
        self._kept: _Made | None = None

    def _made(self) -> _Made:
        """Returns the documents; they are kept until the configuration is reloaded."""
        if self._kept is None or self._kept.of is not self._core.configured:
            described = [surface.describe(self._core) for surface in self._surfaces if surface.describe]
            document = openapi.document(self._core, described)
            self._kept = _Made(
                of=self._core.configured,
                openapi_json=msgspec.json.format(msgspec.json.encode(document), indent=1),
                short=llms.short(document, described, self._pages),
                full=llms.full(document, described, self._pages),
            )
        return self._kept

    async def openapi(self, _request: Request) -> Response:
        """Serves the OpenAPI document, to pages of any origin: all of it is public."""
        headers = page_headers(STRICT) | {"Access-Control-Allow-Origin": "*"}
        return Response(self._made().openapi_json, headers=headers, media_type="application/json")

    async def short(self, _request: Request) -> Response:
        """Serves llms.txt."""
        return PlainTextResponse(self._made().short, headers=page_headers(STRICT))

    async def full(self, _request: Request) -> Response:
        """Serves llms-full.txt."""
        return PlainTextResponse(self._made().full, headers=page_headers(STRICT))

    async def interactive(self, request: Request) -> Response:
        """Shows Scalar's reference. Scalar adds style elements, so inline styles are allowed; inline scripts are not.

        The page sends its requests to this server alone.
        """
        api = urlsplit(self._core.settings.public_url)
        policy = STRICT.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
        return self._html(
            request, "interactive", policy=f"{policy}; connect-src 'self' {api.scheme}://{api.netloc}; font-src 'self'"
        )

    async def contents(self, request: Request) -> Response:
        """Lists all pages of the documentation."""
        return self._html(request, "contents", status=200 if self._pages else 404, pages=self._pages)

    async def page(self, request: Request) -> Response:
        """Shows one page of the documentation."""
        page = self._pages.get(request.path_params["page"])
        if page is None:
            return await self.missing(request, None)
        return self._html(request, "page", pages=self._pages, page=page)

    async def source(self, request: Request) -> Response:
        """Serves one page of the documentation as Markdown."""
        page = self._pages.get(request.path_params["page"])
        if page is None:
            return await self.missing(request, None)
        return Response(page.text, headers=page_headers(STRICT), media_type="text/markdown")

    async def picture(self, request: Request) -> Response:
        """Serves a picture of the documentation."""
        file = self._pictures.get(request.path_params["file"])
        if file is None:
            return await self.missing(request, None)
        return FileResponse(file, headers=page_headers(STRICT))

    async def missing(self, request: Request, _exc: Exception | None) -> Response:
        """Answers 404 as HTML or JSON, by the Accept header."""
        if "text/html" not in request.headers.get("accept", ""):
            return json_response({"error": "Not found"}, 404)
        return self._html(request, "missing", status=404, pages=self._pages)

    def _html(
        self, request: Request, template: str, *, status: int = 200, policy: str = STRICT, **values: Any
    ) -> Response:
        text = self._templates.get_template(f"reference/{template}.html").render(path=request.url.path, **values)
        return HTMLResponse(text, status, headers=page_headers(policy))


async def _not_allowed(_request: Request, _exc: Exception) -> Response:
    return json_response({"error": "Method not allowed"}, 405, {"Allow": "GET, HEAD"})
