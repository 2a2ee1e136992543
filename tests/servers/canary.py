"""Server on loopback that nobody may reach: counts connections, whatever is sent; over TLS if it has a certificate."""

import datetime as dt
import ipaddress
import re
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server, has_dualstack_ipv6, socket

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Canary:
    """Its port, and the requests that it heard."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Names of TLS's server name indication."""


@contextmanager
def start_canary(tls: ssl.SSLContext | None = None) -> Iterator[Canary]:
    """Listens on every address of this machine for the length of the block; answers 204."""
    family = AF_INET6 if has_dualstack_ipv6() else AF_INET
    with create_server(("", 0), family=family, dualstack_ipv6=family == AF_INET6) as listener:
        canary = Canary(listener.getsockname()[1])
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: canary.names.append(name)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_answer, args=(connection, tls, canary), daemon=True).start()

        listening = threading.Thread(target=serve)
        listening.start()
        try:
            yield canary
        finally:
            with suppress(OSError):
                listener.shutdown(2)
    listening.join()


def _answer(connection: socket, tls: ssl.SSLContext | None, canary: Canary) -> None:
    canary.heard.append(b"")
    place = len(canary.heard) - 1
    with suppress(OSError), connection:
        connection.settimeout(10)
        spoken = tls.wrap_socket(connection, server_side=True) if tls else connection
        with spoken:
            canary.heard[place] = _request(spoken)
            spoken.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")


def _request(spoken: socket) -> bytes:
    """Reads a whole request: a connection that is closed over unread bytes is reset, and its answer lost."""
    heard = b""
    while (chunk := spoken.recv(65536)) != b"":
        heard += chunk
        head, end, body = heard.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if end and len(body) >= (int(length[1]) if length else 0):
            break
    return heard


def make_tls(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate for these names, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    alternatives = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=pem.decode())
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_bytes(pem + private)
        server.load_cert_chain(both)
    return server, client
