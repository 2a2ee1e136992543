"""`imgen tenants delete`: it asks, closes, empties, and tells."""

import zipfile

import pytest
from servers.command import run_command
from servers.local import prepare

from imgen.records import audit
from imgen.records.database import Database


@pytest.fixture
def imgen(tmp_path, clean_redis):
    """Runs a command over a data folder with two tenants."""
    prepare(tmp_path / "var", clean_redis)

    def run(*arguments, check=True, **more):
        done = run_command(*arguments, "--data", str(tmp_path / "var"), **more)
        assert not check or done.returncode == 0, done.stderr
        return done

    for name in ("studio", "shop"):
        run("keys", "create", name, "--tenant", name)
    return run


def test_a_deleted_tenant_is_gone(imgen, tmp_path):
    """The command ends when nothing is left; the other tenant stays, and the audit tells who did it."""
    told = imgen("tenants", "delete", "studio", "--yes").stdout
    assert told.startswith("studio is closed: keys, sessions and webhooks have ended.\nDeleted: ")
    listed = imgen("tenants", "list").stdout
    assert ("studio" in listed, "shop" in listed) == (False, True)
    database = Database(f"sqlite:///{tmp_path / 'var' / 'imgen.db'}")
    with database.read() as connection:
        entries = {one.action: one for one in audit.page(connection, limit=10)}
    database.close()
    begun, ended = entries["began deleting tenant"], entries["deleted tenant"]
    assert begun.actor == ended.actor
    assert begun.actor.startswith("command line: ")
    assert (ended.detail["name"], begun.detail["keys"]) == ("studio", 1)


def test_nothing_is_deleted_without_the_name(imgen):
    """Another name at the prompt, or none such: one line, and all is as it was."""
    refused = imgen("tenants", "delete", "studio", check=False, typed="shop\n")
    assert (refused.returncode, "nothing is deleted" in refused.stderr) == (1, True)
    unknown = imgen("tenants", "delete", "nobody", "--yes", check=False)
    assert (unknown.returncode, "no tenant 'nobody'" in unknown.stderr) == (1, True)
    assert "studio" in imgen("tenants", "list").stdout
    assert imgen("tenants", "delete", "studio", typed="studio\n").returncode == 0


def test_an_export_is_a_whole_archive(imgen, tmp_path):
    """It is readable by its owner alone; a file that is there is not replaced, and nothing is left beside it."""
    path = tmp_path / "studio.zip"
    assert imgen("tenants", "export", "studio", "--to", str(path)).stdout.startswith(f"{path}: 0.0 MB, 0 jobs")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {"README", "tenant.json", "keys.jsonl", "jobs.jsonl"} <= set(archive.namelist())
    assert path.stat().st_mode & 0o777 == 0o600
    refused = imgen("tenants", "export", "studio", "--to", str(path), check=False)
    assert (refused.returncode, "exists already" in refused.stderr) == (1, True)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["studio.zip", "var"]
