"""Assets for callers: a finished picture by the SHA-256 of its file, in one query that is the same whatever it finds."""

import re

from imgen.domain.errors import ObjectNotFound
from imgen.domain.principal import Principal
from imgen.records import assets as records
from imgen.records.assets import Asset
from imgen.services.core import Core

_SHA256 = re.compile("[0-9a-f]{64}")


async def find_asset(core: Core, sha256: str, principal: Principal | None) -> Asset:
    """Finds a picture to show: of any tenant where assets are public, else of the caller's own.

    Args:
        core: the core.
        sha256: digest of the file, in hex.
        principal: the caller; None: nobody.

    Raises:
        ObjectNotFound: there is none, it is deleted or withheld, or it is another tenant's; nothing tells which.
        Retryable: the database does not answer.
    """
    is_public = core.settings.forge.assets == "public"
    return await _find(core, sha256, None if is_public else principal.tenant.id if principal else "")


async def find_input(core: Core, sha256: str, principal: Principal) -> Asset:
    """Finds a picture to draw from: of the caller's tenant alone, however public assets are, unless the operator shares them.

    Raises:
        ObjectNotFound, Retryable: as for `find_asset`.
    """
    return await _find(core, sha256, None if core.settings.forge.shared_inputs else principal.tenant.id)


async def _find(core: Core, sha256: str, tenant_id: str | None) -> Asset:
    digest = sha256.lower()
    found = (
        await core.database.reading(records.find, digest, tenant_id=tenant_id) if _SHA256.fullmatch(digest) else None
    )
    if found is None:
        raise ObjectNotFound
    return found
