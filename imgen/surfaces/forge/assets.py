"""`/v2/assets/<sha256>`: files of finished pictures by their digest, with Range and ETag."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from imgen.asgi.endpoint import Answer
from imgen.domain.errors import ImgenError
from imgen.domain.oauth.grants import FORGE
from imgen.domain.principal import READ
from imgen.objects import ObjectStore, ServedStore
from imgen.records.assets import Asset
from imgen.services.assets import find_asset
from imgen.services.core import Core
from imgen.surfaces.call import Call
from imgen.surfaces.file_headers import SAFE_HEADERS
from imgen.surfaces.forge import failures
from imgen.surfaces.session_cookie import SessionCookies
from imgen.surfaces.surface import Problem
from imgen.threads import FILES, OBJECTS

PATH = "/v2/assets/{sha256}"
MAX_AGE_S = 3600
CONTENT_TYPES = ("image/png", "image/jpeg", "image/webp", "image/avif")


def routes(core: Core, cookies: SessionCookies, *, surface: str) -> list[Route]:
    """Returns the route: GET and HEAD."""
    return [Route(PATH, AssetsEndpoint(core, cookies, surface), methods=["GET"], name="forge_asset")]


class AssetsEndpoint:
    """ASGI application of the route."""

    def __init__(self, core: Core, cookies: SessionCookies, surface: str) -> None:
        self._core = core
        self._surface = surface
        self._cookies = cookies
        self._is_public = core.settings.forge.assets == "public"
        self._lasts = f"public, max-age={MAX_AGE_S}" if self._is_public else "private, no-store"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with the file, a part of it, or 304 where the caller has it."""
        call = Call(
            self._core, self._cookies, scope, receive, surface=self._surface, serves_anonymous=True, resource=FORGE
        )
        try:
            principal = None if self._is_public else await call.principal(needs=READ)
            asset = await find_asset(self._core, call.path("sha256"), principal)
            headers = {**SAFE_HEADERS, "Cache-Control": self._lasts, "ETag": f'"{asset.sha256}"'}
            if _is_known(Headers(scope=scope), headers["ETag"]):
                await Response(status_code=304, headers=headers)(scope, receive, send)
                return
            async with _file(self._core.objects, asset) as (path, stat):
                response = _AssetFile(path, headers=headers, media_type=asset.media_type, stat_result=stat)
                await response(scope, receive, send)
        except ImgenError as exc:
            await _refusal(failures.failure(exc, is_anonymous=call.is_anonymous))(scope, receive, send)


def _refusal(answer: Answer) -> Response:
    status, body, more = answer
    return Response(body, status, {**SAFE_HEADERS, **more}, media_type="application/json")


class _AssetFile(FileResponse):
    """File, or a part of it; a `Range` that is none is ignored (RFC 9110, 14.2). Starlette's 400 and 416 are plain text."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with the file, a part of it, or 416 where it has none of the asked-for parts."""
        try:
            await super().__call__(scope, receive, send)
        except _NoSuchPart as exc:
            problem = Problem(416, "The file has no such part", {"Content-Range": f"bytes */{exc.size_bytes}"})
            await _refusal(failures.refusal(problem))(scope, receive, send)

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable as exc:
            raise _NoSuchPart(file_size) from exc


class _NoSuchPart(Exception):
    """Range that lies beyond the end of a file of that size."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


@contextlib.asynccontextmanager
async def _file(store: ObjectStore, asset: Asset) -> AsyncIterator[tuple[Path, os.stat_result]]:
    """Opens the file of an asset, with its state; one of a store elsewhere is copied for a while, so that parts can be read.

    Raises:
        ObjectNotFound: it is not stored.
        Retryable: the store does not answer.
    """
    if isinstance(store, ServedStore):
        yield await FILES.run(store.file_of, asset.key)
        return
    with tempfile.NamedTemporaryFile(prefix="imgen-asset-") as copy:
        path = Path(copy.name)
        yield path, await OBJECTS.run(_copy, store, asset, path)


def _copy(store: ObjectStore, asset: Asset, path: Path) -> os.stat_result:
    """Copies the file; all copies are of the same time, so that `Last-Modified` does not change."""
    path.write_bytes(store.get(asset.key))
    os.utime(path, (asset.created_at, asset.created_at))
    return path.stat()


def _is_known(headers: Headers, etag: str) -> bool:
    """Returns whether a caller says that it has the file."""
    sent = headers.get("if-none-match", "")
    return sent.strip() == "*" or etag in {one.strip().removeprefix("W/") for one in sent.split(",")}
