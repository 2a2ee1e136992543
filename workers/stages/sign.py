"""C2PA: both files get a signed manifest. Nothing may change a byte afterwards."""

import hashlib
from dataclasses import replace

from imgen import __version__
from imgen.domain.job import utc_text
from imgen.provenance.encoding import MIME
from imgen.provenance.manifest import Manifest
from workers.picture import Context, Picture


def sign(picture: Picture, context: Context) -> Picture:
    """Signs picture and thumbnail with the same statements.

    Raises:
        Retryable: the time-stamp authority does not answer.
    """
    mime = MIME[context.job.recipe.output.format]
    manifest = statements(picture, context)
    signer = context.workshop.signer
    signed = signer.sign(picture.encoded, mime, manifest)
    return replace(
        picture,
        encoded=signed.body,
        thumbnail=signer.sign(picture.thumbnail, mime, manifest).body,
        manifest_id=signed.manifest_id,
        manifest_store=signed.manifest_store,
        sha256=hashlib.sha256(signed.body).hexdigest(),
    )


def statements(picture: Picture, context: Context) -> Manifest:
    """What the manifest says: the caller's words, else the configured ones."""
    said, ours = context.job.recipe.claim, context.workshop.settings.credentials
    return Manifest(
        title=said.title or ours.title,
        author=said.author or ours.author,
        description=said.description or ours.description,
        organization=said.organization or ours.organization,
        vendor=said.vendor or ours.vendor,
        version=__version__,
        model=context.model.label,
        gen_id=context.job.gen_id,
        created=utc_text(context.job.created_at),
        watermark_id=context.job.watermark_id,
        fingerprint=picture.fingerprint,
    )
