"""Look-up in the semantic cache: the partition of a request, and a picture of it that may be reused."""

import contextlib
import hashlib
from typing import NamedTuple

import msgspec
import structlog

from imgen.domain.catalog import Catalog
from imgen.domain.errors import CacheMiss, Retryable
from imgen.domain.principal import Principal
from imgen.domain.prompt import Parsed, compose
from imgen.domain.request import GenerateRequest, ResolvedRequest
from imgen.records import cache as cache_records
from imgen.records.cache import Entry, PendingEntry
from imgen.services.core import Core

log = structlog.get_logger(__name__)


class LookUp(NamedTuple):
    """Result of a look-up."""

    pending: PendingEntry | None
    """Entry to keep the new picture under; None: it is not kept."""
    entry: Entry | None
    """Entry of the picture to reuse; None: a miss."""


async def look_up(core: Core, principal: Principal, request: GenerateRequest, resolved: ResolvedRequest) -> LookUp:
    """Looks up a picture to reuse, if the request has `use_cache`. A cache that does not answer is a miss.

    Raises:
        CacheMiss: the request has `cache_only`.
    """
    pending, entry = None, None
    if core.cache.wants(is_asked=bool(request.use_cache)):
        pending = await core.cache.pending_entry(
            tenant_id=principal.tenant.id,
            model=resolved.model.key,
            partition=partition_of(
                core.catalog,
                resolved,
                owner="" if core.settings.cache.shared else principal.tenant.id,
                ruleset=f"{resolved.ruleset} {core.rulesets[resolved.ruleset]}",
            ),
            text=", ".join(resolved.parsed.positive),
        )
    if pending is not None and request.use_cache:
        try:
            entry = await core.cache.find(
                pending, pick=resolved.cache_pick, force=bool(request.cache_force), rng=core.rng
            )
        except Retryable as exc:
            log.warning("cache not searched", reason=str(exc))
    if entry is None and request.use_cache and request.cache_only:
        with contextlib.suppress(Retryable):
            await core.database.writing(cache_records.count_lookup, principal.tenant.id, is_hit=False, now=core.clock())
        raise CacheMiss
    return LookUp(pending, entry)


def partition_of(catalog: Catalog, resolved: ResolvedRequest, *, owner: str, ruleset: str) -> str:
    """Computes the digest of everything but the positive terms that must be equal for two requests to share a picture.

    Args:
        catalog: for the words that model, style and character add to the prompt.
        resolved: model, style, character and size; the negative terms count as a set.
        owner: the tenant; empty if tenants share pictures.
        ruleset: name and digest of the rules.
    """
    parsed, model = resolved.parsed, resolved.model
    character = catalog.characters.get(parsed.character)
    style = model.styles[resolved.style]
    negative = {" ".join(term.casefold().split()) for term in (*parsed.negative, *resolved.negative.split(","))}
    equal = (
        owner,
        model.key,
        model.source,
        resolved.style,
        parsed.character,
        character.loras.get(model.key, "") if character else "",
        compose(Parsed(), model=model, style=style, character=character),
        (resolved.width, resolved.height),
        ruleset,
        sorted(negative - {""}),
    )
    return hashlib.sha256(msgspec.json.encode(equal)).hexdigest()
