"""Style studio: every picture is the decoded mean of the style and the label that it names."""

import pytest
import torch
from helpers.pictures import pixels
from helpers.studios import Conditional
from torch.nn.functional import one_hot

from tutorial_utils.studios.style import say_share, style_rows, style_studio


class Counted(Conditional):
    """A conditional VAE that counts in `n_decoded` the images of each call."""

    def __init__(self):
        super().__init__()
        self.n_decoded = []

    def decode(self, z, y):
        self.n_decoded.append(len(z))
        return super().decode(z, y)


@pytest.fixture
def model():
    return Counted().eval()


@pytest.fixture
def x(digits):
    return digits.x_test[:40]


@pytest.fixture
def y(digits):
    return one_hot(digits.y_test[:40], 10).float()


@pytest.fixture
def studio(model, x, y):
    return style_studio(model, x, y)


def shows(picture, image: torch.Tensor) -> bool:
    """Whether a picture is the image [H, W], up to half a gray value."""
    return abs(pixels(picture.value) - 255 * image.numpy()).max() <= 0.51


@torch.no_grad()
def check_all(studio, x, y) -> None:
    """z, y, images and pictures are those of the controls, in so many words."""
    indices = [studio.first.index, studio.second.index]
    s, t, a, b = (
        control.value for control in (studio.style_slider, studio.label_slider, studio.a, studio.b)
    )
    mu, _ = studio.model.encode(x[indices], y[indices])
    z, digits = (1 - s) * mu[0] + s * mu[1], torch.eye(10)
    label = (1 - t) * digits[a] + t * digits[b]
    torch.testing.assert_close(studio.z, z)
    torch.testing.assert_close(studio.y, label)
    labels = torch.cat([digits, label[None]])
    images = studio.model.decode(z.expand(11, -1), labels).sigmoid()[:, 0]
    torch.testing.assert_close(studio.images, images[:10])
    torch.testing.assert_close(studio.image, images[10])
    assert shows(studio.picture, images[10])
    assert shows(studio.row, torch.cat(list(images[:10]), 1))
    style = say_share("style", ("A", "B"), s)
    for words in (style, say_share("label", (a, b), t)):
        assert words in studio.picture.alt and words in studio.caption.value
    assert style in studio.row.alt and style in studio.row_caption.value


def test_each_control_shows_what_the_model_decodes(studio, x, y):
    check_all(studio, x, y)
    for name, value in (
        ("style_slider", 0.3), ("label_slider", 0.5), ("a", 7), ("b", 0), ("style_slider", 1.0),
        ("label_slider", 1.0), ("a", 0),
    ):  # fmt: skip
        getattr(studio, name).value = value
        check_all(studio, x, y)
    studio.first.button.click()
    studio.second.choose(11)
    check_all(studio, x, y)


def test_a_move_decodes_eleven_images_at_once_and_encodes_nothing(studio, model, monkeypatch):
    monkeypatch.setattr(model, "encode", None)
    model.n_decoded.clear()
    studio.style_slider.value = 0.5
    studio.label_slider.value = 0.5
    assert model.n_decoded == [11, 11]


def test_words():
    assert [say_share("label", (3, 8), t) for t in (0.0, 1.0)] == ["label 3", "label 8"]
    assert say_share("label", (3, 3), 0.4) == "label 3"
    assert say_share("style", ("A", "B"), 0.4) == "style 60\u00a0%\u00a0A + 40\u00a0%\u00a0B"


def test_rows_are_the_image_and_all_labels_in_its_style(model, x, y):
    rows = style_rows(model, x[:3], y[:3])
    assert list(rows) == ["style 1", "style 2", "style 3"]
    with torch.no_grad():
        mu, _ = model.encode(x[:3], y[:3])
        for k, row in enumerate(rows.values()):
            assert torch.equal(row[0], x[k])
            digits = model.decode(mu[[k]].expand(10, -1), torch.eye(10)).sigmoid()
            torch.testing.assert_close(row[1:], digits)


def test_a_label_may_be_a_mixture_and_a_class_may_be_missing(model, x, y):
    mixed, only = 0.9 * y + 0.01, y.argmax(1) == 4
    check_all(style_studio(model, x, mixed), x, mixed)
    studio = style_studio(model, x[only], y[only])
    assert studio.first.label.options == (4,) and studio.a.options == tuple(range(10))
    check_all(studio, x[only], y[only])


@pytest.mark.parametrize("function", [style_studio, style_rows])
def test_what_does_not_fit_is_named(function, model, x, y):
    with pytest.raises(TypeError, match=r"encode\(x, y\) and decode\(z, y\), got Linear"):
        function(torch.nn.Linear(2, 2), x, y)
    with pytest.raises(ValueError, match="x and y must have the same length, got 39 and 40"):
        function(model, x[:39], y)
    model.decode = lambda z, y: torch.zeros(len(z), 1, 4, 4)
    with pytest.raises(ValueError, match=r"decode to images like x, \[8, 8\], got \[4, 4\]"):
        function(model, x, y)
