"""Review: may this be shown? The words before a pixel is made, words and picture before anything is branded or reachable."""

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.job import Blocked, Job
from imgen.domain.review.verdict import PictureBlocked, Verdict
from workers.picture import Context, Picture
from workers.reviewers import Case


def words(picture: Picture, context: Context) -> Picture:
    """Stops what could never be released; what a ruleset releases to its caller is drawn and reviewed again.

    Raises:
        PictureBlocked: the floor or a rule without release matched.
    """
    return replace(picture, verdict=_decided(_review(context)))


def picture(picture: Picture, context: Context) -> Picture:
    """The verdict on the finished, unbranded render. One out of the cache was passed before; what stands beside it was not.

    Raises:
        PictureBlocked: as for the words.
        ReviewerUnavailable: nobody judged it; it waits.
    """
    verdict = _decided(_review(context, picture.pixels))
    if reused := context.job.recipe.reused:
        verdict = msgspec.structs.replace(verdict, codes=tuple(dict.fromkeys((*reused.codes, *verdict.codes))))
    return replace(picture, verdict=verdict)


def _review(context: Context, pixels: NDArray[np.uint8] | None = None) -> Verdict:
    ruleset = context.workshop.rulesets.get(context.job.recipe.ruleset)
    if ruleset is None:
        # It was there at submit. To go on with another would be to publish by rules nobody asked for.
        raise ConfigurationError(f"Ruleset {context.job.recipe.ruleset!r} is not configured any more")
    reused = context.job.recipe.reused
    is_known = reused is not None and reused.judged_by == context.workshop.judged_by.get(context.job.recipe.ruleset)
    return context.workshop.board.review(
        Case(ruleset=ruleset, parts=parts(context.job), pixels=pixels, is_known=is_known)
    )


def parts(job: Job) -> dict[str, str]:
    """All words of a job by the names that rules know (see domain/review/judge.py)."""
    recipe = job.recipe
    return {
        "prompt": recipe.words.prompt,
        "original_prompt": recipe.words.original_prompt,
        "positive": recipe.diffusion.positive,
        "negative": recipe.words.negative,
        "character": recipe.words.character,
        "precompliance": recipe.precompliance,
        "cs_author": recipe.claim.author,
        "cs_title": recipe.claim.title,
        "cs_description": recipe.claim.description,
        "cs_organization": recipe.claim.organization,
        "cs_vendor": recipe.claim.vendor,
    }


def blocked(verdict: Verdict, *, unsafe_key: str = "") -> Blocked:
    """Returns why a picture is withheld, out of a verdict that is not safe."""
    return Blocked(names=verdict.names, categories=verdict.codes, floor=verdict.floor, unsafe_key=unsafe_key)


def _decided(verdict: Verdict) -> Verdict:
    if not verdict.safe and not verdict.release:
        raise PictureBlocked(verdict)
    return verdict
