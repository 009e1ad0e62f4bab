# %% [markdown]
# # 1 · Autoencoders
#
# How short can the code of an image be, and what does a code that was only
# made to be short not give you?
#
# **You will** · build an autoencoder and its training loop, line by line ·
# show that a linear one is PCA · measure what a nonlinear one adds, from 2 to
# 64 numbers per image · watch one with too long a code copy, and cure it with
# sparsity · see its codes fail when you make up your own.
#
# *Builds on [00](00_start_here.ipynb) · about 4 min on two CPU cores ·
# [Solutions](solutions/01_autoencoders.ipynb)*

# %%
import sys
from functools import partial
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch import nn
from tqdm import tqdm

from tutorial_utils import (
    claim, confidence, constant, digit_classifier, evaluate, load_images, mlp,
    plot_codes, show_figure, show_images, show_rows, start_at_mean_image,
    trained, warmup_then_linear,
)
from tutorial_utils.checks.nb01 import (
    check_code_shape, check_squared_error, check_test_score,
)

# %% [markdown]
# **Config.** Change these and run the notebook again. Trained models are kept,
# and found again as long as nothing that made them has changed. A line with a
# ✓ is a claim of the text, checked on your numbers: if one stops the notebook,
# they tell another story than the sentence beside it.

# %%
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]  # every comparison is run once per seed
hidden_dim = 256
epochs, batch_size, lr = 2, 128, 8e-3
code_sizes = [2, 8, 16, 32, 64]

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test
claim("code_sizes has 2, 8, 16 and 32, for the figures",
      {2, 8, 16, 32} <= set(code_sizes))

# %% [markdown]
# ## How good is a picture?
#
# An autoencoder paints an image $\hat x$ that should look like the image $x$
# it was given. We need a number that says how far off it is. The **squared
# error** adds up, over all pixels, the square of the difference:
#
# $$\lVert \hat x - x \rVert^2 = \sum_{i=1}^{784} (\hat x_i - x_i)^2$$
#
# One number per image: summed over pixels, not averaged. Averages over the
# images of a batch are taken outside, where you can see them.

# %%
def squared_error(recon, x):
    return (recon - x).square().flatten(1).sum(1)


# %% [markdown]
# The laziest model paints the same picture for every image. The best such
# picture, by squared error on the training images, is their mean. How bad is
# it on test images? To compare images of different sizes, reports divide by
# the number of pixels: that is the **mean squared error**, MSE.

# %% tags=["nbval-check-output"]
mean_image = x_train.mean(0)
error = squared_error(mean_image.expand_as(x_test), x_test)
print("shape", list(error.shape), "· one number per image")
mean_image_mse = error.mean().item() / 784
print(f"per image {error.mean():.2f}, per pixel {mean_image_mse:.4f}")

# %% [markdown]
# Every model below has to beat that.
#
# ## The best flat code: PCA
#
# Suppose the code is $k$ numbers. The picture is the mean image plus $k$ fixed
# images, each times its number. The fixed images with the smallest squared
# error have been known since 1901: the **principal components**. This is
# principal component analysis, **PCA**. All pictures that it can paint lie on
# a flat sheet of $k$ dimensions, and squeezing is a projection onto it.

# %%
pca = PCA(max(code_sizes), svd_solver="covariance_eigh")
pca.fit(x_train.flatten(1).numpy())


def pca_reconstruct(x, k):
    components = torch.from_numpy(pca.components_[:k])
    z = (x - mean_image).flatten(1) @ components.T  # code: [B, k]
    return (z @ components).reshape(x.shape) + mean_image


# %% tags=["nbval-check-output"]
pca_mse = {}
for k in code_sizes:
    error = squared_error(pca_reconstruct(x_test, k), x_test)
    pca_mse[k] = error.mean().item() / 784
    print(f"PCA, {k:2} numbers per image: test MSE {pca_mse[k]:.5f}")

# %%
fig, ax = plt.subplots(figsize=(8, 1.3))
components = torch.from_numpy(pca.components_[:10]).reshape(-1, 1, 28, 28)
title = "The first ten principal components: red adds, blue removes"
show_images(components, title=title, ax=ax, cmap="RdBu_r", vmin=-0.15,
            vmax=0.15)
show_figure(fig, alt="Ten small images with soft red and blue areas, from a "
            "red ring around a blue bar, like a 0 minus a 1, to finer waves.")

# %% [markdown]
# *What to see:* the first component separates a 0, a ring, from a 1, a bar.
# Later ones are waves, finer and finer.
#
# ## Build an autoencoder
#
# Now let the machine find the code. An **autoencoder** is the two halves of
# 00, two networks in a row: the **encoder** squeezes $x$ into a code $z$ of
# $k$ numbers, the **decoder** paints an image from $z$. Nobody says what the
# $k$ numbers should mean. The only wish is that the painting is close to the
# original.
#
# ![An image of 784 pixels enters the encoder, a trapezoid that narrows; out
# comes a code of a few numbers; the decoder, a trapezoid that widens, paints
# a reconstruction of 784 pixels.](figures/encoder_decoder.svg)

# %%
class Autoencoder(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# %% [markdown]
# Both halves are stacks of linear layers with a nonlinearity between them,
# here SiLU: $a \cdot s(a)$, with the sigmoid $s(a) = 1 / (1 + e^{-a})$.
# Written out for a code of 32 numbers:

# %%
k = 32
torch.manual_seed(0)
encoder = nn.Sequential(
    nn.Flatten(), nn.Linear(784, hidden_dim), nn.SiLU(),
    nn.Linear(hidden_dim, k))
decoder = nn.Sequential(
    nn.Linear(k, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, 784),
    nn.Unflatten(1, (1, 28, 28)))
model = Autoencoder(encoder, decoder)

# %% [markdown]
# The decoder ends without a nonlinearity: it returns **logits**, any real
# number per pixel. A sigmoid turns them into pixels between 0 and 1. Follow
# the shapes of three images through it:

# %% tags=["nbval-check-output"]
x = x_test[:3]
z = model.encode(x)
recon = model.decode(z).sigmoid()
print("x", list(x.shape), "→ z", list(z.shape), "→", list(recon.shape))

# %% [markdown]
# ## The training loop
#
# Training shows the images in small batches, in a new random order in every
# **epoch** (one pass over all of them). A batch from tensors in memory is an
# index away; no loader is needed.

# %%
def batches(x, *, batch_size, generator):
    for rows in torch.randperm(len(x), generator=generator).split(batch_size):
        yield x[rows]


# %% [markdown]
# For each batch: reconstruct, compare, ask how each weight should change
# (`backward`), change it a little (`step`). Here it is in full, with the Adam
# optimizer at a constant learning rate, for one epoch. It takes about three
# seconds.

# %%
optimizer = torch.optim.Adam(model.parameters(), lr=1.5e-3)
generator = torch.Generator().manual_seed(0)
losses = []
for x in batches(x_train, batch_size=batch_size, generator=generator):
    recon = model(x).sigmoid()
    loss = squared_error(recon, x).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(f"{len(losses)} steps, squared error per image: "
      f"{losses[0]:.0f} at first, {losses[-1]:.1f} at last")

# %%
fig, ax = plt.subplots()
ax.plot(losses, marker="", label="autoencoder, each training batch")
ax.axhline(784 * mean_image_mse, color="black", linestyle=":", marker="",
           label="mean image, test")
ax.axhline(784 * pca_mse[32], color="black", linestyle="--", marker="",
           label="PCA with 32 numbers, test")
ax.set(xlabel="training step", ylabel="squared error per image",
       yscale="log", title="In one epoch the error falls to PCA's")
ax.set_yticks([15, 30, 60, 120], ["15", "30", "60", "120"], minor=False)
ax.minorticks_off()
ax.legend()
show_figure(fig, alt="Line chart on a log scale: the squared error per image "
            "falls steeply, then slowly, from about 180 past the mean image's "
            "line to PCA's line near 13.")

# %% [markdown]
# *What to see:* the first fifty steps learn what the mean image knows. The
# rest is what tells one digit from another. Look at a few, all from the test
# set:

# %%
x = x_test[:10]
with torch.no_grad():
    rows = {"image": x, "reconstruction": model(x).sigmoid()}
fig = show_rows(rows, title="Test images, and what 32 numbers keep of them")
show_figure(fig, alt="Ten test digits above, their reconstructions below: "
            "the same digits, softer and a little smeared.")

# %% [markdown]
# ### The same loop, faster
#
# `fit` from the package is this loop with the loss as its argument, plus a
# progress bar, a slightly different Adam and a learning rate that may change
# on the way: it first rises from 0 (**warm-up**, so that the first, blind
# steps are small), then falls to 0 in a line (so that the last steps settle).
#
# The loss is a function of model and images. It returns a dictionary; `"loss"`
# holds one value for each image. `mlp([784, 256, k])` builds a stack like the
# one above, always with `Flatten` first. `start_at_mean_image` sets the last
# layer's bias so that an untrained decoder paints the mean image; what is left
# to learn is the difference.

# %%
def reconstruction_loss(model, x):
    return {"loss": squared_error(model(x).sigmoid(), x)}


def make_autoencoder(k):
    model = Autoencoder(mlp([784, hidden_dim, k]),
                        mlp([k, hidden_dim, 784], out_shape=(1, 28, 28)))
    start_at_mean_image(model.decoder, x_train)
    return model


# %% [markdown]
# `trained` calls `fit` and keeps the result. It takes a name, a function that
# makes the model (`partial(f, k)` is `f` with `k` filled in), the images, the
# loss and the settings, and returns the model and its history. `evaluate` is
# the mean of a loss over all images, each counted once.
#
# Does the changing rate pay? Same network, same peak rate, same two epochs,
# three seeds each. This takes about half a minute.

# %%
def train_autoencoder(k, seed, schedule=warmup_then_linear, **options):
    name = f"ae_{k}_seed_{seed}_{schedule.__name__}"
    return trained(name, partial(make_autoencoder, k), x_train,
                   reconstruction_loss, epochs=epochs, seed=seed,
                   batch_size=batch_size, lr=lr, schedule=schedule,
                   retrain=RETRAIN, **options)[0]


def test_mse(model, loss_fn=reconstruction_loss, x=x_test):
    return evaluate(model, x, loss_fn)["loss"] / 784


def span(values, digits=4):  # over the seeds
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


# %%
mse = {"constant rate": [], "warm-up, then linear": []}
for seed in seeds:
    for name, schedule in zip(mse, [constant, warmup_then_linear]):
        model = train_autoencoder(32, seed, schedule)
        mse[name].append(test_mse(model))
for name, values in mse.items():
    print(f"{name:21} test MSE {span(values, 5)}")
claim("the rate that changes ends lower, every seed",
      max(mse["warm-up, then linear"]) < min(mse["constant rate"]))

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
progress = np.linspace(0, 1, 201)
for n, schedule in enumerate([constant, warmup_then_linear]):
    left.plot(100 * progress, [schedule(p) for p in progress], marker="")
    values = list(mse.values())[n]
    right.plot(values, [n] * len(values), linestyle="", color=f"C{n}",
               marker="os"[n], markersize=8)
left.set(xlabel="% of training done", ylabel="share of the peak rate",
         title="Two schedules")
right.set(yticks=[0, 1], yticklabels=list(mse), ylim=(-0.6, 1.6),
          xlabel="test MSE, one mark per seed", title="What they reach")
show_figure(fig, alt="Left: the two schedules over training, a flat line and "
            "a triangle that peaks at ten percent. Right: test errors of "
            "three seeds each; all of the triangle's lie lower.")

# %% [markdown]
# *What to see:* the same work, and a lower error for every seed. From here on
# every training uses the schedule.
#
# ## A linear autoencoder is PCA
#
# Take the nonlinearity away: one linear layer to squeeze, one to paint, no
# sigmoid. Its pictures lie on a flat sheet too, and on the training images no
# flat sheet has a smaller error than PCA's. So training should end close to
# PCA's error, on PCA's sheet. How far one sheet is turned against another is
# measured by **principal angles**: all zero when the sheets are the same. Two
# code sizes with three seeds each take about half a minute.

# %%
def make_linear(k):
    return Autoencoder(mlp([784, k]), mlp([k, 784], out_shape=(1, 28, 28)))


def linear_loss(model, x):
    return {"loss": squared_error(model(x), x)}


def compare_with_pca(k, seed):
    model, _ = trained(
        f"linear_{k}_seed_{seed}", partial(make_linear, k), x_train,
        linear_loss, seed=seed, epochs={2: 8, 16: 4}[k],  # 2: some start badly
        batch_size=128, lr=2e-2, schedule=warmup_then_linear,
        retrain=RETRAIN, show_progress=False)
    ratio = test_mse(model, linear_loss) / pca_mse[k]
    painting = model.decoder[1].weight.detach().numpy()  # [784, k]
    angles = np.degrees(subspace_angles(painting, pca.components_[:k].T))
    unit = painting / np.linalg.norm(painting, axis=0)
    cosine = np.abs(unit.T @ unit - np.eye(k)).max()  # of PCA's images: 0
    nearest = np.abs(pca.components_ @ unit).max(0).mean()  # PCA's: 1
    return ratio, angles.max(), cosine, nearest


# %%
runs = list(product([2, 16], seeds))
linear = {run: compare_with_pca(*run)
          for run in tqdm(runs, file=sys.stdout, ncols=70)}
for k in [2, 16]:
    ratio, angle, cosine, nearest = zip(*[linear[k, s] for s in seeds])
    print(f"{k:2} numbers: {span(ratio)} times PCA's test MSE, largest angle "
          f"{span(angle, 1)}°;\n   cosine of two of its images at most "
          f"{span(cosine, 2)}, of one with its\n   nearest component "
          f"{span(nearest, 2)} on average")
    claim(f"{k} numbers: PCA's error to 2 %, every seed", max(ratio) < 1.02)
    claim("PCA's sheet to 5°, at least once", min(angle) < 5, angle=angle)
claim("16 numbers: nearly right angles, but not PCA's directions",
      max(cosine) < 0.5 and max(nearest) < 0.7)
for k in [2, 8, 16]:
    step = 1 - pca.explained_variance_[k] / pca.explained_variance_[k - 1]
    print(f"component {k + 1} has {step:.0%} less variance than {k}")

# %% [markdown]
# *What to see:* the errors agree, and the sheets are the same up to a few
# degrees. (On some machines one training of 16 ends 20° off. With 8 numbers it
# takes longer: the 8th and the 9th component have almost the same variance, so
# which of them to keep hardly matters.) The *codes* are not the same: turn,
# stretch or shear the code and undo it in the decoder, and nothing in the
# picture changes. So an autoencoder has no reason to choose the components.
# With 16 numbers its images stand not far from right angles either (a small
# cosine), but turned: even the component most like an image has a cosine of
# only about a half with it. Remember this for the end.
#
# ## Predict
#
# Put the hidden layers and the sigmoid back. How much will they lower PCA's
# error with 2 numbers per image, and how much with 64: by nothing, by a
# quarter, by half, by more? Decide before you run the next cells. They train
# five code sizes with three seeds each and take about a minute.

# %%
ae = {}
runs = list(product(code_sizes, seeds))
for k, seed in tqdm(runs, file=sys.stdout, ncols=70):
    ae[k, seed] = train_autoencoder(k, seed, show_progress=False)

ae_mse = np.array([[test_mse(ae[k, s]) for s in seeds] for k in code_sizes])
for k, row in zip(code_sizes, ae_mse):
    print(f"{k:2} numbers: PCA {pca_mse[k]:.4f}, autoencoder "
          f"{span(row)}, {row.mean() / pca_mse[k]:.2f} of PCA's")
claim("at each size, every seed: less than nine tenths of PCA's error",
      all(row.max() < 0.9 * pca_mse[k] for k, row in zip(code_sizes, ae_mse)))

# %%
fig, ax = plt.subplots(figsize=(7, 4.2))
ax.axhline(mean_image_mse, color="black", linestyle=":", linewidth=1,
           marker="", label="the mean image, no code at all")
ax.plot(code_sizes, [pca_mse[k] for k in code_sizes], label="PCA")
ax.plot(code_sizes, ae_mse.mean(1), label="autoencoder, over seeds")
ax.fill_between(code_sizes, ae_mse.min(1), ae_mse.max(1), color="C1",
                alpha=0.3)
ax.set(xscale="log", yscale="log", xlabel="numbers per image (code size)",
       ylabel="test MSE per pixel",
       title="At every code size the nonlinear code keeps more")
ax.set_xticks(code_sizes, code_sizes)
ax.set_yticks([0.004, 0.01, 0.03, 0.06], [0.004, 0.01, 0.03, 0.06])
ax.minorticks_off()
ax.legend()
show_figure(fig, alt="Test error against code size from 2 to 64, both axes "
            "logarithmic. PCA and the autoencoder fall together from below "
            "the mean image's line; the autoencoder is lower everywhere, and "
            "the gap is widest at 16 and 32 numbers.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# With 2 numbers the error falls by about a fifth, with 8 and with 64 by half,
# in between by more. Digits do not lie on a flat sheet: a stroke that moves is
# not a sum of fixed images. A curved sheet of the same dimension passes closer
# to them.
# </details>
#
# *What to see:* an autoencoder with 16 numbers does better than PCA with 32.
# In pictures:

# %%
x = x_test[[2, 1, 18, 4, 8, 11, 0, 61, 7]]
rows = {"image": x}
for k in [2, 8, 32]:
    rows[f"PCA, {k}"] = pca_reconstruct(x, k)
    with torch.no_grad():
        rows[f"autoencoder, {k}"] = ae[k, seeds[0]](x).sigmoid()
fig = show_rows(rows, title="Test images from 2, 8 and 32 numbers", size=0.7)
show_figure(fig, alt="Seven rows of nine digits: the images, then PCA and "
            "autoencoder in turn with 2, 8 and 32 numbers. With 2, PCA shows "
            "smears and the autoencoder plausible but often wrong digits; "
            "with 32 the autoencoder is close to the images.")

# %% [markdown]
# *What to see:* where the code is too short, PCA paints a smear and the
# autoencoder paints a digit, sometimes the wrong one. It has learned what
# digits look like, not only how to add up images.
#
# ## Too long a code only copies
#
# If short codes are hard and long ones easy, take a long one: 1,024 numbers
# for 784 pixels, an **over-complete** code. One layer each side, with ReLU,
# which sets negative numbers to 0, and no sigmoid. Nothing stops it from
# copying. Three seeds take about half a minute.

# %%
code_dim = 1024


def make_overcomplete(activation):
    encoder = nn.Sequential(mlp([784, code_dim]), activation())
    decoder = mlp([code_dim, 784], out_shape=(1, 28, 28))
    return Autoencoder(encoder, decoder)


def train_wide(name, activation, loss_fn):
    return [trained(f"{name}_seed_{seed}",
                    partial(make_overcomplete, activation), x_train, loss_fn,
                    seed=seed, epochs=1, batch_size=64, lr=3e-3,
                    schedule=warmup_then_linear, retrain=RETRAIN)[0]
            for seed in seeds]


copiers = train_wide("copier", nn.ReLU, linear_loss)
print("test MSE", span([test_mse(copier, linear_loss) for copier in copiers]))

# %% [markdown]
# An error near zero, on test images: the best model so far? Show it what it
# has never seen: patches of photographs, and noise. Both are cut to the pixels
# in which more than 1 % of the training digits have ink; elsewhere there was
# next to nothing to learn. Beside it, the autoencoder with 32 numbers.

# %%
n_inked = sum((part > 0).sum(0) for part in x_train.split(5000))
inked = n_inked > 0.01 * len(x_train)
generator = torch.Generator().manual_seed(0)
unseen = {
    "digits": x_test[:1000],
    "photographs": load_images("patches").x_test[:1000] * inked,
    "noise": torch.rand(1000, 1, 28, 28, generator=generator) * inked,
}
for name, x in unseen.items():
    short = [test_mse(ae[32, seed], x=x) for seed in seeds]
    long = [test_mse(copier, linear_loss, x) for copier in copiers]
    print(f"{name:11} MSE, 32 numbers {span(short)}; 1,024 {span(long)}")
    claim("the long code has less than a fifth of the error, every seed",
          max(long) < 0.2 * min(short))

# %%
x = torch.cat([images[[26, 14, 6]] for images in unseen.values()])
with torch.no_grad():
    rows = {"input": x, "32 numbers": ae[32, seeds[0]](x).sigmoid(),
            "1,024 numbers": copiers[0](x)}
fig = show_rows(rows, title="The long code lets photographs and noise through")
show_figure(fig, alt="Three rows of nine images: three digits, three patches "
            "of photographs and three of noise. The code of 32 numbers turns "
            "the others into blots of digit strokes; the code of 1,024 "
            "numbers returns photographs almost unchanged and noise a little "
            "weaker.")

# %% [markdown]
# *What to see:* the short code turns everything into strokes of digits,
# because those are all it can express. The long code lets photographs and
# noise through. It has learned to copy, not what a digit is. A low error is
# not a good code.
#
# ## A sparse code
#
# Keep the 1,024 numbers but let each image use only a few of them. Two classic
# ways, both a **penalty** added to the loss:
#
# * **L1**: pay for the sum of all code entries. (ReLU entries are never
#   negative, so this is the sum of absolute values.) Paying per entry drives
#   most of them to exactly zero. Each entry is weighted by the length of the
#   image it paints, so that the model cannot cheat by shrinking the code and
#   growing the decoder.
# * **KL to a target**: the mean activity $\hat\rho_j$ of each unit over a
#   batch should be $\rho$, say 5 %. How far $\hat\rho_j$ is from $\rho$ is
#   measured as for two coins that show heads with these chances: a KL
#   divergence, 0 when they agree, summed over units. It limits a unit's mean
#   over images, not each image by itself. It needs activities between 0 and
#   1, so ReLU makes way for a sigmoid:
#
# $$\sum_j \Big[ \rho \log\frac{\rho}{\hat\rho_j} +
# (1 - \rho) \log\frac{1 - \rho}{1 - \hat\rho_j} \Big]$$
#
# Both are a penalty on the *code*, which depends on the data. They are not a
# belief about the weights. Nor are they a prior on the data, as you may read.
# ($\log$ is the natural logarithm, here and everywhere.) The six trainings
# take about a minute.

# %%
def l1_loss(model, x, weight=0.2):
    z = model.encode(x)
    length = model.decoder[1].weight.norm(dim=0)  # of each painted image
    recon_loss = squared_error(model.decode(z), x)
    return {"loss": recon_loss + weight * (z * length).sum(1)}


def kl_loss(model, x, weight=1.0, target=0.05):
    z = model.encode(x)
    active = z.mean(0).clamp(1e-4, 1 - 1e-4)
    kl = (target * (target / active).log()
          + (1 - target) * ((1 - target) / (1 - active)).log()).sum()
    return {"loss": squared_error(model.decode(z), x) + weight * kl}


sparse = {
    "no penalty": copiers,
    "L1": train_wide("sparse_l1", nn.ReLU, l1_loss),
    "KL to 5 %": train_wide("sparse_kl", nn.Sigmoid, kl_loss),
}

# %% [markdown]
# Count a unit as *active* for an image when it is above a quarter of its own
# largest value on the test set. What did sparsity cost, and what did it buy?
# (Exact zeros exist with ReLU only; a sigmoid comes close to 0 but never to
# it. The mean activity of the sigmoid code should be near its target.)

# %%
@torch.no_grad()
def measure(model):
    z = model.encode(x_test)
    return {"active": (z > 0.25 * z.amax(0)).float().mean().item(),
            "zero": (z == 0).float().mean().item(), "mean": z.mean().item(),
            "MSE digits": test_mse(model, linear_loss),
            "MSE noise": test_mse(model, linear_loss, unseen["noise"])}


for name, models in sparse.items():
    rows = [measure(model) for model in models]
    print(name, *(f"  {key:10} {span([row[key] for row in rows])}"
                  for key in rows[0]), sep="\n")
    if name != "no penalty":
        claim(f"{name}: less than 15 % of the units are active, every seed",
              max(row["active"] for row in rows) < 0.15)

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6))
for ax, (name, (model, *_)) in zip(axes, sparse.items()):  # first seed
    with torch.no_grad():
        busiest = model.encode(x_test).mean(0).argsort(descending=True)[:36]
    painted = model.decoder[1].weight.detach()[:, busiest].T
    painted = painted / painted.abs().amax(1, keepdim=True)
    show_images(painted.reshape(-1, 1, 28, 28), n_columns=6, title=name,
                ax=ax, cmap="RdBu_r", vmin=-1, vmax=1)
fig.suptitle("What the 36 busiest units paint (red adds, blue removes)")
show_figure(fig, alt="Three grids of 36 small images. Without a penalty they "
            "look like noise; with L1 they are single pen strokes, thin, and "
            "some whole digits; with the KL target, mostly whole digits, in "
            "red with blue around and inside.")

# %% [markdown]
# *What to see:* without a penalty a unit paints something close to noise. With
# one it paints a pen stroke, a part of a digit or a whole one, a vocabulary to
# write digits with, and each digit uses few of its words. The price is a
# higher error on digits, and noise no longer passes.
#
# ## What the codes look like
#
# Back to short codes. With 2 numbers we can draw them: the codes of test
# images, for two autoencoders that differ in nothing but the seed.

# %%
codes = {}
with torch.no_grad():
    for (k, seed), model in ae.items():
        codes[k, seed] = model.encode(x_test)
two = seeds[:2]
fig, axes = plt.subplots(1, len(two), figsize=(9, 4.6), squeeze=False)
for seed, ax in zip(two, axes[0]):
    title = f"Codes of 2,000 test images, seed {seed}"
    plot_codes(codes[2, seed], y_test, title=title, ax=ax)
show_figure(fig, alt="Two scatters of digit glyphs in the plane. Each has "
            "arms of one digit class that spread from a crowded middle; "
            "arrangement and scale differ between the two.")

# %% [markdown]
# *What to see:* there *is* structure: equal digits lie together, though nobody
# named the classes. But the clouds have arms and empty wedges, they reach far
# out in some directions and not in others, and a second training arranges
# everything anew.
#
# ## Where it breaks
#
# An autoencoder can paint any code. Can it *invent* digits, if you make up
# codes? As a judge of single images we train a small classifier and take its
# **confidence**: the probability it gives to its favorite class. A classifier
# has to choose, so high confidence proves nothing: see below what it says of
# noise, and of the mean image, which is no digit at all. Low confidence does
# say something: no class fits well. Training it takes a few seconds.

# %%
judge = digit_classifier(data, retrain=RETRAIN)
right = (judge(x_test).argmax(1) == y_test).float().mean()
print(f"right on {right:.1%} of the test images")
noise = torch.rand(1000, 1, 28, 28, generator=generator)
for name, x in {"test images": x_test, "noise": noise,
                "the mean image": mean_image[None]}.items():
    print(f"mean confidence on {name}: {confidence(judge, x).mean():.2f}")

# %% [markdown]
# ### 1 · Made-up codes
#
# Three kinds of codes for the autoencoders with 32 numbers: of test images;
# drawn from a standard normal distribution (each number has mean 0 and
# standard deviation 1); and drawn from a normal distribution that has, number
# by number, the mean and standard deviation of the real codes.

# %%
@torch.no_grad()
def paintings(seed, n=1000):
    generator = torch.Generator().manual_seed(seed)
    model, z = ae[32, seed], codes[32, seed]
    noise = torch.randn(n, 32, generator=generator)
    kinds = {"real codes": z[:n], "standard normal": noise,
             "same mean, std": z.mean(0) + z.std(0) * noise}
    return {name: model.decode(z).sigmoid() for name, z in kinds.items()}


for name in paintings(seeds[0]):
    found = [confidence(judge, paintings(s)[name]) for s in seeds]
    means = [scores.mean() for scores in found]
    sure = [100 * (scores > 0.9).float().mean() for scores in found]
    print(f"{name:16} confidence {span(means, 2)}, "
          f"above 0.9 for {span(sure, 0)} %")

# %%
rows = {name: images[:12] for name, images in paintings(seeds[0]).items()}
fig = show_rows(rows, title="Real codes give digits, made-up codes do not",
                size=0.65)
show_figure(fig, alt="Three rows of twelve decoded images. From real codes: "
            "clear digits. From standard normal codes: faint, broken strokes. "
            "From codes of matching mean and spread: tangled strokes.")

# %% [markdown]
# *What to see:* most made-up codes give no digit. With matching mean and
# spread the judge is sure of about one in three, and it is sure too easily.
# But this draws each of the 32 numbers on its own, and in real codes they hang
# together. (02 repeats it with 20 numbers, and gets digits a little more
# often.)
#
# ### 2 · Walking between two digits
#
# Take a thousand pairs of test images and walk in a straight line from one
# code to the other. How sure is the judge on the way?

# %%
steps = torch.linspace(0, 1, 11)


@torch.no_grad()
def confidence_along(seed):
    model, z = ae[32, seed], codes[32, seed]
    a, b = z[:1000], z[1000:2000]
    return [confidence(judge, model.decode((1 - t) * a + t * b).sigmoid())
            .mean().item() for t in steps]


walks = [confidence_along(seed) for seed in seeds]
fades = [confidence(judge, (1 - t) * x_test[:1000] + t * x_test[1000:2000])
         .mean().item() for t in steps]
middle = [walk[5] for walk in walks]
print(f"at the ends {walks[0][0]:.2f}, half way {span(middle, 2)}, "
      f"pixel cross-fade half way {fades[5]:.2f}")

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=[3, 4])
for walk in walks:
    left.plot(steps, walk, color="C0", marker="o",
              label="codes" * (walk is walks[0]))
left.plot(steps, fades, color="C1", marker="s", label="pixels")
left.set(xlabel="$t$", ylabel="mean confidence", ylim=(0.7, 1),
         title="The judge doubts half way")
left.legend()
with torch.no_grad():
    model, z = ae[32, seeds[0]], codes[32, seeds[0]]
    ends = z[[17, 1, 4]], z[[2, 3, 0]]
    path = [(1 - t) * ends[0] + t * ends[1] for t in steps[::2]]
    walked = model.decode(torch.stack(path, 1).flatten(0, 1)).sigmoid()
show_images(walked, n_columns=6, title="Three walks, 32 numbers", ax=right)
show_figure(fig, alt="Left: confidence against position on the walk, a bowl "
            "that is lowest half way, for codes in three seeds and slightly "
            "lower for pixels. Right: three rows of six decoded images whose "
            "middle ones overlay both digits.")

# %% [markdown]
# *What to see:* half way, the walk through codes of 32 numbers is hardly
# better than fading pixels. Training looked at the codes of images and never
# at the places between them.
#
# ### 3 · The scale means nothing
#
# How large are the numbers in a code? Whatever training happened to end at:

# %%
for k in code_sizes:
    stds = [codes[k, seed].std().item() for seed in seeds]
    print(f"{k:2} numbers: standard deviation of all codes {span(stds, 2)}")

# %% [markdown]
# From 8 numbers on the seeds nearly agree, because they share the starting
# scale and the learning rate. But the loss asks for no such value. Multiply
# the code by 10 and divide the decoder's first weights by 10: every
# reconstruction stays the same, so the loss cannot prefer either. A code that
# you make up now means something else.

# %%
model, scaled = ae[32, seeds[0]], make_autoencoder(32)
scaled.load_state_dict(model.state_dict())
squeeze, paint = scaled.encoder[3], scaled.decoder[1]  # next to the code
x, z = x_test[:1000], torch.randn(1000, 32, generator=generator)
with torch.no_grad():
    squeeze.weight *= 10
    squeeze.bias *= 10
    paint.weight /= 10
    change = (scaled(x).sigmoid() - model(x).sigmoid()).abs().max()
    shift = (scaled.decode(z).sigmoid() - model.decode(z).sigmoid()).abs()
print(f"reconstructions change by at most {change:.6f}")
print(f"images from the same made-up codes change by up to {shift.max():.2f}")
claim("the same reconstructions, other images from made-up codes",
      change.item() < 1e-3 and shift.max().item() > 0.1)

# %% [markdown]
# All three failures have one reason: **nothing in the loss says where codes
# should be.** There is no distribution of codes that you could draw from, no
# wish that neighbors of a code should be good codes too, and no scale.
# Notebook 02 asks for all three at once, and the answer is the VAE.
#
# ## Recap
#
# You built an autoencoder and its training loop, line by line · showed that a
# linear one is PCA, in error and in subspace · measured what a nonlinear one
# adds, from 2 to 64 numbers · watched one with too long a code copy, and cured
# it with sparsity · saw its codes fail when you made up your own: empty
# places, bad walks, no scale.
#
# ## Exercises
#
# ### 1 · The shape of a code (two minutes, one line)
#
# What is the shape of `ae[32, seeds[0]].encode(x_test[:5])`? Decide without
# running it, and answer with a tuple, such as `(3, 4)`.

# %% tags=["exercise"]
code_shape = ...

check_code_shape(code_shape)

# %% tags=["solution"]
code_shape = (5, 32)  # five images, 32 numbers each

check_code_shape(code_shape)

# %% [markdown]
# ### 2 · Mean or sum (five minutes, one line)
#
# Write the squared error again, without `flatten`, for images of any size:
# `recon` and `x` have shape [B, C, H, W]. Summed over pixels, one value per
# image.

# %% tags=["exercise"]
def my_squared_error(recon, x):
    ...


check_squared_error(my_squared_error)

# %% tags=["solution"]
def my_squared_error(recon, x):
    return ((recon - x) ** 2).sum(dim=(1, 2, 3))


check_squared_error(my_squared_error)

# %% [markdown]
# ### 3 · An honest score (five minutes, two lines)
#
# Write the function that puts a number into your report: the mean squared
# error per pixel of `model` on all images of the right part of `data` (it has
# `x_train`, `y_train`, `x_test`, `y_test`). The model returns logits. One
# number.

# %% tags=["exercise"]
@torch.no_grad()
def score(model, data):
    ...


check_test_score(score)

# %% tags=["solution"]
@torch.no_grad()
def score(model, data):
    recon = model(data.x_test).sigmoid()
    return (recon - data.x_test).square().mean().item()


check_test_score(score)

# %% [markdown]
# ## References
#
# * Pearson (1901), *On lines and planes of closest fit to systems of points in
#   space*, [doi:10.1080/14786440109462720](https://doi.org/10.1080/14786440109462720):
#   PCA.
# * Baldi and Hornik (1989), *Neural networks and principal component
#   analysis*, [doi:10.1016/0893-6080(89)90014-2](https://doi.org/10.1016/0893-6080(89)90014-2):
#   why a linear autoencoder is PCA.
# * Hinton and Salakhutdinov (2006), *Reducing the dimensionality of data with
#   neural networks*, [doi:10.1126/science.1127647](https://doi.org/10.1126/science.1127647):
#   nonlinear codes against PCA.
# * Ng (2011), *Sparse autoencoder*, lecture notes of CS294A, Stanford: the
#   activity target and its KL penalty.
#
# **Next:** [02 · Generative models, and the idea of the
# VAE](02_generative_models.ipynb), which asks what the loss must add so that a
# code that you make up gives a digit.
