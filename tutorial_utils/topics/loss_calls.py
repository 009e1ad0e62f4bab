"""Calls of a VAE's loss (notebook 03): which arguments it takes, and which value is the loss."""

import inspect
import re
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..models import VAE

Arguments = tuple[Tensor, Tensor, Tensor, Tensor]  # recon, x, mu, and log variance or the like

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
        name = _name_of_loss(out)
        loss, batch = out.get(name), len(arguments[1])
        if loss is None or loss.numel() not in (1, batch):
            wanted = 'loss_fn must return a number or [B] (in a dict: "loss")'
            got = {key: [*value.shape] for key, value in out.items()} or "no number"
            raise ValueError(f"{wanted}, got {got}; it was given {self._given(arguments)}")
        return loss

    def outputs(self, arguments: Arguments, seed: int = 0) -> dict[str | int, Tensor]:
        """All numbers that loss_fn returns, by name or place."""
        given = dict(zip(PLAIN, arguments, strict=True))
        given = {name: tensor.to(self.dtype, copy=True) for name, tensor in given.items()}
        given |= {name: given[name].flatten(1) for name in self.rows}
        model = VAE(nn.Identity(), nn.Identity(), latent_dim=given["mu"].shape[1])
        model.encode = lambda _: (given["mu"], given["logvar"])
        model.decode = lambda _: given["recon"]
        torch.default_generator.manual_seed(seed)  # torch.manual_seed writes a traceback, slowly
        try:
            with torch.no_grad():
                out = self.loss_fn(*[{**given, "model": model}[name] for name in self.order])
        except Exception as error:
            text = f"loss_fn raised {type(error).__name__}: {error}"
            raise ValueError(f"{text}; it was given {self._given(arguments)}") from error
        return _numbers(out)

    def _given(self, arguments: Arguments) -> str:
        shapes = {
            name: [*(tensor.flatten(1) if name in self.rows else tensor).shape]
            for name, tensor in zip(PLAIN, arguments, strict=True)
        }
        text = f"recon {shapes['recon']}, x {shapes['x']}, mu and logvar {shapes['mu']}"
        return f"{'a VAE with ' * ('model' in self.order)}{text}, {self.dtype}"


def accepted_call(loss_fn: Callable, probes: list[list[Arguments]]) -> tuple[LossCall, int]:
    """How loss_fn is called, and the place of the first of the probes that it takes.

    A probe is two sets of arguments that differ throughout.  Raises ValueError, with a wrapper to
    write, for a loss that takes something else, fails, or returns parts without their total.
    """
    order, named = _order(loss_fn)
    layouts = (), ("recon",), ("recon", "x")  # many decoders return rows
    calls = [
        LossCall(loss_fn, order, named, dtype, rows)
        for dtype, rows in product((torch.float64, torch.float32), layouts)
    ]
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
    plain_float32 = errors[len(layouts)]  # images in float32: what most people pass
    raise ValueError(f"{plain_float32}{_rescue(calls, probes[0][0])}") from plain_float32.__cause__


# ---- what is taken ----


def _order(loss_fn: Callable) -> tuple[tuple[str, ...], bool]:
    """The order of the arguments, and whether the names of the parameters say so."""
    if not callable(loss_fn):
        raise ValueError(f"loss_fn must be a function, got {loss_fn!r}")
    try:
        signature = inspect.signature(
            loss_fn.forward if isinstance(loss_fn, nn.Module) else loss_fn
        )
    except (TypeError, ValueError):
        return PLAIN, False  # written in C: it has no signature
    parameters = signature.parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p for p in parameters if p.default is p.empty and p.kind not in several]
    roles = _roles([p.name for p in needed])
    by_place = not any(p.kind is p.KEYWORD_ONLY for p in needed)
    if by_place and len(needed) == 2 and not {"recon", "mu", "all", "q", "pair"} & set(roles):
        return (("x", "model") if roles[1] == "model" else MODEL), True
    if by_place and len(needed) == 4 and not {"z", "q", "all", "pair", "setting"} & set(roles):
        clear = sorted(roles) == sorted(PLAIN)
        return (tuple(roles), True) if clear else (PLAIN, False)
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
    values = {role: value for role, (_, value) in ROLES.items()} | {"": "None"}
    passed, by_name = [], False
    for parameter, role in zip(needed, roles, strict=True):
        by_name |= role in ("setting", "") or parameter.kind is parameter.KEYWORD_ONLY
        passed.append(f"{parameter.name}={values[role]}" if by_name else values[role])
    takes = "model, x" if "model" in roles else "recon, x, mu, logvar"
    return f"lambda {takes}: loss_fn({', '.join(passed) or takes})"


def _rescue(calls: list[LossCall], arguments: Arguments) -> str:
    """What to write for a loss that raised: a wrapper that works, or a setting that it misses."""
    recon, x, mu, logvar = arguments
    side = next(side for side in (2, 1) if mu.shape[1] % side**2 == 0)
    text = f".unflatten(1, (-1, {side}, {side}))"
    for call in calls:
        try:
            call(recon, x, *(code.unflatten(1, (-1, side, side)) for code in (mu, logvar)))
        except ValueError as error:
            cause = error.__cause__
            if isinstance(cause, KeyError) and cause.args and str(cause.args[0]).isidentifier():
                line = f"lambda {', '.join(call.order)}: loss_fn({', '.join(call.order)}"
                return f".\nIt misses a setting, give it one:\n  {line}, {cause.args[0]}=1.0)"
            continue
        line = f"lambda recon, x, mu, logvar: loss_fn(recon, x, mu{text}, logvar{text})"
        return f".\nFor codes that are maps, wrap it:\n  {line}"
    return ""


# ---- what is returned ----


def _numbers(out: object) -> dict[str | int, Tensor]:
    """The float tensors and numbers in what a loss returns, flat, by name or place."""
    if "loss" in getattr(out, "_fields", ()):
        out = out._asdict()
    if isinstance(out, (tuple, list)):
        out = dict(enumerate(out))
    named = out if isinstance(out, dict) else {0: out}
    tensors = {
        name: torch.tensor(value, dtype=torch.float64) if isinstance(value, (int, float)) else value
        for name, value in named.items()
    }
    return {
        name: value.detach().double().flatten()
        for name, value in tensors.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }


def _name_of_loss(out: dict[str | int, Tensor]) -> str | int:
    """The name of the loss among the returned numbers: "loss", or the first of a tuple."""
    return "loss" if "loss" in out or 0 not in out else 0


def _refuse_parts(call: LossCall, probe: list[Arguments], out: dict[str | int, Tensor]) -> None:
    """Raises ValueError if other numbers hold a part that the loss lacks, and "loss" is not named.

    A named "loss" is believed: its KL may have the weight 0.
    """
    if len(out) < 2 or "loss" in out:
        return
    (recon, x, mu, logvar), (other_recon, _, other_mu, other_logvar) = probe
    changed = {
        "recon": call.outputs((other_recon, x, mu, logvar)),
        "mu": call.outputs((recon, x, other_mu, logvar)),
        "logvar": call.outputs((recon, x, mu, other_logvar)),
    }
    depends = {
        name: [part for part, after in changed.items() if not out[name].equal(after[name])]
        for name in out
    }
    whole = [name for name, parts in depends.items() if len(parts) == 3]
    first = _name_of_loss(out)
    if first in whole or not {p for parts in depends.values() for p in parts} - {
        *depends.get(first, ())
    }:
        return
    says = "; ".join(f"{k!r} on {' and '.join(parts) or 'none'}" for k, parts in depends.items())
    keys = [next(k for k, p in depends.items() if p == part) for part in _distinct(depends)]
    takes = ", ".join(call.order)
    total = f"loss_fn({takes})[{whole[0]!r}]" if whole else ""
    total = total or f"(lambda out: {' + '.join(f'out[{k!r}]' for k in keys)})(loss_fn({takes}))"
    raise ValueError(
        f'loss_fn must return its total (first, or as "loss"), got parts, which depend: {says}. '
        f"Wrap it, with the weights of your training:\n  lambda {takes}: {total}"
    )


def _distinct(depends: dict[str | int, list[str]]) -> list[list[str]]:
    """What the parts depend on, each once, and nothing that does not depend on anything."""
    return [list(part) for part in dict.fromkeys(tuple(p) for p in depends.values() if p)]
