"""Evidence: a word for a child or a sexual word in one text, and how far away its counterpart may stand.

A third kind, ALONE, violates the floor without a counterpart.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from imgen.domain.review.floor_words import ANY

CHILD, SEXUAL, ALONE = "child", "sexual", "alone"
REQUEST, TEXT, NEAR, TOUCH = 1_000_000, 100_000, 10, 2
"""Reach in words. REQUEST reaches into the other texts of a request as well."""
REACHES: dict[str, dict[str, int]] = {
    CHILD: {
        "child": REQUEST,
        "child_head": REQUEST,
        "under_age": REQUEST,
        "kin": TEXT,
        "child_own": NEAR,
        "child_near": NEAR,
    },
    SEXUAL: {
        "sexual": REQUEST,
        "bare": REQUEST,
        "sexual_own": TEXT,
        "bare_own": TEXT,
        "sexual_near_own": NEAR,
        "sexual_near": NEAR,
        "bare_near": TOUCH,
    },
    ALONE: {"alone": REQUEST},
}
"""Lists of words that are evidence of each kind, with their reach."""
_ENGLISH = frozenset({"en"})


class Evidence(Struct, frozen=True):
    """Word for a child or sexual word, with its place in the text."""

    kind: str
    at: int
    text: str
    reach: int
    languages: frozenset[str]
    partners: frozenset[str] | None = None
    """Languages of which its counterpart must have one; None: any."""


def meeting(found: Sequence[Evidence]) -> tuple[Evidence, Evidence] | None:
    """Returns a child's and a sexual word of one text that reach each other, or None. Linear time."""
    wide = list(_distinct(one for one in found if one.reach >= TEXT))
    near = sorted(found, key=lambda one: one.at) if len(wide) < len(found) else []
    for one, other in _pairs(wide, near):
        if {one.kind, other.kind} == {CHILD, SEXUAL} and _reaches(one, other) and _reaches(other, one):
            return (one, other) if one.kind == CHILD else (other, one)
    return None


def _pairs(wide: Sequence[Evidence], near: Sequence[Evidence]) -> Iterator[tuple[Evidence, Evidence]]:
    for at, one in enumerate(wide):
        for other in wide[at + 1 :]:
            yield one, other
    for at, one in enumerate(near):
        for other in near[at + 1 : at + 1 + 4 * NEAR]:
            if other.at - one.at > NEAR:
                break
            yield one, other


def _distinct(found: Iterable[Evidence]) -> Iterator[Evidence]:
    """Yields one of each kind, reach and languages: in a whole text places do not matter."""
    seen: dict[tuple[object, ...], Evidence] = {}
    for one in found:
        seen.setdefault((one.kind, one.reach, one.languages, one.partners), one)
    yield from seen.values()


def _reaches(one: Evidence, other: Evidence) -> bool:
    if abs(one.at - other.at) > one.reach:
        return False
    languages = (
        _ENGLISH if "en" in other.languages else other.languages
    )  # a loan word tells nothing of the text's language
    return one.partners is None or ANY in languages or bool(one.partners & languages)
