"""Manifest stores by the id of their active manifest."""

from starlette.types import Scope

from imgen.services.core import Core
from imgen.services.recognition import resolution
from imgen.surfaces.provenance import query
from imgen.surfaces.provenance.asker import identify


async def store(core: Core, scope: Scope) -> bytes:
    """Returns the manifest store of the path's manifest; with `returnActiveManifest` one that holds that manifest alone.

    Raises:
        Unauthorized, Forbidden, RateLimited: see `identify`.
        QueryTooLong, InvalidField: the query is wrong.
        ObjectNotFound: the asker finds no such manifest.
        Retryable: the database or the object store does not answer.
    """
    asker, sent = await identify(core, scope), query.parameters(scope)
    is_alone = query.flag(sent, "returnActiveManifest")
    manifest_id = str(scope["path_params"]["manifest_id"])
    return await resolution.read_manifest_store(core, manifest_id, scope=asker.scope, is_alone=is_alone)
