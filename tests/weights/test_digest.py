"""Digests of weights: equal content is equal wherever it lies, and other content is other under any name."""

import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file
from weights_files import write_lora, write_model

from imgen.weights.digest import WeightDigests


@pytest.fixture
def digests():
    return WeightDigests()


def test_content_counts_and_names_and_places_do_not(tmp_path, digests):
    """A copy elsewhere is the same; other weights, another configuration, a further component are others."""
    one = write_model(tmp_path / "one")
    before = digests.of(one)
    assert before == WeightDigests().of(shutil.copytree(one, tmp_path / "other"))
    (one / "README.md").write_text("a model card")
    write_lora(one / "loras" / "a.safetensors")
    assert digests.of(one) == before
    seen = {before}
    for change in (
        lambda: write_model(one, value=1.0),
        lambda: (one / "unet" / "config.json").write_text('{"a": 1}'),
        lambda: (one / "vae" / "more.safetensors").write_bytes(b"more"),
    ):
        change()
        assert digests.of(one) not in seen
        seen.add(digests.of(one))


def test_one_file_counts_with_the_configuration_beside_it(tmp_path, digests):
    """As a single file is loaded; its own name does not count."""
    save_file({"a": np.zeros(4, np.float32)}, tmp_path / "dream.safetensors")
    alone = digests.of(tmp_path / "dream.safetensors")
    (tmp_path / "dream.safetensors").rename(tmp_path / "renamed.safetensors")
    assert digests.of(tmp_path / "renamed.safetensors") == alone
    write_model(tmp_path / "renamed")
    assert digests.of(tmp_path / "renamed.safetensors") != alone


def test_an_exchange_under_the_same_name_size_and_date_is_seen(tmp_path, digests):
    """As tools that keep dates exchange files."""
    file = write_lora(tmp_path / "a.safetensors")
    before, stat = digests.of(file), file.stat()
    write_lora(file, value=1.0)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.stat().st_size == stat.st_size
    assert digests.of(file) != before


def test_a_large_file_is_known_by_parts_of_each_tensor(tmp_path):
    """Any training changes every tensor; no more than parts of them are read."""
    digests = WeightDigests(whole_bytes=1000)
    tensors = {name: np.zeros(5000, np.float32) for name in "abc"}
    file = tmp_path / "large.safetensors"
    save_file(tensors, file)
    seen = {digests.of(file)}
    for place in (0, 2500, 4999):
        changed = tensors["b"].copy()
        changed[place] = 1
        save_file(tensors | {"b": changed}, file)
        assert digests.of(file) not in seen
        seen.add(digests.of(file))


def test_files_that_cannot_be_read_have_no_digest(tmp_path, digests):
    """Neither has a folder without an index."""
    assert digests.of(tmp_path / "nothing") == ""
    (tmp_path / "folder").mkdir()
    assert digests.of(tmp_path / "folder") == ""
    assert digests.named("../climbing", (tmp_path,)) == ""
    broken = write_model(tmp_path / "broken")
    (broken / "model_index.json").write_text("{")
    assert digests.of(broken) == ""
