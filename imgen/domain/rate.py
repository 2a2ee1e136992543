"""Rate: requests a minute of one owner, as the present request leaves it."""

from msgspec import Struct

WINDOW_S = 60


class Rate(Struct, frozen=True, kw_only=True):
    """Use of a limit after one counted request."""

    owner: str
    """Id of the key or user."""
    counted_at: float
    limit: int
    """Requests in WINDOW_S."""
    remaining: int
    reset_s: int
    """Seconds until more requests are allowed; of a refused request, until the next one is."""
