"""C2PA: signing, reading, and what must not be believed or fetched."""

import io

import c2pa
import numpy as np
import pytest
from factories import make_manifest
from PIL import Image, PngImagePlugin

from imgen.provenance import credentials, encoding
from imgen.provenance.development_chain import make_development_chain

MANIFEST = make_manifest(
    title="Red coat", author="Ada", organization="Studio Ö", description="A coat, red.", version="1.2.3"
)


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
        ("internal.imgen.dwtDctSvd.bch127", "0123456789ab"),
        ("internal.imgen.pdq", "f0" * 32),
    ]


@pytest.mark.parametrize("domain", ["imgen", "com.facebook"])
def test_pictures_with_the_names_of_before_read_as_they_did(signer, chain, small, domain):
    """`imgen.dwtDctSvd.bch127` and `com.facebook.pdq`, under which earlier versions signed, are as good as today's."""
    body = encoding.encode(small, "jpeg", quality=90)
    signed = signer.sign(body, "image/jpeg", make_manifest(algorithm_domain=domain))
    found = credentials.read(signed.body, "image/jpeg", chain.anchor)
    names = [one["data"]["alg"] for one in found.manifest["assertions"] if one["label"].startswith("c2pa.soft-binding")]
    assert (found.state, names) == ("Trusted", [f"{domain}.dwtDctSvd.bch127", f"{domain}.pdq"])


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
