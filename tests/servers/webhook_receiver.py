"""Receiver of webhooks that fails in every way before it takes a message, and verifies and remembers what it gets."""

import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servers.faulty_http import Behaviour, Exchange, FaultyServer, answer, hang, reset, start_faulty_http
from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """Messages by their id; `faults` has what no receiver may see."""

    def __init__(self, canary_url: str) -> None:
        self.taken: dict[str, dict] = {}
        """Id → body of a message that was taken."""
        self.tries: dict[str, int] = defaultdict(int)
        self.paths: dict[str, str] = {}
        self.faults: list[str] = []
        self.secret = ""
        self.own_secret = ""
        self._lock = threading.Lock()
        self._plans = itertools.cycle(_plans(canary_url))
        self._plan_of: dict[str, Iterator[Behaviour]] = {}

    def __call__(self, exchange: Exchange) -> None:
        """Behaves to one request as the message's plan says; after its end it takes the message."""
        request = exchange.request_read
        message_id = request.headers["webhook-id"]
        with self._lock:
            self._check(message_id, request)
            plan = self._plan_of.setdefault(message_id, iter(next(self._plans)))
            behaviour = GONE if request.path == "/gone" else next(plan, TAKEN)
            self.tries[message_id] += 1
            if behaviour in TAKING:
                self.taken[message_id] = json.loads(request.body)
        behaviour(exchange)

    def _check(self, message_id: str, request) -> None:
        secret = self.own_secret if request.path == "/own" else self.secret
        if request.path != "/gone":
            try:
                Webhook(secret).verify(request.body, dict(request.headers))
            except WebhookVerificationError as exc:
                self.faults.append(f"{message_id}: {exc}")
        if self.paths.setdefault(message_id, request.path) != request.path:
            self.faults.append(f"{message_id}: at two addresses")
        earlier, told = self.taken.get(message_id), json.loads(request.body)
        if earlier is not None and (earlier["type"], earlier["timestamp"]) != (told["type"], told["timestamp"]):
            self.faults.append(f"{message_id}: another event under the same id")


def taken_but_not_told(exchange: Exchange) -> None:
    """Takes the message, and breaks the connection before the answer."""
    reset(exchange)


TAKEN = answer(204)
GONE = answer(410)
TAKING = (TAKEN, taken_but_not_told)


def _plans(canary_url: str) -> list[list[Behaviour]]:
    """Behaviours before a message is taken, one list a message, in turn; few ask for a pause, which is for all messages."""
    redirect = answer(307, headers={"Location": canary_url})
    usual: list[list[Behaviour]] = [
        [answer(500)],
        [hang],
        [redirect],
        [reset, answer(503, headers={"Retry-After": "1"})],
        [taken_but_not_told],
        [],
    ]
    return [[answer(429, headers={"Retry-After": "1"})], *(usual * 8)]


@contextmanager
def start_receiver(canary_url: str) -> Iterator[tuple[Receiver, FaultyServer]]:
    """Serves for the length of the block."""
    receiver = Receiver(canary_url)
    behave: Callable[[Exchange], None] = receiver
    with start_faulty_http(behave) as server:
        yield receiver, server
