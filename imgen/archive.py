"""Archive of an installation: a tar file with the SQLite database, the disk store and the operator's own files.

`imgen backup` writes it while the service runs; `imgen restore` reads it into a new data folder. Redis, logs and sockets are left
out: they are made anew. PostgreSQL and S3 have tools of their own, which the list of missing parts names. It is not compressed,
because pictures are.
"""

import contextlib
import io
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct, json

from imgen import __version__, settings
from imgen.configuration import load_catalog
from imgen.domain.errors import ConfigurationError, Invalid
from imgen.provenance.signing_keys import way_of
from imgen.records.database_url import parse_url
from imgen.settings import DEFAULT_CONFIG, Settings

ABOUT, DATABASE, DATA, OBJECTS, END = "imgen-backup.json", "imgen.db", "data", "objects", "imgen-backup.end"
"""Members of the archive: its description, which comes first, the database, the data folder, the disk store, and its end, without
which it was cut off."""
MEMBERS = {(DATABASE,), (DATA,), (OBJECTS,)}
MADE_ANEW = frozenset({"redis", "logs", "embedder", "up.lock", "imgen.db", "imgen.db-wal", "imgen.db-shm", "objects"})
"""Names in the data folder that are no part of `data/`: left out, or members of their own."""
FORMAT = 1
STORE_PARTS = "~part"
"""Folder of unfinished writes in the disk store."""


class About(Struct, frozen=True, kw_only=True):
    """Description of an archive."""

    format: int = FORMAT
    version: str = __version__
    made_at: float
    missing: tuple[str, ...]
    """Parts that a restore needs and the archive does not hold, each with the way to save it."""


def write_archive(loaded: Settings, path: Path) -> About:
    """Writes the archive aside and renames it; readable by its owner alone, because it holds keys.

    The database is copied first: each picture that it names is stored already.

    Raises:
        Invalid: the file exists already.
    """
    if path.exists():
        raise Invalid(f"{path} exists already")
    about = About(made_at=time.time(), missing=tuple(_missing(loaded)))
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.touch(mode=0o600)
        with tarfile.open(aside, "w") as tar:
            _add_member(tar, ABOUT, json.encode(about))
            if (database := sqlite_file(loaded)) is not None:
                _add_database(tar, database)
            for file in _files(loaded.data_dir, skip=MADE_ANEW | {aside.name}):
                _add_file(tar, file, f"{DATA}/{file.relative_to(loaded.data_dir).as_posix()}")
            if (objects := disk_folder(loaded)) is not None:
                for file in _files(objects, skip=frozenset({STORE_PARTS})):
                    _add_file(tar, file, f"{OBJECTS}/{file.relative_to(objects).as_posix()}")
            _add_member(tar, END, b"")
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
    return about


def read_archive(path: Path, data_dir: Path) -> About:
    """Restores an archive into a data folder that is missing or empty. A broken archive leaves nothing behind.

    Raises:
        Invalid: the file is no archive of ours or broken, or something stands where it would be restored.
    """
    if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
        raise Invalid(f"{data_dir} is not empty; restore into a new folder with --data")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{data_dir.name}.", dir=data_dir.parent) as folder:
        aside = Path(folder)
        about = _extract(path, aside)
        restored = aside / DATA
        restored.mkdir(exist_ok=True)
        loaded = settings.load(restored)
        places = {aside / DATABASE: sqlite_file(loaded), aside / OBJECTS: disk_folder(loaded)}
        for source, place in places.items():
            if not source.exists():
                continue
            if place is None:
                raise Invalid(f"The archive has {source.name}, but the settings in it name another store")
            if place.exists():
                raise Invalid(f"{place} exists already")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, place)
        if data_dir.exists():
            data_dir.rmdir()
        restored.rename(data_dir)
    return about


def sqlite_file(loaded: Settings) -> Path | None:
    """Returns the file of the SQLite database; None: the database is a server's."""
    url = parse_url(loaded.database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def disk_folder(loaded: Settings) -> Path | None:
    """Returns the folder of the disk store; None: pictures are elsewhere."""
    if loaded.objects.store != "disk":
        return None
    return Path(loaded.objects.folder) if loaded.objects.folder else loaded.data_dir / OBJECTS


def _missing(loaded: Settings) -> Iterator[str]:
    if sqlite_file(loaded) is None:
        url = parse_url(loaded.database_url)
        yield f"the database: pg_dump --format=custom --host {url.host or 'localhost'} {url.database} > imgen.dump"
    if loaded.objects.store == "s3":
        yield f"the pictures: aws s3 sync s3://{loaded.objects.s3.bucket}/{loaded.objects.s3.prefix} FOLDER"
    credentials = loaded.credentials
    for name in ("certificate_chain", "private_key", "trust_anchors"):
        file = getattr(credentials, name)
        if file and not way_of(file) and not Path(file).resolve().is_relative_to(loaded.data_dir):
            yield f"{file} ([credentials] {name})"
    if loaded.config_dir != DEFAULT_CONFIG:
        yield f"{loaded.config_dir} (IMGEN_CONFIG)"
    with contextlib.suppress(ConfigurationError):  # a wrong file is saved as it is
        for model in load_catalog(loaded).models.values():
            source = Path(model.source)
            if source.is_absolute() and not source.is_relative_to(loaded.data_dir):
                yield f"{source} (model {model.key})"


def _files(folder: Path, *, skip: frozenset[str]) -> Iterator[Path]:
    """Yields the regular files below a folder, without those whose first name is skipped. Links to files are followed."""
    for top in sorted(folder.iterdir()) if folder.is_dir() else ():
        if top.name not in skip:
            yield from (path for path in ([top] if top.is_file() else sorted(top.rglob("*"))) if path.is_file())


def _add_database(tar: tarfile.TarFile, database: Path) -> None:
    """Adds a consistent copy, made while others write (SQLite's backup interface)."""
    if not database.is_file():
        raise Invalid(f"There is no database {database}; give the data folder with --data")
    with tempfile.TemporaryDirectory(prefix="imgen-backup-") as folder:
        copy = Path(folder) / DATABASE
        with (
            contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        _add_file(tar, copy, DATABASE)


def _add_file(tar: tarfile.TarFile, file: Path, name: str) -> None:
    """Adds a file with its mode; one that retention has just deleted is passed over."""
    with contextlib.suppress(FileNotFoundError), file.open("rb") as body:
        info = tar.gettarinfo(arcname=name, fileobj=body)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        tar.addfile(info, body)


def _add_member(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(body), 0o600, int(time.time())
    tar.addfile(info, io.BytesIO(body))


def _extract(path: Path, folder: Path) -> About:
    """Extracts the members of an archive into a folder.

    Raises:
        Invalid: the archive is broken, cut off or not ours.
    """
    try:
        with tarfile.open(path) as tar:
            about = _read_about(tar)
            while (member := tar.next()) is not None:
                if member.name == END:
                    break
                _extract_file(tar, member, folder)
            else:
                raise Invalid(f"{path} is cut off: its end is missing")
    except (tarfile.TarError, EOFError, ValueError) as exc:
        raise Invalid(f"{path} is broken or no backup: {exc}") from exc
    _check_database(folder / DATABASE, path)
    return about


def _read_about(tar: tarfile.TarFile) -> About:
    first = tar.next()
    body = tar.extractfile(first) if first is not None and first.name == ABOUT and first.isreg() else None
    if body is None:
        raise ValueError(f"its first entry is not {ABOUT}")
    about = json.decode(body.read(), type=About)
    if about.format != FORMAT:
        raise ValueError(f"format {about.format} is of another version of Imgen")
    return about


def _extract_file(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Extracts one regular file, which cannot leave the folder: Python before 3.11.4 has no extraction filters."""
    parts = PurePosixPath(member.name).parts
    source = tar.extractfile(member) if member.isreg() else None
    if source is None or parts[:1] not in MEMBERS or ".." in parts:
        raise ValueError(f"no backup has an entry {member.name!r}")
    place = folder.joinpath(*parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    with source, place.open("xb") as file:
        shutil.copyfileobj(source, file)
    place.chmod(member.mode & 0o777)


def _check_database(file: Path, path: Path) -> None:
    if file.exists():
        with contextlib.closing(sqlite3.connect(file)) as connection:
            try:
                answer = connection.execute("PRAGMA quick_check").fetchone()[0]
            except sqlite3.DatabaseError as exc:
                answer = str(exc)
        if answer != "ok":
            raise Invalid(f"The database in {path} is broken: {answer}")
