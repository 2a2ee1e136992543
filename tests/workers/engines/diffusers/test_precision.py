"""Dtype `auto` by the kind of device, and VAEs that half precision would turn black."""

import numpy as np
import pytest
import torch
from drawing import draw_one

from imgen.domain.engine_options import DiffusersOptions
from workers import engines
from workers.engines import EngineContext
from workers.engines.diffusers.placement import Placement, place
from workers.engines.diffusers.vae_precision import settle_vae

# numpy 2 warns at how diffusers' schedulers turn tensors into arrays; nothing we can call differently.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize(
    ("there", "has_bfloat16", "dtype"),
    [
        ("cuda", True, torch.bfloat16),
        ("cuda", False, torch.float16),
        ("mps", True, torch.bfloat16),
        ("mps", False, torch.float16),
        ("cpu", True, torch.float32),
    ],
)
def test_a_device_has_the_dtype_that_is_fast_and_exact_on_it(there, has_bfloat16, dtype, monkeypatch):
    """It is float16 if bfloat16 is only emulated, as by old cards."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there == "mps")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: has_bfloat16)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_: has_bfloat16)
    found = place("eros", DiffusersOptions())
    assert (found.device.type, found.dtype) == (there, dtype)
    assert place("eros", DiffusersOptions(dtype="float32")).dtype is torch.float32


def loud(pipe):
    """Makes the VAE's activations too large for float16, as SDXL's are."""
    with torch.no_grad():
        pipe.vae.decoder.conv_in.weight.mul_(3e5)
        pipe.vae.encoder.conv_in.weight.mul_(3e5)
    return pipe.vae


@pytest.fixture
def loaded(models, entry):
    return lambda source, dtype: engines.load(entry(source, dtype=dtype), EngineContext(folders=(models,)))


def test_sdxls_vae_works_in_float32_where_the_rest_is_float16(loaded, ask):
    """Its pictures and its previews have colours, also from a source; the denoiser stays as asked for."""
    engine, previews = loaded("sdxl", "float16"), []
    vae = loud(engine._pipe)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).half()
    assert torch.isfinite(vae.decode(latents, return_dict=False)[0]).all()
    assert torch.isfinite(vae.encode(torch.rand(1, 3, 64, 64).half()).latent_dist.mode()).all()
    assert vae.decode(latents).sample.dtype is torch.float16
    drawn = draw_one(engine, ask(), lambda _done, _total, preview: previews.append(preview()))
    assert drawn.std() > 0
    assert all(preview is not None for preview in previews)
    assert engine._pipe.unet.dtype is torch.float16


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_other_dtypes_leave_the_vae_alone(loaded, dtype):
    """They have the range."""
    assert loaded("sdxl", dtype)._pipe.vae.dtype is getattr(torch, dtype)


def test_on_mps_every_vae_works_in_float32(loaded, ask):
    """Whatever the pipeline casts it to; what comes out has the dtype that the pipeline works in."""
    engine = loaded("flux", "bfloat16")
    settle_vae(engine._pipe, Placement(torch.device("mps"), torch.bfloat16))
    vae = engine._pipe.vae
    vae.to(torch.bfloat16)
    assert vae.encode(torch.rand(1, 3, 64, 64).bfloat16()).latent_dist.mode().dtype is torch.bfloat16
    assert vae.dtype is torch.float32
    plain = draw_one(loaded("flux", "bfloat16"), ask())
    difference = np.abs(draw_one(engine, ask()).astype(int) - plain)
    assert difference.mean() < 3
