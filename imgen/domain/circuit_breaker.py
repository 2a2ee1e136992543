"""Circuit breaker: after some failures in a row an upstream is not asked for a while, then tried once. Knows no upstream."""

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
        """Opens after `failures` in a row, for `pause_s`; `clock` gives seconds."""
        self._most = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Returns whether to ask now. After a pause one caller may; the others wait for its result."""
        with self._lock:
            if self._failures < self._most:
                return True
            if self._clock() < self._closed_until:
                return False
            self._closed_until = self._clock() + self._pause_s
            return True

    def succeeded(self) -> None:
        """Counts a success, which closes the circuit."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """Counts a failure; the last of a row opens the circuit."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._most:
                self._closed_until = self._clock() + self._pause_s
