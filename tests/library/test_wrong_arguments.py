"""Every function names a wrong argument and what was given, prints nothing and changes nothing.

What a wrong number or tensor is: support/test_arguments.py.  Here: that each function asks.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from helpers.toys import SETTINGS, X, copy_loss, make_model, weights
from torch import nn

from tutorial_utils.data import is_here, load_images
from tutorial_utils.latent import decode_grid, morph, traversal_grid
from tutorial_utils.models import VAE, mlp, reparameterize, start_at_mean_image
from tutorial_utils.plotting import (
    claim,
    plot_codes,
    print_table,
    show_animation,
    show_figure,
    show_images,
    show_rows,
    span,
    to_png,
)
from tutorial_utils.store.machine import estimated_minutes
from tutorial_utils.support.animation import gif_bytes
from tutorial_utils.training import evaluate, fit

ALT = "A gray picture of nothing, for a test."
SHORT = ["", "A figure", " " * 40]
IMAGES, FRAMES = torch.rand(3, 1, 5, 4), torch.rand(7, 5, 6)
Z, VALUES = torch.zeros(12), torch.linspace(-1, 1, 3)
BAD_X = [torch.arange(5), X.numpy(), [], X[:0], (torch.zeros(3, 1), torch.zeros(4))]
BAD_LOSSES = [lambda model, x, of=of: of for of in (torch.zeros(3), {"mse": torch.zeros(3)}, None)]


def vae(latent_dim: int) -> VAE:
    """A VAE of 2x2 images."""
    decoder = mlp([latent_dim, 4], out_shape=(1, 2, 2))
    return VAE(mlp([4, 2 * latent_dim]), decoder, latent_dim=latent_dim)


def of_latent_dim(latent_dim):
    return VAE(mlp([4, 4]), mlp([2, 4]), latent_dim=latent_dim)


def of_encoder(encoder):
    return VAE(encoder, mlp([3, 4]), latent_dim=3).encode(torch.rand(2, 4))


def figure(alt):
    show_figure(plt.figure(), alt=alt)


def quiet_fit(loss_fn):
    fit(make_model(), X, loss_fn, **SETTINGS, seed=0, show_progress=False)


def condition(condition):
    claim("it holds", condition)


# A function, arguments that are right, and wrong values of some of them.
CALLS = [
    # data
    (
        load_images,
        {"name": "digits"},
        {
            "name": ["MNIST", "", None],
            "n_train": [0, 1438, 2.0, True],
            "n_test": [0, 361],
        },
    ),
    (is_here, {"name": "digits"}, {"name": ["imagenet"]}),
    # models
    (mlp, {"dims": [3, 2]}, {"dims": [[], [3], [3, 0], [3, -1, 2], [3, 2.0], [3, True]]}),
    (of_latent_dim, {"latent_dim": 2}, {"latent_dim": [0, -2, 1.5, None]}),
    (of_encoder, {"encoder": mlp([4, 6])}, {"encoder": [mlp([4, n]) for n in (3, 5, 7, 12)]}),
    (vae(2).sample, {"n": 1}, {"n": [0]}),
    (
        reparameterize,
        {"mu": torch.zeros(4, 3), "logvar": torch.zeros(4, 3)},
        {"mu": [torch.zeros(1, 3)]},
    ),
    (
        start_at_mean_image,
        {"decoder": mlp([2, 20]), "x": IMAGES},
        {"decoder": [mlp([2, 16]), nn.ConvTranspose2d(2, 1, 8), nn.Linear(2, 20, bias=False)]},
    ),
    # training
    (
        fit,
        {"model": make_model(), "x": X, "loss_fn": copy_loss, **SETTINGS, "seed": 0},
        {
            "x": BAD_X,
            "epochs": [0, 1.5],
            "batch_size": [-3],
            "lr": [0.0, math.nan],
            "seed": [None, 1.0],
            "schedule": [0.5],
            "beta": [0, 0.5],
            "x_val": [torch.arange(5)],
        },
    ),
    (quiet_fit, {"loss_fn": copy_loss}, {"loss_fn": BAD_LOSSES}),
    (
        evaluate,
        {"model": make_model(), "x": X, "loss_fn": copy_loss},
        {"x": BAD_X, "loss_fn": BAD_LOSSES, "batch_size": [0]},
    ),
    (estimated_minutes, {"speed": 1.0}, {"speed": [0, -1, math.nan, math.inf, None]}),
    # latent
    (
        traversal_grid,
        {"model": vae(12), "z": Z, "dims": [0], "values": VALUES},
        {
            "z": [Z[None], Z / 0],
            "dims": [[12], [-1], [0.5], []],
            "values": [VALUES / 0, [1.0]],
        },
    ),
    (morph, {"model": vae(12), "z_a": Z, "z_b": Z, "t": 0.5}, {"z_a": [Z[:1], [0, 0]]}),
    (decode_grid, {"model": vae(2), "n": 2}, {"model": [vae(12)], "n": [0]}),
    # plotting
    (to_png, {"image": IMAGES[0, 0]}, {"image": [IMAGES[0]]}),
    (
        show_images,
        {"images": IMAGES},
        {"images": [IMAGES[0], IMAGES[:0], IMAGES.int(), IMAGES.numpy(), torch.rand(3, 3, 5, 4)]},
    ),
    (
        show_rows,
        {"rows": {"x": IMAGES, "recon": IMAGES}},
        {
            "rows": [{}, {"x": IMAGES, "recon": IMAGES[:2]}, {"x": IMAGES[:2], "recon": IMAGES}],
            "above": [{"x": "ab"}, {"y": "abc"}, {"x": "abc", "recon": "abcd"}],
        },
    ),
    (
        plot_codes,
        {"z": torch.zeros(60, 2), "y": torch.arange(60)},
        {"z": [torch.zeros(shape) for shape in ((60,), (60, 3), (60, 1), (59, 2))]},
    ),
    (figure, {"alt": ALT}, {"alt": SHORT}),
    (show_animation, {"frames": FRAMES, "alt": ALT}, {"alt": SHORT}),
    (
        span,
        {"values": [1]},
        {"values": [[], "123", {1: 2}, 3, ["1"], [[1]], torch.tensor(1.0)], "digits": [-1]},
    ),
    (
        print_table,
        {"rows": {"a": 1}},
        {
            "rows": ["abc", [1, 2], [], {}, [{"a": 1}, {"b": 2}], {"a": 1, ("a", "b"): 2}],
            "columns": ["ab", [1, 2], ["a", "b", "c"]],
            "digits": [-1, 1.5],
        },
    ),
    (
        condition,
        {"condition": True},
        {
            "condition": [
                None,
                1,
                "yes",
                [True],
                torch.tensor([True]),
                torch.ones(()),
                np.float64(1),
            ]
        },
    ),
    # animations
    (
        gif_bytes,
        {"frames": FRAMES},
        {
            "frames": [FRAMES[0], FRAMES[:, None, None], FRAMES[:0], FRAMES / 0, FRAMES.numpy()],
            # A GIF counts in hundredths: 0.004 would be 0, and browsers show that for 0.1 s.
            "seconds": [0, -1, math.nan, 0.004],
            "enlarge": [0, 1.5],
            "levels": [1, 257],
            "labels": [["a"]],
        },
    ),
]


@pytest.fixture(autouse=True)
def no_picture_left():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("function", "arguments", "name", "value"),
    [
        pytest.param(function, right, name, value, id=f"{function.__name__}-{name}")
        for function, right, wrong in CALLS
        for name, values in wrong.items()
        for value in values
    ],
)
def test_a_wrong_argument_is_named(function, arguments, name, value, capsys):
    models = [thing for thing in arguments.values() if isinstance(thing, nn.Module)]
    before = [weights(model) for model in models]
    with pytest.raises((TypeError, ValueError), match=rf"^{name}( and \w+)? must ") as caught:
        function(**{**arguments, name: value})
    assert "got " in str(caught.value) or "not so for " in str(caught.value)
    assert capsys.readouterr().out == ""
    assert all(map(torch.equal, before, map(weights, models)))
    assert len(plt.get_fignums()) <= (function is figure), "the figure that was given"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [pytest.param(*call[:2], id=call[0].__name__) for call in CALLS],
)
def test_the_other_arguments_are_right(function, arguments):
    function(**arguments)
