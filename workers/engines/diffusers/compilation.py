"""Regional compilation: the blocks that a denoiser repeats become kernels for their device; one of them is compiled for all.

The first picture of each kind of call waits for it: the text encoders, the VAE and the rest of the denoiser stay as they are.
"""

from typing import Any

from torch._dynamo import config
from torch._dynamo.exc import TorchDynamoException

from imgen.domain.errors import ModelError

UNNAMED_BLOCKS = {"SD3Transformer2DModel": ["JointTransformerBlock"]}
"""Repeated blocks, by their classes' names, of denoisers for which diffusers names none (`_repeated_blocks`)."""

MOST_GRAPHS = 64
"""Graphs of a block, beyond which torch goes on uncompiled without a word; its own limit is 8. SDXL's block has two widths,
pictures have seven sizes and batches, and layers are without LoRA, with one that is off, or with one that acts."""


def compile_blocks(key: str, pipe: Any, *, backend: str = "inductor") -> None:
    """Lets each block of a pipeline's denoiser be compiled when it is first called.

    Args:
        key: the model's.
        pipe: the pipeline, settled on its device.
        backend: torch's compiler.

    Raises:
        ModelError: it has no blocks that are known to repeat.
    """
    denoiser = _denoiser(pipe)
    kind = type(denoiser).__name__
    if not getattr(denoiser, "_repeated_blocks", None) and kind in UNNAMED_BLOCKS:
        denoiser._repeated_blocks = UNNAMED_BLOCKS[kind]  # noqa: SLF001  # as diffusers documents it
    config.recompile_limit = max(config.recompile_limit, MOST_GRAPHS)
    try:
        denoiser.compile_repeated_blocks(backend=backend)
    except (AttributeError, ValueError) as exc:
        message = f"models.toml: {key}: compile: {kind} of {type(pipe).__name__} has no blocks that are known to repeat"
        raise ModelError(message) from exc


def uncompile(pipe: Any) -> None:
    """Lets a pipeline's denoiser run uncompiled again."""
    for module in _denoiser(pipe).modules():
        module._compiled_call_impl = None  # noqa: SLF001  # torch has no name for it


def compiler_failure(error: BaseException) -> str:
    """Returns one line on a failure of torch's compiler, such as a missing one; empty: the error is another one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TorchDynamoException):
            return next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        cause = cause.__cause__
    return ""


def _denoiser(pipe: Any) -> Any:
    return getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
