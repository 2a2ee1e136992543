"""Figure: a measured value with its bounds. Measures nothing itself."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Measured value of a benchmark."""

    what: str
    value: float | None
    """None: it was not measured; `detail` says why."""
    unit: str = "×"
    at_least: float | None = None
    at_most: float | None = None
    detail: str = ""

    @property
    def is_met(self) -> bool:
        """Returns whether the value is within its bounds; True without bounds, and for one that was not measured."""
        if self.value is None:
            return True
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def __str__(self) -> str:
        if self.value is None:
            return f"     {self.what:<26} not measured: {self.detail}"
        bounds = [
            f"{sign} {bound:g}" for sign, bound in (("≥", self.at_least), ("≤", self.at_most)) if bound is not None
        ]
        verdict = ("ok  " if self.is_met else "MISS") if bounds else "    "
        return f"{verdict} {self.what:<26} {self.value:8.2f} {self.unit:<3} {' '.join(bounds):<8} {self.detail}"
