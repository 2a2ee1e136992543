"""Pictures whose credentials are broken, copied, huge or elsewhere, made of a few signed files; all are small pictures."""

import random
import struct
from collections.abc import Iterator, Mapping

import numpy as np
from bombs import chunk, saved
from PIL import Image

from imgen.provenance import encoding
from imgen.provenance.containers import jpeg_segments
from imgen.provenance.manifest import Manifest
from imgen.provenance.signer import Signed, Signer
from imgen.provenance.untrusted_image import media_type

FORMATS = ("jpeg", "png", "webp", "avif")
SIDE = 128
"""Too small for a watermark: what is tried here are the credentials."""
ADDRESSES = (
    "{url}/manifest",
    "{url}/a?b=c#d",
    "file:///etc/passwd",
    "file://{host}/x",
    "ftp://{host}/x",
    "//{host}/x",
    "data:,x",
    "gopher://{host}/1",
)
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}"/></rdf:RDF></x:xmpmeta>'  # fmt: skip
JUMBF_BOXES = (b"jumb", b"jumd", b"cbor", b"json", b"bfdb", b"bidb")


def make_hostile(signer: Signer, stranger: Signer, host: str, manifest: Manifest, *, seed: int = 5) -> dict[str, bytes]:
    """Name → file, several hundred of them.

    Args:
        signer: whom the installation trusts.
        stranger: whom it does not.
        host: address and port of a server that nobody may ask.
        manifest: fields of the manifests.
        seed: of what is changed at random.
    """
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8))
    pixels = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    plain = {name: encoding.encode(pixels, name, quality=90) for name in FORMATS}
    signed = {name: signer.sign(body, media_type(body), manifest) for name, body in plain.items()}
    foreign = {name: stranger.sign(body, media_type(body), manifest) for name, body in plain.items()}
    made = {f"{name} by a stranger": one.body for name, one in foreign.items()}
    for name in FORMATS:
        body, store = signed[name].body, signed[name].manifest_store
        made |= {f"{name}, {label}": one for label, one in _changed(body, random.Random(seed), bytes(store))}
        made |= {f"{name}, manifest at {one}": _elsewhere(pixels, name, one, host) for one in ADDRESSES}
    made |= {f"jpeg, {label}": one for label, one in _segments(signed["jpeg"].body)}
    made |= {f"png, {label}": one for label, one in _chunks(signed["png"].body, signed["png"].manifest_store)}
    made |= {f"jpeg, credentials of another picture, {number}": one for number, one in enumerate(_copied(signed, rng))}
    return made | _named_elsewhere(plain, signer, manifest, host)


def make_large() -> dict[str, bytes]:
    """Name → file: pictures of the shapes and sizes that take the searches longest, all of them within the limits."""
    rng = np.random.default_rng(2)
    sizes = ((16_000, 16), (16, 16_000), (16_000, 72), (72, 16_000), (16_000, 1_900), (1_900, 16_000), (5_600, 5_600))
    made = {}
    for width, height in sizes:
        coarse = Image.fromarray(rng.integers(0, 256, (max(2, height // 40), max(2, width // 40), 3), np.uint8))
        made[f"JPEG of {width} × {height}"] = saved(coarse.resize((width, height)), "JPEG", quality=80)
    return made


def _copied(signed: Mapping[str, Signed], rng: np.random.Generator) -> Iterator[bytes]:
    """Yields JPEGs of noise with the credentials of a signed one."""
    body = signed["jpeg"].body
    # A segment's content begins after its marker and its length, four bytes
    segments = b"".join(body[start - 4 : end] for marker, start, end in jpeg_segments(body) if marker == 0xEB)
    for _ in range(60):
        other = saved(Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)), "JPEG", quality=60)
        yield other[:2] + segments + other[2:]


def _changed(body: bytes, chance: random.Random, store: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields a file cut, with bits turned in its manifest store, and with the lengths of the store's boxes changed."""
    for share in range(4, 100, 6):
        yield f"cut at {share} %", body[: len(body) * share // 100]
    start = max(0, body.find(b"jumb") - 8)
    for number in range(60):
        turned = bytearray(body)
        for _ in range(1 << number % 8):
            turned[start + chance.randrange(min(len(store), len(body) - start))] ^= 1 << chance.randrange(8)
        yield f"bits turned, {number}", bytes(turned)
    places = [place for kind in JUMBF_BOXES for place in _places(body, kind)][:24]
    for place in places:
        for length in (0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF):
            yield f"box at {place} of {length} bytes", body[: place - 4] + struct.pack(">I", length) + body[place:]


def _places(body: bytes, kind: bytes) -> Iterator[int]:
    place = body.find(kind)
    while place >= 4:
        yield place
        place = body.find(kind, place + 1)


def _elsewhere(pixels: np.ndarray, name: str, address: str, host: str) -> bytes:
    """A picture whose XMP says that its manifest lies elsewhere."""
    xmp = XMP.format(address=address.format(url=f"http://{host}", host=host)).encode()
    image = Image.fromarray(pixels)
    if name != "png":
        return saved(image, name, xmp=xmp)
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    body = saved(image, "PNG")
    return body[:33] + text + body[33:]


def _segments(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields a signed JPEG whose segments of credentials come twice, backwards, empty by the thousand, or in one another."""
    segments, at = [], 2
    while body[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(body[at + 2 : at + 4])
        segments.append(body[at:end])
        at = end
    rest = body[at:]
    ours = [one for one in segments if one[1] == 0xEB]
    others = [one for one in segments if one[1] != 0xEB]
    yield "credentials twice", body[:2] + b"".join(others + ours + ours) + rest
    yield "credentials 60 times", body[:2] + b"".join(others + ours * 60) + rest
    yield "credentials backwards", body[:2] + b"".join(others + ours[::-1]) + rest
    yield "10,000 empty segments", body[:2] + b"\xff\xeb\0\2" * 10_000 + b"".join(others) + rest
    yield "10,000 segments that begin a store", body[:2] + ours[0][:40] * 10_000 + b"".join(others) + rest
    yield "credentials after the end", body[:2] + b"".join(others) + rest + b"".join(ours)
    large = b"\xff\xeb\xff\xff" + ours[0][4:20] + bytes(65_533 - 16)
    yield "300 full segments", body[:2] + large * 300 + b"".join(others) + rest


def _chunks(body: bytes, store: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields a signed PNG whose chunk of credentials comes twice, says another length, or is of megabytes."""
    place = body.find(b"caBX") - 4
    length = int.from_bytes(body[place : place + 4])
    own, head, tail = body[place : place + 12 + length], body[:place], body[place + 12 + length :]
    yield "credentials twice", head + own + own + tail
    yield "credentials of no bytes", head + chunk(b"caBX", b"") + tail
    yield "credentials of another length", head + chunk(b"caBX", store, length=0x7FFFFFFF) + tail
    yield "credentials of 20 MB", head + chunk(b"caBX", store + bytes(20_000_000)) + tail
    nested = store
    for _ in range(2_000):
        nested = struct.pack(">I", len(nested) + 8) + b"jumb" + nested
    yield "2,000 boxes in one another", head + chunk(b"caBX", nested) + tail


def _named_elsewhere(plain: dict[str, bytes], signer: Signer, manifest: Manifest, host: str) -> dict[str, bytes]:
    """Signed files whose manifests name addresses: of themselves, of an ingredient's data, of a thumbnail."""
    made = {}
    for name in ("jpeg", "png", "webp"):
        body = signer.sign(plain[name], media_type(plain[name]), manifest).body
        # Same length, so that the boxes around it stay whole
        for old in (b"self#jumbf=", b"dc:identifier"):
            new = f"http://{host}/"[: len(old)].encode().ljust(len(old), b"x")
            made[f"{name}, {old.decode()} is an address"] = body.replace(old, new)
    return made
