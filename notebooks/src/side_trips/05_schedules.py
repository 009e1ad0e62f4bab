# %% [markdown]
# # 5 · side trip · Schedules
#
# ![Four small charts: a constant β, a warm-up that rises to 1 at half time, a
# cyclical schedule that rises four times, and free bits, whose cost is flat up
# to a floor f, and rises beyond it.](../figures/schedules.svg)
#
# So far β was one number for a whole training. Why should it be? A baby does
# not pay rent. Early in training the decoder can do nothing with a code, so
# every nat of it is a cost without a return. One could let β start small and
# grow.
#
# **Does it help to change β during training, and if so, whom?**
#
# *A side trip from [05 · One knob](../05_beta.ipynb), where collapse is
# explained · half an hour*

# %%
from functools import partial

import matplotlib.pyplot as plt
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from tutorial_utils import (
    VAE, bernoulli_nll, claim, encode_images, evaluate, kl_per_dimension,
    kl_standard_normal, load_images, mlp, negative_elbo, print_table,
    score_grid, show_figure, start_at_mean_image, train_grid,
    warmup_then_linear,
)
from tutorial_utils.studios.predict import predict
from tutorial_utils.studios.schedule import schedule_composer
from tutorial_utils.topics.schedules import PRESETS, train_schedule

# %%
RETRAIN = False  # True: train all models again, which takes minutes
seeds = [0, 1, 2]  # figures show the first
latent_dim = 8

data = load_images("mnist")

# %% [markdown]
# MNIST at half its size is enough for this question, and it trains in
# seconds.


# %%
def halved(x):  # [N, 1, 28, 28] -> [N, 1, 14, 14], again of 256 gray levels
    return (255 * adaptive_avg_pool2d(x, 14)).round() / 255


x_train, x_test = halved(data.x_train[:20_000]), halved(data.x_test)

# %% [markdown]
# ## Three recipes
#
# A latent number has **collapsed** if its posterior is the prior for
# every image: it costs nothing and says nothing. Sometimes that is the right
# thing to do. But it can also be an accident of the start: the KL switches a
# number off before the decoder has learned to read it, and from then on the
# decoder gets nothing but noise there, and has little reason to learn.
#
# Three recipes are meant to prevent the accident.
#
# * **Warm-up**, known from [05](../05_beta.ipynb): β rises in a line from 0 to
#   1, for half of the training. First learn to use the code, then to pay for
#   it.
# * **Cyclical**: four warm-ups in a row. What was lost gets another chance.
# * **Free bits** (which are nats here): β stays 1, but the first $f$ nats of
#   each number are free. Saving below this floor earns nothing, so there is no
#   reason to go there: $\sum_j \max(f, \text{KL}_j)$, with the mean KL of the
#   batch.
#
# `train_grid` takes a function of the progress of training as `beta`, and
# gives the loss its value of the moment. The loss, below, also reports the KL
# of each number, so that we can watch them one by one.


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
def each_dimension(model, x, beta=1.0, floor=None):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x)
    charged = kl_standard_normal(out.mu, out.logvar)
    if floor is not None:
        charged = free_bits_kl(out.mu, out.logvar, floor=floor)
    each = kl_per_dimension(out.mu, out.logvar)
    return {"loss": recon_loss + beta * charged,
            **{f"z_{j + 1}": kl for j, kl in enumerate(each)}}

# %% [markdown]
# ## Who needs it?
#
# Two networks with eight latent numbers: a **shallow** one with one hidden
# layer, and a **deep** one with three, whose code is far from the pixels in
# both directions. (The deep one of 05 has five.) It is trained with large
# steps, at a learning rate of 0.01, and again with steps a fifth as large:
# perhaps the steps are to blame, and not β.
#
# The second cell lists what is varied, `networks` and `recipes`: each entry
# has a name, and the settings in which it differs from the rest. `train_grid`
# tries every network with every recipe.


# %%
def make_network(widths):
    net = partial(mlp, activation=nn.ReLU)
    encoder = net([196, *widths, 2 * latent_dim])
    decoder = net([latent_dim, *widths[::-1], 196], out_shape=(1, 14, 14))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=latent_dim)


# %%
deep = partial(make_network, [128, 64, 32])
networks = {"shallow": {"make_model": partial(make_network, [128])},
            "deep": {"make_model": deep},
            "deep, small steps": {"make_model": deep, "lr": 2e-3}}
recipes = {"constant": {}, "warm-up": {"beta": linear_warmup},
           "cyclical": {"beta": cyclical},
           "free bits": {"loss_fn": partial(each_dimension, floor=0.1)}}
settings = {"epochs": 15, "batch_size": 128, "lr": 1e-2, "retrain": RETRAIN,
            "schedule": warmup_then_linear}  # of the learning rate: for all


# %%
def measured(model):  # used: over 0.2 nats, twice the floor of free bits
    each = kl_per_dimension(*encode_images(model, x_test))
    return evaluate(model, x_test, negative_elbo) | {
        "used": (each > 0.2).sum().item()}


# None: each entry of networks brings its own make_model
runs = train_grid(
    None, x_train, each_dimension, name="05_recipe", **settings,
    over={"network": {"deep": networks["deep"]}, "recipe": recipes,
          "seed": seeds[:1]})
scores = score_grid(
    None, x_train, each_dimension, name="05_recipe", **settings,
    over={"network": networks, "recipe": recipes, "seed": seeds},
    measure=measured)

# %% [markdown]
# First look at one training of the deep network for each recipe, with large
# steps. Each line is one latent number: how many nats it says, epoch by epoch.
# It counts as *used* at the end if it says more than $0.2$ nats. That is twice
# the floor, so a number that rests on its floor does not count. (KL of the
# training images. Gray, at the back: β, from 0 to 1.)

# %% tags=["hide-input"]
# KL of each latent number over the epochs, deep network, first seed; β in gray
fig, axes = plt.subplots(1, len(recipes), figsize=(9.5, 3.2), sharey=True)
top, progress = 2.8, [k / 300 for k in range(300)]
for ax, (name, recipe) in zip(axes, recipes.items()):
    history = runs["deep", name, seeds[0]][1]
    beta = recipe.get("beta", lambda progress: 1.0)
    ax.fill_between([15.5 * p for p in progress],
                    [top * beta(p) for p in progress], color="0.93", zorder=0)
    n_used = 0
    for j in range(latent_dim):
        line = history.train[f"z_{j + 1}"]
        n_used += line[-1] > 0.2
        ax.plot(range(1, len(line) + 1), line, marker="",
                color=plt.cm.Blues(0.95 - 0.08 * j)
                if line[-1] > 0.2 else "0.6")
    ax.set(title=f"{name}: {n_used} used", xlabel="epoch", ylim=(-0.1, 3),
           xlim=(0, 15.5))
axes[0].set_ylabel("kl of each number, nats")
axes[1].annotate("gray: β,\nfrom 0 to 1", (10.5, 2.3), ha="center",
                 color="0.4")
axes[-1].axhline(0.1, color="C1", linestyle="--", linewidth=1)
axes[-1].annotate("floor", (15.3, 0.15), ha="right", color="C1")
show_figure(fig, alt="KL of each of eight latent numbers over the epochs, "
            "deep network, first seed, for four recipes; used numbers blue, "
            "the others gray, with beta as a gray area behind them. Constant: "
            "two rise, the others stay near 0. Warm-up: five rise at once, "
            "fall a little while beta rises, and stay; three never rise. "
            "Cyclical: three rise, and go up and down against beta. Free "
            "bits: three rise, the unused ones lie on the floor of 0.1.")

# %% [markdown]
# *What to see:* with a constant β most numbers never come to life, and one
# does so late. A warm-up lets five of them rise while they are cheap. When the
# price comes, they say less, but all five stay. The three that did not start
# at once never do. The same is true of the cycles: three numbers start in the
# first one, and the later ones do not wake another. On free bits the unused
# numbers rest on their floor, and one leaves it late.
#
# Now the scores, over seeds, on test images and at $\beta = 1$, whatever the
# recipe was.
#
# ### Predict

# %% tags=["predict"]
# Your guess, please
predict("Large steps: which network gains from a warm-up, by more than half "
        "a nat of −ELBO?",
        ["both", "only the shallow one", "only the deep one", "neither"],
        because="In the shallow one the numbers come to life anyway.",
        answer="only the deep one")

# %% tags=["after-predict"]
rows = {}
for network in networks:
    for name in recipes:
        ends = [scores[network, name, seed] for seed in seeds]
        rows[network, name] = {
            "−ELBO": [end["loss"] for end in ends],
            "kl": [end["kl"] for end in ends],
            "used": [int(end["used"]) for end in ends]}
print_table(rows, digits=1,
            columns=["network", "recipe", "−ELBO", "kl", "used"])


# %%
def gains(network, name):  # nats that a recipe ends below the constant β
    return [scores[network, "constant", seed]["loss"]
            - scores[network, name, seed]["loss"] for seed in seeds]


claim("deep, large steps, every seed: a warm-up gains more than half a nat",
      min(gains("deep", "warm-up")) > 0.5, gains=gains("deep", "warm-up"))
others = gains("deep", "cyclical") + gains("deep", "free bits")
claim("deep, large steps, every seed: cycles and free bits gain, too",
      min(others) > 0, gains=others)
cures = [name for name in recipes if name != "constant"]
shallow = [gain for name in cures for gain in gains("shallow", name)]
claim("shallow, every seed: no recipe gains or loses more than 0.3 nats",
      max(map(abs, shallow)) < 0.3, gains=shallow)

# %% [markdown]
# "Letting the KL weight rise slowly makes training more stable" is a common
# claim, and it is really two claims.
#
# Do the ends of several trainings lie closer together? Look at the ranges of
# −ELBO in the table, for the deep network. With large steps, yes: 42.8 to
# 43.8 with a constant β, 40.4 to 40.8 with a warm-up. With small steps, no:
# 43.3 to 44.2, and 41.4 to 42.6.
#
# Is the way there smoother? Here is the largest gradient on the way, for one
# training of the deep network each: the norm over all weights, at the worst of
# all steps.

# %%
print_table({name: max(runs["deep", name, seeds[0]][1].grad_peak)
             for name in recipes}, digits=0,
            columns=["recipe", "largest gradient"])

# %% [markdown]
# **The verdict.** A schedule is a cure, and a cure helps those who are ill. In
# the shallow network all recipes end alike. In the deep one a constant β
# leaves numbers unused that would have paid, and a warm-up brings them to
# life: the gain is in *where training arrives*. Cycles and free bits help too,
# by less. Cured by a warm-up, with large steps, the deep network ends where
# the shallow one does, 40.4 to 40.8 against 40.7, and needs four or five
# numbers for it instead of seven. (The deeper network of 05 was cured only in
# part.)
#
# Are the large steps to blame? No: with small ones a constant β leaves about
# as many numbers unused. A warm-up ends worse than with large ones. (With
# steps so small, fifteen epochs may not be the end.)
#
# Whether a schedule also makes training more stable is a weaker story. The
# largest gradient is smaller with every recipe. But that is one training each,
# and in part it must be so: a warm-up multiplies the gradient of the KL by
# little at first. The ends lie closer together in one case of two. That can
# suggest something, and not prove it.
#
# ## Draw your own
#
# Here β is yours. Draw its height for every part of the training, in fifteen
# columns of two epochs each, and train on scikit-learn's 8 × 8 digits; a
# training takes about a second. Five schedules are there to start from:
# *constant 1*, *warm-up*, *cyclical* (with three cycles, which is what fits),
# *constant 4*, and *off, then on*, with β = 0 for a third of the training.
#
# Three things to find out:
#
# 1. Draw 4 for the first half, then 1. For half of the training the code is
#    dead. Does it stay dead?
# 2. Which constant β is just enough to kill the code?
# 3. Draw 0 everywhere but in the last column, and there 1. How far does the KL
#    come down in these two epochs?
#
# <details><summary>What we found</summary>
#
# 1. No. It comes back within a few epochs, and ends a fraction of a nat behind
#    *constant 1*. This network is shallow: nothing keeps a number down but the
#    price.
# 2. Something between 2, where one nat is left, and 3, where next to none is.
# 3. From more than 70 nats to about three.
# </details>
#
# The figure below the widget has the five presets, on test images.


# %%
schedule_composer()

# %% tags=["hide-input"]
# Five schedules on the 8 × 8 digits, trained here and now
ends = {}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
for (name, values), line in zip(PRESETS.items(), [
        "-", "--", "-.", ":", (0, (6, 2, 1, 2, 1, 2))]):
    trained = [train_schedule(values, seed=seed) for seed in seeds[:2]]
    ends[name] = {"−ELBO": [run.scores["-ELBO"] for run in trained],
                  "kl": [run.scores["kl"] for run in trained]}
    run, style = trained[0], {"linestyle": line, "marker": ""}
    epochs = range(1, len(run.kl) + 1)
    left.plot(epochs, run.recon_loss, **style)
    drawn, = right.plot(epochs, run.kl, label=name, **style)
    if max(run.kl) > 12:
        at = run.kl.index(max(run.kl)) + 1
        right.annotate(f"↑ to {max(run.kl):.0f}", (at + 1.3, 11.2),
                       color=drawn.get_color())
left.set(title="recon_loss on test images, nats", xlabel="epoch")
right.set(title="kl, nats: what ends at β = 1 ends alike", xlabel="epoch",
          ylim=(-0.3, 12))
right.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
show_figure(fig, alt="Reconstruction loss and KL over thirty epochs on the "
            "8 by 8 digits for five schedules. All that end at 1 meet; the "
            "constant 4 stays at a KL of 0. The KL of off, then on leaves the "
            "frame while beta is 0.")
print(f"seeds {seeds[:2]}")
print_table(ends, digits=2, columns=["schedule", "−ELBO", "kl"])

# %%
healthy = [end["−ELBO"] for name, end in ends.items() if name != "constant 4"]
worst = max(map(max, healthy))
claim("8 × 8 digits: how β got to 1 changes less than half a nat",
      worst - min(map(min, healthy)) < 0.5, ends=ends)
claim("the constant 4 is worse than all of them",
      min(ends["constant 4"]["−ELBO"]) > worst, ends=ends)

# %% [markdown]
# *What to see:* this small network is healthy, so there is nothing to cure.
# Whatever they did before, the schedules that end at $\beta = 1$ end within
# about a quarter of a nat of each other. (*Off, then on* shows best what
# happens: with β = 0 copies become better than they can be afforded, and when
# the price comes, they go back.)
#
# ## Recap
#
# * A schedule changes how training gets to its end, and by that, sometimes,
#   to which end. For schedules that end at $\beta = 1$ the loss *function* of
#   the last epochs is the same. (Free bits keep their floor to the end.)
# * It helps where numbers are switched off before the decoder can read them:
#   here in the deep network. In the shallow one it gains nothing.
# * So train once with a warm-up and once without, and compare −ELBO and the
#   numbers that are used. If nothing changes, nobody was ill.
#
# **Back to** [05 · One knob](../05_beta.ipynb).
#
# ## References
#
# * Bowman and others (2016), *Generating sentences from a continuous space*,
#   [arXiv:1511.06349](https://arxiv.org/abs/1511.06349), and Sønderby and
#   others (2016), *Ladder variational autoencoders*,
#   [arXiv:1602.02282](https://arxiv.org/abs/1602.02282): warm-up.
# * Kingma and others (2016), *Improving variational inference with inverse
#   autoregressive flow*, [arXiv:1606.04934](https://arxiv.org/abs/1606.04934):
#   free bits.
# * Fu and others (2019), *Cyclical annealing schedule: a simple approach to
#   mitigating KL vanishing*,
#   [arXiv:1903.10145](https://arxiv.org/abs/1903.10145).
