"""Resolution of soft bindings: the manifests of pictures that have a value, or look like a file, and their manifest stores.

Pictures outside the scope of the one who asks take the same work as pictures that nobody has. Whatever was deleted on request, or
whose manifest store is not kept, is not found.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.errors import ObjectNotFound, RateLimited
from imgen.domain.request import ReadPicture
from imgen.domain.soft_binding import DIGITS, Algorithm, SoftBinding
from imgen.records import picture_records
from imgen.records.picture_records import PictureRecord
from imgen.services.core import Core
from imgen.services.recognition.known_fingerprints import KnownPicture
from imgen.services.recognition.recognize import MAX_ALIKE
from imgen.threads import OBJECTS, RECOGNITION

MAX_RESULTS = 100
"""Most matches of an answer."""
MAX_PUBLIC = 8
"""Files of callers without a key that are looked at or wait for it, in one process; keys have the rest of the queue."""
EXACT = 100
"""Score of a match of the watermark, whose value is one picture's."""
NO_MANIFEST = "There is no such manifest"
"""Text of a failure."""
_BITS = 4 * DIGITS[Algorithm.FINGERPRINT]
Scope = frozenset[str] | None
"""Tenants whose pictures are found; None: all."""


class ManifestMatch(Struct, frozen=True, kw_only=True):
    """Manifest that a soft binding leads to."""

    manifest_id: str
    score: int
    """0–100: of a fingerprint the share of its bits that agree."""


class Found(Struct, frozen=True, kw_only=True):
    """Values to look up, and what their fingerprints are like."""

    watermarks: tuple[str, ...] = ()
    alike: tuple[KnownPicture, ...] = ()
    """Pictures of all tenants, the nearest first; deleted ones may be among them."""


class PublicTurns:
    """Turns of callers without a key to have a file looked at, which takes a core for a second."""

    def __init__(self) -> None:
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Holds a turn while the block runs.

        Raises:
            RateLimited: all turns are taken.
        """
        if self._taken >= MAX_PUBLIC:
            raise RateLimited("Too many pictures are looked at", retry_after_s=5)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def find_by_binding(core: Core, binding: SoftBinding, *, scope: Scope, limit: int) -> list[ManifestMatch]:
    """Finds the manifests of pictures with a value, best first.

    Raises:
        Retryable: the database does not answer, or too many pictures wait.
    """
    found = await RECOGNITION.run(_alike, core, [binding]) if _is_fingerprint(binding) else _values([binding])
    return await core.database.reading(_matches, found, scope=scope, limit=limit)


async def find_by_content(
    core: Core,
    read: ReadPicture,
    *,
    algorithms: Collection[Algorithm],
    hints: Sequence[SoftBinding],
    scope: Scope,
    limit: int,
) -> list[ManifestMatch]:
    """Finds the manifests of pictures by a file, best first.

    Args:
        core: parts of the process.
        read: returns the file; called in a thread.
        algorithms: those by which it is looked up.
        hints: values that the caller knows besides, which are looked up, too.
        scope: tenants whose pictures are found.
        limit: most matches.

    Raises:
        InvalidField: `image` is no picture that may be opened.
        Retryable: the database does not answer, or too many pictures wait.
    """
    found = await RECOGNITION.run(_inspect, core, read, algorithms, hints)
    return await core.database.reading(_matches, found, scope=scope, limit=limit)


async def read_manifest_store(core: Core, manifest_id: str, *, scope: Scope, is_alone: bool) -> bytes:
    """Reads the manifest store of a picture by its active manifest.

    Args:
        core: parts of the process.
        manifest_id: label of the active manifest.
        scope: tenants whose pictures are found.
        is_alone: whether the store is to hold that manifest alone, without those of ingredients.

    Raises:
        ObjectNotFound: nobody within the scope has it, or it is not kept.
        Retryable: the database or the object store does not answer.
    """
    from imgen.provenance import manifest_store

    record = None
    if "\0" not in manifest_id:  # no manifest has it, and PostgreSQL refuses it
        record = await core.database.reading(picture_records.find_by_manifest, manifest_id, tenant_id=_tenant(scope))
    if record is None or not _is_kept(record):
        raise ObjectNotFound(NO_MANIFEST)
    try:
        store = await OBJECTS.run(core.objects.get, record.manifest_key)
    except ObjectNotFound as exc:
        raise ObjectNotFound(NO_MANIFEST) from exc
    alone = manifest_store.only(store, manifest_id) if is_alone else store
    return store if alone is None else alone


def _inspect(core: Core, read: ReadPicture, algorithms: Collection[Algorithm], hints: Sequence[SoftBinding]) -> Found:
    """Reads the values of a file and looks them up among all fingerprints. Blocking."""
    from imgen.provenance.inspection import inspect_picture
    from imgen.provenance.matchlist import LEAST_QUALITY

    inspected = inspect_picture(read())
    bindings: list[SoftBinding] = []
    if Algorithm.WATERMARK in algorithms:
        bindings.append(SoftBinding(algorithm=Algorithm.WATERMARK, value=inspected.watermark.id or ""))
    looks = inspected.fingerprint
    if Algorithm.FINGERPRINT in algorithms and looks.quality >= LEAST_QUALITY:  # else its hash says nothing
        bindings.append(SoftBinding(algorithm=Algorithm.FINGERPRINT, value=looks.hash))
    return _alike(core, [*bindings, *hints])


def _alike(core: Core, bindings: Sequence[SoftBinding]) -> Found:
    near: dict[str, KnownPicture] = {}
    for binding in filter(_is_fingerprint, bindings):
        for one in core.known_fingerprints.search(binding.value)[:MAX_ALIKE]:
            if one.gen_id not in near or one.distance < near[one.gen_id].distance:
                near[one.gen_id] = one
    ordered = sorted(near.values(), key=lambda one: (one.distance, one.gen_id))
    return Found(watermarks=_values(bindings).watermarks, alike=tuple(ordered))


def _values(bindings: Iterable[SoftBinding]) -> Found:
    return Found(watermarks=tuple(one.value for one in bindings if not _is_fingerprint(one)))


def _matches(connection: Connection, found: Found, *, scope: Scope, limit: int) -> list[ManifestMatch]:
    """Looks up all that was found, whether it leads anywhere or not: the work tells nothing."""
    tenant_id = _tenant(scope)
    marked = [picture_records.find_by_watermark(connection, value, tenant_id=tenant_id) for value in found.watermarks]
    near: Mapping[str, PictureRecord] = picture_records.find_all(
        connection, [one.gen_id for one in found.alike], tenant_id=tenant_id
    )
    scores = {one.manifest_id: EXACT for one in marked if one is not None and _is_kept(one)}
    for one in found.alike:
        record = near.get(one.gen_id)
        if record is not None and _is_kept(record):
            scores.setdefault(record.manifest_id, EXACT * (_BITS - one.distance) // _BITS)
    return [ManifestMatch(manifest_id=name, score=score) for name, score in list(scores.items())[:limit]]


def _is_fingerprint(binding: SoftBinding) -> bool:
    return binding.algorithm is Algorithm.FINGERPRINT


def _is_kept(record: PictureRecord) -> bool:
    return record.removed_at is None and bool(record.manifest_key)


def _tenant(scope: Scope) -> str | None:
    return None if scope is None else next(iter(scope))
