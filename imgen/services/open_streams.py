"""Count of the event streams that each principal has open in this process, with a limit."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from imgen.domain.errors import RateLimited
from imgen.domain.principal import Principal

RETRY_AFTER_S = 10


class OpenStreams:
    """Open streams by principal."""

    def __init__(self, most: int) -> None:
        """Takes the limit of one principal."""
        self._most = most
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, principal: Principal) -> Iterator[None]:
        """Counts a stream while the block runs.

        Raises:
            RateLimited: the principal has too many already.
        """
        owner = principal.counted_as
        if self._open[owner] >= self._most:
            raise RateLimited(retry_after_s=RETRY_AFTER_S)
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]
