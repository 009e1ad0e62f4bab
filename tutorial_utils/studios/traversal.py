"""Latent traversal (notebooks 04 and 07): a slider per latent dimension, and the decoded image."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import ipywidgets
import torch
import traitlets
from torch import Tensor

from ..latent import name_of_dimension, rank_dimensions, traverse
from ..losses import kl_per_dimension
from ..models import VAE, decode_images, encode_image, encode_images, is_vae
from ..plotting import to_png
from ..support.arguments import classes_of, gray_images, positive_int
from ..topics.disentanglement import NAMED_FROM, Measured, checked_names, measure_model
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
from .controls import ImageChooser, toggles
from .svg import number, svg, svg_rect, svg_text

Key = tuple[str, float, int]  # method, β, seed
STEP = 0.05  # of a slider, in standard deviations of the prior
REACH, REACH_OF_SPRITES = 3.0, 2.5  # of the sliders in notebook 04, and in notebook 07
VALUES = torch.linspace(-2, 2, 9)  # of a row of images on paper
CENTER = "z = 0: the center of the prior."

# ---- what a notebook calls ----


def traversal_panel(model: VAE, x: Tensor, y: Tensor, *, n_dims: int = 8) -> "TraversalPanel":
    """Sliders for the `n_dims` dimensions with the largest mean KL over x, and the decoded image.

    Notebook 04.  model: a VAE of gray images.  x: [N, 1, H, W] in [0, 1].  y: [N], the classes.
    With fewer than n_dims dimensions, each has a slider.  Raises TypeError or ValueError for a bad
    argument.
    """
    if not is_vae(model):
        raise TypeError(
            f"model must be a VAE, whose dimensions have a KL, got {type(model).__name__}"
        )
    x, y = gray_images(x), classes_of(y, x, "x")
    return TraversalPanel(model, x, y, positive_int("n_dims", n_dims))


def traversal_studio(
    models: Mapping[Key, VAE], x: Tensor, factors: Tensor, names: Sequence[str], *, n_dims: int = 6
) -> "TraversalStudio":
    """Sliders over the code of a sprite, in one of many models, and the factor of each dimension.

    Notebook 07.  models: {(method, beta, seed): VAE}, such as ("β-VAE", 10, 0); not every
    combination need be there. x: [N, 1, H, W] in [0, 1].  factors: [N, K] whole numbers, names: K
    texts, as from sprites.  n_dims: sliders, for the dimensions with the largest mean KL.  Raises
    TypeError or ValueError for a bad argument.
    """
    names = checked_names(x, factors, names)
    return TraversalStudio(by_choice(models, x), x, factors, names, positive_int("n_dims", n_dims))


def traversal_rows(
    model: VAE,
    x: Tensor,
    factors: Tensor,
    names: Sequence[str],
    *,
    n_dims: int = 6,
    values: Tensor = VALUES,
    image: int | None = None,
) -> dict[str, Tensor]:
    """The traversal studio on paper, rows for `plotting.show_rows`: one dimension takes n values.

    x, factors, names, n_dims: as for the studio, rows in the order of its sliders.  image: a row of
    x, whose mean of q(z|x) is the code; by default the studio's first.  Returns {"z₃ · 1.9 nats · x
    0.71": [n, 1, H, W], ...}. Raises TypeError or ValueError for a bad argument.
    """
    names = checked_names(x, factors, names)
    _check_model("model", model, x)
    image = middle_of(factors) if image is None else image
    if not isinstance(image, int) or not 0 <= image < len(x):
        raise ValueError(
            f"image must be a row of x, a whole number from 0 to {len(x) - 1}, got {image!r}"
        )
    titles = measure_model(model, x, factors, names).titles(positive_int("n_dims", n_dims))
    images = traverse(model, encode_image(model, x[image]).cpu(), list(titles), values)
    return dict(zip(titles.values(), images.unsqueeze(2).cpu(), strict=True))


# ---- the sliders ----


class CodeSliders(ipywidgets.Box):
    """A slider for some dimensions of a code: `z` [D] is the code, `dims` the dimensions, from 0.

    reach: the sliders go from -reach to reach; z may lie beyond.  on_move: called, with what was
    done in words, when a hand has moved a slider and z has followed.
    """

    made = traitlets.Instance(ipywidgets.Box, ())  # all sliders: hidden ones are closed with it too

    def __init__(self, reach: float, on_move: Callable[[str], None]):
        self.z, self.dims, self.reach, self.on_move = torch.zeros(0), [], reach, on_move
        super().__init__()
        self.add_class("vae-sliders")

    def assign(self, names: dict[int, str], z: Tensor) -> None:
        """The sliders are for these dimensions now, in this order, by name; z is the code."""
        missing = range(len(self.made.children), len(names))
        self.made.children += tuple(self._make_slider(k) for k in missing)
        self.dims, self.children = list(names), self.made.children[: len(names)]
        for slider, name in zip(self.children, names.values(), strict=True):
            slider.description, slider.tooltip = name, f"{name}: drag, or use the arrow keys"
        self.go(z)

    def go(self, z: Tensor) -> None:
        """Move to a code [D], in all dimensions, also those without a slider."""
        self.z = z.clone()
        for k, slider in enumerate(self.children):
            slider.value = self._on_step(k)

    def _make_slider(self, k: int) -> ipywidgets.FloatSlider:
        slider = ipywidgets.FloatSlider(
            0, min=-self.reach, max=self.reach, step=STEP, style={"description_width": "auto"}
        )
        slider.observe(lambda _change: self._follow(k), "value")
        return slider

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

    model: VAE
    kl: Tensor

    def __init__(self, css_class: str, reach: float):
        self._generator = torch.Generator().manual_seed(0)  # the global random state stays as it is
        self.code = CodeSliders(reach, self._show)
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

    def _layout(self) -> list[ipywidgets.Widget]:
        raise NotImplementedError

    def _button(self, text: str, tip: str, act: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=text, tooltip=tip)
        button.on_click(lambda _button: act())
        return button

    def _center(self) -> None:
        self.go(torch.zeros_like(self.z), CENTER)

    def _show(self, said: str) -> None:
        """z has changed: show the decoded image, and say where z is."""
        self.picture.value = to_png(decode_images(self.model, self.z[None])[0])


# ---- notebook 04 ----


class TraversalPanel(Traversal):
    """What `traversal_panel` returns: images to encode by their class, and draws from the prior."""

    def __init__(self, model: VAE, x: Tensor, y: Tensor, n_dims: int):
        self.model, self.kl = model, kl_per_dimension(*encode_images(model, x))
        self.chooser = ImageChooser("Class", "The image to encode", x, y, 0)
        self.label = ipywidgets.HTML().add_class("vae-label")
        super().__init__("vae-traversal", REACH)
        self.said.add_class("vae-label")
        self.code.assign(rank_dimensions(self.kl, n_dims), torch.zeros(model.latent_dim))
        self.sliders = dict(zip(self.code.dims, self.code.children, strict=True))
        self._show(CENTER)

    def _layout(self) -> list[ipywidgets.Widget]:
        """Beside the picture the sliders; below, the buttons and the image to encode."""
        self.reset = self._button("Reset", "z = 0: the center of the prior", self._center)
        tip = "Draw all of z from the prior N(0, I)"
        self.random = self._button("Random", tip, self._draw_from_prior)
        tip = "Set all of z to the mean of q(z|x) of the chosen image"
        self.encode = self._button("Encode this image", tip, self._encode)
        buttons = ipywidgets.HBox([self.reset, self.random])
        side = ipywidgets.VBox([self.code, buttons, self.label]).add_class("vae-beside")
        top = ipywidgets.HBox([self.picture, side]).add_class("vae-columns")
        chosen = [self.chooser.add_class("vae-chosen"), self.encode]
        return [top, self.said, ipywidgets.HBox(chosen).add_class("vae-head")]

    def _draw_from_prior(self) -> None:
        z = torch.randn(len(self.z), generator=self._generator)
        self.go(z, f"A draw from the prior: all {len(z)} dimensions are new.")

    def _encode(self) -> None:
        image = self.chooser.caption.value or f"test image {self.chooser.index}"
        z = encode_image(self.model, self.chooser.image).cpu()
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
    """What `traversal_studio` returns: `choice` is the chosen model, `index` the sprite's row of x.

    `measured` are the numbers of the model; `view` shows which factor each dimension encodes.
    """

    def __init__(self, models: dict, x: Tensor, factors: Tensor, names: list[str], n_dims: int):
        self.x, self.factors, self.names, self.n_dims = x, factors, names, n_dims
        self.index = middle_of(factors)
        self._measured: dict[Key, Measured] = {}
        self.choice, self.view = ModelChooser(models), PanelView()
        self.sprite = Picture().add_class("vae-end-picture")
        self.numbers, self.caption, self.values = (ipywidgets.HTML() for _ in range(3))
        super().__init__("vae-dimensions", REACH_OF_SPRITES)
        self.choice.observe(self._load, "key")
        self._load()

    def _layout(self) -> list[ipywidgets.Widget]:
        """The model above; below, picture, sliders and map, side by side if there is room."""
        tip = "Back to the mean of q(z|x) of the sprite"
        foot = [
            self.sprite,
            self.caption,
            self._button("Another sprite", "Encode another image", self._draw_sprite),
            self._button("Encode anew", tip, self._encode),
            self._button("z = 0", "The center of the prior", self._center),
        ]
        sprite = ipywidgets.Box(foot).add_class("vae-sprite")
        title = ipywidgets.HTML('<p class="vae-title">Mean of p(x|z)</p>')
        left = ipywidgets.Box([title, self.picture, sprite, self.said]).add_class("vae-decoded")
        head = '<p class="vae-title">Turn a number of z</p><p class="vae-hint">largest KL first</p>'
        sliders = ipywidgets.Box([self.code, self.values.add_class("vae-values")])
        middle = ipywidgets.Box([ipywidgets.HTML(head), sliders.add_class("vae-valued")])
        three = ipywidgets.Box([left, middle.add_class("vae-turned"), self.view])
        return [self.choice, self.numbers, three.add_class("vae-three")]

    @property
    def model(self) -> VAE:
        """The chosen model."""
        return self.choice.model

    @property
    def measured(self) -> Measured:
        """The numbers of the chosen model, measured when it is chosen for the first time."""
        key = self.choice.key
        if key not in self._measured:
            self._measured[key] = measure_model(self.model, self.x, self.factors, self.names)
        return self._measured[key]

    @property
    def kl(self) -> Tensor:
        """The mean KL of each dimension: [D]."""
        return self.measured.kl

    def _load(self, _change: object = None) -> None:
        """Another model: its numbers, its sliders, its map; the sprite is encoded anew."""
        measured = self.measured
        titles = measured.titles(self.n_dims)
        self.code.assign(titles, encode_image(self.model, self.x[self.index]).cpu())
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
        z = encode_image(self.model, image).cpu()
        self.go(z, "z is the mean of q(z|x) of the sprite.")

    def _show(self, said: str) -> None:
        super()._show(said)
        values = {name_of_dimension(dim): number(float(self.z[dim]), 2) for dim in self.code.dims}
        self.values.value = "".join(f"<p>{value}</p>" for value in values.values())
        where = ", ".join(f"{name} = {value}" for name, value in values.items())
        self.picture.alt = f"{name_of_decoded(self.model)} at {where}"
        self.said.value = "<br>".join(map(escape, [said, *say_rest(self.kl, self.code.dims)]))


class ModelChooser(ipywidgets.Box):
    """Buttons for the method, a slider for β, and buttons for the seed of a model; `key` is chosen.

    models: {method: {beta: {seed: model}}}.  Only what there is can be chosen.
    """

    key = traitlets.Tuple()  # method, β, seed
    made = traitlets.Instance(ipywidgets.Box)  # all controls: hidden ones are closed with it too

    def __init__(self, models: dict[str, dict[float, dict[int, VAE]]]):
        self.models = models
        self.method = toggles("method", list(models), tip="What was minimized")
        self.betas = {method: _beta_control(list(by_beta)) for method, by_beta in models.items()}
        sets = {tuple(by_seed) for by_beta in models.values() for by_seed in by_beta.values()}
        tip = "The seed of the training"
        self.seeds = {seeds: toggles("seed", list(seeds), tip=tip) for seeds in sets}
        self.shown_beta, self.shown_seed = ipywidgets.Box(), ipywidgets.Box()
        made = ipywidgets.Box([*self.betas.values(), *self.seeds.values()])
        super().__init__([self.method, self.shown_beta, self.shown_seed], made=made)
        self.add_class("vae-selectors")
        self.method.observe(self._offer_betas, "value")
        self._offer_betas()

    @property
    def model(self) -> VAE:
        """The chosen model."""
        method, beta, seed = self.key
        return self.models[method][beta][seed]

    @property
    def name(self) -> str:
        """The chosen model in words."""
        method, beta, seed = self.key
        return f"{method}, β = {label_of(beta)}, seed {seed}"

    def _offer_betas(self, change: dict | None = None) -> None:
        """Another method: its βs are offered, and the nearest to the one before is chosen."""
        betas = list(self.models[self.method.value])
        before = self.betas[change["old"]].value if change else betas[0]
        nearest = min(betas, key=lambda beta: abs(beta - before))
        _offer(self.shown_beta, self.betas[self.method.value], nearest, self._offer_seeds)
        self._offer_seeds()

    def _offer_seeds(self, _change: dict | None = None) -> None:
        """Another method or β: its seeds are offered, and the one before is chosen if it can."""
        seeds = tuple(self.models[self.method.value][self.shown_beta.children[0].value])
        before = self.shown_seed.children[0].value if self.shown_seed.children else seeds[0]
        seed = before if before in seeds else seeds[0]
        _offer(self.shown_seed, self.seeds[seeds], seed, self._choose)
        self._choose()

    def _choose(self, _change: dict | None = None) -> None:
        beta, seed = (place.children[0].value for place in (self.shown_beta, self.shown_seed))
        self.key = (self.method.value, beta, seed)


def _beta_control(betas: list[float]) -> ipywidgets.SelectionSlider | ipywidgets.ToggleButtons:
    """A slider over the βs; a button for one β alone, which no slider can show."""
    options = [(label_of(beta), beta) for beta in betas]
    if len(betas) == 1:
        return toggles("β", options, tip="The only β of this method")
    tip = "β: drag, or use the arrow keys"
    return ipywidgets.SelectionSlider(options=options, description="β", tooltip=tip)


def _offer(
    place: ipywidgets.Box, control: ipywidgets.Widget, value: object, chosen: Callable
) -> None:
    """Put a control in its place, at a value; from then on a change by hand calls `chosen`."""
    control.unobserve_all("value")
    control.value = value
    control.observe(chosen, "value")
    place.children = (control,)


def _check_model(name: str, model: VAE, x: Tensor) -> None:
    """TypeError or ValueError unless it is a VAE of images like x, of 2 latent numbers or more."""
    check_vae(name, model, least=2)
    check_decodes_like(name, model, x)


def by_choice(models: Mapping[Key, VAE], x: Tensor) -> dict[str, dict[float, dict[int, VAE]]]:
    """{method: {beta: {seed: model}}}, βs and seeds in order.  TypeError or ValueError if wrong."""
    if not isinstance(models, Mapping) or not models:
        raise TypeError(
            f"models must map one (method, beta, seed) or more to a VAE, got {models!r}"
        )
    found: dict[str, dict[float, dict[int, VAE]]] = {}
    for key, model in models.items():
        if not _is_key(key):
            raise TypeError(
                "keys of models must be (method, beta, seed), "
                f'such as ("β-VAE", 10, 0), got {key!r}'
            )
        _check_model(f"models[{key!r}]", model, x)
        method, beta, seed = key
        found.setdefault(method, {}).setdefault(beta, {})[seed] = model
    for by_beta in found.values():
        labels_differ(by_beta)
    return {
        method: {beta: dict(sorted(by_seed.items())) for beta, by_seed in sorted(by_beta.items())}
        for method, by_beta in found.items()
    }


def _is_key(key: object) -> bool:
    """Whether it is a method, a text; a β, a finite number from 0 on; and a seed."""
    if not isinstance(key, tuple) or list(map(type, key)) not in (
        [str, float, int],
        [str, int, int],
    ):
        return False
    return key[0] != "" and 0 <= key[1] < torch.inf


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
    lefts = [LEFT + k * width for k in range(len(columns))]
    shapes, said = [], []
    for left, name in zip(lefts, columns, strict=True):
        shapes.append(svg_text(left + width / 2, HEAD - 8, escape(name), "middle"))
    for row, (name, values) in enumerate(zip(rows, shares.tolist(), strict=True)):
        y = HEAD + ROW * row
        shapes.append(svg_text(0, y + ROW / 2 + 5, name, css_class="vae-verdict"))
        for left, value in zip(lefts, values, strict=True):
            opacity = f'rx="6" fill-opacity="{0.05 + 0.7 * value:.3f}"'
            shapes.append(svg_rect(left, y, width, ROW, "vae-share", opacity))
            kind = "" if value < NAMED_FROM else "vae-most" if value == max(values) else "vae-told"
            place = (left + width / 2, y + ROW / 2 + 5)
            shapes.append(svg_text(*place, f"{value:.2f}", "middle", kind))
        pairs = zip(columns, values, strict=True)
        said.append(f"{name}: {', '.join(f'{column} {value:.2f}' for column, value in pairs)}")
    alt = f"Share of each factor's entropy that a dimension tells. {'; '.join(said)}."
    return svg(shapes, HEAD + ROW * len(rows), alt)
