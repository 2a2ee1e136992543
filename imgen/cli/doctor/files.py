"""Checks of the operator's tables: plans, rulesets, match lists."""

from imgen.cli.doctor.finding import Warned
from imgen.configuration import load_plans, load_rulesets
from imgen.provenance import matchlist
from imgen.settings import Settings


def plans(loaded: Settings) -> str:
    """Reads the plans; warns of one whose rate locks its pollers out."""
    found = load_plans(loaded)
    shortfalls = [plan.shortfall for plan in found.values() if plan.shortfall]
    return Warned("\n".join([", ".join(found), *shortfalls])) if shortfalls else ", ".join(found)


def rulesets(loaded: Settings) -> str:
    """Reads the rulesets."""
    return ", ".join(load_rulesets(loaded))


def match_lists(loaded: Settings) -> str:
    """Reads the match lists."""
    paths = [path for folder in loaded.match_folders for path in folder.glob("*.csv")]
    hashes = sum(len(matchlist.parse(path.read_text("utf-8"), str(path)).hashes) for path in paths)
    return f"{hashes} hashes in {len(paths)} lists"
