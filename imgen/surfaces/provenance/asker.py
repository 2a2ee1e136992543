"""Asker of the resolver, as `[provenance] resolution` has it: a key, which finds its tenant's pictures, or the public."""

from typing import NamedTuple

from starlette.types import Scope

from imgen.asgi.answer_headers import answer_context
from imgen.asgi.endpoint import AUTHORIZATION, header, remote_ip
from imgen.domain.principal import READ
from imgen.records import picture_records
from imgen.services.accounts import authentication
from imgen.services.core import Core
from imgen.surfaces.caller import Caller


class Asker(NamedTuple):
    """Party that asks."""

    scope: picture_records.Scope
    """Tenants whose pictures it finds; None: all."""
    has_key: bool


async def identify(core: Core, scope: Scope) -> Asker:
    """Identifies the asker, and counts the request: by its key, or by its address where the resolver is public.

    Raises:
        Unauthorized, InvalidKey, KeyDisabled: no good key, and one is needed or was sent.
        OutOfScope: the key may not read.
        RateLimited: too many requests in a minute.
    """
    settings = core.settings.provenance
    is_public = settings.resolution == "public"
    if is_public and not header(scope, AUTHORIZATION):
        limit, note = settings.public_requests_per_minute, answer_context(scope).note_rate
        await authentication.count_address(core, remote_ip(scope), limit=limit, note=note)
        return Asker(None, has_key=False)
    principal = await Caller(core, scope, surface="").principal(scope=READ)
    return Asker(None if is_public else frozenset({principal.tenant.id}), has_key=True)
