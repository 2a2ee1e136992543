"""Review of the words, the source and the mask before anything is drawn, then of the render, of the logo, and of both together.

All of it comes before anything is signed or reachable, and what is signed is what was reviewed.
"""

import math
from dataclasses import replace

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image

from imgen.domain.errors import ConfigurationError
from imgen.domain.job import Job
from imgen.domain.outcome import Blocked
from imgen.domain.review.floor import MINORS, MINORS_LABEL, names_child
from imgen.domain.review.ruleset import SEXUAL
from imgen.domain.review.verdict import PictureBlocked, Verdict, combine, floor_verdict, verdict_of
from imgen.provenance.outside import changed_part
from workers.picture import Context, Picture
from workers.reviewers import ReviewInput
from workers.stages.source import used_part

log = structlog.get_logger(__name__)

SAFETY_CHECKER = "safety_checker"
"""Rule id of a picture that the model flagged under a ruleset that does not block nudity, and the reason for the audit."""
PROVIDER_POLICY = "provider_policy"
"""Rule id of a picture that a remote engine's provider refused to draw; the reason for the audit begins with it."""


MAX_SEEN_SIDE = 2048
"""Pixels of the long edge of a source or mask as reviewers see it."""
LEAST_CUT = 0.01
"""Share of a side that must be cut off for the rest to be seen apart: PDQ bears half a percent on each side."""


def words(picture: Picture, context: Context) -> Picture:
    """Reviews the words alone. A prompt blocked by a rule with `release` goes on: it is drawn, and reviewed with its picture.

    Raises:
        PictureBlocked: the floor or a rule without release matched.
    """
    return replace(picture, verdict=_decided(context.resources.reviewers.review(_subject(context))))


def picture(picture: Picture, context: Context) -> Picture:
    """Reviews the finished, unbranded render with the words. A render out of the cache was passed before, its words were not.

    Raises:
        PictureBlocked: as for the words.
        ReviewerUnavailable: a reviewer did not answer; the job waits.
    """
    cache_hit = context.job.recipe.cache_hit
    digest = context.resources.policy_digests.get(context.job.recipe.ruleset)
    subject = replace(_subject(context), pixels=picture.pixels)
    # A note, such as nudity, was made for other words: it weighs more beside a child.
    is_doubtful = cache_hit is not None and bool(cache_hit.codes) and names_child(subject.parts)
    already_reviewed = cache_hit is not None and cache_hit.policy_digest == digest and not is_doubtful
    subject = replace(subject, already_reviewed=already_reviewed)
    verdict = _decided(context.resources.reviewers.review(subject))
    if cache_hit:
        verdict = msgspec.structs.replace(verdict, codes=tuple(dict.fromkeys((*cache_hit.codes, *verdict.codes))))
    return replace(picture, verdict=verdict)


def refused_by_provider(words: str) -> Verdict:
    """Returns the verdict on a picture that a remote engine's provider refused to draw by its own policy.

    Args:
        words: the engine and the provider's words, without the prompt; operators alone see them.
    """
    reason = f"{PROVIDER_POLICY}: {words}"
    return Verdict(safe=False, codes=(PROVIDER_POLICY,), names=("Refused by the provider",), reason=reason)


def flagged_by_model(context: Context) -> Verdict:
    """Returns the verdict on a picture that the model's own safety checker flagged; it came out black, so nobody gets it."""
    subject = _subject(context)
    if names_child(subject.parts):
        return floor_verdict(MINORS, MINORS_LABEL, SAFETY_CHECKER)
    rules = {rule.id: rule for rule in subject.ruleset.ruleset.rules}
    rule = rules.get(SEXUAL)
    if rule is None or rule.action != "block":
        return Verdict(safe=False, codes=(SAFETY_CHECKER,), names=("Flagged by the model",), reason=SAFETY_CHECKER)
    return msgspec.structs.replace(verdict_of((rule,), SAFETY_CHECKER), release=False)


def logo(picture: Picture, context: Context) -> Picture:
    """Reviews the logo, a picture from outside, before it is used.

    Raises:
        PictureBlocked, ReviewerUnavailable: as for the picture.
    """
    if picture.logo is None:
        return picture
    rotation = context.job.recipe.visible_watermark.rotation
    verdict = context.resources.reviewers.review_outside(_subject(context), picture.logo, rotation=rotation)
    return _joined(picture, verdict, "logo")


def inputs(picture: Picture, context: Context) -> Picture:
    """Reviews source and mask, pictures from outside, before they are used. The match lists see both, reviewers the source.

    Seen are the whole source and, where much is cut off, the part of it that will be used. None that is refused is ever drawn
    from: there would be nothing to release.

    Raises:
        PictureBlocked, ReviewerUnavailable: as for the picture.
    """
    if picture.source is None:
        return picture
    subject, reviewers = _subject(context), context.resources.reviewers
    used = used_part(picture.source, context.job.recipe)
    whole = _reduced(picture.source)
    is_cut = abs(math.log(whole.shape[1] * used.shape[0] / (whole.shape[0] * used.shape[1]))) > LEAST_CUT
    verdicts = [reviewers.review_outside(subject, view) for view in ((whole, used) if is_cut else (whole,))]
    verdicts = [_named(verdict, "source") for verdict in verdicts]
    if picture.mask is not None:
        grey = np.repeat(_reduced(picture.mask)[..., None], 3, axis=2)
        verdicts.append(_named(reviewers.compare_outside(grey), "mask"))
    verdict = combine(verdicts)
    if not verdict.safe:
        raise PictureBlocked(msgspec.structs.replace(verdict, release=False))
    return picture


def admits(context: Context, pixels: NDArray[np.uint8]) -> bool:
    """Returns whether a picture within the credentials of a source or a logo, (h, w, 4) uint8, may be published with them.

    Raises:
        ReviewerUnavailable: as for the picture.
    """
    verdict = context.resources.reviewers.review_outside(_subject(context), pixels)
    if not verdict.safe:
        log.warning(
            "credentials are left out: a picture in them was refused", job=context.job.id, reason=verdict.reason
        )
    return verdict.safe


def branded(picture: Picture, context: Context) -> Picture:
    """Reviews the picture with its logo as a new one, also where the render came out of the cache.

    Raises:
        PictureBlocked, ReviewerUnavailable: as for the picture.
    """
    if picture.logo is None or (part := changed_part(picture.unbranded, picture.pixels)) is None:
        return picture
    subject = replace(_subject(context), pixels=picture.pixels, details=(part,))
    return _joined(picture, context.resources.reviewers.review(subject), "with logo")


def _joined(picture: Picture, verdict: Verdict, of: str) -> Picture:
    """Adds a verdict on the logo to the picture's; `of` says in its reason what was seen."""
    verdicts = [picture.verdict] if picture.verdict is not None else []
    return replace(picture, verdict=_decided(combine([*verdicts, _named(verdict, of)]), is_for_logo=True))


def _named(verdict: Verdict, of: str) -> Verdict:
    return msgspec.structs.replace(verdict, reason=verdict.reason and f"{of}: {verdict.reason}")


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns a picture as reviewers need it: none looks at more pixels, and an upload may have 32 million."""
    image = Image.fromarray(pixels)
    image.thumbnail((MAX_SEEN_SIDE, MAX_SEEN_SIDE), Image.Resampling.LANCZOS, 3.0)
    return np.asarray(image)


def _subject(context: Context) -> ReviewInput:
    """Returns the ruleset and the words of the job; without pixels."""
    ruleset = context.resources.rulesets.get(context.job.recipe.ruleset)
    if ruleset is None:
        # It existed at submit. Another one in its place would publish by rules that the caller did not ask for.
        raise ConfigurationError(f"Ruleset {context.job.recipe.ruleset!r} is not configured any more")
    return ReviewInput(ruleset=ruleset, parts=parts(context.job))


def parts(job: Job) -> dict[str, str]:
    """Returns all texts of a job by the names of the parts that rules apply to (see domain/review/judge.py)."""
    recipe = job.recipe
    return {
        "prompt": recipe.prompt_parts.prompt,
        "original_prompt": recipe.prompt_parts.original_prompt,
        "positive": recipe.diffusion.positive,
        "negative": recipe.prompt_parts.negative,
        "character": recipe.prompt_parts.character,
        "precompliance": recipe.precompliance,
        "cs_author": recipe.attribution.author,
        "cs_title": recipe.attribution.title,
        "cs_description": recipe.attribution.description,
        "cs_organization": recipe.attribution.organization,
        "cs_vendor": recipe.attribution.vendor,
    }


def blocked(verdict: Verdict, *, unsafe_key: str = "") -> Blocked:
    """Returns the stored outcome of a verdict that is not safe."""
    return Blocked(names=verdict.names, categories=verdict.codes, floor=verdict.floor, unsafe_key=unsafe_key)


def _decided(verdict: Verdict, *, is_for_logo: bool = False) -> Verdict:
    if not verdict.safe and not verdict.release:
        raise PictureBlocked(verdict, is_for_logo=is_for_logo)
    return verdict
