"""Recognition of a picture: what is found in its file, beside the records of the one who asks, and the verdict over both.

The records of tenants outside the scope are never told, and asking for their pictures takes the same work as for nobody's.
"""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.errors import Unavailable
from imgen.domain.origin import Evidence, Origin, judge
from imgen.domain.request import ReadPicture
from imgen.records import picture_records
from imgen.records.picture_records import PictureRecord, Scope
from imgen.services.core import Core
from imgen.services.recognition.candidates import MAX_COMPARED, candidates
from imgen.services.recognition.known_fingerprints import KnownPicture
from imgen.threads import RECOGNITION

if TYPE_CHECKING:
    from imgen.provenance.fingerprint import Fingerprint
    from imgen.provenance.inspection import Inspection
    from imgen.provenance.watermark_reading.confirmation import Candidate
    from imgen.provenance.watermark_reading.reading import Reading

BUDGET_S, DEEP_BUDGET_S = 5.0, 25.0
"""Seconds after which no further search for the watermark is begun: without load they take one, a thorough one takes ten."""
MAX_INGREDIENTS = 20
"""Ingredients of a manifest that are looked up."""
MAX_ALIKE = 200
"""Pictures with a like fingerprint that are looked up, the nearest first."""


Sign = Literal["credentials", "ingredient", "watermark", "fingerprint"]


class Match(Struct, frozen=True, kw_only=True):
    """Picture of ours that something in a picture points to."""

    picture: PictureRecord
    signs: tuple[Sign, ...]
    """The active manifest is its own; names it as an ingredient; the watermark is its own; the fingerprints match."""
    distance: int | None
    """Bits by which the fingerprints differ; None: they are no match."""


class Recognized(Struct, frozen=True, kw_only=True):
    """Findings about a picture."""

    found: "Inspection"
    """Evidence in its file."""
    origin: Origin
    picture: PictureRecord | None
    """The picture of ours that the verdict is about; None: there is none."""
    distance: int | None
    """Bits by which its fingerprint differs from that picture's; None: there is none, or they are no match."""
    matches: tuple[Match, ...]
    """All pictures that anything in it points to: signed ones, their ingredients, the marked one, then the most alike."""


async def recognize(core: Core, read: ReadPicture, *, scope: Scope, is_deep: bool = False) -> Recognized:
    """Recognizes a picture among those of some tenants; `read` is called in a thread.

    Args:
        core: the core.
        read: the picture.
        scope: tenants whose pictures may be told; None: all.
        is_deep: whether the watermark of a picture that was cut and resized is looked for, too: for DEEP_BUDGET_S at most.

    Raises:
        InvalidField: `image` is no picture that may be opened.
        Retryable: the database does not answer, too many pictures wait, or another thorough search runs.
    """
    if is_deep and core.deep_search.locked():
        raise Unavailable("another thorough search runs")
    async with core.deep_search if is_deep else nullcontext():
        found, alike = await RECOGNITION.run(_inspect, core, read, scope=scope, is_deep=is_deep)
    return await core.database.reading(_judged, found, alike, scope=scope)


def _inspect(core: Core, read: ReadPicture, *, scope: Scope, is_deep: bool) -> "tuple[Inspection, list[KnownPicture]]":
    from imgen.provenance.inspection import inspect_picture
    from imgen.provenance.matchlist import LEAST_QUALITY

    known = core.known_fingerprints

    def likeliest(fingerprint: "Fingerprint") -> "list[Candidate]":
        nearest = known.closest(fingerprint.hash, limit=MAX_COMPARED) if is_deep else known.search(fingerprint.hash)
        return candidates(core, nearest, scope=scope)

    found = inspect_picture(
        read(), core.trust_anchors(), reading=reading_of(core, is_deep=is_deep), candidates=likeliest
    )
    is_plain = found.fingerprint.quality < LEAST_QUALITY  # a hash of a plain picture says nothing
    return found, [] if is_plain else known.search(found.fingerprint.hash)[:MAX_ALIKE]


def reading_of(core: Core, *, is_deep: bool) -> "Reading":
    """Returns the extent of a search for the watermark: at all sizes of this installation. Blocking.

    Raises:
        Retryable: the database does not answer.
    """
    from imgen.provenance.watermark_reading.reading import Reading

    sizes = core.known_sizes.of(core.catalog)
    return Reading(sizes=sizes, is_deep=is_deep, budget_s=DEEP_BUDGET_S if is_deep else BUDGET_S)


def _judged(connection: Connection, found: "Inspection", alike: list[KnownPicture], *, scope: Scope) -> Recognized:
    """Looks all evidence up, whether there is any or not: the work tells nothing."""
    by_manifest = partial(picture_records.find_by_manifest, connection, scope=scope)
    credentials = found.credentials
    is_whole = credentials.state in ("Trusted", "Valid")
    signed = by_manifest(credentials.manifest_id or "")
    parents = [by_manifest(name) for name in _ingredients(credentials.manifest)] if is_whole else []
    marked = picture_records.find_by_watermark(connection, found.watermark.id or "", scope=scope)
    near = picture_records.find_all(connection, [one.gen_id for one in alike], scope=scope)
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
    distances = {one.gen_id: one.distance for one in alike if one.gen_id in near}
    signs: list[tuple[Sign, PictureRecord | None]] = [("credentials", signed)]
    signs += [("ingredient", parent) for parent in parents]
    signs += [("watermark", marked), *(("fingerprint", near[gen_id]) for gen_id in distances)]
    matches = _matches(signs, distances)
    known = {match.picture.gen_id: match.picture for match in matches}
    return Recognized(
        found=found,
        origin=origin,
        picture=known.get(origin.gen_id),
        distance=distances.get(origin.gen_id) if origin.gen_id else min(distances.values(), default=None),
        matches=matches,
    )


def _matches(signs: Iterable[tuple[Sign, PictureRecord | None]], distances: Mapping[str, int]) -> tuple[Match, ...]:
    """Gathers what points to the same picture; in the order of the signs."""
    found: dict[str, Match] = {}
    for sign, picture in signs:
        if picture is None:
            continue
        before = found.get(picture.gen_id)
        all_signs = dict.fromkeys((*(before.signs if before else ()), sign))
        found[picture.gen_id] = Match(picture=picture, signs=tuple(all_signs), distance=distances.get(picture.gen_id))
    return tuple(found.values())


def _id(record: PictureRecord | None) -> str:
    return "" if record is None else record.gen_id


def _ingredients(manifest: dict[str, Any]) -> Iterable[str]:
    """Returns the manifests of the pictures that a picture was made from, as its own manifest names them."""
    named = manifest.get("ingredients", [])[:MAX_INGREDIENTS]
    return [str(one["active_manifest"]) for one in named if "active_manifest" in one]
