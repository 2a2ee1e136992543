"""Verdict on a picture from anywhere, for each kind of evidence and each contradiction."""

import pytest

from imgen.domain.origin import Evidence, judge

WHOLE = {"has_credentials": True, "is_whole": True}
TRUSTED = WHOLE | {"is_trusted": True}
BROKEN = {"has_credentials": True}
ALIKE = frozenset({"a"})


@pytest.mark.parametrize(
    ("evidence", "verdict", "gen_id"),
    [
        ({}, "unknown", ""),
        (TRUSTED | {"signed_as": "a"}, "proven", "a"),
        (TRUSTED | {"signed_as": "a", "marked_as": "a", "looks_like": ALIKE}, "proven", "a"),
        (TRUSTED | {"signed_as": "a", "marked_as": "b"}, "forged", "b"),
        ({"marked_as": "a", "looks_like": ALIKE}, "ours", "a"),
        ({"marked_as": "a"}, "likely", "a"),
        ({"marked_as": "b", "looks_like": ALIKE}, "likely", "b"),
        ({"looks_like": ALIKE}, "likely", "a"),
        ({"looks_like": frozenset({"a", "b"})}, "likely", ""),
        (TRUSTED, "unknown", ""),  # by a signer that is trusted, but of no picture of the caller's
        (BROKEN | {"signed_as": "a"}, "forged", "a"),  # copied onto a picture of somebody else
        (
            BROKEN | {"signed_as": "a", "looks_like": ALIKE},
            "likely",
            "a",
        ),  # the picture was saved anew, with its metadata
        (BROKEN | {"signed_as": "a", "marked_as": "a"}, "likely", "a"),
        (BROKEN | {"signed_as": "a", "marked_as": "a", "looks_like": ALIKE}, "ours", "a"),
        (BROKEN | {"signed_as": "a", "marked_as": "b", "looks_like": ALIKE}, "forged", "b"),
        (WHOLE | {"signed_as": "a"}, "forged", "a"),  # our manifest's name, by another signer
        (WHOLE | {"marked_as": "a", "looks_like": ALIKE}, "forged", "a"),  # foreign credentials on our picture
        (BROKEN | {"marked_as": "a"}, "forged", "a"),
        (WHOLE | {"marked_as": "a", "descends_from": ALIKE}, "likely", "a"),  # edited elsewhere, and told so
        (WHOLE | {"looks_like": ALIKE}, "likely", "a"),
    ],
)
def test_the_verdict_follows_from_the_evidence(evidence, verdict, gen_id):
    """Signature, watermark and fingerprint together; what contradicts itself is forged."""
    origin = judge(Evidence(**evidence))
    assert (origin.verdict, origin.gen_id) == (verdict, gen_id)
