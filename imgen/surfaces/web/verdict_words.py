"""Verdicts over a picture in words: no more than the evidence carries."""

from typing import NamedTuple

from imgen.domain.origin import Verdict
from imgen.services.recognition.recognize import Recognized


class VerdictWords(NamedTuple):
    """Verdict as a page tells it."""

    title: str
    kind: str
    """Class of the style sheet: `news`, `note` or `warning`."""
    text: str


_PROVEN = VerdictWords(
    "Proven: this file was made here",
    "news",
    "Its Content Credentials are unbroken, by a signer that this server trusts, and they are those of a picture that this server "
    "published. Nothing in the picture was changed since it was signed.",
)
_OURS = VerdictWords(
    "Ours: a picture made here",
    "news",
    "Its invisible watermark is that of a picture that this server published, and it looks like that picture. No signature "
    "proves it: the file was saved anew, or changed, since it was signed. Small changes do not show in the look.",
)
_FORGED = VerdictWords(
    "Contradiction: do not rely on its credentials",
    "warning",
    "The Content Credentials in this file are not those of this picture. They were taken from another picture, or put on one "
    "that was made here without naming it, or the picture was changed beyond recognition since.",
)
_LIKELY_MARK = VerdictWords(
    "Likely: its watermark is ours",
    "note",
    "Its invisible watermark is that of a picture that this server published, but their fingerprints differ too much, or there "
    "is none left to compare. It may be a part of that picture, or much changed.",
)
_LIKELY_LOOK = VerdictWords(
    "Likely: it looks like one of ours",
    "note",
    "No watermark of ours was read, but it looks very much like a picture that this server published. It may be that picture, "
    "saved too strongly for the watermark. A likeness is no proof: another picture may look alike.",
)
_LIKELY_SEVERAL = VerdictWords(
    "Likely: it looks like several of ours",
    "note",
    "No watermark of ours was read, but it looks very much like more than one picture that this server published. Which of "
    "them it is, or whether it is one of them, cannot be told. A likeness is no proof.",
)
_UNKNOWN = VerdictWords(
    "Unknown: nothing points to a picture made here",
    "note",
    "That proves nothing. Watermarks can be lost, pictures of other services are not known here, and it does not tell whether "
    "a person or a machine made the picture.",
)
_WORDS: dict[Verdict, VerdictWords] = {"proven": _PROVEN, "ours": _OURS, "forged": _FORGED, "unknown": _UNKNOWN}


def words_of(recognized: Recognized) -> VerdictWords:
    """Returns the verdict in words; a likely one by the sign that makes it so."""
    origin = recognized.origin
    if origin.verdict != "likely":
        return _WORDS[origin.verdict]
    if any("watermark" in match.signs for match in recognized.matches):
        return _LIKELY_MARK
    return _LIKELY_LOOK if origin.gen_id else _LIKELY_SEVERAL


CREDENTIALS = {
    "Trusted": ("unbroken, by a signer that this server trusts", "good"),
    "Valid": ("unbroken, by a signer that this server does not know", ""),
    "Invalid": ("broken, or changed after they were signed", "bad"),
    "None": ("none in this file", ""),
}
"""State of credentials → their words, and the class of the badge."""
SIGNS = {
    "credentials": "its credentials",
    "ingredient": "named as a part of it by its credentials",
    "watermark": "its watermark",
    "fingerprint": "its look",
}
"""Sign → words for what points to a picture."""
