"""Rights to the page of webhooks, by person and route: a member sees, an owner changes, what is another's looks like nothing."""

import pytest
from servers.panel import open_panel
from services.webhooks.calls import end_job

from imgen.domain.webhook import DeliveryState
from imgen.records import audit, tenants, webhook_log, webhook_outbox, webhooks
from imgen.surfaces.web.webhooks import PATH, Webhooks

URL = "https://hooks.example.com/"
CHANGES = {
    "made webhook": (PATH, {"tenant": "{tenant}", "url": URL + "new", "event": "job.failed"}),
    "rotated webhook secret": (PATH + "/{endpoint}/rotate", {}),
    "tested webhook": (PATH + "/{endpoint}/test", {}),
    "resent webhook": (PATH + "/messages/{message}/resend", {}),
    "switched webhook": (PATH + "/{endpoint}/switch", {"enabled": "no"}),
    "showed webhook secret": (PATH + "/secret", {"tenant": "{tenant}"}),
    "removed webhook": (PATH + "/{endpoint}/remove", {}),
}
"""Action in the audit → path and form of the change that writes it; the order leaves what the next one needs."""
KINDS = {
    "administrator": {"role": "admin"},
    "owner": {"role": "member", "of": "owner"},
    "member": {"role": "member", "of": "member"},
    "stranger": {"role": "member"},
}


def made(core, name):
    """Tenant with an endpoint and a delivered message, and the values for its paths and forms."""

    def write(connection):
        tenant = tenants.ensure_tenant(connection, name, "standard")
        return tenant, webhooks.add_endpoint(
            connection, tenant_id=tenant.id, url=URL + name, events=["job.failed", "job.cancelled"]
        )

    tenant, endpoint = core.database.attempt(write)
    end_job(core, tenant_id=tenant.id)
    with core.database.read() as connection:
        (message,) = webhook_log.page(connection, [tenant.id], limit=2).deliveries
    core.database.attempt(webhook_outbox.end, message, DeliveryState.DEAD, "It hung up")
    return tenant, {"tenant": name, "endpoint": endpoint.id, "message": message.id}


def filled(values):
    """Paths and forms of the changes, with these values in them."""
    return [
        (path.format(**values), {field: text.format(**values) for field, text in form.items()})
        for path, form in CHANGES.values()
    ]


def audited(core):
    """Actions of webhooks in the audit, oldest first."""
    with core.database.read() as connection:
        return [one.action for one in audit.page(connection, limit=50) if "webhook" in one.action][::-1]


UNKNOWN = {"tenant": "nobody", "endpoint": "whe_" + "0" * 16, "message": "msg_" + "0" * 32}


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_do_what(core, kind):
    """Each change by each kind of person, with its line in the audit; the refusals of another's and of nothing are alike."""

    async def main(core):
        of = KINDS[kind].get("of")
        own, values = made(core, "studio")
        _, foreign = made(core, "rival")
        async with open_panel(core, [Webhooks], role=KINDS[kind]["role"], roles={own.id: of} if of else {}) as browser:
            listed = (await browser.get(PATH)).text
            without_token = {(await browser.send(path, data=form)).status_code for path, form in filled(values)}
            refused = [] if kind == "administrator" else [await refusals(browser, each) for each in (foreign, UNKNOWN)]
            before = audited(core)
            done = [(await browser.post(path, **form)).status_code for path, form in filled(values)]
        return listed, without_token, refused, before, done, audited(core)

    async def refusals(browser, values):
        answers = [await browser.post(path, **form) for path, form in filled(values)]
        return [(answer.status_code, answer.text.partition("<main")[2]) for answer in answers]

    page, without_token, refused, before, done, after = core(main)
    sees, changes = kind != "stranger", kind in ("administrator", "owner")
    assert (URL + "studio" in page, URL + "rival" in page) == (sees, kind == "administrator")
    assert ("/rotate" in page, "Send again" in page, "Add an endpoint" in page) == (changes,) * 3
    assert without_token == {403}
    assert refused[:1] == refused[1:]
    assert {status for answers in refused for status, _ in answers} <= {403}
    assert before == []
    assert {status < 400 for status in done} == {changes}
    assert after == (list(CHANGES) if changes else [])
