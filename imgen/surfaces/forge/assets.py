"""`/v2/assets/<sha256>`: files of finished pictures by their digest, with Range and ETag."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from imgen.domain.errors import ImgenError
from imgen.domain.principal import READ
from imgen.objects import ObjectStore, ServedStore
from imgen.records.assets import Asset
from imgen.services.assets import find_asset
from imgen.services.core import Core
from imgen.surfaces.file_headers import SAFE_HEADERS
from imgen.surfaces.forge import failures
from imgen.surfaces.forge.call import Call
from imgen.surfaces.session_cookie import SessionCookies
from imgen.threads import FILES, OBJECTS

PATH = "/v2/assets/{sha256}"
MAX_AGE_S = 3600
CONTENT_TYPES = ("image/png", "image/jpeg", "image/webp", "image/avif")


def routes(core: Core, cookies: SessionCookies) -> list[Route]:
    """Returns the route: GET and HEAD."""
    return [Route(PATH, AssetsEndpoint(core, cookies), methods=["GET"], name="forge_asset")]


class AssetsEndpoint:
    """ASGI application of the route."""

    def __init__(self, core: Core, cookies: SessionCookies) -> None:
        self._core = core
        self._cookies = cookies
        self._is_public = core.settings.forge.assets == "public"
        self._lasts = f"public, max-age={MAX_AGE_S}" if self._is_public else "private, no-store"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with the file, a part of it, or 304 where the caller has it."""
        call = Call(self._core, self._cookies, scope, receive)
        try:
            principal = None if self._is_public else await call.principal(needs=READ)
            asset = await find_asset(self._core, call.path("sha256"), principal)
            headers = {**SAFE_HEADERS, "Cache-Control": self._lasts, "ETag": f'"{asset.sha256}"'}
            if _is_known(Headers(scope=scope), headers["ETag"]):
                await Response(status_code=304, headers=headers)(scope, receive, send)
                return
            async with _file(self._core.objects, asset) as path:
                stat = path.stat()
                response = FileResponse(path, headers=headers, media_type=asset.media_type, stat_result=stat)
                await response(scope, receive, send)
        except ImgenError as exc:
            status, body, more = failures.failure(exc, is_anonymous=call.is_anonymous)
            refusal = Response(body, status, {**SAFE_HEADERS, **more}, media_type="application/json")
            await refusal(scope, receive, send)


@contextlib.asynccontextmanager
async def _file(store: ObjectStore, asset: Asset) -> AsyncIterator[Path]:
    """Opens the file of an asset; one of a store elsewhere is copied for a while, so that parts of it can be read.

    Raises:
        ObjectNotFound: it is not stored.
        Retryable: the store does not answer.
    """
    if isinstance(store, ServedStore):
        path, _ = await FILES.run(store.file_of, asset.key)
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="imgen-asset-") as copy:
        await OBJECTS.run(_copy, store, asset.key, Path(copy.name))
        yield Path(copy.name)


def _copy(store: ObjectStore, key: str, path: Path) -> None:
    path.write_bytes(store.get(key))


def _is_known(headers: Headers, etag: str) -> bool:
    """Returns whether a caller says that it has the file."""
    sent = headers.get("if-none-match", "")
    return sent.strip() == "*" or etag in {one.strip().removeprefix("W/") for one in sent.split(",")}
