"""Validation status of credentials in plain words: the reasons why they are invalid, or valid and not trusted."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """Failed check of a file's credentials."""

    code: str
    """Status code of C2PA 2.4, section 15.2, or `unreadable`."""
    reason: str
    """Plain words."""


UNREADABLE = "unreadable"
"""Code, not of the specification, of a file that cannot be read far enough to find another."""

_WORDS = {
    UNREADABLE: "the credentials cannot be read: they are broken or cut off",
    "algorithm.unsupported": "an algorithm is used that the specification does not allow",
    "assertion.action.ingredientMismatch": "an action names an ingredient that is not there",
    "assertion.action.malformed": "the list of actions breaks the specification's rules",
    "assertion.action.redacted": "the list of actions was taken out, which the specification forbids",
    "assertion.action.redactionMismatch": "an action tells of something taken out that is still there",
    "assertion.action.softBindingMissing": "a watermark is claimed, but no binding says which",
    "assertion.bmffHash.malformed": "the description of the picture's hash breaks the specification's rules",
    "assertion.bmffHash.mismatch": "the picture was changed after it was signed",
    "assertion.boxesHash.malformed": "the description of the picture's hash breaks the specification's rules",
    "assertion.boxesHash.mismatch": "the picture was changed after it was signed",
    "assertion.boxesHash.unknownBox": "the file has a part that the signature does not know",
    "assertion.cbor.invalid": "a statement cannot be read",
    "assertion.dataHash.malformed": "the description of the picture's hash breaks the specification's rules",
    "assertion.dataHash.mismatch": "the picture was changed after it was signed",
    "assertion.hashedURI.mismatch": "a statement was changed after it was signed",
    "assertion.inaccessible": "a statement lies elsewhere and was not fetched",
    "assertion.json.invalid": "a statement cannot be read",
    "assertion.missing": "a statement is missing that the signer made",
    "assertion.multipleHardBindings": "there are several hashes of the picture where one is allowed",
    "assertion.notRedacted": "a statement is still there that is said to be taken out",
    "assertion.outsideManifest": "a statement belongs to other credentials",
    "assertion.required.missing": "a statement is missing that the specification requires",
    "assertion.selfRedacted": "the credentials take out their own statements",
    "assertion.undeclared": "there is a statement that the signer did not make",
    "claim.cbor.invalid": "the signed claim cannot be read",
    "claim.hardBindings.missing": "no hash ties the credentials to this picture",
    "claim.malformed": "the signed claim breaks the specification's rules",
    "claim.missing": "the signed claim is missing",
    "claim.multiple": "there are several signed claims where one is allowed",
    "claim.required.missing": "the signed claim is missing",
    "claimSignature.mismatch": "the signature does not fit: the claim was changed, or signed with another key",
    "claimSignature.missing": "the signature is missing",
    "claimSignature.outsideValidity": "the picture was signed while the certificate was not valid",
    "hashedURI.missing": "a statement is missing that the signer made",
    "hashedURI.mismatch": "a statement was changed after it was signed",
    "ingredient.claimSignature.mismatch": "the signature of a picture that this one was made from does not fit",
    "ingredient.claimSignature.missing": "the signature of a picture that this one was made from is missing",
    "ingredient.hashedURI.mismatch": "the credentials of a picture that this one was made from were changed",
    "ingredient.malformed": "the record of a picture that this one was made from breaks the specification's rules",
    "ingredient.manifest.mismatch": "the credentials of a picture that this one was made from were changed",
    "ingredient.manifest.missing": "the credentials of a picture that this one was made from are missing",
    "manifest.compressed.invalid": "the credentials cannot be unpacked",
    "manifest.inaccessible": "the credentials lie elsewhere and were not fetched",
    "manifest.multipleParents": "several pictures are named as the one that this was made from",
    "manifest.timestamp.invalid": "the time-stamp's credentials break the specification's rules",
    "manifest.timestamp.wrongParents": "the time-stamp's credentials belong to another picture",
    "manifest.update.invalid": "an update of the credentials breaks the specification's rules",
    "manifest.update.wrongParents": "an update of the credentials belongs to another picture",
    "signingCredential.expired": "the signer's certificate had expired",
    "signingCredential.invalid": "the signer's certificate does not meet the specification's profile",
    "signingCredential.ocsp.revoked": "the signer's certificate was revoked",
    "signingCredential.revoked": "the signer's certificate was revoked",
    "signingCredential.untrusted": "the signer's certificate leads to no root that this installation trusts",
    "timeStamp.malformed": "the time-stamp cannot be read",
    "timeStamp.mismatch": "the time-stamp is of something else",
    "timeStamp.outsideValidity": "the time-stamp was made while its authority's certificate was not valid",
    "timeStamp.untrusted": "the time-stamp's authority is not trusted",
}
"""Words by status code. Codes that later versions add keep the library's own explanation."""


def problems_of(report: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Returns the failures in a report of the library, each code once; distrust of the signer, the mildest, comes last."""
    found: dict[str, Problem] = {}
    for failure in _failures(report):
        code = failure.get("code", "")
        found.setdefault(code, Problem(code=code, reason=_WORDS.get(code) or failure.get("explanation") or code))
    return tuple(sorted(found.values(), key=lambda problem: problem.code == "signingCredential.untrusted"))


def unreadable(error: Exception) -> tuple[Problem, ...]:
    """Returns the problem of a file on which the library gave up."""
    code = next((code for code in _WORDS if code in str(error)), UNREADABLE)
    return (Problem(code=code, reason=_WORDS[code]),)


def _failures(report: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    results = report.get("validation_results") or {}
    yield from (results.get("activeManifest") or {}).get("failure", [])
    for ingredient in results.get("ingredientDeltas") or []:
        yield from (ingredient.get("validationDeltas") or {}).get("failure", [])
    yield from report.get("validation_status") or []
