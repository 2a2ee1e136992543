"""Exports of tenants for users of the pages: who may have one, how many run at a time, and the row in the audit."""

from collections.abc import AsyncIterator

from sqlalchemy import Connection

from imgen.domain.account import Tenant
from imgen.domain.errors import RateLimited
from imgen.domain.user import User
from imgen.records import audit
from imgen.services.accounts import tenant_access
from imgen.services.core import Core
from imgen.services.tenants.export import Export
from imgen.threads import EXPORTS

MOST = 4
"""Exports of one process at a time: the list of an archive's files takes half a kilobyte of memory for each of them."""
RETRY_AFTER_S = 60


class Exports:
    """Exports of one process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._running: set[str] = set()

    async def begin(self, user: User, tenant_id: str) -> tuple[Tenant, AsyncIterator[bytes]]:
        """Begins the export of a tenant that the user manages; returns the bytes of the archive.

        Raises:
            TenantNotFound, Forbidden: the user does not manage it.
            RateLimited: it is being exported, or many others are.
        """
        if tenant_id in self._running or len(self._running) >= MOST:
            raise RateLimited("An export is under way; try again when it is done", retry_after_s=RETRY_AFTER_S)

        def write(connection: Connection) -> Tenant:
            tenant = tenant_access.managed(connection, user, tenant_id)
            detail = audit.change(tenant.name)
            audit.by_person(
                connection, user, action="exported tenant", tenant_id=tenant.id, subject=tenant.id, detail=detail
            )
            return tenant

        tenant = await self._core.database.writing(write)
        return tenant, self._chunks(tenant)

    async def _chunks(self, tenant: Tenant) -> AsyncIterator[bytes]:
        core = self._core
        steps = iter(Export(core.database, core.objects, tenant, now=core.clock()))
        self._running.add(tenant.id)
        try:
            while (chunk := await EXPORTS.run(next, steps, None)) is not None:
                if chunk:
                    yield chunk
        finally:
            self._running.discard(tenant.id)
