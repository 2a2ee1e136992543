"""Device of the training: a GPU if there is one. Random numbers are drawn on the CPU, so that seeds mean the same on both."""

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_precision() -> torch.autocast:
    """Returns a context in which operations that tolerate it run in bfloat16."""
    return torch.autocast(DEVICE.type, torch.bfloat16)
