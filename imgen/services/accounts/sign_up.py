"""Sign-up: an account and a tenant of its own for whoever asks, where the operator opened it."""

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from imgen.domain.errors import Invalid
from imgen.domain.user import MEMBER, OWNER
from imgen.records import audit, memberships, tenants, users
from imgen.services.accounts import passwords, tries
from imgen.services.core import Core

BY_IP, IN_ALL = 5, 100
"""Sign-ups within a quarter of an hour, refused ones included: of one network, and of all."""


def is_open(core: Core) -> bool:
    """Returns whether people may sign up."""
    return core.settings.accounts.sign_up == "open"


async def sign_up(core: Core, *, name: str, password: str, remote_ip: str) -> None:
    """Makes an account, and a tenant that it owns, on the plan of sign-ups.

    Raises:
        Invalid: the name is taken, empty or too long, or the password is too short or too long.
        RateLimited: too many signed up of this network, or of all.
        Unavailable: Redis does not answer, so sign-ups cannot be counted.
    """
    passwords.check_length(password)
    await tries.count(core, tries.network_key("sign-up", remote_ip), limit=BY_IP)
    await tries.count(core, "sign-ups", limit=IN_ALL)
    new_hash = await passwords.hash_in_thread(password)

    def write(connection: Connection) -> None:
        user = users.add(connection, name=name, role=MEMBER, password_hash=new_hash, must_change_password=False)
        is_taken = tenants.find_tenant(connection, name) is not None
        tenant_name = f"{name[:180]} ({user.id[-8:]})" if is_taken else name
        tenant = tenants.ensure_tenant(connection, tenant_name, core.settings.accounts.sign_up_plan)
        memberships.join(connection, user.id, tenant.id, OWNER)
        detail = {"address": remote_ip, **audit.change(name, after={"tenant": tenant.name, "plan": tenant.plan})}
        audit.note(connection, actor=name, action="signed up", tenant_id=tenant.id, subject=user.id, detail=detail)

    try:
        await core.database.writing(write)
    except IntegrityError as exc:
        raise Invalid(f"There is a user named {name!r} already") from exc
