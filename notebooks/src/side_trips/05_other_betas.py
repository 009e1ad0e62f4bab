# %% [markdown]
# # 5 · side trip · Other people's β

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch import nn

from tutorial_utils import (
    VAE, bernoulli_nll, claim, decode_grid, encode_images, evaluate,
    kl_per_dimension, kl_standard_normal, knn_accuracy, load_images, mlp,
    negative_elbo, plot_codes, print_table, score_grid, show_figure,
    show_image, show_rows, start_at_mean_image, train_grid, tsne_many,
    warmup_then_linear,
)

# %%
RETRAIN = False  # True: train all models again, which takes half an hour
seeds = [0, 1, 2]  # figures show the first; tables show all

data = load_images("mnist")
x_train, y_train = data.x_train, data.y_train
x_test, y_test = data.x_test[:5000], data.y_test[:5000]


# %%
def shared_loss(model, x, kl_share, n):  # n: 1 for a sum, 784 for an average
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x) / n
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": (1 - kl_share) * recon_loss + kl_share * kl}


def make_400():  # one hidden layer on each side, two latent numbers
    decoder = mlp([2, 400, 784], activation=nn.ReLU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(mlp([784, 400, 4], activation=nn.ReLU), decoder, latent_dim=2)


# %%
def measured(model):
    mu, _ = encode_images(model, x_test)
    return evaluate(model, x_test, negative_elbo) | {
        "k-NN": knn_accuracy(mu, y_test), "std of means": mu.std().item()}


# %%
readings = {"summed": 1, "averaged": 784}
settings = {"epochs": 10, "batch_size": 128, "lr": 2e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
found = {}
for grid in [{"n": readings, "kl_share": [0.5, 0.01]},
             {"n": {"averaged": 784}, "kl_share": [1e-7]}]:
    found |= train_grid(
        make_400, x_train, shared_loss, name="05_share", **settings,
        over=grid | {"seed": seeds[:1]})

# %%
scores = {}
for grid in [{"kl_share": [0.01, 1e-7], "seed": seeds[:1]},
             {"kl_share": [0.5], "seed": seeds}]:
    scores |= score_grid(
        make_400, x_train, shared_loss, name="05_share", **settings,
        over={"n": readings} | grid, measure=measured)


# %%
def make_512(k):
    net = partial(mlp, activation=nn.ReLU)
    decoder = net([k, 256, 512, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(net([784, 512, 256, 2 * k]), decoder, latent_dim=k)


# %%
deep = {}  # by (k, beta, seed)
for grid in [{"k": [20], "beta": [0, 12, 200]}, {"k": [2], "beta": [12]}]:
    deep |= train_grid(
        make_512, x_train, negative_elbo, name="05_deep", epochs=12,
        batch_size=256, lr=1e-3, retrain=RETRAIN,
        over=grid | {"seed": seeds[:1]})
