"""Names of models: those that `model` may have in a request, and the lists of `GET /v1/models`."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from imgen.asgi.endpoint import Answer, json_answer
from imgen.domain.catalog import Model
from imgen.domain.errors import ModelNotFound
from imgen.domain.tiers import OURSELVES, provider_of, unavailable
from imgen.services.core import Core
from imgen.surfaces.openai.answers import OpenAIModel, OpenAIModels


class Named(NamedTuple):
    """Model that a request names."""

    model: Model | None
    """None: the default one, or that of a quality tier."""
    name: str = ""
    """Name by which it is pinned; empty: it is not."""


def named(core: Core, name: str | None) -> Named:
    """Finds a model by a key of the catalog, a name of tiers.toml or one of OpenAI's; the default for none and an empty one.

    Raises:
        ModelNotFound: there is none of that name, or it is not configured.
    """
    wanted = (name or "").strip()
    if not wanted:
        return Named(None)
    catalog = core.catalog
    if wanted in catalog.models:
        return Named(catalog.models[wanted], wanted)
    entry = core.tiers.pinned(wanted)
    if entry is not None and not (reason := unavailable(entry, catalog)):
        return Named(catalog.models[entry.model], entry.key)
    if _is_of_openai(core, wanted):
        return Named(None)
    raise ModelNotFound(f"The model {wanted[:100]!r} does not exist" if entry is None else reason)


def list_all(core: Core) -> Answer:
    """Lists the models of the catalog, the default first, and the names by which they can be pinned."""
    catalog = core.catalog
    rest = [(key, catalog.provider(model) or OURSELVES) for key, model in catalog.models.items()]
    rest += [
        (entry.key, provider_of(entry, catalog.models[entry.model], catalog))
        for entry in core.tiers.selectable.values()
        if not unavailable(entry, catalog) and entry.key not in catalog.models
    ]
    return json_answer(OpenAIModels(data=tuple(OpenAIModel(id=key, owned_by=owner) for key, owner in rest)))


def read(core: Core, name: str) -> Answer:
    """Answers one model, under the name that was asked for.

    Raises:
        ModelNotFound: see `named`.
    """
    model, entry = named(core, name).model, core.tiers.pinned(name)
    if entry is not None:
        owner = provider_of(entry, model, core.catalog)
    else:
        owner = (core.catalog.provider(model) if model else "") or OURSELVES
    return json_answer(OpenAIModel(id=name, owned_by=owner))


def _is_of_openai(core: Core, name: str) -> bool:
    folded = name.casefold()
    return any(fnmatchcase(folded, alias.casefold()) for alias in core.settings.openai.aliases)
