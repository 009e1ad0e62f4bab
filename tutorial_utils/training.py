"""Training: `fit` is the loop of notebook 01 with the loss as its argument; schedules of the learning rate and of β."""

import math
import sys
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
from .support.matmul import fast_matmul

LossFn = Callable[
    ..., dict[str, Tensor]
]  # loss_fn(model, x) or loss_fn(model, x, y) -> {"loss": [B] or [], ...}


class History(NamedTuple):
    """What `fit` saw, per epoch: each loss term's mean, on x and on x_val; seconds so far; largest gradient norm."""

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
    """Inside, torch's random numbers start from `seed`; outside, the global random state is as if nothing was."""
    _whole("seed", seed)
    restore = [(torch.set_rng_state, torch.get_rng_state())]
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
    """A schedule: the learning rate stays what it is.

    progress: 0 at the start of training, 1 at its end.
    """
    return 1.0


def warmup_then_linear(progress: float) -> float:
    """A schedule: the learning rate rises from 0 over the first tenth of training, then falls to 0 in a line.

    Shown in notebook 01.  progress: 0 at the start of training, 1 at its end.  Returns the share of
    `lr`.
    """
    return progress / 0.1 if progress < 0.1 else (1 - progress) / 0.9


@fast_matmul()
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
    """Minimize the mean of `loss_fn(model, x)["loss"]` with Adam; x stays in memory, on the model's device.

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
    _whole("seed", seed)
    for name, function in (("schedule", schedule), ("beta", constant if beta is None else beta)):
        if not callable(function):
            raise TypeError(
                f"{name} must be a function of the progress, from 0 to 1, got {function!r}"
            )
    device = next(model.parameters()).device
    tensors = as_tensors("x", x, device)
    val = None if x_val is None else as_tensors("x_val", x_val, device)
    n = len(tensors[0])
    n_steps = epochs * math.ceil(n / batch_size)
    torch.set_flush_denormal(
        True
    )  # late in training, gradients become tiny: without this each costs a hundredfold
    parameters = list(model.parameters())
    adam = torch.optim.Adam(parameters, lr=lr, betas=(0.9, 0.99), fused=device.type != "mps")
    history, started, step = History({}, {}, [], grad_peak=[]), time.perf_counter(), 0
    progress = progress_bar(n_steps, show_progress)
    try:
        with _modes_kept(model), local_seed(seed):
            generator = torch.Generator().manual_seed(seed)
            for epoch in range(1, epochs + 1):
                model.train()
                sums, seen, peak = 0.0, 0, torch.zeros((), device=device)
                for rows in batches(torch.arange(n), batch_size=batch_size, generator=generator):
                    part = (step + 1) / (n_steps + 1)
                    adam.param_groups[0]["lr"] = lr * schedule(part)
                    weight = {} if beta is None else {"beta": beta(part)}
                    batch = [
                        tensor.index_select(0, rows.to(device)) for tensor in tensors
                    ]  # 3 times as fast as [rows]
                    terms = _terms(loss_fn, model, batch, **weight)
                    loss = terms["loss"].mean()
                    step += 1
                    _stop_unless_finite(loss, "loss", step, epoch, lr)
                    adam.zero_grad()
                    loss.backward()
                    peak = torch.maximum(peak, _gradient_norm(parameters))
                    adam.step()
                    sums = sums + torch.stack(
                        [term.detach().mean() for term in terms.values()]
                    ) * len(rows)
                    seen += len(rows)
                    _report(progress, epoch, epochs, zip(terms, sums, strict=True), seen)
                for (
                    parameter
                ) in model.parameters():  # a finite loss can have a gradient that is not
                    _stop_unless_finite(
                        parameter.detach().sum(), "sum of a layer's weights", step, epoch, lr
                    )
                val_row = {} if val is None else evaluate(model, val, loss_fn)
                _append(history.train, dict(zip(terms, (sums / n).tolist(), strict=True)))
                _append(history.val, val_row)
                history.grad_peak.append(peak.item())
                history.seconds.append(time.perf_counter() - started)
    except KeyboardInterrupt:
        history = history._replace(interrupted=True)
    finally:
        progress.close()
    if history.interrupted:
        print(
            f"Stopped by hand in epoch {len(history.seconds) + 1} of {epochs}; the model keeps what it learned."
        )
    return history


@torch.no_grad()
@fast_matmul()
def evaluate(
    model: nn.Module,
    x: Tensor | Sequence[Tensor],
    loss_fn: LossFn,
    *,
    batch_size: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """The mean over all of x of each term of `loss_fn(model, x)`: eval mode, no gradients, each example counts once.

    x: as for `fit`.  A loss that samples (a VAE's) samples from `seed`; the model's mode and the
    global random state stay as they were.
    """
    positive_int("batch_size", batch_size)
    tensors = as_tensors("x", x, next(model.parameters()).device)
    sums: dict[str, float] = {}
    with _modes_kept(model), local_seed(seed):
        model.eval()
        for batch in zip(*(tensor.split(batch_size) for tensor in tensors), strict=True):
            for name, term in _terms(loss_fn, model, batch).items():
                sums[name] = sums.get(name, 0.0) + term.mean().item() * len(batch[0])
    return {name: total / len(tensors[0]) for name, total in sums.items()}


def as_tensors(name: str, x: Tensor | Sequence[Tensor], device: torch.device) -> list[Tensor]:
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
    if not isinstance(terms, dict) or "loss" not in terms:
        given = (
            f"a dict with the keys {list(terms)}"
            if isinstance(terms, dict)
            else type(terms).__name__
        )
        raise TypeError(
            f'loss_fn must return a dict of tensors with a "loss" among them, got {given}'
        )
    return terms


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    """Afterwards every part of the model is in train or eval mode again, as it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The length of the gradient, all parameters together."""
    lengths = [
        vector_norm(parameter.grad) for parameter in parameters if parameter.grad is not None
    ]
    return vector_norm(torch.stack(lengths))


def _stop_unless_finite(value: Tensor, what: str, step: int, epoch: int, lr: float) -> None:
    if not math.isfinite(value.item()):
        raise FloatingPointError(
            f"the {what} became {value.item()} at step {step} (epoch {epoch}). Try a smaller lr (it is {lr:g}); check "
            f"that x is finite and in [0, 1], and that nothing takes the log or the exp of something extreme."
        )


def _whole(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be a whole number, got {value!r}")


def _append(columns: dict[str, list[float]], row: dict[str, float]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


def progress_bar(n_steps: int, show_progress: bool) -> tqdm:
    """A bar on standard output that ends as one clean line of text."""
    return tqdm(
        total=n_steps,
        file=sys.stdout,
        disable=not show_progress,
        mininterval=0.2,
        bar_format="{desc} |{bar:16}| {elapsed}{postfix}",
    )


def _report(progress: tqdm, epoch: int, epochs: int, sums, seen: int) -> None:
    """Advance the bar by a step; its text (the mean so far of each term) changes only when it is redrawn."""
    if progress.disable:
        return
    last = progress.n + 1 == progress.total
    if last or time.time() - progress.last_print_t >= progress.mininterval:
        progress.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)
        progress.set_postfix_str(
            " · ".join(f"{name} {total / seen:.4g}" for name, total in sums), refresh=False
        )
    progress.update()


def linear_warmup(progress: float, *, share: float = 0.5, top: float = 1.0) -> float:
    """beta rises in a line from 0 to `top` during the first `share` of training, then stays.

    Sønderby et al. (2016), section 2.2; notebook 05.  progress: 0 at the start of training, 1 at
    its end. Raises ValueError unless share is above 0 and at most 1.
    """
    if positive_number("share", share) > 1:
        raise ValueError(f"share must be at most 1, got {share!r}")
    return top * min(progress / share, 1.0)


def cyclical(progress: float, *, n_cycles: int = 4, share: float = 0.5, top: float = 1.0) -> float:
    """beta starts `n_cycles` times from 0; in each cycle it is a `linear_warmup` of its own.

    Fu et al. (2019), eq. (6) and (7); notebook 05.  progress: 0 at the start of training, below 1
    during all of it.
    """
    within = progress * positive_int("n_cycles", n_cycles) % 1.0
    return linear_warmup(within, share=share, top=top)
