"""Pre-signed URLs of a job's files, signed for each answer and valid for `[objects] url_expires_s`."""

from msgspec import Struct

from imgen.domain.outcome import Outcome
from imgen.services.core import Core


class Link(Struct, frozen=True, kw_only=True):
    """One finished file of a picture."""

    url: str
    filename: str
    type: str
    """`signed` or `thumbnail`."""


def picture_links(core: Core, outcome: Outcome) -> tuple[Link, ...]:
    """Signs the URLs of a finished picture's files; none after retention has removed them."""
    return tuple(
        Link(url=_sign(core, image.key, image.filename), filename=image.filename, type=image.type)
        for image in outcome.images
    )


def picture_url(core: Core, outcome: Outcome, *, expires_s: int) -> str:
    """Signs the URL of a finished picture for so many seconds; empty: there is none, or retention has removed it."""
    pictures = (image for image in outcome.images if image.type == "signed")
    return next((core.objects.url(image.key, expires_s=expires_s, filename=image.filename) for image in pictures), "")


def thumbnail_url(core: Core, outcome: Outcome | None) -> str:
    """Signs the URL of the thumbnail; empty: there is none."""
    images = () if outcome is None else outcome.images
    return next((_sign(core, image.key) for image in images if image.type == "thumbnail"), "")


def withheld_url(core: Core, outcome: Outcome) -> str:
    """Signs the URL of a blocked picture if the ruleset releases it to the caller; empty: it does not, or the floor blocks."""
    blocked = outcome.blocked
    return _sign(core, blocked.unsafe_key) if blocked and blocked.unsafe_key and not blocked.floor else ""


def urls_by_kind(core: Core, outcome: Outcome | None) -> dict[str, str]:
    """Signs the URLs of all files of a job: `signed` and `thumbnail`, or `withheld`."""
    if outcome is None:
        return {}
    withheld = withheld_url(core, outcome)
    return {link.type: link.url for link in picture_links(core, outcome)} | ({"withheld": withheld} if withheld else {})


def _sign(core: Core, key: str, filename: str = "") -> str:
    return core.objects.url(key, expires_s=core.settings.objects.url_expires_s, filename=filename)
