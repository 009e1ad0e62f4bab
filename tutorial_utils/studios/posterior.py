"""Posterior explorer (notebook 02): q(z|x) of an image, to drag; its samples; an autoencoder."""

import math

import ipywidgets
import torch
from torch import Tensor, nn

from ..latent import side_by_side
from ..losses import bernoulli_nll, kl_standard_normal
from ..models import VAE, decode_images, encode_images, is_vae
from ..plotting import to_png
from ..support.arguments import classes_of, gray_images
from .base import Picture, Studio, check_autoencoder, check_vae, show_code
from .controls import ImageChooser, button
from .pad import CodeMap, code_map
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
    logits = model.decode(z.to(like))
    return bernoulli_nll(logits, x.to(like).expand(len(z), *x.shape)).float().cpu()


def posterior_loss(vae: VAE, x: Tensor, mu: Tensor, std: Tensor, eps: Tensor) -> dict[str, float]:
    """The loss of one image x [1, H, W], in nats, if its q(z|x) is N(mu, std^2), mu and std [D].

    Kingma and Welling (2014), eq. (10), as in notebook 02; recon_loss is the mean over z = mu + std
    * eps, eps [N, D].  std: above 0.  Returns {"recon_loss", "kl", "loss"}, loss their sum.
    """
    recon_loss = float(recon_losses(vae, x, mu + std * eps).mean())
    kl = float(kl_standard_normal(mu, 2 * std.log()))
    return {"recon_loss": recon_loss, "kl": kl, "loss": recon_loss + kl}


def image_row(images: Tensor, gap: int = 2) -> Tensor:
    """Images [N, H, W] side by side, `gap` gray pixels between: [H, N * (W + gap) - gap]."""
    return side_by_side(nn.functional.pad(images, (0, gap), value=0.5))[:, :-gap]


def svg_cloud(std: Tensor, steps: Tensor) -> str:
    """q(z|x) close up, however narrow, and samples of it.

    std: [2], of the ellipses at one and two standard deviations.  steps: [N, 2], from mu to the
    samples.  It reaches to 2.3 times the larger std, rounded up to 1, 2 or 5 times a power of ten.
    """
    reach = nice_step(2.3 * float(std.max()))
    (rx, ry), points = (50 * std / reach).tolist(), (50 * steps / reach).tolist()
    shapes = ['<path class="vae-axis" d="M -50 0 H 50 M 0 -50 V 50"/>']
    for k in (2, 1):
        radii = f'rx="{k * rx:.2f}" ry="{k * ry:.2f}"'
        shapes.append(f'<ellipse class="vae-ring vae-sigma-{k}" {radii}/>')
    for right, up in points:
        shapes.append(f'<circle class="vae-dot" cx="{right:.2f}" cy="{-up:.2f}" r="2.2"/>')
    shapes.append(f'<text x="-46" y="45">q(z|x), μ ± {reach:g}</text>')
    alt = "Close up: one and two standard deviations of q(z|x), "
    alt += f"and {len(points)} samples, within {reach:g} of mu"
    head = f'<svg viewBox="-50 -50 100 100" role="img" aria-label="{alt}">'
    return f"{head}{''.join(shapes)}</svg>"


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
        self.sliders = {std: self._slider(std) for std in ("std_x", "std_y")}
        self.numbers, self.cloud, self.beside = (_text("") for _ in range(3))
        self.samples, self.others = (Picture().add_class("vae-strip") for _ in range(2))
        self.pad.observe(self._draw, ["x", "y", "std_x", "std_y"])
        self.chooser.observe(lambda _change: self._answer(), "index")
        super().__init__("vae-explorer", *self._layout())
        self._answer()

    def _slider(self, std: str) -> ipywidgets.FloatLogSlider:
        """A slider for one std of the map, on a scale of powers of ten."""
        limits = {"min": 1 - DECIMALS, "max": math.log10(self.pad.extent), "step": STEP}
        slider = ipywidgets.FloatLogSlider(1, readout=False, **limits)
        slider.observe(lambda _change: self._slide(std), "value")
        return slider

    def _layout(self) -> list[ipywidgets.Widget]:
        """The image and its numbers; below them the VAE, and the autoencoder on its right."""
        answer = button("The encoder’s answer", self._answer, tip="Put μ and σ back to it")
        width = ipywidgets.VBox([*self.sliders.values(), answer]).add_class("vae-width")
        of_vae = [
            _text("<b>VAE</b>: the code is a distribution, q(z|x)"),
            self.pad,
            _text(f"{N_SHOWN} samples of z, each decoded: mean of p(x|z)"),
            self.samples,
            ipywidgets.HBox([self.cloud.add_class("vae-cloud"), width]).add_class("vae-controls"),
        ]
        of_autoencoder = [
            _text("<b>Trained without noise</b>: the code is a point"),
            self.other,
            _text(f"{N_SHOWN} neighbors of the code, each decoded"),
            self.others,
            self.beside,
        ]
        head = ipywidgets.HBox([self.chooser.add_class("vae-chosen"), self.numbers])
        halves = [ipywidgets.VBox(half) for half in (of_vae, of_autoencoder)]
        return [head.add_class("vae-head"), ipywidgets.Box(halves).add_class("vae-halves")]

    def _answer(self) -> None:
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
        mu, std = torch.tensor(state).split(2)
        z = mu + std * self.eps
        self._draw_vae(mu, std, z)
        # On each axis a step keeps its length in standard deviations of all codes.
        steps = (z - self.answer[0]) / self.mu.std(0) * self.codes.std(0)
        self._draw_autoencoder(self.codes[self.chooser.index], steps)

    def _moved(self, std: str) -> bool:
        """Whether a slider is more than half a step off its std.

        Less is no move by hand: the page puts sliders on whole steps by itself.
        """
        return abs(math.log10(self.sliders[std].value / getattr(self.pad, std))) > 0.51 * STEP

    def _slide(self, std: str) -> None:
        if self._moved(std):
            setattr(self.pad, std, self.sliders[std].value)

    def _draw_vae(self, mu: Tensor, std: Tensor, z: Tensor) -> None:
        loss = posterior_loss(self.vae, self.x[self.chooser.index], mu, std, self.eps)
        self.cloud.value = svg_cloud(std, z[:N_SHOWN] - mu)
        what = "samples of z, decoded to means of p(x|z)"
        show_codes(z[:N_SHOWN], self.vae, self.pad, self.samples, what)
        self.numbers.value = loss_table((mu, std, loss), self.answer)
        numbers = ", ".join(f"{name} {value:.1f}" for name, value in loss.items())
        where = f"mu = {show_code(mu, DECIMALS)}, std = {show_code(std, DECIMALS)}"
        said = compare(loss["loss"], self.answer[2]["loss"])
        self.pad.text = f"{where}; {numbers} nats. {said}"

    def _draw_autoencoder(self, code: Tensor, steps: Tensor) -> None:
        """The autoencoder's image at its code [D], and around it, at steps [N, D] away."""
        codes = torch.cat([code[None], code + steps])
        image = self.x[self.chooser.index]
        at_code, *near = recon_losses(self.autoencoder, image, codes).tolist()
        shown, what = codes[1 : 1 + N_SHOWN], "decoded neighbors of the code"
        show_codes(shown, self.autoencoder, self.other, self.others, what)
        outside = int((shown.abs() > self.other.extent).any(1).sum())
        beyond = f" ({outside} outside the map)" if outside else ""
        same = f"the same {N_SHOWN} steps from this code as on the left from the encoder’s μ"
        beside = f"{sum(near) / len(near):.1f} beside it (mean of {len(near)})"
        text = [
            f"Dots: {same}, as long in standard deviations of all codes{beyond}.",
            f"recon_loss: {at_code:.1f} nats at the code, {beside}.",
        ]
        self.beside.value = "<br>".join(text)
        self.other.text = f"code = {show_code(code)}. {' '.join(text)}"


def show_codes(z: Tensor, model: nn.Module, pad: CodeMap, row: Picture, what: str) -> None:
    """Codes z [N, 2] as dots on a map, and decoded as a row of images; what: what they are."""
    pad.dots = z.tolist()
    row.value = to_png(image_row(decode_images(model, z)))
    row.alt = f"{len(z)} {what}: {', '.join(map(show_code, z))}"


def _text(html: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(html).add_class("vae-label")
