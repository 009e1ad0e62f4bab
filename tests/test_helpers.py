"""The shared helpers: pictures, numbers in texts, SVG as XML, small models."""

import torch
from helpers import svg
from helpers.models import make_autoencoder, make_judge
from helpers.pictures import pixels
from helpers.widgets import code_in, numbers, widgets_in
from ipywidgets import Button, HBox, VBox

from tutorial_utils.plotting import to_png

CHART = (
    '<svg role="img"><rect class="band wide" x="25.00%" width="50%"/>'
    '<text x="3.00%" y="12.0">\u00a0a <tspan>b</tspan></text>'
    '<svg><text class="told" x="97.00%" y="40.0">&lt;0.5&gt;</text></svg></svg>'
)


def test_pixels():
    image = torch.tensor([[0.0, 1.0, 0.2]])
    assert pixels(to_png(image)).tolist() == [[0, 255, 51]]
    assert pixels(to_png(image), "RGBA")[0, 2].tolist() == [51, 51, 51, 255]


def test_widgets_in():
    inner, outer = Button(), Button()
    row = HBox([inner])
    box = VBox([row, outer])
    assert widgets_in(box) == [box, row, inner, outer]


def test_numbers_in_texts():
    assert numbers("image 7, kl 0.50, recon_loss −3.25") == [0.5, -3.25]
    assert code_in("image 7 at z = (0.12, −0.80)") == [0.12, -0.8]
    assert code_in("mu = (1.00, 2.00), std = (0.10, 0)", "std") == [0.1, 0]


def test_svg():
    assert svg.texts(CHART) == ["a b", "<0.5>"] and svg.texts(CHART, "told") == ["<0.5>"]
    assert svg.positions(CHART) == {"a b": (3, 12), "<0.5>": (97, 40)}
    (band,) = svg.elements(CHART, "rect", "band")
    assert (svg.number(band, "x"), svg.number(band, "width")) == (25, 50)
    assert svg.elements(CHART, name="ban") == [] and svg.root(CHART).get("role") == "img"


def test_small_models_are_the_same_every_time_and_leave_the_seed_alone():
    before = torch.get_rng_state()
    x = torch.rand(3, 64, generator=torch.Generator().manual_seed(0))
    codes = [make_autoencoder(3).encode(x.reshape(3, 1, 8, 8)) for _ in range(2)]
    assert torch.equal(*codes) and codes[0].shape == (3, 3)
    weak, strong = (make_judge([64, 10], seed=3, scale=scale)(x) for scale in (1, 3))
    torch.testing.assert_close(strong, 3 * weak)
    assert torch.equal(torch.get_rng_state(), before)
