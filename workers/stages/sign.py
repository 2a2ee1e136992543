"""C2PA signing of picture and thumbnail. Nothing may change a byte of them afterwards."""

import datetime as dt
import hashlib
from dataclasses import replace
from functools import partial

import structlog

from imgen import __version__
from imgen.domain.errors import TimestampUnavailable, UpstreamUnavailable
from imgen.provenance.certificate_end import ending
from imgen.provenance.encoding import MIME
from imgen.provenance.manifest import Manifest
from workers.picture import Context, Picture
from workers.resources import WorkerResources
from workers.stages.review import admits

log = structlog.get_logger(__name__)


def sign(picture: Picture, context: Context) -> Picture:
    """Signs the picture, and the thumbnail as a small copy of it.

    Raises:
        TimestampUnavailable: the time-stamp authority does not answer, and the operator wants no picture without a time-stamp.
        ReviewerUnavailable: a reviewer did not answer about a picture in the credentials of a source or a logo; the job waits.
    """
    mime = MIME[context.job.recipe.output.format]
    manifest = manifest_fields(picture, context)
    signer = context.resources.signer
    _tell_end(context.resources)
    try:
        with context.resources.signing():
            signed = signer.sign(picture.encoded, mime, manifest, admits=partial(admits, context))
            thumbnail = signer.sign_thumbnail(picture.thumbnail, mime, manifest, signed)
    except UpstreamUnavailable as exc:
        raise TimestampUnavailable(str(exc)) from exc
    if context.resources.settings.credentials.tsa_url and not signed.is_time_stamped:
        log.warning("signed without a time-stamp: the authority does not answer", manifest=signed.manifest_id)
    return replace(
        picture,
        encoded=signed.body,
        thumbnail=thumbnail,
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
        gen_id=context.job.gen_id,
        actions=picture.actions,
        ingredients=picture.ingredients,
        watermark_id=context.job.watermark_id,
        fingerprint=picture.fingerprint,
        algorithm_domain=configured.algorithm_domain,
    )


def _tell_end(resources: WorkerResources) -> None:
    """Warns of the near or past end of the signing certificate, once a day."""
    now = dt.datetime.now(dt.UTC)
    told = ending(resources.signer.ends_at, now)
    if told and resources.ending_told_on != now.date():
        resources.ending_told_on = now.date()
        log.warning(told, ends_at=resources.signer.ends_at.isoformat())
