"""Token bucket: a burst, and a steady rate after it."""


class TokenBucket:
    """Bucket of one subject. It fills over time; times are seconds of one clock."""

    def __init__(self, now: float, *, capacity: float, per_s: float) -> None:
        self._capacity = capacity
        self._per_s = per_s
        self._tokens = capacity
        self._at = now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Takes tokens. False: there are not enough, and none is taken."""
        if self.wait_s(now, tokens) > 0:
            return False
        self._tokens -= tokens
        return True

    def wait_s(self, now: float, tokens: float = 1.0) -> float:
        """Returns the seconds until there are enough tokens; 0: there are."""
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        return max(0.0, (tokens - self._tokens) / self._per_s)
