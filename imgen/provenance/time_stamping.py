"""Time-stamp authority (RFC 3161): bounds how long a signature waits for it, and leaves one alone that does not answer.

The C2PA library asks the authority itself in the middle of a signature, and waits 30 s with no way to say otherwise.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import c2pa

from imgen.domain import errors
from imgen.domain.circuit_breaker import CircuitBreaker

LIMIT_S = 5.0

T = TypeVar("T")


class TimeStampAuthority:
    """Authority at one address. Threads may share it."""

    def __init__(self, url: str, *, limit_s: float = LIMIT_S, breaker: CircuitBreaker | None = None) -> None:
        """Takes an http or https URL, and the time for a signature in which the authority is asked once.

        Raises:
            errors.ConfigurationError: the address is no URL.
        """
        if not url.startswith(("http://", "https://")):
            raise errors.ConfigurationError("[credentials] tsa_url is no http or https URL")
        self.url = url
        self._limit_s = limit_s
        self._breaker = breaker or CircuitBreaker()

    def ask(self, sign: Callable[[], T]) -> T:
        """Runs a signature that asks the authority, in a thread of its own: one that hangs is left to the library's own limit.

        The breaker keeps those few. `sign` must share nothing with the next call.

        Raises:
            errors.UpstreamPaused: it failed several times in a row and is not asked for a while.
            errors.UpstreamUnavailable: it does not answer in time, refuses, or answers with no good time-stamp.
        """
        if not self._breaker.allows():
            raise errors.UpstreamPaused(
                "The time-stamp authority failed several times in a row and is left alone for a while"
            )
        done: Future[T] = Future()
        threading.Thread(target=_complete, args=(done, sign), name="time-stamp", daemon=True).start()
        try:
            signed = done.result(self._limit_s)
        except TimeoutError as exc:
            self._breaker.failed()
            raise errors.UpstreamUnavailable(
                f"The time-stamp authority did not answer within {self._limit_s:g} s"
            ) from exc
        except c2pa.C2paError as exc:
            self._breaker.failed()
            raise errors.UpstreamUnavailable("The time-stamp authority gave no time-stamp") from exc
        self._breaker.succeeded()
        return signed


def _complete(done: Future[T], sign: Callable[[], T]) -> None:
    try:
        done.set_result(sign())
    except BaseException as exc:  # noqa: BLE001 - it is raised where the result is awaited
        done.set_exception(exc)
