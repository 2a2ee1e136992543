"""`imgen tenants`: packs of credits, and what the list tells of plans."""

import re

import pytest
from servers.command import run_command
from servers.tables import make_data_folder

from imgen.records import audit
from imgen.records.database import Database


@pytest.fixture
def imgen(tmp_path):
    """Runs a command over a data folder with one tenant."""
    make_data_folder(tmp_path / "var")

    def run(*arguments, check=True):
        done = run_command(*arguments, "--data", str(tmp_path / "var"))
        assert not check or done.returncode == 0, done.stderr
        return done

    run("keys", "create", "shop", "--tenant", "studio", "--plan", "pro")
    return run


def grants(folder):
    """Details of the grants in the audit."""
    database = Database(f"sqlite:///{folder / 'var' / 'imgen.db'}")
    with database.read() as connection:
        entries = audit.page(connection, limit=10)
    database.close()
    return [one.detail["after"] for one in entries if one.action == "granted pack"]


def test_a_payment_grants_a_pack_once(imgen, tmp_path):
    """Again with the same reference it says the same; the list tells what is left; the audit has the payment."""
    first, again = (imgen("tenants", "grant", "studio", "pack_500", "--reference", "inv-1").stdout for _ in range(2))
    assert first == again == "studio: 500 credits (Starter) for inv-1\n"
    imgen("tenants", "grant", "studio", "pack_2500", "--reference", "inv-2")
    assert re.search(r"studio +│ pro +│ 0 of 100 +│ 0 of 1000 +│ 3000 +│ shop", imgen("tenants", "list").stdout)
    assert grants(tmp_path) == [
        {"pack": "pack_2500", "credits": 2500, "reference": "inv-2"},
        {"pack": "pack_500", "credits": 500, "reference": "inv-1"},
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody", "pack_500", "--reference", "inv-2"), "no tenant 'nobody'"),
        (("studio", "pack_1", "--reference", "inv-2"), "no pack 'pack_1'; there are pack_500"),
        (("studio", "pack_2500", "--reference", "inv-1"), "'inv-1' was for another pack"),
        (("studio", "pack_500", "--reference", " "), "reference has 1 to 200 printable characters"),
    ],
    ids=["tenant", "pack", "payment", "reference"],
)
def test_a_wrong_grant_is_refused_in_one_line(imgen, tmp_path, arguments, told):
    """Nothing is added, and nothing is in the audit."""
    imgen("tenants", "grant", "studio", "pack_500", "--reference", "inv-1")
    refused = imgen("tenants", "grant", *arguments, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert told in refused.stderr
    assert len(grants(tmp_path)) == 1


def test_a_member_takes_a_seat(imgen):
    """The plan's seats limit the members of a tenant, whichever command adds them."""
    imgen("users", "add", "mira", "--tenant", "studio")
    imgen("users", "add", "paula")
    for wrong in (("add", "otto", "--tenant", "studio"), ("tenants", "paula", "--tenant", "studio")):
        refused = imgen("users", *wrong, check=False)
        assert (refused.returncode, "has 1 seats" in refused.stderr) == (1, True)
    assert "otto" not in imgen("users", "list").stdout
