"""Controls: sliders and choosers of test images refuse what they cannot show, and say why."""

import pytest
import torch
from traitlets import TraitError

from tutorial_utils.plotting import to_png
from tutorial_utils.studios.base import Part, describe
from tutorial_utils.studios.controls import ImageChooser, PickImage, next_of_class, slider
from tutorial_utils.studios.svg import svg


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_a_slider_starts_in_its_range(value):
    with pytest.raises(ValueError, match=rf"value of 't' must lie from 0 to 1, got {value}"):
        slider("t", value, 1, 0.01, tip="Where.")


@pytest.mark.parametrize("x", [torch.zeros(0, 1, 8, 8), torch.zeros(8, 8)])
def test_an_image_is_picked_from_images(x):
    with pytest.raises(ValueError, match="x must be a non-empty tensor with 4 axes, got shape"):
        PickImage("test image", x)


@pytest.mark.parametrize("alt", [None, "", 3])
def test_a_picture_without_words_is_refused(alt):
    for make in (lambda: svg([], 10, alt), lambda: describe(Part("title", "<p>", alt))):
        with pytest.raises(ValueError, match="alt must be a text, got"):
            make()


@pytest.fixture
def chooser(digits):
    return ImageChooser("From", "The digit to start from", digits.x_test, digits.y_test, 0)


def test_next_of_class_goes_through_all_images_and_around():
    y = torch.tensor([3, 1, 3, 3, 1])
    assert [next_of_class(y, 3, after) for after in (-1, 0, 2, 3)] == [0, 2, 3, 0]
    with pytest.raises(ValueError, match=r"label must be one of the classes in y, \[1, 3\], got 7"):
        next_of_class(y, 7)


def test_chooser_goes_by_class_by_index_and_to_the_next_image_of_the_class(chooser, digits):
    x, y = digits.x_test, digits.y_test

    def shows(index: int) -> None:
        label = int(y[index])
        assert chooser.index == chooser.field.value == index and chooser.label.value == label
        assert torch.equal(chooser.image, x[index]) and chooser.picture.value == to_png(x[index, 0])
        assert chooser.picture.alt == f"The digit to start from: test image {index}, a {label}"
        assert chooser.button.description == f"Another {label}" and chooser.name == str(label)

    shows(0)
    for index in (17, 359, 3):
        chooser.field.value = index
        shows(index)
    for label in (3, 8, 3):
        chooser.label.value = label
        first = next_of_class(y, label)
        shows(first)
        chooser.button.click()
        shows(next_of_class(y, label, after=first))
    chooser.field.value = 10_000  # beyond the last one
    shows(359)
    with pytest.raises(TraitError):
        chooser.label.value = 12


def test_chooser_tells_its_observers_once_per_choice_whatever_the_way(chooser, digits):
    seen = []
    chooser.observe(lambda change: seen.append(change["new"]), "image")
    drawing = torch.rand(1, 8, 8)
    for act in (
        lambda: setattr(chooser.label, "value", 6),
        lambda: setattr(chooser.field, "value", 40),
        chooser.button.click,
        lambda: chooser.put(drawing, "a drawing"),
        chooser.button.click,
        lambda: chooser.choose(5),
    ):
        before = len(seen)
        act()
        assert len(seen) == before + 1 and seen[-1] is chooser.image
    assert torch.equal(seen[3], drawing) and torch.equal(seen[5], digits.x_test[5])


def test_chooser_shows_a_drawing_until_a_test_image_is_chosen(chooser, digits):
    drawing = torch.rand(1, 8, 8)
    chooser.put(drawing, "my <7>")
    assert torch.equal(chooser.image, drawing) and chooser.picture.value == to_png(drawing[0])
    assert (
        chooser.picture.alt == "The digit to start from: my <7>"
        and chooser.caption.value == "my &lt;7&gt;"
    )
    assert chooser.caption.layout.display is None and chooser.name == "my_7_"
    drawing.zero_()
    assert chooser.image.any()  # a copy
    chooser.button.click()
    assert torch.equal(chooser.image, digits.x_test[chooser.index])
    assert chooser.caption.layout.display == "none" and chooser.name == str(
        int(digits.y_test[chooser.index])
    )


def test_chooser_with_one_image_of_a_class_comes_back_to_it(digits):
    chooser = ImageChooser("From", "The digit", digits.x_test[:1], digits.y_test[:1], 0)
    chooser.put(torch.zeros(1, 8, 8), "nothing")
    chooser.button.click()
    assert torch.equal(chooser.image, digits.x_test[0]) and "test image 0" in chooser.picture.alt


BLANK = torch.zeros(1, 8, 8)


@pytest.mark.parametrize(
    ("image", "caption", "error", "message"),
    [
        (torch.zeros(1, 28, 28), "a", ValueError, r"image and x\[0\] must have the same shape"),
        (BLANK[0], "a", ValueError, "image must be a non-empty tensor with 3 axes"),
        (BLANK.int(), "a", TypeError, "image must be a tensor of floats"),
        (BLANK + 2, "a", ValueError, r"image must lie in \[0, 1\], got values from 2 to 2"),
        (BLANK / 0, "a", ValueError, r"image must lie in \[0, 1\]"),
        (BLANK, "", ValueError, "caption must be a text"),
        (BLANK, 7, ValueError, "caption must be a text, got 7"),
    ],
)
def test_chooser_names_what_is_wrong_with_a_drawing(image, caption, error, message, chooser):
    with pytest.raises(error, match=message):
        chooser.put(image, caption)
    assert "test image 0" in chooser.picture.alt
