"""Operators' API, `/api/operators/…`: plans and packs of tenants, by keys with the scope `operate`; each change is audited."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.routing import Route
from starlette.types import Receive, Scope

from imgen.asgi.endpoint import Answer, Endpoint, json_answer, read_body, remote_ip
from imgen.domain.account import Tenant
from imgen.domain.errors import ImgenError, Invalid, InvalidJson, TenantNotFound
from imgen.domain.principal import OPERATE
from imgen.domain.user import Actor
from imgen.records import job_makers, tenants
from imgen.services.accounts import grants
from imgen.services.accounts.usage import plan_uses
from imgen.services.core import Core
from imgen.surfaces.caller import Caller
from imgen.surfaces.description import Description
from imgen.surfaces.operators.wire import KeyActor, PackAnswer, PackRequest, PlanRequest, TenantAnswer, pack_answer
from imgen.surfaces.surface import Surface, json_error, problem_of

PATH = "/api/operators"
TENANT_PATH = f"{PATH}/tenants/{{tenant}}"
NAME = "operators"
MAX_BYTES = 16 * 1024

T = TypeVar("T", bound=Struct)
Handler = Callable[[Core, Actor, Tenant, bytes], Awaitable[Answer]]


def routes(core: Core) -> list[Route]:
    """Returns the routes of the surface."""
    table: tuple[tuple[str, str, Handler], ...] = (
        (TENANT_PATH, "GET", show),
        (f"{TENANT_PATH}/plan", "POST", change_plan),
        (f"{TENANT_PATH}/packs", "POST", grant_pack),
    )
    return [Route(path, Endpoint(_answerer(core, handler)), methods=[method]) for path, method, handler in table]


async def show(core: Core, _by: Actor, tenant: Tenant, _body: bytes) -> Answer:
    """Answers a tenant with its plan, this month's use, and what is left of its packs."""
    return json_answer(await _told(core, tenant))


async def change_plan(core: Core, by: Actor, tenant: Tenant, body: bytes) -> Answer:
    """Gives a tenant another plan; answers the tenant."""
    wanted = _decode(body, PlanRequest)
    changed, plan = await grants.change_plan(core, by, tenant.id, wanted.plan)
    return json_answer(await _told(core, msgspec.structs.replace(changed, plan=plan.key)))


async def grant_pack(core: Core, by: Actor, tenant: Tenant, body: bytes) -> Answer:
    """Grants a tenant a pack of credits: 201, and 200 with the same answer if its payment was counted before."""
    wanted = _decode(body, PackRequest)
    granted, is_new = await grants.grant_pack(core, by, tenant.id, wanted.pack, reference=wanted.reference)
    answer: PackAnswer = pack_answer(granted, core.configured.packs)
    return json_answer(answer, 201 if is_new else 200)


def describe(core: Core) -> Description:
    """Describes the surface for the reference."""
    from imgen.surfaces.operators import description

    return description.describe(core)


def _answerer(core: Core, handler: Handler) -> Callable[[Scope, Receive], Awaitable[Answer]]:
    """Makes the endpoint of a handler: the key comes first, then the tenant of the path, then the body."""

    async def answer(scope: Scope, receive: Receive) -> Answer:
        try:
            principal = await Caller(core, scope, surface=NAME).principal(scope=OPERATE)
            tenant = await _tenant(core, scope["path_params"]["tenant"])
            body = await read_body(scope, receive, max_bytes=MAX_BYTES)
            names = await core.database.reading(job_makers.names, [principal.counted_as])
            name = names.get(principal.counted_as, principal.counted_as)
            by = KeyActor(name=f"API key: {name}", remote_ip=remote_ip(scope))
            return await handler(core, by, tenant, body)
        except ImgenError as exc:
            return json_error(problem_of(exc))

    return answer


async def _tenant(core: Core, id_or_name: str) -> Tenant:
    found = None
    if "\0" not in id_or_name:  # no tenant has it, and PostgreSQL refuses it
        found = await core.database.reading(tenants.find_in_scope, id_or_name, scope=None)
    if found is None:
        raise TenantNotFound
    return found


async def _told(core: Core, tenant: Tenant) -> TenantAnswer:
    (use,) = await plan_uses(core, [tenant])
    return TenantAnswer(
        id=tenant.id,
        name=tenant.name,
        plan=tenant.plan,
        pictures=use.month.pictures,
        credits=use.month.credits,
        packs_left=use.packs_left,
    )


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        raise Invalid(str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidJson from exc


SURFACE = Surface(prefixes=(PATH,), routes=routes, error=json_error, describe=describe)
