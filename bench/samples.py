"""Sample jobs as production has them: prompts, meta and file names of real lengths."""

import secrets
import time

from imgen.domain.ids import new_gen_id, new_job_id, new_watermark_id
from imgen.domain.job import Job, State, utc_text
from imgen.domain.outcome import Meta, Outcome, StoredImage
from imgen.domain.principal import Principal
from imgen.domain.recipe import Diffusion, PromptParts, Recipe

PROMPT = (
    "@aya red coat, sitting on a beach at dusk, warm rim light, 85 mm portrait, shallow depth of field, -hat, -blurry"
)
POSITIVE = "red coat, sitting on a beach at dusk, warm rim light, 85 mm portrait, shallow depth of field"


def queued_job(principal: Principal, *, queue: str, steps: int = 28) -> Job:
    """Makes a job that waits to be rendered, published just now."""
    now = time.time()
    return Job(
        id=new_job_id(),
        gen_id=new_gen_id(),
        tenant_id=principal.tenant.id,
        counted_as=principal.counted_as,
        surface="action",
        state=State.QUEUED,
        queue=queue,
        priority=0,
        fence=0,
        attempts=0,
        recipe=Recipe(
            model="eros",
            style="professional",
            prompt_parts=PromptParts(
                prompt=PROMPT, original_prompt=PROMPT, character="aya", positive=POSITIVE, negative="hat, blurry"
            ),
            diffusion=Diffusion(
                positive=f"aya, {POSITIVE}, clean lines, fine detail",
                negative="blurry, low quality, jpeg artefacts, hat",
                width=1344,
                height=768,
                seed=123456789,
                num_inference_steps=steps,
                guidance_scale=5.0,
            ),
        ),
        watermark_id=new_watermark_id(),
        created_at=now,
        available_at=now,
        published_at=now,
        deadline_at=now + 3600,
    )


def outcome_of(job: Job) -> Outcome:
    """Makes the outcome of a finished picture: the whole meta and two files."""
    words, diffusion, fingerprint = job.recipe.prompt_parts, job.recipe.diffusion, secrets.token_hex(32)
    meta = Meta(
        id=job.id,
        gen_id=job.gen_id,
        time=utc_text(job.created_at),
        prompt=words.prompt,
        original_prompt=words.original_prompt,
        positive=words.positive,
        negative=words.negative,
        character=words.character,
        model=job.recipe.model,
        style=job.recipe.style,
        width=diffusion.width,
        height=diffusion.height,
        format="jpeg",
        quality=95,
        lossless=False,
        optimized=False,
        compliance="safe",
        compliance_codes=(),
        compliance_ruleset="default",
        precompliance="",
        fingerprint=fingerprint,
        enable_invisimark=True,
        enable_c2pa=True,
        compute_pdq=True,
        wm_position="bottom-right",
        wm_scale=5,
        wm_transparency=100,
        wm_rotation=0,
        wm_padding_x=10,
        wm_padding_y=10,
        cs_author="",
        cs_title="Generated picture",
        cs_description="",
        cs_organization="",
        cs_vendor="Imgen",
        seed=diffusion.seed,
        steps=diffusion.num_inference_steps,
        guidance=diffusion.guidance_scale,
        watermark_id=job.watermark_id,
        watermark_verified=True,
        sha256=secrets.token_hex(32),
        manifest_id=f"urn:c2pa:{secrets.token_hex(16)}",
        timings={"queue": 0.412, "render": 6.318, "review": 0.02, "finish": 0.061, "upload": 0.014},
    )
    folder, name = f"pictures/{job.tenant_id}/{job.gen_id}", f"{job.gen_id}_{fingerprint}_00001"
    files = {"signed": f"{name}.jpg", "thumbnail": f"{name}_thumb.jpg"}
    images = tuple(StoredImage(key=f"{folder}/{file}", filename=file, type=kind) for kind, file in files.items())
    return Outcome(meta=meta, images=images)
