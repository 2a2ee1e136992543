"""Values for tests, whole and valid, with whatever a test cares about replaced."""

import time

from msgspec import structs

from imgen.domain.account import Plan, Tenant
from imgen.domain.ids import new_gen_id, new_job_id, new_watermark_id
from imgen.domain.job import Job, State
from imgen.domain.recipe import Diffusion, PromptParts, Recipe
from imgen.domain.review.floor import judge_floor
from imgen.domain.review.judge import judge
from imgen.domain.review.ruleset import CompiledRuleset
from imgen.domain.review.verdict import Verdict, combine
from imgen.provenance.history import WATERMARKED, created
from imgen.provenance.manifest import Manifest
from imgen.records.database import dialect_insert
from imgen.records.tables.accounts import tenants

PLAN = Plan(key="standard", label="Standard")


def make_recipe(**changes) -> Recipe:
    """A recipe for a red coat."""
    recipe = Recipe(
        model="eros",
        style="professional",
        prompt_parts=PromptParts(prompt="red coat", original_prompt="red coat", positive="red coat"),
        diffusion=Diffusion(
            positive="red coat",
            negative="blurry",
            width=1344,
            height=768,
            seed=7,
            num_inference_steps=4,
            guidance_scale=3.5,
        ),
    )
    return structs.replace(recipe, **changes)


def make_job(**changes) -> Job:
    """A queued job, made now."""
    now = time.time()
    job = Job(
        id=new_job_id(),
        gen_id=new_gen_id(),
        tenant_id="ten_1",
        counted_as="key_1",
        surface="action",
        state=State.QUEUED,
        queue="render.eros",
        priority=3,
        fence=0,
        attempts=0,
        recipe=make_recipe(),
        watermark_id=new_watermark_id(),
        created_at=now,
        available_at=now,
        deadline_at=now + 600,
    )
    return structs.replace(job, **changes)


def add_tenant(connection, tenant_id: str = "ten_1", *, name: str = "", plan: str = "standard") -> Tenant:
    """Stores the tenant of that id, unless it is there."""
    tenant = Tenant(id=tenant_id, name=name or tenant_id, plan=plan)
    row = {"id": tenant.id, "name": tenant.name, "plan": tenant.plan, "created_at": time.time()}
    connection.execute(dialect_insert(connection, tenants).values(row).on_conflict_do_nothing())
    return tenant


def make_manifest(**changes) -> Manifest:
    """Fields of the manifest of a picture that was drawn from words at the beginning of 2026."""
    manifest = Manifest(
        version="1",
        gen_id="abcdefghij0123456789",
        actions=(created("eros", "2026-01-02T03:04:05Z"), WATERMARKED),
        watermark_id="0123456789ab",
        fingerprint="f0" * 32,
    )
    return structs.replace(manifest, **changes)


def judge_words(compiled: CompiledRuleset, parts: dict[str, str]) -> Verdict:
    """Floor and ruleset over the words of a request, as the board of reviewers asks them."""
    floored, ruled = judge_floor(parts), judge(compiled, parts)
    return combine((floored, ruled)) if floored else ruled
