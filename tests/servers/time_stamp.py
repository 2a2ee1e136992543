"""Time-stamp authority (RFC 3161) over HTTP on loopback, with a certificate of its own; it can stall, refuse and lie.

DER is written by hand: `cryptography` makes no CMS of this content type.
"""

import contextlib
import datetime as dt
import hashlib
import http.server
import threading
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2 = (
    "1.2.840.113549.1.9.3",
    "1.2.840.113549.1.9.4",
    "1.2.840.113549.1.9.16.2.47",
)
SHA256, ECDSA_SHA256, POLICY = "2.16.840.1.101.3.4.2.1", "1.2.840.10045.4.3.2", "1.3.6.1.4.1.99999.1"


def der(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


def sequence(*parts):
    return der(0x30, *parts)


def integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value):
    return der(0x04, value)


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 127]
        while arc := arc >> 7:
            groups.append(arc & 127 | 128)
        body += bytes(reversed(groups))
    return der(0x06, body)


def attribute(name, value):
    return sequence(oid(name), der(0x31, value))


def children(body):
    """Yields (tag, content, whole element) of the elements in a DER body."""
    at = 0
    while at < len(body):
        size, start = body[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(body[start : start + count], "big"), start + count
        yield body[at], body[start : start + size], body[at : start + size]
        at = start + size


@dataclass
class Authority:
    """Running authority. `habit` is `answer`, `stall`, `error`, `refuse`, `garbage` or `other` (a time-stamp of other bytes)."""

    url: str = ""
    habit: str = "answer"
    asked: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    certificate: x509.Certificate = field(init=False)
    root: x509.Certificate = field(init=False)

    def __post_init__(self):
        root_key = ec.generate_private_key(ec.SECP256R1())
        start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        usage = dict.fromkeys(
            (
                "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
                "decipher_only",
            ),
            False,
        )  # fmt: skip

        def certificate(subject, key, *, ca):
            return (
                x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject)]))
                .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Clock root")]))
                .public_key(key.public_key())
                .serial_number(7 + ca)
                .not_valid_before(start)
                .not_valid_after(start + dt.timedelta(days=30))
                .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
                .add_extension(
                    x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True
                )
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
                )
            )

        self.root = certificate("Clock root", root_key, ca=True).sign(root_key, hashes.SHA256())
        stamps = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        leaf = certificate("Clock", self.key, ca=False).add_extension(stamps, critical=True)
        self.certificate = leaf.sign(root_key, hashes.SHA256())

    def answer(self, request):
        """Returns a TimeStampResp for a TimeStampReq."""
        ((_, content, _),) = children(request)
        _, imprint, *options = children(content)
        nonce = b"".join(element for tag, _, element in options if tag == 0x02)
        made = imprint[2] if self.habit != "other" else sequence(sequence(oid(SHA256)), octets(bytes(32)))
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%d%H%M%SZ").encode()
        info = sequence(integer(1), oid(POLICY), made, integer(99), der(0x18, now), nonce)
        return sequence(sequence(integer(0)), self._signed_data(info))

    def _signed_data(self, info):
        certificate = self.certificate.public_bytes(serialization.Encoding.DER)
        sha256 = sequence(oid(SHA256))
        essential = sequence(sequence(sequence(octets(hashlib.sha256(certificate).digest()))))
        attributes = sorted(
            [
                attribute(CONTENT_TYPE, oid(TST_INFO)),
                attribute(MESSAGE_DIGEST, octets(hashlib.sha256(info).digest())),
                attribute(SIGNING_CERTIFICATE_V2, essential),
            ]
        )
        signature = self.key.sign(der(0x31, *attributes), ec.ECDSA(hashes.SHA256()))
        issuer = sequence(self.certificate.issuer.public_bytes(), integer(self.certificate.serial_number))
        signer = sequence(
            integer(1), issuer, sha256, der(0xA0, *attributes), sequence(oid(ECDSA_SHA256)), octets(signature)
        )
        content = sequence(oid(TST_INFO), der(0xA0, octets(info)))
        chain = der(0xA0, certificate, self.root.public_bytes(serialization.Encoding.DER))
        data = sequence(integer(3), der(0x31, sha256), content, chain, der(0x31, signer))
        return sequence(oid(SIGNED_DATA), der(0xA0, data))


@contextlib.contextmanager
def running():
    """Runs an authority for the length of a block; what stalls is let go at its end."""
    authority = Authority()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            authority.asked += 1
            request = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.habit == "stall":
                authority.stalled.set()
                authority.released.wait(30)
                return
            bodies = {"refuse": sequence(sequence(integer(2))), "garbage": b"no time-stamp"}
            body = bodies.get(authority.habit) or authority.answer(request)
            self.send_response(500 if authority.habit == "error" else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Keeps the test's output clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority.url = f"http://127.0.0.1:{server.server_port}/tsa"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        authority.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
