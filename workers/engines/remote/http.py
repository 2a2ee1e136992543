"""HTTP of remote engines: bounded answers, no redirects, and one table from an answer's status to our errors."""

import asyncio
import contextlib
import datetime as dt
import email.utils
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import httpx2
import msgspec

from imgen.domain.errors import (
    ImgenError,
    ModelError,
    RemoteEngineAway,
    RemoteEngineBusy,
    RemoteEngineFailed,
    RemoteKeyRefused,
)
from imgen.domain.remote_engine import RemoteEngine
from workers.engines.remote.hiding import without

MAX_PICTURE_BYTES = 48 * 2**20
"""Bytes of a file: 16 megapixels of incompressible RGB."""
MAX_ANSWER_BYTES = MAX_PICTURE_BYTES * 4 // 3 + 65_536
"""Bytes of an answer with such a file in base64."""
MAX_ERROR_BYTES = 2**20
"""Bytes that are read of an answer whose status is none of success."""
MAX_COUNTED_BYTES = 2**22
MAX_VALUES = 100_000
"""Commas and brackets in a JSON of more than MAX_COUNTED_BYTES: decoded, an empty value takes thirty times as many bytes."""
SMALL_BYTES, LARGE_AT_ONCE = 65_536, 4
"""Size up to which answers are read side by side; of larger ones some at a time, and the others stay on the wire meanwhile."""
MAX_WORDS = 300
"""Characters of an error answer that are told to the operator."""
MAX_PAUSE_S = 3600
"""Longest pause that an engine may ask for; it is asked again then, whatever it said."""
KEY_REFUSED = frozenset({401, 403})
BUSY = frozenset({429, 529})
"""Too many requests; 529 is what some providers send in place of 503 when they are overloaded."""
AWAY = frozenset({502, 503})
"""Statuses that say that nothing was drawn, and that another time may do."""
REFUSED = frozenset({400, 404, 405, 413, 415, 422})
_OK = range(200, 300)

T = TypeVar("T")


class HttpAnswer(NamedTuple):
    """Answer of an engine."""

    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether its status is one of success."""
        return self.status in _OK

    @property
    def media_type(self) -> str:
        """Media type in lower case, without parameters."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()


class EngineHttp:
    """Connections to one engine, for one event loop."""

    def __init__(self, remote: RemoteEngine, *, headers: Mapping[str, str], secrets: Sequence[str] = ()) -> None:
        """Takes the headers of every request, and texts that no error message may repeat: the key."""
        self._remote = remote
        self._secrets = tuple(filter(None, secrets))
        self._client = _client(remote, headers, max_idle=remote.calls)
        # A server may close an idle connection at the moment at which a call is sent on it: that would count as paid
        self._calls = _client(remote, headers, max_idle=0)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def send(
        self, method: str, path: str, *, is_call: bool = False, max_bytes: int = MAX_ANSWER_BYTES, **options: Any
    ) -> HttpAnswer:
        """Sends a request and reads the whole answer, whatever its status.

        Args:
            method: of HTTP.
            path: after the engine's base URL, without a slash at its beginning.
            is_call: whether the engine may be paid for the answer, so that a lost one is no reason to ask again at once.
            max_bytes: limit of the body; of one that tells an error MAX_ERROR_BYTES are read.
            options: of httpx2's request, such as `json` and `files`.

        Raises:
            RemoteEngineAway: there is no connection; or none any more, where the request was no call.
            RemoteEngineFailed: the answer is lost, too long or compressed.
        """
        try:
            client = self._calls if is_call else self._client
            async with (
                asyncio.timeout(self._remote.timeout_s),  # httpx2 counts from each byte to the next
                client.stream(method, path, **options) as response,
            ):
                return await self._whole(response, max_bytes)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as exc:
            raise RemoteEngineAway(f"{self._where} is down: no connection") from exc
        except TimeoutError as exc:
            error = RemoteEngineFailed if is_call else RemoteEngineAway
            raise error(f"{self._where} gave no whole answer within {self._remote.timeout_s:g} s") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as exc:
            error = RemoteEngineFailed if is_call else RemoteEngineAway
            raise error(f"{self._where} gave no whole answer: {type(exc).__name__}") from exc

    async def _whole(self, response: httpx2.Response, max_bytes: int) -> HttpAnswer:
        """Reads an answer as it comes over the wire.

        A compressed one is refused, since nobody asked for it: a few bytes of it could keep all calls waiting for seconds.
        """
        answer = HttpAnswer(response.status_code, response.headers, b"")
        if answer.is_ok and response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise RemoteEngineFailed(f"{self._where} answered with compressed data, which nobody asked for")
        body, is_large = bytearray(), False
        async with contextlib.AsyncExitStack() as turn:
            async for chunk in response.aiter_raw():
                body += chunk
                if not is_large and len(body) > SMALL_BYTES:
                    is_large = True
                    await turn.enter_async_context(self._large)
                if not answer.is_ok and len(body) >= MAX_ERROR_BYTES:
                    break
                if len(body) > max_bytes:
                    raise RemoteEngineFailed(f"{self._where} answered with more than {max_bytes} bytes")
        return answer._replace(body=bytes(body))

    def error(self, answer: HttpAnswer, hidden: Sequence[str] = ()) -> ImgenError:
        """Returns our error of an answer that is none of success, with the server's words.

        Args:
            answer: the whole answer.
            hidden: further texts that the message may not repeat: the prompts.
        """
        status, words = answer.status, self.words(answer, hidden)
        pause_s = retry_after_s(answer.headers)
        if status in KEY_REFUSED:
            named = self._remote.api_key_env or "it has no api_key_env"
            return RemoteKeyRefused(f"{self._where} refuses the key ({named})", retry_after_s=pause_s)
        if status in BUSY:
            return RemoteEngineBusy(f"{self._where} is busy: {status} {words}", retry_after_s=pause_s)
        if status in AWAY:
            return RemoteEngineAway(f"{self._where} is away: {status} {words}", retry_after_s=pause_s)
        if status in REFUSED:
            return ModelError(f"{self._where} refuses the request: {status} {words}")
        return RemoteEngineFailed(f"{self._where} failed: {status} {words}")

    def parsed(self, answer: HttpAnswer, form: type[T]) -> T:
        """Decodes an answer's JSON.

        Raises:
            RemoteEngineFailed: it has another form, or more values than any engine has to tell.
        """
        body = answer.body
        if len(body) > MAX_COUNTED_BYTES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
            raise RemoteEngineFailed(f"{self._where} answered with more than {MAX_VALUES} values")
        try:
            return msgspec.json.decode(body, type=form)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
            raise RemoteEngineFailed(f"{self._where} answered in another form") from exc

    def words(self, answer: HttpAnswer, hidden: Sequence[str] = ()) -> str:
        """Returns the texts in an error answer, without secrets and prompts."""
        try:
            text = " ".join(_texts(msgspec.json.decode(answer.body)))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return ""  # a page of HTML tells an operator nothing
        return self.shown(text, hidden)

    def shown(self, text: str, hidden: Sequence[str] = ()) -> str:
        """Returns the beginning of a server's text, without secrets and prompts."""
        return without(text, (*self._secrets, *hidden))[:MAX_WORDS]

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
        await self._calls.aclose()

    @property
    def _where(self) -> str:
        return f"Engine {self._remote.key}"


def _client(remote: RemoteEngine, headers: Mapping[str, str], *, max_idle: int) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=f"{remote.url}/",
        headers={"Accept-Encoding": "identity", **headers},
        timeout=httpx2.Timeout(remote.timeout_s, connect=remote.connect_timeout_s, pool=None),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=max_idle),
        follow_redirects=False,
        trust_env=False,
    )


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """Returns the pause of a Retry-After, in seconds or as a date (RFC 9110, 10.2.3), at most an hour; None: there is none."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(int(value[:9]), MAX_PAUSE_S)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt.UTC)
    return min(max(0, math.ceil((until - dt.datetime.now(dt.UTC)).total_seconds())), MAX_PAUSE_S)


def _texts(value: object) -> Iterator[str]:
    """Yields the texts in a decoded error answer; which field holds the reason differs from server to server."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
