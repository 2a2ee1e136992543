"""Starts OpenStack Swift with its S3 front: a real object server that checks signatures. Run as a program, it is that server.

One child process holds the proxy, account, container and object servers on ports of 127.0.0.1 that the kernel picks. Objects
live in memory (`egg:swift#mem_object`), so no file system with extended attributes is needed; listings live in SQLite files.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 90
_SERVERS = ("account", "container", "object")

_SWIFT_CONF = """
[swift-hash]
swift_hash_path_suffix = imgen
swift_hash_path_prefix = tests
[storage-policy:0]
name = only
default = yes
"""

_BACKEND_CONF = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
[app:main]
use = egg:swift#{program}
"""

_PROXY_CONF = """
[DEFAULT]
swift_dir = {folder}
bind_ip = 127.0.0.1
bind_port = {port}
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth copy dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = {region}
allow_multipart_uploads = false
max_bucket_listing = {page_keys}
storage_domain = {storage_domain}
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:dlo]
use = egg:swift#dlo
"""


@dataclass(frozen=True)
class S3Server:
    """Address of a running Swift, and its signer."""

    endpoint_url: str
    region: str = "eu-test-1"
    access_key_id: str = "test:tester"
    secret_access_key: str = "testing-secret"
    storage_domain: str = "s3.localhost"
    """`<bucket>.s3.localhost` in the Host header addresses a bucket as well."""
    page_keys: int = 10
    """Number of keys in a listing before its client must ask again."""


@contextmanager
def start_swift(folder: Path) -> Iterator[S3Server]:
    """Runs Swift with its files under `folder` for the length of the block.

    Raises:
        RuntimeError: it did not answer in time or ended; its own words follow.
    """
    log = folder / "swift.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "servers.swift", str(folder)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        timer = threading.Timer(START_TIMEOUT_S, process.kill)
        timer.start()
        port = process.stdout.readline().strip()
        timer.cancel()
        if not port:
            raise RuntimeError(f"Swift did not start: {log.read_text()[-2000:]}")
        yield S3Server(endpoint_url=f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _serve(folder: Path) -> None:
    """The child: four WSGI servers as green threads of one process, until the parent is gone."""
    import eventlet
    from eventlet import wsgi
    from swift.common import utils
    from swift.common import wsgi as swift_wsgi

    parent_pid = os.getppid()
    utils.monkey_patch()
    (folder / "swift.conf").write_text(_SWIFT_CONF)
    (folder / "devices" / "memory").mkdir(parents=True)
    utils.set_swift_dir(str(folder))
    sockets = {name: eventlet.listen(("127.0.0.1", 0)) for name in (*_SERVERS, "proxy")}
    for name in _SERVERS:
        _save_ring(folder, name, sockets[name].getsockname()[1])
    for name, listener in sockets.items():
        conf = folder / f"{name}.conf"
        fields = {"folder": folder, "port": listener.getsockname()[1], "program": name.replace("object", "mem_object")}
        conf.write_text(_BACKEND_CONF.format(**fields) if name in _SERVERS else _proxy_conf(fields))
        application = swift_wsgi.loadapp(str(conf))
        eventlet.spawn(
            wsgi.server,
            listener,
            application,
            swift_wsgi.NullLogger(),
            protocol=swift_wsgi.SwiftHttpProtocol,
            capitalize_response_headers=False,  # boto3 wants `ETag`, not `Etag`
            socket_timeout=60,
        )
    print(sockets["proxy"].getsockname()[1], flush=True)
    while os.getppid() == parent_pid:
        eventlet.sleep(0.5)


def _proxy_conf(fields: dict[str, object]) -> str:
    server = S3Server(endpoint_url="")
    account, user = server.access_key_id.split(":")
    return _PROXY_CONF.format(
        **fields,
        region=server.region,
        storage_domain=server.storage_domain,
        page_keys=server.page_keys,
        account=account,
        user=user,
        secret=server.secret_access_key,
    )


def _save_ring(folder: Path, name: str, port: int) -> None:
    from swift.common.ring import RingBuilder

    builder = RingBuilder(1, 1, 0)  # two partitions, one replica, no waiting between moves
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "memory", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{name}.ring.gz"))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
