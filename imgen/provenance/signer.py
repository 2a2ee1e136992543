"""C2PA signer: signs finished files and their thumbnails. Fetches nothing, keeps no key on disk.

Certificates for development are made in development_chain.py, keys in an HSM or a KMS opened in signing_keys/.
"""

import datetime as dt
import io
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import c2pa
import numpy as np
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from msgspec import Struct
from numpy.typing import NDArray

from imgen.domain import errors
from imgen.provenance import encoding
from imgen.provenance.carried import carried_pictures
from imgen.provenance.certificate_end import certificate_end, ending
from imgen.provenance.credentials import read
from imgen.provenance.development_chain import make_chain
from imgen.provenance.history import SOURCE, WATERMARKED, Action, Ingredient, created
from imgen.provenance.manifest import Manifest, definition, ingredient_definition, thumbnail_definition
from imgen.provenance.signing_contexts import CallbackContexts, MemoryContexts, SigningContexts
from imgen.provenance.signing_keys import SigningKey
from imgen.provenance.signing_keys.algorithm import algorithm_of, is_signature, leaf_key
from imgen.provenance.time_stamping import LIMIT_S, TimeStampAuthority

WithoutTimeStamp = Literal["wait", "sign"]
"""Answers to an outage of the time-stamp authority: the picture waits, or is signed without a time-stamp."""

MAX_STORE_BYTES = 2 * 2**20
"""Bytes of the largest manifest store that a picture may have with those of its ingredients, nearly all of them thumbnails: all
that is made from the picture carries them on."""

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

    Threads may share it.
    """

    def __init__(
        self,
        certificate_chain: bytes,
        contexts: SigningContexts,
        trials: SigningContexts,
        authority: TimeStampAuthority | None = None,
        without_timestamp: WithoutTimeStamp = "wait",
    ) -> None:
        """Takes the chain in PEM, the contexts of its key, and those that sign what nobody gets; see `open_signer`."""
        self.ends_at = certificate_end(certificate_chain)
        self._chain = certificate_chain
        self._contexts = contexts
        self._trials = trials
        self._authority = authority
        self._without_timestamp = without_timestamp

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
            errors.SigningKeyUnavailable: a key in an HSM or a KMS did not answer.
            errors.ConfigurationError: the certificate is no longer valid.
            errors.ModelError: the file cannot carry credentials.
        """
        self._refuse_after_end()
        manifest_id = _new_manifest_id()
        made = definition(manifest, manifest_id)
        ingredients = self._fit(manifest, admits)
        outage = None
        if self._authority is not None:
            url, work = self._authority.url, partial(_signed, made=made, mime=mime, body=body, ingredients=ingredients)
            try:
                store, signed = self._authority.ask(lambda: self._contexts.run(work, tsa_url=url))
                return Signed(body=signed, manifest_id=manifest_id, manifest_store=store, is_time_stamped=True)
            except errors.UpstreamUnavailable as exc:
                outage = exc
        # Signed even so: here a bad certificate or file shows, for which nobody should wait
        store, signed = _sign(self._contexts, made, mime, body, ingredients)
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
            errors.SigningKeyUnavailable, errors.ConfigurationError, errors.ModelError: as for `sign`.
        """
        self._refuse_after_end()
        made = thumbnail_definition(manifest, _new_manifest_id())
        parent = Ingredient(label=SOURCE, relationship="parentOf", title=manifest.title, file=picture.body)
        return _sign(self._contexts, made, mime, thumbnail, [(ingredient_definition(parent), picture.body, b"")])[1]

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
            store, signed = _sign(self._trials, made, "image/png", _BLANK, ingredients)
        except (errors.ModelError, errors.ConfigurationError):
            return False
        if len(store) > MAX_STORE_BYTES or read(signed, "image/png", self._chain).state == "Invalid":
            return False
        own = [thumbnail for _, _, thumbnail in ingredients if thumbnail]
        return admits is None or all(one is not None and admits(one) for one in carried_pictures(store, own))


def _sign(
    contexts: SigningContexts, made: dict[str, Any], mime: str, body: bytes, ingredients: Sequence[_Ingredient]
) -> tuple[bytes, bytes]:
    try:
        return contexts.run(partial(_signed, made=made, mime=mime, body=body, ingredients=ingredients))
    except (c2pa.C2paError.Signature, c2pa.C2paError.Verify) as exc:
        # Key and certificates passed a trial when the signer was opened: only a clock can be wrong, theirs or ours
        raise errors.ConfigurationError(f"The signing certificate is no longer good: {exc}") from exc
    except c2pa.C2paError as exc:
        raise errors.ModelError("The file cannot carry credentials") from exc


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
    private_key: bytes | SigningKey,
    *,
    anchors: bytes = b"",
    tsa_url: str | None = None,
    tsa_timeout_s: float = LIMIT_S,
    without_timestamp: WithoutTimeStamp = "wait",
) -> Signer:
    """Opens a signer and tries it on a picture of one pixel.

    Args:
        certificate_chain: PEM, leaf first; the root may be left out.
        private_key: PEM without passphrase; P-256, P-384, P-521, Ed25519 or RSA. Or a key that signs elsewhere.
        anchors: PEM roots that pictures are checked against; the signer must lead to one of them. Empty: not checked.
        tsa_url: RFC 3161 time-stamp authority; None: pictures carry no proof of their time.
        tsa_timeout_s: time for a signature in which the authority is asked.
        without_timestamp: answer to an outage of the authority.

    Raises:
        errors.ConfigurationError: any of them is broken, expired, of the wrong kind, or does not fit the others.
        errors.SigningKeyUnavailable: a key elsewhere does not answer.
    """
    authority = None if tsa_url is None else TimeStampAuthority(tsa_url, limit_s=tsa_timeout_s)
    public_key = leaf_key(certificate_chain)
    contexts: SigningContexts
    try:
        if isinstance(private_key, bytes):
            contexts = trials = _memory_contexts(certificate_chain, private_key)
        else:
            if not is_signature(private_key.sign(_TRIAL), _TRIAL, public_key):
                raise errors.ConfigurationError("The signing key is another than the certificate's")
            contexts = CallbackContexts(certificate_chain, private_key, algorithm_of(public_key).name)
            own = make_chain()  # trials cost money and time at a key elsewhere, and nobody sees what they sign
            trials = _memory_contexts(own["chain.pem"], own["key.pem"])
        manifest = Manifest(
            version="0", gen_id="", actions=(created("", ""), WATERMARKED), watermark_id="", fingerprint=""
        )
        trial = Signer(certificate_chain, contexts, trials).sign(_BLANK, "image/png", manifest)
    except (c2pa.C2paError, errors.ModelError) as exc:
        raise errors.ConfigurationError(f"The signing certificate does not sign: {exc.__cause__ or exc}") from exc
    if anchors and read(trial.body, "image/png", anchors).state != "Trusted":
        raise errors.ConfigurationError("The signing certificate does not lead to a trusted root")
    return Signer(certificate_chain, contexts, trials, authority, without_timestamp)


_TRIAL = b"Imgen: does this key fit its certificate?"


def _memory_contexts(certificate_chain: bytes, private_key: bytes) -> MemoryContexts:
    """Makes the contexts of a key in PEM, in any wrapping."""
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise errors.ConfigurationError(f"The signing key cannot be read: {exc}") from exc
    pkcs8 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return MemoryContexts(certificate_chain, pkcs8, algorithm_of(key.public_key()).name)
