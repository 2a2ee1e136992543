"""Charts: bars with their axes. The template draws what is computed here."""

import math
from collections.abc import Sequence

from msgspec import Struct

STEPS = (1, 2, 5, 10)
"""Distances of the lines of the value axis, times a power of ten: half the axis is a number that reads well."""


class Chart(Struct, frozen=True, kw_only=True):
    """Bars over a range of time, one for each of its parts."""

    values: tuple[int, ...]
    labels: tuple[str, ...]
    """Name of each bar."""
    top: int
    """Upper end of the value axis."""

    @property
    def highest(self) -> int:
        """Returns the highest value."""
        return max(self.values, default=0)

    @property
    def ticks(self) -> tuple[int, int, int]:
        """Returns the numbers of the value axis, from the top."""
        return self.top, self.top // 2, 0

    @property
    def ends(self) -> tuple[str, str, str]:
        """Returns the names of the first, the middle and the last bar."""
        return self.labels[0], self.labels[len(self.labels) // 2], self.labels[-1]


def bars(values: Sequence[int], labels: Sequence[str]) -> Chart:
    """Makes a chart. There is a label for each value, and at least one."""
    half = max(1, math.ceil(max(values) / 2))
    power = 10 ** (len(str(half)) - 1)
    step = next(step * power for step in STEPS if step * power >= half)
    return Chart(values=tuple(values), labels=tuple(labels), top=2 * step)
