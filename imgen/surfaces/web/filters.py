"""Filters of the templates: formats of values."""

import time
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from imgen.domain.remote_engine import amount_text

MINUTE, HOUR, DAY = 60, 3600, 86400


def age(at: float) -> str:
    """Formats a time as its age within a day: `3 min ago`; earlier ones as a day."""
    seconds = max(0, time.time() - at)
    if seconds >= DAY:
        return day(at)
    for unit, name in ((HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return "just now"


def ago(at: float | None) -> str:
    """Formats a time as its age, with the time itself for programs and under the pointer; empty: never."""
    if at is None:
        return ""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment(at).replace(" UTC", "Z"), moment(at), age(at)
    )


def moment(at: float | None) -> str:
    """Formats a time: `2026-11-21 18:05:09 UTC`."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def minute(at: float) -> str:
    """Formats a time to the minute: `2026-11-21 18:05 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def day(at: float | None) -> str:
    """Formats a day: `2026-11-21`."""
    return "" if at is None else time.strftime("%Y-%m-%d", time.gmtime(at))


def seconds(value: float | None) -> str:
    """Formats a duration: `120 ms`, `3.4 s`, `2 min 5 s`."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < MINUTE:
        return f"{value:.1f} s"
    return f"{int(value // MINUTE)} min {int(value % MINUTE)} s"


def number(value: float) -> str:
    """Formats a number: `12,345`."""
    return f"{value:,.0f}"


def mebibytes(value: float) -> str:
    """Formats a size in bytes: `12.3 MiB`."""
    return f"{value / 2**20:,.1f} MiB"


def share(value: float | None) -> str:
    """Formats a share: `12.3 %`."""
    return "–" if value is None else f"{value:.1%}"


FILTERS: dict[str, Callable[..., Any]] = {
    "ago": ago,
    "moment": moment,
    "day": day,
    "seconds": seconds,
    "number": number,
    "mebibytes": mebibytes,
    "amount": amount_text,
    "share": share,
}
