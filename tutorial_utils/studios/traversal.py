"""Latent traversal (notebooks 04 and 07): a slider per latent dimension, and the decoded image."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from html import escape

import ipywidgets
import torch
import traitlets
from torch import Tensor

from ..latent import name_of_dimension, rank_dimensions, traverse
from ..losses import kl_per_dimension
from ..models import VAE, decode_images, encode_image, encode_images
from ..plotting import to_png
from ..support.arguments import classes_of, gray_images, positive_int
from ..topics.disentanglement import NAMED_FROM, checked_names, measure_model
from ..topics.sprites import middle_of, value_of
from .base import (
    PanelView,
    Part,
    Picture,
    Studio,
    check_decodes_like,
    check_vae,
    describe,
    name_of_decoded,
    show_code,
)
from .beta_panels import label_of, labels_differ
from .controls import ImageChooser, button, toggles
from .svg import number, svg, svg_rect, svg_text

Key = tuple[str, float, int]  # method, β, seed
STEP = 0.05  # of a slider, in standard deviations of the prior
REACH, REACH_OF_SPRITES = 3.0, 2.5  # of the sliders in notebook 04, and in notebook 07
N_DIMS, N_DIMS_OF_SPRITES = 8, 6  # dimensions with a slider, those with the largest mean KL
VALUES = torch.linspace(-2, 2, 9)  # of a row of images on paper

# ---- what a notebook calls ----


def traversal_panel(model: VAE, x: Tensor, y: Tensor) -> "TraversalPanel":
    """Sliders for the 8 dimensions with the largest mean KL over x, and the decoded image.

    Notebook 04.  model: a VAE of gray images.  x: [N, 1, H, W] in [0, 1].  y: [N], the classes.
    With fewer dimensions, each has a slider.  Raises TypeError or ValueError for a bad argument.
    """
    check_vae("model", model)
    return TraversalPanel(model, gray_images(x), classes_of(y, x, "x"))


def traversal_studio(
    models: Mapping[Key, VAE], x: Tensor, factors: Tensor, names: Sequence[str]
) -> "TraversalStudio":
    """Sliders over the code of a sprite, in one of many models, and the factor of each dimension.

    Notebook 07.  models: {(method, beta, seed): VAE}, such as ("β-VAE", 10, 0); not every
    combination need be there. x: [N, 1, H, W] in [0, 1].  factors: [N, K] whole numbers, names: K
    texts, as from sprites.  The sliders are for the 6 dimensions with the largest mean KL.  Raises
    TypeError or ValueError for a bad argument.
    """
    names = checked_names(x, factors, names)
    if not isinstance(models, Mapping) or not models:
        raise TypeError(
            f"models must map one (method, beta, seed) or more to a VAE, got {models!r}"
        )
    for key, model in models.items():
        _check_key(key)
        _check_model(f"models[{key!r}]", model, x)
    return TraversalStudio(models, x, factors, names)


def traversal_rows(
    model: VAE,
    x: Tensor,
    factors: Tensor,
    names: Sequence[str],
    *,
    n_dims: int = N_DIMS_OF_SPRITES,
    values: Tensor = VALUES,
) -> dict[str, Tensor]:
    """The traversal studio on paper, rows for `plotting.show_rows`: one dimension takes n values.

    x, factors, names: as for the studio.  n_dims: rows, in the order of its sliders.  The code is
    the mean of q(z|x) of the studio's first image.  Returns {"z₃ · 1.9 nats · x 0.71": [n, 1, H,
    W], ...}. Raises TypeError or ValueError for a bad argument.
    """
    names = checked_names(x, factors, names)
    _check_model("model", model, x)
    titles = measure_model(model, x, factors, names).titles(positive_int("n_dims", n_dims))
    code = encode_image(model, x[middle_of(factors)])
    images = traverse(model, code, list(titles), values)
    return dict(zip(titles.values(), images.unsqueeze(2).cpu(), strict=True))


def _check_key(key: object) -> None:
    """TypeError unless it is a method, a text; a β, a finite number from 0 on; and a seed."""
    kinds = list(map(type, key)) if isinstance(key, tuple) else []
    right = kinds in ([str, float, int], [str, int, int])
    if not right or key[0] == "" or not 0 <= key[1] < torch.inf:
        raise TypeError(
            f'keys of models must be (method, beta, seed), such as ("β-VAE", 10, 0), got {key!r}'
        )


def _check_model(name: str, model: VAE, x: Tensor) -> None:
    """TypeError or ValueError unless it is a VAE of images like x, of 2 latent numbers or more."""
    check_vae(name, model, least=2)
    check_decodes_like(name, model, x)


# ---- the sliders ----


class CodeSliders(ipywidgets.Box):
    """A slider for some dimensions of a code: `z` [D] is the code, `dims` the dimensions, from 0.

    n: the largest number of sliders.  reach: they go from -reach to reach; z may lie beyond.
    on_move: called, with what was done in words, when a hand has moved a slider and z has followed.
    """

    made = traitlets.Instance(ipywidgets.Box)  # all sliders: hidden ones are closed with it too

    def __init__(self, n: int, reach: float, on_move: Callable[[str], None]):
        self.z, self.dims, self.reach, self.on_move = torch.zeros(0), [], reach, on_move
        limits = {"min": -reach, "max": reach, "step": STEP}
        style = {"description_width": "auto"}
        sliders = [ipywidgets.FloatSlider(0, style=style, **limits) for _ in range(n)]
        super().__init__(made=ipywidgets.Box(sliders))
        self.add_class("vae-sliders")
        for k, slider in enumerate(sliders):
            slider.observe(lambda _change, k=k: self._follow(k), "value")

    def assign(self, names: dict[int, str]) -> None:
        """The sliders are for these dimensions now, in this order, by name; `go` comes next."""
        self.dims, self.children = list(names), self.made.children[: len(names)]
        for slider, name in zip(self.children, names.values(), strict=True):
            slider.description, slider.tooltip = name, f"{name}: drag, or use the arrow keys"

    def go(self, z: Tensor) -> None:
        """Move to a code [D], in all dimensions, also those without a slider."""
        self.z = z.clone()
        for k, slider in enumerate(self.children):
            slider.value = self._on_step(k)

    def _follow(self, k: int) -> None:
        """Slider k has moved: z follows, unless the slider stands where z is already."""
        value = self.children[k].value
        if abs(value - self._on_step(k)) > 0.51 * STEP:
            self.z[self.dims[k]] = value
            self.on_move(f"{name_of_dimension(self.dims[k])} was moved by hand.")

    def _on_step(self, k: int) -> float:
        """Where slider k stands for z: on a step, at the end of the slider where z lies beyond it.

        The page's slider, noUiSlider, snaps to whole steps in floating point, and sends the snapped
        value back, possibly after z has moved on. Here the same arithmetic is done first: then
        there is nothing to snap, and nothing comes back.
        """
        width = 2 * self.reach
        value = min(max(float(self.z[self.dims[k]]), -self.reach), self.reach)
        step = STEP * 100 / width  # percent of the slider, in which noUiSlider counts
        return round((value + self.reach) * 100 / width / step) * step * width / 100 - self.reach


def say_rest(kl: Tensor, dims: Sequence[int]) -> list[str]:
    """A line on the dimensions without a slider: how many, their KL; no line if there are none.

    kl: [D], in nats.  dims: those with a slider.
    """
    n, rest = len(kl), len(kl) - len(dims)
    nats = float(kl.sum() - kl[list(dims)].sum())
    return [f"{rest} of {n} dimensions have no slider: {nats:.1f} nats together"] if rest else []


class Traversal(Studio):
    """A studio with sliders over the code of a VAE, the decoded image, and words on both.

    `model` is the VAE, `kl` [D] the mean KL of its dimensions, `code` the sliders, `picture` the
    image.  A subclass sets what its `_layout` needs, then calls this; `_layout` returns the parts.
    """

    def __init__(self, css_class: str, n_dims: int, reach: float):
        self._generator = torch.Generator().manual_seed(0)  # the global random state stays as it is
        self.code = CodeSliders(n_dims, reach, self._show)
        self.picture, self.said = Picture().add_class("vae-picture"), ipywidgets.HTML()
        super().__init__(css_class, *self._layout())

    @property
    def z(self) -> Tensor:
        """The code [D] that is decoded."""
        return self.code.z

    def go(self, z: Tensor, said: str) -> None:
        """Move to a code [D], in all dimensions; said: what was done, in words."""
        self.code.go(z)
        self._show(said)

    def _center(self) -> None:
        self.go(torch.zeros(self.model.latent_dim), "z = 0: the center of the prior.")

    def _show(self, said: str) -> None:
        """z has changed: show the decoded image, and say where z is."""
        self.picture.value = to_png(decode_images(self.model, self.z[None])[0])


# ---- notebook 04 ----


class TraversalPanel(Traversal):
    """What `traversal_panel` returns: images to encode by their class, and draws from the prior."""

    def __init__(self, model: VAE, x: Tensor, y: Tensor):
        self.model, self.kl = model, kl_per_dimension(*encode_images(model, x))
        self.chooser = ImageChooser("Class", "The image to encode", x, y, 0)
        self.label = ipywidgets.HTML().add_class("vae-label")
        super().__init__("vae-traversal", N_DIMS, REACH)
        self.said.add_class("vae-label")
        self.code.assign(rank_dimensions(self.kl, N_DIMS))
        self._center()

    def _layout(self) -> list[ipywidgets.Widget]:
        """Beside the picture the sliders; below, the buttons and the image to encode."""
        reset = button("Reset", self._center, tip="z = 0: the center of the prior")
        tip = "Draw all of z from the prior N(0, I)"
        buttons = ipywidgets.HBox([reset, button("Random", self._draw_from_prior, tip=tip)])
        side = ipywidgets.VBox([self.code, buttons, self.label]).add_class("vae-beside")
        top = ipywidgets.HBox([self.picture, side]).add_class("vae-columns")
        tip = "Set all of z to the mean of q(z|x) of the chosen image"
        encode = button("Encode this image", self._encode, tip=tip)
        chosen = ipywidgets.HBox([self.chooser.add_class("vae-chosen"), encode])
        return [top, self.said, chosen.add_class("vae-head")]

    def _draw_from_prior(self) -> None:
        z = torch.randn(len(self.z), generator=self._generator)
        self.go(z, f"A draw from the prior: all {len(z)} dimensions are new.")

    def _encode(self) -> None:
        image = self.chooser.caption.value or f"test image {self.chooser.index}"
        z = encode_image(self.model, self.chooser.image)
        self.go(z, f"All {len(z)} dimensions are those of the mean of q(z|x) of {image}.")

    def _show(self, said: str) -> None:
        super()._show(said)
        self.said.value, n = said, len(self.z)
        lines = [
            f"{name_of_decoded(self.model)} at z = {show_code(self.z)}",
            f"|z| = {self.z.norm():.2f}; typical of the prior: √{n} = {n**0.5:.2f}",
            *say_rest(self.kl, self.code.dims),
        ]
        self.picture.alt = "; ".join(lines)
        self.label.value = "<br>".join(map(escape, lines))


# ---- notebook 07 ----


class TraversalStudio(Traversal):
    """What `traversal_studio` returns: `choice` chooses one of the models.

    `view` shows which factor each dimension encodes; `index` is the sprite's row of x.
    """

    def __init__(self, models: Mapping[Key, VAE], x: Tensor, factors: Tensor, names: list[str]):
        self.models, self.x, self.factors, self.names = dict(models), x, factors, names
        self.index = middle_of(factors)
        self._measure = cache(partial(measure_model, x=x, factors=factors, names=names))
        self.choice, self.view = ModelChooser(list(models)), PanelView()
        self.sprite = Picture().add_class("vae-end-picture")
        self.numbers, self.caption, self.values = (ipywidgets.HTML() for _ in range(3))
        super().__init__("vae-dimensions", N_DIMS_OF_SPRITES, REACH_OF_SPRITES)
        self.choice.observe(self._load, "key")
        self._load()

    def _layout(self) -> list[ipywidgets.Widget]:
        """The model above; below, picture, sliders and map, side by side if there is room."""
        tip = "Back to the mean of q(z|x) of the sprite"
        foot = [
            self.sprite,
            self.caption,
            button("Another sprite", self._draw_sprite, tip="Encode another image"),
            button("Encode anew", self._encode, tip=tip),
            button("z = 0", self._center, tip="The center of the prior"),
        ]
        sprite = ipywidgets.Box(foot).add_class("vae-sprite")
        title = ipywidgets.HTML('<p class="vae-title">Mean of p(x|z)</p>')
        left = ipywidgets.Box([title, self.picture, sprite, self.said]).add_class("vae-decoded")
        head = '<p class="vae-title">Turn a number of z</p><p class="vae-hint">largest KL first</p>'
        sliders = ipywidgets.Box([self.code, self.values.add_class("vae-values")])
        middle = ipywidgets.Box([ipywidgets.HTML(head), sliders.add_class("vae-valued")])
        three = ipywidgets.Box([left, middle.add_class("vae-turned"), self.view])
        return [self.choice, self.numbers, three.add_class("vae-three")]

    def _load(self, _change: object = None) -> None:
        """Another model: its numbers, its sliders, its map; the sprite is encoded anew."""
        self.model = self.models[self.choice.key]
        measured = self._measure(self.model)
        self.kl = measured.kl
        titles = measured.titles(N_DIMS_OF_SPRITES)
        self.code.assign(titles)
        self._encode()
        scores = {
            "−ELBO at β\u00a0=\u00a01": f"{number(measured.loss)} nats",
            "kl": f"{number(measured.rate)} nats",
            "MIG": f"{measured.mig:.2f}",
        }
        line = "".join(f"<span>{name} <b>{value}</b></span>" for name, value in scores.items())
        self.numbers.value = f'<p class="vae-line">{line}'
        dims = list(map(name_of_dimension, titles))
        part = Part(SHARES, *svg_shares(measured.shares[list(titles)], dims, self.names))
        said = ", ".join(f"{name} {value}" for name, value in scores.items())
        with self.view.hold_sync():
            self.view.parts = [describe(part)]
            self.view.text = f"{self.choice.name}: {said}."

    def _draw_sprite(self) -> None:
        """Another sprite than this one, by chance."""
        step = int(torch.randint(1, len(self.x), (), generator=self._generator))
        self.index = (self.index + step) % len(self.x)
        self._encode()

    def _encode(self) -> None:
        levels = zip(self.names, self.factors[self.index].tolist(), strict=True)
        text = ", ".join(f"{name} {value_of(name, level)}" for name, level in levels)
        image = self.x[self.index]
        self.sprite.value = to_png(image[0])
        self.sprite.alt = f"The sprite: image {self.index}, {text}"
        self.caption.value = escape(text)
        self.go(encode_image(self.model, image), "z is the mean of q(z|x) of the sprite.")

    def _show(self, said: str) -> None:
        super()._show(said)
        values = {name_of_dimension(dim): number(float(self.z[dim]), 2) for dim in self.code.dims}
        self.values.value = "".join(f"<p>{value}</p>" for value in values.values())
        where = ", ".join(f"{name} = {value}" for name, value in values.items())
        self.picture.alt = f"{name_of_decoded(self.model)} at {where}"
        self.said.value = "<br>".join(map(escape, [said, *say_rest(self.kl, self.code.dims)]))


class ModelChooser(ipywidgets.Box):
    """Buttons for the method, a slider for β, and buttons for the seed of a model; `key` is chosen.

    keys: (method, beta, seed) of all models.  Only what there is can be chosen.
    """

    key = traitlets.Tuple()  # method, β, seed
    made = traitlets.Instance(ipywidgets.Box)  # all controls: hidden ones are closed with it too

    def __init__(self, keys: Sequence[Key]):
        self.offered: dict[str, dict[float, list[int]]] = {method: {} for method, _, _ in keys}
        for method, beta, seed in sorted(keys, key=lambda key: key[1:]):
            self.offered[method].setdefault(beta, []).append(seed)
        self.method = toggles("method", list(self.offered), tip="What was minimized")
        self.betas = {method: _beta_control(list(by)) for method, by in self.offered.items()}
        sets = {tuple(seeds) for by_beta in self.offered.values() for seeds in by_beta.values()}
        tip = "The seed of the training"
        self.seeds = {seeds: toggles("seed", list(seeds), tip=tip) for seeds in sets}
        betas = self.betas[self.method.value]
        seeds = self.seeds[tuple(self.offered[self.method.value][betas.value])]
        self.shown_beta, self.shown_seed = ipywidgets.Box([betas]), ipywidgets.Box([seeds])
        made = ipywidgets.Box([*self.betas.values(), *self.seeds.values()])
        super().__init__([self.method, self.shown_beta, self.shown_seed], made=made)
        self.add_class("vae-selectors")
        for control in (self.method, *made.children):
            control.observe(self._choose, "value")
        self._choose()

    @property
    def name(self) -> str:
        """The chosen model in words."""
        method, beta, seed = self.key
        return f"{method}, β = {label_of(beta)}, seed {seed}"

    def _choose(self, _change: object = None) -> None:
        """Another method, β or seed: show what it goes with, the β nearest to the one before.

        The seed stays if it can.  A control that is set here calls this again, to the same end.
        """
        method, before = self.method.value, self.shown_beta.children[0].value
        betas = self.betas[method]
        betas.value = min(self.offered[method], key=lambda beta: abs(beta - before))
        self.shown_beta.children = (betas,)
        offered, before = self.offered[method][betas.value], self.shown_seed.children[0].value
        seeds = self.seeds[tuple(offered)]
        seeds.value = before if before in offered else offered[0]
        self.shown_seed.children = (seeds,)
        self.key = (method, betas.value, seeds.value)


def _beta_control(betas: list[float]) -> ipywidgets.SelectionSlider | ipywidgets.ToggleButtons:
    """A slider over the βs; a button for one β alone, which no slider can show.

    Raises ValueError where two βs have one label.
    """
    labels_differ(betas)
    options = [(label_of(beta), beta) for beta in betas]
    if len(betas) == 1:
        return toggles("β", options, tip="The only β of this method")
    tip = "β: drag, or use the arrow keys"
    return ipywidgets.SelectionSlider(options=options, description="β", tooltip=tip)


# ---- the map of dimensions and factors ----

SHARES = (
    "Share of a factor’s entropy told\n"
    "1: the dimension tells the factor. Bold: what names the dimension, from 0.1 on."
)
HEAD, ROW = 24, 44  # pixels: the names of the factors, a row, which is as high as a slider
LEFT = 10.0  # percent: where the first column starts


def svg_shares(shares: Tensor, rows: Sequence[str], columns: Sequence[str]) -> tuple[str, str]:
    """A map of the shares [R, K] in [0, 1], the darker the more, with their numbers: (SVG, alt).

    rows, columns: their names.  The largest share of a row is bold, if it names its dimension.
    """
    width = (100 - LEFT) / len(columns)
    middles = [LEFT + (k + 0.5) * width for k in range(len(columns))]
    shapes, said = [], []
    for x, name in zip(middles, columns, strict=True):
        shapes.append(svg_text(x, HEAD - 8, escape(name), "middle"))
    for row, (name, values) in enumerate(zip(rows, shares.tolist(), strict=True)):
        top = HEAD + ROW * row
        y = top + ROW / 2 + 5
        shapes.append(svg_text(0, y, name, css_class="vae-verdict"))
        for x, value in zip(middles, values, strict=True):
            opacity = f'rx="6" fill-opacity="{0.05 + 0.7 * value:.3f}"'
            shapes.append(svg_rect(x - width / 2, top, width, ROW, "vae-share", opacity))
            kind = "" if value < NAMED_FROM else "vae-most" if value == max(values) else "vae-told"
            shapes.append(svg_text(x, y, f"{value:.2f}", "middle", kind))
        pairs = zip(columns, values, strict=True)
        said.append(f"{name}: {', '.join(f'{column} {value:.2f}' for column, value in pairs)}")
    alt = f"Share of each factor's entropy that a dimension tells. {'; '.join(said)}."
    return svg(shapes, HEAD + ROW * len(rows), alt)
