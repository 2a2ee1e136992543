"""Limits of reading on after an answer that came before the end of its request.

Closing at once would reset the connection, and many clients write their whole request before they read: they would see the
reset instead of the answer. What is read is dropped. nginx calls it a lingering close.
"""

SILENCE_S = 5.0
TOTAL_S = 30.0
"""Limits of a pause and of the whole; both are nginx's."""
MAX_BYTES = 16 * 1024 * 1024
"""Limit of a request without a declared length, which may never end."""
MAX_DECLARED_BYTES = 256 * 1024 * 1024
"""Limit of the rest of a request with a declared length; a longer rest counts as undeclared."""


class Linger:
    """Rest of one request after its answer."""

    def __init__(self, now: float, declared_bytes: int | None) -> None:
        """Takes the length of the rest, if the request declared it."""
        is_bounded = declared_bytes is not None and declared_bytes <= MAX_DECLARED_BYTES
        self._bytes_left = declared_bytes if is_bounded and declared_bytes is not None else MAX_BYTES
        self._ends_at = now + TOTAL_S

    def count(self, size_bytes: int) -> bool:
        """Counts dropped bytes. False: too many."""
        self._bytes_left -= size_bytes
        return self._bytes_left >= 0

    def patience_s(self, now: float) -> float:
        """Returns the seconds to wait for more."""
        return max(0.0, min(SILENCE_S, self._ends_at - now))
