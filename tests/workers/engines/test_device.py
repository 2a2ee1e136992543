"""Errors of the device, told apart from those of a model."""

import pytest
import torch
from drawing import draw_one
from torch import AcceleratorError

from imgen.domain.errors import DeviceLost, ModelError, OutOfMemory
from workers.engines import EngineContext, load
from workers.engines.device import device_error, model_error


def with_code(text, code):
    """The error as torch raises it: its C++ side adds the device's own number."""
    error = AcceleratorError(text)
    error.error_code = code
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AcceleratorError("CUDA error: an illegal memory access was encountered"), DeviceLost),
        (with_code("CUDA error: device-side assert triggered", 710), DeviceLost),
        (with_code("CUDA error", 2), OutOfMemory),
        (AcceleratorError("CUDA error: out of memory"), OutOfMemory),
        (torch.OutOfMemoryError("tried to allocate 20 GiB"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (RuntimeError("sizes do not match"), type(None)),
        (KeyError("weight"), type(None)),
    ],
)
def test_a_dead_device_is_told_from_one_without_memory(error, kind):
    """Memory may be there later; after all else the context is broken; other errors are the model's."""
    assert type(device_error(error)) is kind
    assert type(model_error(error, "it does not fit")) is (ModelError if kind is type(None) else kind)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (with_code("CUDA error: unspecified launch failure", 719), DeviceLost),
        (torch.OutOfMemoryError("no"), OutOfMemory),
    ],
)
def test_the_diffusers_engine_passes_them_on(models, entry, ask, error, kind):
    """Whatever layer raises it, in a render and while a model is loaded."""

    def fail(*_):
        raise error

    engine = load(entry("sd15"), EngineContext(folders=(models,)))
    engine._pipe.unet.register_forward_hook(fail)
    with pytest.raises(kind):
        draw_one(engine, ask(), lambda *_: None)
