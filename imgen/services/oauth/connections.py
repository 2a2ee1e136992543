"""Connected applications of a person: the list, and the revocation, which holds at once in every process."""

from sqlalchemy import Connection

from imgen.domain.errors import Invalid
from imgen.domain.user import User
from imgen.records import audit, oauth_connections
from imgen.records.oauth_connections import Connected
from imgen.services.accounts import known_keys
from imgen.services.core import Core


async def of_user(core: Core, user: User) -> list[Connected]:
    """Lists a person's connected applications, the latest first."""
    await core.request_counts.write_if_possible(core.database, now=core.clock())  # their last use is counted in memory
    return await core.database.reading(oauth_connections.of_user, user.id)


async def revoke(core: Core, user: User, connection_id: str) -> Connected:
    """Revokes an application with all its tokens.

    Raises:
        Invalid: the person has no such application.
    """

    def write(connection: Connection) -> Connected:
        found = oauth_connections.revoke(connection, connection_id, user_id=user.id, now=core.clock())
        if found is None:
            raise Invalid("There is no such application")
        detail = {"name": found.client_name, "client": found.client_id, "scopes": found.scopes}
        audit.by_person(
            connection, user, action="revoked application", tenant_id=found.tenant_id, subject=found.id, detail=detail
        )
        return found

    revoked = await core.database.writing(write)
    await known_keys.forget(core)
    return revoked
