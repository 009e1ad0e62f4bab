# %% [markdown]
# # 5 · One knob: the effect of β and the KL term
#
# What does the KL term do when it counts more, or less, and why does the same
# number mean different things in different code?
#
# **You will** · sweep β from 0 to 200, and move everything with one slider ·
# read β as a price · tell a summed loss from an averaged one · see that β = 0
# is no autoencoder · make a collapse, and cure it · over-fit, and stop in time
# · see where a good β breaks.
#
# *Builds on [04](04_latent_space.ipynb) · about 5 min on two CPU cores ·
# [Solutions](solutions/05_beta.ipynb)*
#
# **Only here for the slider?** [This page](figures/beta.html) needs neither
# Python nor a network.

# %%
import math
from functools import partial
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn.functional import adaptive_avg_pool2d

from tutorial_utils import (
    VAE, bernoulli_nll, claim, constant, decode_grid, digit_classifier,
    encode_images, estimated_minutes, evaluate, kl_per_dimension,
    kl_standard_normal, knn_accuracy, linear_vae_law, load_images,
    load_pretrained, local_seed, mlp, negative_elbo, plot_codes, print_table,
    reparameterize, show_animation, show_figure, show_image, show_rows,
    squared_error, start_at_mean_image, straight_line, train_grid, trained,
    training_speed, tsne_many, warmup_then_linear,
)
from tutorial_utils.checks.nb05 import (
    check_detective, check_one_knob, check_warmup,
)
from tutorial_utils.pages.slider import export_slider
from tutorial_utils.studios.beta_panels import beta_panels, multiplier_panels
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.studios.schedule import schedule_composer
from tutorial_utils.topics.schedules import PRESETS, train_schedule

# %%
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]
betas = [0, 0.01, 0.1, 0.5, 1, 2, 4, 10, 12, 50, 200]
only_seed_0 = [0.01, 2, 12, 50, 200]  # much like their neighbors

data = load_images("mnist")
x_train = data.x_train
x_test, y_test = data.x_test[::2], data.y_test[::2]  # 5,000 test images

minutes = estimated_minutes(training_speed())["05_beta"]
print(f"this notebook on this machine, the first time: {minutes:.0f} min")

# %% [markdown]
# ## The sweep
#
# So far $\beta$ (02), the number in front of the KL, was mostly 1:
#
# $$\text{loss} = \underbrace{\mathbb E_q[-\log p(x|z)]}_{\text{recon loss}} +
# \beta\;\underbrace{\mathrm{KL}(q(z|x)\,\|\,p(z))}_{\text{kl}}$$
#
# Both terms are in nats, *summed* over pixels and latent dimensions, averaged
# over images. At $\beta = 1$ the loss is $-$ELBO; whatever $\beta$ trains a
# model, we report its $-$ELBO at $\beta = 1$, on test images.
#
# Now train the same two networks, with 2 and 64 latent numbers, at eleven
# values of $\beta$, six of them with three seeds, for one epoch each: on two
# cores **one to two minutes**; later waits are **half a minute** at most. This
# is a **sweep**: `train_grid` trains a model for each combination of values,
# one on each core, and caches it; stopped, it goes on from there. Guess: which
# $\beta$ will have the sharpest copies, the best $-$ELBO, the most varied prior
# samples?
#
# <details><summary>The same lines on a cluster</summary>
#
# With `distributed` on all machines, and a folder for models that all see:
#
# ```python
# import joblib
# from distributed import Client
#
# client = Client("scheduler:8786")  # or Client() for this machine
# with joblib.parallel_config(backend="dask"):
#     sweep = train_grid(...)  # as below
# ```
# </details>

# %%
def make_vae(k):
    decoder = mlp([k, 128, 256, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(mlp([784, 256, 2 * k]), decoder, latent_dim=k)


settings = {"epochs": 1, "batch_size": 256, "lr": 1e-2,
            "schedule": warmup_then_linear,  # of the learning rate
            "retrain": RETRAIN}
three_seeds = [beta for beta in betas if beta not in only_seed_0]
grids = [{"k": [2, 64], "beta": three_seeds, "seed": seeds},
         {"k": [2, 64], "beta": only_seed_0, "seed": seeds[:1]},
         {"k": [8, 16], "beta": [1], "seed": seeds[:1]}]

# %%
models = {}  # by (k, beta, seed)
for grid in grids:
    sweep = train_grid(make_vae, x_train, negative_elbo, over=grid,
                       name="05_sweep", **settings)
    models |= {key: model for key, (model, _) in sweep.items()}
judge = digit_classifier(data, retrain=RETRAIN)


# %% [markdown]
# What to measure: both terms, how many latent numbers are active (mean KL over
# 0.01 nats, as in 04), and the *variety* of prior samples. The judge names a
# thousand of them; if class $c$ gets the share $p_c$, the entropy is $H =
# -\sum_c p_c \log p_c$, and $e^H$ is an effective number of classes: 10 if all
# are equally frequent, 1 if all get the same name.

# %%
@torch.no_grad()
def measured(model, seed=0):
    row = evaluate(model, x_test, negative_elbo)
    kl = kl_per_dimension(*encode_images(model, x_test))
    row["active"] = (kl > 0.01).sum().item()
    row["over 0.15 nats"] = (kl > 0.15).sum().item()
    generator = torch.Generator().manual_seed(seed)
    names = judge(model.sample(1000, generator=generator)).argmax(1)
    shares = names.bincount(minlength=10) / 1000
    row["classes"] = torch.special.entr(shares).sum().exp().item()
    return row


scores = {key: measured(model, key[2]) for key, model in models.items()}


# %%
def over_seeds(scores, *key):  # -> {name: [its value for each seed]}
    rows = [scores[(*key, s)] for s in seeds if (*key, s) in scores]
    return {name: [row[name] for row in rows] for name in rows[0]}


for k in [2, 64]:
    print(f"{k} numbers")
    rows = {beta: over_seeds(scores, k, beta) for beta in betas}
    print_table(rows, digits=1, columns=["β", *rows[betas[0]]])


# %%
def falls(values):
    return values == sorted(values, reverse=True)


for k in [2, 64]:
    rows = [{b: scores[k, b, s] for b in betas if (k, b, s) in scores}
            for s in seeds]
    kls = [[row[b]["kl"] for b in row if b < 50] for row in rows]
    lost = [row[b]["kl"] for row in rows for b in row if b >= 50]
    best = [min(row, key=lambda b: row[b]["loss"]) for row in rows]
    claim(f"{k:2} numbers, every seed: the KL falls as β grows",
          all(map(falls, kls)), kls=kls)
    claim(f"{k:2} numbers: below β = 50 half a nat is left, or more",
          min(map(min, kls)) > 0.5, kls=kls)
    claim(f"{k:2} numbers, first seed: from β = 50 on nothing is left",
          max(lost) < 0.01, lost=lost)
    claim(f"{k:2} numbers, every seed: the best −ELBO is at β = 0.5 or 1",
          set(best) <= {0.5, 1}, best=best)

# %% [markdown]
# *What to see:* `loss` is $-$ELBO. As $\beta$ grows, the KL falls and the
# reconstruction pays for it; at 50 and above nothing is left: every image is
# painted as the average image, and the terms say so, 205 nats and 0 (03). The
# lowest $-$ELBO is at or just below $\beta = 1$. Variety is lost on both
# sides: on the left the prior misses the codes (and the judge must name
# tangles too), on the right there is little to say.
#
# ## Move it
#
# Drag, or focus the slider and use the arrow keys. Where do digits disappear
# from the map, and when do copies blur? The cell also writes all of this into
# one file, `beta.html` beside this notebook, which needs no kernel.

# %%
seed = seeds[0]
first = {(k, beta): models[k, beta, seed] for k in [2, 64] for beta in betas}
first_scores = {(k, beta): scores[k, beta, seed] for k, beta in first}
panels = beta_panels(first, first_scores, x_test, y_test)
page = export_slider("β", panels, Path("beta.html"))
print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB")
model_slider("β", panels, start="1")

# %%
shown = [0, 0.1, 1, 4, 10, 50]
fig, axes = plt.subplots(3, 6, figsize=(9.5, 5))
for (top, middle, below), beta in zip(axes.T, shown):
    model = first[2, beta]
    mu, logvar = encode_images(model, x_test)
    with local_seed(0):
        z = reparameterize(mu, logvar)
    for ax, codes in [(top, mu), (middle, z)]:
        plot_codes(codes, y_test, n=500, ax=ax,
                   title=f"β = {beta:g}\n" * (ax is top)
                   + f"std {codes.std():.2f}")
        ax.set(xlim=(-4, 4), ylim=(-4, 4), xlabel="", ylabel="",
               xticks=[-3, 0, 3], yticks=[-3, 0, 3], aspect="equal")
    show_image(decode_grid(model, 8), ax=below)
for ax, name in zip(axes[:, 0], ["means", "samples", "normal quantiles"]):
    ax.set_ylabel(name)
show_figure(fig, alt="For six values of beta: means as digit glyphs, "
            "samples, and digits decoded on normal quantiles. At 0 a third of "
            "the codes lies outside the frame of plus or minus 4; at 1 means "
            "and samples look alike; at 10 the means have drawn together and "
            "the samples are a round cloud; at 50 the means are a point, the "
            "samples a cloud without order, and all decoded digits one blur.")

# %% [markdown]
# *What to see:* with a small $\beta$ the codes spread far beyond the prior,
# with little noise. Toward 10 the *means* draw together, while the *samples*
# become a standard normal, because the noise grows. The concentrated means are
# 04's "more normal" codes; they only shrink.
#
# Another one compared $\beta = 0$, 1 and 10 with 64 numbers. Here are
# posterior samples ($z$ from $q(z|x)$ of the image above) and prior samples.
# All images are decoded means of $p(x|z)$.

# %%
rows = {"image": x_test[:12]}
generator = torch.Generator().manual_seed(0)
noise = torch.randn(12, 64, generator=generator)
with local_seed(0):
    for beta in [0, 0.1, 1, 10]:
        model = first[64, beta]
        mu, logvar = encode_images(model, x_test[:12])
        z = reparameterize(mu, logvar)
        for name, codes in [("at μ", mu), ("posterior", z), ("prior", noise)]:
            rows[f"β = {beta:g}, {name}"] = model.decode(codes).sigmoid()
fig = show_rows(rows, size=0.52, title="Small β: good copies, bad prior "
                "samples. Large β: both alike, and blurred")
show_figure(fig, alt="Thirteen rows of twelve images: test images; then for "
            "beta 0, 0.1, 1 and 10 the decoded mean, a posterior sample and a "
            "prior sample. At 0 copies are sharp and prior samples are "
            "tangles; at 10 copies are blurred and often another digit.")

# %% [markdown]
# *What to see:* at $\beta = 0$ posterior samples are sharp and prior samples
# garbage: the prior is not where the codes are (04). At 10 all is blurred and
# the variety is down, though not to the point where all posteriors are the
# prior, as that tutorial has it: the KL is about two nats. Its walk, for three
# values; at 10 the ends are lost, an 8 turns into a 9:

# %%
def walk(beta, ends, t):  # images [T, 1, 28, 28] on a straight line of means
    model = first[64, beta]
    mu, _ = encode_images(model, ends)
    return model.decode(straight_line(*mu, t)).sigmoid()


t = torch.linspace(0, 1, 17)
ends = x_test[[(y_test == k).nonzero()[1].item() for k in (2, 7)]]
walks = {f"β = {beta}": walk(beta, ends, t) for beta in [0, 1, 10]}
frames = torch.cat([*walks.values()], dim=3)
show_animation(torch.cat([frames, frames.flip(0)]), levels=64,
               labels=[(" " * 14).join(walks)] * 34,
               alt="Animation: a 2 turns into a 7 and back for beta 0 and 1; "
               "beside them, for beta 10, a blurred 8 into a blurred 9.")

# %%
fig = show_rows({name: images[::2] for name, images in walks.items()},
                size=0.7, title="On paper, every second frame")
show_figure(fig, alt="Three rows of nine images: for beta 0 and 1 from a 2 "
            "to a 7, for beta 10 from a blurred 8 to a blurred 9.")

# %% [markdown]
# ## β is a price
#
# Call the KL the **rate**: nats that a code costs, and the most that it can
# say about its image. Call recon_loss the **distortion**. The best models for
# each $\beta$ lie on a curve. Step along it by a small $\Delta\text{kl}$: at
# the optimum the loss must not change, so $\Delta\text{recon loss} +
# \beta\,\Delta\text{kl} = 0$.
#
# $$\beta = -\frac{\Delta\,\text{recon loss}}{\Delta\,\text{kl}}$$
#
# $\beta$ is what one nat of rate must save in distortion to be bought. Between
# two neighbors in our sweep, the price paid should lie between their $\beta$s.

# %%
def price(cheap, dear):  # of scores: at the smaller β, at the larger β
    distortion_added = dear["recon_loss"] - cheap["recon_loss"]
    rate_saved = cheap["kl"] - dear["kl"]
    return distortion_added / rate_saved


neighbors = [(0.1, 0.5), (0.5, 1), (1, 4), (4, 10)]
bill = {(k, a, b): [price(scores[k, a, s], scores[k, b, s]) for s in seeds]
        for k, (a, b) in product([2, 64], neighbors)}
print_table(bill, columns=["numbers", "from β", "to β", "nats per nat"])

# %%
fig, ax = plt.subplots(figsize=(8, 4))
for k, line in [(2, "o-"), (64, "s--")]:
    curve = [first_scores[k, beta] for beta in betas]
    rates, distortions = [[row[name] for row in curve]
                          for name in ("kl", "recon_loss")]
    ax.plot(rates, distortions, line, label=f"{k} numbers", markersize=5)
    for beta, at in zip(betas, zip(rates, distortions)):
        if beta in ([0.1, 1, 4] if k == 2 else [0, 0.01, 0.1, 1, 4, 10, 50]):
            ax.annotate(f"{beta:g}", at, xytext=(5, 5), fontsize=9,
                        textcoords="offset points")
ax.set_xscale("symlog", linthresh=1)
ax.annotate("collapse:\nnothing is sent", (0, 205.9), xytext=(0.05, 165))
ax.annotate("autoencoder:\nas much as possible", (500, 76), xytext=(90, 100))
ax.set(xlabel="rate: kl, nats (linear up to 1, then logarithmic)",
       ylabel="distortion: recon_loss, nats", xlim=(-0.1, 1200),
       title="Every β buys another point of the curve (labels: β)")
ax.legend()
show_figure(fig, alt="Distortion against rate. Both curves start at 205 nats "
            "and a rate of 0; the one of two numbers ends near 148, the one "
            "of 64 falls to 76 at a rate of 500.")

# %% [markdown]
# *What to see:* the prices lie between the two $\beta$s, or nearly, but for
# two numbers from 0.5 to 1: one epoch is not the optimum. An earlier tutorial
# says that $\beta = 200$ optimizes only the KL; it is still a weighted sum,
# but no nat of rate saves 200 nats of distortion. Two numbers cannot carry
# more than a few useful nats: below $\beta = 0.1$ their curve is flat, and the
# KL rises for nothing.
#
# ## Predict
#
# An earlier tutorial trained with the loss $(1-r)\cdot\text{recon loss} +
# r\cdot\text{kl}$, 2 latent numbers, and $r = 0.5$, 0.01 and $10^{-7}$. It saw
# no clusters at 0.5, and clear ones at $10^{-7}$, but did not say whether it
# summed or averaged over the 784 pixels. What is $\beta$ in both cases, and
# what will you see?

# %%
def shared_loss(model, x, kl_share, n):  # n: 1 for a sum, 784 for an average
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x) / n
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": (1 - kl_share) * recon_loss + kl_share * kl}


def make_400(k):  # one hidden layer on each side, as in that tutorial
    decoder = mlp([k, 400, 784], activation=nn.ReLU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(mlp([784, 400, 2 * k], activation=nn.ReLU), decoder,
               latent_dim=k)


shares, readings = [0.5, 0.01, 1e-7], {"summed": 1, "averaged": 784}
grids = [{"n": readings, "kl_share": [0.5], "seed": seeds},
         {"n": readings, "kl_share": [0.01, 1e-7], "seed": seeds[:1]}]

# %%
shared = {}  # by (reading, share, seed)
for grid in grids:
    found = train_grid(partial(make_400, 2), x_train[:30_000], shared_loss,
                       over=grid, name="05_share",
                       **settings | {"batch_size": 128, "lr": 5e-3})
    shared |= {key: model for key, (model, _) in found.items()}
both = {(name, share): shared[name, share, seeds[0]]
        for name, share in product(readings, shares)}


# %%
def described(model):
    row, (mu, _) = measured(model), encode_images(model, x_test)
    return {"recon_loss": row["recon_loss"], "kl": row["kl"],
            "k-NN": knn_accuracy(mu, y_test), "std of μ": mu.std().item()}


found = {key: described(model) for key, model in shared.items()}
print_table({key: over_seeds(found, *key) for key in both}, digits=3,
            columns=["loss", "r", "recon_loss", "kl", "k-NN", "std of μ"])

# %%
fig, axes = plt.subplots(2, 6, figsize=(9.5, 3.8))
for (top, below), (name, share) in zip(axes.T, both):
    model, beta = both[name, share], share / (1 - share) * readings[name]
    mu, _ = encode_images(model, x_test)
    title = f"{name}\nr = {share:g}\nβ = {beta:.3g}"
    plot_codes(mu, y_test, n=500, ax=top, title=title)
    top.set(xlabel="", ylabel="", xticks=[], yticks=[])
    ends = mu.quantile(torch.tensor([0.02, 0.98]), dim=0)
    u, v = [torch.linspace(*ends[:, j].tolist(), 8) for j in (0, 1)]
    show_image(decode_grid(model, z_1=u, z_2=v), ax=below)
show_figure(fig, alt="Six scatters of means, the digits decoded over them. "
            "Summed: clusters for all three weights. Averaged: at 0.5 the "
            "classes are mixed within a few thousandths and all images are "
            "the same blur; at 0.01 and below there are clusters.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Divide the loss by $1 - r$: $\beta = r/(1-r)$ if summed, and 784 times as
# much if averaged. Summed, $r = 0.5$ is $\beta = 1$, and that shows clusters.
# Averaged, it is 784, and that is collapse. Which it was is exercise 1.
# </details>
#
# *What to see:* the axes differ: the collapsed codes span a few thousandths.
# More KL, fewer clusters: right, but the number 0.5 alone says nothing.
#
# ### A table of 48 columns
#
# Another earlier tutorial had a table with 48 columns, two classes and three
# latent numbers. Its loss was mean BCE + kl, both classes lay on top of each
# other, and its three identical densities seemed useless. It found the
# reconstruction error too small, and multiplied it by 48, which is no
# heuristic: 48 times the mean is the sum, and the loss is $-$ELBO again. Take
# images of 0 and 1 instead, pooled to 8 × 6 pixels. Drag the multiplier from 1
# to 480: which bars rise, and when?

# %%
def table(x, y):  # -> [N, 48], [N]
    chosen = (y == 0) | (y == 1)
    return (adaptive_avg_pool2d(x[chosen][..., 4:24], (8, 6)).flatten(1),
            y[chosen])


def weighted_loss(model, x, multiplier):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x) / 48  # the mean over columns
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": multiplier * recon_loss + kl}


def make_small():
    return VAE(mlp([48, 64, 6]), mlp([3, 64, 48]), latent_dim=3)


# %%
(x_48, _), (x_48_test, y_48) = [table(data.x_train, data.y_train),
                                table(data.x_test, data.y_test)]
multipliers = [1, 4, 8, 12, 16, 24, 48, 96, 192, 480]
found = train_grid(make_small, x_48, weighted_loss,
                   over={"multiplier": multipliers, "seed": seeds},
                   name="05_times", **settings | {"epochs": 4})
tables = {key: model for key, (model, _) in found.items()}

# %%
rows = {}
for m in multipliers:
    kls = [kl_per_dimension(*encode_images(tables[m, s], x_48_test))
           for s in seeds]
    rows[m] = {"β": 48 / m, "kl, nats": [kl.sum().item() for kl in kls],
               "active of 3": [(kl > 0.01).sum().item() for kl in kls]}
print_table(rows, digits=3, columns=["×", *rows[m]])

# %%
model_slider("multiplier", multiplier_panels(
    {m: tables[m, seeds[0]] for m in multipliers}, x_48_test, y_48),
    start="48")

# %%
axis = torch.linspace(-3, 3, 200)
fig, axes = plt.subplots(1, 4, figsize=(9.5, 2.6))
for (left, right), m in zip(axes.reshape(2, 2), [1, 48]):
    mu, logvar = encode_images(tables[m, seeds[0]], x_48_test)
    u, v = mu.std(0).argsort(descending=True)[:2]
    plot_codes(mu[:, [u, v]], y_48, n=300, title=f"means, × {m}", ax=left)
    left.set(xlabel=f"$z_{u + 1}$", ylabel=f"$z_{v + 1}$", xlim=(-3, 3),
             ylim=(-3, 3))
    posterior = Normal(mu[0], (0.5 * logvar[0]).exp())
    density = posterior.log_prob(axis[:, None]).exp()
    for j, line in enumerate(["-", "--", ":"]):
        right.plot(axis, density[:, j], line, marker="", label=f"$z_{j + 1}$")
    right.set(title=f"one row's posterior, × {m}", xlabel="$z_j$")
axes[3].legend()
show_figure(fig, alt="Times 1: all means in one point, and three identical "
            "standard normal densities. Times 48: two separate clusters, and "
            "densities: one narrow and shifted, one only narrower.")

# %% [markdown]
# *What to see:* at × 1, $\beta$ is 48 and every row's posterior is the prior
# (the three identical densities): collapse, for each row, since no KL is
# negative. Dimensions come into use one by one, when they pay; at × 48 the
# classes separate.
#
# ### 0, 12, 200
#
# A third one had hidden layers of 512 and 256, an unknown number of latent
# numbers (20 here, 2 for its map), and $\beta = 0$, 12 and 200; here one
# epoch, one seed, and t-SNE of 800 training images. Its text says 12, its
# file names 8, and elsewhere $\beta = 10$ is called "Beta0".

# %%
def make_512(k):
    net = partial(mlp, activation=nn.ReLU)
    decoder = net([k, 256, 512, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(net([784, 512, 256, 2 * k]), decoder, latent_dim=k)


deep = {}  # by (k, beta)
for grid in [{"k": [20], "beta": [0, 12, 200]}, {"k": [2], "beta": [12]}]:
    found = train_grid(make_512, x_train, negative_elbo, over=grid, seed=0,
                       name="05_deep", **settings | {
                           "batch_size": 128, "lr": 1e-3,
                           "schedule": constant})
    deep |= {key: model for key, (model, _) in found.items()}

# %%
x_few, y_few = x_train[:800], data.y_train[:800]
spaces = {f"20_numbers_beta_{beta}": encode_images(deep[20, beta], x_few)
          for beta in [0, 12, 200]}
spaces["64_numbers_beta_10"] = encode_images(first[64, 10], x_few)
maps = tsne_many({name: mu for name, (mu, _) in spaces.items()},
                 perplexity=30.0, seed=0)

# %%
fig, axes = plt.subplots(1, 4, figsize=(9.5, 3.1))
for ax, (name, (mu, logvar)) in zip(axes, spaces.items()):
    kl = kl_per_dimension(mu, logvar)
    title = (f"{name.replace('_', ' ')}\nkl {kl.sum():.1f}, "
             f"active {(kl > 0.01).sum()}\nstd of μ {mu.std():.2g}, "
             f"k-NN {knn_accuracy(mu, y_few):.2f}")
    plot_codes(maps[name], y_few, n=700, ax=ax, title=title)
    ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
show_figure(fig, alt="Four t-SNE pictures. Beta 0, and beta 10 with 64 "
            "numbers: islands of digits. Beta 12: one folded thread, 0 and 1 "
            "at its ends. Beta 200: a cloud, mostly mixed.")

# %%
rows = {"image": x_test[:10]}
for beta in [0, 200]:
    model = deep[20, beta]
    mu, _ = encode_images(model, x_test[:10])
    rows[f"β = {beta}, at μ"] = model.decode(mu).sigmoid()
    rows[f"β = {beta}, new"] = model.decode(noise[:10, :20]).sigmoid()
fig = show_rows(rows, size=0.6)
show_figure(fig, alt="Five rows of ten: test images; with beta 0 good "
            "reconstructions and new images that are tangles; with beta 200 "
            "the same blur everywhere.")
fig, ax = plt.subplots(figsize=(3.4, 3.5))
show_image(decode_grid(deep[2, 12], 12), ax=ax, title="2 numbers, β = 12")
show_figure(fig, alt="A grid of decoded digits on normal quantiles: blurred "
            "0, 1, 9 and 3 or 8, flowing into each other.")

# %% [markdown]
# *What to see:* at $\beta = 0$ islands; at 12 the dense packing that was
# reported, though with one active number t-SNE has a thread to draw, and few
# clusters. At 200 t-SNE blows up what is left of the means, less than a
# thousandth of the prior's width: look at KL and std first (04). With 64
# numbers, $\beta = 10$ keeps islands.
#
# ## β = 0 is not an autoencoder
#
# It is often called one. But $z$ is still sampled; the network is only free to
# shrink the noise. How far? Follow $\log\sigma^2$ for ten epochs over 5,000
# images.

# %%
def watched_loss(model, x, beta):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": recon_loss + beta * kl, "recon_loss": recon_loss,
            "logvar": out.logvar, "least": out.logvar.amin(),
            "spread": out.mu.std(0).mean()}


x_5000 = x_train[:5000]
watched = train_grid(partial(make_vae, 16), x_5000, watched_loss,
                     over={"beta": [0, 1], "seed": seeds}, name="05_watch",
                     **settings | {"epochs": 10, "batch_size": 128,
                                   "lr": 2e-3, "schedule": constant})

# %%
epochs = range(1, 11)
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.8))
names = {"logvar": "mean of log σ²", "least": "smallest log σ² of a batch",
         "spread": "standard deviation of μ"}
for (beta, seed), (_, history) in watched.items():
    color, line = [("C0", "-"), ("C1", "--")][beta]
    for ax, name in zip(axes, names):
        ax.plot(epochs, history.train[name], line, color=color, marker="",
                label=f"β = {beta}" if seed == seeds[0] else None)
        ax.set(title=names[name], xlabel="epoch", xscale="log")
axes[0].legend()
show_figure(fig, alt="Over ten epochs, three seeds. At beta 0 the mean of log "
            "variance falls from -3 to -16 and the smallest below -34; "
            "with beta 1 they level off near -2 and -5. The spread "
            "of the means rises to about 4 with beta 0 and stays at 1.")


# %%
def pull_on_logvar(model, x):  # d recon_loss / d log σ², [N, D]
    mu, logvar = encode_images(model, x)
    logvar = logvar.clone().requires_grad_()
    with local_seed(0):
        z = reparameterize(mu, logvar)
    recon_loss = bernoulli_nll(model.decode(z), x).sum()
    return torch.autograd.grad(recon_loss, logvar)[0]


for (beta, seed), (model, _) in watched.items():
    pull = pull_on_logvar(model, x_5000).mean()
    sigma = (0.5 * encode_images(model, x_5000)[1]).exp()
    push = 0.5 * (1 - sigma.square()).mean()
    print(f"β = {beta}, seed {seed}: reconstruction pulls log σ² down with "
          f"{pull:.2g}, a KL pushes it up with β times {push:.3f}")

# %%
least = [watched[0, seed][1].train["least"][-1] for seed in seeds]
claim("β = 0, every seed: the smallest log σ² ends below −30",
      max(least) < -30, least=least)

# %% [markdown]
# *What to see:* $\sigma$ runs to 0, ever more slowly (epochs are on a
# logarithmic axis). In $z = \mu + \sigma\varepsilon$ the gradient of
# $\log\sigma^2$ is $\tfrac12\sigma\varepsilon$ times that of $z$: as $\sigma$
# shrinks, so does the pull, until it drowns in noise. **Nothing else keeps it
# finite**: neither a bound nor a price. With $\beta = 1$ the KL pushes back,
# $\tfrac12(1 - \sigma^2)$ for each number, and on average the two balance. Nor
# is the latent space meaningless, as was claimed: classes cluster in it; it
# lacks a known density.
#
# ## Collapse, made and cured
#
# A dimension has **collapsed** if its posterior is the prior. In a linear VAE
# that can be the optimum (03). It can also be an accident: early in training
# the decoder makes nothing of $z$, so information is a cost without return,
# and the KL switches it off.
#
# So let $\beta$ (not the learning rate) *change during training*. Three
# recipes: **warm-up**, a rise from 0 to 1; a **cyclical** schedule, four
# warm-ups in a row; **free bits**, a KL that costs no less below a floor $f$
# per dimension than at it, $\sum_j \max(f, \text{KL}_j)$, with the mean KL of
# the batch. Here $f = 0.1$.

# %%
def linear_warmup(progress, *, share=0.5, top=1.0):  # progress: 0 to 1
    return top * min(progress / share, 1.0)


def cyclical(progress, *, n_cycles=4, share=0.5, top=1.0):
    within = progress * n_cycles % 1.0
    return linear_warmup(within, share=share, top=top)


def free_bits_kl(mu, logvar, *, floor):  # [B, D] -> []
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
    return kl.clamp(min=floor).sum()


# %%
axis = torch.linspace(0, 0.999, 300)
fig, ax = plt.subplots(figsize=(6, 1.9))
for schedule, line in [(linear_warmup, "-"), (cyclical, "--")]:
    ax.plot(axis, [schedule(p) for p in axis.tolist()], line, marker="",
            label=schedule.__name__)
ax.set(xlabel="progress of training", ylabel="β", title="Two schedules")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
show_figure(fig, alt="Beta over training: the warm-up rises in a line to 1 at "
            "half time and stays; the cyclical one does that four times.")

# %% [markdown]
# `fit` takes such a function as `beta=`. Two networks with eight latent
# numbers: a deep one, 256-64-32 with ReLU, for six epochs, and the shallow one
# from above for three, both at a learning rate of 0.01.

# %%
def each_dimension(model, x, beta=1.0, floor=None):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    charged = kl if floor is None else free_bits_kl(out.mu, out.logvar,
                                                    floor=floor)
    each = kl_per_dimension(out.mu, out.logvar)
    each = {f"z_{j + 1}": value for j, value in enumerate(each)}
    loss = recon_loss + beta * charged
    return {"loss": loss, "recon_loss": recon_loss, "kl": kl, **each}


# %%
def make_deep():
    net = partial(mlp, activation=nn.ReLU)
    decoder = net([8, 32, 64, 256, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(net([784, 256, 64, 32, 16]), decoder, latent_dim=8)


networks = {"deep": {"make_model": make_deep, "epochs": 6},
            "shallow": {"make_model": partial(make_vae, 8), "epochs": 3}}
recipes = {"constant": {}, "warm-up": {"beta": linear_warmup},
           "cyclical": {"beta": cyclical},
           "free bits": {"loss_fn": partial(each_dimension, floor=0.1)}}

# %%
x_10000 = x_train[:10_000]
recipe_runs = train_grid(  # by (network, recipe, seed)
    None, x_10000, each_dimension,
    over={"network": networks, "recipe": recipes, "seed": seeds},
    name="05_recipe", **settings | {"batch_size": 128})

# %%
finals = {}
for key, (model, history) in recipe_runs.items():
    at_end = measured(model)
    row = {"−ELBO": at_end["loss"], "kl": at_end["kl"],
           "over 0.15 nats": at_end["over 0.15 nats"],
           "gradient peak": max(history.grad_peak)}
    finals[key] = row
print_table({(net, name): over_seeds(finals, net, name)
             for net, name in product(networks, recipes)}, digits=1,
            columns=["network", "recipe", *row])

# %%
gains = [finals["deep", "constant", seed]["−ELBO"]
         - finals["deep", name, seed]["−ELBO"]
         for name in recipes if name != "constant" for seed in seeds]
claim("deep network: every cure ends 4 nats lower or more, in every seed",
      min(gains) > 4, gains=gains)

# %%
fig, axes = plt.subplots(1, 4, figsize=(9.5, 2.7), sharey=True)
for ax, name in zip(axes, recipes):
    history = recipe_runs["deep", name, seeds[0]][1]
    for j in range(1, 9):
        ax.plot(range(1, 7), history.train[f"z_{j}"], marker="", color="C0")
    ax.set(title=name, xlabel="epoch")
axes[0].set_ylabel("kl of each number, nats")
show_figure(fig, alt="KL of each of eight latent numbers over six epochs, "
            "deep network, first seed. Constant: two rise, six stay near 0. "
            "Warm-up: most rise at once and stay, the others fall towards 0. "
            "Cyclical: about half rise and stay, the others fall. Free bits: "
            "half rise, one of them late, half end at 0.1.")

# %% [markdown]
# *What to see, and the verdict.* In the **shallow** network all recipes end
# alike: nothing is gained. In the **deep** one, at this large learning rate, a
# constant $\beta$ leaves most numbers unused, and all three cures end far
# ahead of it in every seed; which is best depends on the seed. Raising the KL
# weight makes learning more stable, an earlier tutorial held, with a loose
# bound first: that is a warm-up. It ends better. More stable? The largest
# gradients are on average no smaller, and three seeds are too few to say
# whether ends lie closer together.
#
# Draw a $\beta$ for every part of training, and train on the 8 × 8 digits.
# Below, no schedule beats the constant 1 by more than the seeds differ; the
# constant 4 collapses.

# %%
schedule_composer()

# %%
ends = {}
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
for (name, values), line in zip(PRESETS.items(),
                                  ["-", "--", ":", "-.", (0, (1, 3))]):
    runs = [train_schedule(values, seed=seed) for seed in seeds[:2]]
    ends[name] = {part: [run.scores[part] for run in runs]
                  for part in ("-ELBO", "kl")}
    style = {"linestyle": line, "marker": ""}
    left.plot(range(1, 31), runs[0].recon_loss, **style)
    right.plot(range(1, 31), runs[0].kl, label=name, **style)
left.set(title="8 × 8 digits: recon_loss, nats", xlabel="epoch")
right.set(title="kl, nats", xlabel="epoch", ylim=(-0.3, 12))
right.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
show_figure(fig, alt="Reconstruction loss and KL over thirty epochs on the "
            "8 by 8 digits for five schedules. All that end at 1 meet; the "
            "constant 4 stays at a KL of 0.")
print_table(ends, digits=2, columns=["schedule", "−ELBO", "kl"])

# %% [markdown]
# ## The KL against over-fitting
#
# Over-fitting is possible, an earlier tutorial warns: stop early, by eye. So
# take 500 training images, 30 epochs at a constant learning rate, and 1,000
# other images for *validation*.

# %%
x_500, x_val = x_train[:500], x_train[50_000:51_000]
few = settings | {"batch_size": 50, "lr": 3e-3, "schedule": constant}
fitted = train_grid(  # by (k, beta, seed)
    make_vae, x_500, negative_elbo,
    over={"k": [2, 8, 64], "beta": [0, 1], "seed": seeds},
    name="05_fitted", x_val=x_val, **few | {"epochs": 30})
histories = {key: history for key, (_, history) in fitted.items()}

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.9), sharey=True)
for ax, k in zip(axes, [2, 8, 64]):
    for beta, color in [(0, "C0"), (1, "C1")]:
        history = histories[k, beta, seeds[0]]
        for part, line in [(history.train, "--"), (history.val, "-")]:
            name = "train" if part is history.train else "validation"
            ax.plot(range(1, 31), part["recon_loss"], line, color=color,
                    marker="", label=f"β = {beta}, {name}")
    ax.set(title=f"{k} numbers", xlabel="epoch", ylim=(40, 200))
axes[0].set_ylabel("recon_loss, nats")
axes[2].legend(fontsize=8)
show_figure(fig, alt="Reconstruction loss over 30 epochs. With beta 0 the "
            "validation curve turns up again after 10 to 20 epochs while "
            "training falls; with beta 1 it hardly turns, and with 64 numbers "
            "still falls.")


# %%
def elbo(history):  # −ELBO on the validation images, after each epoch
    return torch.tensor(history.val["recon_loss"]) + torch.tensor(
        history.val["kl"])


over = {}
for key, history in histories.items():
    train, val = history.train["recon_loss"], history.val["recon_loss"]
    over[key] = {"validation − training": val[-1] - train[-1],
                 "above its best": val[-1] - min(val),
                 "best epoch by −ELBO": elbo(history).argmin().item() + 1}
print("recon_loss at the end, in nats")
print_table({(k, beta): over_seeds(over, k, beta)
             for k, beta in product([2, 8, 64], [0, 1])}, digits=1,
            columns=["numbers", "β", *over[key]])

# %%
for k in [2, 8, 64]:
    gap = {key: row["validation − training"] for key, row in over.items()}
    more = [gap[k, 0, seed] - gap[k, 1, seed] for seed in seeds]
    claim(f"{k:2} numbers, every seed: without a KL it over-fits more",
          min(more) > 5, more=more)

# %% [markdown]
# No eye is needed: keep the epoch with the lowest validation $-$ELBO. At a
# constant learning rate, training again for just that many epochs gives the
# same weights as stopping there. Two numbers, $\beta = 1$, on test images:

# %%
rows = {}
for seed in seeds:
    best = over[2, 1, seed]["best epoch by −ELBO"]
    model, _ = trained("05_stopped", partial(make_vae, 2), x_500,
                       negative_elbo, seed=seed, show_progress=False,
                       **few | {"epochs": best})
    ends = [evaluate(m, x_test, negative_elbo)["loss"]
            for m in (model, fitted[2, 1, seed][0])]
    rows[seed] = {"epochs": best, "−ELBO then": ends[0],
                  "−ELBO after 30": ends[1]}
print_table(rows, digits=1, columns=["seed", *rows[seed]])

# %% [markdown]
# *What to see:* at $\beta = 0$ the validation loss turns up again, by up to 18
# nats, and its distance to training is larger than at $\beta = 1$, with 8 and
# 64 numbers twice as large: the KL is a price on learning images by heart.
# More numbers do not mean more over-fitting here: it is worst with 8. At
# $\beta = 0$ the validation $-$ELBO is no guide: its KL has no price, and it
# is lowest before recon_loss is; stop by that. At 1 stopping by $-$ELBO gains
# two to three nats with two numbers; with 64, training has not ended.
#
# ## Where it breaks
#
# ### A good β, moved
#
# The nats of recon_loss grow with the number of pixels, so what was fine for
# one data set is not for the next. Here are MNIST, the same pooled to 14 × 14
# and to 7 × 7, and scikit-learn's 8 × 8 digits; 16 numbers.

# %%
small = load_images("digits")
pooled = {n: [adaptive_avg_pool2d(x, n) for x in (x_10000, x_test)]
          for n in (14, 7)}
moved = {"28x28": (x_10000, x_test, 4), "14x14": (*pooled[14], 4),
         "7x7": (*pooled[7], 4), "8x8": (small.x_train, small.x_test, 20)}


def make_for(shape):
    n = math.prod(shape)
    return VAE(mlp([n, 200, 32]), mlp([16, 200, n], out_shape=shape),
               latent_dim=16)


by_data = {name: {"x": x, "epochs": epochs,
                  "make_model": partial(make_for, tuple(x.shape[1:]))}
           for name, (x, _, epochs) in moved.items()}


# %%
few_betas = [0.33, 1, 4, 12]
found = train_grid(
    None, None, negative_elbo, name="05_moved", **settings,
    over={"data": by_data, "beta": few_betas, "seed": seeds})

# %%
rows = {}
for name, (_, x, _) in moved.items():
    for beta in few_betas:
        kls = [kl_per_dimension(*encode_images(found[name, beta, s][0], x))
               for s in seeds]
        rows[name, beta] = {"kl": [kl.sum().item() for kl in kls],
                            "active": [(kl > 0.01).sum().item()
                                       for kl in kls]}
print_table(rows, digits=1, columns=["data", "β", "kl", "active"])

# %% [markdown]
# *What to see:* $\beta = 4$ keeps about 6 nats on MNIST and not a tenth of a
# nat on the 8 × 8 digits; 12 leaves nothing of MNIST at half the resolution. A
# nat costs the same everywhere, but a small image has fewer to save. So never
# copy a $\beta$ without its data; state the KL that it leads to. (Higgins and
# others quote $\beta$ times latent numbers over pixels: 4 at 28 × 28 is as
# much as 0.33 at 8 × 8, and there the KL is as large.)
#
# ### The same β under another likelihood
#
# With Gaussian pixels of variance $\sigma_x^2$ the loss is (squared
# error)$/2\sigma_x^2 + \beta\,\text{kl}$. Multiply it by $\sigma_x^2$, which
# moves no minimum (and Adam ignores the scale of a loss): only
# $\beta\sigma_x^2$ is left. So $\beta$ and $\sigma_x^2$ are one knob, not two.

# %%
def gaussian_loss(model, x, beta=1.0, variance=1.0):
    out = model(x)
    error = squared_error(out.logits.sigmoid(), x)
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": error / (2 * variance) + beta * kl, "error": error,
            "kl": kl}


gauss = {}  # by (beta, variance)
for grid in [{"beta": [0.2, 1, 5, 20], "variance": [0.1]},
             {"beta": [2], "variance": [0.05]}]:
    found = train_grid(partial(make_vae, 64), x_train, gaussian_loss,
                       over=grid, seed=0, name="05_gauss", **settings)
    gauss |= {key: evaluate(model, x_test, gaussian_loss)
              for key, (model, _) in found.items()}
print_table({key: {name: row[name] for name in ("error", "kl")}
             for key, row in gauss.items()}, digits=4,
            columns=["β", "variance", "error", "kl"])

# %% [markdown]
# Here are most models so far, and the shipped one: rate against squared error,
# whatever the loss was. The line is the law of the *linear* VAE (03).

# %%
def rate_and_error(model):
    row = evaluate(model, x_test, gaussian_loss)
    return row["kl"], row["error"]


eigenvalues = torch.linalg.eigvalsh(
    torch.cov(x_train.flatten(1).T).double()).flip(0)
law = [linear_vae_law(eigenvalues, beta=b)
       for b in torch.logspace(-2.5, 0.7, 60).tolist()]
groups = {
    "2 numbers": [first[2, b] for b in betas],
    "64 numbers": [first[64, b] for b in betas],
    "8 and 16 numbers": [models[k, 1, seeds[0]] for k in [8, 16]],
    "shipped, 2 numbers, 40 epochs": [load_pretrained("vae_2d")],
    "784-400-2, summed or averaged": both.values(),
    "512-256": deep.values(),
    "deep and shallow, 8 numbers": [
        model for model, _ in recipe_runs.values()]}

# %%
fig, ax = plt.subplots(figsize=(8, 4.4))
rates = [kl.sum().item() for kl, _ in law]
errors = [error.sum().item() for _, error in law]
ax.plot(rates, errors, "-", color="black", marker="", label="linear law")
for (name, group), marker in zip(groups.items(), "osP*^vx"):
    points = [rate_and_error(model) for model in group]
    ax.plot([rate for rate, _ in points], [error for _, error in points],
            linestyle="", marker=marker, markersize=5, label=name)
ax.plot([row["kl"] for row in gauss.values()],
        [row["error"] for row in gauss.values()], linestyle="", marker="D",
        markersize=5, label="64 numbers, Gaussian pixels")
ax.set_xscale("symlog", linthresh=1)
ax.set(xlabel="rate: kl, nats (linear up to 1, then logarithmic)",
       ylabel="squared error per image", xlim=(-0.1, 1200), ylim=(0, 56),
       title="β decides where you stop, the network on which curve")
ax.annotate("collapse", (0, 52.7), xytext=(0.1, 54))
ax.annotate("autoencoder", (500, 7), xytext=(300, 16))
ax.legend(fontsize=8)
show_figure(fig, alt="Squared error against rate. All start at 53 at rate "
            "0. Those of 64 numbers lie below the linear law from 2 to 26 "
            "nats, and end near 9; the sweep's models with two numbers stay "
            "above 33, the shipped one is at 27.")

# %% [markdown]
# *What to see:* both models with the product 0.1 agree, but for a last
# digit. Bernoulli, Gaussian, summed, averaged: models with enough numbers
# and training share one curve. A loss decides *where* on it you stop; network,
# numbers and training, *which* curve. From 6 to 26 nats, 64 numbers do better
# than anything linear; two numbers up to 4.
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | $\beta = 0$ is a deterministic autoencoder | $z$ is still sampled; $\sigma$ runs to 0, without end |
# | at $\beta = 10$ the posterior equals the prior for every image | only at full collapse; here about two nats are left |
# | the reconstruction error must be multiplied by 48 | it must be summed |
#
# ## Recap
#
# You swept β from 0 to 200, and moved everything with one slider · read β as a
# price · told a summed loss from an averaged one · saw that β = 0 is no
# autoencoder · made a collapse, and cured it · over-fitted, and stopped in
# time · saw where a good β breaks.
#
# ## Exercises
#
# ### 1 · The detective (five minutes, four words)
#
# Four earlier tutorials on VAEs, by what they saw. Which $\beta$ would each
# claim need? Was the reconstruction `"summed"` or `"averaged"`?
#
# * **A**, MNIST, 2 numbers: weights 0.5 and 0.5, no clusters left; KL weight
#   0.01, some; $10^{-7}$, clear clusters.
# * **B**, MNIST, 2 numbers: $\beta = 12$ gives a map with several digits; at
#   200 all are alike.
# * **C**, 48 columns: both classes in one place; reconstruction × 48 separates
#   them.
# * **D**, MNIST: $\beta = 10$ gives blurred digits, of fewer classes than 1.

# %% tags=["exercise"]
verdicts = {"A": ..., "B": ..., "C": ..., "D": ...}

check_detective(verdicts)

# %% tags=["solution"]
verdicts = {"A": "averaged", "B": "summed", "C": "averaged", "D": "summed"}

check_detective(verdicts)

# %% [markdown]
# ### 2 · Wait, then warm up (five minutes, two lines)
#
# $\beta$ is 0 for the first quarter of training, then rises in a line, is 1 at
# half time, and stays there. `progress` runs from 0 to 1.

# %% tags=["exercise"]
def beta_at(progress):
    ...


check_warmup(beta_at)

# %% tags=["solution"]
def beta_at(progress):
    return min(max((progress - 0.25) / 0.25, 0.0), 1.0)


check_warmup(beta_at)

# %% [markdown]
# ### 3 · One knob (two minutes, one number)
#
# A Gaussian VAE was trained with $\sigma_x = 0.1$ and $\beta = 4$. Which
# $\beta$ gives the same model with $\sigma_x = 1$?

# %% tags=["exercise"]
beta = ...

check_one_knob(beta)

# %% tags=["solution"]
beta = 4 * 0.1**2

check_one_knob(beta)

# %% [markdown]
# ## References
#
# * Higgins and others (2017), *beta-VAE*,
#   [openreview.net/forum?id=Sy2fzU9gl](https://openreview.net/forum?id=Sy2fzU9gl).
# * Alemi and others (2018), *Fixing a broken ELBO*,
#   [arXiv:1711.00464](https://arxiv.org/abs/1711.00464): rate and distortion.
# * Bowman and others (2016), *Generating sentences from a continuous space*,
#   [arXiv:1511.06349](https://arxiv.org/abs/1511.06349), and Sønderby and
#   others (2016), *Ladder variational autoencoders*,
#   [arXiv:1602.02282](https://arxiv.org/abs/1602.02282): warm-up.
# * Kingma and others (2016), *Improving variational inference with inverse
#   autoregressive flow*, [arXiv:1606.04934](https://arxiv.org/abs/1606.04934):
#   free bits.
# * Fu and others (2019), *Cyclical annealing schedule*,
#   [arXiv:1903.10145](https://arxiv.org/abs/1903.10145).
# * Lucas and others (2019), *Don't blame the ELBO*,
#   [arXiv:1911.02469](https://arxiv.org/abs/1911.02469): collapse that is no
#   accident.
#
# **Next:** [06 · Why VAE images are blurry](06_blur.ipynb), which asks whether
# the KL is to blame for soft images.
