"""Training: `fit`, the loop of notebook 01 with the loss as its argument; and schedules.

A schedule is a function of the progress, which is 0 at the start of training and 1 at its end.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from tqdm import tqdm

from .data import batches
from .support.arguments import float_tensor, positive_int, positive_number
from .support.denormals import flush_denormals
from .support.progress import advance, progress_bar

# loss_fn(model, x) or loss_fn(model, x, y) -> {"loss": [B] or [], ...}
LossFn = Callable[..., dict[str, Tensor]]


class History(NamedTuple):
    """What `fit` measured in each epoch: the mean of each loss term on x and on x_val, the seconds
    so far, the largest norm of the gradient.
    """

    train: dict[str, list[float]]
    val: dict[str, list[float]]
    seconds: list[float]
    interrupted: bool = False
    grad_peak: Sequence[float] = ()


def best_device() -> torch.device:
    """CUDA if there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def local_seed(seed: int) -> Iterator[None]:
    """Inside, torch's random numbers start from `seed`; afterwards they go on as before."""
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"seed must be a whole number, got {seed!r}")
    restore: list[tuple[Callable, object]] = [(torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_available():
        restore.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    if torch.backends.mps.is_available():
        restore.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))
    try:
        torch.manual_seed(seed)
        yield
    finally:
        for set_state, state in restore:
            set_state(state)


def constant(progress: float) -> float:
    """A schedule: the learning rate stays what it is."""
    return 1.0


def warmup_then_linear(progress: float) -> float:
    """A schedule: the learning rate rises for a tenth of training, then falls to 0 in a line.

    Shown in notebook 01.  Returns the share of `lr`.
    """
    return progress / 0.1 if progress < 0.1 else (1 - progress) / 0.9


def fit(
    model: nn.Module,
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    seed: int,
    schedule: Callable[[float], float] = constant,
    beta: Callable[[float], float] | None = None,
    x_val: Tensor | Sequence[Tensor] | None = None,
    show_progress: bool = True,
) -> History:
    """Minimize the mean of `loss_fn(model, x)["loss"]` with Adam; x is in memory, on one device.

    The loop of notebook 01, with fused Adam (beta_2 = 0.99) and a learning rate of lr *
    schedule(progress). x: [N, ...], or several such tensors, which loss_fn then gets one after
    another.  The same seed gives the same weights on the same machine; the global random state
    stays as it was.  Ctrl-C stops training and keeps what was learned.  beta: a schedule of the
    KL's weight (notebook 05); given, a batch's loss is loss_fn(model, x, beta=beta(progress)),
    while x_val keeps the beta that loss_fn has by itself. Raises TypeError or ValueError for a bad
    argument, FloatingPointError when the loss is NaN or infinite.
    """
    positive_int("epochs", epochs)
    positive_int("batch_size", batch_size)
    positive_number("lr", lr)
    for name, function in (("schedule", schedule), ("beta", constant if beta is None else beta)):
        if not callable(function):
            raise TypeError(
                f"{name} must be a function of the progress, from 0 to 1, got {function!r}"
            )
    device = next(model.parameters()).device
    tensors = as_tensors("x", x, device)
    val = None if x_val is None else as_tensors("x_val", x_val, device)
    rows = torch.arange(len(tensors[0]))
    n_batches = math.ceil(len(rows) / batch_size)
    flush_denormals()  # late in training gradients become tiny
    peaks, started = [], time.perf_counter()
    history = History({}, {}, [], grad_peak=peaks)
    steps = _Steps(model, loss_fn, lr, schedule, beta, n_steps=epochs * n_batches)
    try:
        with (
            _same_modes_after(model),
            local_seed(seed),
            progress_bar(steps.n_steps, show_progress) as bar,
        ):
            generator = torch.Generator().manual_seed(seed)
            for epoch in range(1, epochs + 1):
                order = batches(rows, batch_size=batch_size, generator=generator)
                means, peak = _train_epoch(steps, tensors, order, bar, f"epoch {epoch}/{epochs}")
                val_means = {} if val is None else evaluate(model, val, loss_fn)
                _append(history.train, means)
                _append(history.val, val_means)
                peaks.append(peak)
                history.seconds.append(time.perf_counter() - started)
    except KeyboardInterrupt:
        stopped = f"Stopped by hand in epoch {len(history.seconds) + 1} of {epochs}"
        print(f"{stopped}; the model keeps what it learned.")
        history = history._replace(interrupted=True)
    return history


def _train_epoch(
    steps: "_Steps", tensors: list[Tensor], order: Iterator[Tensor], bar: tqdm, title: str
) -> tuple[dict[str, float], float]:
    """A step for each batch of rows in `order`.

    Returns the mean over x of each loss term, and the largest norm of the gradient.
    """
    steps.model.train()
    sums, peak, n, terms = torch.zeros(()), torch.zeros(()), 0, {}
    for rows in order:
        # `index_select` is three times as fast as `tensor[rows]`.
        batch = [tensor.index_select(0, rows.to(tensor.device)) for tensor in tensors]
        terms, norm = steps.take(batch, title)
        peak = torch.maximum(peak.to(norm), norm)
        sums = sums.to(norm) + torch.stack([term.mean() for term in terms.values()]) * len(rows)
        n += len(rows)
        advance(bar, title, list(terms), sums / n)
    for parameter in steps.parameters:  # a finite loss can have a gradient that is not
        steps.stop_unless_finite(parameter.detach().sum(), "sum of a layer's weights", title)
    return dict(zip(terms, (sums / n).tolist(), strict=True)), peak.item()


class _Steps:
    """The steps of a training: Adam, its learning rate and beta, and how many steps were taken."""

    def __init__(self, model: nn.Module, loss_fn: LossFn, lr: float, schedule, beta, n_steps: int):
        self.model, self.loss_fn, self.lr = model, loss_fn, lr
        self.schedule, self.beta = schedule, beta
        self.n_steps, self.taken = n_steps, 0
        self.parameters = list(model.parameters())
        fused = self.parameters[0].device.type != "mps"
        self.adam = torch.optim.Adam(self.parameters, lr=lr, betas=(0.9, 0.99), fused=fused)

    def take(self, batch: list[Tensor], title: str) -> tuple[dict[str, Tensor], Tensor]:
        """One step of Adam.  Returns the loss terms of the batch, and the norm of the gradient."""
        self.taken += 1
        progress = self.taken / (self.n_steps + 1)
        self.adam.param_groups[0]["lr"] = self.lr * self.schedule(progress)
        weight = {} if self.beta is None else {"beta": self.beta(progress)}
        terms = _terms(self.loss_fn, self.model, batch, **weight)
        loss = terms["loss"].mean()
        self.stop_unless_finite(loss, "loss", title)
        self.adam.zero_grad()
        loss.backward()
        gradients = [part.grad for part in self.parameters if part.grad is not None]
        norm = vector_norm(torch.stack([vector_norm(gradient) for gradient in gradients]))
        self.adam.step()
        return {name: term.detach() for name, term in terms.items()}, norm

    def stop_unless_finite(self, value: Tensor, what: str, title: str) -> None:
        if not math.isfinite(value.item()):
            raise FloatingPointError(
                f"the {what} became {value.item()} at step {self.taken} ({title}). Try a smaller "
                f"lr (it is {self.lr:g}); check that x is finite and in [0, 1], and that nothing "
                f"takes the log or the exp of something extreme."
            )


@torch.no_grad()
def evaluate(
    model: nn.Module,
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    batch_size: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """The mean over all of x of each term of `loss_fn(model, x)`, in eval mode, without gradients.

    x: as for `fit`.  A loss that samples (a VAE's) samples from `seed`; the model's mode and the
    global random state stay as they were.
    """
    positive_int("batch_size", batch_size)
    tensors = as_tensors("x", x, next(model.parameters()).device)
    sums: dict[str, float] = {}
    with _same_modes_after(model), local_seed(seed):
        model.eval()
        for batch in zip(*(tensor.split(batch_size) for tensor in tensors), strict=True):
            for name, term in _terms(loss_fn, model, batch).items():
                sums[name] = sums.get(name, 0.0) + term.mean().item() * len(batch[0])
    return {name: total / len(tensors[0]) for name, total in sums.items()}


def as_tensors(name: str, x: Tensor | Sequence[Tensor], device: torch.device | str) -> list[Tensor]:
    """x, one tensor or several of one length, as a list on the device; errors say `name`."""
    tensors = [x] if isinstance(x, Tensor) else list(x)
    float_tensor(name, tensors[0] if tensors else None)
    if len({len(tensor) for tensor in tensors}) != 1:
        raise ValueError(
            f"{name} must hold tensors of one length, got {[len(tensor) for tensor in tensors]}"
        )
    return [tensor.to(device) for tensor in tensors]


def _terms(
    loss_fn: LossFn, model: nn.Module, batch: Sequence[Tensor], **weight: float
) -> dict[str, Tensor]:
    terms = loss_fn(model, *batch, **weight)
    if isinstance(terms, dict) and "loss" in terms:
        return terms
    given = f"the keys {list(terms)}" if isinstance(terms, dict) else type(terms).__name__
    raise TypeError(f'loss_fn must return a dict of tensors with a "loss" among them, got {given}')


@contextmanager
def _same_modes_after(model: nn.Module) -> Iterator[None]:
    """Afterwards every part of the model is in train or eval mode again, as it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _append(columns: dict[str, list[float]], row: dict[str, float]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


def linear_warmup(progress: float, *, share: float = 0.5, top: float = 1.0) -> float:
    """beta rises in a line from 0 to `top` during the first `share` of training, then stays.

    Sønderby et al. (2016), section 2.2; notebook 05.  Raises ValueError unless share is above 0 and
    at most 1.
    """
    if positive_number("share", share) > 1:
        raise ValueError(f"share must be at most 1, got {share!r}")
    return top * min(progress / share, 1.0)


def cyclical(progress: float, *, n_cycles: int = 4, share: float = 0.5, top: float = 1.0) -> float:
    """beta starts `n_cycles` times from 0; in each cycle it is a `linear_warmup` of its own.

    Fu et al. (2019), eq. (6) and (7); notebook 05.  At a progress of 1 it would start once more.
    """
    within = progress * positive_int("n_cycles", n_cycles) % 1.0
    return linear_warmup(within, share=share, top=top)
