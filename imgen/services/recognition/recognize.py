"""Recognition of a picture: what is found in its file, beside the records of the one who asks, and the verdict over both.

The records of another tenant are never told, and asking for its picture takes the same work as for one that nobody has.
"""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.origin import Evidence, Origin, judge
from imgen.domain.principal import Principal
from imgen.domain.request import ReadPicture
from imgen.records import picture_records
from imgen.records.picture_records import PictureRecord
from imgen.services.core import Core
from imgen.services.recognition.known_fingerprints import KnownPicture
from imgen.threads import RECOGNITION

if TYPE_CHECKING:
    from imgen.provenance.inspection import Inspection

MAX_INGREDIENTS = 20
"""Ingredients of a manifest that are looked up."""
MAX_ALIKE = 200
"""Pictures with a like fingerprint that are looked up, the nearest first."""


class Recognized(Struct, frozen=True, kw_only=True):
    """Findings about a picture."""

    found: "Inspection"
    """Evidence in its file."""
    origin: Origin
    picture: PictureRecord | None
    """The picture of ours that the verdict is about; None: there is none."""
    distance: int | None
    """Bits by which its fingerprint differs from that picture's; None: there is none, or they are no match."""


async def recognize(core: Core, principal: Principal, read: ReadPicture) -> Recognized:
    """Recognizes a picture among those of the caller's tenant; `read` is called in a thread.

    Raises:
        InvalidField: `image` is no picture that may be opened.
        Retryable: the database does not answer, or too many pictures wait.
    """
    found, alike = await RECOGNITION.run(_inspect, core, read)
    return await core.database.reading(_judged, found, alike, tenant_id=principal.tenant.id)


def _inspect(core: Core, read: ReadPicture) -> "tuple[Inspection, list[KnownPicture]]":
    from imgen.provenance.inspection import inspect_picture
    from imgen.provenance.matchlist import LEAST_QUALITY

    found = inspect_picture(read(), core.trust_anchors())
    alike = core.known_fingerprints.search(found.fingerprint.hash)
    is_plain = found.fingerprint.quality < LEAST_QUALITY  # a hash of a plain picture says nothing
    return found, [] if is_plain else alike[:MAX_ALIKE]


def _judged(connection: Connection, found: "Inspection", alike: list[KnownPicture], *, tenant_id: str) -> Recognized:
    """Looks all evidence up, whether there is any or not: the work tells nothing."""
    by_manifest = partial(picture_records.find_by_manifest, connection, tenant_id=tenant_id)
    credentials = found.credentials
    is_whole = credentials.state in ("Trusted", "Valid")
    signed = by_manifest(credentials.manifest_id or "")
    parents = [by_manifest(name) for name in _ingredients(credentials.manifest)] if is_whole else []
    marked = picture_records.find_by_watermark(connection, found.watermark.id or "", tenant_id=tenant_id)
    near = picture_records.find_all(connection, [one.gen_id for one in alike], tenant_id=tenant_id)
    evidence = Evidence(
        is_trusted=credentials.state == "Trusted",
        is_whole=is_whole,
        has_credentials=credentials.state != "None",
        signed_as=_id(signed),
        descends_from=frozenset(filter(None, map(_id, parents))),
        marked_as=_id(marked),
        looks_like=frozenset(near),
    )
    origin = judge(evidence)
    known = {one.gen_id: one for one in (*near.values(), signed, marked) if one is not None}
    distances = {one.gen_id: one.distance for one in alike if one.gen_id in near}
    return Recognized(
        found=found,
        origin=origin,
        picture=known.get(origin.gen_id),
        distance=distances.get(origin.gen_id) if origin.gen_id else min(distances.values(), default=None),
    )


def _id(record: PictureRecord | None) -> str:
    return "" if record is None else record.gen_id


def _ingredients(manifest: dict[str, Any]) -> Iterable[str]:
    """Returns the manifests of the pictures that a picture was made from, as its own manifest names them."""
    named = manifest.get("ingredients", [])[:MAX_INGREDIENTS]
    return [str(one["active_manifest"]) for one in named if "active_manifest" in one]
