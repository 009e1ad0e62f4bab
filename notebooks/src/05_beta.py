# %% [markdown]
# # 5 · One knob: β
#
# ![Eleven columns of small images, one for each β from 0 to 200. Two test
# images, copied: sharp up to β = 1, then softer, and from 50 on the same gray
# blur. Two codes from the prior, decoded: tangles at β = 0, digits around 1,
# and the same blur at the end.](figures/one_knob.png)
#
# *Eleven VAEs that differ in one number. Above, the same two test images,
# copied. Below, the same two codes: drawn from the prior, and decoded. All of
# them are means of $p(x|z)$.*
#
# One number stands before the KL in the loss. With the knob at its left end,
# copies are crisp, and what the model invents is a tangle. At its right end,
# the model answers everything with the same gray blur. So **what does this
# number do, and where should it stand?**
#
# **You will** · turn β from 0 to 200 · read it as a price, and check the bill
# · find it where nobody wrote it · break a training with it, and mend it.
#
# *Builds on [04](04_latent_space.ipynb) · an hour of study, 40 s of computing
# · [Solutions](solutions/05_beta.ipynb) · only here for the slider?
# [This page](figures/beta.html) needs neither Python nor a network.*

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from tutorial_utils import (
    VAE, bernoulli_nll, claim, constant, digit_classifier, encode_images,
    evaluate, kl_per_dimension, kl_standard_normal, load_images, local_seed,
    mlp, negative_elbo, print_table, reparameterize, score_grid,
    show_animation, show_figure, show_rows, start_at_mean_image,
    straight_line, train_grid, warmup_then_linear,
)
from tutorial_utils.checks.nb05 import (
    check_detective, check_one_knob, check_warmup,
)
from tutorial_utils.pages.slider import export_slider
from tutorial_utils.studios.beta_panels import beta_panels
from tutorial_utils.studios.beta_slider import model_slider
from tutorial_utils.studios.predict import predict

# %%
RETRAIN = False  # True: train all models again, which takes hours
seeds = [0, 1, 2]  # figures show the first; tables show all
betas = [0, 0.01, 0.1, 0.5, 1, 2, 4, 10, 12, 50, 200]

data, digits = load_images("mnist"), load_images("digits")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test
claim("betas has 0, 1 and 10, for the figures", {0, 1, 10} <= set(betas))

# %% [markdown]
# ## The sweep
#
# You know both terms of the loss from 02. The reconstruction loss says how
# badly an image is copied. The KL says how far its posterior $q(z|x)$ is from
# the prior. Between them stands $\beta$:
#
# $$\text{loss} = \underbrace{\mathbb E_q[-\log p(x|z)]}_{\text{recon loss}} +
# \beta\;\underbrace{\mathrm{KL}(q(z|x)\,\|\,p(z))}_{\text{kl}}$$
#
# Both terms are in nats. Both are *summed*, over pixels and over latent
# dimensions, and then averaged over images. So far $\beta$ was 1. Then the
# loss is $-$ELBO, the bound on $-\log p(x)$ from 03.
#
# Now we train eleven models, each with its own $\beta$: once with 2 latent
# numbers, once with 64. Many trainings that differ in one setting are called
# a **sweep**. This one took most of an hour, so it comes with the notebook.

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
settings = {"epochs": 25, "batch_size": 128, "lr": 3e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
sweep = train_grid(
    make_vae, x_train, negative_elbo, name="05_sweep", **settings,
    over={"k": [2, 64], "beta": betas, "seed": seeds[:1]})
judge = digit_classifier(data, retrain=RETRAIN)

# %% [markdown]
# How shall we compare models that were trained with different losses? With
# one ruler for all: both terms on the test images, and their sum. That is
# $-$ELBO, at $\beta = 1$, whatever $\beta$ trained the model.
#
# Three more numbers tell what a model is like:
#
# * how many latent numbers are **active**, with a KL over 0.01 nats (04);
# * how far the means $\mu$ spread;
# * how varied its inventions are. A classifier, the *judge*, names a thousand
#   images decoded from the prior. If class $c$ gets the share $p_c$, the
#   entropy is $H = -\sum_c p_c \log p_c$, and $e^H$ is an **effective number
#   of classes**: 10 if all are equally frequent, 1 if all get one name.
#
# ### Predict
#
# Which of the models with 64 numbers is best on that ruler? Commit yourself
# first. In the saved notebook, the table below is folded until you open it.

# %%
predict("64 numbers: which β gives the lowest −ELBO on test images?",
        ["0.1", "1", "10"], answer="1",
        because="At β = 1 the loss is −ELBO itself: this model was trained "
        "for the exam that we set, the others for another one.")


# %%
@torch.no_grad()
def measured(model):
    row = evaluate(model, x_test, negative_elbo)  # loss, recon_loss, kl
    mu, logvar = encode_images(model, x_test)
    row["active"] = (kl_per_dimension(mu, logvar) > 0.01).sum().item()
    row["std of means"] = mu.std().item()
    samples = model.sample(1000, generator=torch.Generator().manual_seed(0))
    shares = judge(samples).argmax(1).bincount(minlength=10) / 1000
    row["classes"] = torch.special.entr(shares).sum().exp().item()
    return row


# %%
repeated = [beta for beta in [0, 0.1, 0.5, 1, 4, 10] if beta in betas]
scores = {key: measured(model) for key, (model, _) in sweep.items()}
if seeds[1:]:
    scores |= score_grid(
        make_vae, x_train, negative_elbo, name="05_seeds", measure=measured,
        over={"k": [2, 64], "beta": repeated, "seed": seeds[1:]}, **settings)


# %% tags=["after-predict"]
def over_seeds(k, beta):  # {name: its values, one for each seed}
    rows = [scores[k, beta, s] for s in seeds if (k, beta, s) in scores]
    return {name: [row[name] for row in rows] for name in rows[0]}


for k in [2, 64]:
    print(f"{k} latent numbers; loss is −ELBO")
    print_table({beta: over_seeds(k, beta) for beta in betas}, digits=1)
for seed in seeds:
    row = {b: scores[64, b, seed] for b in betas if (64, b, seed) in scores}
    claim(f"64 numbers, seed {seed}: the lowest −ELBO is at β = 1",
          min(row, key=lambda beta: row[beta]["loss"]) == 1, row=row)

# %% [markdown]
# *What to see.* Read the tables from top to bottom. As $\beta$ grows, the KL
# falls, and the reconstruction pays for it. From 50 on nothing is left of the
# code: the KL is 0, and every image is painted as the average image, for about
# 205 nats. You met those two numbers in 03.
#
# The classes are few at both ends, for two different reasons. At the right
# end the model has little to say. At the left end it has a lot to say, but
# the prior draws codes where hardly any image lives (04), so the judge has to
# find names for tangles.
#
# ## Move it
#
# Drag the slider, or focus it and use the arrow keys. Two questions for the
# way: where do copies turn soft, and where do digits vanish from the map? The
# cell also writes all of this into one file, `beta.html`, beside this
# notebook. It needs no kernel.

# %%
first = {(k, beta): sweep[k, beta, seeds[0]][0] for k, beta, _ in sweep}
first_scores = {(k, beta): scores[k, beta, seeds[0]] for k, beta in first}
panels = beta_panels(first, first_scores, x_test, y_test)
export_slider("β", panels, "beta.html")
model_slider("β", panels, start="1")

# %% tags=["hide-input"]
# 64 numbers, β = 0, 1 and 10: ten test images copied, ten invented ones, and
# a walk from a 2 to a 7 on a straight line of means
rows = {"image": x_test[:10]}
prior = torch.randn(10, 64, generator=torch.Generator().manual_seed(0))
ends = x_test[[(y_test == digit).nonzero()[1].item() for digit in (2, 7)]]
walks = {}
for beta in [0, 1, 10]:
    model = first[64, beta]
    with local_seed(0):
        rows[f"β = {beta}, copied"] = model(x_test[:10]).logits.sigmoid()
    rows[f"β = {beta}, invented"] = model.decode(prior).sigmoid()
    mu, _ = encode_images(model, ends)
    z = straight_line(*mu, torch.linspace(0, 1, 17))
    walks[f"β = {beta}"] = model.decode(z).sigmoid()
fig = show_rows(rows, size=0.7, title="Crisp copies and tangled inventions, "
                "or soft copies and soft inventions")
show_figure(fig, alt="Seven rows of ten images: test images; then for beta "
            "0, 1 and 10, copies decoded from a posterior sample, and images "
            "decoded from prior samples. At 0 copies are sharp and prior "
            "samples are tangles; at 1 copies are good and most prior samples "
            "are digits; at 10 both are blurred.")
frames = torch.cat([*walks.values()], dim=3)
show_animation(torch.cat([frames, frames.flip(0)]), levels=64,
               labels=[(" " * 14).join(walks)] * 34,
               alt="Animation: a 2 turns into a 7 and back, side by side for "
               "beta 0, 1 and 10; the larger beta, the softer the strokes.")

# %% [markdown]
# *What to see.* Copies here are decoded from a *sample* $z$ of $q(z|x)$. At
# $\beta = 0$ they are as crisp as a copy gets, and the inventions are tangles.
# At $\beta = 10$ both are soft, and there is less variety. But it is not so
# that "the posterior equals the prior for every image", as is sometimes said
# of $\beta = 10$. The table says how many nats are left.
#
# ## β is a price
#
# Imagine that every image must travel over a telephone line. Pixels cannot be
# sent, only a code, and the line charges for each nat of it. How many nats are
# sent is called the **rate**. It is the KL. At the other end a decoder paints
# a copy. What is wrong with the copy is called the **distortion**. It is the
# reconstruction loss, in nats as well.
#
# ![A drawing. An encoder turns an image into a code, the code travels over a
# line with a meter that counts nats at β each, and a decoder paints a copy.
# Rate: kl, the nats that were sent. Distortion: recon loss, what is wrong with
# the copy. The bill is distortion plus β times rate.](figures/price.svg)
#
# Send more, and the copy gets better. Is it worth it? The bill decides: one
# more nat costs $\beta$, so it is sent if it repairs at least $\beta$ nats of
# the copy. At $\beta = 1$ you pay a nat for a nat. At $\beta = 10$ you take
# only bargains.
#
# That is a story so far. If it is true, our models must obey it. Take two
# neighbors in the sweep, say $\beta = 1$ and $\beta = 4$. The second one has
# saved nats of rate, and its copies are worse. How much worse, for each nat
# saved? At least 1: for less, the first model would have saved that nat too.
# And at most 4: for more, the second would have sent it.

# %%
def price(cheap, dear):  # scores of two neighbors: the smaller β, the larger
    distortion_added = dear["recon_loss"] - cheap["recon_loss"]
    rate_saved = cheap["kl"] - dear["kl"]
    return distortion_added / rate_saved


neighbors = [(0.1, 0.5), (0.5, 1), (1, 4), (4, 10)]
bill = {(k, a, b): [price(scores[k, a, s], scores[k, b, s]) for s in seeds]
        for k in [2, 64] for a, b in neighbors if {a, b} <= set(betas)}
print_table(bill, columns=["numbers", "from β", "to β", "nats per nat"])
claim("64 numbers, every seed: each price lies between its two βs",
      all(a < paid < b for (k, a, b), prices in bill.items() if k == 64
          for paid in prices), bill=bill)

# %% tags=["hide-input"]
# Distortion against rate, one point for each β; gray lines have slope −β
fig, ax = plt.subplots(figsize=(8, 4.2))
for k, color, style in [(2, "0.6", "o-"), (64, "C0", "s-")]:
    points = {b: first_scores[k, b] for b in betas if b >= 0.1}
    rates = [row["kl"] for row in points.values()]
    distortions = [row["recon_loss"] for row in points.values()]
    for beta, rate, distortion in zip(points, rates, distortions):
        if k == 64 and beta in (1, 4, 10):
            ax.axline((rate, distortion), slope=-beta, color="0.8", lw=1)
        if k == 64 and beta < 50:
            ax.annotate(f"β = {beta:g}", (rate, distortion), xytext=(6, 4),
                        textcoords="offset points", color=color)
    ax.plot(rates, distortions, style, color=color, markersize=5)
    ax.annotate(f" {k} numbers", (rates[0], distortions[0]), va="top",
                color=color)
ax.set(xlabel="rate: kl, nats", ylabel="distortion: recon_loss, nats",
       xlim=(-1, 90), ylim=(50, 212),
       title="At every β the curve falls by β nats for each nat of rate")
show_figure(fig, alt="TODO")

# %% [markdown]
# *What to see.* TODO
#
# ## Summed or averaged?
#
# Here is a loss as you will find it in many a repository. Where is its
# $\beta$?
#
# ```python
# recon_loss = F.binary_cross_entropy_with_logits(logits, x)
# loss = recon_loss + kl
# ```
#
# The word is not there. But look at the cross-entropy: nobody said
# `reduction="sum"`, and the default is `"mean"`, over images *and* over pixels.
# How much does that change?

# %%
logits = first[64, 1](x_test).logits
summed = F.binary_cross_entropy_with_logits(
    logits, x_test, reduction="sum") / len(x_test)  # per image
averaged = F.binary_cross_entropy_with_logits(logits, x_test)
claim("the ratio is 784, the number of pixels",
      abs(summed / averaged - 784) < 0.5, ratio=summed / averaged)

# %% [markdown]
# Multiply that loss by 784, which moves no minimum, and read it again:
#
# $$784\,(\text{averaged} + \text{kl}) = \text{summed} + 784\,\text{kl}.$$
#
# So a default argument has written a $\beta$ into the code, and it is 784. For
# a table of 48 columns it would be 48, and who multiplies the averaged
# reconstruction by 48 has found no trick. He has put the sum back.
#
# ### Predict

# %%
predict("On MNIST, what does the loss averaged + kl give?",
        ["the model of β = 1", "crisp copies, tangled inventions",
         "one gray blur for all"], answer="one gray blur for all",
        because="784 is far to the right on our slider, and from 50 on no nat "
        "of code is worth its price.")

# %% [markdown]
# ### Exercise 1 · The detective (five minutes, four words)
#
# Four tutorials report what they saw, each with its own weights. Who summed,
# and who averaged? Ask of each observation which $\beta$ it needs.
#
# * **A**, MNIST, 2 numbers: with the weights 0.5 and 0.5 no clusters are left;
#   with a KL weight of 0.01 there are some; with $10^{-7}$ they are clear.
# * **B**, MNIST, 2 numbers: $\beta = 12$ gives a map with several digits; at
#   200 all are alike.
# * **C**, a table of 48 columns: both classes lie in one place. With the
#   reconstruction times 48 they separate.
# * **D**, MNIST: $\beta = 10$ gives blurred digits, of fewer classes than 1.
#
# ### Exercise 2 · One knob (five minutes, one number)
#
# An average is not the only place where a $\beta$ can hide. With Gaussian
# pixels of standard deviation $\sigma_x$ (03) the loss is, up to a constant,
# (squared error)$/2\sigma_x^2 + \beta\,\text{kl}$. Somebody trained with
# $\sigma_x = 0.1$ and $\beta = 4$. Which $\beta$ gives the same model with
# $\sigma_x = 1$? Again, a factor before the whole loss moves no minimum.

# %% tags=["exercise"]
verdicts = {"A": ..., "B": ..., "C": ..., "D": ...}  # "summed", "averaged"

check_detective(verdicts)

# %% tags=["solution"]
verdicts = {"A": "averaged", "B": "summed", "C": "averaged", "D": "summed"}

check_detective(verdicts)

# %% tags=["exercise"]
beta = ...

check_one_knob(beta)

# %% tags=["solution"]
beta = 4 * 0.1**2

check_one_knob(beta)

# %% [markdown]
# ## β = 0 becomes an autoencoder
#
# A common claim is that a VAE with $\beta = 0$ *is* an autoencoder. Look for
# the place in its code, and you will not find it: $z$ is still sampled.
#
# But noise in a code makes copies worse, and at $\beta = 0$ nothing is paid
# for it. The encoder is free to shrink $\sigma$. How far will it go? Watch a
# short training, here and now: two latent numbers, 5,000 images, and the mean
# of $\log\sigma^2$ after each epoch.

# %%
def watched_loss(model, x, beta):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": recon_loss + beta * kl, "logvar": out.logvar}


watched = train_grid(
    make_vae, x_train[:5000], watched_loss, name="05_watched",
    over={"k": [2], "beta": [0, 1]}, seed=seeds[0], epochs=20,
    batch_size=128, lr=2e-3, retrain=RETRAIN)

# %% tags=["hide-input"]
# The mean of log σ² after each epoch
fig, ax = plt.subplots(figsize=(6.5, 3))
for (_, beta), (_, history) in watched.items():
    logvar = history.train["logvar"]
    ax.plot(range(1, 21), logvar, marker="", color=["C0", "0.6"][beta])
    ax.annotate(f" β = {beta}", (20, logvar[-1]), va="center")
ax.set(xscale="log", xlabel="epoch (logarithmic)", ylabel="mean of log σ²",
       title="With β = 0 the noise shrinks, and finds no floor")
show_figure(fig, alt="TODO")

# %%
def noise_on_and_off(model):
    mu, logvar = encode_images(model, x_test)
    with local_seed(0):
        z = reparameterize(mu, logvar)
    on, off = (bernoulli_nll(model.decode(code), x_test) for code in (z, mu))
    return {"mean log σ²": logvar.mean().item(), "std of μ": mu.std().item(),
            "on": on.mean().item(), "off": off.mean().item()}


noise = {b: noise_on_and_off(first[64, b]) for b in betas if b <= 1}
print_table(noise, columns=["β", *noise[0]])
claim("β = 0: without noise the copies are the same, to 0.1 nats",
      abs(noise[0]["on"] - noise[0]["off"]) < 0.1, **noise[0])

# %% [markdown]
# *What to see.* TODO
#
# ## Collapse, made and cured
#
# At $\beta = 50$ our models sent nothing, and they were right: no nat of code
# repairs 50 nats of copy. A latent number whose posterior is the prior, for
# every image, has **collapsed**. Where the price is too high, collapse is a
# law (03). There is another kind, and it is an accident. It can happen at
# $\beta = 1$, where a code would pay.
#
# Think of the first steps of training. The decoder is new and makes nothing
# of $z$. So each nat of code is a cost without a return, and the encoder
# learns to send none. Now $z$ is pure noise, and the decoder learns to ignore
# it. From then on neither has a reason to begin. Each waits for the other one
# to say something.
#
# The deeper the network, the longer the decoder needs to make anything of
# $z$, and the more likely is the accident. Let us cause it. To have many
# trainings in a few seconds, we take scikit-learn's digits of 8 × 8 pixels.
#
# The diagnosis suggests the cure. Let the code be free until the decoder has
# learned to read it, and only then ask for the price. Such a rise of $\beta$
# during training is called a **warm-up**. (The learning rate has one as well.
# That is another thing.) `train_grid` takes it as a function of the progress
# of training, which goes from 0 to 1.

# %%
def make_8x8(n_layers):  # hidden layers, on each side
    hidden = [128] * n_layers
    decoder = mlp([8, *hidden, 64], activation=nn.ReLU, out_shape=(1, 8, 8))
    start_at_mean_image(decoder, digits.x_train)
    return VAE(mlp([64, *hidden, 16], activation=nn.ReLU), decoder,
               latent_dim=8)


# %%
def linear_warmup(progress, *, share=0.5, top=1.0):
    return top * min(progress / share, 1.0)


small = {"epochs": 60, "batch_size": 64, "lr": 3e-3,
         "schedule": warmup_then_linear, "retrain": RETRAIN}
recipes = {"constant": constant, "warm-up": linear_warmup}
runs = train_grid(
    make_8x8, digits.x_train, negative_elbo, name="05_layers", **small,
    over={"n_layers": [1, 5], "beta": recipes, "seed": seeds})

# %% tags=["hide-input"]
# The KL of the deep network in the course of training, one line for each seed
fig, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for ax, name in zip(axes, recipes):
    for seed in seeds:
        kl = runs[5, name, seed][1].train["kl"]
        ax.plot(range(1, len(kl) + 1), kl, marker="", color="C0")
    ax.set(xlabel="epoch", title=f"five layers, β {name}")
axes[0].set_ylabel("kl, nats")
axes[1].axvspan(0, 30, color="0.93", zorder=0)
axes[1].annotate("β rises", (15, 0.15), ha="center", color="0.4")
axes[1].annotate("β = 1", (45, 0.15), ha="center", color="0.4")
show_figure(fig, alt="TODO")

# %%
ends = {key: evaluate(model, digits.x_test, negative_elbo)
        for key, (model, _) in runs.items()}
table = {(n, name): {part: [ends[n, name, seed][part] for seed in seeds]
                     for part in ("loss", "kl")}
         for n in [1, 5] for name in recipes}
print_table(table, columns=["layers", "β", "−ELBO", "kl"])
gains = [ends[5, "constant", seed]["loss"] - ends[5, "warm-up", seed]["loss"]
         for seed in seeds]
claim("five layers, every seed: a warm-up gains half a nat or more",
      min(gains) > 0.5, gains=gains)

# %% [markdown]
# *What to see.* TODO
#
# ### Exercise 3 · Wait, then warm up (five minutes, two lines)
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
# ## Learning by heart
#
# TODO

# %%
fitted = train_grid(
    make_vae, x_train[:500], negative_elbo, name="05_fitted",
    x_val=x_train[50_000:51_000], seed=seeds[0],
    over={"k": [2, 64], "beta": [0, 1]}, epochs=100, batch_size=50, lr=3e-3,
    retrain=RETRAIN)
courses = {key: history for key, (_, history) in fitted.items()}

# %% tags=["hide-input"]
# Copies of training images (dashed) and of validation images, in each epoch
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for (k, beta), history in courses.items():
    ax, color = axes[k == 64], ["C1", "C0"][beta]
    for part, line in [(history.train, "--"), (history.val, "-")]:
        ax.plot(range(1, 101), part["recon_loss"], line, marker="",
                color=color)
    last = history.val["recon_loss"][-1]
    ax.annotate(f" β = {beta}", (100, last), color=color, va="center")
    ax.set(title=f"{k} numbers, 500 training images", xlabel="epoch",
           ylim=(30, 210))
axes[0].set_ylabel("recon_loss, nats")
show_figure(fig, alt="TODO")


# %%
def best_epochs(history):  # on the validation images
    recon_loss = torch.tensor(history.val["recon_loss"])
    minus_elbo = recon_loss + torch.tensor(history.val["kl"])
    return {"epoch": minus_elbo.argmin().item() + 1,
            "−ELBO": minus_elbo.min().item(),
            "at the end": minus_elbo[-1].item(),
            "epoch of best copies": recon_loss.argmin().item() + 1,
            "recon_loss": recon_loss.min().item(),
            "in the end": recon_loss[-1].item()}


print_table({key: best_epochs(history) for key, history in courses.items()},
            digits=1, columns=["k", "β", *best_epochs(history)])

# %% [markdown]
# *What to see.* TODO
#
# ## Where it breaks
#
# ### A good β, moved
#
# TODO

# %%
few = x_train[:10_000]
pool_14, pool_7 = nn.AdaptiveAvgPool2d(14), nn.AdaptiveAvgPool2d(7)
moved = {"MNIST, 28 × 28": (few, x_test, 20),
         "pooled to 14 × 14": (pool_14(few), pool_14(x_test), 20),
         "pooled to 7 × 7": (pool_7(few), pool_7(x_test), 20),
         "digits, 8 × 8": (digits.x_train, digits.x_test, 200)}


def make_for(side):  # images of side × side pixels, 16 latent numbers
    n = side**2
    decoder = mlp([16, 200, n], out_shape=(1, side, side))
    return VAE(mlp([n, 200, 32]), decoder, latent_dim=16)


# %%
def kl_on(x):  # what to measure of a model
    def measure(model):
        return {"kl": kl_per_dimension(*encode_images(model, x)).sum().item()}
    return measure


lengths = {}
for name, (x, x_new, epochs) in moved.items():
    side = x.shape[-1]
    by_rule = round(4 * side**2 / 28**2, 2)
    found = score_grid(
        make_for, x, negative_elbo, name=f"05_moved_{side}",
        measure=kl_on(x_new), **settings | {"epochs": epochs},
        over={"side": [side], "beta": sorted({by_rule, 4}), "seed": seeds})
    for (_, beta, seed), row in found.items():
        lengths.setdefault((name, beta), []).append(row["kl"])
print_table(lengths, columns=["images", "β", "kl, nats"])

# %% [markdown]
# *What to see.* TODO
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | $\beta = 0$ is a deterministic autoencoder | $z$ is still sampled; training makes $\sigma$ so small that it no longer matters |
# | at $\beta = 10$ the posterior equals the prior for every image | only at full collapse; here some nats are left |
# | the reconstruction error must be multiplied by 48 | it must be summed, over the 48 columns |
# | at $\beta = 200$ only the KL is optimized | it is still a weighted sum, but no nat of code repairs 200 nats of copy |
#
# ## Recap
#
# TODO
#
# ## Exercises
#
# Three stood on the way: the detective, one knob, and the warm-up. The last
# one is open.
#
# ### Exercise 4 · Where is the cliff? (half an hour; try it, and report)
#
# TODO

# %%
my_betas = [1, 2, 4]  # yours
mine = train_grid(
    make_8x8, digits.x_train, negative_elbo, name="05_mine", seed=seeds[0],
    over={"n_layers": [1], "beta": my_betas}, **small)
print_table({key: evaluate(model, digits.x_test, negative_elbo)
             for key, (model, _) in mine.items()}, columns=["layers", "β", "−ELBO", "recon_loss", "kl"])

# %% [markdown]
# ## Where to go
#
# TODO
