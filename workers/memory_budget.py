"""Budget of a worker process: bytes for the weights that it keeps loaded, by device."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

RAM_SHARE = 0.5
"""Share of main memory: the rest is for what renders need, files in the cache of the system, and other processes."""
GPU_SHARE = 0.8
"""Share of a GPU's memory: the rest is for what renders need."""
GPU_LEAST_REST = 4 * 2**30
"""Bytes left to renders on a small GPU: a picture of a megapixel takes about as much in SDXL's VAE."""
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Files with the limit of a container, of cgroup v2 and v1."""


def open_budget(memory_gib: float, *, processes: int = 1) -> Callable[[str], int]:
    """Returns the function from a device to its budget.

    Args:
        memory_gib: the configured budget of a process; 0: by the machine.
        processes: processes that share main memory. Each has a GPU of its own.
    """
    if memory_gib:
        return lambda device: (
            min(int(memory_gib * 2**30), _gpu_budget(device)) if _is_gpu(device) else int(memory_gib * 2**30)
        )
    return lambda device: _gpu_budget(device) if _is_gpu(device) else int(main_memory() * RAM_SHARE / processes)


def open_limit(memory_gib: float) -> Callable[[str], int]:
    """Returns the function from a device to the most that a single model may take of it: all that it has, or `memory_gib`."""
    most = int(memory_gib * 2**30) or sys.maxsize
    return lambda device: min(most, _gpu_total(device) if _is_gpu(device) else main_memory())


def main_memory() -> int:
    """Returns the bytes of main memory that this machine or its container has."""
    present = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in _CGROUP_LIMITS:
        try:
            present.append(int(file.read_text()))
        except (OSError, ValueError):  # another version of cgroup, or `max`
            continue
    return min(present)


def _is_gpu(device: str) -> bool:
    return device.startswith("cuda")


def _gpu_budget(device: str) -> int:
    """Returns a share of what this process can have of a GPU's memory; other processes may hold some of it."""
    import torch  # takes seconds; whoever asks about a GPU has it loaded

    free, total = torch.cuda.mem_get_info(device)
    available = free + torch.cuda.memory_reserved(device)
    return min(available, total) - max(int(total * (1 - GPU_SHARE)), GPU_LEAST_REST)


def _gpu_total(device: str) -> int:
    import torch  # see above

    return int(torch.cuda.mem_get_info(device)[1])
