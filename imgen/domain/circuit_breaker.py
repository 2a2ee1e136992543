"""Circuit breaker: after some failures in a row it allows no calls for a while, then one. Knows no upstream."""

import threading
import time
from collections.abc import Callable

FAILURES = 3
PAUSE_S = 20.0


class CircuitBreaker:
    """Thread-safe breaker, one for each upstream and process."""

    def __init__(
        self, *, failures: int = FAILURES, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Opens the circuit after `failures` in a row, for `pause_s`; `clock` gives seconds."""
        self._max_failures = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Returns whether a call is allowed now. After a pause one is; others follow if it succeeds."""
        with self._lock:
            if self._failures < self._max_failures:
                return True
            if self._clock() < self._open_until:
                return False
            self._open_until = self._clock() + self._pause_s
            return True

    def succeeded(self) -> None:
        """Counts a success, which closes the circuit."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Counts a failure; the last of `failures` in a row opens the circuit."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._max_failures:
                self._open_until = self._clock() + self._pause_s
