"""The filling studio without a browser: what it shows are the draws of fill_missing; what is seen is seen exactly."""

import io

import pytest
import torch
from ipywidgets.widgets import widget
from PIL import Image
from torchvision.transforms.functional import to_tensor

from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.studios.filling import (
    SCALE,
    SIDES,
    STEPS,
    draw_answers,
    draw_seen,
    filling_studio,
    say_digits,
    seen_from,
)
from tutorial_utils.topics.filling import fill_missing
from tutorial_utils.training import local_seed


@pytest.fixture
def x(digits):
    return (digits.x_test[:20] > 0.5).float()


@pytest.fixture
def judge():
    with local_seed(5):
        return mlp([64, 4])


@pytest.fixture
def studio(make_vae, x, judge):
    return filling_studio(make_vae(0).eval(), x, n_answers=6, classifier=judge)


def expected(studio) -> torch.Tensor:
    """The answers [n, H, W], in so many words."""
    image, n, height = studio.x[studio.index.value], studio.count.value, 8
    seen = torch.zeros(height, height, dtype=torch.bool)
    part = {
        "top": seen[:n],
        "bottom": seen[height - n :],
        "left": seen[:, :n],
        "right": seen[:, height - n :],
    }
    part[studio.side.value][:] = True
    with local_seed(studio.seed):
        return fill_missing(
            studio.model, image.expand(6, 1, 8, 8), seen, n_steps=studio.steps.value
        )[1][:, 0]


def centers(part: dict) -> torch.Tensor:
    """The pixels of a part's picture, one per pixel of an image: at the center of each square."""
    picture = to_tensor(Image.open(io.BytesIO(part["png"])))[0]
    return picture[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]


def check_all(studio) -> None:
    """Images, pictures, digits and words are those of the controls."""
    images = expected(studio)
    torch.testing.assert_close(studio.images, images)
    assert torch.equal(
        studio.images[:, studio.seen], studio.x[studio.index.value, 0][studio.seen].expand(6, -1)
    )
    with torch.no_grad():
        read = studio.classifier(images[:, None]).argmax(1).tolist()
    assert studio.digits == read
    rows = " ".join(map(str, read[:3])), " ".join(map(str, read[3:]))
    count = "one digit" if len(set(read)) == 1 else f"{len(set(read))} different digits"
    given, found = studio.view.parts
    assert (
        found["caption"] == f"Read as {rows[0]} / {rows[1]}: {count}"
        and found["caption"] in found["alt"]
    )
    unit = "columns" if studio.side.value in ("left", "right") else "rows"
    assert given["caption"] == f"{studio.count.value} of 8 {unit}, from the {studio.side.value}"
    assert studio.count.description == f"{unit} seen"
    assert given["caption"] in studio.view.text and found["caption"] in studio.view.text
    shown = torch.cat([torch.cat(list(images[:3]), 1), torch.cat(list(images[3:]), 1)])
    assert (centers(found) - shown).abs().max() <= 0.51 / 255
    seen_pixels = centers(given)[studio.seen]
    assert torch.equal(seen_pixels, studio.x[studio.index.value, 0][studio.seen])
    hidden = centers(given)[~studio.seen]
    assert ((hidden > 0.2) & (hidden < 0.6)).all()


def test_each_control_shows_what_the_function_gives(studio):
    check_all(studio)
    for name, value in (
        ("index", 7),
        ("count", 6),
        ("side", "right"),
        ("count", 3),
        ("side", "bottom"),
        ("steps", STEPS[1]),
    ):
        getattr(studio, name).value = value
        check_all(studio)
    studio.anew.click()
    assert studio.seed == 1
    check_all(studio)
    studio.next.click()
    assert studio.index.value == 8
    check_all(studio)
    studio.index.value = 19
    studio.next.click()
    assert studio.index.value == 0


@pytest.mark.parametrize("count", [0, 8])
@pytest.mark.parametrize("side", SIDES)
def test_at_both_ends_of_the_slider(side, count, studio):
    studio.side.value, studio.count.value = side, count
    check_all(studio)
    assert studio.seen.all() == (count == 8)


def test_a_picture_is_a_function_of_the_controls_and_new_answers_differ(studio):
    before = studio.images
    studio.count.value = 7
    studio.count.value = 4
    assert torch.equal(studio.images, before)
    studio.anew.click()
    assert not torch.equal(studio.images, before)


def test_one_message_per_move_and_the_global_random_state_stays(studio):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    seen = []
    studio.view.observe(lambda change: seen.append(change["new"]), "parts")
    studio.count.value = 2
    studio.anew.click()
    assert len(seen) == 2 and torch.equal(torch.get_rng_state(), state)


def test_the_seen_side():
    seen = {side: seen_from(side, 2, (4, 5)) for side in SIDES}
    assert {side: int(each.sum()) for side, each in seen.items()} == {
        "top": 10,
        "bottom": 10,
        "left": 8,
        "right": 8,
    }
    assert (
        seen["top"][:2].all()
        and seen["bottom"][2:].all()
        and seen["left"][:, :2].all()
        and seen["right"][:, 3:].all()
    )
    with pytest.raises(
        ValueError, match="side must be one of 'top', 'bottom', 'left', 'right', got 'up'"
    ):
        seen_from("up", 1, (4, 4))


def test_a_line_lies_where_the_seen_ends_and_nowhere_else():
    black = torch.zeros(1, 4, 4)
    line = draw_answers(black, seen_from("top", 1, (4, 4)), 1) == 0.5
    assert line[SCALE - 1 : SCALE + 1, :-1].all() and line[:, :-1].sum() == 2 * (4 * SCALE - 1)
    for seen in (seen_from("left", 0, (4, 4)), seen_from("left", 4, (4, 4))):
        assert not (draw_answers(black, seen, 1) == 0.5).any()
        assert not (draw_seen(black[0], seen) == 0.5).any()
    assert draw_answers(black.expand(5, 4, 4), seen, 3).shape == (2 * 4 * SCALE, 3 * 4 * SCALE)


def test_words():
    assert say_digits([3, 3, 3, 8, 3], 3) == "Read as 3 3 3 / 8 3: 2 different digits"
    assert say_digits([3, 3], 1) == "Read as 3 / 3: one digit"
    assert say_digits([], 4) == ""


def test_without_a_classifier_nothing_is_read(make_vae, x):
    studio = filling_studio(make_vae(0).eval(), x)
    assert studio.images.shape == (8, 8, 8) and studio.view.parts[1]["caption"] == ""


def test_each_control_has_a_tooltip_and_a_name(studio):
    inside = [each for bar in studio.children[2].children for each in bar.children]
    assert all(
        each.tooltip and each.description for each in inside if isinstance(each, widget.Widget)
    )


def test_errors(make_vae, x, digits):
    model = make_vae(0)
    wrong = [
        (
            TypeError,
            "model must be a VAE, got Autoencoder",
            (Autoencoder(mlp([64, 2]), mlp([2, 64])), x),
            {},
        ),
        (ValueError, "x must hold zeros and ones only", (model, digits.x_test[:5]), {}),
        (ValueError, "x must hold gray images", (model, x.expand(-1, 3, -1, -1)), {}),
        (ValueError, "a decoded image and an image of x", (model, torch.zeros(2, 1, 9, 9)), {}),
        (
            ValueError,
            "n_answers must be a whole number of at least 1, got 0",
            (model, x),
            {"n_answers": 0},
        ),
        (
            ValueError,
            "judge must give logits",
            (model, x),
            {"classifier": torch.nn.Conv2d(1, 1, 1)},
        ),
    ]
    for error, message, arguments, options in wrong:
        with pytest.raises(error, match=message):
            filling_studio(*arguments, **options)
