"""Throttle: receivers that get too much are left alone for a while, longer each time."""

from collections.abc import Mapping

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
LONGEST_ASKED_S = 3600.0
"""Longest pause that a receiver can ask for all of its deliveries; one delivery may wait for longer."""


class Throttle:
    """Pauses of targets, in one dispatcher."""

    def __init__(self) -> None:
        self._pauses: dict[str, tuple[float, float]] = {}
        """Target → length of its latest pause, and its end."""

    def slow_down(self, target: str, *, now: float, asked_s: float | None) -> None:
        """Pauses a target: as long as it asked, or twice as long as the last time."""
        last_s, _ = self._pauses.get(target, (FIRST_PAUSE_S / 2, 0.0))
        pause_s = min(2 * last_s, LONGEST_PAUSE_S)
        self._pauses[target] = pause_s, now + max(pause_s, min(asked_s or 0.0, LONGEST_ASKED_S))

    def recover(self, target: str) -> None:
        """Ends the pauses of a target that took something."""
        self._pauses.pop(target, None)

    def paused(self, now: float) -> Mapping[str, float]:
        """Returns the targets that are paused, with the ends of their pauses; forgets pauses that ended long ago."""
        for target, (_, until) in list(self._pauses.items()):
            if until + LONGEST_PAUSE_S < now:
                del self._pauses[target]
        return {target: until for target, (_, until) in self._pauses.items() if now < until}
