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
RETRAIN = False  # True: train all models again, an hour or two
seeds = [0, 1, 2]  # figures show the first; tables show all
beta = 784e-5  # pixels averaged, and the KL times 0.00001
print(f"β = {beta:.5f}")

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
# What weight should the KL have? The report behind this question trained with
# a "KL ratio of `0.99999`". That sounds like a loss of almost nothing but KL.
# It is the other way around: `0.99999` is the share of the *reconstruction*,
# and the KL has the rest, $10^{-5}$.
#
# Does that reconstruction average over the pixels, or sum? The report does not
# say. Averaged, it is $\beta = 784 \cdot 10^{-5} = 0.00784$. Summed, it is
# $10^{-5}$. ([Other people's β](05_other_betas.ipynb) has the conversion.)
# Here it makes no difference. We shall see that at 0.00784 the KL is a few
# tenths of a nat of the loss, against more than a hundred of copy. In both
# readings the model is asked for one thing: good copies from two numbers.


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
quick = {name: evaluate(model, x_test, loss_fn)
         for (name, _), (model, _) in short.items()}
print_table(quick, digits=1)
claim("half an epoch: the deepest, narrow network copies worse than 400-256",
      quick["400-256-64-10"]["recon_loss"]
      > quick["400-256"]["recon_loss"] + 1,
      quick=quick)

# %% [markdown]
# Look at recon_loss, on test images: this is how badly they are copied. The two
# wide networks lead, and the deepest, narrow one is behind them by several
# nats. *Go wide*, one would say, and many do. (And see what the KL adds to the
# loss, the difference of the first two columns: a few tenths of a nat. So much
# for its weight.)
#
# ## Fifteen epochs
#
# Then the slow way: all six for fifteen epochs, with three seeds each. Of each
# trained model we ask more than how it copies. **k-NN** is known from 04: how
# often do the ten nearest other means name the right class? And *which*
# classes do they take for each other? Last, how many units of the encoder's
# last hidden layer ever fire?


# %%
def confused(shares, group):  # named another one of the group; the mean
    rows = shares[group][:, group]
    return ((rows.sum() - rows.trace()) / len(group)).item()


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


# %% tags=["hide-input"]
# For a figure below: where the means of each class lie, as an ellipse
def class_map(mu):  # center and covariance of the means of each class
    scores = {}
    for k in range(10):
        own = mu[y_test == k]
        (a, b), (_, c) = torch.cov(own.T).tolist()
        x, y = own.mean(0).tolist()
        scores |= dict(zip([f"x {k}", f"y {k}", f"xx {k}", f"xy {k}",
                            f"yy {k}"], [x, y, a, b, c]))
    return scores


# %% [markdown]
# ### Predict

# %% tags=["predict"]
# Your guess, please
predict("All six are trained for fifteen epochs. Which one copies best?",
        ["256-128", "400-256", "400-256-64", "400-256-64-10"],
        answer="400-256-64",
        because="A layer more takes longer to learn, but two numbers need a "
        "decoder that can bend.")


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
    | {"units that fire": [int(n) for n in over_seeds(name, "units")]}
    for name in networks}, columns=["network", "weights", "recon_loss", "kl",
                                    "k-NN", "units that fire"])

# %% tags=["hide-input", "after-predict"]
# recon_loss of each network, after half an epoch and at the end
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2))
for row, name in enumerate(networks):
    axes[0].plot(quick[name]["recon_loss"], row, "o", color="0.5")
    ends = over_seeds(name, "recon_loss")
    axes[1].plot(ends, [row] * len(ends), "o-", color="C0", markersize=5)
axes[0].set(yticks=range(len(networks)), yticklabels=networks,
            title="After half an epoch: wide is best")
axes[1].set(yticks=range(len(networks)), yticklabels=[],
            title="After fifteen epochs: deep is best")
for ax in axes:
    ax.invert_yaxis()
    ax.set(xlabel="recon_loss on test images, nats")
show_figure(fig, alt="Reconstruction loss of six networks, a row for each. "
            "Left, after half an epoch: 400-128 and 400-256 are best, and "
            "400-256-64-10 is worst. Right, after fifteen epochs, a dot for "
            "each seed: 256-128 is worst, and the three deepest networks are "
            "best, 400-256-64 first.")

# %%
mean = {name: sum(over_seeds(name, "recon_loss")) / len(seeds)
        for name in networks}
claim("wider is better: 400-256 copies better than 256-128, on average",
      mean["400-256"] < mean["256-128"] - 0.5, mean=mean)
claim("deeper is better: one layer of 64 more copies better, on average",
      mean["400-256-64"] < mean["400-256"] - 0.5, mean=mean)
claim("the deepest, narrow or not, have overtaken 400-256, on average",
      max(mean["400-256-64-64"], mean["400-256-64-10"]) < mean["400-256"],
      mean=mean)

# %% [markdown]
# *What to see.* The order has turned around.
#
# * **Width** pays, as it did after half an epoch. You may read that 256-128,
#   400-128 and 400-256 copy alike. Neighbors do: their ranges overlap. But
#   each 256-128 is worse than each 400-256, by a nat or two on average. That
#   takes three quarters more weights.
# * **Depth** pays too, and more. One more layer of 64 gains about three nats,
#   for one weight in twenty-five. After half an epoch it looked like a loss.
# * **More depth** than that gains nothing here.
# * **A narrow layer** does not squeeze anything out. It costs a nat or so,
#   against the network that is as deep and not narrow. But it does not fail,
#   and even with it the deep network copies better than 400-256.
#
# Why does depth help, here? A reason to think of: two numbers must tell a
# decoder all that it knows about an image, so the map from the plane to the
# images has to be folded and bent, and layers bend. But it takes them time to
# find each other, more than half an epoch.
#
# The last column counts the units of the encoder's last hidden layer that fire
# for any test image at all. (How many there are, the network's name says at its
# end.) In each network some never do: they have died, as ReLUs may. In the
# narrow layer these are up to four of the ten. It does not matter much. Two
# numbers do not need ten units to pass through.
#
# So the question was not *wider or deeper?* It was *how long did you train?*
#
# ## Maps
#
# Three of the six networks, as maps: the means of test images, each drawn as
# its digit, and below what is decoded all over them. Then all six, with fewer
# dots: an ellipse for each class, one standard deviation to each side.

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
show_figure(fig, alt="Three scatters of means of test images, each drawn as "
            "its digit, for 256-128, 400-256 and 400-256-64-10, and below "
            "each a grid of the digits decoded all over them. Classes lie in "
            "arms side by side; 4 and 9 share places, and so do 3, 5 and 8.")

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
fig.suptitle("Where each class lies: 4 and 9 overlap everywhere, and 3, 5, 8")
fig.supxlabel("$z_1$", fontsize=10)
fig.supylabel("$z_2$", fontsize=10)
show_figure(fig, alt="Six maps of class ellipses, one for each network, first "
            "seed. The ellipses of 0 and 1 lie apart from the others; "
            "those of 4 and 9 lie on each other, and those of 3, 5 and 8 "
            "share a place in the middle.")

# %% [markdown]
# *What to see.* With next to no KL, nothing asks the codes to stay near 0. The
# clouds are ten units wide and more, with arms for the classes that are easy
# to tell. In the middle there is a crowd.
#
# Which classes are confused there? Name each test image by its ten nearest
# neighbors among the means. Then count: how often does a 4 get the name 9, or
# a 9 the name 4? How often do 3, 5 and 8 get one another's? And 2s the name of
# one of those three, which was reported of 256-128 alone?

# %%
groups = ["4, 9", "3, 5, 8", "2 as 3, 5, 8"]
print_table({name: {group: over_seeds(name, group) for group in groups}
             for name in networks}, columns=["network", *groups])
mixed = {group: [share for name in networks
                 for share in over_seeds(name, group)] for group in groups}
claim("every network, every seed: over a fifth of the 4s and 9s are confused",
      min(mixed["4, 9"]) > 0.2, mixed=mixed)
claim("and over a tenth of the 3s, 5s and 8s; but under a seventh of the 2s",
      min(mixed["3, 5, 8"]) > 0.1 and max(mixed["2 as 3, 5, 8"]) < 1 / 7,
      mixed=mixed)
twos = {name: sum(over_seeds(name, "2 as 3, 5, 8")) / len(seeds)
        for name in networks}
claim("on average 256-128 confuses 2s no more than the worst of the others",
      twos.pop("256-128") < max(twos.values()), twos=twos)

# %% [markdown]
# *What to see.* 4 with 9, and 3 with 5 and 8: that is so in every network,
# wide or deep. It is a matter of two numbers, and of handwriting. That 256-128
# alone confuses 2s is not so.
#
# ## Recap
#
# *Wider or deeper?*
#
# * For two numbers: deeper, if you can wait. Both pay. But the layer of 64 pays
#   at least as much, for a tenth of the weights that the width costs.
# * A narrow layer before the code costs a little and gains nothing. The code
#   is the narrow layer.
# * Who trains for half an epoch measures how fast a network starts. Wide ones
#   start fast.
#
# ## Where to go
#
# * Back to [04 · Seeing the latent space](../04_latent_space.ipynb). Its
#   network for two numbers is 256-128-64: deep, for this reason.
# * With a KL that counts, depth has a danger: the code can collapse before the
#   decoder has learned to read it.
#   [05 · One knob](../05_beta.ipynb) makes that happen, and cures it.
# * **One to try:** are 400-256 and 400-256-64 still apart with 20 numbers? Put
#   the number of latent numbers into `make_layers`, and take `epochs` down to
#   5 for a first look. By now you know what such a look is worth.
