"""Calls of a VAE's loss (notebook 03): which arguments it takes, and which value is the loss."""

import inspect
import re
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..models import VAE

PLAIN = ("recon", "x", "mu", "logvar")
MODEL = ("model", "x")
# What a parameter is, by its name: the first that fits, and what a wrapper passes for it.
ROLES = {
    "recon": (r"recon|hat|pred|logit|decod|^r$", "recon"),
    "setting": (r"beta|weight|gamma|alpha|epoch|step|iter|anneal|warm", "1.0"),
    "pair": (r"latent_dist|param|stats", "(mu, logvar)"),
    "q": (r"^q|dist|posterior", "torch.distributions.Normal(mu, (logvar / 2).exp())"),
    "logvar": (r"log|var|sigma|std|scale|^(lv|v|s)$", "logvar"),
    "mu": (r"mu|mean|loc|^m$", "mu"),
    "model": (r"model|vae|^net", "model"),
    "all": (r"out|result", "(recon, mu, logvar)"),
    "z": (r"^z|latent|code|sample", "mu"),
    "x": (r"^x|data|target|input|im(a)?g|batch|orig|real|true", "x"),
}


class LossCall(NamedTuple):
    """A loss, and how it is called; call it with (recon, x, mu, logvar).

    order: names of its arguments, those of `PLAIN` or of `MODEL`.  named: whether they are the
    loss's own names and not a guess.  dtype, rows: precision, and which arguments are [B, n].
    """

    loss_fn: Callable
    order: tuple[str, ...]
    named: bool
    dtype: torch.dtype = torch.float64
    rows: tuple[str, ...] = ()

    def __call__(self, *arguments: Tensor, seed: int = 0) -> Tensor:
        """The loss of one (recon, x, mu, logvar): one value, or one per example, in float64."""
        out = self.outputs(arguments, seed)
        loss = out.get(_name_of_loss(out))
        if loss is None or loss.numel() not in (1, len(arguments[1])):
            got = {key: [*value.shape] for key, value in out.items()} or "no number"
            raise ValueError(f'loss_fn must return a number or [B] (in a dict: "loss"), got {got}')
        return loss

    def outputs(self, arguments: tuple[Tensor, ...], seed: int = 0) -> dict[str | int, Tensor]:
        """All numbers that loss_fn returns, by name or place."""
        given = dict(zip(PLAIN, arguments, strict=True))
        given = {name: tensor.to(self.dtype, copy=True) for name, tensor in given.items()}
        given |= {name: given[name].flatten(1) for name in self.rows}
        model = VAE(nn.Identity(), nn.Identity(), latent_dim=given["mu"].shape[1])
        model.encode = lambda _: (given["mu"], given["logvar"])
        model.decode = lambda _: given["recon"]
        shapes = ", ".join(f"{name} {[*tensor.shape]}" for name, tensor in given.items())
        torch.default_generator.manual_seed(seed)  # torch.manual_seed writes a traceback, slowly
        try:
            with torch.no_grad():
                out = self.loss_fn(*[{**given, "model": model}[name] for name in self.order])
        except Exception as error:
            text = f"loss_fn raised {type(error).__name__}: {error}"
            raise ValueError(f"{text}; it was given {shapes}, {self.dtype}") from error
        return _numbers(out)


def accepted_call(loss_fn: Callable, probes: list[list[tuple]]) -> tuple[LossCall, int]:
    """How loss_fn is called, and the place of the first of the probes that it takes.

    A probe is two sets of arguments (recon, x, mu, logvar) that differ in all but x.  Raises
    ValueError, with a wrapper to write, for a loss that takes something else, fails, or returns
    parts without their total.
    """
    order, named = _order(loss_fn)
    layouts = (), ("recon",), ("recon", "x")  # many decoders return rows
    forms = product((torch.float64, torch.float32), layouts)
    calls = [LossCall(loss_fn, order, named, *form) for form in forms]
    errors = []
    for place, probe in enumerate(probes):
        for call in calls:
            try:
                outputs = call.outputs(probe[0])
            except ValueError as error:
                errors.append(error)
                continue
            _refuse_parts(call, probe, outputs)
            call(*probe[0])
            return call, place
    error = errors[len(layouts)]  # that of images in float32: what most people pass
    raise ValueError(f"{error}{_rescue(calls, probes[0][0])}") from error.__cause__


# ---- what is taken ----


def _order(loss_fn: Callable) -> tuple[tuple[str, ...], bool]:
    """The order of the arguments, and whether the names of the parameters say so."""
    if not callable(loss_fn):
        raise ValueError(f"loss_fn must be a function, got {loss_fn!r}")
    signature = inspect.signature(loss_fn.forward if isinstance(loss_fn, nn.Module) else loss_fn)
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [p for p in signature.parameters.values() if p.kind not in several]
    needed = [p for p in parameters if p.default is p.empty]
    roles = _roles([p.name for p in needed])
    if not any(p.kind is p.KEYWORD_ONLY for p in needed):
        if len(needed) == 2 and not {"recon", "mu", "all", "q", "pair"} & set(roles):
            return (("x", "model") if roles[1] == "model" else MODEL), True
        if len(needed) == 4 and not {"z", "q", "all", "pair", "setting"} & set(roles):
            clear = sorted(roles) == sorted(PLAIN)
            return (tuple(roles) if clear else PLAIN), clear
    raise ValueError(
        "loss_fn must need (recon, x, mu, logvar) or (model, x), nothing else, got "
        f"{signature}. Give audit_loss a wrapper, with your own values for None and 1.0:\n"
        f"  {_wrapper(needed, roles)}"
    )


def _roles(names: list[str]) -> list[str]:
    """What parameters of these names are, keys of `ROLES`; "" if nobody knows."""
    roles = [
        next((role for role, (words, _) in ROLES.items() if re.search(words, name.lower())), "")
        for name in names
    ]
    # "output" beside mu is the reconstruction, and alone it is all that the model returns.
    return ["recon" if role == "all" and "mu" in roles else role for role in roles]


def _wrapper(needed: list[inspect.Parameter], roles: list[str]) -> str:
    """One line of Python that calls a loss of these parameters."""
    passed, by_name = [], False
    for parameter, role in zip(needed, roles, strict=True):
        by_name |= role in ("setting", "") or parameter.kind is parameter.KEYWORD_ONLY
        value = ROLES[role][1] if role else "None"
        passed.append(f"{parameter.name}={value}" if by_name else value)
    takes = ", ".join(MODEL if "model" in roles else PLAIN)
    return f"lambda {takes}: loss_fn({', '.join(passed) or takes})"


def _rescue(calls: list[LossCall], arguments: tuple[Tensor, ...]) -> str:
    """What to write for a loss that raised: a wrapper that works, or a setting that it misses."""
    recon, x, *codes = arguments
    takes, side = ", ".join(calls[0].order), 1 if codes[0].shape[1] % 4 else 2
    for call in calls:
        try:
            call(recon, x, *(code.unflatten(1, (-1, side, side)) for code in codes))
        except ValueError as error:
            if isinstance(error.__cause__, KeyError):
                line = f"lambda {takes}: loss_fn({takes}, {error.__cause__.args[0]}=1.0)"
                return f".\nIt misses a setting, give it one:\n  {line}"
            continue
        maps = [f"{name}.unflatten(1, (-1, {side}, {side}))" for name in PLAIN[2:]]
        line = f"lambda recon, x, mu, logvar: loss_fn(recon, x, {', '.join(maps)})"
        return f".\nFor codes that are maps, wrap it:\n  {line}"
    return ""


# ---- what is returned ----


def _numbers(out: object) -> dict[str | int, Tensor]:
    """The float tensors and numbers in what a loss returns, flat, by name or place."""
    if "loss" in getattr(out, "_fields", ()):
        out = out._asdict()
    if isinstance(out, (tuple, list)):
        out = dict(enumerate(out))
    numbers = {}
    for name, value in (out if isinstance(out, dict) else {0: out}).items():
        if isinstance(value, (int, float)):
            numbers[name] = torch.tensor([value], dtype=torch.float64)
        elif isinstance(value, Tensor) and value.is_floating_point():
            numbers[name] = value.detach().double().flatten()
    return numbers


def _name_of_loss(out: dict[str | int, Tensor]) -> str | int:
    """The name of the loss among the returned numbers: "loss", or the first of a tuple."""
    return "loss" if "loss" in out or 0 not in out else 0


def _refuse_parts(call: LossCall, probe: list[tuple], out: dict[str | int, Tensor]) -> None:
    """Raises ValueError if other numbers hold a part that the loss lacks.

    What is named "loss" is believed: its KL may have the weight 0.
    """
    if len(out) < 2 or "loss" in out:
        return
    first, second = probe
    depends = {name: [] for name in out}
    for place in (0, 2, 3):
        changed = call.outputs((*first[:place], second[place], *first[place + 1 :]))
        for name in out:
            depends[name] += [] if out[name].equal(changed[name]) else [PLAIN[place]]
    loss = depends.get(_name_of_loss(out), [])
    if all(part in loss for parts in depends.values() for part in parts):
        return
    says = "; ".join(f"{k!r} on {' and '.join(parts) or 'none'}" for k, parts in depends.items())
    names = {tuple(parts): name for name, parts in reversed(depends.items()) if parts}
    whole, takes = names.get(("recon", "mu", "logvar")), ", ".join(call.order)
    parts = " + ".join(f"out[{name!r}]" for name in sorted(names.values(), key=str))
    total = f"loss_fn({takes})[{whole!r}]"
    if whole is None:
        total = f"(lambda out: {parts})(loss_fn({takes}))"
    raise ValueError(
        f'loss_fn must return its total (first, or as "loss"), got parts, which depend: {says}. '
        f"Wrap it, with the weights of your training:\n  lambda {takes}: {total}"
    )
