"""`imgen tenants` and `imgen users` for people: tenants, members, invitations and reset links."""

import re

import pytest
from servers.command import run_command

from imgen.domain.one_time_link import LinkKind, hash_token
from imgen.records import audit, one_time_links
from imgen.records.database import Database


@pytest.fixture
def imgen(tmp_path):
    """Runs a command over an empty data folder."""

    def run(*arguments, check=True):
        done = run_command(*arguments, "--data", str(tmp_path / "var"))
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def read(tmp_path):
    """Reads the database of the commands."""

    def run(function, *arguments, **fields):
        database = Database(f"sqlite:///{tmp_path / 'var' / 'imgen.db'}")
        try:
            with database.read() as connection:
                return function(connection, *arguments, **fields)
        finally:
            database.close()

    return run


def test_tenants_are_made_with_owners_and_members(imgen, read):
    """A user is added, gets another role, and is taken out; each change is in the audit, and what cannot be is refused."""
    for name in ("ada", "bob"):
        imgen("users", "add", name)
    assert "Made north (trial)" in imgen("tenants", "add", "north", "--plan", "trial", "--owner", "ada").stdout
    imgen("tenants", "add-member", "north", "bob")
    listed = imgen("tenants", "members", "north").stdout
    assert re.search(r"ada.*owner", listed)
    assert re.search(r"bob.*member", listed)
    imgen("tenants", "add-member", "north", "bob", "--owner")
    imgen("tenants", "add-member", "north", "ada")
    imgen("tenants", "remove-member", "north", "bob")
    listed = imgen("tenants", "members", "north").stdout
    assert re.search(r"ada.*member", listed)
    assert "bob" not in listed
    for wrong in (
        ("add", "north"),
        ("add", "south", "--plan", "gold"),
        ("add", "south", "--owner", "nobody"),
        ("add-member", "north", "ada"),
        ("add-member", "south", "ada"),
        ("remove-member", "north", "bob"),
        ("members", "south"),
    ):
        refused = imgen("tenants", *wrong, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), wrong
    assert [one.action for one in reversed(read(audit.page, limit=9))] == [
        "added person",
        "added person",
        "made tenant",
        "added member",
        "added member",
        "changed member's role",
        "changed member's role",
        "removed member",
    ]


def test_invitations_and_reset_links_are_printed_alone(imgen, read):
    """The token is the fragment of the link; an invitation is listed by its id and revoked by it."""
    imgen("users", "add", "ada")
    imgen("tenants", "add", "north")
    link = imgen("tenants", "invite", "north", "--owner").stdout.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/invitation#[\w-]{43}", link)
    found = read(one_time_links.find_open, hash_token(link.partition("#")[2]), LinkKind.INVITATION, now=0)
    listed = imgen("tenants", "members", "north").stdout
    assert re.search(rf"invitation {found.id}.*owner.*\d{{4}}-\d{{2}}-\d{{2}}T", listed)
    imgen("tenants", "revoke-invitation", "north", found.id)
    assert found.id not in imgen("tenants", "members", "north").stdout
    assert imgen("tenants", "revoke-invitation", "north", found.id, check=False).returncode == 1
    reset = imgen("users", "reset-link", "ada").stdout.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/password-reset#[\w-]{43}", reset)
    assert imgen("users", "reset-link", "nobody", check=False).returncode == 1


def test_keys_of_one_name_are_told_apart_by_their_tenant(imgen):
    """Without the tenant the error names those that have one; a name is used once within a tenant."""
    for tenant in ("north", "south"):
        imgen("keys", "create", "shop", "--tenant", tenant)
    assert "already" in imgen("keys", "create", "shop", "--tenant", "south", check=False).stderr
    for command in ("disable", "enable", "rotate", "delete"):
        refused = imgen("keys", command, "shop", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "--tenant: north, south" in refused.stderr
        assert imgen("keys", command, "shop", "--tenant", "elsewhere", check=False).returncode == 1
    imgen("keys", "disable", "shop", "--tenant", "north")
    rotated = imgen("keys", "rotate", "shop", "--tenant", "north").stdout.strip()
    listed = imgen("keys", "list").stdout
    assert re.search(r"north.*no", next(line for line in listed.splitlines() if rotated[:14] in line))
    imgen("keys", "delete", "shop", "--tenant", "north")
    assert "north" not in imgen("keys", "list").stdout
    imgen("keys", "delete", "shop")
