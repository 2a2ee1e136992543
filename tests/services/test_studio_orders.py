"""Orders of Studio, from the arguments to the recipe of a job."""

import io
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from bombs import saved
from msgspec import json, structs
from PIL import Image
from product_shots import NOT_PLAIN, PLAIN
from submitting import submit_repaired

from imgen.domain.errors import ExportNotInPlan, InvalidField
from imgen.domain.recipe import NO_PLAIN_GROUND, RECIPE_VERSION, Frame, Recipe
from imgen.domain.request import PRODUCT_MASK, GenerateRequest
from imgen.services.product_masks import SEAM_PX
from imgen.services.studio_orders import studio_order
from imgen.services.submit import resubmit, submit
from imgen.services.uploads import upload


def picture(size=(960, 640), colour=(200, 30, 30)):
    return saved(Image.new("RGB", size, colour), "PNG")


def ask(core, principal, mode="style", source=picture, **fields):
    fields = {"prompt": "red coat"} | fields if mode in ("style", "product") else fields
    return studio_order(core, principal, mode=mode, source=source, **fields)


async def recipe_of(core, principal, **fields):
    submitted = await submit(core, principal, await ask(core, principal, **fields), surface="studio")
    recipe = submitted.job.recipe
    assert json.decode(json.encode(recipe), type=Recipe) == recipe
    return recipe


def configure(core, **modes):
    """Changes fields of modes."""
    studio = core.studio
    changed = {key: structs.replace(one, **modes.get(key, {})) for key, one in studio.modes.items()}
    core.configured = replace(core.configured, studio=structs.replace(studio, modes=changed))


def test_style_is_image_to_image_with_the_prompt(core, caller):
    """Plain words, the mode's strength, the source's ratio; several pictures have seeds that follow each other."""

    async def work(opened):
        principal = caller(opened)
        order = await ask(opened, principal, prompt="@aya, -hat", count=3, seed=7)
        jobs = (await submit(opened, principal, order, surface="studio")).jobs
        assert [job.recipe.diffusion.seed for job in jobs] == [7, 8, 9]
        recipe = jobs[0].recipe
        assert recipe.diffusion.positive.startswith("@aya, -hat, ")
        assert (recipe.mode, recipe.plain_prompt, recipe.version) == ("style", "@aya, -hat", RECIPE_VERSION)
        assert [(one.role, one.strength) for one in recipe.diffusion.inputs] == [("source", 0.6)]
        assert (recipe.diffusion.width, recipe.diffusion.height, recipe.diffusion.upscale) == (1216, 832, 1)
        assert recipe.frame == Frame(width=1216, height=811)

    core(work)


def test_an_avatar_has_the_look_of_its_preset(core, caller):
    """Its words follow the caller's, who may have none; a strength that is asked for goes before the preset's."""

    async def work(opened):
        principal = caller(opened)
        look = opened.studio.presets["oil-paint"]
        recipe = await recipe_of(opened, principal, mode="avatar", preset="oil-paint")
        assert look.words in recipe.diffusion.positive
        assert (recipe.style, recipe.plain_prompt) == (look.style, "")
        assert recipe.diffusion.inputs[0].strength == look.strength
        recipe = await recipe_of(opened, principal, mode="avatar", preset="anime", prompt="green hat", strength=0.2)
        assert recipe.prompt_parts.positive.startswith("green hat, ")
        assert recipe.diffusion.inputs[0].strength == 0.2

    core(work)


def test_an_enhanced_picture_is_drawn_by_nothing(core, caller):
    """Without a prompt, a strength or steps; its size is the source's own."""

    async def work(opened):
        recipe = await recipe_of(opened, caller(opened), mode="enhance", source=partial(picture, (1500, 1000)))
        assert (recipe.mode, recipe.prompt_parts.prompt, recipe.diffusion.positive) == ("enhance", "", "")
        assert (recipe.diffusion.num_inference_steps, recipe.diffusion.upscale) == (0, 1)
        assert recipe.frame == Frame(width=1500, height=1000)

    core(work)


@pytest.mark.parametrize("is_uploaded", [False, True])
@pytest.mark.parametrize("name", ["mug on white", "transparent white mug"])
def test_a_product_is_kept_by_a_mask_of_its_own(core, caller, name, is_uploaded):
    """Made of its ground or its transparency, which an upload keeps; all else is drawn anew with the prompt."""

    async def work(opened):
        principal, made = caller(opened), PLAIN[name]()
        source = lambda: made.body  # noqa: E731 - reads a body, as surfaces have it
        if is_uploaded:
            source = (await upload(opened, principal, source)).upload.id
        submitted = await submit(opened, principal, await ask(opened, principal, "product", source), surface="studio")
        recipe = submitted.job.recipe
        assert (submitted.warnings, recipe.notes, recipe.diffusion.seam_px) == ((), (), SEAM_PX)
        assert [(one.role, one.strength) for one in recipe.diffusion.inputs] == [("source", 1.0), ("mask", 1.0)]
        mask = Image.open(io.BytesIO(opened.objects.get(recipe.diffusion.inputs[1].key)))
        kept = np.asarray(mask) < 128
        assert (kept & made.truth).sum() / (kept | made.truth).sum() >= 0.9

    core(work)


def test_a_product_before_no_plain_ground_is_restyled_gently(core, caller):
    """That is told, and kept with the job; a strength below the gentle one stays."""

    async def work(opened):
        principal, body = caller(opened), NOT_PLAIN["stripes"]().body
        for strength, expected in ((None, 0.3), (1.0, 0.3), (0.1, 0.1)):
            order = await ask(opened, principal, "product", lambda: body, strength=strength)
            submitted = await submit(opened, principal, order, surface="studio")
            recipe = submitted.job.recipe
            assert (submitted.warnings, recipe.notes) == ((PRODUCT_MASK,), (NO_PLAIN_GROUND,))
            assert [(one.role, one.strength) for one in recipe.diffusion.inputs] == [("source", expected)]

    core(work)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mode": "paint"}, "mode"),
        ({"export": "8k"}, "export"),
        ({"aspect": "5:4"}, "aspect"),
        ({"count": 6}, "count"),
        ({"count": 0}, "count"),
        ({"count": "2"}, "count"),
        ({"strength": 1.1}, "strength"),
        ({"strength": "1"}, "strength"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": " , "}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x" * 10_001}, "prompt"),
        ({"mode": "product", "prompt": ""}, "prompt"),
        ({"preset": "anime"}, "preset"),
        ({"mode": "avatar", "preset": "clay"}, "preset"),
        ({"source": "up_unknown"}, "image"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_its_name(core, caller, fields, field):
    """Nothing is repaired; a source is read when its order is submitted, as the image of any other."""

    async def work(opened):
        principal = caller(opened)
        with pytest.raises(InvalidField) as refused:
            await submit(opened, principal, await ask(opened, principal, **fields), surface="studio")
        assert refused.value.field == field

    core(work)


def test_a_plan_limits_the_size(core, caller):
    """Pro has 2k, Business 4k, anybody what the model draws; a picture made under a greater plan is not made again under a lesser."""

    async def work(opened):
        pro, business = caller(opened, "p", "pro"), caller(opened, "b", "business")
        assert (await recipe_of(opened, pro, export="2k")).frame == Frame(width=2048, height=1365)
        with pytest.raises(ExportNotInPlan):
            await ask(opened, pro, export="4k")
        order = await ask(opened, business, export="4k")
        with pytest.raises(ExportNotInPlan):
            await submit(opened, pro, order, surface="studio")
        made = (await submit(opened, business, order, surface="studio")).job
        assert (await resubmit(opened, business, made, surface="panel")).recipe.frame == made.recipe.frame
        with pytest.raises(ExportNotInPlan):
            await resubmit(opened, pro, made, surface="panel")

    core(work)


def test_the_operator_decides_credits_steps_and_model(core, caller):
    """A model that is not configured is refused by the mode's name."""

    async def work(opened):
        principal = caller(opened)
        configure(opened, style={"credits": 7, "steps": 900, "strength": 0.4}, enhance={"model": "huge"})
        recipe = await recipe_of(opened, principal)
        assert (recipe.credits, recipe.diffusion.num_inference_steps) == (7, opened.catalog.model("").steps.max)
        assert recipe.diffusion.inputs[0].strength == 0.4
        with pytest.raises(InvalidField, match="^Model huge is not configured$"):
            await ask(opened, principal, mode="enhance")

    core(work)


def test_a_recipe_without_studio_has_nothing_of_it(core, caller):
    """Its JSON is as before."""

    async def work(opened):
        request = GenerateRequest(prompt="red coat", image=picture)
        text = json.encode((await submit_repaired(opened, caller(opened), request, surface="action")).job.recipe)
        assert not [name for name in (b'"mode"', b'"frame"', b'"seam_px"') if name in text]

    core(work)
