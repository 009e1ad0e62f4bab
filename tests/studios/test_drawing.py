"""Drawing: the image of strokes obeys MNIST's rules, the widget shows what the model makes."""

import math
import re

import ipywidgets
import numpy as np
import pytest
import torch
from helpers.models import make_judge
from helpers.pictures import pixels
from helpers.widgets import numbers

from tutorial_utils.losses import bernoulli_nll, kl_standard_normal
from tutorial_utils.models import VAE, Autoencoder, decode_images, encode_image, mlp
from tutorial_utils.plotting import to_png
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.studios.drawing import BOX, PEN, drawing_studio, image_of_strokes
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.training import local_seed

SEVEN = [[(0.25, 0.25), (0.7, 0.22), (0.6, 0.45), (0.5, 0.85)], [(0.4, 0.55), (0.72, 0.52)]]
RING = [
    [(0.5 + 0.2 * math.cos(a), 0.5 + 0.3 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 40)]
]
DRAWINGS = {
    "seven": SEVEN,
    "ring": RING,
    "slanted line": [[(0.2, 0.8), (0.6, 0.1)]],
    "hook": [[(0.3, 0.1), (0.3, 0.8), (0.6, 0.8)]],
    "line and dot": [[(0.5, 0.3), (0.5, 0.9)], [(0.5, 0.1)]],
}
drawings = pytest.mark.parametrize("strokes", DRAWINGS.values(), ids=DRAWINGS)
CENTERS = torch.arange(28) + 0.5


def send(area, event: str, *place: float) -> None:
    """What the page tells of the mouse or of fingers, at places in [0, 1]^2."""
    at = [
        {"x": place[k] * area.canvas.width, "y": place[k + 1] * area.canvas.height}
        for k in range(0, len(place), 2)
    ]
    content = {"event": event} | ({"touches": at} if event.startswith("touch") else at[0])
    area.canvas[1]._handle_frontend_event(area.canvas, content, [])


def draw(area, strokes) -> None:
    for line in strokes:
        send(area, "mouse_down", *line[0])
        for point in line[1:]:
            send(area, "mouse_move", *point)
        send(area, "mouse_up", *line[-1])


@pytest.fixture(scope="module")
def model():
    return load_pretrained("vae_2d")


@pytest.fixture(scope="module")
def images(mnist):
    return mnist.x_test[:60], mnist.y_test[:60]


@pytest.fixture(scope="module")
def judge():
    return make_judge([784, 10], seed=3)


@pytest.fixture
def widget_of(model, images, judge):
    return drawing_studio(model, *images, studio=interpolation_studio(model, *images), judge=judge)


# ---- the image of strokes ----


@drawings
def test_image_is_white_ink_on_black_20_pixels_long_and_centered_by_mass(strokes):
    image = image_of_strokes(strokes)
    assert image.shape == (1, 28, 28) and image.dtype == torch.float32
    assert image.min() == 0 and image.max() == pytest.approx(1)
    rows, columns = image[0].sum(1), image[0].sum(0)
    mass = torch.stack([columns @ CENTERS, rows @ CENTERS]) / image.sum()
    torch.testing.assert_close(mass, torch.tensor([14.0, 14.0]), atol=0.1, rtol=0)
    inked = [(image[0].amax(axis) >= 0.5).nonzero() for axis in (0, 1)]
    assert max(int(at.max() - at.min()) + 1 for at in inked) == pytest.approx(BOX, abs=1)


def gives(strokes, image: torch.Tensor) -> None:
    """The image of strokes is `image`."""
    torch.testing.assert_close(image_of_strokes(strokes), image, atol=1e-5, rtol=0)


def mapped(strokes, function):
    return [[function(x, y) for x, y in line] for line in strokes]


@drawings
def test_place_size_order_direction_and_number_of_strokes_do_not_matter(strokes):
    image = image_of_strokes(strokes)
    moved = mapped(strokes, lambda x, y: (x + 0.2, y - 0.1))
    small = mapped(strokes, lambda x, y: (0.3 * x, 0.3 * y))
    large = mapped(strokes, lambda x, y: (2 * x - 3, 2 * y + 0.4))
    turned = [line[::-1] for line in strokes[::-1]]
    cut = [part for line in strokes for part in ([line[:2], line[1:]] if line[2:] else [line])]
    doubled = [[point for point in line for _ in range(2)] for line in strokes]
    tensors = [torch.tensor(line) for line in strokes]
    for same in (moved, small, large, turned, cut, doubled, [*strokes, *strokes, []], tensors):
        gives(same, image)


@drawings
def test_a_mirrored_or_turned_drawing_gives_the_mirrored_or_turned_image(strokes):
    image = image_of_strokes(strokes)
    gives(mapped(strokes, lambda x, y: (-x, y)), image.flip(2))
    gives(mapped(strokes, lambda x, y: (y, x)), image.transpose(1, 2))


def test_no_strokes_are_an_empty_image_and_a_dot_is_a_disk():
    for nothing in ([], [[]], [[], []]):
        assert torch.equal(image_of_strokes(nothing), torch.zeros(1, 28, 28))
    dot = image_of_strokes([[(0.3, 0.8)]])
    radius = ((CENTERS - 14).square() + (CENTERS[:, None] - 14).square()).sqrt()
    torch.testing.assert_close(dot[0], (PEN / 2 + 0.5 - radius).clamp(0, 1))
    small = image_of_strokes([[(0.3, 0.8), (0.31, 0.805)]])
    torch.testing.assert_close(small, dot, atol=0.02, rtol=0)


def test_a_straight_line_is_as_wide_as_the_pen_and_as_long_as_the_box():
    image = image_of_strokes([[(0.5, 0.1), (0.5, 0.9)]])[0]
    assert image[14].sum() == pytest.approx(PEN, abs=0.01)
    beside = image[:, 14].sum()  # not in the middle, where the round ends are
    assert beside == pytest.approx(BOX, abs=0.5)
    assert image.sum() == pytest.approx(PEN * (BOX - PEN) + math.pi / 4 * PEN**2, rel=0.02)


def test_the_pen_is_as_wide_as_those_of_mnist(mnist):
    """Ink of ones, nearly straight lines: their area over their length is the width of the pen."""
    ones = mnist.x_test[mnist.y_test == 1][:200, 0]
    widths = []
    for image in ones:
        places = (image > 0.5).nonzero().float()
        length = float((places - places.mean(0)).norm(dim=1).quantile(0.99)) * 2
        widths.append(float(image.sum()) / length)
    assert np.median(widths) == pytest.approx(PEN, abs=0.7)


def test_many_points_are_the_same_as_few_on_the_same_line():
    for n in (2, 63, 64, 65, 500):
        line = [(0.3 + 0.2 * k / n, 0.2 + 0.6 * k / n) for k in range(n + 1)]
        gives([line], image_of_strokes([line[:1] + line[-1:]]))


@pytest.mark.parametrize(
    ("strokes", "k"),
    [
        ([[(0.1, math.nan)]], 0),
        ([[(0.1, 0.2)], [(math.inf, 0.2)]], 1),
        ([[0.1, 0.2]], 0),
        ([[(0.1, 0.2, 0.3)]], 0),
        ([[(0.1, 0.2), (0.3,)]], 0),
        ([["a"]], 0),
        ([0.5], 0),
    ],
)
def test_bad_strokes_are_named(strokes, k):
    message = f"strokes[{k}] must be a list of finite points (x, y), got {strokes[k]!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        image_of_strokes(strokes)


# ---- the widget ----


def check_all(widget_of, model, judge) -> None:
    """Everything the widget shows belongs to the image that the model sees."""
    image = widget_of.chooser.image
    with torch.no_grad():
        mu, logvar = model.encode(image[None])
        logits = model.decode(mu)
        terms = [bernoulli_nll(logits, image[None]).item(), kl_standard_normal(mu, logvar).item()]
        digits = judge(torch.cat([image, logits[0].sigmoid()])).argmax(1).tolist()
    assert widget_of.chooser.picture.value == to_png(image[0])
    decoded = 255 * decode_images(model, mu)[0].numpy()
    assert abs(pixels(widget_of.picture.value) - decoded).max() <= 1
    text = widget_of.label.value
    shown = re.search(r"recon_loss \S+ nats at z = μ, kl \S+ nats", text)[0]
    assert numbers(shown) == pytest.approx(terms, abs=0.051)  # one decimal
    assert f"judge: {digits[0]} (" in text and f"of the reconstruction: {digits[1]} (" in text
    said = widget_of.map.text.removesuffix("; The code lies outside the map.")
    assert text.replace("<br>", "; ") == said
    std = (0.5 * logvar[0]).exp()
    assert widget_of.map.ellipse == pytest.approx([*mu[0].tolist(), *std.tolist()], abs=1e-4)
    assert [widget_of.map.x, widget_of.map.y] == pytest.approx(mu[0].tolist(), abs=0.01)
    assert widget_of.name in text and widget_of.name in widget_of.picture.alt
    assert widget_of.name in widget_of.chooser.picture.alt


def test_every_point_of_a_drawing_changes_what_the_model_sees(widget_of, model, judge):
    seen = {widget_of.picture.value}
    line = [(0.3 + 0.03 * k, 0.2 + 0.004 * k * k) for k in range(12)]
    for event, point in zip(["mouse_down", *["mouse_move"] * 11], line, strict=True):
        send(widget_of.area, event, *point)
        check_all(widget_of, model, judge)
        seen.add(widget_of.picture.value)
    assert np.allclose(widget_of.area.strokes, [line]) and len(seen) >= 10
    gives([line], widget_of.chooser.image)
    assert widget_of.name == "your drawing"


def test_undo_and_clear_go_back_to_the_test_image(widget_of, model, judge):
    area, chooser = widget_of.area, widget_of.chooser
    start = (chooser.picture.value, widget_of.label.value)
    draw(area, SEVEN)
    area.undo.click()
    gives(SEVEN[:1], chooser.image)
    check_all(widget_of, model, judge)
    area.undo.click()
    assert (area.strokes, chooser.picture.value, widget_of.label.value) == ([], *start)
    draw(area, SEVEN)
    for button in (area.clear, area.undo):  # the second has nothing to remove
        button.click()
        assert (area.strokes, chooser.picture.value, widget_of.label.value) == ([], *start)
        check_all(widget_of, model, judge)


def test_a_test_image_takes_the_place_of_the_drawing(widget_of, model, judge, images):
    chooser = widget_of.chooser
    for act in (chooser.button.click, lambda: chooser.choose(17)):
        draw(widget_of.area, SEVEN)
        act()
        assert widget_of.area.strokes == [] and torch.equal(chooser.image, images[0][chooser.index])
        check_all(widget_of, model, judge)
    assert widget_of.name == "test image 17"


def test_leaving_the_canvas_ends_the_stroke_at_its_edge(widget_of):
    area = widget_of.area
    changes = []
    area.on_change = lambda: changes.append(area.strokes)
    send(area, "mouse_move", 0.5, 0.5)
    assert area.strokes == changes == []  # no button is pressed
    send(area, "mouse_down", 0.5, 0.5)
    send(area, "mouse_move", 0.8, 0.5)
    send(area, "mouse_out", 1.3, 0.5)
    send(area, "mouse_move", 0.2, 0.2)
    send(area, "mouse_up", 0.2, 0.2)
    assert area.strokes == [[(0.5, 0.5), (0.8, 0.5), (1.0, 0.5)]]


def test_one_finger_draws_and_a_second_is_ignored(widget_of):
    area = widget_of.area
    send(area, "touch_start", 0.5, 0.5)
    send(area, "touch_move", 0.6, 0.5)
    send(area, "touch_start", 0.6, 0.5, 0.1, 0.9)
    send(area, "touch_move", 0.7, 0.5, 0.2, 0.9)
    send(area, "touch_end", 0.2, 0.9)
    send(area, "touch_move", 0.3, 0.9)
    assert np.allclose(area.strokes, [[(0.5, 0.5), (0.6, 0.5), (0.7, 0.5)]])
    send(area, "touch_end")
    send(area, "touch_start", 0.4, 0.4)
    send(area, "touch_cancel")
    send(area, "touch_move", 0.9, 0.4)
    assert len(area.strokes) == 2 and len(area.strokes[1]) == 1


def test_morph_buttons_put_the_image_into_the_studio(model, images):
    studio = interpolation_studio(model, *images)
    found = drawing_studio(model, *images, studio=studio)
    draw(found.area, RING)
    ends = {"starts": studio.start, "ends": studio.end}
    for button, (words, end) in zip(found.buttons, ends.items(), strict=True):
        assert not torch.equal(end.image, found.chooser.image)
        button.click()
        assert torch.equal(end.image, found.chooser.image)
        assert end.picture.alt.endswith("your drawing")
        assert found.said.value == f"The morph in the studio {words} with your drawing now."
    found.area.clear.click()
    assert found.said.value == "" and torch.equal(studio.end.image, studio.start.image)
    found.buttons[1].click()
    assert "with test image 0 now" in found.said.value
    assert torch.equal(studio.end.image, images[0][0])
    assert drawing_studio(model, *images).buttons == []


def test_other_models_have_no_map_or_no_numbers(images):
    with local_seed(0):
        vae = VAE(mlp([784, 8, 10]), mlp([5, 8, 784], out_shape=(1, 28, 28)), latent_dim=5)
        plain = Autoencoder(mlp([784, 8, 2]), mlp([2, 8, 784], out_shape=(1, 28, 28)))
    deep, flat = (drawing_studio(model, *images) for model in (vae, plain))
    for found in (deep, flat):
        draw(found.area, RING)
    assert deep.map is None and "…)" in deep.label.value and "recon_loss" in deep.label.value
    code = encode_image(plain, flat.chooser.image).tolist()
    assert [flat.map.x, flat.map.y] == pytest.approx(code, abs=0.01) and flat.map.ellipse == []
    assert "nats" not in flat.label.value and "judge" not in flat.label.value
    assert "decoded image" in flat.picture.alt


def test_what_does_not_fit_is_named(model, images, digits):
    with pytest.raises(ValueError, match="x must hold images of 28 x 28 pixels"):
        drawing_studio(model, digits.x_test, digits.y_test)
    with pytest.raises(TypeError, match="studio must be an InterpolationStudio"):
        drawing_studio(model, *images, studio=ipywidgets.VBox())
