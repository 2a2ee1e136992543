"""LoRA files over one pipeline: they act while they are asked for, and leave nothing behind."""

import json
import os

import numpy as np
import pytest
import torch
from drawing import draw_one
from safetensors.torch import load_file, save_file

from imgen.domain.errors import Cancelled, ModelError, Retryable
from workers.engines import EngineContext, load

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

DENOISER = {"sd15": "unet", "sdxl": "unet", "sd3": "transformer", "flux": "transformer", "starter": "transformer"}


@pytest.fixture(params=DENOISER)
def family(request):
    return request.param


@pytest.fixture
def engine(family, entry, models, tmp_path):
    return load(entry(family), EngineContext(folders=(tmp_path, models)))


@pytest.fixture
def small(entry, models, tmp_path):
    """An SD 1.5 that may hold one MiB of LoRA."""
    return load(entry("sd15", lora_cache_mib=1), EngineContext(folders=(tmp_path, models)))


def quietly(_done, _steps, _preview):
    pass


def state(engine):
    """The base weights, to be compared after LoRA jobs."""
    parts = {name: part for name, part in engine._pipe.components.items() if isinstance(part, torch.nn.Module)}
    return {
        f"{name}.{key.replace('.base_layer', '')}": tensor.clone()
        for name, part in parts.items()
        for key, tensor in part.state_dict().items()
        if "lora_" not in key
    }


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_acts_and_leaves_no_trace(engine, family, ask, lora):
    """A LoRA changes the picture by its scale, gives the same picture every time, and the plain picture after it is the old one."""
    lora(engine._pipe, "a.safetensors", DENOISER[family], seed=1)
    lora(engine._pipe, "b.safetensors", DENOISER[family], seed=2)
    weights = state(engine)
    plain = draw_one(engine, ask(), quietly)
    with_a, with_b = (draw_one(engine, ask(lora=f"{name}.safetensors"), quietly) for name in "ab")
    assert not np.array_equal(plain, with_a)
    assert not np.array_equal(with_a, with_b)
    assert not np.array_equal(with_a, draw_one(engine, ask(lora="a.safetensors", lora_scale=0.3), quietly))
    assert np.array_equal(with_a, draw_one(engine, ask(lora="a.safetensors"), quietly))
    assert np.array_equal(with_b, draw_one(engine, ask(lora="b.safetensors"), quietly))
    assert np.array_equal(plain, draw_one(engine, ask(), quietly))
    assert np.array_equal(plain, draw_one(engine, ask(lora="a.safetensors", lora_scale=0.0), quietly))
    assert same(weights, state(engine))


def test_text_encoders(engine, family, ask, lora):
    """LoRA layers of text encoders act and go away like the denoiser's, also where the file has nothing else."""
    components = [name for name in ("text_encoder", "text_encoder_2") if name in engine._pipe._lora_loadable_modules]
    plain = draw_one(engine, ask(), quietly)
    lora(engine._pipe, "words.safetensors", *components)
    lora(engine._pipe, "both.safetensors", *components, DENOISER[family], seed=3)
    lora(engine._pipe, "lines.safetensors", DENOISER[family], seed=3)
    pictures = [
        draw_one(engine, ask(lora=name and f"{name}.safetensors"), quietly)
        for name in ("", "words", "both", "lines", "words", "")
    ]
    assert np.array_equal(plain, pictures[0])
    assert np.array_equal(plain, pictures[5])
    assert np.array_equal(pictures[1], pictures[4])
    for number, one in enumerate(pictures[:4]):
        assert all(not np.array_equal(one, other) for other in pictures[number + 1 : 4])


def test_starter_loras(entry, models, ask):
    """The starter's own LoRA files load and act, each in its own way."""
    engine = load(entry("starter"), EngineContext(folders=(models,)))
    names = ["", *(f"starter/loras/{name}.safetensors" for name in ("aaliyah", "aya", "bella"))]
    pictures = [draw_one(engine, ask(lora=name), quietly) for name in names]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_stopped_job_leaves_no_trace(engine, family, ask, lora):
    """A job stopped with its LoRA active does not reach the next one, with or without LoRA."""
    lora(engine._pipe, "a.safetensors", DENOISER[family])
    plain, with_a = (draw_one(engine, ask(lora=name), quietly) for name in ("", "a.safetensors"))

    def stop(_done, _steps, _preview):
        raise Cancelled

    for again in (plain, with_a):
        with pytest.raises(Cancelled):
            draw_one(engine, ask(lora="a.safetensors", lora_scale=2.0), stop)
        name = "" if again is plain else "a.safetensors"
        assert np.array_equal(again, draw_one(engine, ask(lora=name), quietly))


def test_misfit(engine, family, ask, lora, tmp_path):
    """A LoRA of other sizes, of other layers or of no layers is a ModelError; the pipeline and its other LoRA stay as they were."""
    fitting = lora(engine._pipe, "a.safetensors", DENOISER[family])
    weights = state(engine)
    plain, with_a = (draw_one(engine, ask(lora=name), quietly) for name in ("", "a.safetensors"))
    tensors = load_file(fitting)
    save_file(
        {key: torch.cat([tensor, tensor], dim=-1) if ".lora_A." in key else tensor for key, tensor in tensors.items()},
        tmp_path / "wide.safetensors",
    )
    save_file(
        {key: tensor[..., :-1].contiguous() if ".lora_A." in key else tensor for key, tensor in tensors.items()},
        tmp_path / "narrow.safetensors",
    )
    last = list(tensors)[-1]
    save_file(tensors | {last: torch.cat([tensors[last], tensors[last]], dim=0)}, tmp_path / "late.safetensors")
    save_file({key.replace("to_", "into_"): tensor for key, tensor in tensors.items()}, tmp_path / "alien.safetensors")
    save_file({f"cook.{key}": tensor for key, tensor in tensors.items()}, tmp_path / "other.safetensors")
    save_file({key.replace(".lora_", "."): tensor for key, tensor in tensors.items()}, tmp_path / "base.safetensors")
    save_file({}, tmp_path / "empty.safetensors")
    for name in ("wide", "narrow", "late", "alien", "other", "base", "empty"):
        with pytest.raises(ModelError):
            draw_one(engine, ask(lora=f"{name}.safetensors"), quietly)
        assert np.array_equal(plain, draw_one(engine, ask(), quietly)), name
        assert np.array_equal(with_a, draw_one(engine, ask(lora="a.safetensors"), quietly)), name
    assert same(weights, state(engine))
    assert list(engine._adapters.sizes) == [
        name for names in [engine._pipe.get_list_adapters()] for name in names[DENOISER[family]]
    ]


def test_base_layers_in_a_lora_file_are_refused(engine, family, ask, lora, tmp_path):
    """A file that carries layers of the base model beside its low-rank ones would change it for good, so it is refused."""
    fitting = lora(engine._pipe, "a.safetensors", DENOISER[family])
    norms = {key: torch.zeros(32) for key in ("transformer.norm_out.linear.weight", "unet.conv_norm_out.weight")}
    save_file(load_file(fitting) | norms, tmp_path / "control.safetensors")
    with pytest.raises(ModelError, match="more than low-rank layers"):
        draw_one(engine, ask(lora="control.safetensors"), quietly)


def test_least_recently_used_goes_first(small, ask, lora):
    """LoRA files are held up to the limit in bytes; the longest unused is given up, and comes back when it is asked for."""
    for number, name in enumerate("abc"):
        lora(small._pipe, f"{name}.safetensors", "unet", rank=120, seed=number)
    pictures = {name: draw_one(small, ask(lora=f"{name}.safetensors"), quietly) for name in "aba"}
    held = list(small._adapters.sizes)
    assert 2 * max(small._adapters.sizes.values()) <= 2**20 < 3 * max(small._adapters.sizes.values())
    pictures["c"] = draw_one(small, ask(lora="c.safetensors"), quietly)
    assert list(small._adapters.sizes)[0] == held[1]  # a was used after b
    assert held[0] not in small._adapters.sizes
    assert small._pipe.get_list_adapters()["unet"] == list(small._adapters.sizes)
    for name, picture in pictures.items():
        assert np.array_equal(picture, draw_one(small, ask(lora=f"{name}.safetensors"), quietly))
        assert sum(small._adapters.sizes.values()) <= 2**20


def test_larger_than_the_limit(small, ask, lora):
    """A file over the whole limit still serves its job, alone."""
    lora(small._pipe, "a.safetensors", "unet", seed=1)
    lora(small._pipe, "big.safetensors", "unet", rank=3000)
    plain = draw_one(small, ask(), quietly)
    draw_one(small, ask(lora="a.safetensors"), quietly)
    assert not np.array_equal(plain, draw_one(small, ask(lora="big.safetensors"), quietly))
    assert len(small._adapters.sizes) == 1
    assert np.array_equal(plain, draw_one(small, ask(), quietly))


def test_loaded_once(small, ask, lora, tmp_path):
    """A held file is not read again, a changed one is."""
    file = lora(small._pipe, "a.safetensors", "unet", seed=1)
    first = draw_one(small, ask(lora="a.safetensors"), quietly)
    stat = file.stat()
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[: -size // 2] + bytes(size // 2))  # other content under the same date and size
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert np.array_equal(first, draw_one(small, ask(lora="a.safetensors"), quietly))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert not np.array_equal(first, draw_one(small, ask(lora="a.safetensors"), quietly))


def test_alpha_in_the_header(small, ask, lora):
    """The alpha that training scripts write into a file's header scales its layers: alpha of half the rank is half the scale."""
    lora(small._pipe, "plain.safetensors", "unet", rank=4)
    config = {"unet.lora_alpha": 2, "unet.r": 4}
    lora(small._pipe, "half.safetensors", "unet", rank=4, metadata={"lora_adapter_metadata": json.dumps(config)})
    config |= {"unet.lora_alpha": 4, "unet.alpha_pattern": {"to_q": 2, "to_v": 2}}
    lora(small._pipe, "pattern.safetensors", "unet", rank=4, metadata={"lora_adapter_metadata": json.dumps(config)})
    config = {"unet.lora_alpha": 1, "unet.r": 4, "unet.use_rslora": True}
    lora(small._pipe, "root.safetensors", "unet", rank=4, metadata={"lora_adapter_metadata": json.dumps(config)})
    half = draw_one(small, ask(lora="plain.safetensors", lora_scale=0.5), quietly)
    assert not np.array_equal(half, draw_one(small, ask(lora="plain.safetensors"), quietly))
    for name in ("half", "pattern", "root"):
        assert np.array_equal(half, draw_one(small, ask(lora=f"{name}.safetensors"), quietly)), name


def test_broken_header(small, ask, lora):
    """A header that is no adapter description is a ModelError."""
    for number, text in enumerate(("{", "[1]", '{"unet.lora_alpha": "much"}')):
        lora(small._pipe, f"{number}.safetensors", "unet", metadata={"lora_adapter_metadata": text})
        with pytest.raises(ModelError, match="no LoRA file"):
            draw_one(small, ask(lora=f"{number}.safetensors"), quietly)


def test_kohya_names_and_alpha(small, ask, lora, tmp_path):
    """The other common naming of LoRA files, alpha as tensors, gives the same picture as diffusers' own."""
    tensors = load_file(lora(small._pipe, "plain.safetensors", "unet", rank=4))
    kohya = {}
    for key, tensor in tensors.items():
        module, _, kind = key.removeprefix("unet.").partition(".lora_")
        name = f"lora_unet_{module.replace('.', '_')}"
        kohya[f"{name}.lora_{'down' if kind.startswith('A') else 'up'}.weight"] = tensor
        kohya[f"{name}.alpha"] = torch.tensor(2.0)
    save_file(kohya, tmp_path / "kohya.safetensors")
    half = draw_one(small, ask(lora="plain.safetensors", lora_scale=0.5), quietly)
    assert np.array_equal(half, draw_one(small, ask(lora="kohya.safetensors"), quietly))


def test_state_is_asserted(small, ask, lora):
    """A layer in another state than asked for stops the job before it draws."""
    lora(small._pipe, "a.safetensors", "unet")
    draw_one(small, ask(lora="a.safetensors"), quietly)
    layer = next(small._adapters._layers())
    layer.merge()
    with pytest.raises(Retryable, match="LoRA state"):
        draw_one(small, ask(), quietly)
    layer.unmerge()
    draw_one(small, ask(), quietly)


def test_names_tell_nothing(small, ask, lora):
    """Adapter names come from the file, not from what it is called: dots and quotes in it do no harm."""
    lora(small._pipe, "a.b'c d.safetensors", "unet")
    draw_one(small, ask(lora="a.b'c d.safetensors"), quietly)
    assert [name.removeprefix("lora_").isalnum() for name in small._adapters.sizes] == [True]
