# %% [markdown]
# # 4 · Seeing the latent space
#
# ![Two rows of eleven images, each from the same 2 to the same 7. In the row
# of 2 numbers other digits come up on the way. In the row of 20 numbers the
# strokes are sharp, and the 2 turns into the 7
# directly.](figures/two_walks.png)
#
# *A walk from a 2 to a 7, in two latent spaces: straight lines between two
# codes, decoded. All images are means of $p(x|z)$.*

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn

from tutorial_utils import (
    VAE, Autoencoder, digit_classifier, load_images, mlp, negative_elbo,
    squared_error, start_at_mean_image, train_grid, warmup_then_linear,
)

# %%
RETRAIN = False  # True: train all models again, which takes half an hour
seeds = [0, 1, 2]  # figures show the first; "Was it luck?" compares all
latent_dim = 20  # of the model in the middle, between 2 and 64 numbers

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test


# %%
def make_vae(k):  # k latent numbers; with two, a deeper network learns more
    down, up = [256, 128, 64], [64, 128, 256]
    if k >= 8:
        down, up = [256], [256, 256]
    encoder = mlp([784, *down, 2 * k], activation=nn.GELU)
    decoder = mlp([k, *up, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=k)


# %%
def make_autoencoder(k):  # the same layers; its code is k numbers, no more
    down, up = [256, 128, 64], [64, 128, 256]
    if k >= 8:
        down, up = [256], [256, 256]
    encoder = mlp([784, *down, k], activation=nn.GELU)
    decoder = mlp([k, *up, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return Autoencoder(encoder, decoder)


def copy_error(model, x):
    return {"loss": squared_error(model(x).sigmoid(), x)}


# %%
settings = {"epochs": 25, "batch_size": 128, "lr": 3e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
vaes = train_grid(
    make_vae, x_train, negative_elbo, name="05_sweep", **settings,
    over={"k": [2, 64], "beta": [0, 1, 200], "seed": seeds[:1]})
vaes |= train_grid(
    make_vae, x_train, negative_elbo, name="04_vae", **settings,
    over={"k": [latent_dim], "beta": [1], "seed": seeds[:1]})
autoencoders = train_grid(
    make_autoencoder, x_train, copy_error, name="04_ae", **settings,
    over={"k": [2, latent_dim, 64], "seed": seeds[:1]})
judge = digit_classifier(data, retrain=RETRAIN)
