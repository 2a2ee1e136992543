"""Backup and restore of an installation on SQLite and disk."""

import io
import stat
import tarfile

import pytest
from servers.command import run_command
from servers.local import run_with_core, start_local_api, start_local_worker

from imgen import settings
from imgen.archive import _missing, read_archive, write_archive
from imgen.domain.credential import KeyCredential
from imgen.domain.errors import Invalid
from imgen.domain.job import State
from imgen.domain.principal import hash_key
from imgen.records import jobs
from imgen.services.accounts.authentication import authenticate


def make(data, redis_url, own=""):
    """An installation with one finished picture and one job that waits."""
    with start_local_api(data, redis_url, own) as api, start_local_worker(api.settings) as work:
        done = api.post({"action": "generate", "prompt": "red coat"}).json()["id"]
        work(done)
        waiting = api.post({"action": "generate", "prompt": "green coat"}).json()["id"]
        return api.key, done, waiting


def test_a_restored_installation_goes_on_where_it_was(tmp_path, clean_redis):
    """Keys, jobs and pictures are there; an old picture is trusted; a waiting job is found again though Redis is new."""
    key, done, waiting = make(tmp_path / "old", clean_redis)
    (tmp_path / "old" / "matches").mkdir()
    (tmp_path / "old" / "matches" / "own.csv").write_text("")
    (tmp_path / "old" / "models").mkdir(exist_ok=True)
    (tmp_path / "old" / "models" / "own.safetensors").write_bytes(b"weights")
    saved = run_command("backup", str(tmp_path / "b.tar"), "--data", str(tmp_path / "old"))
    assert (saved.returncode, saved.stderr) == (0, "")
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    new = tmp_path / "deep" / "new"
    restored = run_command("restore", str(tmp_path / "b.tar"), "--data", str(new))
    assert restored.returncode == 0, restored.stderr
    picture = next(path for path in (new / "objects").rglob("*.jpg") if "thumb" not in path.name)
    assert "Trusted" in run_command("verify", str(picture), "--data", str(new)).stdout
    for name in ("matches/own.csv", "models/own.safetensors", "credentials/key.pem"):
        assert (new / name).read_bytes() == (tmp_path / "old" / name).read_bytes()
        assert (new / name).stat().st_mode == (tmp_path / "old" / name).stat().st_mode
    assert not (new / "logs").exists()

    async def states(core):
        assert (await authenticate(core, KeyCredential(hash_key(key)))).tenant.name == "first"
        return [(await core.database.reading(jobs.find, one)).state for one in (done, waiting)]

    assert run_with_core(settings.load(new), states) == [State.COMPLETED, State.QUEUED]


@pytest.fixture
def archive(tmp_path, clean_redis):
    """A backup of a small installation."""
    with start_local_api(tmp_path / "old", clean_redis):
        pass
    write_archive(settings.load(tmp_path / "old"), tmp_path / "b.tar")
    return tmp_path / "b.tar"


def nothing_is_left(folder):
    return {path.name for path in folder.iterdir()} <= {"old", "b.tar", "broken.tar"}


def test_a_broken_archive_restores_nothing(tmp_path, archive):
    """Cut anywhere, also between two entries, or of another program: one sentence, and no folder."""
    body = archive.read_bytes()
    with tarfile.open(archive) as tar:
        boundary = tar.getmembers()[3].offset
    for cut in (0, 10, 700, boundary, len(body) // 2):
        (tmp_path / "broken.tar").write_bytes(body[:cut])
        with pytest.raises(Invalid, match=r"broken\.tar is (broken|cut off)"):
            read_archive(tmp_path / "broken.tar", tmp_path / "new")
        assert nothing_is_left(tmp_path)


@pytest.mark.parametrize("name", ["data/../../outside", "/etc/outside", "outside", "objects/../../x"])
def test_an_entry_cannot_leave_the_folder(tmp_path, archive, name):
    """An archive from elsewhere writes nothing outside of the new data folder."""
    with tarfile.open(archive) as old, tarfile.open(tmp_path / "broken.tar", "w") as new:
        new.addfile(first := old.next(), old.extractfile(first))
        info = tarfile.TarInfo(name)
        new.addfile(info, io.BytesIO())
    with pytest.raises(Invalid, match="no backup has an entry"):
        read_archive(tmp_path / "broken.tar", tmp_path / "new")
    assert nothing_is_left(tmp_path)


def test_a_link_is_no_entry(tmp_path, archive):
    """A symbolic link would lead the next entry elsewhere."""
    with tarfile.open(archive) as old, tarfile.open(tmp_path / "broken.tar", "w") as new:
        new.addfile(first := old.next(), old.extractfile(first))
        info = tarfile.TarInfo("data/models")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        new.addfile(info)
    with pytest.raises(Invalid, match="no backup has an entry"):
        read_archive(tmp_path / "broken.tar", tmp_path / "new")


def test_a_key_in_an_hsm_is_no_missing_file(tmp_path):
    """It cannot be saved, and the settings that name it are in the archive; its chain is a file as any."""
    own = '[credentials]\ncertificate_chain = "/etc/imgen/chain.pem"\nprivate_key = "pkcs11:token=t;object=k?module-path=/m.so"\n'
    (tmp_path / "imgen.toml").write_text(own)
    missing = list(_missing(settings.load(tmp_path, environ={})))
    assert missing == ["/etc/imgen/chain.pem ([credentials] certificate_chain)"]


def test_what_exists_is_not_replaced(tmp_path, archive):
    """Neither a data folder in use nor an older backup."""
    with pytest.raises(Invalid, match="is not empty"):
        read_archive(archive, tmp_path / "old")
    with pytest.raises(Invalid, match="exists already"):
        write_archive(settings.load(tmp_path / "old"), archive)


def test_a_backup_in_the_data_folder_does_not_hold_itself(tmp_path, archive):
    """The usual place of a hurried operator."""
    write_archive(settings.load(tmp_path / "old"), tmp_path / "old" / "b.tar")
    with tarfile.open(tmp_path / "old" / "b.tar") as tar:
        assert not [name for name in tar.getnames() if "b.tar" in name]


def test_parts_outside_are_named_with_the_way_to_save_them(tmp_path, clean_redis):
    """PostgreSQL, S3 and files outside of the data folder are not in the archive; the command says so."""
    own = (
        '[database]\nurl = "postgresql+psycopg://imgen:hunter2@db.example/imgen"\n'
        '[objects]\nstore = "s3"\n[objects.s3]\nbucket = "pictures"\nprefix = "imgen/"\n'
        '[credentials]\nprivate_key = "/etc/imgen/key.pem"\n'
    )
    (tmp_path / "imgen.toml").write_text(own)
    saved = run_command("backup", str(tmp_path / "b.tar"), "--data", str(tmp_path))
    assert saved.returncode == 0, saved.stderr
    for part in ("pg_dump", "db.example", "aws s3 sync s3://pictures/imgen/", "/etc/imgen/key.pem"):
        assert part in saved.stderr
    assert "hunter2" not in saved.stderr
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert "data/imgen.toml" in tar.getnames()
