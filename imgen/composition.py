"""Parts that both composition roots (imgen/app.py, workers/app.py) build from settings in the same way."""

import contextlib
import logging
import sys
from pathlib import Path
from typing import TextIO, cast

import structlog

from imgen.domain.errors import ConfigurationError
from imgen.objects import ObjectStore
from imgen.objects.disk import DiskStore
from imgen.records import installation
from imgen.records.database import Database
from imgen.settings import Settings
from imgen.settings.sections import Logs


def open_database(settings: Settings) -> Database:
    """The truth, with its schema as it is; `imgen migrate` and `imgen up` bring it up to date."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database(settings.database_url, pool_size=settings.database.pool_size)


def open_disk(settings: Settings, database: Database) -> ObjectStore:
    """Files in a folder, served by the API at signed addresses."""
    folder = Path(settings.objects.folder) if settings.objects.folder else settings.data_dir / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    return DiskStore(folder, base_url=settings.public_url, secret=installation.secret(database, installation.DISK))


def open_s3(settings: Settings, _database: Database) -> ObjectStore:
    """A bucket."""
    from imgen.objects.s3 import S3Store  # boto3 takes 0.4 s and 25 MB
    from imgen.objects.s3_client import S3Options

    s3 = settings.objects.s3
    return S3Store(
        S3Options(
            endpoint_url=s3.endpoint_url,
            public_endpoint_url=s3.public_endpoint_url,
            region=s3.region,
            bucket=s3.bucket,
            access_key_id=s3.access_key_id,
            secret_access_key=s3.secret_access_key.get_secret_value(),
            addressing=s3.addressing,
            prefix=s3.prefix,
        )
    )


OBJECT_STORES = {"disk": open_disk, "s3": open_s3}


def open_objects(settings: Settings, database: Database) -> ObjectStore:
    """The configured object store."""
    opener = OBJECT_STORES.get(settings.objects.store)
    if opener is None:
        raise ConfigurationError(f"[objects] store is {settings.objects.store!r}; there are {', '.join(OBJECT_STORES)}")
    return opener(settings, database)


def prepare_credentials(settings: Settings) -> None:
    """Makes the development chain if no certificate is configured and none is there yet.

    Called by every command that starts a part, so that the anchor is there before the first picture is signed.
    """
    folder = settings.data_dir / "credentials"
    if not settings.credentials.certificate_chain and not (folder / "chain.pem").exists():
        from imgen.provenance.development_chain import make_development_chain  # cryptography takes 0.1 s and 9 MB

        make_development_chain(folder)


def trust_anchors(settings: Settings) -> bytes:
    """PEM of the certificates that our own reading trusts: the configured ones, else the development chain's."""
    configured = settings.credentials.trust_anchors
    path = Path(configured) if configured else settings.data_dir / "credentials" / "anchor.pem"
    return path.read_bytes() if path.is_file() else b""


class _Unfailing:
    """Stream whose errors are dropped: a request must not fail because the log's disk is full or its stream is closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure_logs(logs: Logs) -> None:
    """Logs to stderr: text for people, or a JSON object a line."""
    renderer = structlog.processors.JSONRenderer() if logs.json_lines else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[logs.level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True
    )
