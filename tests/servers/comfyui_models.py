"""Entries of a model for the ComfyUI server, over the workflows that ship, and shots for it."""

from pathlib import Path

import numpy as np

from imgen.domain.recipe import Diffusion, Input
from workers.engines import Shot

SHIPPED = Path(__file__).parents[2] / "config" / "workflows"


MODEL = {
    "label": "Remote",
    "backend": "remote",
    "steps": {"default": 4},
    "guidance": {"default": 3.5},
    "default_style": "plain",
    "styles": {"plain": {"label": "Plain"}},
}


TEXT = {
    "engine": "elsewhere",
    "workflow": "sdxl.json",
    "takes": ["seed", "steps", "guidance", "negative", "lora"],
    "nodes": {
        "prompt": "6.text",
        "negative": "7.text",
        "seed": "3.seed",
        "steps": "3.steps",
        "guidance": "3.cfg",
        "width": "5.width",
        "height": "5.height",
        "lora": "10.lora_name",
        "lora_scale": ["10.strength_model", "10.strength_clip"],
    },
}


EDIT = {
    "engine": "elsewhere",
    "workflow": "sdxl-inpaint.json",
    "takes": ["seed", "strength", "lora"],
    "edits": "mask",
    "nodes": {
        "prompt": "6.text",
        "seed": "3.seed",
        "strength": "3.denoise",
        "lora": "10.lora_name",
        "source": "11.image",
        "mask": "12.image",
    },
}


def diffusion(**changes):
    values = {
        "positive": "a red coat",
        "negative": "hat",
        "width": 320,
        "height": 256,
        "seed": 7,
        "num_inference_steps": 4,
        "guidance_scale": 3.5,
    }
    return Diffusion(**(values | changes))


def edit(mask=None, strength=0.6):
    """A shot with a grey source, and a mask that is white from column 160 on unless told otherwise."""
    roles = ("source",) if mask is None else ("source", "mask")
    inputs = tuple(Input(role=role, key=role, sha256="0", strength=strength) for role in roles)
    source = np.full((256, 320, 3), 90, np.uint8)
    return Shot(diffusion=diffusion(inputs=inputs), source=source, mask=mask)


def right_half():
    mask = np.zeros((256, 320), np.uint8)
    mask[:, 160:] = 255
    return mask


def render(engine, *shots, on_step=lambda *_: None):
    return engine.render(shots or [Shot(diffusion=diffusion())], on_step)


async def draw(client, request, progress=lambda *_: None):
    return await client.wait(await client.submit(request), request, progress)
