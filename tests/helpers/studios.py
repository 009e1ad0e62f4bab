"""All studios of the package with small models, and moves of their controls, for the contract."""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

import ipywidgets
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from helpers.models import make_autoencoder, make_judge
from helpers.widgets import widgets_in
from tutorial_utils.models import VAE, Autoencoder, mlp
from tutorial_utils.studios.base import Part
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.studios.blur import blur_studio
from tutorial_utils.studios.denoising import denoising_studio
from tutorial_utils.studios.drawing import drawing_studio
from tutorial_utils.studios.filling import filling_studio
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.studios.pad import CodeMap, latent_pad
from tutorial_utils.studios.posterior import posterior_explorer
from tutorial_utils.studios.predict import predict
from tutorial_utils.studios.schedule import ScheduleArea, schedule_composer
from tutorial_utils.studios.style import style_studio
from tutorial_utils.studios.traversal import traversal_panel, traversal_studio
from tutorial_utils.training import local_seed

# ---- the studios ----


class Case(NamedTuple):
    """A studio: its function, and a function that makes small arguments for it, {name: value}."""

    function: Callable[..., ipywidgets.Widget]
    arguments: Callable[[], dict]

    def make(self, **changed: object) -> ipywidgets.Widget:
        """The studio; some arguments may be changed."""
        return self.function(**(self.arguments() | changed))


def images(n: int = 12, size: int = 8) -> Tensor:
    """Images [n, 1, size, size] in [0, 1], the same at every call."""
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0))


def classes(n: int = 12) -> Tensor:
    """Of the images: 0, 1, 2, 0, …"""
    return torch.arange(n) % 3


def vae(latent_dim: int = 2, size: int = 8, seed: int = 0) -> VAE:
    """A VAE that is not trained."""
    with local_seed(seed):
        encoder = mlp([size**2, 4, 2 * latent_dim])
        decoder = mlp([latent_dim, 4, size**2], out_shape=(1, size, size))
    return enlarged(VAE(encoder, decoder, latent_dim=latent_dim).eval())


def autoencoder(code_size: int = 2) -> Autoencoder:
    """An autoencoder of 8x8 images that is not trained."""
    return enlarged(make_autoencoder(code_size))


def enlarged(model: nn.Module) -> nn.Module:
    """The model with weights three times as large: its codes, and their images, differ clearly."""
    with torch.no_grad():
        for weights in model.parameters():
            weights *= 3
    return model


def judge(size: int = 8) -> nn.Module:
    """A classifier, logits [B, 10] of images, that is certain of most, though not trained."""
    return make_judge([size**2, 12, 10], seed=3, scale=3)


class Conditional(nn.Module):
    """A small conditional VAE, not trained: 8x8 images, 10 labels, 3 latent numbers."""

    def __init__(self):
        super().__init__()
        with local_seed(3):
            self.encoder, self.decoder = mlp([74, 6]), mlp([13, 64], out_shape=(1, 8, 8))

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(torch.cat([x.flatten(1), y], 1)).chunk(2, -1)

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        return self.decoder(torch.cat([z, y], 1))


def _noisy(params: Tensor, t: float) -> Tensor:
    return params.sigmoid() + 0.1 * t * torch.randn(params.shape)


def _blur() -> dict:
    models = {name: (vae(seed=seed), torch.sigmoid, _noisy) for seed, name in enumerate("ab")}
    return {"likelihoods": models, "x": images()}


def _denoising() -> dict:
    return {"methods": {"half": lambda noisy, kind, level: noisy / 2}, "x": images(size=12)}


def _filling() -> dict:
    return {"model": vae(), "x": images().round(), "n_answers": 2, "classifier": judge()}


def _slider() -> dict:
    return {
        "name": "β",
        "panels": {label: [Part("title", f"<p>{label}</p>", label)] for label in "abcd"},
    }


def _traversal() -> dict:
    return {"model": vae(12), "x": images(), "y": classes()}


def _walk() -> dict:
    return {"models": vae(), "x": images(), "y": classes()}


def _two_models() -> dict:
    return _walk() | {"other": autoencoder(), "judge": judge()}


def _choice() -> dict:
    return _walk() | {"models": {"2 numbers": vae(), "5 <numbers>": vae(5, seed=1)}}


def _judged_choice() -> dict:
    return _choice() | {"judge": judge()}


def _pad() -> dict:
    z = 2 * images(size=2)[:, 0, 0] - 1
    return {"model": vae(), "z": z, "y": classes(), "std": z.abs() + 0.1}


def _posterior() -> dict:
    return {"vae": vae(), "autoencoder": autoencoder(), "x": images(), "y": classes()}


def _predict() -> dict:
    question = "How many digits are there, from the one that is a circle to the one with a tail?"
    options = ["five", "ten, all of them drawn by hand on paper, and then scanned"]
    return {"question": question, "options": options, "answer": "five", "because": "I counted."}


def _drawing() -> dict:
    x, y, model = images(size=28), classes(), vae(size=28)
    studio = interpolation_studio(model, x, y)
    return {"model": model, "x": x, "y": y, "studio": studio, "judge": judge(28)}


KEYS = [("β-VAE", 4, 1), ("β-VAE", 1, 0), ("β-VAE", 1, 1)]
KEYS += [("VAE", 1, 0), ("β-TCVAE", 10, 2), ("β-TCVAE", 3, 1)]


def _models() -> dict:
    """Images of three factors, and models of 7 and 9 latent numbers, half of them informative."""
    factors = torch.cartesian_prod(torch.arange(3), torch.arange(3), torch.arange(2)).repeat(16, 1)
    x = 0.02 * images(len(factors))
    for image, (bright, high, left) in zip(x, factors.tolist(), strict=True):
        image[0, 1 + 2 * high : 3 + 2 * high, 4 * left : 4 * left + 3] += 0.38 + 0.3 * bright
    models = {}
    for seed, key in enumerate(KEYS):
        n = 7 if key[0] == "VAE" else 9
        model = models[key] = vae(n, seed=seed)
        with torch.no_grad():
            model.encoder[-2].weight[: n // 2] *= 4
            model.encoder[-2].bias[n : n + n // 2] -= 5
    return {"models": models, "x": x, "factors": factors, "names": ["bright", "high", "<left>"]}


def _style() -> dict:
    return {"model": Conditional().eval(), "x": images(), "y": one_hot(classes(), 10).float()}


STUDIOS = {
    "blur": Case(blur_studio, _blur),
    "denoising": Case(denoising_studio, _denoising),
    "drawing": Case(drawing_studio, _drawing),
    "filling": Case(filling_studio, _filling),
    "interpolation": Case(interpolation_studio, _walk),
    "interpolation of two": Case(interpolation_studio, _two_models),
    "interpolation by choice": Case(interpolation_studio, _choice),
    "interpolation by choice, judged": Case(interpolation_studio, _judged_choice),
    "model slider": Case(model_slider, _slider),
    "pad": Case(latent_pad, _pad),
    "posterior": Case(posterior_explorer, _posterior),
    "predict": Case(predict, _predict),
    "schedule": Case(schedule_composer, dict),
    "style": Case(style_studio, _style),
    "traversal": Case(traversal_panel, _traversal),
    "traversal of many": Case(traversal_studio, _models),
}


# ---- what a hand can do ----


SLIDERS = (ipywidgets.IntSlider, ipywidgets.FloatSlider, ipywidgets.BoundedIntText, ipywidgets.Play)
CHOICES = (
    ipywidgets.Dropdown,
    ipywidgets.RadioButtons,
    ipywidgets.ToggleButtons,
    ipywidgets.SelectionSlider,
)


def controls_of(root: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """All that can be reached by hand."""
    kinds = (*SLIDERS, *CHOICES, ipywidgets.FloatLogSlider, ipywidgets.Button, ScheduleArea)
    return [
        part
        for part in widgets_in(root)
        if isinstance(part, kinds)
        or (isinstance(part, CodeMap) and not part.passive)
        or hasattr(part, "stroke_lines")
    ]


def move(control: ipywidgets.Widget, share: float) -> None:
    """What the page says when a hand moves the control; share: how far, from 0 to 1."""
    if isinstance(control, SLIDERS):
        step = round(share * (control.max - control.min) / control.step)
        control.set_state({"value": control.min + step * control.step})
    elif isinstance(control, ipywidgets.FloatLogSlider):
        control.set_state({"value": 10 ** (control.min + share * (control.max - control.min))})
    elif isinstance(control, CHOICES):
        last = len(control.options) - 1
        control.set_state({"index": round(share * last)})
    elif isinstance(control, ScheduleArea):
        control.set_state({"values": [round(4 * share, 1)] * len(control.values)})
    elif isinstance(control, CodeMap):
        reach = control.extent
        control.set_state({"x": reach * (2 * share - 1), "y": reach * (1 - 2 * share)})
    elif isinstance(control, ipywidgets.Button):
        if not control.disabled:
            control.click()
    else:
        for event in ("mouse_down", "mouse_up"):
            place = {"x": share * control.width, "y": (1 - share) * control.height}
            control[1]._handle_frontend_event(control, {"event": event} | place, [])


def moves(root: ipywidgets.Widget, n: int) -> Iterator[None]:
    """n moves of controls drawn by chance, the same at every call; three of four move a slider.

    Files, which take long, are left alone.
    """
    chance = random.Random(0)
    for _ in range(n):
        controls = [
            part for part in controls_of(root) if getattr(part, "description", "") != "Save GIF"
        ]
        sliders = [part for part in controls if isinstance(part, (*SLIDERS, CodeMap))]
        among = sliders if sliders and chance.random() < 0.75 else controls
        move(chance.choice(among), chance.random())
        yield


# ---- what is measured ----


def random_states() -> tuple:
    """The global random states of torch, of numpy and of Python, as what can be compared."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), name, keys.tolist(), rest, random.getstate()
