# %% [markdown]
# # 6 · Why VAE images are blurry
#
# Everybody says that VAEs paint blurred images. Which part of the model does
# it, and what helps?
#
# **You will** · see in a toy why the best mean is a blur · measure sharpness
# with two numbers · change one cause at a time, and see what it costs · swap
# the likelihood · look at photographs · fool the measure.
#
# *Builds on [05](05_beta.ipynb) · about 1 min on two CPU cores ·
# [Solutions](solutions/06_blur.ipynb)*

# %%
import math
from functools import partial

import matplotlib.pyplot as plt
import torch
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import nn
from torch.distributions import Normal
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.functional import logsigmoid, softplus
from torch.special import log_ndtr
from torchvision.transforms.functional import gaussian_blur

from tutorial_utils import (
    VAE, Autoencoder, bernoulli_nll, claim, continuous_bernoulli_mean,
    continuous_bernoulli_nll, continuous_bernoulli_sample, encode_images,
    evaluate, is_here, kl_standard_normal, load_images, local_seed, mlp,
    negative_elbo, print_table, reparameterize, score_grid, show_figure,
    show_image, show_rows, squared_error, start_at_mean_image, train_grid,
    warmup_then_linear,
)
from tutorial_utils.checks.nb06 import (
    check_absolute_error, check_learned_std, check_noise_that_fools,
)
from tutorial_utils.studios.blur import blur_rows, blur_studio
from tutorial_utils.topics.sharpness import (
    bootstrap_interval, high_frequency_share, laplacian_sharpness,
    radial_spectrum,
)

# %%
RETRAIN = False  # True: train all models again, which takes hours
seeds = [0, 1, 2]  # figures show the first; tables show all
latent_dim = 20
epochs = 25
photos = ["patches"]  # also "cifar10", which may be downloaded

data = load_images("mnist")
x_train, x_test = data.x_train, data.x_test
x_few = x_test[::5]  # 2,000 images on which sharpness is measured

# %% [markdown]
# ## Two sharp images, one code
#
# A decoder gets a code and paints one image, the mean of $p(x|z)$. Suppose two
# images share a code: a seven, and the same seven four pixels further right,
# equally likely. What should it paint? Let gradient descent find the logits
# with the lowest mean cross-entropy.

# %%
seven = (x_test[:1] > 0.5).float()
pair = torch.cat([seven.roll(-2, -1), seven.roll(2, -1)])


def optimize(logits, loss_fn):
    logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(800):
        optimizer.zero_grad()
        loss = loss_fn(logits)
        loss.backward()
        optimizer.step()
    return logits.detach().sigmoid(), loss.item()


# %%
def one_image(logits):  # [1, 1, 28, 28]
    return bernoulli_nll(logits.expand_as(pair), pair).mean()


mean, cost = optimize(torch.zeros(1, 1, 28, 28), one_image)
off = (mean - pair.mean(0)).abs().max()
n_differ = (pair[0] != pair[1]).sum().item()
print(f"at most {off:.3f} from the average of the two")
print(f"cost {cost:.1f} nats; {n_differ} log 2 = {n_differ * math.log(2):.1f}")
assert off < 0.01

# %% [markdown]
# It paints the average, and each of the 104 pixels in which the images differ
# costs $\log 2$. (The small rest: after so few steps black is not quite
# black.) This is a law: for squared error and cross-entropy alike, the
# cheapest image is $\mathbb{E}[x|z]$, pixel by pixel the average of all images
# that share the code.
#
# Now let $p(x|z)$ be a **mixture** of two images: one coin for the whole
# image, then its pixels, $p(x|z) = \tfrac12 p_1(x) + \tfrac12 p_2(x)$.

# %%
def two_images(logits):  # [2, 1, 28, 28]
    nll = torch.stack([bernoulli_nll(logits, x.expand_as(logits))
                       for x in pair])  # [image, component]
    return -(math.log(1 / 2) - nll).logsumexp(1).mean()


start = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
components, cost = optimize(0.1 * start, two_images)
print(f"cost {cost:.1f} nats; log 2 = {math.log(2):.1f}")
with local_seed(0):
    samples = torch.bernoulli(mean.expand(2, -1, -1, -1))

# %%
panels = torch.cat([pair, mean, samples, components])
titles = ["image", "image", "best mean", *2 * ["sample of\nits p(x|z)"],
          "mixture:\nmean 1", "mixture:\nmean 2"]
fig, axes = plt.subplots(1, 7, figsize=(9.5, 1.8))
for ax, image, title in zip(axes, panels, titles):
    show_image(image, ax=ax)
    ax.set_title(title, fontsize=10)
show_figure(fig, alt="Two sevens, four pixels apart; their gray average; two "
            "speckled samples; a mixture's two sharp means.")

# %% [markdown]
# *What to see:* the mean is a double image. A *sample* of it is no seven
# either: every pixel tosses its own coin. The mixture needs one coin, and both
# of its means are sharp. So blur does not come from probability as such, but
# from **one mean, with pixels that are independent given $z$**.
#
# Why not guess one of the two? Because being sharp in the wrong place is
# expensive:

# %%
seven = x_test[:1]
shifts = range(9)
guesses = {"sharp": seven, "blurred, 2 pixels": gaussian_blur(seven, 13, 2.0),
           "empty": 0 * seven}
fig, ax = plt.subplots(figsize=(6, 2.8))
for (name, guess), line in zip(guesses.items(), ["o-", "s--", "^:"]):
    errors = [squared_error(guess.roll(d, -1), seven).item() for d in shifts]
    ax.plot(shifts, errors, line, label=name)
ax.set(xlabel="pixels beside the right place", ylabel="squared error",
       title="Three pixels off, sharp costs more than empty")
ax.legend(title="guess")
show_figure(fig, alt="Squared error against the shift. The sharp seven starts "
            "at 0, passes the blurred one after one pixel and the empty image "
            "after two, and goes on to 99; the blurred rises from 25 to 68.")

# %% [markdown]
# *What to see:* two pixels off, a sharp seven costs nearly as much as an empty
# image, three pixels off a third more. There is a law here too. If $x'$ is
# drawn as the truth $x$ is, independently, $\mathbb{E}\lVert x - x'\rVert^2 =
# 2\,\mathbb{E}\lVert x - \mathbb{E}[x]\rVert^2$: sharp at random costs twice
# as much as the mean.

# %%
places = torch.cat([seven.roll(d, -1) for d in range(-4, 5)])


def expected_error(guess):  # if all nine places are equally likely
    return squared_error(guess.expand_as(places), places).mean().item()


of_mean = expected_error(places.mean(0, keepdim=True))
of_sharp = sum(expected_error(place) for place in places.split(1)) / 9
print(f"the mean: {of_mean:.1f}; one of the nine at random: {of_sharp:.1f}, "
      f"{of_sharp / of_mean:.2f} times as much")
assert math.isclose(of_sharp, 2 * of_mean, rel_tol=1e-5)

# %% [markdown]
# ## Sharpness as a number
#
# In a sharp image, neighbors differ. Two measures; both divide by the image's
# own variance, so that contrast does not count.
#
# * **Laplacian**: the variance of "four neighbors minus four times the pixel".
# * **Share above ¼**: the Fourier transform writes the image as a sum of
#   waves; what share of their power is in waves of more than a quarter of a
#   cycle per pixel, in details finer than four pixels?

# %%
image = x_test[0, 0].double()
laplacian = (image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2]
             + image[1:-1, 2:] - 4 * image[1:-1, 1:-1])
power = torch.fft.fft2(image - image.mean()).abs().square()
u = torch.fft.fftfreq(28)  # cycles per pixel
high = (u[:, None].square() + u.square()).sqrt() > 0.25
by_hand = [laplacian.var(correction=0) / image.var(correction=0),
           power[high].sum() / power.sum()]
measures = [laplacian_sharpness, high_frequency_share]
for measure, value in zip(measures, by_hand):
    print(f"{measure.__name__:20} {value:.4f} "
          f"{measure(x_test[:1]).item():.4f}")
    assert math.isclose(value, measure(x_test[:1]).item(), rel_tol=1e-5)

# %%
with local_seed(0):
    noise = torch.randn_like(x_few)
altered = {"image": x_few, "moved by 2 pixels": x_few.roll(2, -1),
           "half the contrast": 0.25 + 0.5 * x_few,
           "blurred, 0.7 pixels": gaussian_blur(x_few, 7, 0.7),
           "blurred, 1.5 pixels": gaussian_blur(x_few, 11, 1.5),
           "noise of 0.15": x_few + 0.15 * noise}
print(f"{'':19} {'Laplacian':>22} {'share above 1/4':>24}")
for name, images in altered.items():
    print(f"{name:19}", *[
        f"{values.mean():.3f} ({low:.3f} to {high:.3f})"
        for values in [measure(images) for measure in measures]
        for low, high in [bootstrap_interval(values)]])
fig = show_rows({name: images[:10] for name, images in altered.items()},
                size=0.6, title="Only noise makes them sharper, by number")
show_figure(fig, alt="Ten test digits, then the same moved, with half the "
            "contrast, slightly and strongly blurred, and with gray noise.")

# %% [markdown]
# *What to see:* moving the image or taking contrast away changes nothing or
# next to nothing; blur lowers both numbers; **noise raises them**. Keep that
# in mind. In parentheses, the 95 % **bootstrap** interval: draw 2,000 of the
# 2,000 numbers with replacement, take the mean, do it a thousand times, and
# keep the middle 95 %.
#
# ## Five kinds of images
#
# Now an autoencoder and a VAE with 20 latent numbers. The VAE is the network
# of [05](05_beta.ipynb), trained as there, for 25 epochs. The autoencoder has
# the same layers, and minimizes the cross-entropy alone. Both come with the
# notebook.

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
def make_autoencoder(k):  # the same layers, but for the last of the encoder
    vae = make_vae(k)
    vae.encoder[-2] = nn.Linear(vae.encoder[-2].in_features, k)
    return Autoencoder(vae.encoder, vae.decoder)


def plain_loss(model, x):  # of the autoencoder
    return {"loss": bernoulli_nll(model(x), x)}


# %%
settings = {"batch_size": 128, "lr": 3e-3, "schedule": warmup_then_linear,
            "retrain": RETRAIN}
models = train_grid(
    make_vae, x_train, negative_elbo, name="04_vae", epochs=epochs,
    over={"k": [latent_dim], "beta": [1], "seed": seeds[:1]}, **settings)
models |= train_grid(
    make_autoencoder, x_train, plain_loss, name="06_ae", epochs=epochs,
    over={"k": [latent_dim], "seed": seeds[:1]}, **settings)
(vae, _), (autoencoder, _) = models.values()

# %% [markdown]
# Test images are compared with their **copies**, which is short for
# reconstructions (the VAE's from $\mu$), with **new** images, decoded from
# codes of the prior, and with samples of $p(x|z)$.

# %%
@torch.no_grad()
def five_kinds(x):
    mu, _ = vae.encode(x)
    copies = vae.decode(mu).sigmoid()
    with local_seed(0):
        new = vae.decode(torch.randn_like(mu)).sigmoid()
        samples = torch.bernoulli(copies)
    return {"test image": x, "autoencoder, mean": autoencoder(x).sigmoid(),
            "VAE, copy, mean": copies, "VAE, new, mean": new,
            "VAE, copy, sample": samples}


kinds = five_kinds(x_few)
sharp = {name: [measure(images) for measure in measures]
         for name, images in kinds.items()}
print_table({name: {"Laplacian": laplacian.mean(), "share": share.mean()}
             for name, (laplacian, share) in sharp.items()}, digits=3)

# %% tags=["hide-input"]
# The five kinds as pictures, and both measures with their 95 % intervals
fig = show_rows(five_kinds(x_test[:12]), size=0.65,
                title="From row to row softer; samples are speckled")
show_figure(fig, alt="Twelve test digits; their copies by an autoencoder; "
            "by a VAE, softer; new digits of the VAE; and samples of p(x|z) "
            "of the copies, frayed and speckled.")
fig, axes = plt.subplots(1, 2, figsize=(9.5, 2.4), sharey=True)
titles = ["Samples: far too sharp", "Means: too soft, also by this"]
for i, (ax, title) in enumerate(zip(axes, titles)):
    for row, name in enumerate(sharp):
        low, high = bootstrap_interval(sharp[name][i])
        ax.plot([low, high], [-row, -row], "k|-", ms=7)
    measure = measures[i].__name__.replace("_", " ")
    ax.set(yticks=range(0, -5, -1), yticklabels=sharp, title=title,
           xlabel=f"{measure}, 95 % intervals")
    ax.set_xlim(left=0)
show_figure(fig, alt="Intervals of both measures for the five kinds of "
            "images. Means lie below the test images; samples far above.")

# %% [markdown]
# *What to see:* TODO five kinds
#
# ### Who shares a code?
#
# In the toy two images had one code, and the best mean was their average. Is
# that why the VAE is soft? One can look. Each training image $x_j$ spreads its
# code: it is $z$ with density $q(z|x_j)$. So at a given $z$ the best mean, as
# far as the training images go, is their average with these weights:
#
# $$\mathbb{E}[x|z] = \frac{\sum_j q(z|x_j)\,x_j}{\sum_j q(z|x_j)}.$$
#
# If the weights are $w_j$ with entropy $H$, then $e^H$ is an effective number
# of images that share the code (05 counted classes so). We take the codes of
# test images, once with 2 numbers, once with 20. How far is the copy from that
# average, and how far from its own image?

# %%
sweep = train_grid(
    make_vae, x_train, negative_elbo, name="05_sweep", epochs=epochs,
    over={"k": [2, 64], "beta": [0.1, 1], "seed": seeds[:1]}, **settings)
vae_2 = sweep[2, 1, seeds[0]][0]


@torch.no_grad()
def shared(model, z):  # the average, and how many images share each code
    mu, logvar = encode_images(model, x_train)
    posteriors = Normal(mu, (0.5 * logvar).exp())
    log_q = torch.stack([posteriors.log_prob(one).sum(1) for one in z])
    weights = log_q.softmax(1)  # [codes, training images]
    number = torch.special.entr(weights).sum(1).exp()
    return (weights @ x_train.flatten(1)).view(-1, 1, 28, 28), number


# %%
x_who, rows, distances = x_test[:100], {"test image": x_test[:12]}, {}
for name, model in {"2 numbers": vae_2, f"{latent_dim} numbers": vae}.items():
    mu, _ = encode_images(model, x_who)
    average, number = shared(model, mu)
    copy = model.decode(mu).sigmoid()
    rows |= {f"{name}: copy, mean": copy[:12],
             f"{name}: shared by": average[:12]}
    distances[name] = {
        "share the code (median)": number.median(),
        "copy to average": squared_error(copy, average).mean(),
        "copy to image": squared_error(copy, x_who).mean()}
print_table(distances, digits=1)
fig = show_rows(rows, size=0.6, title="With 2 numbers, a copy is the average "
                "of those who share the code")
show_figure(fig, alt="Twelve test digits. With two numbers: soft copies, and "
            "averages of the training images that share the code, which look "
            "alike. With twenty numbers: sharper copies, and in place of an "
            "average mostly one single other training image.")

# %% [markdown]
# *What to see:* TODO shares
#
# ## Predict
#
# Which of these makes the copies sharper: $\beta$ of 0.1 or 4; 2 or 64 latent
# numbers; hidden layers of 64 or 512 units (256 so far); one or five epochs
# instead of 25? And which of those lower $-$ELBO at the same time?
#
# Columns: the Laplacian of copies and of new images (means), $-$ELBO (`loss`,
# at $\beta = 1$) and its KL. An arrow: all seeds are above, or below, the
# VAE's.

# %%
def make_wide(units):  # make_vae with hidden layers of this many units
    encoder = mlp([784, units, 2 * latent_dim], activation=nn.GELU)
    decoder = mlp([latent_dim, units, units, 784], activation=nn.GELU,
                  out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=latent_dim)


# %%
def sharpness(images):
    return laplacian_sharpness(images).mean().item()


@torch.no_grad()
def looks(model, mean_of=torch.sigmoid):  # of a VAE: how sharp its means are
    mu, _ = model.encode(x_few)
    with local_seed(0):
        new = mean_of(model.decode(torch.randn_like(mu)))
    copy = mean_of(model.decode(mu))
    return {"copy": sharpness(copy), "new": sharpness(new),
            "error": squared_error(copy, x_few).mean().item()}


def measured(model):
    return looks(model) | evaluate(model, x_test, negative_elbo)


# %%
causes = {
    "VAE": {},
    "β = 0.1": {"loss_fn": partial(negative_elbo, beta=0.1)},
    "β = 4": {"loss_fn": partial(negative_elbo, beta=4)},
    "2 numbers": {"make_model": partial(make_vae, 2)},
    "64 numbers": {"make_model": partial(make_vae, 64)},
    "64 units": {"make_model": partial(make_wide, 64)},
    "512 units": {"make_model": partial(make_wide, 512)},
    "1 epoch": {"epochs": 1},
    "5 epochs": {"epochs": 5}}
scores = score_grid(
    partial(make_vae, latent_dim), x_train, partial(negative_elbo, beta=1),
    name="06_cause", over={"cause": causes, "seed": seeds}, measure=measured,
    epochs=epochs, **settings)


# %%
def over_seeds(name, column):
    return [scores[name, seed][column] for seed in seeds]


def arrow(values, base):  # "=" if the ranges of the seeds overlap
    above, below = min(values) > max(base), max(values) < min(base)
    return "↑" if above else "↓" if below else "="


rows = {}
for name in causes:
    row = {c: over_seeds(name, c) for c in ["copy", "new", "loss", "kl"]}
    signs = {f"{c}:": arrow(row[c], over_seeds("VAE", c))
             for c in ["copy", "loss"]}
    rows[name] = row | signs
print_table(rows)

# %% [markdown]
# <details><summary>Answer</summary>
#
# TODO answer
# </details>
#
# *What to see:* TODO causes
#
# ## Another likelihood
#
# "It is the Gaussian", "it is the Bernoulli": is it? Keep the network, change
# $p(x|z)$:
#
# * **Gaussian** pixels with $\sigma = 1$, with $\sigma = 0.1$, with one
#   learned $\sigma$ for all pixels, or with a $\sigma$ per pixel that the
#   decoder paints as a second map. (Here $\sigma$ is short for $\sigma_x$ of
#   03 and 05, the noise of a pixel.) Both kinds of learned $\sigma$ have a
#   floor of 0.02: on pixels that are always black the density would grow
#   without end.
# * **Continuous Bernoulli** (03): a density on $[0, 1]$.
# * **Discretized logistic**: a bell-shaped curve with location and scale, of
#   which each of the 256 gray levels gets its slice: a probability, not a
#   density.
# * **Mixture** of three images, as in the toy, with 20 and with 2 numbers.
#
# A slice of a symmetric curve with distribution function $F$ (the area to the
# left) is $F(\text{high}) - F(\text{low})$. The **tails**, what lies beyond
# black and beyond white, can be given to black and to white; the discretized
# logistic does so. For precision the slice is computed on the left side, from
# logarithms.

# %%
def level_nll(log_cdf, location, scale, x, tails=True):
    level = (255 * x).round()
    low = ((level - 0.5) / 255 - location) / scale
    high = ((level + 0.5) / 255 - location) / scale
    if tails:  # they belong to black and to white
        low = torch.where(level > 0, low, -1e4)
        high = torch.where(level < 255, high, 1e4)
    right = low + high > 0
    low, high = (torch.where(right, -high, low),
                 torch.where(right, -low, high))
    log_f = log_cdf(high)
    nll = -log_f - (-(log_cdf(low) - log_f).exp()).log1p()
    return nll.flatten(1).sum(1)


# %% tags=["hide-input"]
# One pixel whose mean is 0.3: what each likelihood says about it
def density(ax, x, p):
    ax.fill_between(x, p, color="C0", alpha=0.3)
    ax.plot(x, p, marker="")


x_axis, levels_axis = torch.linspace(-1, 2, 601), torch.arange(256) / 255
fig, axes = plt.subplots(2, 3, figsize=(9.5, 4), sharex=True)
bernoulli, wide, narrow, continuous, logistic, mixed = axes.flat
bernoulli.bar([0, 1], [0.7, 0.3], 0.06)
bernoulli.set(title="Bernoulli: black or white", ylabel="probability")
for ax, sigma in [(wide, 1.0), (narrow, 0.1)]:
    density(ax, x_axis, Normal(0.3, sigma).log_prob(x_axis).exp())
outside = 1 - Normal(0.3, 1.0).cdf(torch.tensor([0.0, 1.0])).diff().item()
wide.set(title=f"Gaussian, σ = 1: {outside:.0%} is outside",
         ylabel="density")
narrow.set(title="Gaussian, σ = 0.1", ylabel="density")
logits = torch.linspace(-10, 10, 2001)
logit = logits[(continuous_bernoulli_mean(logits) - 0.3).abs().argmin()]
inside = torch.linspace(0, 1, 200)
nll = continuous_bernoulli_nll(logit.expand(200, 1), inside[:, None])
density(continuous, inside, (-nll).exp())
continuous.set(title="continuous Bernoulli", ylabel="density")
location, scale = torch.tensor(0.28), torch.tensor(0.15)
slices = (-level_nll(logsigmoid, location, scale, levels_axis[:, None])).exp()
logistic.vlines(levels_axis, 0, slices, lw=1)
logistic.plot([0, 1], slices[[0, -1]], "C0o", ms=3)
logistic.set(title="discretized logistic: tails at the ends",
             ylabel="probability")
for i, p in enumerate([0.02, 0.1, 0.78]):
    bottom = torch.tensor([0.98 + 0.9, 0.02 + 0.1]) * (i > 1) / 3
    bottom += torch.tensor([0.98, 0.02]) * (i == 1) / 3
    mixed.bar([0, 1], [(1 - p) / 3, p / 3], 0.06, bottom=bottom,
              color=f"C{i}", label=f"image {i + 1}")
mixed.legend(fontsize=8, loc="upper center")
mixed.set(title="mixture: one coin for all pixels", ylabel="probability")
for ax in axes.flat:
    ax.axvspan(-1, 0, color="0.92", zorder=0)
    ax.axvspan(1, 2, color="0.92", zorder=0)
    ax.set(xlim=(-0.6, 1.6), ylim=(0, None), xticks=[0, 0.3, 1])
for ax in axes[1]:
    ax.set_xticklabels(["black", "0.3", "white"])
show_figure(fig, alt="Six panels, p(x given z) of one pixel with mean 0.3. "
            "Bernoulli: bars of 0.7 at black and 0.3 at white. Gaussian with "
            "sigma 1: a low hill, most of it beyond black and white. Sigma "
            "0.1: a bell around 0.3. Continuous Bernoulli: a density that "
            "falls from black to white. Discretized logistic: 256 thin bars, "
            "a bell, with a tall bar at black. Mixture: bars at black and "
            "white, each stacked of three images.")

# %% [markdown]
# *What to see:* six answers to the question how gray a pixel is that is 0.3 on
# average. Bernoulli and mixture know black and white only; seen from one pixel
# they look alike, but the mixture's coin is tossed once for the whole image.
# The wide Gaussian believes mostly in what is no gray at all.
#
# Now the functions, $-\log p(x|z)$ and the mean of $p(x|z)$. The mean of the
# mixture is the average of its three; that of the discretized logistic is the
# area under $1 - F$, since the part beyond black or white is moved there.

# %%
def normal(params, std=None):  # params [B, 1 or 2, 28, 28]
    std = std or 0.02 + params[:, 1:].exp()
    return Normal(params[:, :1].sigmoid(), std, validate_args=False)


def gaussian_pixels(params, x, std=None):
    return -normal(params, std).log_prob(x).flatten(1).sum(1)


def first_mean(params):
    return params[:, :1].sigmoid()


# %%
def location_and_scale(params):
    return params[:, :1].sigmoid(), 0.002 + params[:, 1:].exp()


def discretized(params, x):
    return level_nll(logsigmoid, *location_and_scale(params), x)


def discretized_mean(params):
    location, scale = location_and_scale(params)
    return scale * (softplus(location / scale)
                    - softplus((location - 1) / scale))


# %%
def three_images(params, x):  # params [B, 3, 28, 28]
    nll = binary_cross_entropy_with_logits(params, x.expand_as(params),
                                           reduction="none")
    return -(math.log(1 / 3) - nll.flatten(2).sum(2)).logsumexp(1)


def mixture_mean(params):
    return params.sigmoid().mean(1, keepdim=True)

# %% [markdown]
# The networks are `make_vae`, with a decoder that returns more than one map of
# parameters where that is needed.

# %%
def make_maps(k, pictures=1, spreads=0):  # make_vae that paints more maps
    model = make_vae(k)
    image, n = model.decoder[-2].bias.detach(), pictures + spreads
    last = nn.Linear(model.decoder[-2].in_features, 784 * n)
    starts = [image] * pictures + [0 * image - 2] * spreads
    with torch.no_grad():
        last.bias.copy_(torch.cat(starts))
    model.decoder[-2], model.decoder[-1] = last, nn.Unflatten(1, (n, 28, 28))
    return model


# %%
class WithStd(nn.Module):  # a decoder, and one log σ for all pixels
    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder
        self.log_std = nn.Parameter(torch.tensor(-1.5))

    def forward(self, z):
        mean = self.decoder(z)
        return torch.cat([mean, self.log_std.expand_as(mean)], 1)


def make_with_std(k):
    model = make_vae(k)
    model.decoder = WithStd(model.decoder)
    return model


# %%
def elbo_terms(model, x, nll):  # negative_elbo, for any -log p(x|z)
    out = model(x)
    recon_loss = nll(out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    loss = recon_loss + kl
    return {"loss": loss, "recon_loss": recon_loss, "kl": kl}


k, two_maps = latent_dim, partial(make_maps, latent_dim, spreads=1)
likelihoods = {  # network, -log p(x|z), mean of p(x|z)
    "σ = 1": (partial(make_vae, k), partial(gaussian_pixels, std=1.0),
              first_mean),
    "σ = 0.1": (partial(make_vae, k), partial(gaussian_pixels, std=0.1),
                first_mean),
    "σ shared": (partial(make_with_std, k), gaussian_pixels, first_mean),
    "σ per pixel": (two_maps, gaussian_pixels, first_mean),
    "continuous": (partial(make_vae, k), continuous_bernoulli_nll,
                   continuous_bernoulli_mean),
    "discretized": (two_maps, discretized, discretized_mean),
    "mixture": (partial(make_maps, k, pictures=3), three_images,
                mixture_mean),
    "mixture, 2": (partial(make_maps, 2, pictures=3), three_images,
                   mixture_mean)}

# %% [markdown]
# All are trained alike, for two epochs now, so that there are pictures to look
# at (half a minute), and for 25 epochs beforehand: those are too large to
# travel with the notebook, and only their scores are here. (The first seed.)

# %%
jobs = {name: {"make_model": make_model,
               "loss_fn": partial(elbo_terms, nll=nll)}
        for name, (make_model, nll, _) in likelihoods.items()}
quick = train_grid(
    None, x_train, None, name="06_likelihood", epochs=2, on_shelf=False,
    over={"likelihood": jobs, "seed": seeds[:1]}, **settings)
quick = {name: model for (name, _), (model, _) in quick.items()}

# %% [markdown]
# ### Two rulers
#
# Their $-$ELBOs cannot be compared: densities can be larger than 1, and a
# negative $-\log p$ means no more than that. So slice each density into the
# 256 **levels**, as above, and all are probabilities of the same 8-bit image.
# (A Bernoulli pixel gives no probability to gray at all.) But what of the
# tails?
#
# * Leave them out. What a model gives to "darker than black" is wasted. That
#   is the fair price of [03](03_mathematics.ipynb), where noise of one level
#   stood in for the slices.
# * Give them to black and white. That is fair as well: whoever shows the image
#   clips it. But it is another model, one that says "black" when it means
#   "black or darker".
#
# How much hangs on it? Take $\sigma = 1$ and a *perfect* decoder, whose mean
# is the image itself.

# %%
perfect, rulers = x_few.double(), {"tails wasted": False, "tails kept": True}
for ruler, tails in rulers.items():
    price = level_nll(log_ndtr, perfect, 1.0, perfect, tails).mean()
    print(f"σ = 1, perfect mean, {ruler}: {price:.0f} nats")
print(f"8 bits for each pixel: {784 * math.log(256):.0f} nats")

# %% [markdown]
# Same model, same picture, 5,065 nats or 1,321. On the first ruler it is worse
# than no model, on the second it saves two thirds. So both columns stand in
# the table, and only what both of them say is a verdict.
#
# The continuous Bernoulli has no tails. Its density is proportional to
# $e^{ax}$ with the logit $a$, so its slice is a difference of two
# exponentials; where $a > 0$, black and white are swapped first.

# %%
def continuous_levels(params, x):
    logit, x = -params.abs(), torch.where(params > 0, 1 - x, x)
    low = ((255 * x).round() - 0.5).clamp(min=0) / 255
    width = ((255 * x).round() + 0.5).clamp(max=255) / 255 - low
    logit = logit.clamp(max=-1e-4)
    log_p = logit * low + (-(logit * width).expm1()).log()
    return -(log_p - (-logit.expm1()).log()).flatten(1).sum(1)


# %%
def levels(name, tails, params, x):
    params, x = params.double(), x.double()
    if name == "continuous":
        return continuous_levels(params, x)
    if name == "discretized":
        return level_nll(logsigmoid, *location_and_scale(params), x, tails)
    std = {"σ = 1": 1.0, "σ = 0.1": 0.1}.get(name)
    p = normal(params, std)
    return level_nll(log_ndtr, p.mean, p.stddev, x, tails)


# %%
def scored(name, model):
    _, nll, mean_of = likelihoods[name]
    row = looks(model, mean_of)
    row |= evaluate(model, x_few, partial(elbo_terms, nll=nll))
    for ruler, tails in rulers.items():
        if "mixture" not in name:
            terms = partial(elbo_terms, nll=partial(levels, name, tails))
            row[ruler] = evaluate(model, x_few, terms, batch_size=500)["loss"]
    return row


# %%
finished = {}
for name, job in jobs.items():
    found = score_grid(
        None, x_train, None, name="06_likelihood", epochs=epochs,
        over={"likelihood": {name: job}, "seed": seeds[:1]},
        measure=partial(scored, name), show_progress=False, **settings)
    finished[name] = found[name, seeds[0]]

# %%
def row_of(scores):  # whole nats for all but the KL
    nats = {c: round(scores[c]) if c in scores else "-"
            for c in ["loss", *rulers]}
    return {c: scores[c] for c in ["copy", "new", "error", "kl"]} | nats


table = {}
for name in likelihoods:
    table[name, 2] = row_of(scored(name, quick[name]))
    table[name, epochs] = row_of(finished[name])
print_table(table, columns=["", "epochs", *table["σ = 1", 2]])

# %% [markdown]
# TODO claims likelihood

# %% tags=["hide-input"]
# Test digits, and the means of p(x|z) under each likelihood
shown, rows = x_test[:12], {"test image": x_test[:12]}
for name, (_, _, mean_of) in likelihoods.items():
    params = quick[name].decode(encode_images(quick[name], shown)[0])
    rows[f"{name}, mean"] = mean_of(params)
    if name == "discretized":
        rows["its location"] = first_mean(params)
for j in range(3):
    rows[f"mixture, 2: mean {j + 1}"] = params[:, j:j + 1].sigmoid()
fig = show_rows(rows, size=0.52, title="Blurred, gray, freckled, broken: "
                "means after two epochs")
show_figure(fig, alt="Test digits and their means under each likelihood. "
            "Sigma of 1: blurred; others: close copies, per pixel some lost. "
            "Continuous: sharp or freckled. Discretized: gray fog around "
            "unsure strokes; location: sharp with gaps. Mixtures: overlays.")

# %% [markdown]
# *What to see:* TODO likelihoods

# %%
@torch.no_grad()
def of_components(name):
    params = quick[name].decode(encode_images(quick[name], x_few)[0])
    return sharpness(params.sigmoid().flatten(0, 1)[:, None])


print(f"discretized: mean {table['discretized', 2]['copy']:.2f}, location "
      f"{looks(quick['discretized'], first_mean)['copy']:.2f}")
for name in ["mixture", "mixture, 2"]:
    print(f"{name}: mean {table[name, 2]['copy']:.2f}, its components "
          f"{of_components(name):.2f}")

# %% [markdown]
# TODO components
#
# ### One curve
#
# Put all models into one picture: how sharp the copies are, and how many nats
# the code is allowed to cost, its *rate* (05). All have trained for 25 epochs,
# unless they say something else.

# %% tags=["hide-input"]
# Sharpness against rate: the causes over all seeds, likelihoods of the first
everything = {name: [scores[name, seed] for seed in seeds] for name in causes}
everything |= {name: [finished[name]] for name in likelihoods}
fig, ax = plt.subplots(figsize=(8, 4))
places = {}
for name, found in everything.items():
    mark, color = ("o", "C0") if name in causes else ("s", "C1")
    ax.plot([row["kl"] for row in found], [row["copy"] for row in found],
            mark, ms=5, color=color, zorder=2 + (mark == "o"))
    ax.annotate(name, (found[0]["kl"], found[0]["copy"]), fontsize=9,
                xytext=places.get(name, (7, -4)), textcoords="offset points")
whole = sharpness(x_few)
ax.axhline(whole, color="0.5", ls=":", marker="")
ax.text(4, whole - 0.1, "test images", fontsize=9)
ticks = [4, 8, 16, 32, 64, 128]
ax.set(xscale="log", xlim=(3.6, 150), xlabel="rate: kl, nats (logarithmic)",
       ylabel="sharpness of copies", title="Sharper copies have a higher rate"
       " (●: Bernoulli, ■: another likelihood)")
ax.set_xticks(ticks, ticks)
ax.minorticks_off()
show_figure(fig, alt="TODO")

# %% [markdown]
# *What to see:* TODO curve
#
# ## The prior
#
# Are new images softer than copies? And if so, is the prior to blame, which
# draws codes where few images have theirs? Notebook [04](04_latent_space.ipynb)
# drew codes from a density fitted to the codes instead, here a mixture of
# ten Gaussians. Four VAEs that have learned; the first seed.

# %%
def fit_mixture(z):
    mixture = GaussianMixture(10, tol=0.1, random_state=0)
    with threadpool_limits(1):  # faster: so small a job is not worth two
        return mixture.fit(z.double().numpy())


@torch.no_grad()
def sources(model):  # sharpness of means at codes from three sources
    with local_seed(0):
        z = reparameterize(*encode_images(model, x_train[:10_000]))
        z_test = reparameterize(*encode_images(model, x_few))
        prior = torch.randn(2000, model.latent_dim)
    mixture = torch.from_numpy(fit_mixture(z).sample(2000)[0]).float()
    codes = {"the posteriors": z_test, "N(0, I)": prior,
             "the mixture": mixture}
    return {source: sharpness(model.decode(some).sigmoid())
            for source, some in codes.items()}


# %%
drawn = {f"{k} numbers, β = {beta}": sources(model)
         for (k, beta, _), (model, _) in sweep.items()}
drawn |= {f"{latent_dim} numbers": sources(vae)}
print_table(drawn)

# %% [markdown]
# *What to see:* TODO prior
#
# ## The verdict
#
# Step by step, from the test images to the VAE's new images ($\beta = 1$,
# Bernoulli, 20 numbers). Each step in percent of what was left before it: from
# test images to copies of the autoencoder, from these to copies of the VAE,
# from these to new images. In each row both networks have trained for as many
# epochs.

# %%
@torch.no_grad()
def measured_plain(model):  # of an autoencoder
    copy = sharpness(model(x_few).sigmoid())
    return evaluate(model, x_test, plain_loss) | {"copy": copy}


plain_scores = score_grid(
    partial(make_autoencoder, latent_dim), x_train, plain_loss,
    name="06_ae_epochs", measure=measured_plain, **settings,
    over={"epochs": sorted({1, 5, epochs}), "seed": seeds})


# %%
def lost(before, after):  # in percent, for each seed
    return [100 * (1 - b / a) for a, b in zip(before, after)]


steps = {}
for n, name in {1: "1 epoch", 5: "5 epochs", epochs: "VAE"}.items():
    plain_copies = [plain_scores[n, seed]["copy"] for seed in seeds]
    copies, new = over_seeds(name, "copy"), over_seeds(name, "new")
    steps[n] = {"the mean": lost([whole] * len(seeds), plain_copies),
                "the KL": lost(plain_copies, copies),
                "the prior": lost(copies, new)}
print("percent of the sharpness lost to")
print_table(steps, digits=0, columns=["epochs", *steps[epochs]])

# %% [markdown]
# TODO verdict
#
# ## Beyond digits
#
# Photographs have detail at every scale. An autoencoder and a VAE with a
# shared $\sigma$, both with 20 numbers, on 10,000 gray patches of two
# photographs, on Fashion-MNIST if it is on this machine, and on what `photos`
# names, beside PCA (01) with as many numbers.

# %%
names = photos + ["fashion_mnist"] * is_here("fashion_mnist")
sets = {}
for name in names:
    try:
        x = load_images(name, n_train=10_000, n_test=2000)
    except ConnectionError as error:
        print(error)
        continue
    gray = [images.mean(1, keepdim=True) for images in (x.x_train, x.x_test)]
    # of 256 levels again, for training and for testing
    sets[name] = [(255 * images).round() / 255 for images in gray]


# %%
def pca_copies(name):
    images, x = sets[name]
    pca = PCA(latent_dim, random_state=0).fit(images.flatten(1).numpy())
    codes = pca.transform(x.flatten(1).numpy())
    return torch.from_numpy(pca.inverse_transform(codes)).reshape(x.shape)


# %%
def make_net(x, vae):  # for images of any shape
    shape, n, k = x.shape[1:], x[0].numel(), latent_dim
    decoder = mlp([k, 192, n], activation=nn.GELU, out_shape=shape)
    start_at_mean_image(decoder, x)
    encoder = mlp([n, 192, 2 * k if vae else k], activation=nn.GELU)
    if not vae:
        return Autoencoder(encoder, decoder)
    return VAE(encoder, WithStd(decoder), latent_dim=k)


def squared_loss(model, x):  # 100: as for a σ of 0.07
    return {"loss": 100 * squared_error(model(x).sigmoid(), x)}


# %%
nets = {}
for name, (x, _) in sets.items():
    jobs = {"autoencoder": {"make_model": partial(make_net, x, False),
                            "loss_fn": squared_loss},
            "VAE": {"make_model": partial(make_net, x, True),
                    "loss_fn": partial(elbo_terms, nll=gaussian_pixels)}}
    nets[name] = train_grid(
        None, x, None, name=f"06_{name}", epochs=60, **settings,
        over={"net": jobs, "seed": seeds[:1]}, on_shelf=name == "patches")


# %%
@torch.no_grad()
def copies_and_new(name):
    x = sets[name][1]
    (plain_net, _), (vae_net, _) = nets[name].values()
    mu, _ = vae_net.encode(x)
    with local_seed(0):
        new = vae_net.decode(torch.randn_like(mu))
    return {"test image": x, "PCA, mean": pca_copies(name),
            "autoencoder, mean": plain_net(x).sigmoid(),
            "VAE, copy, mean": first_mean(vae_net.decode(mu)),
            "VAE, new, mean": first_mean(new)}


found = {name: copies_and_new(name) for name in sets}

# %% [markdown]
# First, have the networks learned? With as many numbers an autoencoder can do
# all that PCA does, so its squared error on test images must be lower.

# %%
def weighted(images):  # nearly flat images would count as much as others
    contrast = images.flatten(1).var(1)
    return (laplacian_sharpness(images) * contrast).sum() / contrast.sum()


for name, of_kind in found.items():
    x, whole_set = sets[name][1], weighted(of_kind["test image"])
    print(name)
    print_table({kind: {
        "squared error": f"{squared_error(images, x).mean():.2f}"
        if "new" not in kind else "-",
        "sharpness, % of the test images'": 100 * weighted(images) / whole_set}
        for kind, images in of_kind.items()}, digits=1)
errors = {kind: squared_error(images, sets["patches"][1]).mean().item()
          for kind, images in found.get("patches", {}).items()}
claim("patches: the autoencoder's error is below PCA's",
      not errors or errors["autoencoder, mean"] < errors["PCA, mean"],
      errors=errors)

# %% tags=["hide-input"]
# Power spectra, and twelve images with much contrast
lines = {"test image": "k-", "PCA, mean": "C2:", "autoencoder, mean": "C0--",
         "VAE, copy, mean": "C1-.", "VAE, new, mean": "C3-"}
fig, axes = plt.subplots(1, len(sets), figsize=(4.8 * len(sets), 3),
                         sharey=True, squeeze=False)
for ax, (name, of_kind) in zip(axes[0], found.items()):
    for kind, line in lines.items():
        ax.loglog(*radial_spectrum(of_kind[kind]), line, marker="",
                  label=kind)
    ticks = [0.05, 0.1, 0.25, 0.5]
    ax.set(title=f"{name}: detail is lost", xlabel="cycles per pixel")
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
axes[0, 0].set_ylabel("power")
axes[0, -1].legend(fontsize=9, loc="lower left")
show_figure(fig, alt="Power against frequency, both logarithmic. Patches: the "
            "networks' images and PCA's lie far below the test images from "
            "0.1 cycles per pixel on. Where there is a second panel, of "
            "clothes, the gap is smaller.")
for name, of_kind in found.items():
    varied = of_kind["test image"].flatten(1).var(1).argsort(descending=True)
    fig = show_rows({kind: images[varied[:480:40]]
                     for kind, images in of_kind.items()}, size=0.65,
                    title=f"{name}: twelve images with much contrast")
    show_figure(fig, alt="Five rows of twelve: test images, and what PCA, the "
                "autoencoder and the VAE make of them: light and shade "
                "without texture or print; and new images, foggy.")

# %% [markdown]
# TODO photographs
#
# ## Turn the noise yourself
#
# Pick a digit and a likelihood, and drag the noise from 0, the mean, to 1, a
# sample of $p(x|z)$, and beyond. (Bernoulli is the VAE from above; the others
# have trained for two epochs.)

# %%
def discretized_draw(params):
    location, scale = location_and_scale(params)
    u = torch.rand_like(location).clamp(1e-6, 1 - 1e-6)
    return (location + scale * u.logit()).clamp(0, 1)


def mixture_draw(params):
    which = torch.randint(3, (len(params),))
    return torch.bernoulli(params[range(len(params)), which, None].sigmoid())


# %%
def noisy(mean_of, draw):
    return lambda params, t: mean_of(params) + t * (
        draw(params) - mean_of(params))


draws = {"Bernoulli": (torch.sigmoid,
                       lambda params: params.sigmoid().bernoulli()),
         "σ = 1": (first_mean, lambda params: normal(params, 1.0).sample()),
         "σ shared": (first_mean, lambda params: normal(params).sample()),
         "continuous": (continuous_bernoulli_mean,
                        continuous_bernoulli_sample),
         "discretized": (discretized_mean, discretized_draw),
         "mixture, 2": (mixture_mean, mixture_draw)}
studio = {name: ((quick | {"Bernoulli": vae})[name], mean_of,
                 noisy(mean_of, draw))
          for name, (mean_of, draw) in draws.items()}
blur_studio(studio, x_test)

# %%
fig = show_rows(blur_rows(studio, x_test[:12]), size=0.52,
                title="On paper: noise 0, the mean, and 1, a sample")
show_figure(fig, alt="Twelve test digits; for six likelihoods the mean and a "
            "sample of p(x|z). Samples are speckled, for sigma of 1 nothing "
            "but noise; the mixture's samples show one component each.")

# %% [markdown]
# ## Where it breaks
#
# A number invites you to maximize it. Take the VAE's copies, and add white
# noise; or set every pixel to black or white.

# %%
@torch.no_grad()
def cheated(copies):
    with local_seed(0):
        noise = torch.randn_like(copies)
    return {"copy, mean": copies} | {
        f"with noise of {amount}": copies + amount * noise
        for amount in (0.02, 0.04, 0.08)} | {
        "black or white": (copies > 0.5).float()}


# %%
print_table({name: {"Laplacian": sharpness(images),
                    "share": high_frequency_share(images).mean(),
                    "squared error": squared_error(images, x_few).mean()}
             for name, images in cheated(kinds["VAE, copy, mean"]).items()})
print(f"test images: Laplacian {whole:.2f}")
copies = five_kinds(x_test[:12])["VAE, copy, mean"]
fig = show_rows({"test image": x_test[:12]} | cheated(copies), size=0.6,
                title="Sharper by number, not by eye")
show_figure(fig, alt="Twelve test digits; soft copies; the same with three "
            "levels of noise, ever grainier; and in black and white, with "
            "hard edges and broken strokes.")

# %% [markdown]
# *What to see:* TODO cheat
# A measure of sharpness can say that
# something is missing; it cannot say that the right thing is there. Models are
# compared by likelihood, or by people.
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | VAEs are blurry because of Gaussian noise | no noise is shown: the picture is a mean, and blurred because of what it averages |
# | another pixel likelihood cures blur | as long as pixels are independent given $z$, the mean stays an average |
# | the KL makes images blurry | TODO |
# | $-$ELBO of −4,300 beats 116 | densities are no probabilities |
#
# ## Recap
#
# You saw in a toy why the best mean is a blur · measured sharpness with two
# numbers · changed one cause at a time, and saw what it costs · swapped the
# likelihood · looked at photographs · fooled the measure.
#
# ## Exercises
#
# ### 1 · Absolute error (ten minutes, three lines)
#
# Would absolute instead of squared error cure the blur? The images [M, 1, H,
# W] share a code; image $i$ has probability `weights[i]`. Return the image
# with the smallest expected absolute error, summed over pixels.

# %% tags=["exercise"]
def best_guess(images, weights):
    ...


check_absolute_error(best_guess)

# %% tags=["solution"]
def best_guess(images, weights):  # of each pixel, the weighted median
    values, order = images.sort(dim=0)
    reached = weights[order].cumsum(0) >= weights.sum() / 2
    return values.gather(0, reached.int().argmax(0, keepdim=True))[0]


check_absolute_error(best_guess)

# %% [markdown]
# <details><summary>And, does it?</summary>
#
# A pixel that is white in fewer than half of the images is painted black. The
# guess is sharp, and what is uncertain vanishes: parts of strokes are missing,
# as in the discretized logistic's location above.
# </details>
#
# ### 2 · The σ that is learned (five minutes, one line)
#
# Given the means [N, 1, H, W] that a decoder paints for the images `x`, which
# single $\sigma$, shared by all pixels, makes the Gaussian likelihood largest?

# %% tags=["exercise"]
def learned_std(mean, x):
    ...


check_learned_std(learned_std)

# %% tags=["solution"]
def learned_std(mean, x):
    return (x - mean).square().mean().sqrt()


check_learned_std(learned_std)

# %% [markdown]
# ### 3 · Fool it exactly (ten minutes, one line)
#
# Of a blurred image you know the variance of its Laplacian and of its pixels.
# White noise with standard deviation $\sigma$ adds $\sigma^2$ to the second.
# What does it add to the first? Return the $\sigma$ at which the ratio of the
# two is `target`.

# %% tags=["exercise"]
def noise_std(laplacian_variance, variance, target):
    ...


check_noise_that_fools(noise_std)

# %% tags=["solution"]
def noise_std(laplacian_variance, variance, target):
    # the Laplacian weighs five pixels: 4² + 1 + 1 + 1 + 1 = 20
    return math.sqrt((target * variance - laplacian_variance) / (20 - target))


check_noise_that_fools(noise_std)

# %% [markdown]
# ## References
#
# * Bishop (1994), *Mixture density networks*: the average of two right answers
#   can be wrong.
# * Mathieu, Couprie and LeCun (2016), *Deep multi-scale video prediction
#   beyond mean square error*,
#   [arXiv:1511.05440](https://arxiv.org/abs/1511.05440).
# * Rybkin, Daniilidis and Levine (2021), *Simple and effective VAE training
#   with calibrated decoders*,
#   [arXiv:2006.13202](https://arxiv.org/abs/2006.13202): the shared σ.
# * Mattei and Frellsen (2018), *Leveraging the exact likelihood of deep latent
#   variable models*, [arXiv:1802.04826](https://arxiv.org/abs/1802.04826):
#   densities without a bound.
# * Loaiza-Ganem and Cunningham (2019), *The continuous Bernoulli*,
#   [arXiv:1907.06845](https://arxiv.org/abs/1907.06845).
# * Salimans and others (2017), *PixelCNN++*,
#   [arXiv:1701.05517](https://arxiv.org/abs/1701.05517): the discretized
#   logistic.
# * Theis, van den Oord and Bethge (2016), *A note on the evaluation of
#   generative models*, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844).
# * Pech-Pacheco and others (2000), *Diatom autofocusing in brightfield
#   microscopy*, [doi.org/10.1109/ICPR.2000.903548](https://doi.org/10.1109/ICPR.2000.903548):
#   the variance of the Laplacian.
#
# **Next:** [07 · Disentanglement](07_disentanglement.ipynb), which asks
# whether each number of a code can be made to say one thing.
