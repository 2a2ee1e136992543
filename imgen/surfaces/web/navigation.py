"""Navigation: lines of the bar, and the tabs of those that lead to a group of pages."""

from collections.abc import Sequence
from typing import NamedTuple

from imgen.domain.user import User

WITHOUT_CHILDREN = ("/", "/panel")
"""Pages whose paths begin those of other sections."""


class NavEntry(NamedTuple):
    """Page of the navigation."""

    path: str
    label: str
    is_for_admins: bool = False
    group: str = ""
    """Line of the bar that it is reached by, as one of the group's tabs; empty: a line of its own."""


class Line(NamedTuple):
    """Line of the bar, or a tab."""

    path: str
    label: str
    current: str = ""
    """Value of `aria-current`: `page`, or `true` for the group of the page; empty: another page is shown."""


class Navigation(NamedTuple):
    """Navigation on a page, for its user."""

    lines: Sequence[Line]
    group: str = ""
    """Group of the page; empty: it is in none."""
    tabs: Sequence[Line] = ()


def navigation(entries: Sequence[NavEntry], user: User, path: str) -> Navigation:
    """Returns the navigation on the page of a path; a group stands at its first page's place, and leads to that page."""
    lines, tabs, group = dict[str, Line](), dict[str, list[Line]](), ""
    for entry in entries:
        if entry.is_for_admins and not user.is_admin:
            continue
        line = Line(entry.path, entry.label, "page" if _is_within(path, entry.path) else "")
        if not entry.group:
            lines[entry.label] = line
            continue
        tabs.setdefault(entry.group, []).append(line)
        lines.setdefault(entry.group, Line(entry.path, entry.group))
        if line.current:
            group = entry.group
            lines[group] = lines[group]._replace(current="true")
    return Navigation(list(lines.values()), group, tabs.get(group, ()))


def _is_within(path: str, section: str) -> bool:
    return path == section or (section not in WITHOUT_CHILDREN and path.startswith(f"{section}/"))
