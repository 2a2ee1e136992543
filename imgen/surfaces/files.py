"""Files of the object store under its pre-signed URLs. Nothing is served without a signature.

Mounted only for a ServedStore, such as the disk: URLs of S3 lead to S3 itself.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from imgen.domain.errors import Forbidden, ObjectNotFound, Retryable
from imgen.objects import ServedStore
from imgen.objects.signed_urls import PREFIX
from imgen.services.core import Core
from imgen.surfaces.file_headers import SAFE_HEADERS
from imgen.surfaces.surface import Surface, status_of
from imgen.threads import FILES

CONTENT_TYPES = {
    ".avif": "image/avif",
    ".c2pa": "application/c2pa",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Media types by the key's suffix; any other is `application/octet-stream`, which no browser runs. The system's own table
differs between machines and has .html."""


def routes(core: Core) -> list[Route]:
    """Returns the route of the store's files; none if its URLs lead elsewhere."""
    return file_routes(core.objects) if isinstance(core.objects, ServedStore) else []


def file_routes(store: ServedStore) -> list[Route]:
    """Returns GET and HEAD `/files/<key>`: 200, 206 or 416; 403 without a valid signature, 404 if the file is deleted."""

    async def serve(request: Request) -> Response:
        try:
            signed = await FILES.run(store.open_signed, request.path_params["key"], request.query_params)
        except (Forbidden, ObjectNotFound, Retryable) as exc:
            return JSONResponse({"error": str(exc)}, status_of(type(exc)), SAFE_HEADERS)
        return FileResponse(
            signed.path,
            headers={**SAFE_HEADERS, "Cache-Control": f"private, max-age={signed.expires_in_s}"},
            media_type=content_type(signed.path),
            filename=signed.filename,
            stat_result=signed.stat,
            content_disposition_type="inline",
        )

    return [Route(PREFIX + "/{key:path}", serve, methods=["GET"])]


def content_type(path: Path) -> str:
    """Returns the media type of a file by its name."""
    return CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream")


SURFACE = Surface(prefixes=(PREFIX,), routes=routes)
