"""Who says whether a picture may be shown. The floor always does; then come the configured reviewers, in their order.

A new reviewer is one file and one line in REVIEWERS.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from imgen.domain.errors import ConfigurationError
from imgen.domain.review.floor import judge_floor
from imgen.domain.review.ruleset import CompiledRuleset
from imgen.domain.review.verdict import Verdict, combine
from imgen.settings import Settings
from workers.reviewers.listed import LISTED, UNCLEAR, Listed


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is to be judged."""

    ruleset: CompiledRuleset
    parts: Mapping[str, str]
    """Words of the request by part; see domain/review/judge.py for their roles."""
    pixels: NDArray[np.uint8] | None = None
    """(H, W, 3) uint8, sRGB, unbranded; None: nothing is drawn yet."""
    suspicions: tuple[str, ...] = ()
    """Rule ids that others had a doubt about."""
    is_known: bool = False
    """The same reviewers passed these very pixels before: asked are the floor, the match lists and who judges words."""


class Reviewer(Protocol):
    """One judge."""

    sees_pictures: bool
    """False: it judges words alone, and is asked before anything is drawn as well."""

    def review(self, case: Case) -> Verdict:
        """The verdict under the case's ruleset.

        Raises:
            ReviewerUnavailable: it did not answer, or not in a form that can be relied on.
        """

    def close(self) -> None:
        """Closes connections."""


REVIEWERS: dict[str, str] = {
    "rules": "workers.reviewers.rules",
    "moderation": "workers.reviewers.moderation",
    "vision": "workers.reviewers.vision",
}
"""Name in `[review] reviewers` → module with `load(settings) -> Reviewer`."""


class Board:
    """The floor and the reviewers together."""

    def __init__(self, listed: Listed, reviewers: Sequence[Reviewer]) -> None:
        self._listed = listed
        self._reviewers = tuple(reviewers)

    def review(self, case: Case) -> Verdict:
        """One verdict. Who blocks ends the round: nobody after could lift it.

        Raises:
            ReviewerUnavailable: see Reviewer; nothing is safe then.
        """
        verdicts = [judge_floor(case.parts) or Verdict(safe=True)]
        if case.pixels is not None:
            verdicts.append(self._listed.judge(case.pixels))
        is_doubted = any(LISTED in verdict.suspicions for verdict in verdicts)
        is_new = case.pixels is not None and (not case.is_known or is_doubted)
        asked = [one for one in self._reviewers if is_new or not one.sees_pictures]
        for reviewer in asked:
            if not all(verdict.safe for verdict in verdicts):
                break
            suspicions = tuple(code for verdict in verdicts for code in verdict.suspicions)
            verdicts.append(reviewer.review(replace(case, suspicions=suspicions)))
        verdict = combine(verdicts)
        if verdict.safe and LISTED in verdict.suspicions and not any(one.sees_pictures for one in asked):
            return combine((*verdicts, UNCLEAR))
        return verdict

    def close(self) -> None:
        """Closes every reviewer's connections."""
        for reviewer in self._reviewers:
            reviewer.close()


def digests(settings: Settings) -> dict[str, str]:
    """Ruleset → digest of all that decides under it: who reviews, with which model and instructions, by which rules."""
    review, folder = settings.review, settings.config_dir
    who = repr((review.reviewers, review.base_url, review.model, review.moderation_model))
    files = [folder / "moderation.toml", folder / "prompts" / "review.md"]
    common = who.encode() + b"".join(path.read_bytes() for path in files if path.is_file())
    rulesets = sorted((folder / "rulesets").glob("*.toml"))
    return {path.stem: hashlib.sha256(common + path.read_bytes()).hexdigest() for path in rulesets}


def open_board(settings: Settings) -> Board:
    """The configured board.

    Raises:
        ConfigurationError: a reviewer is unknown or lacks what it needs, or a match list is broken.
    """
    names = settings.review.reviewers
    if unknown := [name for name in names if name not in REVIEWERS]:
        raise ConfigurationError(f"[review] reviewers: no {', '.join(unknown)}; there are {', '.join(REVIEWERS)}")
    if not names:
        raise ConfigurationError("[review] reviewers is empty: nothing is published unreviewed")
    loaders = [cast("Callable[[Settings], Reviewer]", import_module(REVIEWERS[name]).load) for name in names]
    folders = (settings.config_dir / "matches", settings.data_dir / "matches")
    return Board(Listed(folders), [load(settings) for load in loaders])
