"""The traversal panel without a browser: sliders, buttons and label agree with z, the picture with the model."""

import math

import numpy as np
import pytest
import torch
from helpers.pictures import pixels

from tutorial_utils.latent import name_of_dimension, traversal_grid
from tutorial_utils.losses import kl_per_dimension
from tutorial_utils.models import decode_images
from tutorial_utils.studios.traversal import traversal_panel


@pytest.fixture
def model(make_vae):
    return make_vae(latent_dim=12).eval()


@pytest.fixture
def panel(model, digits):
    return traversal_panel(model, digits.x_test, digits.y_test)


def check_all(panel, model) -> None:
    """Picture, text and sliders are those of z."""
    assert (
        abs(
            pixels(panel.picture.value) - 255 * decode_images(model, panel.z[None])[0].numpy()
        ).max()
        <= 1
    )
    first = ", ".join(f"{number + 0.0:.2f}" for number in panel.z[:4].tolist()).replace("-", "−")
    for text in (panel.picture.alt, panel.label.value):
        assert f"mean of p(x|z) at z = ({first}, …)" in text
        assert (
            f"|z| = {panel.z.norm():.2f}; typical of the prior: √12 = {math.sqrt(12):.2f}" in text
        )
    for dim, slider in panel.sliders.items():
        assert slider.value == pytest.approx(float(panel.z[dim].clamp(-3, 3)), abs=0.026)


# ---- the grid ----


def test_grid_changes_one_number_per_row_and_keeps_the_others(model):
    z, values, dims = (
        torch.randn(12, generator=torch.Generator().manual_seed(1)),
        torch.linspace(-2, 2, 5),
        [7, 0, 11],
    )
    before = z.clone()
    grid = traversal_grid(model, z, dims, values)
    assert grid.shape == (3 * 8, 5 * 8) and torch.equal(z, before)
    for row, dim in enumerate(dims):
        for column, value in enumerate(values):
            code = z.clone()
            code[dim] = value
            tile = grid[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            torch.testing.assert_close(tile, decode_images(model, code[None])[0])


def test_grid_is_z_itself_where_the_value_is_that_of_z(model):
    z = torch.linspace(-1, 1, 12)
    for dim in range(12):
        torch.testing.assert_close(
            traversal_grid(model, z, [dim], z[[dim]]), decode_images(model, z[None])[0]
        )


# ---- the panel ----


def test_sliders_are_for_the_dimensions_with_the_largest_kl_and_say_it(panel, model, digits):
    with torch.no_grad():
        kl = kl_per_dimension(*model.encode(digits.x_test))
    shown = list(panel.sliders)
    assert len(shown) == 8 and kl[shown].tolist() == sorted(kl.tolist(), reverse=True)[:8]
    for dim, slider in panel.sliders.items():
        assert slider.description == f"{name_of_dimension(dim)} · {kl[dim]:.1f} nats"
        assert (slider.min, slider.max, slider.step) == (-3, 3, 0.05)
    rest = float(kl.sum() - kl[shown].sum())
    assert f"4 of 12 dimensions have no slider: {rest:.1f} nats together" in panel.label.value


def test_dimensions_are_counted_from_one():
    assert [name_of_dimension(dim) for dim in (0, 6, 9, 31)] == ["z₁", "z₇", "z₁₀", "z₃₂"]


def test_a_slider_moves_its_own_dimension_and_nothing_else(panel, model):
    seen = {panel.picture.value}
    for k, (dim, slider) in enumerate(panel.sliders.items()):
        expected = panel.z.clone()
        expected[dim] = slider.value = 2.5 - 0.6 * k
        torch.testing.assert_close(panel.z, expected)
        assert name_of_dimension(dim) in panel.said.value
        check_all(panel, model)
        seen.add(panel.picture.value)
    assert len(seen) == 9


def test_every_step_of_a_slider_arrives(panel):
    dim, slider = next(iter(panel.sliders.items()))
    found = []
    for k in range(-60, 61):
        slider.value = 0.05 * k
        found.append(float(panel.z[dim]))
    np.testing.assert_allclose(found, 0.05 * np.arange(-60, 61), atol=1e-6)


def test_a_page_that_rounds_sliders_to_whole_steps_leaves_z_alone(panel, model):
    panel.encode.click()
    before = panel.z.clone()
    for slider in panel.sliders.values():
        slider.value = round(slider.value / 0.05) * 0.05
    assert torch.equal(panel.z, before)
    check_all(panel, model)


def test_encode_sets_all_dimensions_to_the_mean_of_the_chosen_image(panel, model, digits):
    panel.chooser.choose(9)
    assert not panel.z.any()  # not before the button
    panel.encode.click()
    with torch.no_grad():
        torch.testing.assert_close(panel.z, model.encode(digits.x_test[9:10])[0][0])
    assert panel.said.value == "All 12 dimensions are those of the mean of q(z|x) of test image 9."
    check_all(panel, model)
    panel.chooser.put(digits.x_test[11], "your drawing")
    panel.encode.click()
    with torch.no_grad():
        torch.testing.assert_close(panel.z, model.encode(digits.x_test[11:12])[0][0])
    assert "of your drawing" in panel.said.value


def test_what_lies_beyond_a_slider_stays_in_z(panel, model):
    dim, slider = next(iter(panel.sliders.items()))
    with torch.no_grad():
        model.encoder[-2].bias[dim] += 7  # the mean of q(z|x) of every image, in this dimension
    panel.encode.click()
    assert panel.z[dim] > 3 and slider.value == 3
    check_all(panel, model)
    other = list(panel.sliders)[1]
    panel.sliders[other].value = 1.0
    assert panel.z[dim] > 3
    slider.value = 2.95
    assert panel.z[dim] == pytest.approx(2.95)


def test_random_draws_all_dimensions_from_the_prior_and_reset_goes_to_its_center(panel, model):
    before, draws = torch.get_rng_state(), []
    for _ in range(200):
        panel.random.click()
        draws.append(panel.z.clone())
    assert torch.equal(torch.get_rng_state(), before)
    check_all(panel, model)
    draws = torch.stack(draws)
    assert draws.mean(0).abs().max() < 5 / math.sqrt(200)
    assert (draws.std(0) - 1).abs().max() < 5 / math.sqrt(2 * 200)
    panel.reset.click()
    assert not panel.z.any() and all(slider.value == 0 for slider in panel.sliders.values())
    check_all(panel, model)


def test_fewer_dimensions_than_sliders_and_fewer_sliders_than_dimensions(make_vae, digits):
    for latent_dim, n_dims, expected in ((2, 8, 2), (12, 3, 3), (1, 1, 1)):
        panel = traversal_panel(
            make_vae(latent_dim=latent_dim), digits.x_test, digits.y_test, n_dims=n_dims
        )
        assert len(panel.sliders) == expected
        assert ("no slider" in panel.label.value) == (latent_dim > expected)


def test_bad_arguments_are_named(model, digits):
    x, y, z, values = digits.x_test, digits.y_test, torch.zeros(12), torch.linspace(-1, 1, 3)
    for call, error, message in (
        (
            lambda: traversal_panel(model, x, y, n_dims=0),
            ValueError,
            "n_dims must be a whole number of at least 1",
        ),
        (
            lambda: traversal_grid(model, z, [12], values),
            ValueError,
            r"dims must hold whole numbers from 0 to 11, got",
        ),
        (
            lambda: traversal_grid(model, z, [-1], values),
            ValueError,
            r"dims must hold whole numbers from 0 to 11, got",
        ),
        (
            lambda: traversal_grid(model, z, [0.5], values),
            ValueError,
            r"dims must hold whole numbers from 0 to 11",
        ),
        (
            lambda: traversal_grid(model, z, [], values),
            ValueError,
            r"dims must hold whole numbers from 0 to 11, got \[]",
        ),
        (
            lambda: traversal_grid(model, z[None], [0], values),
            ValueError,
            "z must be a non-empty tensor with 1 axes",
        ),
        (lambda: traversal_grid(model, z / 0, [0], values), ValueError, "z must be finite"),
        (lambda: traversal_grid(model, z, [0], values / 0), ValueError, "values must be finite"),
        (
            lambda: traversal_grid(model, z, [0], [1.0]),
            TypeError,
            "values must be a tensor of floats, got list",
        ),
    ):
        with pytest.raises(error, match=message):
            call()
