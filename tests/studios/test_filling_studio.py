"""Filling studio: its answers are the draws of fill_missing, what is observed stays as it is."""

import pytest
import torch
from helpers.models import make_judge
from helpers.pictures import pixels

from tutorial_utils.models import VAE, Autoencoder, mlp
from tutorial_utils.studios.filling import (
    SCALE,
    SIDES,
    STEPS,
    answers_picture,
    describe_digits,
    filling_studio,
    observed_from,
    observed_picture,
)
from tutorial_utils.topics.filling import fill_missing
from tutorial_utils.training import local_seed


@pytest.fixture
def x(digits):
    return (digits.x_test[:20] > 0.5).float()


@pytest.fixture
def judge():
    return make_judge([64, 4], seed=5)


@pytest.fixture
def model(make_vae):
    return make_vae(0).eval()


@pytest.fixture
def studio(model, x, judge):
    return filling_studio(model, x, n_answers=6, classifier=judge)


def observed_at(side: str, n: int) -> torch.Tensor:
    """Which of the 8 x 8 pixels are observed, in so many words."""
    rows = {"top": range(n), "bottom": range(8 - n, 8)}.get(side, range(8))
    columns = {"left": range(n), "right": range(8 - n, 8)}.get(side, range(8))
    return torch.tensor(
        [[row in rows and column in columns for column in range(8)] for row in range(8)]
    )


def centers(part: dict) -> torch.Tensor:
    """The pixels of a part's picture, one per pixel of an image: at the center of each square."""
    return torch.tensor(pixels(part["png"])[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE] / 255)


def check_all(studio, model, x, judge) -> None:
    """Pictures, digits and words are those of the controls."""
    index, side, count, steps, seed = studio.values.values()
    observed, image = observed_at(side, count), x[index]
    with local_seed(seed):
        images = fill_missing(model, image.expand(6, 1, 8, 8), observed, n_steps=steps)[1][:, 0]
    assert torch.equal(images[:, observed], image[0][observed].expand(6, -1))
    given, found = studio.view.parts
    rows = torch.cat([torch.cat(list(images[:3]), 1), torch.cat(list(images[3:]), 1)])
    assert (centers(found) - rows).abs().max() <= 0.51 / 255
    assert torch.equal(centers(given)[observed].float(), image[0][observed])
    hidden = centers(given)[~observed]
    assert ((hidden > 0.2) & (hidden < 0.6)).all()
    with torch.no_grad():
        digits = judge(images[:, None]).argmax(1).tolist()
    unit = "columns" if side in ("left", "right") else "rows"
    assert studio.controls.count.description == f"{unit} seen"
    assert given["caption"] == f"{count} of 8 {unit}, from the {side}"
    read = " / ".join(" ".join(map(str, row)) for row in (digits[:3], digits[3:]))
    assert found["caption"].startswith(f"Read as {read}: ")
    assert found["caption"] in found["alt"]
    assert studio.view.text == f"{given['caption']}. {found['alt']}"


def test_each_control_shows_what_the_function_gives(studio, model, x, judge):
    check_all(studio, model, x, judge)
    for control, value in (
        ("image", 7), ("count", 6), ("side", "right"), ("count", 3), ("side", "bottom"),
        ("steps", STEPS[1]), ("seed", 1),
    ):  # fmt: skip
        getattr(studio.controls, control).value = value
        check_all(studio, model, x, judge)


@pytest.mark.parametrize("count", [0, 8])
@pytest.mark.parametrize("side", SIDES)
def test_at_both_ends_of_the_slider(side, count, studio, model, x, judge):
    studio.controls.side.value, studio.controls.count.value = side, count
    check_all(studio, model, x, judge)


def test_columns_of_a_wide_image_are_as_many_as_it_has():
    model = VAE(mlp([24, 4]), mlp([2, 24], out_shape=(1, 4, 6)), latent_dim=2)
    wide = filling_studio(model, torch.zeros(2, 1, 4, 6)).controls
    assert wide.count.max == 4
    wide.side.value = "left"
    wide.count.value = 6
    assert (wide.count.value, wide.count.max) == (6, 6)
    wide.side.value = "top"
    assert (wide.count.value, wide.count.max) == (4, 4)


def test_a_line_lies_where_the_seen_ends_and_nowhere_else():
    black = torch.zeros(1, 4, 4)
    line = answers_picture(black, observed_from("top", 1, (4, 4)), 1) == 0.5
    assert line[SCALE - 1 : SCALE + 1, :-1].all() and line[:, :-1].sum() == 2 * (4 * SCALE - 1)
    for seen in (observed_from("left", 0, (4, 4)), observed_from("left", 4, (4, 4))):
        assert not (answers_picture(black, seen, 1) == 0.5).any()
        assert not (observed_picture(black[0], seen) == 0.5).any()
    assert answers_picture(black.expand(5, 4, 4), seen, 3).shape == (2 * 4 * SCALE, 3 * 4 * SCALE)


def test_words():
    assert describe_digits([3, 3, 3, 8, 3], 3) == "Read as 3 3 3 / 8 3: 2 different digits"
    assert describe_digits([3, 3], 1) == "Read as 3 / 3: one digit"


def test_without_a_classifier_nothing_is_read(model, x):
    assert filling_studio(model, x).view.parts[1]["caption"] == ""


def test_what_does_not_fit_is_named(model, x, digits):
    with pytest.raises(TypeError, match="model must be a VAE, got Autoencoder"):
        filling_studio(Autoencoder(mlp([64, 2]), mlp([2, 64])), x)
    with pytest.raises(ValueError, match="x must hold zeros and ones only"):
        filling_studio(model, digits.x_test[:5])
    with pytest.raises(ValueError, match="a decoded image and an image of x"):
        filling_studio(model, torch.zeros(2, 1, 9, 9))
    with pytest.raises(ValueError, match="n_answers must be a whole number of at least 1, got 0"):
        filling_studio(model, x, n_answers=0)
    with pytest.raises(ValueError, match="judge must give logits"):
        filling_studio(model, x, classifier=torch.nn.Conv2d(1, 1, 1))
