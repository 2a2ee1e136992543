"""Failed loads are remembered: broken files until they change, what may pass by itself for a while."""

import errno
import os

import pytest

from imgen.domain.errors import ModelError, OutOfMemory
from workers.failed_loads import REMEMBERED_S, FailedLoads, state_of


@pytest.fixture
def clock():
    """Hands of a clock."""
    return [0.0]


@pytest.fixture
def failed(clock):
    return FailedLoads(lambda: clock[0])


def error_of(cause):
    error = ModelError("it cannot be loaded")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [OutOfMemory(), error_of(OSError(errno.EIO, "Input/output error")), error_of(PermissionError(errno.EACCES, "no"))],
)
def test_what_may_pass_by_itself_is_tried_again_after_a_while(error, failed, clock):
    """Memory that ran out, and a disk that did not answer, say nothing about the files."""
    failed.remember("a", "entry", (), error)
    clock[0] = REMEMBERED_S - 1
    with pytest.raises(type(error)):
        failed.refuse("a", "entry", ())
    clock[0] = REMEMBERED_S
    failed.refuse("a", "entry", ())


@pytest.mark.parametrize(
    "error", [error_of(None), error_of(OSError("no config.json there")), error_of(FileNotFoundError(errno.ENOENT, "x"))]
)
def test_a_broken_model_is_not_tried_again(error, failed, clock):
    """However late; another entry is another model, and a reload forgets all."""
    failed.remember("a", "entry", (), error)
    clock[0] = 1e9
    with pytest.raises(ModelError, match="cannot be loaded"):
        failed.refuse("a", "entry", ())
    failed.refuse("b", "entry", ())
    failed.clear()
    failed.refuse("a", "entry", ())
    failed.remember("a", "entry", (), error)
    failed.refuse("a", "another entry", ())


@pytest.mark.parametrize("changed", ["model/unet/weights", "model/index", "file.safetensors", "file/config.json"])
def test_a_change_of_any_file_is_a_new_try(changed, failed, tmp_path):
    """In a model's folder, and of a single file or its configuration beside it; also one that comes or goes."""
    for name in ("model/unet/weights", "model/index", "file.safetensors", "file/config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    paths = [tmp_path / "model", tmp_path / "file.safetensors"]
    failed.remember("a", "entry", state_of(paths), error_of(None))
    with pytest.raises(ModelError):
        failed.refuse("a", "entry", state_of(paths))
    os.utime(tmp_path / changed, (1, 1))
    failed.refuse("a", "entry", state_of(paths))
    failed.remember("a", "entry", state_of(paths), error_of(None))
    (tmp_path / changed).unlink()
    failed.refuse("a", "entry", state_of(paths))
