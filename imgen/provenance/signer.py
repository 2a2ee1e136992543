"""C2PA signer: signs finished files and their thumbnails. Fetches nothing, keeps no key on disk.

Certificates for development are made in development_chain.py.
"""

import datetime as dt
import io
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import c2pa
import numpy as np
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec import Struct
from numpy.typing import NDArray

from imgen.domain import errors
from imgen.provenance import encoding
from imgen.provenance.carried import carried_pictures
from imgen.provenance.certificate_end import certificate_end, ending
from imgen.provenance.credentials import SETTINGS, read
from imgen.provenance.history import SOURCE, WATERMARKED, Action, Ingredient, created
from imgen.provenance.manifest import Manifest, definition, ingredient_definition, thumbnail_definition
from imgen.provenance.time_stamping import LIMIT_S, TimeStampAuthority

WithoutTimeStamp = Literal["wait", "sign"]
"""Answers to an outage of the time-stamp authority: the picture waits, or is signed without a time-stamp."""

MAX_STORE_BYTES = 2 * 2**20
"""Bytes of the largest manifest store that a picture may have with those of its ingredients, nearly all of them thumbnails: all
that is made from the picture carries them on."""

_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}

_Ingredient = tuple[dict[str, Any], bytes, bytes]
"""Ingredient in the library's form, its file if its manifest is kept, and its thumbnail."""

Admits = Callable[[NDArray[np.uint8]], bool]
"""Judge of a picture, (h, w, 4) uint8, that a manifest carries: whether it may be published."""

_BLANK = encoding.encode(np.zeros((1, 1, 3), np.uint8), "png", quality=100)


class Signed(Struct, frozen=True, kw_only=True):
    """Signed file and its manifest store, which gives the credentials back once a platform has stripped them."""

    body: bytes
    manifest_id: str
    manifest_store: bytes
    """JUMBF, `application/c2pa`."""
    is_time_stamped: bool = False


class Signer:
    """Signer with one certificate. Made once in each process, after the fork: the library dislikes forks.

    Threads take turns.
    """

    def __init__(
        self,
        certificate_chain: bytes,
        key: bytes,
        algorithm: str,
        authority: TimeStampAuthority | None,
        without_timestamp: WithoutTimeStamp,
    ) -> None:
        self.ends_at = certificate_end(certificate_chain)
        self._info = (algorithm, certificate_chain, key)
        self._authority = authority
        self._without_timestamp = without_timestamp
        self._context = self._new_context()
        self._turn = threading.Lock()

    def sign(self, body: bytes, mime: str, manifest: Manifest, *, admits: Admits | None = None) -> Signed:
        """Signs a JPEG, PNG, WebP or AVIF file, with a time-stamp where there is an authority, and verifies the result.

        Manifests of ingredients are kept with the outcome of their validation, broken ones as well: they do not make the
        picture's own invalid. One that cannot be read or is too large is left out, and its ingredient named alone.

        Args:
            body: the file.
            mime: its media type.
            manifest: fields of its manifest.
            admits: judge of the pictures that come along in manifests of ingredients; without it all may.

        Raises:
            errors.Retryable: the time-stamp authority did not answer as it should, and nothing may be signed without it.
            errors.ConfigurationError: the certificate is no longer valid.
            errors.ModelError: the file cannot carry credentials.
        """
        self._refuse_after_end()
        manifest_id = _new_manifest_id()
        made = definition(manifest, manifest_id)
        ingredients = self._fit(manifest, admits)
        outage = None
        if self._authority is not None:
            stamping = self._new_context(self._authority.url)  # of its own: a signature that hangs keeps it
            try:
                store, signed = self._authority.ask(lambda: _signed(stamping, made, mime, body, ingredients))
                return Signed(body=signed, manifest_id=manifest_id, manifest_store=store, is_time_stamped=True)
            except errors.UpstreamUnavailable as exc:
                outage = exc
        # Signed even so: here a bad certificate or file shows, for which nobody should wait
        store, signed = self._sign(made, mime, body, ingredients)
        if outage is not None and self._without_timestamp == "wait":
            raise outage
        return Signed(body=signed, manifest_id=manifest_id, manifest_store=store)

    def carries(self, ingredient: Ingredient, *, admits: Admits | None = None) -> bool:
        """Returns whether a picture can carry the manifest of its parent, so that `sign` keeps it; broken ones can be carried.

        Args:
            ingredient: the parent, with its file.
            admits: judge of the pictures in that manifest, as for `sign`.
        """
        if not _may_have_manifest(ingredient.file):
            return False
        opened = Action(name="c2pa.opened", ingredient=ingredient.label)
        manifest = Manifest(version="0", gen_id="", actions=(opened, WATERMARKED), watermark_id="", fingerprint="")
        one = (ingredient_definition(ingredient), ingredient.file, ingredient.thumbnail)
        return self._can_carry(definition(manifest, _new_manifest_id()), [one], admits)

    def sign_thumbnail(self, thumbnail: bytes, mime: str, manifest: Manifest, picture: Signed) -> bytes:
        """Signs the thumbnail of a signed picture, its parent; no authority is asked, since the parent's time-stamp is in it.

        Args:
            thumbnail: file of the same format.
            mime: media type of both.
            manifest: the picture's; its statements are not repeated.
            picture: as `sign` returned it.

        Raises:
            errors.ConfigurationError, errors.ModelError: as for `sign`.
        """
        self._refuse_after_end()
        made = thumbnail_definition(manifest, _new_manifest_id())
        parent = Ingredient(label=SOURCE, relationship="parentOf", title=manifest.title, file=picture.body)
        return self._sign(made, mime, thumbnail, [(ingredient_definition(parent), picture.body, b"")])[1]

    def _refuse_after_end(self) -> None:
        """Raises ConfigurationError if the certificate has ended; the library refuses later, and without the day."""
        now = dt.datetime.now(dt.UTC)
        if now >= self.ends_at:
            raise errors.ConfigurationError(ending(self.ends_at, now))

    def _fit(self, manifest: Manifest, admits: Admits | None) -> list[_Ingredient]:
        """Returns the manifest's ingredients, without the files of those whose own manifests a picture cannot carry.

        Each is tried on a blank picture: some defects of strangers' manifests show at the end of signing alone, or on reading.
        """
        fit: list[_Ingredient] = [(ingredient_definition(one), b"", one.thumbnail) for one in manifest.ingredients]
        for place, ingredient in enumerate(manifest.ingredients):
            if _may_have_manifest(ingredient.file):
                tried = [*fit[:place], (fit[place][0], ingredient.file, ingredient.thumbnail), *fit[place + 1 :]]
                if self._can_carry(definition(manifest, _new_manifest_id()), tried, admits):
                    fit = tried
        return fit

    def _can_carry(self, made: dict[str, Any], ingredients: Sequence[_Ingredient], admits: Admits | None) -> bool:
        try:
            store, signed = self._sign(made, "image/png", _BLANK, ingredients)
        except (errors.ModelError, errors.ConfigurationError):
            return False
        if len(store) > MAX_STORE_BYTES or read(signed, "image/png", self._info[1]).state == "Invalid":
            return False
        own = [thumbnail for _, _, thumbnail in ingredients if thumbnail]
        return admits is None or all(one is not None and admits(one) for one in carried_pictures(store, own))

    def _sign(
        self, made: dict[str, Any], mime: str, body: bytes, ingredients: Sequence[_Ingredient] = ()
    ) -> tuple[bytes, bytes]:
        try:
            with self._turn:
                return _signed(self._context, made, mime, body, ingredients)
        except (c2pa.C2paError.Signature, c2pa.C2paError.Verify) as exc:
            # Key and certificates passed a trial when the signer was opened: only a clock can be wrong, theirs or ours
            raise errors.ConfigurationError(f"The signing certificate is no longer good: {exc}") from exc
        except c2pa.C2paError as exc:
            raise errors.ModelError("The file cannot carry credentials") from exc

    def _new_context(self, tsa_url: str | None = None) -> c2pa.Context:
        """Makes a context with the signer's own root as an anchor, so that a thumbnail's manifest calls its parent trusted."""
        chain = self._info[1].decode()
        settings = SETTINGS | {"trust": {"user_anchors": chain}}
        return c2pa.Context.from_dict(settings, c2pa.Signer.from_info(c2pa.C2paSignerInfo(*self._info, tsa_url)))


def _signed(
    context: c2pa.Context, made: Mapping[str, Any], mime: str, body: bytes, ingredients: Sequence[_Ingredient]
) -> tuple[bytes, bytes]:
    """Signs a file by a manifest's definition; returns the manifest store and the signed file."""
    signed = io.BytesIO()
    named = [ingredient for ingredient, file, _ in ingredients if not file]
    with c2pa.Builder({**made, "ingredients": named}, context) as builder:
        for ingredient, file, thumbnail in ingredients:
            if file:
                builder.add_ingredient(ingredient, ingredient["format"], io.BytesIO(file))
            if thumbnail:
                builder.add_resource(ingredient["thumbnail"]["identifier"], io.BytesIO(thumbnail))
        store = builder.sign(mime, io.BytesIO(body), signed)
    return store, signed.getvalue()


def _may_have_manifest(file: bytes) -> bool:
    """Returns whether a file can hold a manifest store: the types of its boxes stand plain in every format (C2PA 2.4, 11.1)."""
    return b"jumb" in file and b"c2pa" in file


def _new_manifest_id() -> str:
    return f"urn:c2pa:{uuid.uuid4()}"


def open_signer(
    certificate_chain: bytes,
    private_key: bytes,
    *,
    anchors: bytes = b"",
    tsa_url: str | None = None,
    tsa_timeout_s: float = LIMIT_S,
    without_timestamp: WithoutTimeStamp = "wait",
) -> Signer:
    """Opens a signer and tries it on a picture of one pixel.

    Args:
        certificate_chain: PEM, leaf first; the root may be left out.
        private_key: PEM without passphrase; P-256, P-384, P-521, Ed25519 or RSA.
        anchors: PEM roots that pictures are checked against; the signer must lead to one of them. Empty: not checked.
        tsa_url: RFC 3161 time-stamp authority; None: pictures carry no proof of their time.
        tsa_timeout_s: time for a signature in which the authority is asked.
        without_timestamp: answer to an outage of the authority.

    Raises:
        errors.ConfigurationError: any of them is broken, expired, of the wrong kind, or does not fit the others.
    """
    authority = None if tsa_url is None else TimeStampAuthority(tsa_url, limit_s=tsa_timeout_s)
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
        x509.load_pem_x509_certificates(certificate_chain)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise errors.ConfigurationError(f"The signing key or certificate cannot be read: {exc}") from exc
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    algorithm = _algorithm(key)
    manifest = Manifest(version="0", gen_id="", actions=(created("", ""), WATERMARKED), watermark_id="", fingerprint="")
    try:
        trial = Signer(certificate_chain, pkcs8, algorithm, None, without_timestamp).sign(_BLANK, "image/png", manifest)
    except (c2pa.C2paError, errors.ModelError) as exc:
        raise errors.ConfigurationError(f"The signing certificate does not sign: {exc.__cause__ or exc}") from exc
    if anchors and read(trial.body, "image/png", anchors).state != "Trusted":
        raise errors.ConfigurationError("The signing certificate does not lead to a trusted root")
    return Signer(certificate_chain, pkcs8, algorithm, authority, without_timestamp)


def _algorithm(key: object) -> str:
    """Returns C2PA's name of the signature algorithm for a private key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS:
        return _ALGORITHMS[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise errors.ConfigurationError("C2PA knows no signature algorithm for this kind of private key")
