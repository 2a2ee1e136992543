"""Kind `comfyui`: entries of models.toml that their workflow does not fit."""

import shutil

import pytest
from servers.comfyui_models import EDIT, SHIPPED, TEXT

from imgen.domain.errors import (
    ModelError,
)

ENTRIES = {
    "names no workflow": TEXT | {"workflow": ""},
    "no workflow missing.json": TEXT | {"workflow": "missing.json"},
    "leaves the folders": TEXT | {"workflow": "../models.toml"},
    "Export": TEXT | {"workflow": "editor.json"},
    "no node 66": TEXT | {"nodes": TEXT["nodes"] | {"prompt": "66.text"}},
    "no input txt, but clip, text": TEXT | {"nodes": TEXT["nodes"] | {"prompt": ["6.text", "6.txt"]}},
    "such as 6.text": TEXT | {"nodes": TEXT["nodes"] | {"prompt": "text"}},
    "no prompt": TEXT | {"nodes": {k: v for k, v in TEXT["nodes"].items() if k != "prompt"}},
    "nodes has pormpt": TEXT | {"nodes": TEXT["nodes"] | {"pormpt": "6.text"}},
    "takes has seed": TEXT | {"nodes": {k: v for k, v in TEXT["nodes"].items() if k != "seed"}},
    "nodes has negative": TEXT | {"takes": ["seed", "steps", "guidance", "lora"]},
    "nodes has lora_scale": TEXT
    | {"takes": ["seed"], "nodes": {"prompt": "6.text", "seed": "3.seed", "lora_scale": "10.strength_clip"}},
    "no source": TEXT | {"edits": "image"},
    "edits is not set": EDIT | {"edits": "", "nodes": {k: v for k, v in EDIT["nodes"].items() if k != "mask"}},
    "edits is not mask": EDIT | {"edits": "image"},
    "has no link as its input model": TEXT | {"nodes": TEXT["nodes"] | {"lora": "4.ckpt_name"}},
    r"options.3.nope: node 3 \(KSampler\) has no input nope": TEXT | {"options": {"3.nope": 1}},
}


@pytest.mark.parametrize("problem", sorted(ENTRIES))
def test_an_entry_that_its_workflow_does_not_fit_is_refused_before_any_picture(load, comfy, tmp_path, problem):
    """With the name of what is wrong."""
    for file in SHIPPED.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "editor.json").write_text('{"last_node_id": 9, "nodes": [{"id": 9, "type": "SaveImage"}], "links": []}')
    with pytest.raises(ModelError, match=problem):
        load(ENTRIES[problem], folders=(tmp_path,))
    assert comfy.asked == []
