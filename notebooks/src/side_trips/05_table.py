# %% [markdown]
# # 5 · side trip · A table of 48 columns
#
# ![One row of 48 columns. Averaged, its loss is one small square beside a
# wide KL; summed, it is 48 squares beside the same
# KL.](../figures/table_48.svg)
#
# Somebody trains a VAE on a table: 48 columns, two kinds of rows, three
# latent numbers. Nothing fails. The loss falls, and yet both kinds of rows end
# up in one and the same place of the latent space. Then the reconstruction
# loss is multiplied by 48, and they come apart.
#
# **Why 48, and would 30 have done?**
#
# *A side trip from [05 · One knob](../05_beta.ipynb), which says why β is the
# price of a nat · twenty minutes*

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch.distributions import Normal
from torch.nn.functional import adaptive_avg_pool2d

from tutorial_utils import (
    VAE, bernoulli_nll, claim, encode_images, evaluate, kl_per_dimension,
    kl_standard_normal, knn_accuracy, load_images, local_seed, mlp,
    negative_elbo, plot_codes, print_table, reparameterize, score_grid,
    show_figure, show_rows, train_grid, warmup_then_linear,
)
from tutorial_utils.studios.beta_panels import multiplier_panels
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.studios.predict import predict

# %%
RETRAIN = False  # True: train all models again
seeds = [0, 1, 2]  # the slider shows the first; tables show all
multipliers = [1, 4, 6, 8, 12, 16, 24, 30, 48, 96, 192, 480]  # with 1, 48

data = load_images("mnist")
settings = {"epochs": 15, "batch_size": 256, "lr": 1e-2,
            "schedule": warmup_then_linear, "retrain": RETRAIN}

# %% [markdown]
# ## A table that one can look at
#
# We do not have that table, so we make one of the same size. Take the images
# of 0 and of 1, cut off four columns on the left and on the right, which are
# mostly black, and average the pixels to 8 × 6. Each image is now a row of 48
# numbers, and there are two kinds of rows. To the network this is a table like
# any other. To us it is still a picture, and that helps to see what happens.


# %%
def table(x, y):  # images of 0 and 1 -> rows of 48 numbers, their classes
    chosen = (y == 0) | (y == 1)
    small = adaptive_avg_pool2d(x[chosen][..., 4:24], (8, 6)).flatten(1)
    return (255 * small).round() / 255, y[chosen]


x_train, _ = table(data.x_train, data.y_train)
x_test, y_test = table(data.x_test, data.y_test)

# %% tags=["hide-input"]
# Ten rows, drawn as 8 × 6 pixels
rows = x_test[:10].view(-1, 1, 8, 6)
fig = show_rows({"ten rows": rows}, size=0.7)
show_figure(fig, alt="Ten rows of the table, drawn as images of 8 by 6 "
            "pixels: coarse zeros and ones.")

# %% [markdown]
# ## What the multiplier multiplies
#
# Here is the loss in question. `bernoulli_nll` sums the cross-entropy over the
# 48 columns; divided by 48 it is their mean. The KL is not divided. A
# multiplier stands in front, to be chosen.
#
# Write $m$ for the multiplier, and multiply the whole loss by $48/m$. That
# moves no minimum, and what stands there is an old acquaintance:
#
# $$m\cdot\frac{1}{48}\,\text{recon loss} + \text{kl}
# \quad\text{has the same minimum as}\quad
# \text{recon loss} + \frac{48}{m}\,\text{kl}.$$
#
# So the multiplier is β in disguise: $\beta = 48/m$. Without it, at $m = 1$,
# a nat of code costs 48 nats of copy. At $m = 48$ it costs one, and the loss
# is −ELBO. No other number does that: 48 is not a trick that happens to
# work, it takes back a division by 48.


# %%
def weighted_loss(model, x, multiplier):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x) / 48  # the mean over columns
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": multiplier * recon_loss + kl}


def make_small():
    return VAE(mlp([48, 64, 6]), mlp([3, 64, 48]), latent_dim=3)


model = make_small()
losses = [evaluate(model, x_test, loss_fn)["loss"] for loss_fn in
          (partial(weighted_loss, multiplier=48), negative_elbo)]
claim("48 times the mean is the sum: the loss is −ELBO",
      abs(losses[0] - losses[1]) < 1e-4 * losses[1], losses=losses)

# %% [markdown]
# Now we train one model for each multiplier, from 1 to 480, and measure it on
# test rows, always at $\beta = 1$. A latent number counts as *used* if its
# mean KL is over a tenth of a nat. (For *active*, in 05 and in the slider, a
# hundredth is enough. But a hundredth of a nat is next to nothing, and here we
# want to see when a number begins to say something.)


# %%
def measured(model, x):
    each = kl_per_dimension(*encode_images(model, x))
    return evaluate(model, x, negative_elbo) | {
        "used": (each > 0.1).sum().item()}


found = train_grid(
    make_small, x_train, weighted_loss, name="05_times", **settings,
    over={"multiplier": multipliers, "seed": seeds[:1]})
models = {m: model for (m, _), (model, _) in found.items()}
scores = score_grid(
    make_small, x_train, weighted_loss, name="05_times", **settings,
    over={"multiplier": multipliers, "seed": seeds},
    measure=partial(measured, x=x_test))

# %%
rows = {}
for m in multipliers:
    runs = [scores[m, seed] for seed in seeds]
    rows[m] = {"β": f"{48 / m:g}", "−ELBO": [run["loss"] for run in runs],
               "kl": [run["kl"] for run in runs],
               "used": [int(run["used"]) for run in runs]}
print_table(rows, digits=3, columns=["×", *rows[48]])

# %%
claim("× 1, every seed: every row's posterior is the prior",
      max(rows[1]["kl"]) < 0.01, kl=rows[1]["kl"])
claim("× 48, every seed: the code says more than a nat",
      min(rows[48]["kl"]) > 1, kl=rows[48]["kl"])
gaps = [scores[m, seed]["loss"] - scores[48, seed]["loss"]
        for m in multipliers if m != 48 for seed in seeds]
claim("no other multiplier has as good a −ELBO as × 48, in any seed",
      min(gaps) > 0, gaps=gaps)

# %% [markdown]
# Drag the multiplier up from 1. Which of the bars, the KL of each number, rise
# first? And when do the two kinds of rows part? (Without a kernel, the last
# two columns of the table tell the same as the bars.)
#
# Below it, on paper, both ends of the story: × 1 and × 48, the first seed. On
# the left are the two latent numbers whose means vary most.

# %%
model_slider("multiplier", multiplier_panels(models, x_test, y_test),
             start=f"{min(multipliers):g}")

# %% tags=["hide-input"]
# Means of test rows, and the posteriors of one row, at × 1 and at × 48
axis = torch.linspace(-3, 3, 200)
fig, axes = plt.subplots(2, 2, figsize=(8, 7))
for (left, right), m in zip(axes, [1, 48]):
    mu, logvar = encode_images(models[m], x_test)
    u, v = mu.std(0).argsort(descending=True)[:2].tolist()
    plot_codes(mu[:, [u, v]], y_test, n=300, ax=left,
               title=f"× {m}: means of 300 rows")
    left.set(xlabel=f"$z_{u + 1}$", ylabel=f"$z_{v + 1}$", xlim=(-3, 3),
             ylim=(-3, 3), aspect="equal")
    posterior = Normal(mu[0], (0.5 * logvar[0]).exp())
    density = posterior.log_prob(axis[:, None]).exp()
    for j, (line, width) in enumerate([("-", 5), ("-", 2.5), ("--", 1.2)]):
        right.plot(axis, density[:, j], line, marker="", linewidth=width,
                   label=f"$z_{j + 1}$")
    right.set(title=f"× {m}: posteriors of one row", xlabel="$z_j$",
              ylabel="density", ylim=(0, 0.75))
    right.legend()
show_figure(fig, alt="Times 1: all means in one point, and three identical "
            "standard normal densities for one row. Times 48: two separate "
            "clusters, and for the same row three different densities.")

# %%
parted = {}
for m, model in models.items():
    with local_seed(0):
        z = reparameterize(*encode_images(model, x_test))
    parted[m] = knn_accuracy(z, y_test)
print_table(parted, columns=["×", "k-NN, samples"])

# %% [markdown]
# *What to see:* at × 1 the three densities of a row lie on top of each other.
# They look useless, and they are: each is the standard normal, the prior. It
# is the same for every other row, because no row's KL is negative, and their
# mean is zero. A code that is the same for all rows says nothing about any of
# them. At × 48 two of the three have become narrower or moved, and the kinds
# part.
#
# And between them? Means can mislead here: in a collapsed code they still
# differ a little, in crumbs that no decoder ever sees through the noise. So
# the table has drawn a *sample* $z$ for each row, and asked its ten nearest
# neighbors of which kind it is (k-NN, [04](../04_latent_space.ipynb); the
# first seed). About half of the answers are right by chance. At × 12, when the
# first number has begun to say something, three in four are right; at × 24 it
# is nine in ten, still with one number. So the parting begins at some point,
# and then it is gradual. Where does it begin?
#
# ## When does a number pay?
#
# The table says: at × 8 no number is used, at × 12 one, and the second follows
# after × 24. Can we say beforehand when?
#
# Near the collapse we can. [03](../03_mathematics.ipynb) has done it for a
# linear VAE with Gaussian noise. There a direction of the data is worth
# sending if its variance $\lambda$, in units of the noise, is larger than β.
#
# Our columns are no Gaussians, but coins: a column with mean $p$ has the noise
# variance $p(1-p)$. So divide each column by $\sqrt{p(1-p)}$. Then the
# eigenvalues of the covariance are the variances $\lambda$ that we need. (Ours
# are gray values, not coins. For the loss that makes no difference: it bends
# by $p(1-p)$ all the same.)
#
# Each of them is a price. **A number pays as soon as β is below it:**
#
# $$\lambda > \beta \quad\Longleftrightarrow\quad m > \frac{48}{\lambda}.$$
#
# For the first number that is sound: from there on the collapsed solution is
# no minimum, and any small use of a number pays. For the later ones it is a
# guide, since by then the model is no longer near the collapse, and its
# network is not linear.


# %%
def prices(x):  # the largest βs at which a number pays, in a linear world
    p = x.mean(0).clamp(0.01, 0.99)  # some columns are nearly always black
    scaled = x / (p * (1 - p)).sqrt()
    return torch.linalg.eigvalsh(torch.cov(scaled.T)).flip(0)[:3]


def thresholds(x, names):  # the multipliers above which each pays
    return dict(zip(names, (48 / prices(x)).tolist()))


order = ["first number", "second", "third"]
print_table({"0s and 1s": thresholds(x_train, order)}, digits=1)

# %% [markdown]
# To check the other prices too, we need a table of which we know how it was
# made. Here is one: a questionnaire with 48 yes-or-no questions. The first 16
# depend on the *kind* of person, of which there are two. The next 16 depend on
# the person's *mood*, which is a normal number, and less strongly; the last 16
# on the *age*, another normal number, weaker still.
#
# (Why does the mean of 48 columns need just 48? A column of pure coin tosses
# has a scaled variance of 1. So at × 48, where β is 1, noise itself begins to
# pay.)

# %%
factors = {"kind": 2.0, "mood": 1.2, "age": 0.8}


def questionnaire(n, seed):  # -> answers [n, 48], factors [n, 3]
    generator = torch.Generator().manual_seed(seed)
    kind = torch.rand(n, 1, generator=generator).round() * 2 - 1  # -1 or 1
    numbers = torch.randn(n, 2, generator=generator)
    hidden = torch.cat([kind, numbers], 1)
    logits = hidden * torch.tensor([*factors.values()])
    chance = logits.sigmoid().repeat_interleave(16, dim=1)
    return (torch.rand(n, 48, generator=generator) < chance).float(), hidden


answers, _ = questionnaire(10_000, seed=0)
answers_test, hidden_test = questionnaire(2_000, seed=1)
print_table({"answers": thresholds(answers, factors)}, digits=1)


# %% [markdown]
# How much of each factor arrives? We ask how well a straight line guesses it
# from the three latent numbers: from samples $z$ again, for the same reason.


# %%
def explained(z, factor):  # share of a factor's variance that z tells
    inputs = torch.cat([z, torch.ones(len(z), 1)], 1)
    weights = torch.linalg.lstsq(inputs, factor).solution
    return 1 - ((factor - inputs @ weights).var() / factor.var()).item()


def recovered(model):
    with local_seed(0):
        z = reparameterize(*encode_images(model, answers_test))
    return {name: explained(z, hidden_test[:, [j]])
            for j, name in enumerate(factors)}


known = score_grid(
    make_small, answers, weighted_loss, name="05_answers", **settings,
    over={"multiplier": multipliers, "seed": seeds}, measure=recovered)

# %% [markdown]
# ### Predict
#
# The thresholds are printed above.

# %% tags=["predict"]
# Your guess, please
predict("At × 12, of which factors does something arrive?",
        ["of all three", "of kind and mood", "of the kind alone"],
        because="12 is above the first threshold and a little above the "
        "second, but below the third.",
        answer="of kind and mood")

# %% tags=["hide-input", "after-predict"]
# What arrives of each factor, against the multiplier, with its threshold
fig, ax = plt.subplots(figsize=(8, 3.8))
for name, line, least in zip(factors, ["o-", "s--", "^:"],
                             thresholds(answers, factors).values()):
    means = []
    for m in multipliers:
        shares = [known[m, seed][name] for seed in seeds]
        means.append(sum(shares) / len(shares))
    drawn, = ax.plot(multipliers, means, line)
    color = drawn.get_color()
    ax.axvline(least, color=color, linestyle=line[1:], linewidth=1)
    ax.annotate(name, (multipliers[-1], means[-1]), xytext=(8, -3),
                textcoords="offset points", color=color)
ax.axvline(48, color="0.6", linewidth=6, alpha=0.3, zorder=0)
ax.annotate("× 48: β = 1", (48, 0.03), xytext=(6, 0), color="0.4",
            textcoords="offset points")
ax.set(xscale="log", xlabel="multiplier", xlim=(0.9, 1600),
       ylabel="share that arrives (R²), mean of the seeds",
       ylim=(-0.03, 1),
       title="Each factor arrives when it pays (thin lines: its threshold)")
ax.set_xticks(multipliers, [f"{m:g}" for m in multipliers])
ax.set_xticks([], minor=True)
show_figure(fig, alt="Share of three hidden factors that arrives in the code, "
            "against the multiplier. The kind begins to arrive first, then "
            "the mood, then the age; each is near zero left of "
            "the thin line that marks its threshold, and rises right of it.")

# %%
below, above = [], []
for name, least in thresholds(answers, factors).items():
    for m in multipliers:
        arrived = [known[m, seed][name] for seed in seeds]
        if m < least:
            below.extend(arrived)
        if m > 1.4 * least:
            above.extend(arrived)
claim("every seed: of no factor anything arrives below its threshold",
      max(below) < 0.05, below=below)
claim("every seed: and of each a sixth or more, well above it",
      min(above) > 1 / 6, above=above)

# %% [markdown]
# *What to see:* nothing arrives until it pays. (Only the multipliers with a
# mark were trained; the lines between them are for the eye.) The kind comes
# first, as the strongest, and mood and age follow, each where its eigenvalue
# says. At × 48 all three are there. Beyond it more arrives of each, at a price
# above what it repairs: there β is below 1.
#
# Back to the table of 0s and 1s, whose thresholds are 8.4, 29.5 and 52.7. At ×
# 8, just below the first one, nothing is used, and at × 12 one number is. The
# second number appears between 24 and 48. The third does so in some seeds at ×
# 48 already, a little before its threshold. The law is linear, and the network
# is not.
#
# ## Recap
#
# * The reconstruction error was not *too small*. It was averaged over 48
#   columns, and the KL was not: $\beta$ was 48.
# * Times 48 is the sum again, and the loss is −ELBO. Would 30 have done? To
#   see two kinds, yes: 24 parts most rows. For the model that the formula asks
#   for, no: 30 is $\beta = 1.6$, and its −ELBO is higher. Of those we tried,
#   48 has the lowest in every seed.
# * A latent number is used when its direction is worth more than β. With a
#   table, one can read the prices off the eigenvalues before training: the
#   first one well, the others roughly.
#
# **One to take along.** A VAE for color images, 64 × 64 pixels with three
# channels, takes the *mean* of the squared error over everything, and
# multiplies the KL by $0.00025$. What is its β, if a pixel is a Gaussian with
# $\sigma_x = 1$, so that the loss is (squared error)/2 + β kl?
#
# <details><summary>Answer</summary>
#
# An image has 64 · 64 · 3 = 12,288 numbers. Times that, the loss is squared
# error $+\, 12{,}288 \cdot 0.00025\,\text{kl}$, and the factor is about $3$.
# The squared error stands there without its ½, so halve everything: β is about
# $1.5$. It looked tiny, and is more than 1.
# </details>
#
# &nbsp;
#
# **Back to** [05 · One knob](../05_beta.ipynb). How single columns move single
# numbers is a question of [04 · Seeing the latent
# space](../04_latent_space.ipynb). The linear law is in Lucas and others
# (2019), *Don't blame the ELBO*,
# [arXiv:1911.02469](https://arxiv.org/abs/1911.02469).
