"""Reader of a server's events for the command line: one stream, or one after the other as connections break."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2

from imgen.cli.client import FINAL, ServerError

PATH = "/api/v2/events"
PAUSE_S = 2.0
SILENCE_S = 45.0
"""Longest silence of a living server, which sends a comment every 15 s."""
_GOES_ON = frozenset({408, 429})


class EventReader:
    """Stream of the events of some jobs, or of all of the key's tenant."""

    def __init__(self, url: str, key: str, job_ids: Sequence[str], *, after: str = "") -> None:
        """Takes the place to go on from; empty: it begins with the present."""
        self._url = url.rstrip("/")
        self._job_ids = job_ids
        self._after = after
        self.is_over = False
        """Whether the server has told the ends of all named jobs."""
        timeout = httpx2.Timeout(30, read=SILENCE_S)
        self._http = httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=timeout)

    def once(self) -> Iterator[dict[str, Any]]:
        """Yields the data of each event until the stream ends.

        Raises:
            ServerError: the server refuses; the message is its own.
            httpx2.HTTPError: it does not answer, or the connection broke.
        """
        headers = {"Last-Event-ID": self._after} if self._after else {}
        asked = httpx2.QueryParams([("id", job_id) for job_id in self._job_ids])
        with self._http.stream("GET", self._url + PATH, params=asked, headers=headers) as response:
            status = response.status_code
            if status in _GOES_ON or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
                raise httpx2.RemoteProtocolError(f"HTTP {status}")
            if status == httpx2.codes.NO_CONTENT:
                self.is_over = True
                return
            if status != httpx2.codes.OK:
                raise ServerError(f"{_reason(response.read())} (HTTP {status})")
            for line in response.iter_lines():
                name, _, value = line.partition(":")
                if name == "id":
                    self._after = value.strip()
                elif name == "data":
                    yield json.loads(value)

    def for_ever(self) -> Iterator[dict[str, Any]]:
        """Yields the data of each event across broken connections, until all named jobs have ended.

        Raises:
            ServerError: the server refuses.
        """
        left = set(self._job_ids)
        while not self.is_over:
            try:
                for event in self.once():
                    if event.get("status") in FINAL:
                        left.discard(event["id"])
                    yield event
            except httpx2.HTTPError:
                pass
            self.is_over |= bool(self._job_ids) and not left
            if not self.is_over:
                time.sleep(PAUSE_S)

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "The server refuses"
