"""Resolution of soft bindings: the manifests of pictures that have a value, or look like a file, and their manifest stores.

Pictures outside the scope of the one who asks take the same work as pictures that nobody has. Whatever was deleted on request, or
whose manifest store is not kept, is not found.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct
from sqlalchemy import Connection

from imgen.domain.errors import ObjectNotFound, RateLimited
from imgen.domain.remote_ip import network_of
from imgen.domain.request import ReadPicture
from imgen.domain.soft_binding import DIGITS, Algorithm, SoftBinding
from imgen.records import picture_records
from imgen.records.picture_records import PictureRecord, Scope
from imgen.services.core import Core
from imgen.services.recognition.known_fingerprints import KnownPicture
from imgen.services.recognition.recognize import MAX_ALIKE, Match, recognize
from imgen.threads import OBJECTS, RECOGNITION

MAX_RESULTS = 100
"""Most matches of an answer."""
MAX_PUBLIC = 8
"""Files of callers without a key that are looked at or wait for it, in one process; keys have the rest of the queue."""
MAX_OF_NETWORK = 2
"""Of these, those of one network, so that nobody who sends slowly keeps all others out."""
EXACT = 100
"""Score of a match of the watermark, whose value is one picture's."""
NO_MANIFEST = "There is no such manifest"
"""Text of a failure."""
_BITS = 4 * DIGITS[Algorithm.FINGERPRINT]


class ManifestMatch(Struct, frozen=True, kw_only=True):
    """Manifest that a soft binding leads to."""

    manifest_id: str
    score: int
    """0–100: of a fingerprint the share of its bits that agree."""


class PublicTurns:
    """Turns of callers without a key to have a file looked at, which takes a core for a second."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @contextmanager
    def one(self, remote_ip: str) -> Iterator[None]:
        """Holds a turn while the block runs.

        Raises:
            RateLimited: all turns are taken, or those of the address's network are.
        """
        network = network_of(remote_ip)
        if self._taken.total() >= MAX_PUBLIC or self._taken[network] >= MAX_OF_NETWORK:
            raise RateLimited("Too many pictures are looked at", retry_after_s=5)
        self._taken[network] += 1
        try:
            yield
        finally:
            self._taken[network] -= 1
            if not self._taken[network]:
                del self._taken[network]


async def find_by_binding(core: Core, binding: SoftBinding, *, scope: Scope, limit: int) -> list[ManifestMatch]:
    """Finds the manifests of pictures with a value, best first.

    Raises:
        Retryable: the database does not answer, or too many pictures wait.
    """
    reading = core.database.reading
    if binding.algorithm is Algorithm.WATERMARK:
        return await reading(_marked, binding.value, scope=scope)
    alike = await RECOGNITION.run(core.known_fingerprints.search, binding.value)
    return await reading(_like, alike[:MAX_ALIKE], scope=scope, limit=limit)


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
    recognized = await recognize(core, read, scope=scope)
    scores: dict[str, int] = {}
    for match in recognized.matches:
        score = _score(match, algorithms)
        if score is not None and _is_kept(match.picture):
            scores[match.picture.manifest_id] = score
    for hint in hints:
        for one in await find_by_binding(core, hint, scope=scope, limit=MAX_RESULTS):
            scores.setdefault(one.manifest_id, one.score)
    return _best(scores, limit)


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
        record = await core.database.reading(picture_records.find_by_manifest, manifest_id, scope=scope)
    if record is None or not _is_kept(record):
        raise ObjectNotFound(NO_MANIFEST)
    try:
        store = await OBJECTS.run(core.objects.get, record.manifest_key)
    except ObjectNotFound as exc:
        raise ObjectNotFound(NO_MANIFEST) from exc
    alone = manifest_store.only(store, manifest_id) if is_alone else store
    return store if alone is None else alone


def _score(match: Match, algorithms: Collection[Algorithm]) -> int | None:
    """Returns the score of a picture that a file points to; None: it does by nothing that counts here, such as credentials."""
    if Algorithm.WATERMARK in algorithms and "watermark" in match.signs:
        return EXACT
    if Algorithm.FINGERPRINT in algorithms and match.distance is not None:
        return _likeness(match.distance)
    return None


def _like(connection: Connection, alike: Sequence[KnownPicture], *, scope: Scope, limit: int) -> list[ManifestMatch]:
    near = picture_records.find_all(connection, [one.gen_id for one in alike], scope=scope)
    kept = [(near[one.gen_id], one.distance) for one in alike if one.gen_id in near and _is_kept(near[one.gen_id])]
    return _best({record.manifest_id: _likeness(distance) for record, distance in kept}, limit)


def _marked(connection: Connection, watermark_id: str, *, scope: Scope) -> list[ManifestMatch]:
    record = picture_records.find_by_watermark(connection, watermark_id, scope=scope)
    return _best({record.manifest_id: EXACT}, 1) if record is not None and _is_kept(record) else []


def _best(scores: Mapping[str, int], limit: int) -> list[ManifestMatch]:
    ordered = sorted(scores.items(), key=lambda one: -one[1])
    return [ManifestMatch(manifest_id=name, score=score) for name, score in ordered[:limit]]


def _likeness(distance: int) -> int:
    return EXACT * (_BITS - distance) // _BITS


def _is_kept(record: PictureRecord) -> bool:
    return record.removed_at is None and bool(record.manifest_key)
