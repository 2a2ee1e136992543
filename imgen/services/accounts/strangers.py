"""Limits of unknown API keys by remote IP, in the memory of one API process.

A key of which the process knows nothing costs a read of SQL, so an IP may have some such reads and then a few. Keys that the
process has seen are not touched by what others send from their IP.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from imgen.domain.errors import RateLimited
from imgen.domain.remote_ip import network_of
from imgen.domain.token_bucket import TokenBucket

CAPACITY = 10_000
"""Number of networks to remember."""
BURST, PER_S = 60, 1.0
"""Unknown keys of one network."""
REPEATED = 0.25
"""Weight of a key that was refused a moment ago: it costs no SQL, and is likely a client with an old key."""
LOOKUPS_BURST, LOOKUPS_PER_S = 20, 20.0
"""Reads of SQL for all networks that are over their limit: a new key gets through, if many share an IP."""


class Strangers:
    """Budgets of networks for unknown keys."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forgets all; after a change of keys, so that a new key works at once."""
        self._lookups = TokenBucket(self._clock(), capacity=LOOKUPS_BURST, per_s=LOOKUPS_PER_S)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def check_lookup(self, remote_ip: str) -> None:
        """Checks whether a key may be looked up in SQL.

        Raises:
            RateLimited: its network sent too many unknown keys.
        """
        now = self._clock()
        wait_s = self._bucket(remote_ip, now).wait_s(now)
        if wait_s > 0 and not self._lookups.take(now):
            raise _refusal(wait_s)

    def count_unknown(self, remote_ip: str, *, is_repeated: bool) -> None:
        """Counts an unknown key.

        Raises:
            RateLimited: its network sent too many.
        """
        now, weight = self._clock(), REPEATED if is_repeated else 1.0
        bucket = self._bucket(remote_ip, now)
        if not bucket.take(now, weight):
            raise _refusal(bucket.wait_s(now, weight))

    def _bucket(self, remote_ip: str, now: float) -> TokenBucket:
        network = network_of(remote_ip)
        bucket = self._buckets.pop(network, None) or TokenBucket(now, capacity=BURST, per_s=PER_S)
        self._buckets[network] = bucket
        if len(self._buckets) > CAPACITY:
            self._buckets.popitem(last=False)
        return bucket


def _refusal(wait_s: float) -> RateLimited:
    return RateLimited(retry_after_s=max(1, math.ceil(wait_s)))
