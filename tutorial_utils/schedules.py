"""Schedules of beta, the weight of the KL, over a training: from its progress (0 start, 1 end) to a number."""

from .arguments import positive_int, positive_number


def linear_warmup(progress: float, *, share: float = 0.5, top: float = 1.0) -> float:
    """beta rises in a line from 0 to `top` during the first `share` of training, then stays.

    Sønderby et al. (2016), section 2.2; notebook 05.  progress: 0 at the start of training, 1 at its end.
    Raises ValueError unless share is above 0 and at most 1.
    """
    if positive_number("share", share) > 1:
        raise ValueError(f"share must be at most 1, got {share!r}")
    return top * min(progress / share, 1.0)


def cyclical(progress: float, *, n_cycles: int = 4, share: float = 0.5, top: float = 1.0) -> float:
    """beta starts `n_cycles` times from 0; in each cycle it is a `linear_warmup` of its own.

    Fu et al. (2019), eq. (6) and (7); notebook 05.  progress: 0 at the start of training, below 1 during all of it.
    """
    within = progress * positive_int("n_cycles", n_cycles) % 1.0
    return linear_warmup(within, share=share, top=top)
