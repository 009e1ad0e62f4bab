"""Traversal of sprites (notebook 07): a slider per latent dimension, named after the factor that it encodes."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import ipywidgets
import torch
from torch import Tensor

from ..latent import name_of_dimension, traverse
from ..models import VAE, decode_images, encode_image, is_vae
from ..plotting import to_png
from ..support.arguments import positive_int, same_shape
from ..topics.disentanglement import NAMED_FROM, Measured, checked_names, measure_model
from ..topics.sprites import middle_of, value_of
from .base import (
    ControlNames,
    PanelView,
    Part,
    Picture,
    describe,
    name_of_decoded,
    show_code,
    style_sheet,
)
from .beta import label_of, labels_differ
from .svg import number, svg_text
from .traversal import CodeSliders, say_rest

Key = tuple[str, float, int]  # method, β, seed
REACH = 2.5  # of a slider, in standard deviations of the prior
VALUES = torch.linspace(-2, 2, 9)  # of a row of the static twin
TITLE = "Share of a factor’s entropy told"
CAPTION = "1: the dimension tells the factor. Bold: what names the dimension, from 0.1 on."


def traversal_studio(
    models: Mapping[Key, VAE], x: Tensor, factors: Tensor, names: Sequence[str], *, n_dims: int = 6
) -> "TraversalStudio":
    """Choose a model, move the code of a sprite on a slider per dimension, and see which factor each dimension tells.

    Notebook 07.  models: {(method, beta, seed): VAE}, such as ("β-VAE", 10, 0); not every
    combination need be there. x: [N, 1, H, W] in [0, 1].  factors: [N, K] whole numbers, names: K
    texts, as from sprites.  n_dims: sliders, for the dimensions with the largest mean KL.  Raises
    TypeError or ValueError for a bad argument.
    """
    names = checked_names(x, factors, names)
    return TraversalStudio(_by_choice(models, x), x, factors, names, positive_int("n_dims", n_dims))


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
    """Rows for `plotting.show_rows`: one dimension of an image's code takes each of the n values.  The static twin.

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


class TraversalStudio(ipywidgets.VBox):
    """What `traversal_studio` returns: `method`, and `betas`, `seeds` by what is offered, choose the model `key`.

    `measured` is what is said of it, `index` the sprite's row of x; `code.z` is decoded in
    `picture`.
    """

    def __init__(self, models: dict, x: Tensor, factors: Tensor, names: list[str], n_dims: int):
        self.models, self.x, self.factors, self.names, self.n_dims = (
            models,
            x,
            factors,
            names,
            n_dims,
        )
        self.index = middle_of(factors)
        self._known: dict[Key, Measured] = {}
        self._generator = torch.Generator().manual_seed(
            0
        )  # the learner's own random numbers stay as they are
        self.code, self.view = CodeSliders(REACH, self._show), PanelView()
        self.picture, self.sprite = (
            Picture().add_class("vae-picture"),
            Picture().add_class("vae-end-picture"),
        )
        self.numbers, self.said, self.caption, self.values = (ipywidgets.HTML() for _ in range(4))
        self._make_selectors()
        super().__init__([style_sheet(), *self._layout()])
        self.add_class("vae-explorer").add_class("vae-dimensions")
        self._offer_betas()

    def _make_selectors(self) -> None:
        """One control for all methods, one for the βs of each method, one for each set of seeds."""
        self.method = _buttons("method", list(self.models), "What was minimized")
        self.betas = {
            method: _beta_control(list(by_beta)) for method, by_beta in self.models.items()
        }
        sets = {tuple(by_seed) for by_beta in self.models.values() for by_seed in by_beta.values()}
        self.seeds = {
            seeds: _buttons("seed", list(seeds), "The seed of the training") for seeds in sets
        }
        self.shown_beta, self.shown_seed = ipywidgets.Box(), ipywidgets.Box()
        self.method.observe(self._offer_betas, "value")

    def _layout(self) -> list[ipywidgets.Widget]:
        """The model above; below, picture, sliders and map, side by side as far as there is room."""
        texts = {
            "Another sprite": "Encode another image",
            "Encode anew": "Back to the mean of q(z|x) of the sprite",
        }
        texts["z = 0"] = "The center of the prior"
        another, anew, zero = (
            ipywidgets.Button(description=text, tooltip=tip) for text, tip in texts.items()
        )
        another.on_click(lambda _button: self._draw_sprite())
        anew.on_click(lambda _button: self._encode())
        zero.on_click(
            lambda _button: self._go(
                torch.zeros_like(self.code.z), "z = 0: the center of the prior."
            )
        )
        selectors = ipywidgets.Box([self.method, self.shown_beta, self.shown_seed]).add_class(
            "vae-selectors"
        )
        foot = ipywidgets.Box([self.sprite, self.caption, another, anew, zero]).add_class(
            "vae-sprite"
        )
        title = ipywidgets.HTML('<p class="vae-title">Mean of p(x|z)</p>')
        left = ipywidgets.Box([title, self.picture, foot, self.said]).add_class("vae-decoded")
        head = '<p class="vae-title">Turn a number of z</p><p class="vae-hint">largest KL first</p>'
        sliders = ipywidgets.Box([self.code, self.values.add_class("vae-values")]).add_class(
            "vae-valued"
        )
        middle = ipywidgets.Box([ipywidgets.HTML(head), sliders]).add_class("vae-turned")
        three = ipywidgets.Box([left, middle, self.view]).add_class("vae-three")
        return [selectors, ControlNames(), self.numbers, three]

    @property
    def key(self) -> Key:
        """The chosen model's (method, β, seed)."""
        beta = self.betas[self.method.value].value
        return (
            self.method.value,
            beta,
            self.seeds[tuple(self.models[self.method.value][beta])].value,
        )

    @property
    def model(self) -> VAE:
        """The chosen model."""
        method, beta, seed = self.key
        return self.models[method][beta][seed]

    def _offer_betas(self, change: dict | None = None) -> None:
        """Another method: its βs are offered, and the nearest to the one before is chosen."""
        betas = list(self.models[self.method.value])
        before = self.betas[change["old"]].value if change else betas[0]
        nearest = min(betas, key=lambda beta: abs(beta - before))
        _offer(self.shown_beta, self.betas[self.method.value], nearest, self._offer_seeds)
        self._offer_seeds()

    def _offer_seeds(self, _change: dict | None = None) -> None:
        """Another method or β: its seeds are offered, and the one before is chosen, where it is among them."""
        seeds = tuple(self.models[self.method.value][self.betas[self.method.value].value])
        before = self.shown_seed.children[0].value if self.shown_seed.children else seeds[0]
        _offer(
            self.shown_seed, self.seeds[seeds], before if before in seeds else seeds[0], self._load
        )
        self._load()

    def _load(self, _change: dict | None = None) -> None:
        """Another model: it is measured, the first time; the sprite is encoded anew."""
        if self.key not in self._known:
            self._known[self.key] = measure_model(self.model, self.x, self.factors, self.names)
        self.measured = self._known[self.key]
        titles = self.measured.titles(self.n_dims)
        self.code.assign(titles, self._mean())
        self._encode()
        scores = {"−ELBO at β\u00a0=\u00a01": f"{number(self.measured.loss)} nats"}
        scores |= {"kl": f"{number(self.measured.rate)} nats", "MIG": f"{self.measured.mig:.2f}"}
        self.numbers.value = f'<p class="vae-line">{"".join(f"<span>{k} <b>{v}</b></span>" for k, v in scores.items())}'
        svg, alt = draw_shares(
            self.measured.shares[list(titles)], list(map(name_of_dimension, titles)), self.names
        )
        method, beta, seed = self.key
        with self.view.hold_sync():
            self.view.parts = [describe(Part(f"{TITLE}\n{CAPTION}", svg, alt))]
            said = ", ".join(f"{name} {value}" for name, value in scores.items())
            self.view.text = f"{method}, β = {label_of(beta)}, seed {seed}: {said}."

    def _draw_sprite(self) -> None:
        """Another sprite than this one, by chance."""
        step = int(torch.randint(1, len(self.x), (), generator=self._generator))
        self.index = (self.index + step) % len(self.x)
        self._encode()

    def _encode(self) -> None:
        values = zip(self.names, self.factors[self.index].tolist(), strict=True)
        text = ", ".join(f"{name} {value_of(name, level)}" for name, level in values)
        self.sprite.value, self.sprite.alt = (
            to_png(self.x[self.index, 0]),
            f"The sprite: image {self.index}, {text}",
        )
        self.caption.value = escape(text)
        self._go(self._mean(), "z is the mean of q(z|x) of the sprite.")

    def _mean(self) -> Tensor:
        return encode_image(self.model, self.x[self.index]).cpu()

    def _go(self, z: Tensor, said: str) -> None:
        self.code.go(z)
        self._show(said)

    def _show(self, said: str) -> None:
        """z has changed: show what the model decodes there."""
        self.picture.value = to_png(decode_images(self.model, self.code.z[None])[0])
        z = self.code.z.round(decimals=2)  # no "−0.00"
        values = {name_of_dimension(dim): show_code(z[[dim]])[1:-1] for dim in self.code.dims}
        self.values.value = "".join(f"<p>{value}</p>" for value in values.values())
        where = ", ".join(f"{name} = {value}" for name, value in values.items())
        self.picture.alt = f"{name_of_decoded(self.model)} at {where}"
        self.said.value = "<br>".join(
            map(escape, [said, *say_rest(self.measured.kl, self.code.dims)])
        )


def _buttons(name: str, options: list, tip: str) -> ipywidgets.ToggleButtons:
    tips, style = [tip] * len(options), {"button_width": "auto"}
    return ipywidgets.ToggleButtons(options=options, description=name, tooltips=tips, style=style)


def _beta_control(betas: list[float]) -> ipywidgets.SelectionSlider | ipywidgets.ToggleButtons:
    """A slider over the βs; of one β alone, which no slider can show, a button."""
    options = [(label_of(beta), beta) for beta in betas]
    if len(betas) == 1:
        return _buttons("β", options, "The only β of this method")
    return ipywidgets.SelectionSlider(
        options=options, description="β", tooltip="β: drag, or use the arrow keys"
    )


def _offer(
    place: ipywidgets.Box, control: ipywidgets.Widget, value: object, chosen: Callable
) -> None:
    """Put a control in its place, at a value; from then on a change by hand calls `chosen`."""
    control.unobserve_all("value")
    control.value = value
    control.observe(chosen, "value")
    place.children = (control,)


def _check_model(of: str, model: VAE, x: Tensor) -> None:
    """Raises TypeError or ValueError unless it is a VAE of images like x, with two latent numbers or more."""
    if not is_vae(model) or model.latent_dim < 2:
        size = getattr(model, "latent_dim", None)
        kind = f"{type(model).__name__} with latent_dim {size!r}"
        raise TypeError(f"{of} must be a VAE with two latent numbers or more, got {kind}")
    decoded = decode_images(model, torch.zeros(1, model.latent_dim))
    same_shape(f"{of}: a decoded image", decoded, "an image of x", x[0])


def _by_choice(models: Mapping[Key, VAE], x: Tensor) -> dict[str, dict[float, dict[int, VAE]]]:
    """{method: {beta: {seed: model}}}, βs and seeds in order; TypeError or ValueError unless all is right."""
    if not isinstance(models, Mapping) or not models:
        raise TypeError(
            f"models must map one (method, beta, seed) or more to a VAE, got {models!r}"
        )
    found: dict[str, dict[float, dict[int, VAE]]] = {}
    for key, model in models.items():
        ok = isinstance(key, tuple) and len(key) == 3 and isinstance(key[0], str) and key[0]
        if (
            not ok
            or type(key[1]) not in (int, float)
            or type(key[2]) is not int
            or not 0 <= key[1] < torch.inf
        ):
            raise TypeError(
                f'keys of models must be (method, beta, seed), such as ("β-VAE", 10, 0), got {key!r}'
            )
        _check_model(f"models[{key!r}]", model, x)
        found.setdefault(key[0], {}).setdefault(key[1], {})[key[2]] = model
    for by_beta in found.values():
        labels_differ(by_beta)
    return {
        method: {beta: dict(sorted(by_seed.items())) for beta, by_seed in sorted(by_beta.items())}
        for method, by_beta in found.items()
    }


HEAD, ROW = (
    24,
    44,
)  # pixels of the map: the names of the factors, a row; a slider is as high as a row
LEFT = 10.0  # percent: where the first column of the map starts


def draw_shares(shares: Tensor, rows: Sequence[str], columns: Sequence[str]) -> tuple[str, str]:
    """A map of the shares [R, K] in [0, 1], the darker the more, each with its number: SVG, and its words.

    rows, columns: their names.  The largest share of a row is bold, if it names its dimension.
    """
    width, shapes, said = (100 - LEFT) / len(columns), [], []
    for k, name in enumerate(columns):
        shapes.append(svg_text(LEFT + (k + 0.5) * width, HEAD - 8, escape(name), "middle"))
    for row, (name, values) in enumerate(zip(rows, shares.tolist(), strict=True)):
        y = HEAD + ROW * row
        shapes.append(svg_text(0, y + ROW / 2 + 5, name, "start", "vae-verdict"))
        for k, value in enumerate(values):
            box = f'x="{LEFT + k * width:.2f}%" width="{width:.2f}%" y="{y}" height="{ROW}" rx="6"'
            kind = (
                "vae-most"
                if value == max(values) >= NAMED_FROM
                else "vae-told"
                if value >= NAMED_FROM
                else ""
            )
            shapes.append(
                f'<rect class="vae-share" {box} fill-opacity="{0.05 + 0.7 * value:.3f}"/>'
            )
            shapes.append(
                svg_text(LEFT + (k + 0.5) * width, y + ROW / 2 + 5, f"{value:.2f}", "middle", kind)
            )
        told = ", ".join(
            f"{column} {value:.2f}" for column, value in zip(columns, values, strict=True)
        )
        said.append(f"{name}: {told}")
    alt = f"Share of each factor's entropy that a dimension tells. {'; '.join(said)}."
    height = HEAD + ROW * len(rows)
    return (
        f'<svg width="100%" height="{height}" role="img" aria-label="{escape(alt)}">{"".join(shapes)}</svg>',
        alt,
    )
