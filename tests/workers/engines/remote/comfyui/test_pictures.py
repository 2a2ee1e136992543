"""Kind `comfyui`: pictures from words, sources and masks, by the workflows that ship."""

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image
from servers.comfyui_models import EDIT, SHIPPED, TEXT, diffusion, edit, render, right_half
from servers.comfyui_nodes import RED
from servers.event_loop import until
from servers.faulty_http import answer

from imgen.domain.errors import (
    ModelError,
)
from workers.engines import Shot


def test_a_picture_from_words_has_all_that_the_entry_takes(load, comfy):
    """A character's LoRA is in its loader; without one the loader is taken out, since its file need not be there."""
    plain, with_lora = render(
        load(),
        Shot(diffusion=diffusion()),
        Shot(diffusion=diffusion(lora="emma.safetensors", lora_scale=0.8)),
    )
    told = {"positive": "a red coat", "negative": "hat", "seed": 7, "steps": 4, "cfg": 3.5, "denoise": 1.0}
    told["ckpt"] = "sd_xl_base_1.0.safetensors"
    assert comfy.drawn == [told | {"loras": []}, told | {"loras": [("emma.safetensors", 0.8, 0.8)]}]
    assert plain.pixels.shape == (256, 320, 3)
    assert tuple(plain.pixels[0, 0]) == RED
    assert (with_lora.idle, with_lora.elsewhere.engine) == ((), "elsewhere")


def test_an_option_is_an_input_of_the_workflow(load, comfy):
    """So one file serves several models; what the entry does not take stays as the file has it."""
    entry = TEXT | {
        "takes": [],
        "nodes": {"prompt": "6.text"},
        "options": {"4.ckpt_name": "other.safetensors", "3.steps": 2},
    }
    with pytest.raises(ModelError, match="character"):  # nothing takes its loader out
        render(load(entry | {"options": entry["options"] | {"10.lora_name": "character"}}))
    (drawn,) = render(load(entry))
    assert (comfy.drawn[0]["ckpt"], comfy.drawn[0]["steps"], comfy.drawn[0]["seed"]) == ("other.safetensors", 2, 0)
    assert (drawn.elsewhere.width, drawn.elsewhere.height) == (1024, 1024)
    assert drawn.pixels.shape == (256, 320, 3)
    assert set(drawn.idle) == {"negative", "guidance", "seed", "steps"}


def test_a_masked_source_is_redrawn_where_the_mask_is_white(load, comfy):
    """The second entry of the same engine draws it, with the strength asked for; what the mask keeps is the source's."""
    (drawn,) = render(load(), edit(right_half()))
    assert (tuple(drawn.pixels[128, 10]), tuple(drawn.pixels[128, 310])) == ((90, 90, 90), RED)
    assert comfy.drawn[0]["denoise"] == 0.6
    assert {kind for kind, _ in comfy.files} == {"temp"}  # which ComfyUI empties when it starts


@pytest.mark.parametrize(
    ("channel", "nodes"),
    [("alpha", EDIT["nodes"]), ("blue", EDIT["nodes"]), ("", {k: v for k, v in EDIT["nodes"].items() if k != "mask"})],
)
def test_each_loader_of_comfyui_reads_the_same_mask(load, comfy, tmp_path, channel, nodes):
    """`LoadImageMask` by any channel, and `LoadImage` of the source where the entry names no mask."""
    workflow = json.loads((SHIPPED / EDIT["workflow"]).read_text())
    if channel:
        workflow["12"]["inputs"]["channel"] = channel
    else:
        del workflow["12"]
        workflow["14"]["inputs"]["mask"] = ["11", 1]
    (tmp_path / "other.json").write_text(json.dumps(workflow))
    render(load(EDIT | {"workflow": "other.json", "nodes": nodes}, folders=(tmp_path,)), edit(right_half()))
    (file,) = [file for (kind, name), file in comfy.files.items() if name.startswith("ComfyUI_")]
    assert file == png_of(np.where(right_half()[..., None] == 255, RED, 90).astype(np.uint8))


def png_of(pixels):
    """The file that the server makes of pixels."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_a_source_without_a_mask_is_redrawn_wholly(load):
    """By the workflow with a mask, too."""
    (drawn,) = render(load(), edit())
    assert np.all(drawn.pixels == RED)


def test_a_workflow_that_loads_a_source_draws_from_no_words_alone(load, comfy):
    """The next entry does, and where there is none the job fails before anything is asked."""
    render(load(EDIT, TEXT))
    comfy.asked.clear()
    with pytest.raises(ModelError, match="none of its engines draws from these inputs"):
        render(load(EDIT))
    assert comfy.asked == []


def test_progress_and_previews_come_over_the_socket(client, comfy):
    """Each step is told while it is drawn."""
    told = []
    comfy.gate.clear()

    def progress(done, preview):
        told.append((done, preview[:2]))

    async def work(client, request):
        engine_job_id = await client.submit(request)
        waiting = asyncio.create_task(client.wait(engine_job_id, request, progress))
        await until(lambda: request.call_id in comfy.sockets)
        comfy.gate.set()
        return await waiting

    client(work)
    assert [done for done, preview in told if not preview] == [0.25, 0.5, 0.75, 1.0]
    assert [done for done, preview in told if preview] == [0.25, 0.5, 0.75, 1.0]
    assert {preview for _, preview in told} == {b"", b"\xff\xd8"}
    looks = [one for one in comfy.asked if one.startswith("GET /api/jobs/")]
    assert len(looks) <= 3  # at the beginning, once the socket is open, and when the end is told


def test_the_first_saved_picture_is_taken_and_else_the_first(load, comfy, tmp_path):
    """A node that only shows a picture may come before the one that saves it."""
    workflow = json.loads((SHIPPED / "sdxl.json").read_text())
    workflow = {"2": {"class_type": "SaveText", "inputs": {"text": "x"}}} | workflow
    workflow["99"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}}
    (tmp_path / "sdxl.json").write_text(json.dumps(workflow))
    asked = []
    comfy.faults["GET /view"].append(lambda exchange: (asked.append(exchange.request_read.path), answer(500)(exchange)))
    render(load(folders=(tmp_path, SHIPPED)))
    assert "type=output" in asked[0]
