# %% [markdown]
# # 8 · Denoising autoencoders
#
# What must a network know to clean an image that it has never seen, and what
# else can it do once it knows?
#
# **You will** · train a code that is larger than the image · race it against
# honest baselines · see that it computes a mean, and that what is left points
# uphill · paint digits from nothing but noise · test what its features are
# worth · catch it inventing.
#
# *Builds on [07](07_disentanglement.ipynb) · about 3 min on two CPU cores ·
# [Solutions](solutions/08_denoising.ipynb)*

# %%
import math
from functools import partial
from itertools import pairwise, product

import matplotlib.pyplot as plt
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import nn

from tutorial_utils import (
    VAE, Autoencoder, bernoulli_nll, claim, confidence, digit_classifier,
    encode_images, is_here, load_images, local_seed, mlp, negative_elbo,
    show_figure, show_images, show_rows, squared_error, start_at_mean_image,
    train_many, warmup_then_linear,
)
from tutorial_utils.checks.nb08 import (
    check_best_guess, check_block_noise, check_score,
)
from tutorial_utils.studios.denoising import denoising_rows, denoising_studio
from tutorial_utils.topics.noise import (
    gaussian_filter, median_filter, non_local_means, psnr, ssim, tune,
)
from tutorial_utils.topics.sharpness import bootstrap_interval

# %%
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]
code_dim = 1024  # of the denoising autoencoder: more than 784 pixels
latent_dim = 20  # of an autoencoder and a VAE for comparison

data = load_images("mnist")
x_train, x_test = data.x_train, data.x_test
x_few = x_test[::40]  # 250 images on which the methods are compared
x_tune = x_train[:40]  # on which their settings are tuned


def span(values, digits=1):  # over the seeds
    low, high = [f"{v:.{digits}f}" for v in (min(values), max(values))]
    return low if low == high else f"{low} to {high}"


# %% [markdown]
# ## Three kinds of noise
#
# Add a normal number to each pixel; or set pixels to black; or set them to
# black or white, as dust on a scan does. `level` says how much.

# %%
def gaussian_noise(x, level):  # level: the standard deviation
    return x + level * torch.randn_like(x)


def masking_noise(x, level):  # level: the share of pixels lost
    return torch.where(torch.rand_like(x) < level, 0, x)


def salt_and_pepper(x, level):  # level: the share of pixels replaced
    extreme = torch.rand_like(x).round()
    return torch.where(torch.rand_like(x) < level, extreme, x)


# %%
noises = {"Gaussian": gaussian_noise, "masking": masking_noise,
          "salt and pepper": salt_and_pepper}
tops = {"Gaussian": 1.0, "masking": 0.8, "salt and pepper": 0.8}
levels = {kind: [top * k / 4 for k in range(1, 5)]
          for kind, top in tops.items()}


def noisy_copy(x, kind, level, seed=0):  # the same noise each time
    with local_seed(seed):
        return noises[kind](x, level)


rows = {f"{kind} {level}": noisy_copy(x_test[:8], kind, level)
        for kind in noises for level in levels[kind][::3]}
fig = show_rows({"clean": x_test[:8], **rows}, size=0.7,
                title="Three kinds of noise, low and high")
show_figure(fig, alt="Eight test digits, clean and with low and high "
            "Gaussian, masking and salt-and-pepper noise. At the high levels "
            "they are hard to read.")

# %% [markdown]
# ## A code larger than the input
#
# In [01](01_autoencoders.ipynb) an autoencoder with 1,024 numbers for 784
# pixels copied whatever you showed it. Here is such a network again, with two
# losses. The second one differs in what goes **in**: a noisy copy, at a level
# drawn anew for each image, from 0 to the highest. What must come **out** is
# the clean image. The loop stays as it is.

# %%
def make_wide(code_dim=code_dim, x=x_train):
    decoder = mlp([code_dim, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x)
    encoder = nn.Sequential(mlp([784, code_dim]), nn.ReLU())
    return Autoencoder(encoder, decoder)


def copying_loss(model, x):
    return {"loss": bernoulli_nll(model(x), x)}


def denoising_loss(model, x, add_noise, high, low=0.0):
    level = low + (high - low) * torch.rand(len(x), 1, 1, 1)
    return {"loss": bernoulli_nll(model(add_noise(x, level)), x)}


# %% [markdown]
# Could the second network copy? It could, but it does not pay: a copy of its
# input is noisy, and costs. One training per kind of noise, three seeds each,
# and beside them for later: the copier, an autoencoder and a VAE with 20
# numbers, both trained on clean digits, and, with one seed, two denoisers for
# one level of Gaussian noise only. Each sees every digit once; longer training
# may change their ranks. A good minute.

# %%
def make_narrow():
    decoder = mlp([latent_dim, 128, 256, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return Autoencoder(mlp([784, 256, latent_dim]), decoder)


def make_vae():
    decoder = mlp([latent_dim, 128, 256, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(mlp([784, 256, 2 * latent_dim]), decoder, latent_dim=latent_dim)


# %%
def denoise(kind, high, low=0.0):
    return partial(denoising_loss, add_noise=noises[kind], high=high, low=low)


settings = {"x": x_train, "epochs": 1, "batch_size": 256, "lr": 6e-3,
            "schedule": warmup_then_linear}
kinds = {"copier": (make_wide, copying_loss),
         "AE": (make_narrow, copying_loss), "VAE": (make_vae, negative_elbo)}
kinds |= {kind: (make_wide, denoise(kind, tops[kind]))
          for kind in noises}
one_level = {f"Gaussian {level}": (
    make_wide, denoise("Gaussian", level, level)) for level in (0.25, 1.0)}

# %%
runs = [*product(kinds, seeds), *product(one_level, seeds[:1])]
parts = kinds | one_level
jobs = {f"08_{name.replace(' ', '_').replace('.', '-')}_{seed}": {
    **settings, "make_model": parts[name][0], "loss_fn": parts[name][1],
    "seed": seed} for name, seed in runs}
trained = train_many(jobs, retrain=RETRAIN).values()
models = dict(zip(runs, (model for model, _ in trained)))


# %%
def repaired(name, noisy, seed=seeds[0]):  # by a trained network
    model = models[name, seed]
    with torch.no_grad():
        if name == "VAE":
            return model.decode(model.encode(noisy)[0]).sigmoid()
        return model(noisy).sigmoid()


noisy = noisy_copy(x_few, "Gaussian", 0.5)
print(f"noisy images: {psnr(noisy.clamp(0, 1), x_few).mean():.1f} dB")
for name in ("copier", "Gaussian"):
    scores = [psnr(repaired(name, noisy, seed), x_few).mean().item()
              for seed in seeds]
    clean = [psnr(repaired(name, x_few, seed), x_few).mean().item()
             for seed in seeds]
    print(f"{name:10} {span(scores)} dB; clean images {span(clean)} dB")

# %% [markdown]
# **PSNR**, the peak signal-to-noise ratio, is $10 \log_{10}(1/\text{MSE})$ in
# decibels: ten more means a tenth of the squared error, three more a half.
# What a method returns is clamped to [0, 1] before it is judged. The copier is
# by far the better of the two on clean images. On noisy ones it leaves nearly
# twice the error of the denoiser. (It gains seven decibels even so: it has
# only ever painted digits, and is no perfect copier.) Nothing was made
# smaller: **what the loss asks for** rules out the copy.

# %%
shown = x_few[3:13]
noisy = noisy_copy(shown, "Gaussian", 0.5)
fig = show_rows({"clean": shown, "noisy": noisy.clamp(0, 1),
                 "copier": repaired("copier", noisy),
                 "denoiser": repaired("Gaussian", noisy)}, size=0.7,
                title="Same network, same code size: only the input differs")
show_figure(fig, alt="Ten digits, clean, with Gaussian noise, as the copier "
            "and as the denoiser return them. The copier's are broken and "
            "patchy, the denoiser's are nearly all whole and a little soft.")

# %% [markdown]
# ## Predict
#
# Noise was taken from images long before there were networks. Four old
# methods, each tuned on training images for each kind and level of noise:
#
# * **PCA**: keep the first directions of the training images (how many?);
# * a **Gaussian filter**: each pixel becomes a mean of its neighbors (how
#   wide?);
# * a **median filter**: each pixel becomes their median (how many?);
# * **non-local means**: a mean of those pixels around which the image looks
#   alike (how alike?).
#
# A fifth learns from noisy and clean pairs, as our network does: the best
# **linear** map from one to the other, by least squares, for each level.
#
# And two networks trained **on clean digits only**, a narrow autoencoder and a
# VAE: can they paint anything but digits? Which noise will the median filter
# take best? Does a narrow code help against noise?

# %%
def fit_pca(x):
    with threadpool_limits(1):
        pca = PCA(200, random_state=0).fit(x.flatten(1))
    mean, basis = (torch.tensor(a).float()
                   for a in (pca.mean_, pca.components_))

    def project(x, k):  # onto the first k principal directions
        z = (x.flatten(1) - mean) @ basis[:k].T
        return (z @ basis[:k] + mean).view_as(x)

    return project


# %%
filters = {"PCA": (fit_pca(x_train[::6]), [5, 10, 20, 40, 80, 200]),
           "Gaussian filter": (gaussian_filter,
                               [0.4, 0.6, 0.8, 1.0, 1.4, 1.8]),
           "median filter": (median_filter, [1, 3, 5, 7, 9]),
           "non-local means": (non_local_means, [0.1, 0.2, 0.35, 0.6, 1.0])}
best = {}
for (name, (method, options)), kind in product(filters.items(), noises):
    for level in levels[kind]:
        noisy = noisy_copy(x_tune, kind, level)
        best[name, kind, level] = tune(method, options, noisy, x_tune)
for kind in noises:
    level = levels[kind][1]
    print(f"{kind} {level}:", {n: best[n, kind, level] for n in filters})


# %%
def fit_linear(kind, level):  # least squares, from noisy to clean
    x = x_train[::4].flatten(1)
    noisy = noisy_copy(x, kind, level)
    center, mean = noisy.mean(0), x.mean(0)
    noisy, x = noisy - center, x - mean
    square = noisy.T @ noisy / len(x) + 1e-3 * torch.eye(784)
    return center, mean, torch.linalg.solve(square, noisy.T @ x / len(x))


linear = {(kind, level): fit_linear(kind, level)
          for kind in noises for level in levels[kind]}


# %%
def by(name, noisy, kind, level):  # what a method makes of noisy images
    near = min(levels[kind], key=lambda tuned: abs(tuned - level))
    if name == "nothing":
        images = noisy
    elif name in filters:
        images = filters[name][0](noisy, best[name, kind, near])
    elif name == "linear":
        center, mean, weights = linear[kind, near]
        images = ((noisy.flatten(1) - center) @ weights + mean).view_as(noisy)
    else:
        images = repaired(kind if name == "denoiser" else name, noisy)
    return images.clamp(0, 1)


# %%
rivals = {name: partial(by, name)
          for name in [*filters, "linear", "AE", "VAE", "denoiser"]}
methods = {name: partial(by, name) for name in ("nothing", "copier")} | rivals
scores, likeness = {}, {}
for (name, method), kind in product(methods.items(), noises):
    for level in levels[kind]:
        images = method(noisy_copy(x_few, kind, level), kind, level)
        scores[name, kind, level] = psnr(images, x_few)
        likeness[name, kind, level] = ssim(images, x_few)

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.4), sharey=True)
marks = ["k:", "k--", "C0s-", "C5^-", "C2v-", "C3D-", "C4X-", "C5o--", "C0P--",
         "C1*-"]
for ax, kind in zip(axes, noises):
    for name, mark in zip(methods, marks):
        means = [scores[name, kind, level].mean() for level in levels[kind]]
        ax.plot(levels[kind], means, mark, label=name, ms=5,
                zorder=4 if name == "nothing" else 2)
    ax.set(title=kind, xlabel="level of noise", xticks=levels[kind])
axes[0].set_ylabel("PSNR in dB, mean of 250 images")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center",
           ncols=5, fontsize=8)
show_figure(fig, alt="PSNR against the level of noise, one panel for each "
            "kind, one line for each method. The denoising autoencoder is "
            "highest nearly everywhere, the linear one next and at both ends "
            "of masking as high; at the lowest level of Gaussian noise "
            "non-local means are a little higher, the copier is near.")

# %%
for k in (1, 3):
    print(f"{'PSNR and SSIM':16}" + "".join(
        f"{f'{kind} {levels[kind][k]}':>22}" for kind in noises))
    for name in methods:
        line = f"{name:16}"
        for kind in noises:
            key = name, kind, levels[kind][k]
            low, high = bootstrap_interval(scores[key])
            least, most = bootstrap_interval(likeness[key])
            line += f"   {low:4.1f}–{high:4.1f} {least:.2f}–{most:.2f}"
        print(line)

# %%
for kind in noises:
    leads = {}
    for level in levels[kind][1:3]:
        others = [scores[n, kind, level].mean() for n in methods
                  if n != "denoiser"]
        leads[level] = scores["denoiser", kind, level].mean() - max(others)
    claim(f"{kind} noise, two middle levels: the denoiser is ahead of all",
          min(leads.values()) > 0, leads=leads)

# %% [markdown]
# The table shows one trained network of each kind. Wide against narrow, all
# trained on clean digits, for every seed:

# %%
noisy = noisy_copy(x_few, "Gaussian", 0.5)
unwarned = {name: [psnr(repaired(name, noisy, seed), x_few).mean().item()
                   for seed in seeds] for name in ("copier", "AE", "VAE")}
for name, values in unwarned.items():
    print(f"{name:7} {span(values)} dB")
claim("against Gaussian noise at 0.5 the wide copier beats both narrow codes",
      min(unwarned["copier"]) > max(unwarned["AE"] + unwarned["VAE"]))

# %% [markdown]
# <details><summary>Answer</summary>
#
# They can paint other things: see the next figure. The median filter takes
# salt and pepper best, at low levels: single wrong pixels never are the
# median. A narrow code gives no advantage: against Gaussian noise it is better
# than doing nothing, but so is the wide copier, which at the second level is
# ahead of it by about a decibel, and PCA is ahead of both. Against salt and
# pepper its PSNR is above that of doing nothing, but its SSIM is only half as
# high: white dots look like ink and move the code to another digit, and
# nothing in its training spoke against that.
# </details>
#
# The tables are at the second and the highest of four levels; the intervals,
# 95 %, are over images (one noise, one trained network). **SSIM**, structural
# similarity, compares means, contrasts and patterns in small windows; 1 means
# equal. At the second level both judges put the denoiser first. The filters
# know only that neighbors are alike. Where the noise is weak that may do: at
# the lowest level of Gaussian noise non-local means, tuned for that level, are
# a little ahead of our network, which serves all levels, and the copier keeps
# up. (A network for that level alone is ahead of them: next section.) The
# strongest rival is `linear`, which also learned from noisy and clean pairs:
# with the strongest noise its PSNR is nearly or just as high. There the best
# mean is a smudge, and a linear map can paint a smudge. SSIM sees the
# difference. Here is one digit; it proves nothing, but shows what the numbers
# are about:

# %%
left, right = [denoising_rows(rivals, x_few[7:8], kind, noises[kind],
                              levels[kind])
               for kind in ("Gaussian", "salt and pepper")]
above = [f"{level:g}" for kind in ("Gaussian", "salt and pepper")
         for level in levels[kind]]
fig = show_rows({name: torch.cat([left[name], right[name]]) for name in left},
                size=0.7, above={next(iter(left)): above},
                title="Four levels of Gaussian noise, and of salt and pepper")
show_figure(fig, alt="One digit at four levels of two kinds of noise, a row "
            "for each method. At the high levels the filters return gray or "
            "broken images; the denoiser's row shows clean strokes at the low "
            "levels, at the highest broken ones or gray loops.")

# %% [markdown]
# ## Trained here, used there
#
# A network that has learned one level, or one kind: what does it do elsewhere?
# Networks for one level were trained once, the others once per seed: their
# numbers are means. The table on the right is at the second level of each kind.

# %%
def crossed(trained_on, used_on):  # mean PSNR and spread over seeds
    table = [[torch.stack([psnr(repaired(name, noisy_copy(
        x_few, kind, level), seed), x_few).mean()
        for seed in seeds if (name, seed) in models])
        for kind, level in used_on] for name in trained_on]
    spread = max(cell.max() - cell.min() for row in table for cell in row)
    print(f"largest spread over seeds: {spread:.1f} dB")
    return torch.tensor([[cell.mean() for cell in row] for row in table])


# %%
three = [0.25, 0.5, 1.0]
by_level = crossed([*one_level, "Gaussian"],
                   [("Gaussian", level) for level in three])
by_kind = crossed(list(noises), [(k, levels[k][1]) for k in noises])
means_there = scores["non-local means", "Gaussian", 0.25].mean()
print(f"σ = 0.25: trained for it {by_level[0, 0]:.1f} dB, for all levels "
      f"{by_level[-1, 0]:.1f}, non-local means {means_there:.1f}")
claim("a network for the lowest level beats non-local means there",
      by_level[0, 0] > means_there)

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.2))
middle = [f"{kind}\n{levels[kind][1]}" for kind in noises]
for ax, table, used, rows in [
        (axes[0], by_level, three, [0.25, 1.0, "all levels"]),
        (axes[1], by_kind, middle, list(noises))]:
    ax.imshow(table, cmap="Blues", vmin=8, vmax=26, aspect="auto")
    for i, j in product(range(len(rows)), range(len(used))):
        ax.text(j, i, f"{table[i, j]:.1f}", ha="center", va="center",
                color="w" if table[i, j] > 19 else "k")
    ax.set_xticks(range(len(used)), used)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="used on", ylabel="trained on")
    ax.grid(False)
axes[0].set_title("PSNR in dB: one level, used at others")
axes[1].set_title("one kind, used on another")
show_figure(fig, alt="Two tables of PSNR. Left, trained at one level of "
            "Gaussian noise and used at others: each is best at its own "
            "level, the network of all levels is best in between. Right, "
            "trained on one kind and used on others: the diagonal is best.")

# %% [markdown]
# *What to see:* a network made for much noise wipes away details when there is
# little; one made for little noise leaves the rest in. Drawing the level at
# random costs half a decibel to one and a half at the ends; in the middle that
# network is better than both.
# On another kind each network is worse than the one made for it, by one to
# several decibels.
#
# ## Why it works: E[x | noisy x]
#
# A common claim is that in the larger code "extra units" learn to remove
# noise. There are no special units. With squared error or cross-entropy
# the best answer to a noisy $\tilde x$ is the mean of all clean $x$ that it
# could have been, $\mathbb{E}[x|\tilde x]$, as in [06](06_blur.ipynb). And for
# Gaussian noise of standard deviation $\sigma$ **Tweedie's formula** says what
# is left of the guess after taking $\tilde x$ away:
#
# $$\mathbb{E}[x|\tilde x] - \tilde x = \sigma^2 \, \nabla_{\tilde x}
# \log p_\sigma(\tilde x)$$
#
# Here $p_\sigma$ is the density of *noisy* data; the gradient of its logarithm
# is called the **score**. (Proof: $p_\sigma(\tilde x) = \int p(x)\,N(\tilde x;
# x, \sigma^2)\,dx$. The gradient of the Gaussian is itself times $(x - \tilde
# x) / \sigma^2$; divide by $p_\sigma$, and the mean of $x - \tilde x$ given
# $\tilde x$ remains.) It points where noisy data are denser: uphill. Let us
# check that on points along a spiral, a mixture of 60 small Gaussians, for
# which both sides are known.

# %%
turn = torch.linspace(0.6, 3.4, 60) * math.pi
centers = 0.2 * turn[:, None] * torch.stack([turn.cos(), turn.sin()], dim=1)
width = 0.05  # the standard deviation of each Gaussian


def log_density(noisy, sigma):  # of the noisy data, log p_sigma: [N]
    variance = width**2 + sigma**2
    squares = (noisy[:, None] - centers).square().sum(2)
    return (-squares / (2 * variance)).logsumexp(1) - math.log(
        len(centers) * 2 * math.pi * variance)


def best_guess(noisy, sigma):  # E[x | noisy x]: [N, 2]
    variance = width**2 + sigma**2
    squares = (noisy[:, None] - centers).square().sum(2)
    share = (-squares / (2 * variance)).softmax(1)  # of each Gaussian
    near = centers + width**2 / variance * (noisy[:, None] - centers)
    return (share[:, :, None] * near).sum(1)


# %%
torch.manual_seed(0)
points = centers[torch.randint(60, (20000,))] + width * torch.randn(20000, 2)
noisy = (points[:2000] + 0.3 * torch.randn(2000, 2)).requires_grad_()
score, = torch.autograd.grad(log_density(noisy, 0.3).sum(), noisy)
left = best_guess(noisy, 0.3) - noisy
print(f"largest difference: {(left - 0.3**2 * score).abs().max():.1e}")
claim("what is left of the guess is σ² times the score",
      torch.allclose(left, 0.3**2 * score, atol=1e-4))

# %% [markdown]
# Does a network learn the same that has seen only pairs of noisy and clean
# points? We need several levels below, so it gets $\log \sigma$ as a third
# input (784 pixels show how noisy they are, two numbers do not); the other two
# are divided by $\sqrt{1 + \sigma^2}$ to keep them in range. It is asked for the
# noise in units of $\sigma$; noisy point minus noise is the guess. Three seeds,
# about 20 seconds.

# %%
def with_level(noisy, log_sigma):  # what the network gets: [N, 3]
    in_range = noisy / (1 + (2 * log_sigma).exp()).sqrt()
    return torch.cat([in_range, log_sigma], dim=1)


def two_d_loss(model, x):
    log_sigma = math.log(0.03) + math.log(100) * torch.rand(len(x), 1)
    noise = torch.randn_like(x)
    noisy = x + log_sigma.exp() * noise
    return {"loss": squared_error(model(with_level(noisy, log_sigma)), noise)}


jobs = {f"08_spiral_{seed}": {
    "make_model": partial(mlp, [3, 128, 128, 128, 2]), "x": points,
    "seed": seed, "loss_fn": two_d_loss, "epochs": 120, "batch_size": 512,
    "lr": 8e-3, "schedule": warmup_then_linear} for seed in seeds}
flat = [model for model, _ in train_many(jobs, retrain=RETRAIN).values()]


# %%
@torch.no_grad()
def guess(noisy, sigma, model=flat[0]):
    log_sigma = torch.full_like(noisy[:, :1], math.log(sigma))
    return noisy - sigma * model(with_level(noisy, log_sigma))


# %%
for sigma in (0.1, 0.3, 1.0):
    with local_seed(1):
        clean = points[torch.randint(20000, (5000,))]
        noisy = clean + sigma * torch.randn_like(clean)
    exact = best_guess(noisy, sigma)
    length, *errors = [
        squared_error(to, exact).mean().sqrt().item()
        for to in (noisy, *(guess(noisy, sigma, model) for model in flat))]
    print(f"σ = {sigma}: the arrows are {length:.2f} long, the network is off "
          f"by {span(errors, 3)}")
    claim("off by less than a quarter of an arrow, every seed",
          max(errors) < length / 4, errors=errors)

# %% [markdown]
# A guess is a mean, so one arrow seldom ends on the spiral. But from where it
# ends one can ask again. Six points from outside take six steps along the
# arrows of $\sigma = 0.3$, then six along the shorter ones of 0.1:

# %%
outside = torch.tensor([[-2.0, 2], [2, 2], [2, -2], [0.1, -2.2], [-2.2, 0],
                        [0.3, 0.3]])


def follow(model, x):
    path = [x]
    for sigma in [0.3] * 6 + [0.1] * 6:
        path.append(guess(path[-1], sigma, model))
    return torch.stack(path)  # [step, point, 2]


def to_curve(x):  # distance to the curve on which the centers lie
    t = torch.linspace(0.6, 3.4, 2000) * math.pi
    curve = 0.2 * t[:, None] * torch.stack([t.cos(), t.sin()], dim=1)
    return torch.cdist(x, curve).amin(1)


for name, n in (("six steps", 6), ("six more", 12)):
    far = [to_curve(follow(model, outside)[n]).max().item() for model in flat]
    print(f"after {name:9}: at most {span(far, 2)} from the curve")
claim("every path ends on the spiral, within its width of 0.05, every seed",
      max(far) < width, far=far)

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.5), sharex=True, sharey=True)
line = torch.linspace(-2.4, 2.2, 20)
at = torch.cartesian_prod(line, line)
at = at[log_density(at, 0.3) > -6]  # where noisy data may lie
fine = torch.linspace(-2.6, 2.4, 150)
height = log_density(torch.cartesian_prod(fine, fine), 0.3).view(150, 150).T
for ax, (title, to) in zip(axes, {"closed form": best_guess(at, 0.3),
                                  "network": guess(at, 0.3)}.items()):
    ax.contourf(fine, fine, height.exp(), levels=10, cmap="Blues", alpha=0.7)
    ax.quiver(*at.T, *(to - at).T, angles="xy", scale_units="xy", scale=1,
              width=0.005)
    ax.set(title=f"{title}, σ = 0.3", aspect="equal")
walk = follow(flat[0], outside)
axes[2].plot(*points[:3000].T, ".", color="0.8", ms=2)
axes[2].plot(*walk.permute(2, 0, 1), ".-", ms=4)
axes[2].plot(*walk[0].T, "ko", ms=5, mfc="white")
axes[2].plot(*walk[-1].T, "k*", ms=8)
axes[2].set(title="twelve steps, from ○ to ★", aspect="equal")
show_figure(fig, alt="Left and middle, arrows from a grid of noisy points to "
            "their best guess, over the density of noisy data: both fields "
            "are alike and point up the density, to the spiral. Right, six "
            "points walk along the arrows and end on the spiral.")

# %% [markdown]
# *What to see:* the two fields agree: the error is a sixth of an arrow or less
# at $\sigma = 0.1$ and 0.3, and less still at 1. Follow the arrows again and
# again. Those of $\sigma = 0.3$ lead uphill for data with much noise, which are
# densest a little inside the bend of the spiral; there the first six steps
# gather. With less noise the top lies on the spiral, and all paths end there.
# **A denoiser knows where the data lie.** Is that enough to draw new data? Not
# at one level, as you will see: the points clump.
#
# ## A denoiser is a generator
#
# Let $\sigma$ fall. Start in noise so strong that little is left of the data.
# Take the best guess, a blur at first. Do not trust it: go only so far towards
# it that noise of the next, lower level remains. Repeat. At high levels this
# decides on the coarse place, at low levels on details. In the code, `x -
# clean` is the guessed noise, and `lower / sigma` shrinks it. This walk is
# called **DDIM**, from denoising diffusion implicit models.

# %%
def walk_down(denoise, x, sigmas):
    for sigma, lower in pairwise(sigmas):
        clean = denoise(x, sigma)
        x = clean + lower / sigma * (x - clean)
    return x


# %%
sigmas = torch.logspace(math.log10(3), math.log10(0.03), 40).tolist() + [0]
with local_seed(0):
    start = 3 * torch.randn(3000, 2)


def nearest(x):  # distance to, and number of, the nearest center
    return torch.cdist(x, centers).min(1)


def report(name, x):
    away, which = nearest(x)
    tenths = torch.bincount(which // 6, minlength=10) / len(x)
    gap = (tenths - 0.1).abs().sum() / 2
    off = (away > 0.2).float().mean()
    print(f"{name:26} {off:.3f} off the spiral, {gap:.2f} in the wrong tenth")
    return off, gap


def again_and_again(x, model):  # at one level
    for _ in range(40):
        x = guess(x, 0.3, model)
    return x


# %%
report("data", points[:3000])
report("falling levels, exact", walk_down(best_guess, start, sigmas[:-1]))
stuck, fell = [], []
for seed, model in zip(seeds, flat):
    stuck.append(report(f"σ = 0.3 again, seed {seed}",
                        again_and_again(start, model)))
    fell.append(report(f"falling levels, seed {seed}", walk_down(
        partial(guess, model=model), start, sigmas)))
claim("with falling levels at most 3 points in 100 end off the spiral, and "
      "they spread along it better than at one level",
      max(off for off, _ in fell) < 0.03
      and max(gap for _, gap in fell) < min(gap for _, gap in stuck))

# %%
fig, axes = plt.subplots(1, 4, figsize=(9.5, 2.6), sharex=True, sharey=True)
for ax, n in zip(axes, [0, 15, 25, 40]):
    x = walk_down(guess, start, sigmas[:n + 1])
    ax.plot(*x[:1500].T, ".", ms=2)
    ax.set(title=f"σ = {sigmas[n]:.2f}", xlim=(-4, 4), ylim=(-4, 4),
           aspect="equal")
show_figure(fig, alt="1,500 points on their way from a wide cloud of noise to "
            "the spiral, at four levels of noise: the cloud shrinks, curls "
            "up, and lies on the spiral, but for a few points between its "
            "arms.")

# %% [markdown]
# With falling levels the points spread along the spiral nearly as the data do.
# (The first number: the share that ends farther than 0.2, four widths, from
# every center. The second: cut the spiral into ten equal parts; which share of
# the points would have to move for all parts to have as many?) About one in a
# hundred stays between its arms: the network's fault, since with the exact
# guess hardly any do. The same works with digits. One more network of the same
# kind, one hidden layer, for Gaussian noise of $\sigma$ from 0.05 to 3; its
# input is divided by $\sqrt{1 + \sigma^2}$ too. Three seeds, about 20 seconds.

# %%
def strong_noise_loss(model, x):
    sigma = 0.05 * 60 ** torch.rand(len(x), 1, 1, 1)
    noisy = gaussian_noise(x, sigma) / (1 + sigma**2).sqrt()
    return {"loss": bernoulli_nll(model(noisy), x)}


jobs = {f"08_strong_{seed}": {
    **settings, "seed": seed, "make_model": make_wide,
    "loss_fn": strong_noise_loss} for seed in seeds}
strong = [model for model, _ in train_many(jobs, retrain=RETRAIN).values()]


@torch.no_grad()
def clean_digits(x, sigma, model=strong[0]):
    return model(x / math.sqrt(1 + sigma**2)).sigmoid()


# %%
with local_seed(0):
    start = x_train.mean() + 3 * torch.randn(1000, 1, 28, 28)
steps = [0, 10, 16, 22, 28, 34, 40]
rows = {f"σ = {sigmas[n]:.2f}": walk_down(clean_digits, start[:10],
                                          sigmas[:n + 1]) for n in steps}
fig = show_rows({name: x.clamp(0, 1) for name, x in rows.items()}, size=0.7,
                title="From noise to digits")
show_figure(fig, alt="Ten columns of pure noise turn, row by row as sigma "
            "falls, into ten handwritten digits, about half of them well "
            "formed.")

# %%
judge = digit_classifier(data, retrain=RETRAIN)
for seed, model in zip(seeds, strong):
    made = walk_down(partial(clean_digits, model=model), start, sigmas)
    with torch.no_grad(), local_seed(0):
        z = torch.randn(1000, latent_dim)
        painted = models["VAE", seed].decode(z).sigmoid()
    print(f"seed {seed}: confidence {confidence(judge, made).mean():.2f} from "
          f"noise, {confidence(judge, painted).mean():.2f} VAE, "
          f"{confidence(judge, x_few).mean():.2f} test images")

# %% [markdown]
# *What to see:* a network with one hidden layer that was only ever asked to
# clean digits paints new ones, about half of them well formed. This is the
# idea of **score models and diffusion models**, of which large image
# generators are made; they use far larger networks and many more tricks. (Its
# images convince the judge more than those of our VAE; but the networks
# differ, and confidence is no proof of quality.) A diffusion model is also a
# VAE, a deep one: its encoder adds noise, level by level, and has nothing to
# learn; its decoder takes it away.
#
# ## What its features are worth
#
# Each of the 1,024 units looks at the image through 784 weights, its
# **filter**. Does noise change it? Count the share of a filter's squared
# weights that lies in its strongest tenth: small in grain, larger in a piece
# of a stroke.

# %%
def filters_of(name, seed=seeds[0]):  # [code_dim, 1, 28, 28]
    return models[name, seed].encoder[0][1].weight.detach().view(-1, 1, 28, 28)


with_ink = x_train.mean(0)[0] > 0.02  # elsewhere copying has no gradient


def strongest_tenth(filters):  # its share of a filter's squared weights
    squares = filters[:, 0, with_ink].square().sort(descending=True).values
    return (squares[:, :len(squares[0]) // 10].sum(1)
            / squares.sum(1)).mean().item()


for seed in seeds:
    with local_seed(seed):
        models["untrained", seed] = make_wide()
grain = strongest_tenth(torch.randn(code_dim, 1, 28, 28))
print(f"normal numbers   {grain:.2f}")
for name in ("untrained", "copier", *noises):
    shares = [strongest_tenth(filters_of(name, seed)) for seed in seeds]
    print(f"{name:16} {span(shares, 2)}")

# %%
fig, axes = plt.subplots(3, 1, figsize=(9.5, 4.2))
for ax, name in zip(axes, ["copier", "Gaussian", "masking"]):
    images = filters_of(name)[:40]
    scaled = images / images.abs().amax((2, 3), keepdim=True)
    show_images(scaled, n_columns=20, ax=ax, vmin=-1, vmax=1, cmap="gray",
                title=f"forty filters, {name}")
show_figure(fig, alt="Forty filters each of the copier and of the denoisers "
            "for Gaussian and masking noise. The copier's are grain; many of "
            "the denoisers' are pieces of strokes.")

# %%
def codes(name, x, seed):
    if name == "pixels":
        return x.flatten(1).numpy()
    return encode_images(models[name, seed], x)[0].numpy()


def accuracy(name, n_labels, seed):  # of a linear classifier on the codes
    generator = torch.Generator().manual_seed(seed)
    few = torch.randperm(len(x_train), generator=generator)[:n_labels]
    z, z_test = codes(name, x_train[few], seed), codes(name, x_test[::5], seed)
    scale = z.std() + 1e-6
    judge = LogisticRegression(max_iter=300).fit(z / scale, data.y_train[few])
    return judge.score(z_test / scale, data.y_test[::5])


# %%
counts, accuracies = (50, 200, 1000), {}
print(f"{'labels':16}" + "".join(f"{n:>16}" for n in counts))
with threadpool_limits(1):
    for name in ["pixels", "untrained", "copier", "AE", "VAE", *noises]:
        for n in counts:
            accuracies[name, n] = [accuracy(name, n, seed) for seed in seeds]
        print(f"{name:16}" + "".join(f"{span(accuracies[name, n], 2):>16}"
                                     for n in counts))
means = {name: sum(accuracies[name, 1000]) / len(seeds)
         for name, n in accuracies if n == 1000}
claim("with 1,000 labels each denoiser's code beats all others, on average",
      min(means[name] for name in noises)
      > max(means[name] for name in means if name not in noises))

# %% [markdown]
# *What to see:* by eye, denoising makes pieces of strokes. The number does not
# see it: it is about the same for normal numbers, which are grain, for the
# copier and for the denoisers; masking is hardly above. (An untrained layer is
# grain as well, of uniform numbers, and has less.) So it decides nothing, and
# the eye may be fooled. The table asks what the codes are good for. With 50
# labels the codes of the denoisers and of the narrow autoencoder overlap. From
# 200 on a linear classifier does better on each denoiser's code than on any
# other of the table. Size alone also helps: with 1,000 labels even an
# *untrained* wide network offers as much as the copier, and more than the
# narrow codes.
#
# ## Another data set
#
# The same network on Fashion-MNIST, with one seed, if its files are on this
# machine, against the best of the four old methods, fitted and tuned there.
# About ten seconds.

# %%
if is_here("fashion_mnist"):
    fashion = load_images("fashion_mnist")
    jobs = {"08_fashion": {
        **settings, "x": fashion.x_train, "seed": seeds[0],
        "make_model": partial(make_wide, x=fashion.x_train),
        "loss_fn": denoise("Gaussian", 1.0)}}
    (dressed, _), = train_many(jobs, retrain=RETRAIN).values()
    clothes = fashion.x_test[::40]
    refitted = filters | {"PCA": (fit_pca(fashion.x_train[::6]),
                                  filters["PCA"][1])}
    for level in three:
        noisy = noisy_copy(clothes, "Gaussian", level)
        with torch.no_grad():
            ours = psnr(dressed(noisy).sigmoid(), clothes).mean()
        tuning = fashion.x_train[:40]
        noisy_tuning = noisy_copy(tuning, "Gaussian", level)
        old = {}
        for name, (method, options) in refitted.items():
            option = tune(method, options, noisy_tuning, tuning)
            old[name] = psnr(method(noisy, option).clamp(0, 1), clothes).mean()
        name = max(old, key=old.get)
        print(f"σ = {level}: denoiser {ours:.1f} dB, {name} {old[name]:.1f}")
else:
    print("Fashion-MNIST is not on this machine: the digits are enough here. "
          'load_images("fashion_mnist") fetches it.')

# %%
if is_here("fashion_mnist"):
    noisy = noisy_copy(clothes[:10], "Gaussian", 0.5)
    with torch.no_grad():
        clean = dressed(noisy).sigmoid()
    fig = show_rows({"clean": clothes[:10], "noisy": noisy.clamp(0, 1),
                     "denoiser": clean}, size=0.7,
                    title="Shapes come back, fabric does not")
    show_figure(fig, alt="Ten images of clothes, clean, with Gaussian noise "
                "and denoised: most outlines are right, prints and patterns "
                "are smooth areas.")

# %% [markdown]
# *What to see:* the lead is as large as with digits: none at the lowest level,
# where non-local means are tuned for that level alone, one to two decibels
# above. And what the mean loses shows: prints and folds.
#
# ## Turn it
#
# Choose a kind of noise, drag its level, compare.

# %%
studio_kinds = {kind: (noises[kind], tops[kind]) for kind in noises}
denoising_studio(rivals, x_test[:500], kinds=studio_kinds)

# %%
rows = denoising_rows(rivals, x_few[20:21], "masking", masking_noise,
                      torch.linspace(0.1, 0.9, 9).tolist())
show_figure(show_rows(rows, size=0.7, title="On paper: masking, from 10 to "
                      "90 % of the pixels"),
            alt="One digit at nine levels of masking noise, a row for each "
            "method. The denoiser and the linear map keep the digit whole "
            "the longest.")

# %% [markdown]
# ## Where it breaks
#
# First, damage of a kind it has not seen: a bar across the image, and blur.

# %%
def bar(x):
    x = x.clone()
    x[:, :, 12:16] = 1.0
    return x


soften = partial(gaussian_filter, width=2.0)
damages = {"bar": bar, "blur": soften}
for damage, spoil in damages.items():
    spoiled = spoil(x_few)
    print(f"{damage:5} nothing {psnr(spoiled, x_few).mean():.1f} dB,",
          ", ".join(f"{kind} {psnr(repaired(kind, spoiled), x_few).mean():.1f}"
                    for kind in noises))

# %% [markdown]
# Second, noise that leaves several digits possible: fifty test images, ten
# noisy copies of each; below, the one whose answers differ most. And what is
# not a digit: blank images and photographs.

# %%
patches = load_images("patches").x_test[50:2000:390]
strangers = torch.cat([torch.zeros(5, 1, 28, 28), patches])
many = x_few[:50].repeat_interleave(10, dim=0)
noisy = noisy_copy(many, "Gaussian", 1.0)
answers = repaired("Gaussian", noisy)
with torch.no_grad():
    n_read = [len(digits.unique()) for digits in
              judge(answers).argmax(1).view(50, 10)]
print(f"digits read in ten answers: {sum(n_read) / 50:.1f} on average, "
      f"at most {max(n_read)}")
worst = 10 * n_read.index(max(n_read))
ten = slice(worst, worst + 10)

# %%
strange = noisy_copy(strangers, "Gaussian", 1.0)
fig = show_rows({
    "in truth": many[ten], "in truth, noisy": noisy[ten].clamp(0, 1),
    "in truth, denoised": answers[ten], "strangers": strangers,
    "strangers, noisy": strange.clamp(0, 1),
    "strangers, denoised": repaired("Gaussian", strange)}, size=0.75,
    title="It answers with digits, or pieces of digits")
show_figure(fig, alt="Above, ten noisy copies of one digit and ten different "
            "answers. Below, five blank images and five photographs with "
            "noise: the answers are pieces of digits.")

# %%
test, labels = x_test[::5], data.y_test[::5]
for level in three:
    wrong, sure = [], []
    for seed in seeds:
        made = repaired("Gaussian", noisy_copy(test, "Gaussian", level), seed)
        with torch.no_grad():
            read = judge(made).argmax(1)
        wrong.append((read != labels).float().mean().item())
        sure.append((confidence(judge, made)[read != labels] > 0.9)
                    .float().mean().item())
    print(f"σ = {level}: read as another digit {span(wrong, 2)}, of these "
          f"with confidence above 0.9 {span(sure, 2)}")
with torch.no_grad():
    missed = (judge(test).argmax(1) != labels).float().mean()
print(f"clean images: {missed:.2f}")

# %%
for level in three:
    pairs = []
    for seed in seeds:
        made = repaired("Gaussian", noisy_copy(test, "Gaussian", level), seed)
        bright = (made > 0.9) & (made < 0.97)
        pairs.append((made[bright].mean().item(), test[bright].mean().item()))
    painted, true = zip(*pairs)
    print(f"σ = {level}: pixels painted {span(painted, 2)} are in truth "
          f"{span(true, 2)} on average")

# %% [markdown]
# *What to see:* of damage that nobody trained for, a bar is mended a little
# (by two to four decibels; Gaussian noise at 0.5 gained ten), blur hardly, or
# made worse. And **it invents**: at $\sigma = 1$ ten noisy copies of one image
# are read as more than two different digits on average, one answer in six is
# read as another digit than the truth, a quarter of these without doubt. Even
# the exact $\mathbb{E}[x|\tilde x]$ is a guess from what training digits look
# like; but it would show its doubt as gray. This network, at the end of its
# range, is too sure as well: what it paints nearly white is less white in
# truth. You cannot tell which stroke was there. Whoever restores faces, or
# scans of patients, should know it.
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | extra units learn to remove the noise | no special units: the loss rules out the copy, the best answer is $\mathbb{E}[x \mid \tilde x]$ |
# | an autoencoder needs a bottleneck | or noise; something must forbid the copy |
# | denoising brings back what was there | it guesses the mean of what could have been there |
# | trained on noise, it removes noise | noise of the kind and the level that it has seen |
#
# ## Recap
#
# You trained a code larger than the image · raced it against honest baselines
# · saw that it computes a mean, and that what is left points uphill · painted
# digits from nothing but noise · tested what its features are worth · caught
# it inventing.
#
# ## Exercises
#
# ### 1 · A new noise (ten minutes, five lines)
#
# Set a square of `size` × `size` pixels to 0, in all channels, in a copy of
# each image `x` [N, C, H, W], at a place of its own, each place where the
# square fits equally likely.

# %% tags=["exercise"]
def block_noise(x, size):
    ...


check_block_noise(block_noise)

# %% tags=["solution"]
def block_noise(x, size):
    x = x.clone()
    for image in x:
        row, column = (torch.randint(n - size + 1, ()) for n in x.shape[-2:])
        image[:, row:row + size, column:column + size] = 0
    return x


check_block_noise(block_noise)

# %% [markdown]
# ### 2 · The best guess (five minutes, two lines)
#
# A pixel is $N(m, s^2)$; you see it with noise of variance $\sigma^2$. What is
# $\mathbb{E}[x|\tilde x]$?

# %% tags=["exercise"]
def best_pixel(noisy, mean, variance, noise_variance):
    ...


check_best_guess(best_pixel)

# %% tags=["solution"]
def best_pixel(noisy, mean, variance, noise_variance):
    trust = variance / (variance + noise_variance)
    return mean + trust * (noisy - mean)


check_best_guess(best_pixel)

# %% [markdown]
# ### 3 · The score, from a denoiser (five minutes, one line)
#
# You have noisy points, what the denoiser made of them, and the standard
# deviation of the noise. Which way is uphill, and how steep?

# %% tags=["exercise"]
def score(noisy, denoised, noise_std):
    ...


check_score(score)

# %% tags=["solution"]
def score(noisy, denoised, noise_std):
    return (denoised - noisy) / noise_std**2


check_score(score)

# %% [markdown]
# ## References
#
# * Vincent and others (2008), *Extracting and composing robust features with
#   denoising autoencoders*,
#   [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# * Vincent (2011), *A connection between score matching and denoising
#   autoencoders*,
#   [doi:10.1162/NECO_a_00142](https://doi.org/10.1162/NECO_a_00142).
# * Alain and Bengio (2014), *What regularized auto-encoders learn from the
#   data-generating distribution*,
#   [arXiv:1211.4246](https://arxiv.org/abs/1211.4246).
# * Efron (2011), *Tweedie's formula and selection bias*,
#   [doi:10.1198/jasa.2011.tm11181](https://doi.org/10.1198/jasa.2011.tm11181).
# * Song and Ermon (2019), *Generative modeling by estimating gradients of the
#   data distribution*, [arXiv:1907.05600](https://arxiv.org/abs/1907.05600).
# * Ho, Jain and Abbeel (2020), *Denoising diffusion probabilistic models*,
#   [arXiv:2006.11239](https://arxiv.org/abs/2006.11239).
# * Song, Meng and Ermon (2021), *Denoising diffusion implicit models*,
#   [arXiv:2010.02502](https://arxiv.org/abs/2010.02502): our walk.
# * Buades, Coll and Morel (2005), *A non-local algorithm for image denoising*,
#   [doi:10.1109/CVPR.2005.38](https://doi.org/10.1109/CVPR.2005.38).
# * Wang and others (2004), *Image quality assessment: from error visibility to
#   structural similarity*,
#   [doi:10.1109/TIP.2003.819861](https://doi.org/10.1109/TIP.2003.819861).
#
# **Next:** [09 · What it is good for](09_applications.ipynb), which asks what
# all this can do for you: write, fill in, detect, compress.
