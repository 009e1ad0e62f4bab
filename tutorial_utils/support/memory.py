"""Memory: what a notebook has freed goes back to the system."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # the names and numbers of glibc's malloc.h


def return_freed_blocks(at_least: int = 2 * 2**20) -> None:
    """Let glibc return each block of `at_least` bytes to the system as soon as it is freed.

    Its own limit grows to 32 MB with the blocks it sees.  What is smaller stays with the process:
    notebook 04, whose arrays have 5 to 30 MB, held 150 MB that it no longer used.  Training
    allocates smaller blocks, and is as fast as before.  Does nothing with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, at_least)
        mallopt(M_TRIM_THRESHOLD, 8 * at_least)
