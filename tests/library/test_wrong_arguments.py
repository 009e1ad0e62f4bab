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
from tutorial_utils.latent import decode_grid, morph, traverse
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
NOT_POSITIVE = [0, -1, math.nan, math.inf, None]  # nor a number
NOT_WHOLE = [0, -2, 1.5, True, None]  # or not positive
Z, VALUES = torch.zeros(12), torch.linspace(-1, 1, 3)
IMAGES, FRAMES = torch.rand(3, 1, 5, 4), torch.rand(7, 5, 6)
ROWS = {"x": IMAGES, "recon": IMAGES}
NO_ROWS = [{}, {**ROWS, "x": IMAGES[:2]}, {**ROWS, "z": IMAGES[:2]}]
NO_TEXTS = [{"x": "ab"}, {"y": "abc"}, {"x": "abc", "recon": "abcd"}]
NO_DATA = [torch.arange(5), X.numpy(), [], X[:0], (X, torch.zeros(4))]
NO_IMAGES = [IMAGES[0], IMAGES[:0], IMAGES.int(), IMAGES.numpy(), torch.rand(3, 3, 5, 4)]
NO_FRAMES = [FRAMES[0], FRAMES[:, None, None], FRAMES[:0], FRAMES / 0, FRAMES.numpy()]
NO_DECODERS = [mlp([2, 16]), nn.ConvTranspose2d(2, 1, 8), nn.Linear(2, 20, bias=False)]
NO_LOSSES = [lambda model, x, of=of: of for of in (torch.zeros(3), {"mse": torch.zeros(3)}, None)]
NO_TRUTH = [None, 1, "yes", [True], torch.tensor([True]), torch.ones(()), np.float64(1)]
NO_NUMBERS = [[], "123", {1: 2}, 3, ["1"], [[1]], torch.tensor(1.0)]
NO_TABLES = ["abc", [1, 2], [], {}, [{"a": 1}, {"b": 2}], {"a": 1, ("a", "b"): 2}]


def vae(latent_dim: int) -> VAE:
    """A VAE of 2x2 images."""
    decoder = mlp([latent_dim, 4], out_shape=(1, 2, 2))
    return VAE(mlp([4, 2 * latent_dim]), decoder, latent_dim=latent_dim)


def of_latent_dim(latent_dim):
    VAE(mlp([4, 4]), mlp([2, 4]), latent_dim=latent_dim)


def encode(encoder):
    return VAE(encoder, mlp([3, 4]), latent_dim=3).encode(torch.rand(2, 4))


def fit_quietly(loss_fn):
    fit(make_model(), X, loss_fn, **SETTINGS, seed=0, show_progress=False)


def show_a_figure(alt):
    show_figure(plt.figure(), alt=alt)


def claim_it(condition):
    claim("it holds", condition)


MU = torch.zeros(4, 3)
TRAINING = {"model": make_model(), "x": X, "loss_fn": copy_loss}
FIT = {"epochs": NOT_WHOLE, "batch_size": NOT_WHOLE, "lr": NOT_POSITIVE, "seed": [None, 1.0]}
FIT |= {"x": NO_DATA, "x_val": NO_DATA[:2], "schedule": [0.5], "beta": [0, 0.5]}
TRAVERSAL = {"z": [Z[None], Z / 0], "values": [VALUES / 0, [1.0]], "dims": [[12], [-1], [0.5], []]}
GIF = {"frames": NO_FRAMES, "enlarge": NOT_WHOLE, "levels": [1, 257], "labels": [["a"]]}
# A GIF counts in hundredths: 0.004 seconds would be none, and browsers show that for 0.1.
GIF |= {"seconds": [*NOT_POSITIVE, 0.004]}

# A function, arguments that are right, and wrong values of some arguments.
CALLS = [
    (load_images, {"name": "digits"}, {"name": ["MNIST", "", None]}),
    (load_images, {"name": "digits"}, {"n_train": [0, 1438, 2.0, True], "n_test": [0, 361]}),
    (is_here, {"name": "digits"}, {"name": ["imagenet"]}),
    (mlp, {"dims": [3, 2]}, {"dims": [[], [3], *([3, n] for n in NOT_WHOLE)]}),
    (of_latent_dim, {"latent_dim": 2}, {"latent_dim": NOT_WHOLE}),
    (encode, {"encoder": mlp([4, 6])}, {"encoder": [mlp([4, n]) for n in (3, 5, 7, 12)]}),
    (vae(2).sample, {"n": 1}, {"n": NOT_WHOLE}),
    (reparameterize, {"mu": MU, "logvar": MU}, {"mu": [MU[:1]]}),
    (start_at_mean_image, {"decoder": mlp([2, 20]), "x": IMAGES}, {"decoder": NO_DECODERS}),
    (fit, {**TRAINING, **SETTINGS, "seed": 0}, FIT),
    (fit_quietly, {"loss_fn": copy_loss}, {"loss_fn": NO_LOSSES}),
    (evaluate, TRAINING, {"x": NO_DATA, "loss_fn": NO_LOSSES, "batch_size": NOT_WHOLE}),
    (estimated_minutes, {"speed": 1.0}, {"speed": NOT_POSITIVE}),
    (traverse, {"model": vae(12), "z": Z, "dims": [0], "values": VALUES}, TRAVERSAL),
    (morph, {"model": vae(12), "z_a": Z, "z_b": Z, "t": 0.5}, {"z_a": [Z[:1], [0, 0]]}),
    (decode_grid, {"model": vae(2), "n": 2}, {"model": [vae(12)], "n": NOT_WHOLE}),
    (to_png, {"image": IMAGES[0, 0]}, {"image": [IMAGES[0]]}),
    (show_images, {"images": IMAGES}, {"images": NO_IMAGES}),
    (show_rows, {"rows": ROWS}, {"rows": NO_ROWS, "above": NO_TEXTS}),
    (plot_codes, {"z": Z.view(6, 2), "y": Z[:6].int()}, {"z": [Z, Z.view(4, 3), Z.view(12, 1)]}),
    (show_a_figure, {"alt": ALT}, {"alt": ["", "A figure", " " * 40]}),
    (show_animation, {"frames": FRAMES, "alt": ALT}, {"alt": ["", "A figure", " " * 40]}),
    (span, {"values": [1]}, {"values": NO_NUMBERS, "digits": [-1]}),
    (print_table, {"rows": {"a": 1}}, {"rows": NO_TABLES, "digits": [-1, 1.5]}),
    (print_table, {"rows": {"a": 1}}, {"columns": ["ab", [1, 2], ["a", "b", "c"]]}),
    (claim_it, {"condition": True}, {"condition": NO_TRUTH}),
    (gif_bytes, {"frames": FRAMES}, GIF),
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
    assert len(plt.get_fignums()) <= (function is show_a_figure), "the figure that was given"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [pytest.param(*call[:2], id=call[0].__name__) for call in CALLS],
)
def test_the_other_arguments_are_right(function, arguments):
    function(**arguments)
