"""Assets: style sheets, scripts and vendored files. Their URLs have a digest of the file, so they are cached for ever."""

import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).resolve().parents[1] / "web" / "static"


def static_files() -> StaticFiles:
    """Makes the application that serves the assets."""
    return _Static(directory=FOLDER)


@lru_cache
def asset_url(name: str) -> str:
    """Returns the URL path of a file, such as `/static/imgen.css?v=1f3a…`."""
    return f"/static/{name}?v={hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]}"


class _Static(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        is_named_by_digest = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_named_by_digest else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
