"""Navigation of pages: lines for everybody and for administrators, groups of pages and their tabs."""

import pytest

from imgen.domain.user import User
from imgen.surfaces.web.navigation import navigation
from imgen.surfaces.web.sections import NAV

ADMIN = User(id="usr_1", name="ada", role="admin", must_change_password=False)
MEMBER = User(id="usr_2", name="bob", role="member", must_change_password=False)


@pytest.mark.parametrize(
    ("path", "line", "tab"),
    [
        ("/", "Playground", ""),
        ("/panel", "Overview", ""),
        ("/panel/jobs", "Jobs", ""),
        ("/panel/jobs/run_1", "Jobs", ""),
        ("/panel/keys", "Accounts", "Keys"),
        ("/panel/tenants/ten_1", "Accounts", "Tenants"),
        ("/panel/audit", "System", "Audit"),
        ("/panel/engines", "System", "Engines"),
        ("/panel/nothing", "", ""),
        ("/panel/usagers", "", ""),
        ("/account", "", ""),
    ],
)
def test_the_line_and_the_tab_of_a_page_are_marked(path, line, tab):
    """No others are, and a page of no group has no tabs."""
    found = navigation(NAV, ADMIN, path)
    assert [one.label for one in found.lines if one.current] == ([line] if line else [])
    assert [one.label for one in found.tabs if one.current] == ([tab] if tab else [])
    assert found.group == (line if tab else "")


def test_members_see_no_line_of_administrators():
    """Neither in the bar nor among the tabs; a group that has no page for them is not there."""
    assert [one.label for one in navigation(NAV, ADMIN, "/").lines] == [
        "Playground", "Studio", "Overview", "Jobs", "Blocked", "Verify", "Accounts", "Usage", "Catalog", "System",
    ]  # fmt: skip
    assert [one.label for one in navigation(NAV, MEMBER, "/").lines][-2:] == ["Usage", "Catalog"]
    assert [one.label for one in navigation(NAV, MEMBER, "/panel/keys").tabs] == ["Tenants", "Keys", "Webhooks"]


def test_a_group_leads_to_its_first_page():
    """Its link is one of the tabs."""
    lines = {one.label: one.path for one in navigation(NAV, ADMIN, "/").lines}
    assert (lines["Accounts"], lines["System"]) == ("/panel/tenants", "/panel/workers")
