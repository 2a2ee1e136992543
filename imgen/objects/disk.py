"""Disk store: objects as files under one folder, served by imgen/surfaces/files.py under the URLs of signed_urls.py.

A body is written to `<root>/~part/`, synced, then hard-linked to its key: a link never replaces a file, so the first
writer wins and readers see all or nothing. `~` is in no key, so no key reaches an incomplete file.
"""

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from imgen.domain.errors import (
    ConfigurationError,
    ImgenError,
    ObjectNotFound,
    ObjectStoreFull,
    ObjectStoreUnavailable,
    Retryable,
)
from imgen.objects import ObjectInfo, SignedFile
from imgen.objects.keys import checked_key, checked_part, checked_prefix, probe
from imgen.objects.signed_urls import UrlSigner

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Codes of a full disk, a used quota and a limit of a file's size."""
_PARTS = "~part"
_PART_STALE_S = 3600
"""Age of a part that a process left when it died: no write takes an hour."""
_NO_WORDS = frozenset({"", ".", "..", _PARTS})
"""Names that are no word of a key: a prefix with one of them has no objects."""
_LINK_TRIES = 100
"""Tries of a write; each race lost against a `delete` that removes an empty folder costs one."""


class DiskStore:
    """Object store in a folder, made if it is missing. Symbolic links below it are not followed: they count as missing."""

    def __init__(self, root: Path, *, base_url: str, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        """`base_url` is the public URL of the API, `secret` signs URLs, `clock` gives Unix seconds.

        Raises:
            ConfigurationError: the folder cannot be made or written, or the secret is short.
        """
        self._urls = UrlSigner(base_url=base_url, secret=secret, clock=clock)
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve(strict=True)
            self._parts = self._root / _PARTS
            self._parts.mkdir(exist_ok=True)
            _remove_stale(self._parts, before=time.time() - _PART_STALE_S)
        except OSError as exc:
            raise ConfigurationError(f"The object folder {root} cannot be used: {exc}") from exc

    def put(self, key: str, body: bytes, content_type: str) -> None:  # noqa: ARG002  # served by the key's suffix
        """Stores atomically and durably; an existing key stays as it is.

        Raises:
            ConfigurationError: a symbolic link, or a file, is where the key needs a folder.
        """
        checked_key(key)
        part = self._parts / secrets.token_hex(16)
        with _translated(key, missing=ObjectStoreUnavailable):
            try:
                with part.open("xb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                self._link(part, key)
            finally:
                part.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        """Returns the whole object."""
        try:
            with _translated(key):
                return self._find(key)[0].read_bytes()
        except ObjectNotFound as exc:
            if not self._parts.is_dir():  # a lost mount has no file at all
                raise ObjectStoreUnavailable(f"The object folder {self._root} is not there") from exc
            raise

    def size_of(self, key: str) -> int:
        """Returns the size of an object in bytes."""
        return self.file_of(key)[1].st_size

    def get_part(self, key: str, start: int, size_bytes: int) -> bytes:
        """Returns a part of an object."""
        with _translated(key), self._find(key)[0].open("rb") as file:
            file.seek(start)
            return checked_part(key, file.read(size_bytes), size_bytes)

    def exists(self, key: str) -> bool:
        """Returns whether the key is stored."""
        try:
            with _translated(key):
                self._find(key)
        except ObjectNotFound:
            return False
        return True

    def delete(self, key: str) -> None:
        """Removes the key and the folders that it leaves empty."""
        try:
            with _translated(key):
                path, _ = self._find(key)
                path.unlink()
        except ObjectNotFound:
            return
        for folder in path.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty, or another delete was first
                return

    def delete_many(self, keys: Iterable[str]) -> dict[str, str]:
        """Removes keys one by one; returns key → reason of those that the file system keeps."""
        kept = {}
        for key in [checked_key(key) for key in keys]:
            try:
                self.delete(key)
            except Retryable as exc:
                kept[key] = str(exc)
        return kept

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Lists all objects whose key starts with the prefix, in key order; begins in the folder that the prefix names."""
        start, _, _ = checked_prefix(prefix).rpartition("/")
        folder = self._root
        try:
            with _translated(prefix):
                for word in start.split("/") if start else ():
                    folder = folder / word
                    if word in _NO_WORDS or not S_ISDIR(folder.lstat().st_mode):
                        return iter(())
        except ObjectNotFound:
            return iter(())
        return self._walk(folder, f"{start}/" if start else "", prefix)

    def url(self, key: str, *, expires_s: int = 3600, filename: str = "") -> str:
        """Returns a pre-signed URL of the API; browsers save the file as `filename`."""
        return self._urls.url(key, expires_s=expires_s, filename=filename)

    def open_signed(self, key: str, query: Mapping[str, str]) -> SignedFile:
        """Opens the file of a URL that `url` made; checks the signature before anything else.

        Raises:
            Forbidden: absent, wrong or expired signature.
            ObjectNotFound: properly signed, but not (or no longer) stored.
        """
        grant = self._urls.check(key, query)
        with _translated(key):
            path, stat = self._find(key)
        return SignedFile(path=path, stat=stat, filename=grant.filename or path.name, expires_in_s=grant.expires_in_s)

    def file_of(self, key: str) -> tuple[Path, os.stat_result]:
        """Returns the file of a key, and its state.

        Raises:
            ObjectNotFound: it is not stored.
        """
        with _translated(key):
            return self._find(key)

    def check(self) -> str:
        """Writes, reads and deletes an object. Returns one line with the folder and its free space."""
        probe(self)
        free_gib = shutil.disk_usage(self._root).free / 2**30
        return f"disk: {self._root} ({free_gib:.1f} GiB free)"

    def _find(self, key: str) -> tuple[Path, os.stat_result]:
        """Opens a file through plain folders alone; returns it and its state."""
        *folders, name = checked_key(key).split("/")
        path = self._root
        for word in folders:
            path = path / word
            if not S_ISDIR(path.lstat().st_mode):
                raise ObjectNotFound
        path = path / name
        stat = path.lstat()
        if not S_ISREG(stat.st_mode):
            raise ObjectNotFound
        return path, stat

    def _link(self, part: Path, key: str) -> None:
        for _ in range(_LINK_TRIES):
            try:
                folder = self._make_folders(key)
                os.link(part, self._root / key)
            except FileNotFoundError:
                continue
            except FileExistsError:
                if not self.exists(key):
                    raise ConfigurationError(f"{self._root / key} is in the way: it is no plain file") from None
            # Also where another writer was first: it may have died between its link and this.
            _sync_folder(folder)
            return
        raise ObjectStoreUnavailable(f"The folder of {key} is removed again and again")

    def _make_folders(self, key: str) -> Path:
        folder = self._root
        for word in key.split("/")[:-1]:
            parent, folder = folder, folder / word
            try:
                folder.mkdir()
            except FileExistsError:
                if not S_ISDIR(folder.lstat().st_mode):
                    raise ConfigurationError(f"{folder} is in the way: it is no plain folder") from None
            else:
                _sync_folder(parent)
        return folder

    def _walk(self, folder: Path, start: str, prefix: str) -> Iterator[ObjectInfo]:
        """Walks depth first. A folder sorts as its name with `/`, so that the order is that of the whole keys."""
        for name, entry in _entries(folder):
            key = start + name
            if name == f"{_PARTS}/" or not key.startswith(prefix):
                continue
            if name.endswith("/"):
                yield from self._walk(folder / entry.name, key, prefix)
            else:
                with contextlib.suppress(FileNotFoundError):  # deleted since its folder was read
                    stat = entry.stat(follow_symlinks=False)
                    if S_ISREG(stat.st_mode):
                        yield ObjectInfo(key, stat.st_size, stat.st_mtime)


@contextlib.contextmanager
def _translated(key: str, *, missing: type[ImgenError] = ObjectNotFound) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise missing from exc
    except OSError as exc:  # a full disk, a lost mount, too many open files, rights taken away
        failure = ObjectStoreFull if exc.errno in FULL else ObjectStoreUnavailable
        raise failure(f"The object folder failed at {key}: {exc.strerror}") from exc


def _entries(folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    try:
        with _translated(str(folder)), os.scandir(folder) as entries:
            return sorted((entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries)
    except ObjectNotFound:  # removed since its parent was read
        return []


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # removed meanwhile: nothing is left to make durable
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_stale(folder: Path, *, before: float) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < before:
                    Path(entry.path).unlink()
