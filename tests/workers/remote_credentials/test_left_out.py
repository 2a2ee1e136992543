"""Credentials of a remote engine's picture that are forged, broken, too large, listed or elsewhere: they spoil no picture."""

import io
import struct
import zlib

import numpy as np
import pytest
import structlog
from PIL import Image
from servers.faulty_http import answer, start_faulty_http
from servers.image_engine import pictures, png
from signed_elsewhere import CREATED, MARKED, actions, finished, noise, theirs

from imgen.provenance import encoding, history
from imgen.provenance.fingerprint import fingerprint


def test_forged_credentials_spoil_no_picture(resources, provider, server):
    """Pixels that the provider never signed are told as the ingredient's failure."""
    body = theirs(provider).body
    start = body.rindex(b"IDAT") - 4
    length = int.from_bytes(body[start : start + 4], "big")
    data = _recoloured(body[start + 8 : start + 8 + length])
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    forged = body[:start] + chunk + body[start + 12 + length :]
    server.script.append(pictures(forged))
    (parent,) = finished(resources)["ingredients"]
    failed = [one["code"] for one in parent["validation_results"]["activeManifest"]["failure"]]
    assert "assertion.dataHash.mismatch" in failed


def _recoloured(data):
    """The pixels of an IDAT, each byte but a row's filter made darker."""
    raw = bytearray(zlib.decompress(data))
    raw[1] ^= 1
    return zlib.compress(bytes(raw))


@pytest.mark.parametrize("content", [b"\0\0\0\x10jumbc2pa", b"\0\0\0\x20jumb" + b"\xff" * 200, b""])
def test_credentials_that_cannot_be_read_are_told_and_left_out(resources, server, content):
    """The picture is a drawing by its own credentials, and the log says that the engine's were left out."""
    chunk = struct.pack(">I", len(content)) + b"caBX" + content
    chunk += struct.pack(">I", zlib.crc32(b"caBX" + content))
    plain = png((256, 256))
    server.script.append(pictures(plain[:33] + chunk + plain[33:]))
    with structlog.testing.capture_logs() as logs:
        manifest = finished(resources)
    assert actions(manifest) == [CREATED, MARKED]
    assert [one for one in logs if "cannot be kept" in one["event"]]


def test_credentials_of_five_megabytes_are_left_out(resources, provider, server):
    """All that is made from the picture would carry them on; it is a drawing by its own credentials."""
    large = encoding.encode(noise(1500, 1200), "png", quality=100)
    thumbnail = history.Ingredient(label=history.SOURCE, relationship="parentOf", thumbnail=large)
    manifest = {"actions": (history.OPENED, history.WATERMARKED), "ingredients": (thumbnail,)}
    signed = theirs(provider, **manifest)
    assert len(signed.manifest_store) > 5_000_000
    server.script.append(pictures(signed.body))
    assert actions(finished(resources)) == [CREATED, MARKED]


def test_credentials_with_a_listed_picture_are_left_out(resources, provider, server):
    """A thumbnail within them is on a match list: nobody gets it, and the job completes."""
    hidden = encoding.encode(noise(400, 300), "jpeg", quality=90)
    thumbnail = history.Ingredient(label=history.SOURCE, relationship="parentOf", thumbnail=hidden)
    body = encoding.encode(noise(256, 256), "png", quality=100)  # of one colour it would be like any other
    signed = theirs(provider, body=body, actions=(history.OPENED, history.WATERMARKED), ingredients=(thumbnail,))
    folder = resources.settings.data_dir / "matches"
    folder.mkdir()
    with Image.open(io.BytesIO(hidden)) as image:
        (folder / "list.csv").write_text(fingerprint(np.asarray(image)).hash)
    server.script.append(pictures(signed.body))
    assert actions(finished(resources)) == [CREATED, MARKED]


def test_a_manifest_elsewhere_is_never_fetched(resources, server):
    """The URL in a file's XMP is asked for nothing."""
    with start_faulty_http(answer(200, b"manifest")) as elsewhere:
        packet = (
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            f'<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{elsewhere.url}/c2pa"/>'
            "</rdf:RDF></x:xmpmeta>"
        )
        file = io.BytesIO()
        Image.new("RGB", (256, 256), "red").save(file, "JPEG", xmp=packet.encode())
        server.script.append(pictures(file.getvalue()))
        assert actions(finished(resources)) == [CREATED, MARKED]
        assert not elsewhere.requests
