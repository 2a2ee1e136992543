"""A reader of server-sent events over HTTP, one at a time, as a client without a library would be."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx2

FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")


@dataclass
class EventReader:
    """An open stream: what came so far, and the place to go on from."""

    response: httpx2.Response
    lines: Iterator[str] = field(init=False)
    seen: list[dict] = field(default_factory=list)
    """Data of the events."""
    numbered: list[dict] = field(default_factory=list)
    """Data of the events with an id of their own: the transitions."""
    last_id: str = ""
    comments: int = 0

    def __post_init__(self) -> None:
        self.lines = self.response.iter_lines()

    def next(self) -> dict | None:
        """The data of the next event; None: the stream has ended."""
        data, has_id = "", False
        for line in self.lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id, has_id = value, True
            elif name == "data":
                data = value
            elif line.startswith(":"):
                self.comments += 1
            elif not line and data:
                self.seen.append(json.loads(data))
                if has_id:
                    self.numbered.append(self.seen[-1])
                return self.seen[-1]
            elif not line:
                has_id = False
        return None

    def until(self, condition: Callable[[dict], bool]) -> dict:
        """The first event from now on that fulfils the condition."""
        while (event := self.next()) is not None:
            if condition(event):
                return event
        raise AssertionError(f"the stream ended after {self.seen}")

    def rest(self) -> list[dict]:
        """All further events, to the end of the stream."""
        before = len(self.seen)
        while self.next() is not None:
            pass
        return self.seen[before:]


@contextlib.contextmanager
def read_events(
    url: str, key: str = "", *ids: str, after: str = "", headers: dict | None = None, timeout_s: float = 60
) -> Iterator[EventReader]:
    """Opens a stream of `GET /api/v2/events`, which must be 200."""
    sent = ({"Authorization": f"Bearer {key}"} if key else {}) | ({"Last-Event-ID": after} if after else {})
    params = [("id", one) for one in ids]
    with (
        httpx2.Client(timeout=timeout_s, verify=False) as client,
        client.stream("GET", f"{url}/api/v2/events", params=params, headers=sent | (headers or {})) as response,
    ):
        if response.status_code != 200:
            raise AssertionError(f"{response.status_code}: {response.read().decode()}")
        yield EventReader(response)
