"""Checks of the operator's tables: plans, tiers, Studio, rulesets, match lists."""

from imgen.cli.doctor.finding import Warned
from imgen.configuration import load_catalog, load_plans, load_rulesets, load_studio, load_tiers
from imgen.domain.studio import missing_names
from imgen.domain.tiers import candidates, tier_note, unavailable
from imgen.provenance import matchlist
from imgen.settings import Settings


def plans(loaded: Settings) -> str:
    """Reads the plans; warns of one whose rate locks its pollers out."""
    found = load_plans(loaded)
    shortfalls = [plan.shortfall for plan in found.values() if plan.shortfall]
    return Warned("\n".join([", ".join(found), *shortfalls])) if shortfalls else ", ".join(found)


def tiers(loaded: Settings) -> str:
    """Reads the tiers; tells the model that draws each, and warns of those that none draws."""
    read, catalog = load_tiers(loaded), load_catalog(loaded)
    lines = []
    drawn = True
    for tier in read.tiers.values():
        found = candidates(tier, catalog)
        note = tier_note(tier, found[0] if found else None)
        lines.append(f"{tier.key}: {note or ', '.join(one.model.key for one in found)}")
        drawn &= bool(found)
    missing = sum(bool(unavailable(entry, catalog)) for entry in read.selectable.values())
    lines.append(f"{len(read.selectable) - missing} of {len(read.selectable)} selectable models are configured")
    return "\n".join(lines) if drawn else Warned("\n".join(lines))


def studio(loaded: Settings) -> str:
    """Reads modes and presets of Studio; warns of models and styles that do not exist."""
    read = load_studio(loaded)
    told = f"{len(read.modes)} modes; presets {', '.join(read.presets)}"
    missing = missing_names(read, load_catalog(loaded))
    return Warned("\n".join([told, *missing])) if missing else told


def rulesets(loaded: Settings) -> str:
    """Reads the rulesets."""
    return ", ".join(load_rulesets(loaded))


def match_lists(loaded: Settings) -> str:
    """Reads the match lists."""
    paths = [path for folder in loaded.match_folders for path in folder.glob("*.csv")]
    hashes = sum(len(matchlist.parse(path.read_text("utf-8"), str(path)).hashes) for path in paths)
    return f"{hashes} hashes in {len(paths)} lists"
