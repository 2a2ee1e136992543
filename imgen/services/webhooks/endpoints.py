"""Changes of endpoints and secrets by owners of their tenant, each with its row in the audit; a secret is shown once."""

import contextlib
from collections.abc import Callable, Collection
from typing import TypeVar

from pydantic import SecretStr
from sqlalchemy import Connection

from imgen.domain.account import Tenant
from imgen.domain.errors import Forbidden, Invalid, TenantNotFound, Unavailable
from imgen.domain.user import User
from imgen.domain.webhook import Delivery, Endpoint, check_events
from imgen.live import news
from imgen.records import audit, tenants, webhook_log, webhook_outbox, webhooks
from imgen.services.accounts import tenant_access
from imgen.services.core import Core
from imgen.services.webhooks.addresses import endpoint_url

T = TypeVar("T")


async def add(core: Core, user: User, *, tenant: str, url: str, events: Collection[str]) -> Endpoint:
    """Registers an endpoint for a tenant, by the tenant's name.

    Raises:
        Invalid: URL or events are wrong, or the tenant has it already, or as many as it may have.
        Forbidden: the user does not own the tenant.
    """
    checked, wanted = endpoint_url(core.settings.webhooks, url), check_events(events)

    def write(connection: Connection) -> Endpoint:
        owner = _own_tenant(connection, user, tenant)
        made = webhooks.add_endpoint(connection, tenant_id=owner.id, url=checked, events=wanted)
        _note(connection, user, "made webhook", made, audit.change(checked, after={"events": wanted}))
        return made

    return await core.database.writing(write)


async def rotate(core: Core, user: User, endpoint_id: str) -> tuple[Endpoint, SecretStr]:
    """Gives an endpoint a new secret; the old one signs beside it for a day.

    Raises:
        Invalid: there is no such endpoint, for an administrator.
        Forbidden: the user does not own its tenant, or there is no such endpoint.
    """

    def write(connection: Connection, endpoint: Endpoint) -> tuple[Endpoint, SecretStr]:
        _note(connection, user, "rotated webhook secret", endpoint, audit.change(endpoint.url))
        return endpoint, webhooks.rotate_endpoint(connection, endpoint.id)

    return await _changing(core, user, endpoint_id, write)


async def switch(core: Core, user: User, endpoint_id: str, *, enabled: bool) -> Endpoint:
    """Switches an endpoint on or off; what waits for one that goes off is a dead letter.

    Raises:
        Invalid, Forbidden: as for `rotate`.
    """

    def write(connection: Connection, endpoint: Endpoint) -> Endpoint:
        reason = "" if enabled else f"Switched off by {user.name}"
        webhooks.switch_endpoint(connection, endpoint.id, enabled=enabled, reason=reason)
        change = audit.change(endpoint.url, before={"enabled": endpoint.enabled}, after={"enabled": enabled})
        _note(connection, user, "switched webhook", endpoint, change)
        return endpoint

    return await _changing(core, user, endpoint_id, write)


async def remove(core: Core, user: User, endpoint_id: str) -> Endpoint:
    """Removes an endpoint for good; what waits for it is cancelled.

    Raises:
        Invalid, Forbidden: as for `rotate`.
    """

    def write(connection: Connection, endpoint: Endpoint) -> Endpoint:
        webhooks.delete_endpoint(connection, endpoint.id)
        _note(
            connection,
            user,
            "removed webhook",
            endpoint,
            audit.change(endpoint.url, before={"events": endpoint.events}),
        )
        return endpoint

    return await _changing(core, user, endpoint_id, write)


async def send_test(core: Core, user: User, endpoint_id: str) -> Endpoint:
    """Has the dispatcher send a test to an endpoint.

    Raises:
        Invalid, Forbidden: as for `rotate`.
    """

    def write(connection: Connection, endpoint: Endpoint) -> Endpoint:
        webhook_outbox.add_test(connection, endpoint)
        _note(connection, user, "tested webhook", endpoint, audit.change(endpoint.url))
        return endpoint

    tested = await _changing(core, user, endpoint_id, write)
    await _wake_dispatchers(core)
    return tested


async def resend(core: Core, user: User, delivery_id: str) -> Delivery:
    """Sends an ended message again, under its id.

    Raises:
        Invalid: it waits already, or its endpoint is gone or off; for an administrator also: there is no such message.
        Forbidden: the user does not own its tenant, or there is no such message.
    """

    def write(connection: Connection) -> Delivery:
        delivery = webhook_log.find(connection, delivery_id)
        if delivery is None:
            raise _unknown(user, "There is no such message")
        _require(connection, user, delivery.tenant_id)
        resend_one(connection, delivery)
        detail = audit.change(delivery.event)
        audit.by_person(
            connection, user, action="resent webhook", tenant_id=delivery.tenant_id, subject=delivery.id, detail=detail
        )
        return delivery

    sent = await core.database.writing(write)
    await _wake_dispatchers(core)
    return sent


def resend_one(connection: Connection, delivery: Delivery) -> None:
    """Sends an ended message again.

    Raises:
        Invalid: it waits already, or its endpoint is gone or off.
    """
    if delivery.endpoint_id:
        endpoint = webhooks.find_endpoint(connection, delivery.endpoint_id)
        if endpoint is None or not endpoint.enabled:
            raise Invalid("Its endpoint was removed" if endpoint is None else "Its endpoint is off; switch it on first")
    if not webhook_log.resend(connection, delivery.id):
        raise Invalid("It waits already, or was cancelled")


async def show_secret(core: Core, user: User, tenant: str, *, new: bool) -> tuple[Tenant, SecretStr]:
    """Returns a tenant's own secret for its only showing, or a new one beside which the old one signs for a day.

    Raises:
        Invalid: it was shown before, and no new one is wanted; for an administrator also: there is no such tenant.
        Forbidden: the user does not own the tenant, or there is none.
    """

    def write(connection: Connection) -> tuple[Tenant, SecretStr]:
        owner = _own_tenant(connection, user, tenant)
        secret = webhooks.show_tenant_secret(connection, owner.id, new=new)
        action = "rotated webhook secret" if new else "showed webhook secret"
        detail = audit.change(owner.name)
        audit.by_person(connection, user, action=action, tenant_id=owner.id, subject=owner.id, detail=detail)
        return owner, secret

    return await core.database.writing(write)


async def _changing(core: Core, user: User, endpoint_id: str, change: Callable[[Connection, Endpoint], T]) -> T:
    def write(connection: Connection) -> T:
        endpoint = webhooks.find_endpoint(connection, endpoint_id)
        if endpoint is None:
            raise _unknown(user, "There is no such endpoint")
        _require(connection, user, endpoint.tenant_id)
        return change(connection, endpoint)

    return await core.database.writing(write)


def _own_tenant(connection: Connection, user: User, name: str) -> Tenant:
    tenant = tenants.find_tenant(connection, name)
    if tenant is None:
        raise _unknown(user, f"There is no tenant {name!r}")
    _require(connection, user, tenant.id)
    return tenant


def _require(connection: Connection, user: User, tenant_id: str) -> None:
    try:
        tenant_access.managed(connection, user, tenant_id)
    except TenantNotFound as exc:
        raise Forbidden from exc


def _unknown(user: User, text: str) -> Exception:
    """Returns the error of something that is not there: to those who see some tenants it looks like that of others."""
    return Invalid(text) if user.is_admin else Forbidden()


async def _wake_dispatchers(core: Core) -> None:
    """Tells the dispatchers; without Redis they find it by themselves."""
    with contextlib.suppress(Unavailable):
        await core.live.run(news.due())


def _note(connection: Connection, user: User, action: str, endpoint: Endpoint, detail: dict[str, object]) -> None:
    audit.by_person(connection, user, action=action, tenant_id=endpoint.tenant_id, subject=endpoint.id, detail=detail)
