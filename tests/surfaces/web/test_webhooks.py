"""Page of webhooks: endpoints, secrets shown once, messages with their tries, for those who may see them."""

import html
import re

from records.webhook_rows import FREE
from servers.panel import open_panel
from services.webhooks.calls import end_job

from imgen.domain.errors import Forbidden
from imgen.domain.user import User
from imgen.domain.webhook import Attempt, DeliveryState
from imgen.records import tenants, webhook_log, webhook_outbox, webhooks
from imgen.services.webhooks import endpoints
from imgen.surfaces.web.webhooks import Webhooks

URL = "https://hooks.example.com/a"


def make_tenant(core, name="studio"):
    """A tenant."""
    return core.database.attempt(tenants.ensure_tenant, name, "standard")


def known(core):
    """All endpoints."""
    with core.database.read() as connection:
        return webhooks.endpoints_of(connection, None)


def secret_in(page):
    """The secret that a page shows."""
    return html.unescape(re.search(r'<code class="secret" id="raw">([^<]+)</code>', page.text)[1])


def test_an_endpoint_is_added_rotated_switched_tested_and_removed(core):
    """Its secret is on the page that answers, and on no other one."""

    async def main(core):
        make_tenant(core)
        async with open_panel(core, [Webhooks]) as browser:
            made = await browser.post("/panel/webhooks", tenant="studio", url=URL, event="job.failed")
            (endpoint,) = known(core)
            rotated = await browser.post(f"/panel/webhooks/{endpoint.id}/rotate")
            tested = await browser.post(f"/panel/webhooks/{endpoint.id}/test")
            await browser.post(f"/panel/webhooks/{endpoint.id}/switch", enabled="no")
            listed = await browser.get("/panel/webhooks")
            off = known(core)
            await browser.post(f"/panel/webhooks/{endpoint.id}/switch", enabled="yes")
            on = known(core)
            await browser.post(f"/panel/webhooks/{endpoint.id}/remove")
            return made, rotated, tested, listed, off, on, known(core)

    made, rotated, tested, listed, off, on, left = core(main)
    assert made.status_code == rotated.status_code == 200
    secrets = [secret_in(made), secret_in(rotated)]
    assert [one.get_secret_value() for one in on[0].secrets.valid(0)] == secrets[::-1]
    assert tested.status_code == 303
    assert (off[0].enabled, off[0].reason, on[0].enabled, left) == (False, "Switched off by mira", True, [])
    assert URL in listed.text
    assert "webhook.test" in listed.text
    assert [secret for secret in secrets if secret in listed.text] == []


def test_a_wrong_form_comes_back_as_it_was_typed(core):
    """With the reason."""

    async def main(core):
        make_tenant(core)
        async with open_panel(core, [Webhooks]) as browser:
            return await browser.post("/panel/webhooks", tenant="studio", url="https://10.0.0.1/x", event="job.failed")

    page = core(main)
    assert page.status_code == 400
    assert "public address" in page.text
    assert 'value="https://10.0.0.1/x"' in page.text


def test_messages_are_listed_with_their_tries_and_sent_again(core):
    """A dead letter has a button; the filter finds it."""

    async def main(core):
        tenant = make_tenant(core)
        core.database.attempt(webhooks.add_endpoint, tenant_id=tenant.id, url=URL, events=["job.failed"])
        end_job(core, tenant_id=tenant.id)
        with core.database.write() as connection:
            (claimed,) = webhook_outbox.claim(connection, FREE, lease_s=30)
            failed = Attempt(at=1.0, duration_s=0.25, reason="Connection refused")
            webhook_outbox.settle(connection, claimed, failed, state=DeliveryState.DEAD)
        async with open_panel(core, [Webhooks]) as browser:
            dead = await browser.get("/panel/webhooks?state=dead&tenant=studio")
            other = await browser.get("/panel/webhooks?tenant=nobody")
            again = await browser.post(f"/panel/webhooks/messages/{claimed.id}/resend")
            twice = await browser.post(f"/panel/webhooks/messages/{claimed.id}/resend")
        with core.database.read() as connection:
            return claimed, dead, other, again, twice, webhook_log.find(connection, claimed.id)

    claimed, dead, other, again, twice, found = core(main)
    assert "Connection refused (0.25 s)" in dead.text
    assert f"/panel/webhooks/messages/{claimed.id}/resend" in dead.text
    assert claimed.id not in other.text
    assert (again.status_code, twice.status_code) == (303, 400)
    assert found.state is DeliveryState.WAITING


def test_the_own_secret_is_shown_once(core):
    """Again only as a new one."""

    async def main(core):
        make_tenant(core)
        async with open_panel(core, [Webhooks]) as browser:
            return [
                await browser.post("/panel/webhooks/secret", tenant="studio", **more)
                for more in ({}, {}, {"new": "yes"})
            ]

    first, refused, new = core(main)
    assert refused.status_code == 400
    assert "shown already" in refused.text
    assert secret_in(first) != secret_in(new)


def test_a_member_touches_nothing_of_others(core):
    """Neither endpoints nor messages nor secrets of another tenant."""

    async def main(core):
        own, other = make_tenant(core), make_tenant(core, "other")
        member = User(id="usr_1", name="lea", role="member", must_change_password=False, tenant_ids=(own.id,))
        foreign = core.database.attempt(webhooks.add_endpoint, tenant_id=other.id, url=URL, events=["job.failed"])
        end_job(core, tenant_id=other.id)
        with core.database.read() as connection:
            (message,) = webhook_log.page(connection, None, limit=1).deliveries
        refused = 0
        for attempt in (
            endpoints.add(core, member, tenant="other", url=f"{URL}/b", events=["job.failed"]),
            endpoints.rotate(core, member, foreign.id),
            endpoints.switch(core, member, foreign.id, enabled=False),
            endpoints.send_test(core, member, foreign.id),
            endpoints.remove(core, member, foreign.id),
            endpoints.resend(core, member, message.id),
            endpoints.show_secret(core, member, "other", new=False),
            endpoints.show_secret(core, member, "nobody", new=False),
        ):
            try:
                await attempt
            except Forbidden:
                refused += 1
        return refused, known(core) == [foreign]

    assert core(main) == (8, True)
