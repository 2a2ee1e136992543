"""Command `imgen webhooks …`: endpoints of tenants, their secrets and messages. A secret is printed once, when it is made."""

from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from imgen import settings
from imgen.cli import cli_audit
from imgen.cli.database import opened, writing
from imgen.cli.options import Data
from imgen.cli.table import show
from imgen.domain.errors import Invalid
from imgen.domain.job import utc_text
from imgen.domain.webhook import EVENTS, DeliveryState, Endpoint, check_events
from imgen.records import audit, tenants, webhook_log, webhook_outbox, webhooks
from imgen.services.webhooks.addresses import endpoint_url
from imgen.services.webhooks.endpoints import resend_one

app = typer.Typer(help="Endpoints of tenants, their secrets, and what was sent to them.", no_args_is_help=True)

Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]
Which = Annotated[str, typer.Argument(help="The endpoint's id, `whe_…`, or its URL if no other tenant has that one.")]


@app.command(name="list")
def list_webhooks(
    tenant: Annotated[str | None, typer.Argument(help="The tenant's name; default: all.", show_default=False)] = None,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="Only messages that were given up.")] = False,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="Messages to list.")] = 20,
    data: Data = None,
) -> None:
    """List endpoints, and the latest messages with their tries."""
    with opened(settings.load(data)) as database, database.read() as connection:
        ids = None if tenant is None else [tenants.named_tenant(connection, tenant).id]
        endpoints = webhooks.endpoints_of(connection, ids)
        state = DeliveryState.DEAD if dead else None
        page = webhook_log.page(connection, ids, limit=limit, state=state)
        owners = audit.names(
            connection, {*(one.tenant_id for one in endpoints), *(one.tenant_id for one in page.deliveries)}
        )
    table = Table("endpoint", "tenant", "url", "events", "state")
    for one in endpoints:
        on = "on" if one.enabled else f"off: {one.reason}"
        table.add_row(one.id, owners.get(one.tenant_id, ""), one.url, ", ".join(one.events), on)
    show(table)
    table = Table("message", "event", "job", "to", "time", "state", "tries", "answer")
    for sent in page.deliveries:
        to, answer = sent.endpoint_id or "webhook_url", sent.reason or str(sent.status or "")
        state_text = sent.state.value
        table.add_row(
            sent.id, sent.event, sent.job_id, to, utc_text(sent.created_at), state_text, str(sent.attempts), answer
        )
    show(table)


@app.command()
def add(
    tenant: Tenant,
    url: Annotated[str, typer.Argument(help="Address, https and public.")],
    event: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(EVENTS)}; may be repeated. Default: all.")
    ] = None,
    data: Data = None,
) -> None:
    """Register an endpoint and print its secret, alone, on stdout. It cannot be shown again."""
    events = check_events(event or EVENTS)
    with writing(data) as (loaded, connection):
        owner = tenants.named_tenant(connection, tenant)
        checked = endpoint_url(loaded.webhooks, url)
        made = webhooks.add_endpoint(connection, tenant_id=owner.id, url=checked, events=events)
        _note(connection, "made webhook", made, audit.change(checked, after={"events": events}))
    typer.echo(made.secrets.current.get_secret_value())


@app.command()
def rotate(which: Which, data: Data = None) -> None:
    """Give an endpoint a new secret and print it, alone, on stdout. The old one signs beside it for a day."""
    with writing(data) as (_, connection):
        endpoint = _find(connection, which)
        secret = webhooks.rotate_endpoint(connection, endpoint.id)
        _note(connection, "rotated webhook secret", endpoint, audit.change(endpoint.url))
    typer.echo(secret.get_secret_value())


@app.command()
def secret(
    tenant: Tenant,
    *,
    new: Annotated[bool, typer.Option("--new", help="Replace it; the old one signs beside it for a day.")] = False,
    data: Data = None,
) -> None:
    """Print the tenant's own secret, which signs what goes to `webhook_url`, alone, on stdout. It is shown once."""
    with writing(data) as (_, connection):
        owner = tenants.named_tenant(connection, tenant)
        shown = webhooks.show_tenant_secret(connection, owner.id, new=new)
        action = "rotated webhook secret" if new else "showed webhook secret"
        cli_audit.note(connection, action, tenant_id=owner.id, subject=owner.id, detail=audit.change(owner.name))
    typer.echo(shown.get_secret_value())


@app.command()
def enable(which: Which, data: Data = None) -> None:
    """Switch an endpoint on again."""
    _switch(which, data, enabled=True)


@app.command()
def disable(which: Which, data: Data = None) -> None:
    """Switch an endpoint off; what waits for it is a dead letter."""
    _switch(which, data, enabled=False)


@app.command()
def remove(which: Which, data: Data = None) -> None:
    """Remove an endpoint for good; what waits for it is cancelled."""
    with writing(data) as (_, connection):
        endpoint = _find(connection, which)
        webhooks.delete_endpoint(connection, endpoint.id)
        _note(connection, "removed webhook", endpoint, audit.change(endpoint.url, before={"events": endpoint.events}))
    typer.echo(f"Removed {endpoint.id}")


@app.command(name="test")
def send_test(which: Which, data: Data = None) -> None:
    """Have the dispatcher send a `webhook.test` to an endpoint."""
    with writing(data) as (_, connection):
        endpoint = _find(connection, which)
        delivery_id = webhook_outbox.add_test(connection, endpoint)
        _note(connection, "tested webhook", endpoint, audit.change(endpoint.url))
    typer.echo(delivery_id)


@app.command()
def resend(
    tenant: Tenant,
    message: Annotated[str, typer.Option(help="Id of one message, `msg_…`; default: all dead letters.")] = "",
    data: Data = None,
) -> None:
    """Send dead letters again, or one message; each under its id."""
    with writing(data) as (_, connection):
        owner = tenants.named_tenant(connection, tenant)
        if message:
            delivery = webhook_log.find(connection, message)
            if delivery is None or delivery.tenant_id != owner.id:
                raise Invalid(f"Tenant {tenant!r} has no message {message!r}")
            resend_one(connection, delivery)
        number = 1 if message else webhook_log.resend_dead(connection, owner.id)
        detail = audit.change(message or "dead letters", after={"number": number})
        cli_audit.note(connection, "resent webhook", tenant_id=owner.id, subject=message or owner.id, detail=detail)
    typer.echo(f"{number} to be sent again")


def _switch(which: str, data: Data, *, enabled: bool) -> None:
    with writing(data) as (_, connection):
        endpoint = _find(connection, which)
        reason = "" if enabled else "Switched off on the command line"
        webhooks.switch_endpoint(connection, endpoint.id, enabled=enabled, reason=reason)
        change = audit.change(endpoint.url, before={"enabled": endpoint.enabled}, after={"enabled": enabled})
        _note(connection, "switched webhook", endpoint, change)
    typer.echo(f"{'Enabled' if enabled else 'Disabled'} {endpoint.id}")


def _find(connection: Connection, which: str) -> Endpoint:
    """Finds an endpoint by its id or URL.

    Raises:
        Invalid: there is none, or several tenants have it.
    """
    found = [one for one in webhooks.endpoints_of(connection, None) if which in (one.id, one.url)]
    if len(found) > 1:
        raise Invalid(f"Several tenants have {which}; name its id: {', '.join(one.id for one in found)}")
    if not found:
        raise Invalid(f"There is no endpoint {which!r}")
    return found[0]


def _note(connection: Connection, action: str, endpoint: Endpoint, detail: dict[str, object]) -> None:
    cli_audit.note(connection, action, tenant_id=endpoint.tenant_id, subject=endpoint.id, detail=detail)
