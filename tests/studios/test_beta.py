"""Panels of the β slider: what they show is what the models give, for models set by hand, too."""

import math
import re

import numpy as np
import pytest
import torch
from helpers.pictures import pixels
from helpers.svg import elements, number, root, text_of, texts
from helpers.widgets import numbers
from torch import nn

from tutorial_utils.latent import decode_grid
from tutorial_utils.losses import kl_per_dimension
from tutorial_utils.models import VAE, Autoencoder, decode_images, mlp
from tutorial_utils.plotting import COLORS
from tutorial_utils.studios.base import Part, describe
from tutorial_utils.studios.beta_charts import HEIGHT, svg_bars, svg_densities, svg_tradeoff
from tutorial_utils.studios.beta_panels import (
    ACTIVE,
    PIXELS,
    beta_panels,
    extent_of,
    label_of,
    multiplier_panels,
)
from tutorial_utils.training import local_seed

BETAS = (200, 0, 1e-7, 0.5)
NAMES = ("table", "means", "samples", "manifold", "bars", "tradeoff", "reconstructions", "prior")


class Says(nn.Module):
    """An encoder set by hand: mu is `scale` times the first D pixels, plus `shift`."""

    def __init__(self, dim: int, scale: float = 1.0, std: float = 0.5, shift: float = 0.0):
        super().__init__()
        self.dim, self.scale, self.std, self.shift = dim, scale, std, shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mu = self.scale * x.flatten(1)[:, : self.dim] + self.shift
        return torch.cat([mu, torch.full_like(mu, 2 * math.log(self.std))], dim=1)


class Paints(nn.Module):
    """A decoder set by hand: pixel k of 64 has the logit `gain` times z_(k mod D)."""

    def __init__(self, dim: int, gain: float = 1.0):
        super().__init__()
        self.dim, self.gain = dim, nn.Parameter(torch.tensor(gain))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.gain * z[:, torch.arange(64) % self.dim].reshape(-1, 1, 8, 8)


def by_hand(dim: int = 2, gain: float = 1.0, **said) -> VAE:
    return VAE(Says(dim, **said), Paints(dim, gain), latent_dim=dim)


@pytest.fixture(scope="module")
def noise() -> tuple[torch.Tensor, torch.Tensor]:
    """3,000 images of noise, of ten classes."""
    with local_seed(0):
        return torch.rand(3000, 1, 8, 8), torch.arange(3000) % 10


def scores_of(models: dict) -> dict:
    return {key: {"recon_loss": 40.0 + 3 * k, "kl": 4.0**k} for k, key in enumerate(sorted(models))}


def draw(models: dict, images: tuple[torch.Tensor, torch.Tensor]) -> dict[str, dict[str, Part]]:
    panels = beta_panels(models, scores_of(models), *images)
    return {label: dict(zip(NAMES, parts, strict=True)) for label, parts in panels.items()}


def one_of_each(**said) -> dict:
    return {(2, 1): by_hand(2, **said), (5, 1): by_hand(5)}


def untrained(dim: int, seed: int) -> VAE:
    with local_seed(seed):
        return VAE(mlp([64, 2 * dim]), mlp([dim, 64], out_shape=(1, 8, 8)), latent_dim=dim)


@pytest.fixture(scope="module")
def models() -> dict:
    return {(dim, beta): untrained(dim, k) for dim in (2, 5) for k, beta in enumerate(BETAS)}


@pytest.fixture(scope="module")
def panels(models, digits) -> dict[str, dict[str, Part]]:
    """The panels of these models and the 8x8 digits, drawn once."""
    return draw(models, (digits.x_test, digits.y_test))


def same(part: Part, image: torch.Tensor) -> None:
    """The picture of a part is `image` [H, W], to 1 of 255."""
    gray = pixels(part.content, "RGBA")[..., 0]
    assert gray.shape == tuple(image.shape)
    assert abs(gray - 255 * image.detach().numpy()).max() <= 1.01


def caption(part: Part) -> str:
    return part.title.partition("\n")[2].replace("\u00a0", " ")


def stds(part: Part) -> list[float]:
    said = re.search(r"Std z₁ [\d.]+, z₂ [\d.]+\.$", caption(part))[0]
    return numbers(said)


# ---- the pictures are the models' ----


def test_labels_are_sorted_and_short(panels):
    assert list(panels) == ["0", "1e-7", "0.5", "200"]
    labels = ["0", "1e-7", "0.01", "0.1", "1", "2", "12", "1e9"]
    assert [label_of(float(label)) for label in labels] == labels


def test_how_much_room_a_part_takes_and_that_it_has_a_text(panels):
    kinds = ["row", "square", "square", "square", "square", "broad", "strip", "strip"]
    for panel in panels.values():
        assert [describe(part)["kind"] for part in panel.values()] == kinds
        assert all(len(part.alt) > 20 for part in panel.values())
        for chart in (panel["bars"].content, panel["tradeoff"].content):
            assert not re.search("#|font-size", chart)  # colors and sizes are the style sheet's


@torch.no_grad()
def test_pictures_are_what_each_model_gives(models, panels, digits):
    x, y = digits.x_test, digits.y_test
    firsts = x[[int((y == label).nonzero()[0]) for label in range(10)]]
    for label, panel in panels.items():
        pair = [models[dim, float(label)] for dim in (2, 5)]
        same(panel["manifold"], decode_grid(pair[0], 10))
        rows = [firsts[:, 0], *(decode_images(model, model.encode(firsts)[0]) for model in pair)]
        same(panel["reconstructions"], torch.cat([torch.cat(list(row), dim=1) for row in rows]))


def test_prior_samples_decode_the_same_normal_numbers_at_every_beta(noise):
    gains = {0: 0.5, 1: 1.0}
    models = {(dim, beta): by_hand(dim, gain) for dim in (2, 5) for beta, gain in gains.items()}
    codes = {}
    for label, panel in draw(models, noise).items():
        image = torch.tensor(pixels(panel["prior"].content, "RGBA")[..., 0]) / 255
        tiles = image.reshape(2, 8, 10, 8).permute(0, 2, 1, 3).flatten(2)
        logits = tiles.logit() / gains[int(label)]
        codes[label] = [logits[0, :, :2], logits[1, :, :5]]
    for low, high in zip(codes["0"], codes["1"], strict=True):
        assert (low - high).abs().quantile(0.9) < 0.05  # logits are read from 256 gray values
        assert low.std() == pytest.approx(1, abs=0.35) and len(low.unique(dim=0)) == 10


def test_the_same_models_give_the_same_bytes_and_global_randomness_is_left_alone(
    models, panels, digits
):
    before = torch.get_rng_state()
    assert draw(models, (digits.x_test, digits.y_test)) == panels
    assert torch.equal(torch.get_rng_state(), before)


# ---- maps ----


@pytest.mark.parametrize(("scale", "std"), [(3.0, 0.2), (1.0, 1.0), (0.0, 1.0), (0.5, 0.0001)])
def test_captions_give_the_std_of_means_and_of_samples(scale, std, noise):
    panel = draw(one_of_each(scale=scale, std=std), noise)["1"]
    of_means = scale / math.sqrt(12)  # of uniform pixels
    assert stds(panel["means"]) == pytest.approx([of_means] * 2, abs=0.01 + 0.03 * of_means)
    of_samples = math.hypot(of_means, std)
    assert stds(panel["samples"]) == pytest.approx([of_samples] * 2, rel=0.06, abs=0.006)


def test_maps_have_one_of_few_scales_which_holds_99_percent_of_the_codes():
    for far, extent in ((0, 4), (3.9, 4), (5, 10), (11, 40), (99, 100), (101, 400), (399, 400)):
        assert extent_of(torch.full((5, 2), float(far))) == extent
    far = torch.tensor([0.0, 500.0])
    assert extent_of(torch.cat([torch.zeros(991, 2), far.expand(9, 2)])) == 4
    assert extent_of(torch.cat([torch.zeros(980, 2), far.expand(20, 2)])) == 1000
    assert extent_of(torch.zeros(5, 2), far.flip(0).expand(5, 2)) == 1000


def test_both_maps_have_the_scale_of_the_wider_one(noise):
    panel = draw(one_of_each(scale=1.0, std=20.0), noise)["1"]
    for name in ("means", "samples"):
        assert caption(panel[name]).startswith("Axes ±100. ")


def test_a_code_is_drawn_where_it_is_and_the_ring_at_two(noise):
    x, _ = noise
    models = one_of_each(scale=0.0, std=1e-4, shift=3.0)
    means = draw(models, (x, torch.zeros(3000).long()))["1"]["means"]
    picture = pixels(means.content, "RGBA")
    color = [int(COLORS[0][k : k + 2], 16) for k in (1, 3, 5)]
    down, right = np.nonzero(
        abs(picture[..., :3] - color).max(2) + 255 * (picture[..., 3] < 255) < 40
    )
    middle = PIXELS / 2
    assert np.mean([right.min(), right.max()]) == pytest.approx(middle * 1.75, abs=3)
    assert np.mean([down.min(), down.max()]) == pytest.approx(middle * 0.25, abs=3)  # up is up
    ring = np.nonzero(picture[round(middle), :, 3])[0]
    assert {ring.min(), ring.max()} <= set(range(110, 113)) | set(range(328, 332))  # ±2 of ±4
    assert picture[..., 3].min() == 0  # transparent elsewhere: readable on any ground


# ---- numbers and charts ----


def marks(svg: str, name: str) -> list[tuple[float, float]]:
    """Where the circles and squares of a class stand."""
    found = elements(svg, name=name)
    centers = [("cx", "cy") if node.get("cx") else ("x", "y") for node in found]
    return [(number(node, x), number(node, y)) for node, (x, y) in zip(found, centers, strict=True)]


def ticks(svg: str) -> tuple[dict[float, float], dict[float, float]]:
    """The numbers on the axes, and where they stand: {value: across}, {value: down}."""
    across, down = {}, {}
    for node in elements(svg, "text"):
        text = text_of(node).removesuffix(" nats").replace(",", "")
        if re.fullmatch(r"[\d.]+", text) and node.get("text-anchor") == "middle":
            across[float(text)] = number(node, "x")
        elif re.fullmatch(r"[\d.]+", text) and number(node, "x") == 0:
            down[float(text)] = number(node, "y") + 4
    return across, down


def read_axis(places: dict[float, float], place: float, scale=float, back=float) -> float:
    """The value at a place, from two ticks of an axis that is a line after `scale`."""
    (low, a), *_, (high, b) = places.items()
    return back(scale(low) + (place - a) / (b - a) * (scale(high) - scale(low)))


def test_the_scores_are_in_the_table(models, panels, digits):
    scores = scores_of(models)
    for label, panel in panels.items():
        for dim in (2, 5):
            score = scores[dim, float(label)]
            kl = kl_per_dimension(*models[dim, float(label)].encode(digits.x_test))
            head = rf'<th scope="row">{dim} numbers</th>(.*?)</tr>'
            cells = re.findall("<td>(.*?)</td>", re.search(head, panel["table"].content)[1])
            terms = (score["recon_loss"] + score["kl"], score["recon_loss"], score["kl"])
            assert cells == [f"{x:.1f}" for x in terms] + [f"{int((kl > ACTIVE).sum())} of {dim}"]
            assert all(cell in panel["table"].alt for cell in cells)


def test_every_point_of_the_tradeoff_is_where_its_scores_are(models, panels):
    def values(svg: str, name: str) -> list[tuple[float, float]]:
        across, down = ticks(svg)
        assert {0.0, 1.0, 10.0, 100.0} <= set(across) and len(down) >= 2
        return [
            (read_axis(across, x, math.log1p, math.expm1), read_axis(down, y))
            for x, y in marks(svg, name)
        ]

    scores = scores_of(models)
    wanted = {key: (scores[key]["kl"], scores[key]["recon_loss"]) for key in sorted(models)}
    for label, panel in panels.items():
        svg = panel["tradeoff"].content
        here = [wanted[dim, float(label)] for dim in (2, 5)]
        for name, points in (("vae-point", wanted.values()), ("vae-now", here)):
            for (x, y), (kl, recon_loss) in zip(values(svg, name), points, strict=True):
                assert x == pytest.approx(kl, rel=0.02) and y == pytest.approx(recon_loss, abs=0.1)
        assert f"β = {label}" in text_of(root(svg)) and "log" in svg
        assert all(text in svg for text in ("collapse", "autoencoder", "2 numbers", "5 numbers"))


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_tradeoff_of_equal_scores_is_drawn(scale):
    points = {"2 numbers": [(0.0, 200 * scale)], "8 numbers": [(0.0, 200 * scale)]}
    svg, _ = svg_tradeoff(points, 0, ["0"])
    assert all(0 <= x <= 100 and 0 <= y <= HEIGHT for x, y in marks(svg, "vae-point"))


@pytest.mark.parametrize("values", [[0.0, 3.0, 8.0], [0.002, 0.05, 9.9], [30.0, 70.0, 0.5], [2e4]])
def test_bars_are_as_high_as_the_axis_says(values):
    svg, said = svg_bars({"some": values}, 0.01)
    _, down = ticks(svg)
    bars = elements(svg, "rect", "vae-bar")
    least = 1.5  # pixels: a dimension that costs nothing can be seen as well
    unit = (down[0.0] - min(down.values())) / max(down)
    for bar, value in zip(bars, values, strict=True):
        height = number(bar, "height")
        assert height == pytest.approx(max(unit * value, least), abs=0.06)
        assert number(bar, "y") + height == pytest.approx(down[0.0], abs=0.11)
        assert bar.get("class") == ("vae-bar" if value > 0.01 else "vae-bar vae-quiet")
    assert max(down) >= max(values) and said.startswith("KL in nats, some: ")
    assert (max(down) == 10) == (max(values) <= 10)  # so that panels can be compared


def test_bars_of_a_panel_are_sorted_means_over_the_images(models, panels, digits):
    kl = kl_per_dimension(*models[5, 0].encode(digits.x_test)).sort(descending=True).values
    shown = ", ".join(f"{value:.1f}" for value in kl[[0, 1, 2, 4]].tolist())
    assert f"5 numbers: {shown}." in panels["0"]["bars"].alt


@pytest.mark.parametrize(
    ("mu", "std"), [(0.0, 1.0), (1.5, 0.3), (-2.0, 0.01), (9.0, 0.5), (0.0, 3.0)]
)
def test_densities_have_equal_areas_and_their_peak_at_the_mean(mu, std):
    svg, said = svg_densities(["z₁", "z₂"], [0.0, mu], [1.0, std])
    prior, posterior = [
        np.array(re.findall(r"([\d.-]+) ([\d.-]+)", node.get("d")), float)
        for node in elements(svg, "path")[2:]
    ]
    reach = max(float(text) for text in texts(svg) if re.fullmatch(r"[\d.]+", text))
    floor = posterior[:, 1].max()
    heights = [floor - curve[:, 1] for curve in (prior, posterior)]
    areas = [float((np.diff(posterior[:, 0]) * (h[1:] + h[:-1]) / 2).sum()) for h in heights]
    assert areas[0] == pytest.approx(areas[1], rel=0.03)
    assert posterior[posterior[:, 1].argmin(), 0] == pytest.approx(50 + 50 * mu / reach, abs=0.7)
    assert f"σ = {std:.2f}" in said and posterior[:, 1].min() > 0


# ---- the table with a multiplier ----


@pytest.fixture(scope="module")
def rows() -> tuple[torch.Tensor, torch.Tensor]:
    with local_seed(1):
        return torch.rand(400, 48), torch.arange(400) % 2


def table_model(spread: tuple[float, float, float], std: float = 1.0) -> VAE:
    encoder = nn.Linear(48, 6)
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.bias.zero_()
        for k, value in enumerate(spread):
            encoder.weight[k, k] = value
        encoder.bias[3:] = 2 * math.log(std)
    return VAE(encoder, mlp([3, 48]), latent_dim=3)


def test_multiplier_panels_say_which_beta_it_is(rows):
    models = {m: table_model((1.0, 0.0, 2.0)) for m in (48, 1, 480, 9.6)}
    panels = multiplier_panels(models, *rows)
    assert list(panels) == ["1", "9.6", "48", "480"]
    for label, beta in zip(panels, ("48", "5", "1", "0.1"), strict=True):
        assert panels[label][0].alt.startswith(
            f"multiplier {label} · β = 48/{label} = {beta} · kl "
        )
        assert panels[label][0].alt in panels[label][0].content
    kl = kl_per_dimension(*models[48].encode(rows[0])).detach()
    assert panels["48"][0].alt.endswith(f"kl {float(kl.sum()):.1f} nats · active 2 of 3")


@pytest.mark.parametrize(
    ("spread", "axes"), [((1.0, 0.0, 2.0), "z₁ right, z₃ up"), ((0.1, 3.0, 2.0), "z₂ right, z₃ up")]
)
def test_the_scatter_has_the_two_numbers_with_the_largest_variance(spread, axes, rows):
    _, scatter, densities, bars = multiplier_panels({1: table_model(spread)}, *rows)["1"]
    assert axes in caption(scatter)
    assert pixels(scatter.content, "RGBA").shape == (PIXELS, PIXELS, 4)
    assert "z₁" in densities.content and "z₃" in bars.content


def test_collapsed_posteriors_lie_on_the_prior(rows):
    _, _, densities, _ = multiplier_panels({1: table_model((0.0, 0.0, 0.0))}, *rows)["1"]
    paths = [node.get("d") for node in elements(densities.content, "path")]
    assert len(paths) == 6 and all(paths[k] == paths[k + 1] for k in (0, 2, 4))


# ---- errors ----


SIZES = "latent_dim 2 and one larger, both with the same betas, got "


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([(2, 0), (5, 0), (5, 0.5)], SIZES + r"\(2, 0\), \(5, 0\), \(5, 0\.5\)"),
        ([(2, 0), (2, 1)], SIZES),
        ([(2, 0), (5, 0), (9, 0)], SIZES),
        ([], SIZES + "no models"),
        ([(d, beta) for d in (2, 5) for beta in (0.5, 0.5000001)], "six digits, got .*0.5, 0.5"),
    ],
)
def test_models_that_do_not_fit_are_refused(keys, message, digits):
    models = {key: by_hand(key[0]) for key in keys}
    with pytest.raises(ValueError, match=message):
        beta_panels(models, scores_of(models), digits.x_test, digits.y_test)


@pytest.mark.parametrize("score", [{}, {"recon_loss": 1.0}, {"recon_loss": math.nan, "kl": 1.0}])
def test_scores_that_do_not_fit_are_refused(score, models, digits):
    with pytest.raises(ValueError, match=r"scores\[2, 0\.5\] must (hold recon_loss and kl|be fin)"):
        beta_panels(models, scores_of(models) | {(2, 0.5): score}, digits.x_test, digits.y_test)


def test_other_bad_arguments_are_refused(models, digits, rows):
    def panels(changed, y=digits.y_test):
        return beta_panels(models | changed, scores_of(models), digits.x_test, y)

    message = r"models\[5, 0\] must be a VAE with latent_dim 5, got "
    with pytest.raises(ValueError, match=message + "VAE with latent_dim 4"):
        panels({(5, 0): by_hand(4)})
    with pytest.raises(ValueError, match=message + "Autoencoder with latent_dim None"):
        panels({(5, 0): Autoencoder(mlp([64, 2]), mlp([2, 64]))})
    with pytest.raises(TypeError, match="latent_dim, beta"):
        panels({1: by_hand()})
    with pytest.raises(ValueError, match="same length"):
        panels({}, digits.y_test[:-1])
    model = table_model((1.0, 1.0, 1.0))
    for multipliers, message in (
        ((), "models must map each multiplier to a VAE"),
        ((0,), "a multiplier in models must be a finite number above 0"),
        ((48, 48.00001), "differ in six digits, got the labels 48, 48"),
    ):
        with pytest.raises(ValueError, match=message):
            multiplier_panels(dict.fromkeys(multipliers, model), *rows)
    with pytest.raises(TypeError, match=r"models\[1\] must be a VAE, got Linear"):
        multiplier_panels({1: nn.Linear(2, 2)}, *rows)
