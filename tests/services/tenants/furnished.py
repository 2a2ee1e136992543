"""A tenant with something in every place: each table, each folder of the object store, each kind of key in Redis."""

import json
from dataclasses import dataclass

import redis
from factories import PLAN, make_job, make_recipe
from msgspec import structs
from services.webhooks.calls import register
from sqlalchemy import insert, select
from submitting import submit_repaired

from imgen.domain.idempotency import Once
from imgen.domain.job import FINISH_QUEUE, State
from imgen.domain.oauth.clients import ClientMetadata, make_client, new_client_id
from imgen.domain.oauth.grants import ACCESS, REFRESH, Grant
from imgen.domain.one_time_link import LinkKind
from imgen.domain.outcome import Blocked, Outcome, StoredImage
from imgen.domain.recipe import Input, VisibleWatermark
from imgen.domain.request import GenerateRequest
from imgen.domain.review.floor import FLOOR_VERSION
from imgen.domain.user import OWNER
from imgen.live import block_penalty, job_views, news, previews, request_gate, waiting
from imgen.records import (
    audit,
    cache,
    job_transitions,
    jobs,
    ledger,
    memberships,
    oauth_clients,
    oauth_connections,
    oauth_tokens,
    one_time_links,
    packs,
    stars,
    uploads,
    users,
    webhooks,
)
from imgen.records.cache import PendingEntry, new_entry_id
from imgen.records.oauth_tokens import Code
from imgen.records.tables import metadata
from imgen.records.tables.webhooks import webhook_attempts, webhook_deliveries
from imgen.records.uploads import Upload

KEPT = {"audit", "ledger", "counters", "packs", "pack_entries", "tenant_deletions"}
"""Tables that have a deleted tenant's id: books and records of what was done, without a prompt or a picture."""


@dataclass(frozen=True)
class Furnished:
    """A tenant that has something everywhere."""

    tenant_id: str
    name: str
    prompt: str
    job_ids: tuple[str, ...]
    gen_ids: tuple[str, ...]
    entry_id: str
    user_id: str

    @property
    def words(self) -> tuple[str, ...]:
        """Words by which its rows are known."""
        return (self.tenant_id, self.prompt, *self.job_ids, *self.gen_ids)


async def furnish(core, principal, *, queued: int = 2) -> Furnished:
    """Gives a tenant jobs in every state with their files, members, links, webhooks, uploads, cached pictures, traces."""
    tenant, now = principal.tenant, core.clock()
    prompt = f"lantern of {tenant.id}"
    once = Once(route="/api/v2", key="again", fingerprint="ab")
    request = GenerateRequest(prompt=prompt, webhook_url="https://hooks.example.com/own")
    for number in range(queued):
        await submit_repaired(core, principal, request, surface="action", once=None if number else once)

    def write(connection):
        user = users.add(
            connection, name=f"mira of {tenant.name}", role="member", password_hash="x", must_change_password=False
        )
        memberships.join(connection, user.id, tenant.id, OWNER)
        one_time_links.add(
            connection, f"hash {tenant.id}", LinkKind.INVITATION, tenant_id=tenant.id, role=OWNER, made_by="", now=now
        )
        webhooks.tenant_secrets(connection, tenant.id)
        _connect_application(connection, user.id, tenant.id, now)
        packs.grant(connection, tenant, core.configured.packs["pack_500"], reference=f"invoice of {tenant.name}")
        upload = Upload(
            id=f"upl_{tenant.id}", tenant_id=tenant.id, key=f"inputs/{tenant.id}/2026-11-27/ab", original_key="",
            sha256="ab" * 32, width=64, height=64, size_bytes=1, created_at=now,
        )  # fmt: skip
        uploads.add(connection, upload)
        cache.count_lookups(connection, tenant.id, hits=1, misses=2, now=now)
        entry_id = new_entry_id()
        for state in (State.RENDERED, State.COMPLETED, State.BLOCKED, State.FAILED):
            job = _add_job(connection, core, principal, prompt, entry_id if state is State.COMPLETED else "")
            if state is State.RENDERED:
                continue
            ended = job_transitions.end(connection, job, state, _outcome(job, state))
            stars.add(connection, user.id, [ended.id])
        cache.make_ready(
            connection, entry_id, master_key=f"cache/{entry_id}/1.webp", size_bytes=1, codes=(), policy_digest="",
            floor_version=FLOOR_VERSION,
        )  # fmt: skip
        for delivery_id in connection.execute(select(webhook_deliveries.c.id)).scalars().all():
            row = {"delivery_id": delivery_id, "number": 1, "at": now, "duration_s": 1.0}
            if not connection.execute(
                select(webhook_attempts).where(webhook_attempts.c.delivery_id == delivery_id)
            ).all():
                connection.execute(insert(webhook_attempts).values(row))
        detail = audit.change(tenant.name)
        audit.note(connection, actor="mira", action="made", tenant_id=tenant.id, subject=tenant.id, detail=detail)
        return user.id, entry_id

    register(core, "https://hooks.example.com/all", tenant_id=tenant.id)
    user_id, entry_id = core.database.attempt(write)
    with core.database.read() as connection:
        made = jobs.list_jobs(connection, tenant.id, limit=1000, before=None, states=frozenset())
    for key in keys_of(made, tenant.id, entry_id):
        core.objects.put(key, b"x", "image/webp")
    await _leave_traces(core, principal, made)
    return Furnished(
        tenant_id=tenant.id,
        name=tenant.name,
        prompt=prompt,
        job_ids=tuple(job.id for job in made),
        gen_ids=tuple(job.gen_id for job in made),
        entry_id=entry_id,
        user_id=user_id,
    )


def _connect_application(connection, user_id, tenant_id, now):
    metadata = ClientMetadata(redirect_uris=["https://app.example.com/callback"], client_name="Kite")
    client = make_client(new_client_id(), metadata, now=now)
    oauth_clients.add(connection, client)
    connection_id = oauth_connections.connect(
        connection, client, user_id=user_id, tenant_id=tenant_id, scopes=("read",), resource="", now=now
    )
    grant = Grant(
        connection_id=connection_id,
        client_id=client.id,
        user_id=user_id,
        tenant_id=tenant_id,
        scopes=("read",),
        resource="",
    )
    code = Code(hash=f"code {tenant_id}", family_id="fam_1", grant=grant, redirect_uri="", challenge="")
    oauth_tokens.add_code(connection, code, now=now)
    for kind in (ACCESS, REFRESH):
        oauth_tokens.add_token(connection, f"{kind} {tenant_id}", kind, "fam_1", grant, now=now)


def keys_of(made, tenant_id, entry_id):
    """Objects of each kind."""
    yield from (f"{folder}/{tenant_id}/2026-11-27/ab" for folder in ("inputs", "brands"))
    yield f"cache/{entry_id}/1.webp"
    for job in made:
        yield f"work/{job.id}/1.webp"
        if job.outcome is not None:
            yield from (image.key for image in job.outcome.images)
            yield f"withheld/{tenant_id}/{job.gen_id}/1/a.jpg"
            yield f"manifests/{tenant_id}/{job.gen_id}/1/a.c2pa"


def _add_job(connection, core, principal, prompt, entry_id):
    tenant_id = principal.tenant.id
    recipe = make_recipe(
        cache_entry_id=entry_id, visible_watermark=VisibleWatermark(image_key=f"brands/{tenant_id}/a/b")
    )
    source = Input(role="source", key=f"inputs/{tenant_id}/2026-11-27/ab", sha256="ab")
    recipe = structs.replace(
        recipe,
        prompt_parts=structs.replace(recipe.prompt_parts, prompt=prompt),
        diffusion=structs.replace(recipe.diffusion, inputs=(source,), positive=prompt),
    )
    job = make_job(tenant_id=tenant_id, counted_as=principal.counted_as, recipe=recipe)
    jobs.add(connection, job)
    ledger.hold(connection, job, PLAN)
    if entry_id:
        pending = PendingEntry(
            tenant_id=tenant_id, model="eros", partition=tenant_id, embedder="m", text=prompt, vector=b"\0\0\x80?"
        )
        cache.add_pending(connection, pending, job)
    for waits in (State.QUEUED, State.RENDERED):
        claimed = job_transitions.claim(connection, job.id, waiting=waits, lease_s=600, max_attempts=3)
        if waits is State.QUEUED:
            key = f"work/{job.id}/1.webp"
            job_transitions.hand_on(connection, claimed, queue=FINISH_QUEUE, master_key=key, timings={})
    return claimed


def _outcome(job, state):
    folder = f"pictures/{job.tenant_id}/{job.gen_id}/1"
    if state is State.COMPLETED:
        named = (("a.jpg", "signed"), ("a_thumb.jpg", "thumbnail"))
        return Outcome(
            images=tuple(StoredImage(key=f"{folder}/{name}", filename=name, type=kind) for name, kind in named)
        )
    if state is State.BLOCKED:
        key = f"withheld/{job.tenant_id}/{job.gen_id}/1/a.jpg"
        return Outcome(blocked=Blocked(names=("Gore",), categories=("gore",), unsafe_key=key))
    return Outcome(error="Generation failed")


async def _leave_traces(core, principal, made):
    live, now = core.live, core.clock()
    for job in made:
        await live.run(news.moved(job, live.run_id))
        await live.run(previews.watch(job.id))
        await live.run(previews.set_preview(job.id, b"\xff\xd8\xff"))
        await live.run(job_views.request_cancel(job.id))
    for owner in (principal.tenant.id, principal.counted_as):
        await live.run(request_gate.hit(owner, now))
    await live.run(block_penalty.count_block(principal.quota_owner))
    await live.run(block_penalty.penalize(principal.quota_owner, 60))
    first = next(job for job in made if job.state is State.QUEUED)
    await live.run(waiting.serve(first.queue, first.id, "group"))
    await live.run(waiting.add(first))


def rows_with(database, words) -> dict[str, list[str]]:
    """Table → its rows that have one of the words in any column; tables without any are left out."""
    found = {}
    with database.read() as connection:
        for table in metadata.sorted_tables:
            rows = [str(tuple(row)) for row in connection.execute(select(table))]
            if hits := sorted(row for row in rows if any(word in row for word in words)):
                found[table.name] = hits
    return found


def objects_of(core, furnished) -> list[str]:
    """Keys of objects that are a tenant's."""
    words = (*furnished.words, furnished.entry_id)
    return [info.key for info in core.objects.list("") if any(word in info.key for word in words)]


def traces_of(core, words) -> dict[str, str]:
    """Keys of Redis that have one of the words in their name or their value, with the value; those of the broker aside."""
    readers = {
        "string": "get",
        "hash": "hgetall",
        "zset": "zrevrangebyscore",
        "list": "lrange",
        "set": "smembers",
    }
    found = {}
    with redis.Redis.from_url(core.settings.redis_url) as client:
        for key in client.scan_iter("*"):
            kind = client.type(key).decode()
            bounds = {"zset": ("+inf", "-inf"), "list": (0, -1)}.get(kind, ())
            value = str(getattr(client, readers[kind])(key, *bounds))
            is_brokers = key.startswith((b"imgen:broker:", b"_kombu"))
            if not is_brokers and any(word in key.decode() or word in value for word in words):
                found[key.decode()] = value
    return found


def told(core, tenant_id, action):
    """Details of the audit's rows of a tenant."""
    with core.database.read() as connection:
        rows = connection.execute(select(metadata.tables["audit"])).mappings()
        return [json.loads(row["detail"]) for row in rows if (row["tenant_id"], row["action"]) == (tenant_id, action)]
