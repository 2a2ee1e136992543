"""Look-up in the semantic cache: the partition of a request, and pictures of it that may be reused."""

import contextlib
import hashlib
from typing import NamedTuple

import msgspec
import structlog

from imgen.domain.catalog import Catalog
from imgen.domain.errors import CacheMiss, Retryable
from imgen.domain.principal import Principal
from imgen.domain.prompt import Parsed, compose
from imgen.domain.request import ResolvedRequest
from imgen.records import cache as cache_records
from imgen.records.cache import Entry, PendingEntry
from imgen.services.core import Core
from imgen.services.semantic_cache.weights import weights_of

log = structlog.get_logger(__name__)


class LookUp(NamedTuple):
    """Result of a look-up."""

    pending: PendingEntry | None
    """Entry to keep each new picture under; None: none is kept."""
    entries: list[Entry]
    """Entries of the pictures to reuse, each another one, at most as many as were asked for; empty: a miss."""
    weights: str
    """Digest of the weights that the request means; empty: unknown, or there are none."""


async def look_up(core: Core, principal: Principal, resolved: ResolvedRequest) -> LookUp:
    """Looks up pictures to reuse, if the request has `use_cache` and no source. A cache that does not answer is a miss.

    Raises:
        CacheMiss: the request has `cache_only`, and there is none.
    """
    if resolved.source is not None:  # no partition knows what it is drawn from
        if resolved.use_cache and resolved.cache_only:
            raise CacheMiss
        return LookUp(None, [], "")
    pending, weights = None, None
    entries = list[Entry]()
    if core.cache.wants(is_asked=resolved.use_cache):
        weights = await _weights(core, resolved)
    if weights is not None:
        pending = await core.cache.pending_entry(
            tenant_id=principal.tenant.id,
            model=resolved.model.key,
            partition=partition_of(
                core.catalog,
                resolved,
                owner="" if core.settings.cache.shared else principal.tenant.id,
                ruleset=f"{resolved.ruleset} {core.rulesets[resolved.ruleset]}",
                weights=weights,
            ),
            text=", ".join(resolved.parsed.positive),
        )
    if pending is not None and resolved.use_cache:
        try:
            entries = await core.cache.find(
                pending,
                number=resolved.n,
                pick=resolved.cache_pick,
                force=resolved.cache_force,
                rng=core.rng,
            )
        except Retryable as exc:
            log.warning("cache not searched", reason=str(exc))
    if not entries and resolved.use_cache and resolved.cache_only:
        with contextlib.suppress(Retryable):
            await core.database.writing(
                cache_records.count_lookups, principal.tenant.id, hits=0, misses=resolved.n, now=core.clock()
            )
        raise CacheMiss
    return LookUp(pending, entries, weights or "")


async def _weights(core: Core, resolved: ResolvedRequest) -> str | None:
    """Returns the digest of the request's weights; None: unknown, so the cache is not used."""
    try:
        return await weights_of(core, resolved.model, _lora(core.catalog, resolved))
    except Retryable as exc:
        log.warning("cache not searched", reason=str(exc))
        return None


def partition_of(catalog: Catalog, resolved: ResolvedRequest, *, owner: str, ruleset: str, weights: str = "") -> str:
    """Computes the digest of everything but the positive terms that must be equal for two requests to share a picture.

    Args:
        catalog: for the words that model, style and character add to the prompt.
        resolved: model, style, character, size and upscale factor; the negative terms count as a set.
        owner: the tenant; empty if tenants share pictures.
        ruleset: name and digest of the rules.
        weights: digest of the files of model and LoRA; empty: their names count.
    """
    parsed, model = resolved.parsed, resolved.model
    character = catalog.characters.get(parsed.character)
    style = model.styles[resolved.style]
    negative = {" ".join(term.casefold().split()) for term in (*parsed.negative, *resolved.negative.split(","))}
    equal = (
        owner,
        model.key,
        weights or model.source,
        resolved.style,
        parsed.character,
        "" if weights else _lora(catalog, resolved),
        compose(Parsed(), model=model, style=style, character=character),
        (resolved.width, resolved.height, *([resolved.upscale] if resolved.upscale > 1 else ())),
        ruleset,
        sorted(negative - {""}),
    )
    return hashlib.sha256(msgspec.json.encode(equal)).hexdigest()


def _lora(catalog: Catalog, resolved: ResolvedRequest) -> str:
    character = catalog.characters.get(resolved.parsed.character)
    return character.loras.get(resolved.model.key, "") if character else ""
