"""Time that a device works during a call, by the profiler of torch. Measures nothing beside it."""

from collections.abc import Callable

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


def busy_s(call: Callable[[], object], device: torch.device) -> float:
    """Returns the seconds in which the device does anything during a call, spans that overlap counted once.

    The profiler slows the launches of kernels and not the kernels, whose times the device notes itself: compare the result with
    the time of a call without profiler. On a CPU the spans are those of torch's operators.
    """
    is_cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if is_cuda else ProfilerActivity.CPU]) as profiler:
        call()
        if is_cuda:
            torch.cuda.synchronize(device)
    kind = DeviceType.CUDA if is_cuda else DeviceType.CPU
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == kind and not event.is_user_annotation
    )
    busy, reached = 0.0, float("-inf")
    for start, end in spans:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return busy / 1e6
