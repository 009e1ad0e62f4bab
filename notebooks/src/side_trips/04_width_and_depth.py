# %% [markdown]
# # 4 · side trip · Wider or deeper?
#
# ![Three networks, their layers drawn to scale: 256-128; the wider 400-256;
# and the deeper 400-256-64-10, whose layer of 10 is hardly higher than the
# code of 2.](../figures/layers.svg)
#
# Your VAE has two latent numbers, and its copies are soft. You may make its
# layers wider, or add one. **Which of the two, and does a narrow layer just
# before the code help to squeeze, or does it hurt?**
#
# A common way to find out is to train each network for a minute, and to look.
# We do that too. Then we train them to the end.
#
# *A side trip from [04 · Seeing the latent space](../04_latent_space.ipynb) ·
# twenty minutes*

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Ellipse
from torch import nn

from tutorial_utils import (
    VAE, claim, decode_grid, encode_images, evaluate, knn_confusion,
    load_images, mlp, negative_elbo, plot_codes, print_table, score_grid,
    show_figure, show_image, start_at_mean_image, train_grid,
    warmup_then_linear,
)
from tutorial_utils.plotting import COLORS
from tutorial_utils.studios.predict import predict

# %%
RETRAIN = False  # True: train all models again, which takes an hour
seeds = [0, 1, 2]  # figures show the first; tables show all
beta = 784e-5  # pixels averaged, and the KL times 0.00001

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test

# %% [markdown]
# ## Six networks
#
# A name says the hidden layers of the encoder. The decoder has the same, in
# reverse order. *400-256* is wider than *256-128*, and *400-128* lies between
# them. *400-256-64* is deeper. *400-256-64-10* is deeper still, and narrow.
# So if it does badly, is it the depth, or the narrow layer? To tell, we add
# *400-256-64-64*, which is as deep and not narrow.
#
# What weight should the KL have? The report behind this question gives it
# $10^{-5}$. Does it average over the pixels, or sum? It does not say.
# Averaged, that is $\beta = 784 \cdot 10^{-5} = 0.00784$; summed, it is $10^{-5}$
# ([Other people's β](05_other_betas.ipynb) has the conversion). Here it makes
# no difference. We shall see that at 0.00784 the KL is a tenth of a nat of the
# loss, against more than a hundred of copy. In both readings the model is
# asked for one thing: good copies from two numbers.


# %%
def make_layers(layers):  # such as "400-256": the encoder's hidden layers
    hidden = [int(n) for n in layers.split("-")]
    net = partial(mlp, activation=nn.ReLU)
    decoder = net([2, *reversed(hidden), 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(net([784, *hidden, 4]), decoder, latent_dim=2)


# %%
networks = ["256-128", "400-128", "400-256", "400-256-64",
            "400-256-64-64", "400-256-64-10"]
settings = {"epochs": 15, "batch_size": 128, "lr": 2e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
loss_fn = partial(negative_elbo, beta=beta)

# %% [markdown]
# ## Half an epoch
#
# First the quick way: one pass over half of the training images, here and now.

# %%
short = train_grid(
    make_layers, x_train[:30_000], loss_fn, name="04_short",
    **settings | {"epochs": 1}, on_shelf=False,
    over={"layers": networks, "seed": seeds[:1]})
print_table({name: evaluate(model, x_test, negative_elbo)
             for (name, _), (model, _) in short.items()}, digits=1)

# %% [markdown]
# The table has both terms and their sum, at β = 1, on test images. Look at
# recon_loss: this is how badly images are copied.
#
# ### Predict

# %% tags=["predict"]
# Your guess, please
predict("All six are trained for fifteen epochs. Which one copies best?",
        ["256-128", "400-256", "400-256-64", "400-256-64-10"],
        answer="400-256-64",
        because="X")


# %%
def confused(shares, group):  # named another one of the group; the mean
    rows = shares[group][:, group]
    return ((rows.sum() - rows.trace()) / len(group)).item()


def class_map(mu):  # center and covariance of the means of each class
    scores = {}
    for k in range(10):
        own = mu[y_test == k]
        (a, b), (_, c) = torch.cov(own.T).tolist()
        x, y = own.mean(0).tolist()
        scores |= dict(zip([f"x {k}", f"y {k}", f"xx {k}", f"xy {k}",
                            f"yy {k}"], [x, y, a, b, c]))
    return scores


def measured(model):
    mu, _ = encode_images(model, x_test)
    shares = knn_confusion(mu, y_test)
    row = evaluate(model, x_test, negative_elbo)
    row["k-NN"] = shares.diagonal().mean().item()
    row["4, 9"] = confused(shares, [4, 9])
    row["3, 5, 8"] = confused(shares, [3, 5, 8])
    row["2 as 3, 5, 8"] = shares[2, [3, 5, 8]].sum().item()
    units = model.encoder[:-2](x_test)  # the last hidden layer, after ReLU
    row["units"] = (units > 0).any(0).sum().item()
    return row | class_map(mu)


# %%
scores = score_grid(
    make_layers, x_train, loss_fn, name="04_layers", measure=measured,
    over={"layers": networks, "seed": seeds}, **settings)


def over_seeds(layers, score):
    return [scores[layers, seed][score] for seed in seeds]


# %% tags=["after-predict"]
def weights(name):  # how many the network has
    return sum(part.numel() for part in make_layers(name).parameters())


print_table({name: {"weights": f"{weights(name):,}"} | {
    score: over_seeds(name, score) for score in ("recon_loss", "kl", "k-NN")}
    for name in networks})

# %% tags=["hide-input", "after-predict"]
# recon_loss of each network, after half an epoch and at the end
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2))
for row, name in enumerate(networks):
    model, _ = short[name, seeds[0]]
    quick = evaluate(model, x_test, loss_fn)["recon_loss"]
    axes[0].plot(quick, row, "o", color="0.5")
    ends = over_seeds(name, "recon_loss")
    axes[1].plot(ends, [row] * len(ends), "o-", color="C0", markersize=5)
axes[0].set(yticks=range(len(networks)), yticklabels=networks,
            title="After half an epoch (one seed)")
axes[1].set(yticks=range(len(networks)), yticklabels=[],
            title="After fifteen epochs (all seeds)")
for ax in axes:
    ax.invert_yaxis()
    ax.set(xlabel="recon_loss on test images, nats")
show_figure(fig, alt="ALT")

# %% [markdown]
# WHAT TO SEE
#
# ## Maps
#
# Three of the six networks, as maps: the means of test images, each drawn as
# its digit, and below what is decoded all over them.

# %%
shown = ["256-128", "400-256", "400-256-64-10"]
found = train_grid(
    make_layers, x_train, loss_fn, name="04_layers",
    over={"layers": shown, "seed": seeds[:1]}, **settings)

# %% tags=["hide-input"]
# Means of test images and decoded digits, first seed
fig, axes = plt.subplots(2, len(shown), figsize=(9, 6.2))
for (top, below), ((name, _), (model, _)) in zip(axes.T, found.items()):
    mu, _ = encode_images(model, x_test[:2000])
    low, high = mu.quantile(torch.tensor([0.01, 0.99]), dim=0)
    plot_codes(mu, y_test[:2000], n=700, ax=top, title=name)
    top.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="$z_1$",
            ylabel="$z_2$")
    u, v = [torch.linspace(*ends, 10) for ends in zip(low.tolist(),
                                                      high.tolist())]
    show_image(decode_grid(model, z_1=u, z_2=v), ax=below)
show_figure(fig, alt="ALT")

# %% tags=["hide-input"]
# The means of all six: an ellipse for each class, one standard deviation
fig, axes = plt.subplots(2, 3, figsize=(9, 6))
for ax, name in zip(axes.flat, networks):
    row = scores[name, seeds[0]]
    for k in range(10):
        center = row[f"x {k}"], row[f"y {k}"]
        shape = torch.tensor([[row[f"xx {k}"], row[f"xy {k}"]],
                              [row[f"xy {k}"], row[f"yy {k}"]]])
        sizes, axes_of = torch.linalg.eigh(shape)
        angle = torch.atan2(axes_of[1, 1], axes_of[0, 1]).rad2deg().item()
        short_side, long_side = (2 * sizes.clamp(min=0).sqrt()).tolist()
        ax.add_patch(Ellipse(center, long_side, short_side, angle=angle,
                             facecolor=COLORS[k], alpha=0.45))
        ax.annotate(k, center, ha="center", va="center", fontweight="bold")
    ax.autoscale_view()
    ax.set(title=name)
show_figure(fig, alt="ALT")

# %%
print_table({name: {score: over_seeds(name, score) for score in
                    ("4, 9", "3, 5, 8", "2 as 3, 5, 8")}
             for name in networks})
