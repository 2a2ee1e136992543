"""Plans and packs of credits, as the operator's files have them."""

from collections.abc import Mapping

from imgen.domain.account import Pack, Plan, parse_pack, parse_plan
from imgen.domain.errors import ConfigurationError, Invalid
from imgen.settings import Settings
from imgen.settings.layers import nearest
from imgen.settings.tables import layers_of, parse_table, tables_below

_PACKS = "packs"
"""Table of plans.toml that is no plan."""


def load_plans(settings: Settings) -> dict[str, Plan]:
    """Reads plans by key; the default plan must be among them.

    Raises:
        ConfigurationError: a table is wrong; the message has the path of the file that says so.
    """
    files = layers_of(settings, "plans.toml")
    plans = {key: parse_table(files, key, parse_plan, Plan.__struct_fields__) for key in files.tables if key != _PACKS}
    if settings.default_plan not in plans:
        raise ConfigurationError(
            f"default_plan: there is no plan {settings.default_plan!r}{nearest(settings.default_plan, plans)}"
        )
    return plans


def applied_plan(settings: Settings, plans: Mapping[str, Plan], key: str) -> Plan:
    """Returns the plan of that key; the default plan if an operator removed it."""
    return plans.get(key) or plans[settings.default_plan]


def load_packs(settings: Settings) -> dict[str, Pack]:
    """Reads the packs of credits by key: the tables below `packs` in plans.toml.

    Raises:
        ConfigurationError: a table is wrong; the message has the path of the file that says so.
    """
    files = tables_below(layers_of(settings, "plans.toml"), _PACKS)
    return {key: parse_table(files, key, parse_pack, Pack.__struct_fields__) for key in files.tables}


def known_pack(settings: Settings, pack: str) -> Pack:
    """Returns a pack by its key.

    Raises:
        Invalid: there is no such pack; the message has all names.
    """
    packs = load_packs(settings)
    if pack not in packs:
        raise Invalid(f"There is no pack {pack!r}; there are {', '.join(packs)}")
    return packs[pack]


def known_plan(settings: Settings, plan: str) -> str:
    """Returns the key of a plan; the default plan's for an empty one.

    Raises:
        Invalid: there is no such plan; the message has all names.
    """
    plans = load_plans(settings)
    if plan and plan not in plans:
        raise Invalid(f"There is no plan {plan!r}; there are {', '.join(plans)}")
    return plan or settings.default_plan
