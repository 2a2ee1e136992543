"""AWS KMS as far as `Sign` goes: JSON 1.1 over HTTP, with real keys. Checks each request's Signature Version 4 itself."""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import threading
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

ACCESS_KEY_ID, SECRET, REGION = "AKIDKMSTEST", "kms+secret/key", "eu-central-1"
ENVIRON = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
"""Environment of a client that may sign, and looks for credentials nowhere else."""
ARN = "arn:aws:kms:eu-central-1:111122223333:key/"
DIGESTS = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {"ECDSA_SHA_256": "secp256r1", "ECDSA_SHA_384": "secp384r1", "ECDSA_SHA_512": "secp521r1"}


class Refusal(Exception):
    """Error of KMS, with its code."""


@dataclass
class Kms:
    """Running server. `habits` are taken one for each request, the last one for good: `answer`, a code of an error, `break`."""

    url: str = ""
    keys: dict = field(default_factory=dict)
    aliases: dict = field(default_factory=dict)
    habits: list = field(default_factory=lambda: ["answer"])
    asked: list = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    together: threading.Barrier | None = None
    """Number of requests that are answered only once all of them are there."""

    def __post_init__(self):
        self.gate.set()

    def add(self, key, name, *, alias=""):
        """Adds a private key; returns the URI of it, by its ARN or its alias."""
        self.keys[ARN + name] = key
        if alias:
            self.aliases[f"alias/{alias}"] = ARN + name
            return f"awskms:///alias/{alias}"
        return f"awskms:///{ARN}{name}"

    def sign(self, request):
        """Answers one `Sign`."""
        key_id = self.aliases.get(request["KeyId"], request["KeyId"])
        key = self.keys.get(key_id)
        if key is None:
            raise Refusal("NotFoundException")
        message = base64.b64decode(request["Message"])
        algorithm, is_digest = request["SigningAlgorithm"], request["MessageType"] == "DIGEST"
        if len(message) > 4096:
            raise Refusal("ValidationException")
        if isinstance(key, ed25519.Ed25519PrivateKey) and algorithm == "ED25519_SHA_512":
            if is_digest:
                raise Refusal("ValidationException")
            made = key.sign(message)
        else:
            digest = DIGESTS[algorithm[-3:]]
            if not is_digest or len(message) != digest.digest_size:
                raise Refusal("ValidationException")
            if isinstance(key, ec.EllipticCurvePrivateKey) and CURVES.get(algorithm) == key.curve.name:
                made = key.sign(message, ec.ECDSA(Prehashed(digest)))
            elif isinstance(key, rsa.RSAPrivateKey) and algorithm.startswith("RSASSA_PSS"):
                made = key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), Prehashed(digest))
            else:
                raise Refusal("InvalidKeyUsageException")
        return {"KeyId": key_id, "Signature": base64.b64encode(made).decode(), "SigningAlgorithm": algorithm}


def signature_of(handler, body):
    """Computes a request's Signature Version 4, and returns it with the one that it has."""
    scheme, _, fields = handler.headers["Authorization"].partition(" ")
    named = dict(one.strip().split("=", 1) for one in fields.split(","))
    access_key_id, day, region, service, end = named["Credential"].split("/")
    assert (scheme, access_key_id, region, service) == ("AWS4-HMAC-SHA256", ACCESS_KEY_ID, REGION, "kms")
    signed = named["SignedHeaders"].split(";")
    assert {"host", "x-amz-date", "x-amz-target"} <= set(signed)
    lines = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in signed)
    canonical = f"POST\n{handler.path}\n\n{lines}\n{named['SignedHeaders']}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{region}/{service}/{end}"
    text = f"{scheme}\n{handler.headers['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, end, text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex(), named["Signature"]


@contextlib.contextmanager
def running():
    """Runs a KMS for the length of a block; requests that wait are let go at its end."""
    kms = Kms()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # the answer's body would wait 40 ms for an acknowledgement of its head

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            habit = kms.habits.pop(0) if len(kms.habits) > 1 else kms.habits[0]
            kms.asked.append(json.loads(body))
            kms.gate.wait(30)
            if habit == "break":
                self.close_connection = True
                return
            try:
                self._send(200, self._answer(habit, body))
            except Refusal as exc:
                code = str(exc)
                self._send(500 if code == "KMSInternalException" else 400, {"__type": code, "message": f"{code} here"})

        def _answer(self, habit, body):
            computed, given = signature_of(self, body)
            if not hmac.compare_digest(computed, given):
                raise Refusal("InvalidSignatureException")
            assert self.headers["X-Amz-Target"] == "TrentService.Sign"
            if habit != "answer":
                raise Refusal(habit)
            if kms.together is not None:
                kms.together.wait(10)
            return kms.sign(json.loads(body))

        def _send(self, status, answer):
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_):
            """Keeps the test's output clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kms.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield kms
    finally:
        kms.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
