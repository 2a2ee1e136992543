"""Callers without a credential: counted by address, in a tenant of their own, where the operator serves them."""

import asyncio
import contextlib
from dataclasses import replace

import httpx2
import pytest
from msgspec import structs
from servers.asgi import start_asgi
from servers.local import prepare
from starlette.applications import Starlette
from starlette.routing import Route
from submitting import submit_repaired

from imgen.app import close_core, open_core
from imgen.asgi.endpoint import Endpoint, json_answer, remote_ip
from imgen.domain.account import ANONYMOUS_TENANT_ID
from imgen.domain.credential import AddressCredential
from imgen.domain.errors import ImgenError, QueueFull, QuotaExceeded, RateLimited, TooManyBlocked, Unauthorized
from imgen.domain.job import Job
from imgen.domain.principal import Kind
from imgen.domain.request import GenerateRequest
from imgen.live import block_penalty
from imgen.records import audit, job_transitions, ledger, tenants
from imgen.services.accounts.authentication import authenticate
from imgen.services.accounts.usage import usage

SERVED = "[forge]\nanonymous = true\n"


def with_free(core, **limits):
    """Sets limits of the plan of anonymous callers."""
    free = structs.replace(core.plan_of("free"), **limits)
    core.configured = replace(core.configured, plans={**core.configured.plans, "free": free})


async def made(core, remote_ip, number=1):
    """Submits pictures one by one; gives what each came to: a job, or an error."""
    outcomes = []
    for _ in range(number):
        principal = await authenticate(core, AddressCredential(remote_ip))
        try:
            outcomes.append(
                (await submit_repaired(core, principal, GenerateRequest(prompt="vase"), surface="forge")).job
            )
        except ImgenError as exc:
            outcomes.append(type(exc))
    return outcomes


def test_nobody_is_served_unless_the_operator_says_so(core):
    """Switched off; a caller without an address cannot be counted."""

    async def work(opened):
        with pytest.raises(Unauthorized):
            await authenticate(opened, AddressCredential("192.0.2.1"))
        assert await opened.database.reading(tenants.all_tenants) == []

    core(work, "[forge]\nanonymous = false\n")


@pytest.mark.parametrize(
    ("http", "is_served"),
    [
        ("", True),
        ('host = "127.0.0.1"\npublic_url = "https://img.example.com"', False),
        ('host = "0.0.0.0"\npublic_url = "http://127.0.0.1:8000"', False),
        ('host = "::1"', True),
        ('host = "localhost"', True),
    ],
)
def test_by_default_they_are_served_on_loopback_alone(tmp_path, http, is_served):
    """Behind a proxy of the same machine the public address says that others come."""
    loaded = prepare(tmp_path / "var", "unix:///none", f"[http]\n{http}\n")
    assert loaded.serves_anonymous == is_served


def test_the_first_caller_makes_the_tenant(core):
    """On the plan `free`, once, and it is audited; the name of an operator's tenant is left alone."""

    async def work(opened):
        await opened.database.writing(tenants.ensure_tenant, "Anonymous", "standard")
        callers = await asyncio.gather(
            *(authenticate(opened, AddressCredential(f"192.0.2.{number}")) for number in range(1, 9))
        )
        assert {(one.kind, one.tenant.id, one.tenant.plan) for one in callers} == {
            (Kind.ANONYMOUS, ANONYMOUS_TENANT_ID, "free")
        }
        assert len(await opened.database.reading(tenants.all_tenants)) == 2
        entries = await opened.database.reading(audit.page, limit=10)
        assert [(one.actor, one.action, one.subject) for one in entries] == [
            ("anonymous", "made tenant", ANONYMOUS_TENANT_ID)
        ]
        with pytest.raises(Unauthorized):
            await authenticate(opened, AddressCredential(""))

    core(work, SERVED)


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
    ],
    ids=["IPv4", "IPv6"],
)
@pytest.mark.parametrize(
    ("limits", "refusal"), [({"pictures_per_month": 2}, QuotaExceeded), ({"open_jobs": 2}, QueueFull)], ids=str
)
def test_each_address_has_the_limits_of_the_plan(core, one, same, other, limits, refusal):
    """Whole for IPv4, by /64 for IPv6: what another address takes is its own."""

    async def work(opened):
        with_free(opened, **limits)
        assert all(isinstance(outcome, Job) for outcome in await made(opened, one, 2))
        assert await made(opened, same, 2) == [refusal] * 2
        first, second, third = await made(opened, other, 3)
        assert (first.counted_as, second.tenant_id, third) == (second.counted_as, ANONYMOUS_TENANT_ID, refusal)
        told = await usage(opened, await authenticate(opened, AddressCredential(other)))
        assert (told.tenant["month"].open, told.key["month"].open) == (4, 2)
        assert 0 in (told.remaining.pictures_per_month, told.remaining.open_jobs)

    core(work, SERVED)


def test_an_ended_job_of_an_address_makes_room_for_another(core):
    """Its open jobs are counted apart from those of all anonymous callers."""

    async def work(opened):
        with_free(opened, open_jobs=1)
        (first,) = await made(opened, "192.0.2.1")
        assert await made(opened, "192.0.2.1") == [QueueFull]
        opened.database.attempt(job_transitions.cancel, first.id, ANONYMOUS_TENANT_ID)
        (second,) = await made(opened, "192.0.2.1")
        owners = (ANONYMOUS_TENANT_ID, second.counted_as)
        counts = await opened.database.reading(ledger.counts, owners, now=opened.clock())
        assert {counts[owner, ledger.OPEN_PERIOD].held for owner in owners} == {1}

    core(work, SERVED)


def test_rate_and_penalty_are_those_of_the_address(core):
    """One that comes too often, or is blocked too often, keeps no other out."""

    async def work(opened):
        with_free(opened, requests_per_minute=3)
        for _ in range(3):
            blocked = await authenticate(opened, AddressCredential("192.0.2.1"))
        with pytest.raises(RateLimited):
            await authenticate(opened, AddressCredential("192.0.2.1"))
        await opened.live.run(block_penalty.penalize(blocked.quota_owner, 30))
        with pytest.raises(TooManyBlocked):
            await submit_repaired(opened, blocked, GenerateRequest(prompt="vase"), surface="forge")
        (job,) = await made(opened, "192.0.2.2")
        assert job.tenant_id == ANONYMOUS_TENANT_ID

    core(work, SERVED)


def test_a_forged_header_changes_nothing_over_http(tmp_path, clean_redis):
    """A caller that is no proxy is counted by its own address, whatever it sends; behind a proxy each /64 is one caller."""
    loaded = prepare(tmp_path / "var", clean_redis, SERVED)

    def told(forwarded, **options):
        core = open_core(loaded)

        @contextlib.asynccontextmanager
        async def lifespan(_app):
            yield
            await close_core(core)

        async def tell(scope, _receive):
            return json_answer((await authenticate(core, AddressCredential(remote_ip(scope)))).counted_as)

        app = Starlette(routes=[Route("/", Endpoint(tell))], lifespan=lifespan)
        with start_asgi(lambda _url: app, lifespan="on", **options) as url:
            return [httpx2.get(url, headers={"X-Forwarded-For": one}).json() for one in forwarded]

    sent = ["192.0.2.7", "2001:db8:0:1::1", "2001:db8:0:1:2:3:4:5", "198.51.100.1, 2001:db8:0:2::1"]
    assert told(sent, forwarded_allow_ips=["192.0.2.9"]) == ["ip_127.0.0.1"] * len(sent)
    assert told(sent, forwarded_allow_ips=["127.0.0.1"]) == [
        "ip_192.0.2.7",
        "ip_2001:db8:0:1::/64",
        "ip_2001:db8:0:1::/64",
        "ip_2001:db8:0:2::/64",
    ]
