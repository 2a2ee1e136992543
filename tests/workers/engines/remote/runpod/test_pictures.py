"""Kind `runpod`: pictures of handlers by fields and by workflows, and entries that cannot work."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from servers.comfyui_models import SHIPPED, diffusion, edit, render, right_half
from servers.comfyui_nodes import RED
from servers.faulty_http import answer
from servers.runpod import EDITED, PLAIN, WORKFLOW

from imgen.domain.errors import (
    ModelError,
    RemoteEngineFailed,
    RemoteKeyRefused,
)
from workers.engines import Shot


def test_a_handler_gets_what_the_entry_takes_by_name(load, pod):
    """A LoRA and its scale are sent where a request has one; the engine's time limit is RunPod's as well."""
    plain, with_lora = render(
        load(), Shot(diffusion=diffusion()), Shot(diffusion=diffusion(lora="emma", lora_scale=0.8))
    )
    sent = {"prompt": "a red coat", "negative_prompt": "hat", "width": 320, "height": 256, "seed": 7}
    sent |= {"num_inference_steps": 4, "guidance_scale": 3.5}
    assert pod.begun == [sent, sent | {"lora": "emma", "lora_scale": 0.8}]
    assert pod.policies == [{"executionTimeout": 20_000, "ttl": 620_000}] * 2
    assert tuple(plain.pixels[0, 0]) == RED
    assert (plain.pixels.shape, plain.idle, plain.elsewhere.seed) == ((256, 320, 3), (), 11)
    assert (with_lora.elsewhere.engine, with_lora.elsewhere.model) == ("elsewhere", "plain")


def test_fields_have_other_names_by_the_entry(load, pod):
    """Values that it does not take are not sent, and an option has the last word."""
    entry = PLAIN | {
        "takes": ["guidance"],
        "edits": "",
        "nodes": {"guidance": ["guidance", "guidance_scale"]},
        "options": {"scheduler": "DDIM", "width": 64},
    }
    (drawn,) = render(load(entry))
    values = {"prompt": "a red coat", "width": 64, "height": 256, "guidance": 3.5, "guidance_scale": 3.5}
    assert pod.begun == [values | {"scheduler": "DDIM"}]
    assert (drawn.elsewhere.width, drawn.elsewhere.height) == (64, 256)
    assert set(drawn.idle) == {"negative", "seed", "steps"}


def test_a_masked_source_is_redrawn_where_the_mask_is_white(load, pod):
    """A handler gets both as base64; what the mask keeps is the source's."""
    (drawn,) = render(load(), edit(right_half()))
    assert (tuple(drawn.pixels[128, 10]), tuple(drawn.pixels[128, 310])) == ((90, 90, 90), RED)
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(pod.begun[0]["mask"]))))
    assert np.array_equal(mask, right_half())
    assert pod.begun[0]["strength"] == 0.6


def test_a_source_alone_is_sent_without_a_mask(load, pod):
    """Also where the entry has its own name for it; such an entry draws from no words alone."""
    entry = PLAIN | {"edits": "image", "nodes": {"source": "init"}}
    render(load(entry), edit())
    assert {"init"} == {"init", "image", "mask"} & set(pod.begun[0])
    with pytest.raises(ModelError, match="none of its engines draws from these inputs"):
        render(load(entry))


def test_a_workflow_is_filled_and_its_previews_are_saved(load, pod):
    """worker-comfyui leaves temporary files out, and the shipped workflow ends with a preview."""
    plain, with_lora = render(
        load(WORKFLOW), Shot(diffusion=diffusion()), Shot(diffusion=diffusion(lora="emma.safetensors", lora_scale=0.8))
    )
    told = {"positive": "a red coat", "negative": "hat", "seed": 7, "steps": 4, "cfg": 3.5, "denoise": 1.0}
    told["ckpt"] = "sd_xl_base_1.0.safetensors"
    assert pod.drawn == [told | {"loras": []}, told | {"loras": [("emma.safetensors", 0.8, 0.8)]}]
    assert pod.begun[0]["workflow"]["9"]["class_type"] == "SaveImage"
    assert "images" not in pod.begun[0]
    assert (tuple(plain.pixels[0, 0]), plain.pixels.shape, with_lora.elsewhere.model) == (RED, (256, 320, 3), "comfy")


def test_a_workflow_that_saves_pictures_keeps_its_previews(load, pod, tmp_path):
    """They are no pictures of the answer."""
    workflow = json.loads((SHIPPED / "sdxl.json").read_text())
    workflow["99"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}}
    (tmp_path / "sdxl.json").write_text(json.dumps(workflow))
    render(load(WORKFLOW, folders=(tmp_path,)))
    assert [pod.begun[0]["workflow"][node]["class_type"] for node in ("9", "99")] == ["PreviewImage", "SaveImage"]


def test_a_workflow_gets_source_and_mask(load, pod):
    """Their names are those of the call, so that works do not overwrite each other's files."""
    drawn, other = render(load(WORKFLOW, EDITED), edit(right_half()), edit())
    assert (tuple(drawn.pixels[128, 10]), tuple(drawn.pixels[128, 310])) == ((90, 90, 90), RED)
    assert np.all(other.pixels == RED)
    names = [image["name"] for begun in pod.begun for image in begun["images"]]
    assert len(set(names)) == 4
    assert pod.begun[0]["workflow"]["11"]["inputs"]["image"] == names[0]
    assert [one["denoise"] for one in pod.drawn] == [0.6, 0.6]


def test_a_request_that_runpod_does_not_take_is_not_sent(load, pod):
    """10 MB; another try would be refused as well."""
    noise = np.random.default_rng(0).integers(0, 255, (1792, 1792, 3), np.uint8)
    with pytest.raises(ModelError, match="RunPod takes 10000000"):
        render(load(), replace(edit(), source=noise))
    assert pod.asked == []


def test_a_probe_asks_for_the_health_of_each_endpoint(client, pod):
    """Nothing is drawn; without endpoints, it finds out whether the key is taken."""

    def probe(*endpoints, **changes):
        async def work(client, _):
            return await client.probe(endpoints)

        return client(work, **changes)

    assert probe("plain", "comfy") == ("plain", "comfy")
    assert probe() == ()
    with pytest.raises(RemoteEngineFailed, match="no endpoint gone"):
        probe("plain", "gone")
    with pytest.raises(RemoteKeyRefused):
        probe(key="wrong")
    pod.faults["GET /v2/plain/health"].append(answer(200, b"<html>"))
    with pytest.raises(RemoteEngineFailed):
        probe("plain")
    assert pod.works == {}


ENTRIES = {
    "model is ''; write the id": PLAIN | {"model": ""},
    "write the id of a RunPod endpoint": PLAIN | {"model": "../v1"},
    "nodes has pormpt": PLAIN | {"nodes": {"pormpt": "text"}},
    "nodes has seed, but takes does not": PLAIN | {"takes": [], "nodes": {"seed": "seed"}},
    "edits is not mask": PLAIN | {"edits": "image", "nodes": {"mask": "mask_image"}},
    "no workflow missing.json": WORKFLOW | {"workflow": "missing.json"},
    "no prompt": WORKFLOW | {"nodes": {k: v for k, v in WORKFLOW["nodes"].items() if k != "prompt"}},
}


@pytest.mark.parametrize("problem", sorted(ENTRIES))
def test_an_entry_that_cannot_work_is_refused_before_any_picture(load, pod, problem):
    """With the name of what is wrong."""
    with pytest.raises(ModelError, match=problem):
        load(ENTRIES[problem])
    assert pod.asked == []
