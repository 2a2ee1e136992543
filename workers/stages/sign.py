"""C2PA signing of picture and thumbnail. Nothing may change a byte of them afterwards."""

import hashlib
from dataclasses import replace

from imgen import __version__
from imgen.domain.job import utc_text
from imgen.provenance.encoding import MIME
from imgen.provenance.manifest import Manifest
from workers.picture import Context, Picture


def sign(picture: Picture, context: Context) -> Picture:
    """Signs picture and thumbnail with the same manifest.

    Raises:
        Retryable: the time-stamp authority does not answer.
    """
    mime = MIME[context.job.recipe.output.format]
    manifest = manifest_fields(picture, context)
    signer = context.resources.signer
    signed = signer.sign(picture.encoded, mime, manifest)
    return replace(
        picture,
        encoded=signed.body,
        thumbnail=signer.sign(picture.thumbnail, mime, manifest).body,
        manifest_id=signed.manifest_id,
        manifest_store=signed.manifest_store,
        sha256=hashlib.sha256(signed.body).hexdigest(),
    )


def manifest_fields(picture: Picture, context: Context) -> Manifest:
    """Returns the manifest's fields: the caller's texts, the configured ones where the caller gave none."""
    given, configured = context.job.recipe.attribution, context.resources.settings.credentials
    return Manifest(
        title=given.title or configured.title,
        author=given.author or configured.author,
        description=given.description or configured.description,
        organization=given.organization or configured.organization,
        vendor=given.vendor or configured.vendor,
        version=__version__,
        model=context.model.label,
        gen_id=context.job.gen_id,
        created=utc_text(context.job.created_at),
        watermark_id=context.job.watermark_id,
        fingerprint=picture.fingerprint,
    )
