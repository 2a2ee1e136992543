"""Both object stores over real servers: disk behind uvicorn, S3 behind OpenStack Swift."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx2
import pytest
from botocore.config import Config
from servers.asgi import start_asgi
from servers.swift import S3Server, start_swift
from starlette.applications import Starlette
from starlette.routing import Mount

from imgen.objects import ObjectStore
from imgen.objects.disk import DiskStore
from imgen.objects.s3 import S3Store
from imgen.objects.s3_client import S3Options
from imgen.surfaces.files import file_routes

BUCKET = "imgen-tests"


@dataclass(frozen=True)
class Place:
    """One empty place to store in. `open` gives a store on it, with another clock or another secret if asked."""

    open: Callable[..., ObjectStore]
    name: str


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running Swift with an empty bucket named BUCKET."""
    with start_swift(tmp_path_factory.mktemp("swift")) as server:
        admin(server).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": server.region})
        yield server


def admin(server: S3Server):
    """A plain boto3 client, to arrange and to look behind our store's back."""
    return boto3.session.Session(server.access_key_id, server.secret_access_key, region_name=server.region).client(
        "s3", endpoint_url=server.endpoint_url, config=Config(signature_version="s3v4", s3={"addressing_style": "path"})
    )


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    """Plain client of addresses."""
    with httpx2.Client(trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def s3_admin(s3_server: S3Server):
    return admin(s3_server)


@pytest.fixture
def s3_options(s3_server: S3Server) -> Callable[..., S3Options]:
    """Makes options for the bucket under a prefix that is this test's own; anything may be said differently."""
    defaults = {
        "bucket": BUCKET,
        "access_key_id": s3_server.access_key_id,
        "secret_access_key": s3_server.secret_access_key,
        "region": s3_server.region,
        "endpoint_url": s3_server.endpoint_url,
        "addressing": "path",
        "prefix": f"test-{secrets.token_hex(4)}",
    }
    return lambda **changes: S3Options(**{**defaults, **changes})


@pytest.fixture(scope="session")
def disk_server() -> Iterator[tuple[str, Starlette]]:
    """A running API with no routes yet: its URL and itself. One for all tests, as uvicorn takes 0.2 s to stop."""
    app = Starlette()
    with start_asgi(lambda _: app) as url:
        yield url, app


@pytest.fixture
def disk_place(tmp_path: Path, disk_server: tuple[str, Starlette]) -> Place:
    url, app = disk_server
    root, name, secret = tmp_path / "objects", secrets.token_hex(4), secrets.token_bytes(32)

    def open_store(*, wrong_secret: bool = False, clock: Callable[[], float] = time.time) -> DiskStore:
        chosen = secret[::-1] if wrong_secret else secret
        return DiskStore(root, base_url=f"{url}/{name}", secret=chosen, clock=clock)

    app.router.routes.append(Mount(f"/{name}", routes=file_routes(open_store())))
    return Place(open=open_store, name=str(root))


@pytest.fixture
def s3_place(s3_options: Callable[..., S3Options]) -> Place:
    options = s3_options()

    def open_store(*, wrong_secret: bool = False, clock: Callable[[], float] = time.time) -> S3Store:
        secret = options.secret_access_key[::-1] if wrong_secret else options.secret_access_key
        chosen = s3_options(prefix=options.prefix, secret_access_key=secret)
        return S3Store(chosen, clock=clock, read_timeout_s=120)  # Swift deletes a thousand keys one by one

    return Place(open=open_store, name=BUCKET)


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    """Every implementation in turn."""
    return request.getfixturevalue(f"{request.param}_place")


@pytest.fixture
def store(place: Place) -> ObjectStore:
    return place.open()
