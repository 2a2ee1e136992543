"""C2PA: signing, reading, and what must not be believed or fetched."""

import datetime as dt
import http.server
import io
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image, PngImagePlugin

from imgen.domain import errors
from imgen.provenance import credentials, encoding
from imgen.provenance.development_chain import make_development_chain
from imgen.provenance.manifest import Manifest

MANIFEST = Manifest(
    title="Red coat",
    author="Ada",
    organization="Studio Ö",
    vendor="",
    description="A coat, red.",
    version="1.2.3",
    model="eros",
    gen_id="abcdefghij0123456789",
    created="2026-01-02T03:04:05Z",
    watermark_id="0123456789ab",
    fingerprint="f0" * 32,
)


@pytest.fixture(scope="module")
def signer(chain):
    return credentials.open_signer(chain.chain, chain.key, anchors=chain.anchor)


@pytest.fixture(scope="module")
def small(photo):
    return photo[:256, :256]


@pytest.fixture
def canary():
    """A server on loopback that writes down who asks, and answers 500: (address, requests)."""
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name http.server calls

        def log_message(self, *_):
            """Keeps the test's output clean."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(("file_format", "mime"), encoding.MIME.items())
def test_signed_file_is_trusted_and_tells_its_origin(signer, chain, small, file_format, mime):
    """In every format: trusted under our root, and all that was claimed is in the manifest."""
    signed = signer.sign(encoding.encode(small, file_format, quality=95), mime, MANIFEST)
    found = credentials.read(signed.body, mime, chain.anchor)
    assert (found.state, found.issuer, found.title) == ("Trusted", "Imgen", "Red coat")
    assert found.manifest_id == signed.manifest_id
    assert found.manifest["claim_generator_info"][0]["name"] == "Imgen"
    assert found.manifest["claim_generator_info"][0]["version"] == "1.2.3"
    assertions = [(assertion["label"], assertion["data"]) for assertion in found.manifest["assertions"]]
    actions = dict(assertions)["c2pa.actions.v2"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.created", "c2pa.watermarked"]
    assert actions[0]["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert (actions[0]["softwareAgent"], actions[0]["when"]) == ({"name": "eros"}, "2026-01-02T03:04:05Z")
    metadata = dict(assertions)["cawg.metadata"]
    assert metadata.pop("@context")
    assert metadata == {
        "dc:creator": ["Ada"],
        "dc:publisher": ["Studio Ö"],
        "dc:description": "A coat, red.",
        "dc:identifier": "abcdefghij0123456789",
    }
    bindings = [data for label, data in assertions if label.startswith("c2pa.soft-binding")]
    assert [(data["alg"], data["blocks"][0]["value"]) for data in bindings] == [
        ("imgen.dwtDctSvd.bch127", "0123456789ab"),
        ("com.facebook.pdq", "f0" * 32),
    ]


@pytest.mark.parametrize(("file_format", "mime"), encoding.MIME.items())
def test_signing_adds_little_and_changes_no_pixel(signer, small, file_format, mime):
    """No thumbnail hides in the manifest, and the picture is the same."""
    body = encoding.encode(small, file_format, quality=95)
    signed = signer.sign(body, mime, MANIFEST)
    assert len(signed.body) - len(body) < 6000
    assert np.array_equal(encoding.decode(signed.body), encoding.decode(body))


@pytest.mark.parametrize(("file_format", "mime"), encoding.MIME.items())
def test_one_changed_byte_of_the_picture_is_noticed(signer, chain, small, file_format, mime):
    """Wherever in the pixel data a bit is turned, the credentials are invalid."""
    body = encoding.encode(small, file_format, quality=95)
    signed = signer.sign(body, mime, MANIFEST).body
    for place in np.linspace(len(body) * 0.2, len(body) - 20, 12).astype(int):
        changed = bytearray(signed)
        changed[signed.index(body[place : place + 16])] ^= 1
        assert credentials.read(bytes(changed), mime, chain.anchor).state == "Invalid", place


def test_changed_manifest_is_noticed(signer, chain, small):
    """An author written over in place is not believed."""
    signed = signer.sign(encoding.encode(small, "png", quality=95), "image/png", MANIFEST).body
    assert b"A coat, red." in signed
    forged = signed.replace(b"A coat, red.", b"A coat, blue")
    assert credentials.read(forged, "image/png", chain.anchor).state == "Invalid"


def test_strangers_root_makes_it_valid_not_trusted(signer, small, tmp_path):
    """Whole but signed by nobody we know, whether other anchors are given or none."""
    make_development_chain(tmp_path)
    signed = signer.sign(encoding.encode(small, "jpeg", quality=95), "image/jpeg", MANIFEST).body
    assert credentials.read(signed, "image/jpeg", (tmp_path / "anchor.pem").read_bytes()).state == "Valid"
    assert credentials.read(signed, "image/jpeg").state == "Valid"


def test_manifest_store_is_what_the_file_holds(signer, chain, small):
    """The manifest store kept beside the picture, for the day it is stripped, says the same under the same id."""
    signed = signer.sign(encoding.encode(small, "webp", quality=95), "image/webp", MANIFEST)
    assert signed.manifest_store in signed.body
    with c2pa.Reader("application/c2pa", io.BytesIO(signed.manifest_store)) as reader:
        assert signed.manifest_id in reader.json()


@pytest.mark.parametrize(("file_format", "mime"), encoding.MIME.items())
def test_unsigned_file_has_none(small, file_format, mime):
    """No credentials is a state of its own."""
    assert credentials.read(encoding.encode(small, file_format, quality=95), mime) == credentials.Credentials(
        state="None"
    )


def test_broken_files_are_invalid_and_raise_nothing(signer, small):
    """Empty, truncated and scrambled files give a state."""
    signed = signer.sign(encoding.encode(small, "jpeg", quality=95), "image/jpeg", MANIFEST).body
    rng = np.random.default_rng(0)
    broken = [b"", b"\xff", b"hello" * 1000, signed[:100], signed[:3000], signed[: len(signed) // 2]]
    for _ in range(60):
        scrambled = np.frombuffer(signed, np.uint8).copy()
        scrambled[rng.integers(0, 8000, 40)] = rng.integers(0, 256, 40)
        broken.append(scrambled.tobytes())
    states = {credentials.read(body, "image/jpeg").state for body in broken}
    assert states <= {"Invalid", "None"}
    assert "Invalid" in states
    assert credentials.read(signed[:3000], "image/jpeg").state == "Invalid"


@pytest.mark.parametrize(("file_format", "mime"), encoding.MIME.items())
def test_remote_manifest_is_never_fetched(canary, small, file_format, mime):
    """XMP that points at a manifest elsewhere makes no request, on reading and on signing."""
    address, requests = canary
    xmp = (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}/manifest.c2pa"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
    options = {"xmp": xmp.encode()}
    if file_format == "png":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    file = io.BytesIO()
    Image.fromarray(small).save(file, file_format, **options)
    assert address.encode() in file.getvalue()
    assert credentials.read(file.getvalue(), mime).state == "None"
    assert requests == []


def test_canary_hears_the_librarys_own_defaults(canary, small):
    """The test above can fail: without our settings the same file makes the library ask."""
    address, requests = canary
    file = io.BytesIO()
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}/x"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    Image.fromarray(small).save(file, "JPEG", xmp=xmp.encode())
    with pytest.raises(c2pa.C2paError), c2pa.Context() as context:
        c2pa.Reader("image/jpeg", file, context=context)
    assert requests == ["/x"]


def test_threads_may_share_signer_and_reader(signer, chain, small):
    """Many threads sign and read at once, and each gets its own picture's credentials."""
    bodies = [encoding.encode(small[i:, i:], "jpeg", quality=90) for i in range(6)]

    def roundtrip(index):
        signed = signer.sign(bodies[index % 6], "image/jpeg", MANIFEST)
        found = credentials.read(signed.body, "image/jpeg", chain.anchor)
        return found.state == "Trusted" and found.manifest_id == signed.manifest_id

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(roundtrip, range(120)))


# ------------------------------------------------------------------ opening


def test_development_chain_keeps_its_key_to_its_owner(chain):
    """The private key cannot be read by others, and the chain ends in the anchor."""
    assert stat.S_IMODE((chain.folder / "key.pem").stat().st_mode) == 0o600
    assert chain.chain.endswith(chain.anchor)


def self_made(key, *, days=30, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION):
    """A leaf under a root of its own: (chain, PKCS #8 key)."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC) - dt.timedelta(days=60)
    unused = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )

    def certificate(subject, issuer, public_key, ca):
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer)]))
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + dt.timedelta(days=60 + days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **unused), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )

    root = certificate("Root", "Root", root_key.public_key(), ca=True).sign(root_key, hashes.SHA256())
    leaf = (
        certificate("Leaf", "Root", key.public_key(), ca=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return leaf.public_bytes(pem) + root.public_bytes(pem), key


def pem_of(key, kind=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def test_keys_of_other_kinds_and_wrappings_sign(small):
    """P-384 in OpenSSL's older wrapping and Ed25519 are accepted as they come."""
    for key, kind in (
        (ec.generate_private_key(ec.SECP384R1()), serialization.PrivateFormat.TraditionalOpenSSL),
        (ed25519.Ed25519PrivateKey.generate(), serialization.PrivateFormat.PKCS8),
    ):
        made, _ = self_made(key)
        signed = credentials.open_signer(made, pem_of(key, kind)).sign(
            encoding.encode(small, "jpeg", quality=90), "image/jpeg", MANIFEST
        )
        assert credentials.read(signed.body, "image/jpeg", made).state == "Trusted"


def bad_openings():
    ours = ec.generate_private_key(ec.SECP256R1())
    made, _ = self_made(ours)
    other = ec.generate_private_key(ec.SECP256R1())
    odd = ec.generate_private_key(ec.BrainpoolP256R1())
    return {
        "no certificate": (b"nothing", pem_of(ours), {}),
        "no key": (made, b"nothing", {}),
        "a key with a passphrase": (
            made,
            ours.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            ),
            {},
        ),
        "a key of another certificate": (made, pem_of(other), {}),
        "an expired certificate": (self_made(ours, days=-1)[0], pem_of(ours), {}),
        "a web server's certificate": (self_made(ours, usage=ExtendedKeyUsageOID.SERVER_AUTH)[0], pem_of(ours), {}),
        "a curve C2PA does not know": (self_made(odd)[0], pem_of(odd), {}),
        "strangers' anchors": (made, pem_of(ours), {"anchors": self_made(other)[0]}),
        "anchors that are none": (made, pem_of(ours), {"anchors": b"nothing"}),
        "a time-stamp authority that is no URL": (made, pem_of(ours), {"tsa_url": "time.example"}),
    }


@pytest.mark.parametrize("name", bad_openings())
def test_unfit_certificates_are_found_at_opening(name):
    """Whatever would spoil the first signature is told when the process starts, as a matter of configuration."""
    made, key, options = bad_openings()[name]
    with pytest.raises(errors.ConfigurationError):
        credentials.open_signer(made, key, **options)


def test_what_is_no_picture_cannot_be_signed(signer):
    """The job that made it fails for good instead of being tried again."""
    for body, mime in ((b"text", "image/jpeg"), (b"text", "text/plain")):
        with pytest.raises(errors.ModelError):
            signer.sign(body, mime, MANIFEST)


def test_signer_made_after_fork_signs(chain, small, tmp_path):
    """Child processes that open their own signer after a parent has used the library sign as usual."""
    (tmp_path / "picture.jpg").write_bytes(encoding.encode(small, "jpeg", quality=90))
    program = """
import os, sys, pathlib
from imgen.provenance import credentials
from imgen.provenance.manifest import Manifest
folder, picture = map(pathlib.Path, sys.argv[1:])
pem = {name: (folder / f"{name}.pem").read_bytes() for name in ("chain", "key", "anchor")}
manifest = Manifest(version="1", model="m", gen_id="g", created="2026-01-01T00:00:00Z", watermark_id="", fingerprint="")
def work():
    signer = credentials.open_signer(pem["chain"], pem["key"], anchors=pem["anchor"])
    signed = signer.sign(picture.read_bytes(), "image/jpeg", manifest)
    return credentials.read(signed.body, "image/jpeg", pem["anchor"]).state
assert work() == "Trusted"
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if work() == "Trusted" else 1)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""
    arguments = [sys.executable, "-c", program, str(chain.folder), str(tmp_path / "picture.jpg")]
    assert subprocess.run(arguments, timeout=60, check=False).returncode == 0


def test_damaged_credentials_are_a_state_and_have_reasons(signer, chain, small):
    """Two hundred signed files with damaged credentials: each is read without an error, and what is invalid says why."""
    signed = signer.sign(encoding.encode(small, "jpeg", quality=90), "image/jpeg", MANIFEST)
    size = len(signed.manifest_store)
    rng = np.random.default_rng(0)
    reasons = set()
    for _ in range(200):
        scrambled = np.frombuffer(signed.body, np.uint8).copy()
        scrambled[rng.integers(20, size, 3)] = rng.integers(0, 256, 3)
        found = credentials.read(scrambled.tobytes(), "image/jpeg", chain.anchor)
        assert found.state in {"Invalid", "Valid", "Trusted", "None"}
        assert bool(found.problems) == (found.state in {"Invalid", "Valid"})
        reasons |= {problem.reason for problem in found.problems}
    assert len(reasons) > 5
