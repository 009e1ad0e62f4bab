"""Numbers so small that processors need a hundred times as long for them."""

import numpy as np
import torch


def flush_denormals() -> None:
    """From now on such numbers count as 0, in this process."""
    for kind in (np.float32, np.float64):  # numpy measures them once; later it would warn
        np.finfo(kind)
    torch.set_flush_denormal(True)
