"""Posterior explorer (notebook 02): q(z|x) of an image, to drag; its samples; an autoencoder."""

import math

import ipywidgets
import torch
from torch import Tensor, nn

from ..losses import bernoulli_nll, kl_standard_normal
from ..models import VAE, decode_images, encode_images, is_vae
from ..plotting import to_png
from ..support.arguments import classes_of, float_tensor, gray_images
from .base import Picture, Studio, check_autoencoder, check_vae, show_code
from .controls import ImageChooser
from .pad import code_map
from .svg import nice_step

N_SHOWN = 8  # samples that are decoded and shown
N_MEAN = 64  # samples that a recon_loss is the mean over; the shown ones are the first of them
DECIMALS = 4  # of mu and std: a std can be as small as 0.005
STEP = 0.05  # of a slider, in powers of ten: 12 %, more than the last digit of the least std


def fixed_eps() -> Tensor:
    """64 draws eps of N(0, I), [64, 2], the same at every call.

    z = mu + std * eps moves only with mu and std.  Shifted and scaled to mean 0 and covariance I
    exactly: so few draws would otherwise favor some mu and std.
    """
    eps = torch.randn(N_MEAN, 2, generator=torch.Generator().manual_seed(0))
    eps = eps - eps.mean(0)
    root = torch.linalg.cholesky(eps.T @ eps / N_MEAN)
    return torch.linalg.solve_triangular(root, eps.T, upper=False).T


@torch.inference_mode()
def recon_losses(model: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    """-log p(x|z) of one image x [1, H, W] with Bernoulli pixels, at codes z [N, D]: [N] nats."""
    like = next(model.parameters())
    logits = model.decode(float_tensor("z", z, ndim=2).to(like))
    return bernoulli_nll(logits, x.to(like).expand(len(z), *x.shape)).float().cpu()


def posterior_loss(vae: VAE, x: Tensor, mu: Tensor, std: Tensor, eps: Tensor) -> dict[str, float]:
    """The loss of one image x [1, H, W], in nats, if its q(z|x) is N(mu, std^2), mu and std [D].

    Kingma and Welling (2014), eq. (10), as in notebook 02; recon_loss is the mean over z = mu + std
    * eps, eps [N, D]. Returns {"recon_loss", "kl", "loss"}, loss their sum.  Raises ValueError for
    a std that is not above 0.
    """
    if not (std > 0).all():
        raise ValueError(f"std must be above 0, got {std.tolist()}")
    recon_loss = float(recon_losses(vae, x, mu + std * eps).mean())
    kl = float(kl_standard_normal(mu, 2 * std.log()))
    return {"recon_loss": recon_loss, "kl": kl, "loss": recon_loss + kl}


def neighbors(code: Tensor, steps: Tensor, std: Tensor, code_std: Tensor) -> Tensor:
    """Codes [N, D] around `code` [D], at steps [N, D] that were taken in another latent space.

    On each axis a step keeps its length in standard deviations of all codes: std [D] there,
    code_std [D] here.
    """
    return code + steps / std * code_std


def image_row(images: Tensor, gap: int = 2) -> Tensor:
    """Images [N, H, W] side by side, `gap` gray pixels between: [H, N * (W + gap) - gap]."""
    padded = nn.functional.pad(images, (0, gap), value=0.5)
    return torch.cat(list(padded), dim=1)[:, : padded.shape[2] * len(images) - gap]


def svg_cloud(std: Tensor, steps: Tensor) -> tuple[str, str]:
    """q(z|x) close up, however narrow, and samples of it: (SVG, alt).

    std: [2], of the ellipses at one and two standard deviations.  steps: [N, 2], from mu to the
    samples.  It reaches to 2.3 times the larger std, rounded up to 1, 2 or 5 times a power of ten.
    """
    reach = nice_step(2.3 * float(std.max()))
    (rx, ry), points = (50 * std / reach).tolist(), (50 * steps / reach).tolist()
    shapes = ['<path class="vae-axis" d="M -50 0 H 50 M 0 -50 V 50"/>']
    shapes += [
        f'<ellipse class="vae-ring vae-sigma-{k}" rx="{k * rx:.2f}" ry="{k * ry:.2f}"/>'
        for k in (2, 1)
    ]
    shapes += [
        f'<circle class="vae-dot" cx="{right:.2f}" cy="{-up:.2f}" r="2.2"/>' for right, up in points
    ]
    shapes.append(f'<text x="-46" y="45">q(z|x), μ ± {reach:g}</text>')
    alt = "Close up: one and two standard deviations of q(z|x), "
    alt += f"and {len(points)} samples, within {reach:g} of mu"
    head = f'<svg viewBox="-50 -50 100 100" role="img" aria-label="{alt}">'
    return f"{head}{''.join(shapes)}</svg>", alt


Answer = tuple[Tensor, Tensor, dict[str, float]]  # mu, std, the loss and its terms


def loss_table(yours: Answer, encoders: Answer) -> str:
    """Your q(z|x) beside the encoder's, as an HTML table, and which of the losses is higher."""
    columns = []
    for mu, std, loss in (yours, encoders):
        codes = [show_code(part.round(decimals=DECIMALS), 3) for part in (mu, std)]
        columns.append([*codes, *(f"{value:.1f}" for value in loss.values())])
    loss, answer = yours[2], encoders[2]
    rows = [
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{value}</td>" for value in values)}</tr>'
        for name, *values in zip(("μ", "σ", *loss), *columns, strict=True)
    ]
    head = '<tr><td></td><th scope="col">your q(z|x)</th><th scope="col">the encoder’s</th></tr>'
    verdict = f"<b>{compare(loss['loss'], answer['loss'])}</b>"
    return f'<table class="vae-numbers">{head}{"".join(rows)}</table>{verdict}'


def compare(loss: float, answer: float) -> str:
    """A sentence on a loss and that of the encoder's answer, both in nats."""
    difference = round(loss - answer, 1)
    if difference == 0:
        return "Your loss and the encoder’s are equal."
    way = "higher" if difference > 0 else "lower"
    return f"Your loss is {abs(difference):.1f} nats {way} than the encoder’s."


def encode_all(name: str, model: nn.Module, x: Tensor) -> list[Tensor]:
    """The encoder's output for x [N, 1, H, W]: mu and logvar, or codes alone, [N, 2] each.

    Raises ValueError unless there are two numbers per image that differ between images.
    """
    parts = list(encode_images(model, x))
    if list(parts[0].shape) != [len(x), 2]:
        raise ValueError(
            f"{name} must have two latent numbers per image, got shape {list(parts[0].shape)}"
        )
    if not (parts[0].std(0, correction=0) > 0).all():
        raise ValueError(
            f"{name} must give different images different codes on both axes; "
            f"x holds {len(x)} images"
        )
    return parts


def posterior_explorer(
    vae: VAE, autoencoder: nn.Module, x: Tensor, y: Tensor
) -> "PosteriorExplorer":
    """A map on which q(z|x) of one image is dragged; its loss and 8 decoded samples follow.

    vae: a VAE of gray images with two latent numbers.  autoencoder: the same network trained
    without noise, its code two numbers.  x: [N, 1, H, W] in [0, 1], the images on the maps.  y:
    [N], the classes. Raises TypeError or ValueError for a bad argument.
    """
    check_vae("vae", vae)
    check_autoencoder("autoencoder", autoencoder)
    if is_vae(autoencoder):
        raise TypeError("autoencoder must be trained without noise, got a VAE")
    return PosteriorExplorer(vae, autoencoder, gray_images(x), classes_of(y, x, "x"))


class PosteriorExplorer(Studio):
    """What `posterior_explorer` returns: `pad` is the VAE's map, `other` the autoencoder's."""

    def __init__(self, vae: VAE, autoencoder: nn.Module, x: Tensor, y: Tensor):
        self.vae, self.autoencoder, self.x, self.eps = vae, autoencoder, x, fixed_eps()
        self.mu, logvar = encode_all("vae", vae, x)
        self.std = (0.5 * logvar).exp()
        (self.codes,) = encode_all("autoencoder", autoencoder, x)
        reach = max(3.5, 1.03 * float(self.mu.abs().max()))  # every mean is on the map
        hint = "Drag, or use the arrow keys (Shift: larger steps): μ. Drag a square: σ. "
        hint += "Ellipses: 1σ, and dashed 2σ."
        self.pad = code_map(self.mu, y, reach, decimals=DECIMALS, hint=hint)
        reach = 1.1 * float(self.codes.abs().amax(1).quantile(0.995))
        hint = f"Ring: the code of the image. Dots: {N_SHOWN} points beside it. "
        hint += "Nothing on this map can be dragged."
        self.other = code_map(self.codes, y, reach, passive=True, hint=hint)
        self.chooser = ImageChooser("Class", "The chosen image", x, y, 0)
        limits = {
            "min": 1 - DECIMALS,
            "max": math.log10(self.pad.extent),
            "step": STEP,
            "readout": False,
        }
        self.sliders = {std: ipywidgets.FloatLogSlider(1, **limits) for std in ("std_x", "std_y")}
        self.button = ipywidgets.Button(
            description="The encoder’s answer", tooltip="Put μ and σ back to it"
        )
        self.numbers, self.cloud, self.beside = (_text("") for _ in range(3))
        self.samples, self.others = (Picture().add_class("vae-strip") for _ in range(2))
        for std, slider in self.sliders.items():
            slider.observe(lambda _change, std=std: self._slide(std), "value")
        self.pad.observe(self._draw, ["x", "y", "std_x", "std_y"])
        self.chooser.observe(self._answer, "index")
        self.button.on_click(self._answer)
        super().__init__("vae-explorer", *self._layout())
        self._answer()

    def _layout(self) -> list[ipywidgets.Widget]:
        """The image and its numbers; below them the VAE, and the autoencoder on its right."""
        width = ipywidgets.VBox([*self.sliders.values(), self.button]).add_class("vae-width")
        halves = [
            (
                _text("<b>VAE</b>: the code is a distribution, q(z|x)"),
                self.pad,
                _text(f"{N_SHOWN} samples of z, each decoded: mean of p(x|z)"),
                self.samples,
                ipywidgets.HBox([self.cloud.add_class("vae-cloud"), width]).add_class(
                    "vae-controls"
                ),
            ),
            (
                _text("<b>Trained without noise</b>: the code is a point"),
                self.other,
                _text(f"{N_SHOWN} neighbors of the code, each decoded"),
                self.others,
                self.beside,
            ),
        ]
        head = ipywidgets.HBox([self.chooser.add_class("vae-chosen"), self.numbers]).add_class(
            "vae-head"
        )
        return [
            head,
            ipywidgets.Box([ipywidgets.VBox(half) for half in halves]).add_class("vae-halves"),
        ]

    def _answer(self, _change: object = None) -> None:
        """Another image, or the button was pressed: the encoder's answer is put on the maps."""
        index, pad = self.chooser.index, self.pad
        mu, std = self.mu[index], self.std[index]
        self.answer = (mu, std, posterior_loss(self.vae, self.x[index], mu, std, self.eps))
        self.other.x, self.other.y = self.codes[index].tolist()
        self._drawn = None
        with pad.hold_trait_notifications():
            (pad.x, pad.y), (pad.std_x, pad.std_y) = mu.tolist(), std.tolist()
        self._draw()

    def _draw(self, _change: object = None) -> None:
        """mu, std or the image has changed: samples, numbers and the neighbors follow."""
        state = (self.pad.x, self.pad.y, self.pad.std_x, self.pad.std_y)
        if state == self._drawn:  # one move changes x and y: two calls
            return
        self._drawn = state
        for name, (std, slider) in zip(("σ₁", "σ₂"), self.sliders.items(), strict=True):
            slider.description = f"{name} = {getattr(self.pad, std):.{DECIMALS}f}"
            if self._moved(std):
                slider.value = getattr(self.pad, std)
        self._draw_vae(*torch.tensor(state).split(2))

    def _moved(self, std: str) -> bool:
        """Whether a slider is more than half a step off its std.

        Less is no move by hand: the page puts sliders on whole steps by itself.
        """
        return abs(math.log10(self.sliders[std].value / getattr(self.pad, std))) > 0.51 * STEP

    def _slide(self, std: str) -> None:
        if self._moved(std):
            setattr(self.pad, std, self.sliders[std].value)

    def _draw_vae(self, mu: Tensor, std: Tensor) -> None:
        image, (answer_mu, _, answer) = self.x[self.chooser.index], self.answer
        z = mu + std * self.eps
        loss = posterior_loss(self.vae, image, mu, std, self.eps)
        shown = z[:N_SHOWN]
        self.pad.dots = shown.tolist()
        self.cloud.value, _alt = svg_cloud(std, shown - mu)
        self.samples.value = to_png(image_row(decode_images(self.vae, shown)))
        codes = ", ".join(map(show_code, shown))
        self.samples.alt = f"{N_SHOWN} samples of z, decoded to means of p(x|z): {codes}"
        self.numbers.value = loss_table((mu, std, loss), self.answer)
        numbers = ", ".join(f"{name} {value:.1f}" for name, value in loss.items())
        where = f"mu = {show_code(mu, DECIMALS)}, std = {show_code(std, DECIMALS)}"
        self.pad.text = f"{where}; {numbers} nats. {compare(loss['loss'], answer['loss'])}"
        self._draw_other(z - answer_mu)

    def _draw_other(self, steps: Tensor) -> None:
        image, code = self.x[self.chooser.index], self.codes[self.chooser.index]
        z = neighbors(code, steps, self.mu.std(0), self.codes.std(0))
        at_code, *near = recon_losses(self.autoencoder, image, torch.cat([code[None], z])).tolist()
        shown = z[:N_SHOWN]
        self.other.dots = shown.tolist()
        self.others.value = to_png(image_row(decode_images(self.autoencoder, shown)))
        self.others.alt = (
            f"{N_SHOWN} decoded neighbors of the code: {', '.join(map(show_code, shown))}"
        )
        outside = sum(max(map(abs, point)) > self.other.extent for point in shown.tolist())
        beyond = f" ({outside} outside the map)" if outside else ""
        steps = f"the same {N_SHOWN} steps from this code as on the left from the encoder’s μ"
        beside = f"{sum(near) / len(near):.1f} beside it (mean of {len(near)})"
        text = [
            f"Dots: {steps}, as long in standard deviations of all codes{beyond}.",
            f"recon_loss: {at_code:.1f} nats at the code, {beside}.",
        ]
        self.beside.value = "<br>".join(text)
        self.other.text = f"code = {show_code(code)}. {' '.join(text)}"


def _text(html: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(html).add_class("vae-label")
