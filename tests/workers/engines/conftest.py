"""Tiny pipelines of some architectures with random weights, written once to disk; and what every test of engines needs."""

import shutil
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import save_file
from servers.command import Done, run_command
from tiny_qwen import qwen_image

from imgen.cli.models.trial import TrialSize
from imgen.domain.catalog import Model, parse_model
from imgen.domain.recipe import Diffusion
from starter.tokenizer import tokenizer
from starter.wording import every_word
from workers.engines.diffusers.library_logging import configure_library_logging

CONFIG = Path(__file__).parents[3] / "config"
FAMILIES = ("sd15", "sdxl", "sd3", "flux", "starter")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Lets no connection out, and tells which were tried."""
    tried: list[object] = []

    def refuse(_socket: socket.socket, address: object) -> None:
        tried.append(address)
        raise ConnectionRefusedError(f"a test asked for {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: refuse(None, address))
    return tried


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one small pipeline folder per architecture, named as in FAMILIES and TINY."""
    folder = tmp_path_factory.mktemp("models")
    configure_library_logging()
    torch.set_num_threads(1)  # for models this small, more threads only wait for one another
    torch.manual_seed(0)
    for name, build in TINY.items():
        build().save_pretrained(folder / name, safe_serialization=True)
    shutil.copytree(CONFIG / "starter", folder / "starter")
    return folder


@pytest.fixture(scope="session")
def entry(models: Path) -> Callable[..., Model]:
    """Makes an entry of models.toml, the SD3 users' line included where it is needed."""

    def make(source: str, **overrides: Any) -> Model:
        left_out = ("text_encoder_3", "tokenizer_3") if source == "starter" else ()
        table = {
            "label": "Tiny",
            "source": source,
            "leave_out": left_out,
            "steps": {"default": 2},
            "guidance": {"default": 3.0},
            "default_style": "plain",
            "styles": {"plain": {"label": "Plain"}},
        }
        return parse_model("tiny", table | overrides)

    return make


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Callable[..., Diffusion]:
    """Makes what an engine is asked for: two steps, and small.

    The starter's pixels are packed 64 to a token and side. Two tokens would be too few to compare pictures bit for bit:
    with matrices of two rows, the CPU's matrix library rounds by where in memory they happen to lie.
    """
    roomy = "family" in request.fixturenames and request.getfixturevalue("family") == "starter"

    def make(positive: str = "a red coat on a beach", **overrides: Any) -> Diffusion:
        values = {
            "positive": positive,
            "negative": "",
            "width": 192 if roomy else 64,
            "height": 256 if roomy else 128,
            "seed": 7,
            "num_inference_steps": 2,
            "guidance_scale": 3.0,
        }
        return Diffusion(**(values | overrides))

    return make


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def imgen(data: Path) -> Callable[..., Done]:
    """Runs `imgen models` over an empty data folder, in this process, with a small picture for a trial."""

    def run(*arguments: str) -> Done:
        return run_command("models", *arguments, "--data", str(data), obj=TrialSize(256, 256))

    return run


@pytest.fixture
def lora(tmp_path: Path) -> Callable[..., Path]:
    """Writes a LoRA file over every attention projection of the named components of a pipeline."""

    def make(
        pipe: Any, name: str, *components: str, rank: int = 2, seed: int = 0, metadata: dict | None = None
    ) -> Path:
        generator = torch.Generator().manual_seed(seed)
        tensors = {}
        for component in components:
            for path, module in getattr(pipe, component).named_modules():
                path = path.replace(".base_layer", "")
                if path.rpartition(".")[2] in {"to_q", "to_v", "q_proj", "v_proj"} and hasattr(module, "in_features"):
                    size = (rank, module.in_features), (module.out_features, rank)
                    tensors[f"{component}.{path}.lora_A.weight"] = torch.randn(size[0], generator=generator)
                    tensors[f"{component}.{path}.lora_B.weight"] = torch.randn(size[1], generator=generator)
        assert tensors, f"no attention in {components}"
        file = tmp_path / name
        save_file(tensors, file, metadata=metadata)
        return file

    return make


def _clip(width: int, kind: type = transformers.CLIPTextModel) -> Any:
    words = tokenizer()
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return kind(config).eval()


def _t5() -> tuple[Any, Any]:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0) for word in sorted(set(every_word().split()))] + [
        (chr(c), -9.0) for c in range(33, 127)
    ]
    tokenizer = transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)
    config = transformers.T5Config(
        vocab_size=len(pieces), d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    return tokenizer, transformers.T5EncoderModel(config).eval()


def _unet(**overrides: Any) -> Any:
    values = {
        "sample_size": 16,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 8,
    }
    return diffusers.UNet2DConditionModel(**(values | overrides))


def _vae(channels: int = 4) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        latent_channels=channels,
        shift_factor=0.0,
        sample_size=64,
    )


def _sd15(kind: Any = diffusers.StableDiffusionPipeline, **unet: Any) -> Any:
    return kind(
        vae=_vae(),
        text_encoder=_clip(32),
        tokenizer=tokenizer(),
        unet=_unet(**unet),
        scheduler=diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1, beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl(kind: Any = diffusers.StableDiffusionXLPipeline, **unet: Any) -> Any:
    return kind(
        vae=_vae(),
        text_encoder=_clip(32),
        text_encoder_2=_clip(32, transformers.CLIPTextModelWithProjection),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=_unet(
            cross_attention_dim=64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=32 + 6 * 8,
            transformer_layers_per_block=(1, 1),
            **unet,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", timestep_spacing="leading"),
    )


def _sd3() -> Any:
    pieces, t5 = _t5()
    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=16,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=32,
            pos_embed_max_size=96,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(16),  # the inpainting pipeline takes no other number
        text_encoder=_clip(16, transformers.CLIPTextModelWithProjection),
        tokenizer=tokenizer(),
        text_encoder_2=_clip(16, transformers.CLIPTextModelWithProjection),
        tokenizer_2=tokenizer(),
        text_encoder_3=t5,
        tokenizer_3=pieces,
    )


def _flux() -> Any:
    pieces, t5 = _t5()
    return diffusers.FluxPipeline(
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(),
        text_encoder=_clip(32),
        tokenizer=tokenizer(),
        text_encoder_2=t5,
        tokenizer_2=pieces,
    )


def _lcm() -> Any:
    pipe = _sd15(diffusers.LatentConsistencyModelPipeline, time_cond_proj_dim=8)
    pipe.scheduler = diffusers.LCMScheduler(beta_schedule="scaled_linear")
    return pipe


TINY: dict[str, Callable[[], Any]] = {
    "sd15": _sd15,
    "sdxl": _sdxl,
    "sd3": _sd3,
    "flux": _flux,
    "sd15-inpainting": partial(_sd15, diffusers.StableDiffusionInpaintPipeline, in_channels=9, out_channels=4),
    "sdxl-inpainting": partial(_sdxl, diffusers.StableDiffusionXLInpaintPipeline, in_channels=9, out_channels=4),
    "lcm": _lcm,
    "qwen": qwen_image,
}
"""Builders of pipelines with random weights, by the name of their folder."""
