"""`imgen keys` and the other commands that need no running stack."""

import os
import platform
import pwd
import re
import subprocess
import sys

import pytest
from servers.command import run_command
from servers.tables import make_data_folder

from imgen.domain.principal import hash_key
from imgen.records import api_keys, audit
from imgen.records.database import Database


@pytest.fixture
def imgen(tmp_path):
    """Runs a command over a data folder with an empty database."""
    make_data_folder(tmp_path / "var")

    def run(*arguments, check=True):
        done = run_command(*arguments, "--data", str(tmp_path / "var"))
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def test_a_command_is_a_process(tmp_path):
    """`python -m imgen.cli` does what the tests below do in their own process, a refusal in one line included."""
    command = [sys.executable, "-m", "imgen.cli", "keys", "create", "shop", "--data", str(tmp_path / "var")]
    first, again = (subprocess.run(command, capture_output=True, text=True, check=False, timeout=60) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert re.fullmatch(r"imgen_[0-9a-f]{64}\n", first.stdout)
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (1, "", 1)
    assert again.stderr.startswith("imgen: ")


def test_a_new_key_is_alone_on_stdout_and_nowhere_on_disk(imgen, tmp_path):
    """The raw key can be piped; what is kept of it is a hash and a prefix."""
    raw = imgen("keys", "create", "shop").stdout
    assert re.fullmatch(r"imgen_[0-9a-f]{64}\n", raw)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "var").rglob("*") if path.is_file())
    assert raw.strip().encode() not in kept
    assert raw[:14].encode() in kept


def test_keys_are_listed_switched_and_deleted_by_name_or_prefix(imgen):
    """A key goes by its name or the beginning of itself; what is ambiguous or unknown is refused in one line."""
    raw = imgen("keys", "create", "shop").stdout.strip()
    imgen("keys", "create", "app")
    listed = imgen("keys", "list").stdout
    assert "shop" in listed
    assert raw[:14] in listed
    assert raw not in listed
    assert "Disabled shop" in imgen("keys", "disable", raw[:14]).stdout
    assert re.search(r"shop.*no", imgen("keys", "list").stdout)
    assert "Enabled shop" in imgen("keys", "enable", "shop").stdout
    assert "Deleted shop" in imgen("keys", "delete", "shop").stdout
    assert "shop" not in imgen("keys", "list").stdout
    for which in ("shop", "imgen_"):
        refused = imgen("keys", "disable", which, check=which == "imgen_")
        assert which == "imgen_" or (refused.returncode, refused.stderr.count("\n")) == (1, 1)


def test_a_key_is_deleted_or_rotated_only_by_its_whole_name_or_prefix(imgen):
    """`imgen_` is the beginning of the only key, but hardly what was meant; the raw key itself names it as well."""
    raw = imgen("keys", "create", "shop").stdout.strip()
    for command in ("delete", "rotate"):
        for which in ("imgen_", raw[:13], "sho", ""):
            refused = imgen("keys", command, which, check=False)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert "imgen keys list" in refused.stderr
    assert "shop" in imgen("keys", "list").stdout
    assert "Deleted shop" in imgen("keys", "delete", raw[:14]).stdout
    again = imgen("keys", "create", "shop").stdout.strip()
    assert "Deleted shop" in imgen("keys", "delete", again).stdout


def test_a_rotated_key_has_a_new_secret_and_an_old_one_for_a_while(imgen, tmp_path):
    """The list says until when the old secret works; with no grace it ends at once."""
    raw = imgen("keys", "create", "shop", "--expires", "30").stdout.strip()
    new = imgen("keys", "rotate", "shop", "--grace-days", "2").stdout.strip()
    assert re.fullmatch(r"imgen_[0-9a-f]{64}", new)
    listed = imgen("keys", "list").stdout
    assert new[:14] in listed
    day = r"\d{4}-\d{2}-\d{2}T[\d:]+Z"
    assert re.search(rf"shop.*never.*{day}.*{day}", listed)
    database = Database(f"sqlite:///{tmp_path / 'var' / 'imgen.db'}")
    with database.read() as connection:
        old, current = (api_keys.find_key_by_hash(connection, hash_key(one)) for one in (raw, new))
    database.close()
    assert (old.key.id, current.key.id) == (current.key.id, old.key.id)
    assert old.key.expires_at < current.key.expires_at
    for wrong in (("rotate", "shop", "--grace-days", "31"), ("create", "x", "--expires", "0")):
        assert imgen("keys", *wrong, check=False).returncode == 1


def test_a_plan_that_is_unknown_or_not_the_tenants_is_refused(imgen):
    """A key never comes with another plan than was asked for."""
    refused = imgen("keys", "create", "shop", "--plan", "gold", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no plan 'gold'" in refused.stderr
    assert "trial" in refused.stderr
    imgen("keys", "create", "shop", "--tenant", "studio", "--plan", "trial")
    refused = imgen("keys", "create", "app", "--tenant", "studio", "--plan", "unlimited", check=False)
    assert "imgen tenants plan studio unlimited" in refused.stderr
    assert "app" not in imgen("keys", "list").stdout


def test_tenants_are_listed_renamed_and_given_a_plan(imgen, tmp_path):
    """Keys stay with their tenant; unknown plans, unknown tenants and taken names are refused; each change is in the audit."""
    imgen("keys", "create", "shop", "--tenant", "studio", "--plan", "trial")
    imgen("keys", "create", "other", "--tenant", "second")
    assert "trial → unlimited" in imgen("tenants", "plan", "studio", "unlimited").stdout
    imgen("tenants", "rename", "studio", "atelier")
    assert re.search(r"atelier.*unlimited.*shop", imgen("tenants", "list").stdout)
    for wrong in (
        ("plan", "atelier", "gold"),
        ("plan", "studio", "trial"),
        ("rename", "studio", "x"),
        ("rename", "atelier", "second"),
        ("rename", "atelier", " "),
    ):
        refused = imgen("tenants", *wrong, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert [one.action for one in rows(tmp_path / "var")][-2:] == ["changed plan", "renamed tenant"]


def test_scopes_are_chosen_and_told(imgen):
    """Both unless one is named; an unknown one makes no key."""
    imgen("keys", "create", "both")
    imgen("keys", "create", "reader", "--scope", "read")
    lines = imgen("keys", "list").stdout.splitlines()
    assert "generate, read" in next(line for line in lines if "both" in line)
    assert "generate" not in next(line for line in lines if "reader" in line)
    refused = imgen("keys", "create", "sly", "--scope", "everything", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "scopes are generate, read, operate" in refused.stderr
    assert "sly" not in imgen("keys", "list").stdout


def test_a_name_can_be_used_once_and_again_after_a_delete(imgen):
    """Two keys of one name could not be told apart."""
    imgen("keys", "create", "shop")
    refused = imgen("keys", "create", "shop", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "already" in refused.stderr
    imgen("keys", "delete", "shop")
    assert imgen("keys", "create", "shop").stdout


def rows(data):
    """All of the audit, oldest first."""
    database = Database(f"sqlite:///{data / 'imgen.db'}")
    try:
        with database.read() as connection:
            return list(reversed(audit.page(connection, limit=100)))
    finally:
        database.close()


def test_every_change_has_a_row_in_the_audit(imgen, tmp_path):
    """The audit has the person and the machine, and the values before and after."""
    imgen("keys", "create", "shop", "--tenant", "studio", "--scope", "read")
    imgen("keys", "disable", "shop")
    imgen("keys", "enable", "shop")
    imgen("keys", "delete", "shop")
    imgen("users", "add", "mira")
    imgen("users", "tenants", "mira", "--tenant", "studio")
    imgen("users", "password", "mira", "--password", "a password of her own")
    imgen("users", "delete", "mira")
    imgen("cache", "purge", "--all")
    found = rows(tmp_path / "var")
    key = {"tenant": "studio", "scopes": ["read"], "enabled": True, "expires_at": None}
    member = {"role": "member", "tenants": [], "first_password": True}
    assert [(one.action, one.detail.get("before"), one.detail.get("after")) for one in found] == [
        ("made tenant", {}, {"plan": "standard"}),
        ("made key", {}, key),
        ("switched key", {"enabled": True}, {"enabled": False}),
        ("switched key", {"enabled": False}, {"enabled": True}),
        ("revoked key", key | {"enabled": True}, {}),
        ("added person", {}, member),
        ("set tenants", {"tenants": []}, {"tenants": ["studio"]}),
        ("set password", {"first_password": True}, {"first_password": False}),
        ("removed person", {"role": "member", "tenants": ["studio"], "first_password": False}, {}),
        ("purged cache", None, None),
    ]
    account = pwd.getpwuid(os.getuid()).pw_name
    assert {one.actor for one in found} == {f"command line: {account}"}
    assert {one.detail["host"] for one in found} == {platform.node()}
    assert [one.detail.get("name") for one in found] == ["studio", *["shop"] * 4, *["mira"] * 4, None]
    assert len({one.subject for one in found}) == 4  # a tenant, a key, a user, the whole cache


def test_a_password_that_could_never_sign_in_is_refused(imgen):
    """Too short or too long: one line, and nothing is changed."""
    imgen("users", "add", "mira")
    for password in ("short", "x" * 201):
        refused = imgen("users", "password", "mira", "--password", password, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "10 to 200 characters" in refused.stderr
    assert "not changed yet" in imgen("users", "list").stdout
    assert imgen("users", "password", "mira", "--password", "x" * 200).stdout == "Changed\n"


def test_migrate_says_where_it_went(imgen, tmp_path):
    """One command brings the database up to date, as often as it is called."""
    (tmp_path / "var" / "imgen.db").unlink()
    assert "Up to date: sqlite:///" in imgen("migrate").stdout
    assert "Up to date" in imgen("migrate").stdout


def test_doctor_names_what_is_missing_and_how_to_mend_it(imgen, tmp_path):
    """Over an empty folder nothing runs: exit code 1, and a remedy for each part."""
    (tmp_path / "var" / "imgen.db").unlink()
    done = imgen("doctor", check=False)
    assert done.returncode == 1
    assert "imgen up" in done.stdout
    assert "imgen migrate" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nport = 'x'\n", "[http] port"),
        ("[http]\nprot = 1\n", "[http] prot"),
        ("nonsense", "imgen.toml: not TOML"),
        ("[database]\nurl = 5\n", "[database] url"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(imgen, tmp_path, text, said):
    """No traceback, the setting's name, exit code 1."""
    (tmp_path / "var" / "imgen.toml").write_text(text)
    done = imgen("migrate", check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_in_a_setting_is_never_told(imgen, tmp_path):
    """A database that does not answer is named without its password."""
    (tmp_path / "var" / "imgen.toml").write_text('[database]\nurl = "postgresql+psycopg://me:hunter22@127.0.0.1:1/x"\n')
    done = imgen("doctor", check=False)
    assert "hunter22" not in done.stdout + done.stderr
