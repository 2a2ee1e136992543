"""Errors of the device that a model runs on: memory that ran out, and a context that is dead for the rest of its process."""

import sys

from imgen.domain.errors import DeviceLost, ImgenError, ModelError, OutOfMemory

OUT_OF_MEMORY_CODE = 2
"""`cudaErrorMemoryAllocation` and `hipErrorOutOfMemory`; after all other errors of a device its context stays broken."""


def device_error(error: BaseException) -> ImgenError | None:
    """Returns our error of one of the device; None: it is another kind of error.

    Torch is not imported: a process in which one of its errors is raised has it.
    """
    if isinstance(error, MemoryError):
        return OutOfMemory()
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return None
    if isinstance(error, torch.OutOfMemoryError):
        return OutOfMemory()
    if isinstance(error, torch.AcceleratorError):
        is_memory = getattr(error, "error_code", None) == OUT_OF_MEMORY_CODE or "out of memory" in str(error)
        return OutOfMemory() if is_memory else DeviceLost()
    return DeviceLost() if _is_lost(torch) else None


def model_error(error: Exception, text: str) -> ImgenError:
    """Returns our error of one that a model's library raised: the device's, else a ModelError with the text."""
    return device_error(error) or ModelError(text)


def _is_lost(torch: object) -> bool:
    """Asks CUDA itself: libraries such as cuBLAS report a dead context as a RuntimeError like any other."""
    cuda = torch.cuda  # type: ignore[attr-defined]  # not imported, see device_error
    if not cuda.is_initialized():
        return False
    try:
        cuda.synchronize()
    except RuntimeError:
        return True
    return False
