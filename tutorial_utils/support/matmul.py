"""Matrix products on the CPU: float32 as before, on some processors in half the time."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch

# torch multiplies float32 matrices with MKL.  On one AMD processor with AVX-512, oneDNN, a part of
# torch as well, took half as long; on another as long as MKL.  The only switch to it is the
# permission to round to bfloat16, of which it made no use there.
ONEDNN = "bf16"


@contextmanager
def fast_matmul() -> Iterator[None]:
    """Let oneDNN multiply matrices inside, or in a function with this decorator, in float32 only.

    A processor on which oneDNN does round, and a torch without
    the switch, are left as they are.
    """
    switch = getattr(torch.backends.mkldnn, "matmul", None)
    if switch is None or _error_of_onednn() > 1e-3:  # float32: about 1e-5, bfloat16: about 0.1
        yield
        return
    before, switch.fp32_precision = switch.fp32_precision, ONEDNN
    try:
        yield
    finally:
        switch.fp32_precision = before


@lru_cache(maxsize=1)
def _error_of_onednn() -> float:
    """How far oneDNN's product of two random matrices is from the exact one, at most."""
    switch = torch.backends.mkldnn.matmul
    a, b = torch.randn(2, 128, 128, generator=torch.Generator().manual_seed(0))
    before, switch.fp32_precision = switch.fp32_precision, ONEDNN
    try:
        product = a @ b
    finally:
        switch.fp32_precision = before
    return (product.double() - a.double() @ b.double()).abs().max().item()
