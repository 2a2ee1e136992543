"""Cases that only the disk store has: folders, links, crashes and full disks."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgen.domain.errors import ConfigurationError, Forbidden, ObjectNotFound, Retryable
from imgen.objects.disk import DiskStore

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> DiskStore:
    return DiskStore(root, base_url="http://127.0.0.1:1/", secret=SECRET)


def query(url: str) -> dict[str, str]:
    """The query of an address whose values need no decoding."""
    return dict(pair.split("=") for pair in url.split("?")[1].split("&"))


def files(root: Path) -> list[str]:
    """Everything below the root, half-written parts included."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


# ------------------------------------------------------------------ folders


def test_delete_removes_the_folders_it_empties(store, root):
    """No empty folders pile up, and a folder that still holds something stays."""
    store.put("a/b/c/1", b"", "text/plain")
    store.put("a/2", b"", "text/plain")
    store.delete("a/b/c/1")
    assert files(root) == ["a", "a/2", "~part"]
    store.delete("a/2")
    assert files(root) == ["~part"]


def test_a_listing_reads_only_the_folders_of_its_prefix(store, root):
    """Thousands of neighbours cost nothing: neither the folders above the prefix nor those beside it are read."""
    for number in range(5):
        store.put(f"pictures/ten_1/{number}/a", b"", "text/plain")
    store.put("pictures/ten_2/1/a", b"", "text/plain")
    folders: list[str] | None = []
    sys.addaudithook(
        lambda event, given: folders is not None and event == "os.scandir" and folders.append(str(given[0]))
    )
    keys = [info.key for info in store.list("pictures/ten_1/3/")]
    scanned, folders = folders, None  # a hook stays to the end of the process
    assert keys == ["pictures/ten_1/3/a"]
    assert scanned == [str(root / "pictures/ten_1/3")]


class StuckStore(DiskStore):
    """A store on a file system that keeps one file, as a file marked immutable stays."""

    def delete(self, key: str) -> None:
        if key == "x/b/1":
            raise Retryable("Operation not permitted")
        super().delete(key)


def test_a_file_that_the_system_keeps_stops_no_other(root):
    """A key that cannot be removed is given with the reason; the rest of the keys go."""
    store = StuckStore(root, base_url="http://127.0.0.1:1/", secret=SECRET)
    for name in "abc":
        store.put(f"x/{name}/1", b"", "text/plain")
    assert store.delete_many(["x/a/1", "x/b/1", "x/c/1"]) == {"x/b/1": "Operation not permitted"}
    assert [info.key for info in store.list("")] == ["x/b/1"]


def test_puts_survive_deletes_that_empty_their_folder(store):
    """A put into a folder that another thread keeps removing still lands."""

    def work(number: int) -> None:
        for turn in range(60):
            store.put(f"a/b/{number}", b"%d" % turn, "text/plain")
            assert store.get(f"a/b/{number}") == b"%d" % turn
            store.delete(f"a/b/{number}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))


def test_a_key_below_an_object_is_refused(store):
    """A disk cannot hold both `a` and `a/b`: the second is refused, in either order, and harms nothing."""
    store.put("a", b"1", "text/plain")
    with pytest.raises(ConfigurationError, match="no plain folder"):
        store.put("a/b", b"2", "text/plain")
    store.put("b/c", b"3", "text/plain")
    with pytest.raises(ConfigurationError, match="no plain file"):
        store.put("b", b"4", "text/plain")
    assert (store.get("a"), store.get("b/c")) == (b"1", b"3")


def test_a_root_that_is_no_folder_is_told_at_once(tmp_path):
    """A wrong path is a configuration error, not a failure at the first picture."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        DiskStore(tmp_path / "file", base_url="", secret=SECRET)


def test_a_short_secret_is_refused(root):
    """Addresses are never signed with a secret that could be guessed."""
    with pytest.raises(ConfigurationError, match="32 bytes"):
        DiskStore(root, base_url="", secret=SECRET[:-1])


def test_the_root_itself_may_be_a_link(root, tmp_path):
    """An operator may point the store at another disk by a link to its root."""
    (tmp_path / "disk").mkdir()
    root.symlink_to(tmp_path / "disk")
    store = DiskStore(root, base_url="", secret=SECRET)
    store.put("a/b", b"1", "text/plain")
    assert store.get("a/b") == b"1"
    assert (tmp_path / "disk" / "a" / "b").read_bytes() == b"1"


# ------------------------------------------------------------------ links


@pytest.mark.parametrize("key", ["link", "folder/secret"])
def test_links_out_of_the_root_lead_nowhere(store, root, tmp_path, key):
    """A linked file, or a file in a linked folder, is not read, listed, served, replaced or deleted."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    with pytest.raises(ObjectNotFound):
        store.get(key)
    with pytest.raises(ObjectNotFound):
        store.open_signed(key, query(store.url(key)))
    assert not store.exists(key)
    assert list(store.list("")) == []
    store.delete(key)
    with pytest.raises(ConfigurationError, match="in the way"):
        store.put(key, b"mine", "text/plain")
    with pytest.raises(ConfigurationError, match="in the way"):
        store.put("folder/new", b"mine", "text/plain")
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret", b"secret")]


def test_pipes_and_folders_are_no_objects(store, root):
    """Only plain files count: opening a pipe would hang a request for good."""
    os.mkfifo(root / "pipe")
    (root / "empty").mkdir()
    for key in ("pipe", "empty"):
        with pytest.raises(ObjectNotFound):
            store.get(key)
    assert list(store.list("")) == []


# ------------------------------------------------------------------ crashes and full disks


def test_a_failed_write_leaves_nothing_and_may_be_tried_again(root, store):
    """A put on a full disk is retryable, leaves nothing, and works once there is room."""
    program = f"""
import resource
from pathlib import Path
from imgen.domain.errors import Retryable
from imgen.objects.disk import DiskStore
store = DiskStore(Path({str(root)!r}), base_url="", secret=b"x" * 32)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
try:
    store.put("a/big", b"x" * 200_000, "text/plain")
except Retryable as exc:
    print(exc)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(sorted(path.name for path in Path({str(root)!r}).rglob("*")))
store.put("a/big", b"x" * 200_000, "text/plain")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["The object folder failed at a/big: File too large", "['~part']"]
    assert store.get("a/big") == b"x" * 200_000


def test_a_killed_writer_leaves_only_whole_objects(root, store):
    """SIGKILL in the middle of writes leaves every key whole or absent, and the next writer is not disturbed."""
    program = f"""
from pathlib import Path
from imgen.objects.disk import DiskStore
store = DiskStore(Path({str(root)!r}), base_url="", secret=b"x" * 32)
for number in range(10_000):
    store.put(f"kill/{{number}}", bytes([number % 251]) * 2_000_000, "text/plain")
    print(number, flush=True)
"""
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
            for _ in range(3):
                writer.stdout.readline()
            time.sleep(0.003)
            writer.send_signal(signal.SIGKILL)
    found = list(store.list("kill/"))
    assert len(found) >= 3
    for info in found:
        assert store.get(info.key) == bytes([int(info.key.removeprefix("kill/")) % 251]) * 2_000_000


def test_parts_of_dead_writers_are_removed_an_hour_later(root, store):
    """Opening the store sweeps old leftovers, but not what another process may be writing now."""
    for name, age_s in (("old", 3700), ("young", 3500)):
        (root / "~part" / name).write_bytes(b"half")
        os.utime(root / "~part" / name, (time.time() - age_s,) * 2)
    assert list(store.list("")) == []
    DiskStore(root, base_url="", secret=SECRET)
    assert files(root) == ["~part", "~part/young"]


def test_what_the_system_refuses_now_is_retryable(root, store):
    """A process out of file descriptors is told to try again, not that its object is missing."""
    store.put("a", b"1", "text/plain")
    program = f"""
import os, resource
from pathlib import Path
from imgen.domain.errors import Retryable
from imgen.objects.disk import DiskStore
store = DiskStore(Path({str(root)!r}), base_url="", secret=b"x" * 32)
taken = os.open("/dev/null", os.O_RDONLY)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 1, hard))
for use in (lambda: store.get("a"), lambda: list(store.list("")), lambda: store.put("b", b"", "text/plain")):
    try:
        use()
    except Retryable as exc:
        print(type(exc.__cause__).__name__, exc.__cause__.strerror)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(store.get("a"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["OSError Too many open files"] * 3 + ["b'1'"]


# ------------------------------------------------------------------ signatures


def test_a_signed_file_tells_what_is_left_of_its_time(root):
    """The clock decides to the second: one second left is served, none left is not."""
    now = [1_700_000_000.0]
    store = DiskStore(root, base_url="", secret=SECRET, clock=lambda: now[0])
    store.put("a/b.png", b"1", "image/png")
    values = query(store.url("a/b.png", expires_s=60))
    now[0] += 59.9
    signed = store.open_signed("a/b.png", values)
    assert (signed.path, signed.filename, signed.expires_in_s) == (root / "a" / "b.png", "b.png", 1)
    now[0] += 0.1
    with pytest.raises(Forbidden, match="Forbidden"):
        store.open_signed("a/b.png", values)


def test_addresses_outlive_a_restart(root):
    """Two processes with one secret accept each other's addresses."""
    first = DiskStore(root, base_url="", secret=SECRET)
    first.put("a", b"1", "text/plain")
    assert DiskStore(root, base_url="", secret=SECRET).open_signed("a", query(first.url("a"))).path == root / "a"


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a/../../outside", "a\x00", "~part/x", ""])
def test_bad_keys_are_forbidden_before_the_disk_is_touched(store, key):
    """Traversal in an address is told like any other wrong signature."""
    with pytest.raises(Forbidden, match="Forbidden"):
        store.open_signed(key, query(store.url("a")))
