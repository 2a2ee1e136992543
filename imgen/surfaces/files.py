"""Files of the disk store at the signed URLs that it gives out. Nothing is served without a signature.

Not mounted where objects lie in S3: those URLs lead to S3 itself.
"""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from imgen.domain.errors import Forbidden, ObjectNotFound, Retryable
from imgen.objects.disk import DiskStore
from imgen.services.core import Core
from imgen.surfaces.surface import Surface, status_of

CONTENT_TYPES = {
    ".avif": "image/avif",
    ".c2pa": "application/c2pa",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""By the key's suffix; any other is `application/octet-stream`, which no browser runs. The machine's own table differs
from one to the next, and knows .html."""

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def routes(core: Core) -> list[Route]:
    """Returns the route of the disk store; none where objects lie elsewhere."""
    return file_routes(core.objects) if isinstance(core.objects, DiskStore) else []


def file_routes(store: DiskStore) -> list[Route]:
    """Returns GET and HEAD `/files/<key>`: 200, 206 or 416; 403 without a good signature, 404 once the file is gone."""

    async def serve(request: Request) -> Response:
        try:
            signed = await run_in_threadpool(store.open_signed, request.path_params["key"], request.query_params)
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

    return [Route("/files/{key:path}", serve, methods=["GET"])]


def content_type(path: Path) -> str:
    """Returns the media type that a file of this name is served as."""
    return CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream")


SURFACE = Surface(prefixes=("/files",), routes=routes)
