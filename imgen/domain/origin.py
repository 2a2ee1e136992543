"""Origin of a picture from anywhere: the verdict over credentials, watermark and fingerprint (contract, section 7)."""

from typing import Literal

from msgspec import Struct

Verdict = Literal["proven", "ours", "likely", "forged", "unknown"]


class Evidence(Struct, frozen=True, kw_only=True):
    """Evidence found in a picture, as far as it concerns the records of the one who asks. Pictures are told by their ids."""

    is_trusted: bool = False
    """Whether the picture's credentials are whole and by a signer that this installation trusts."""
    is_whole: bool = False
    """Whether they are whole, whoever signed them."""
    has_credentials: bool = False
    signed_as: str = ""
    """Picture that the active manifest was made for; empty: none of ours."""
    descends_from: frozenset[str] = frozenset()
    """Pictures of ours that whole credentials name as ingredients."""
    marked_as: str = ""
    """Picture whose watermark was read; empty: none was, or it is none of ours."""
    looks_like: frozenset[str] = frozenset()
    """Pictures whose fingerprint is within the distance of a match."""


class Origin(Struct, frozen=True, kw_only=True):
    """Verdict, and the picture of ours that it is about."""

    verdict: Verdict
    gen_id: str = ""
    """Empty: there is none."""


def judge(evidence: Evidence) -> Origin:
    """Decides whose picture it is: what a signature proves, what mark and fingerprint tell, and what contradicts itself."""
    signed, marked, alike = evidence.signed_as, evidence.marked_as, evidence.looks_like
    if evidence.is_trusted and signed:
        return Origin(verdict="forged" if marked and marked != signed else "proven", gen_id=marked or signed)
    if (
        signed
    ):  # the manifest of a picture of ours is broken, or signed by somebody else: copied, or the picture was changed
        is_copied = (marked and marked != signed) or (not marked and signed not in alike)
        if is_copied:
            return Origin(verdict="forged", gen_id=marked or signed)
    elif evidence.has_credentials and marked and not (evidence.is_whole and marked in evidence.descends_from):
        return Origin(verdict="forged", gen_id=marked)
    return _by_pixels(marked, alike)


def _by_pixels(marked: str, alike: frozenset[str]) -> Origin:
    """Decides by mark and fingerprint alone. Several like pictures prove less than one."""
    if marked:
        return Origin(verdict="ours" if marked in alike else "likely", gen_id=marked)
    if alike:
        return Origin(verdict="likely", gen_id=min(alike) if len(alike) == 1 else "")
    return Origin(verdict="unknown")
