"""Review of the words before anything is drawn, and of words and picture before anything is branded or reachable."""

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.job import Job
from imgen.domain.outcome import Blocked
from imgen.domain.review.verdict import PictureBlocked, Verdict
from workers.picture import Context, Picture
from workers.reviewers import ReviewInput


def words(picture: Picture, context: Context) -> Picture:
    """Reviews the words alone. A prompt blocked by a rule with `release` goes on: it is drawn, and reviewed with its picture.

    Raises:
        PictureBlocked: the floor or a rule without release matched.
    """
    return replace(picture, verdict=_decided(_review(context)))


def picture(picture: Picture, context: Context) -> Picture:
    """Reviews the finished, unbranded render with the words. A render out of the cache was passed before, its words were not.

    Raises:
        PictureBlocked: as for the words.
        ReviewerUnavailable: a reviewer did not answer; the job waits.
    """
    verdict = _decided(_review(context, picture.pixels))
    if cache_hit := context.job.recipe.cache_hit:
        verdict = msgspec.structs.replace(verdict, codes=tuple(dict.fromkeys((*cache_hit.codes, *verdict.codes))))
    return replace(picture, verdict=verdict)


def _review(context: Context, pixels: NDArray[np.uint8] | None = None) -> Verdict:
    ruleset = context.resources.rulesets.get(context.job.recipe.ruleset)
    if ruleset is None:
        # It existed at submit. Another one in its place would publish by rules that the caller did not ask for.
        raise ConfigurationError(f"Ruleset {context.job.recipe.ruleset!r} is not configured any more")
    cache_hit = context.job.recipe.cache_hit
    digest = context.resources.policy_digests.get(context.job.recipe.ruleset)
    already_reviewed = cache_hit is not None and cache_hit.policy_digest == digest
    return context.resources.reviewers.review(
        ReviewInput(ruleset=ruleset, parts=parts(context.job), pixels=pixels, already_reviewed=already_reviewed)
    )


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


def _decided(verdict: Verdict) -> Verdict:
    if not verdict.safe and not verdict.release:
        raise PictureBlocked(verdict)
    return verdict
