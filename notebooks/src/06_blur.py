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
from statistics import median

import matplotlib.pyplot as plt
import torch
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import nn
from torch.distributions import Normal
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.functional import logsigmoid, softplus
from torch.special import log_ndtr

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
from tutorial_utils.topics.noise import gaussian_filter
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
claim("photos has patches, which the text is about", "patches" in photos)
claim("latent_dim is between 3 and 100", 3 <= latent_dim <= 100)

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


def descend(logits, loss_fn, n_steps=800):  # ever smaller steps downhill
    for step in range(n_steps):
        logits.requires_grad_()
        loss = loss_fn(logits)
        slope, = torch.autograd.grad(loss, logits)
        size = 0.2 * (1 - step / n_steps)
        logits = (logits - size * slope.sign()).detach()
    return logits.sigmoid(), loss.item()


# %%
def one_image(logits):  # [1, 1, 28, 28]
    return bernoulli_nll(logits.expand_as(pair), pair).mean()


mean, cost = descend(torch.zeros(1, 1, 28, 28), one_image)
off = (mean - pair.mean(0)).abs().max()
n_differ = (pair[0] != pair[1]).sum().item()
print(f"at most {off:.3f} from the average of the two")
print(f"cost {cost:.1f} nats; {n_differ} log 2 = {n_differ * math.log(2):.1f}")
assert off < 0.01

# %% [markdown]
# It paints the average, and each of the 104 pixels in which the images differ
# costs $\log 2$. This is a law: for squared error and cross-entropy alike, the
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
components, cost = descend(0.1 * start, two_images)
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
def with_interval(values):
    low, high = bootstrap_interval(values)
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def with_noise(images):
    with local_seed(0):
        return images + 0.15 * torch.randn_like(images)


# %%
change = {"image": lambda x: x, "moved by 2 pixels": lambda x: x.roll(2, -1),
          "half the contrast": lambda x: 0.25 + 0.5 * x,
          "blurred, 0.7 pixels": lambda x: gaussian_filter(x, 0.7),
          "blurred, 1.5 pixels": lambda x: gaussian_filter(x, 1.5),
          "noise of 0.15": with_noise}
print_table({name: {"Laplacian": with_interval(laplacian_sharpness(f(x_few))),
                    "share above ¼": with_interval(
                        high_frequency_share(f(x_few)))}
             for name, f in change.items()})
fig = show_rows({name: f(x_few[:10]) for name, f in change.items()},
                size=0.6, title="Only noise makes them sharper, by number")
show_figure(fig, alt="Ten test digits, then the same moved, with half the "
            "contrast, slightly and strongly blurred, and with gray noise.")

# %% [markdown]
# *What to see:* moving the image or taking contrast away changes next to
# nothing; blur lowers both numbers; **noise raises them**. In parentheses, the
# 95 % **bootstrap** interval: draw 2,000 of the 2,000 numbers with
# replacement, take the mean, a thousand times, and keep the middle 95 %.
#
# ## Five kinds of images
#
# Now an autoencoder and a VAE with 20 latent numbers. The VAE is the network
# of [05](05_beta.ipynb), trained as there, for 25 epochs; the autoencoder has
# the same layers, and minimizes the cross-entropy alone.
#
# Have they learned? With as many numbers an autoencoder can do all that PCA
# ([01](01_autoencoders.ipynb)) does, so its squared error on test images must
# be lower.

# %%
def make_vae(k):  # k latent numbers; with two, a deeper network learns more
    down, up = [256, 128, 64], [64, 128, 256]
    if k >= 8:
        down, up = [256], [256, 256]
    encoder = mlp([784, *down, 2 * k], activation=nn.GELU)
    decoder = mlp([k, *up, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=k)


def make_autoencoder(k):  # the same layers, but for the last of the encoder
    vae = make_vae(k)
    vae.encoder[-2] = nn.Linear(vae.encoder[-2].in_features, k)
    return Autoencoder(vae.encoder, vae.decoder)


# %%
def plain_loss(model, x):  # of the autoencoder
    return {"loss": bernoulli_nll(model(x), x)}


settings = {"batch_size": 128, "lr": 3e-3, "schedule": warmup_then_linear,
            "retrain": RETRAIN}
models = train_grid(
    make_vae, x_train, negative_elbo, name="04_vae", epochs=epochs,
    over={"k": [latent_dim], "beta": [1], "seed": seeds[:1]}, **settings)
models |= train_grid(
    make_autoencoder, x_train, plain_loss, name="06_ae", epochs=epochs,
    over={"k": [latent_dim], "seed": seeds[:1]}, **settings)
(vae, _), (autoencoder, _) = models.values()


# %%
def pca_copies(images, x):  # of x; the axes are those of the images (01)
    images, flat = images.flatten(1), x.flatten(1)
    mean = images.mean(0)
    covariance = images.T @ images / len(images) - mean.outer(mean)
    axes = torch.linalg.eigh(covariance).eigenvectors[:, -latent_dim:]
    return (mean + (flat - mean) @ axes @ axes.T).reshape(x.shape)


with torch.no_grad():
    copies = {"PCA": pca_copies(x_train, x_few),
              "autoencoder": autoencoder(x_few).sigmoid(),
              "VAE": vae.decode(vae.encode(x_few)[0]).sigmoid()}
errors = {name: squared_error(images, x_few).mean().item()
          for name, images in copies.items()}
print_table(errors, columns=["copies by", "squared error"])
claim("digits: the autoencoder's error is below PCA's",
      errors["autoencoder"] < errors["PCA"], errors=errors)

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


sharp = {name: [measure(images) for measure in measures]
         for name, images in five_kinds(x_few).items()}
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
titles = ["Samples: three times too sharp", "Means: too soft, also by this"]
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
# *What to see:* the autoencoder's copies have three quarters of the sharpness
# of the images, though nothing in it is random. The VAE's copies have a bit
# over half of it, its new images hardly less. Samples of $p(x|z)$ have three
# times as much as the images: speckles. From here on we compare means.
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
# If the weights have entropy $H$, then $e^H$ is an effective number of images
# that share the code (05 counted classes so). How far is a copy from that
# average, and how far from its own image, with 2 numbers and with 20?

# %%
sweep = train_grid(
    make_vae, x_train, negative_elbo, name="05_sweep", epochs=epochs,
    over={"k": [2, 64], "beta": [0.1, 1, 4], "seed": seeds[:1]}, **settings)
vae_2 = sweep[2, 1, seeds[0]][0]


def posteriors(model):  # of all training images
    parts = [encode_images(model, part) for part in x_train.split(2000)]
    mu, logvar = [torch.cat(part) for part in zip(*parts)]
    return Normal(mu, (0.5 * logvar).exp())


def shared(q, z):  # who shares this code: their average, and how many they are
    weights = q.log_prob(z).sum(1).softmax(0)  # one for each training image
    number = torch.special.entr(weights).sum().exp()
    average = weights @ x_train.flatten(1)
    return average.view(1, 1, 28, 28), number.item()


# %%
x_who, rows, distances = x_test[:100], {"test image": x_test[:12]}, {}
for name, model in {"2 numbers": vae_2, f"{latent_dim} numbers": vae}.items():
    mu, _ = encode_images(model, x_who)
    q, copy = posteriors(model), model.decode(mu).sigmoid()
    averages, numbers = zip(*[shared(q, z) for z in mu])
    average = torch.cat(averages)
    rows |= {f"{name}: copy, mean": copy[:12],
             f"{name}: average": average[:12]}
    distances[name] = {
        "share the code (median)": median(numbers),
        "copy to average": squared_error(copy, average).mean(),
        "copy to image": squared_error(copy, x_who).mean()}
print_table(distances, digits=1)
claim("2 numbers: copies are nearer to the average than to their images",
      distances["2 numbers"]["copy to average"]
      < distances["2 numbers"]["copy to image"] / 2, distances=distances)
fig = show_rows(rows, size=0.6, title="With 2 numbers, a copy is the average "
                "of those who share the code")
show_figure(fig, alt="Twelve test digits. With two numbers: soft copies, and "
            "averages of the training images that share the code, which look "
            "alike. With twenty numbers: sharper copies, and in place of an "
            "average mostly one single other training image.")

# %% [markdown]
# *What to see:* with 2 numbers the story of the toy is the story of the VAE.
# Some seventy training images share a typical code, and the copy *is* their
# average: the squared error between the two is about 1, and 26 to the image
# that was to be copied. No decoder could do better with such a code.
#
# With 20 numbers the story ends. Hardly anybody shares a code. The best mean,
# as far as training images go, would be one other training image: sharp, and
# wrong. The network paints something nearer to the test image, and softer. So
# it does not average neighbors, as one can read. Our conjecture: it has not
# learned 60,000 images by heart, and paints what images of such codes have in
# common. The autoencoder is soft as well, and its codes are points.
#
# ## Predict
#
# Which of these makes the copies sharper: $\beta$ of 0.1 or 4; 2 or 64 latent
# numbers; hidden layers of 64 units (256 so far); one epoch instead of 25? And
# which lower $-$ELBO at the same time?
#
# An arrow means that all seeds are above, or below, the VAE's; `=`, that their
# ranges overlap. Some rows rest on the first seed alone.

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
def softness(model, mean_of=torch.sigmoid):  # of the means of a VAE
    mu, _ = model.encode(x_few)
    with local_seed(0):
        new = mean_of(model.decode(torch.randn_like(mu)))
    copy = mean_of(model.decode(mu))
    return {"copy": sharpness(copy), "new": sharpness(new),
            "error": squared_error(copy, x_few).mean().item()}


def measured(model):
    return softness(model) | evaluate(model, x_test, negative_elbo)


# %%
by_epochs = score_grid(
    make_vae, x_train, negative_elbo, name="06_vae", measure=measured,
    over={"k": [latent_dim], "beta": [1], "epochs": sorted({1, epochs}),
          "seed": seeds}, **settings)
causes = {
    "β = 0.1": {"loss_fn": partial(negative_elbo, beta=0.1)},
    "64 units": {"make_model": partial(make_wide, 64)}}
caused = score_grid(
    partial(make_vae, latent_dim), x_train, negative_elbo, name="06_cause",
    over={"cause": causes, "seed": seeds[:1]}, measure=measured,
    epochs=epochs, **settings)

# %%
scores = {f"epochs: {n}": [by_epochs[latent_dim, 1, n, seed] for seed in seeds]
          for n in sorted({1, epochs}, reverse=True)}
scores |= {name: [caused[name, seeds[0]]] for name in causes}
scores |= {f"{k} numbers": [measured(sweep[k, 1, seeds[0]][0])]
           for k in [2, 64]}
scores["64 numbers, β = 4"] = [measured(sweep[64, 4, seeds[0]][0])]


def column(name, which):  # for each seed
    return [row[which] for row in scores[name]]


def arrow(values, base):  # "=" if the ranges of the seeds overlap
    above, below = min(values) > max(base), max(values) < min(base)
    return "↑" if above else "↓" if below else "="


# %%
# Laplacian of copies and of new images, -ELBO (loss, at β = 1) and its KL
base, whole, rows = f"epochs: {epochs}", sharpness(x_few), {}
for name in scores:
    rows[name] = {c: column(name, c) for c in ["copy", "new", "loss", "kl"]}
    rows[name] |= {f"{c}:": arrow(column(name, c), column(base, c))
                   for c in ["copy", "loss"]}
print_table(rows)
print(f"test images: {whole:.2f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Only $\beta = 0.1$ makes copies sharper, and pays about twenty nats of
# $-$ELBO for it. 64 latent numbers change next to nothing; all else makes
# copies softer.
# </details>
#
# *What to see:* read the rows "64 units" and "epochs: 1" backward. A larger
# network, and training to the end, make copies sharper *and* lower $-$ELBO:
# the dullest cures cost nothing but time. And at $\beta = 0.1$ new images are
# "sharper" than copies: they are tangles (05), and tangles have edges.
#
# ## Another likelihood
#
# "It is the Gaussian", "it is the Bernoulli": is it? Keep the network, change
# $p(x|z)$:
#
# * **Gaussian** pixels with a $\sigma$ (the $\sigma_x$ of 03 and 05) of 1, of
#   0.1, one learned for all pixels, or one per pixel, which the decoder paints
#   as a second map.
# * **Continuous Bernoulli** (03): a density on $[0, 1]$.
# * **Discretized logistic**: a bell-shaped curve with location and scale, of
#   which each of the 256 gray levels gets its slice: a probability, not a
#   density.
# * **Mixture** of three images, as in the toy, with 2 numbers.
#
# A slice of a symmetric curve with distribution function $F$ (the area to the
# left) is $F(\text{high}) - F(\text{low})$. The **tails**, beyond black and
# white, can be given to black and to white; the discretized logistic does so.

# %%
# For precision, computed on the left side of the curve, from logarithms.
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
# *What to see:* Bernoulli and mixture know black and white only. Seen from one
# pixel they look alike, but the mixture's coin is tossed once for the whole
# image.
#
# Now $-\log p(x|z)$ and the mean of $p(x|z)$. The networks are `make_vae`,
# with a decoder that paints more than one map where needed.

# %%
# A learned σ has a floor of 0.02: on pixels that are always black the density
# would grow without end.
def normal(params, std=None):  # params [B, 1 or 2, 28, 28]
    std = std or 0.02 + params[:, 1:].exp()
    return Normal(params[:, :1].sigmoid(), std, validate_args=False)


def gaussian_pixels(params, x, std=None):
    return -normal(params, std).log_prob(x).flatten(1).sum(1)


def first_mean(params):
    return params[:, :1].sigmoid()


def location_and_scale(params):
    return params[:, :1].sigmoid(), 0.002 + params[:, 1:].exp()


def discretized(params, x):
    return level_nll(logsigmoid, *location_and_scale(params), x)


# The area under 1 - F: what is beyond black or white is moved there.
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


# %%
k, two_maps = latent_dim, partial(make_maps, latent_dim, spreads=1)
likelihoods = {  # network, -log p(x|z), mean of p(x|z)
    "Bernoulli": (partial(make_vae, k), bernoulli_nll, torch.sigmoid),
    "Bernoulli, 2": (partial(make_vae, 2), bernoulli_nll, torch.sigmoid),
    "σ = 1": (partial(make_vae, k), partial(gaussian_pixels, std=1.0),
              first_mean),
    "σ = 0.1": (partial(make_vae, k), partial(gaussian_pixels, std=0.1),
                first_mean),
    "σ shared": (partial(make_with_std, k), gaussian_pixels, first_mean),
    "σ per pixel": (two_maps, gaussian_pixels, first_mean),
    "continuous": (partial(make_vae, k), continuous_bernoulli_nll,
                   continuous_bernoulli_mean),
    "discretized": (two_maps, discretized, discretized_mean),
    "mixture, 2": (partial(make_maps, 2, pictures=3), three_images,
                   mixture_mean)}

# %% [markdown]
# All train alike, two epochs each. Three of them train now, on your machine;
# the others come with the notebook. **Two epochs are short**: after 25 each would
# be sharper, as the Bernoulli is. So we compare likelihoods with each other,
# at the same early hour, not with the models above.

# %%
jobs = {name: {"make_model": make_model,
               "loss_fn": partial(elbo_terms, nll=nll)}
        for name, (make_model, nll, _) in likelihoods.items()}
here, short = ["Bernoulli", "Bernoulli, 2", "continuous"], {}
for train_here in [False, True]:
    some = {name: jobs[name] for name in jobs
            if (name in here) == train_here}
    short |= train_grid(
        None, x_train, None, name="06_likelihood", epochs=2, **settings,
        over={"likelihood": some, "seed": seeds[:1]},
        on_shelf=not train_here)
quick = {name: short[name, seeds[0]][0] for name in likelihoods}

# %% [markdown]
# ### Two rulers
#
# Their $-$ELBOs cannot be compared: a density can be larger than 1. So slice
# each density into the 256 **levels**, as above, and all are probabilities of
# the same 8-bit image.
# But what of the tails?
#
# * Leave them out. What a model gives to "darker than black" is wasted. That
#   is the fair price of [03](03_mathematics.ipynb), where noise of one level
#   stood in for the slices.
# * Give them to black and white. That is fair as well: whoever shows the image
#   clips it. But it is another model, whose "black" means "black or darker".
#
# How much hangs on it? Take $\sigma = 1$ and a *perfect* decoder, whose mean
# is the image itself.

# %%
rulers = {"tails wasted": False, "tails kept": True}
for ruler, tails in rulers.items():
    prices = [level_nll(log_ndtr, x, 1.0, x, tails)  # a part at a time
              for x in x_few.double().split(100)]
    print(f"σ = 1, perfect mean, {ruler}: {torch.cat(prices).mean():.0f} nats")
print(f"8 bits for each pixel: {784 * math.log(256):.0f} nats")

# %% [markdown]
# Same model, same picture, 5,065 nats or 1,381. On the first ruler it is worse
# than no model, on the second it saves two thirds. So the table has both
# columns, and only what both of them say is a verdict.

# %%
# No tails. The density is proportional to exp(a x) with the logit a, so a
# slice is a difference of exponentials; where a > 0, black and white swap.
def continuous_levels(params, x):
    logit, x = -params.abs(), torch.where(params > 0, 1 - x, x)
    low = ((255 * x).round() - 0.5).clamp(min=0) / 255
    width = ((255 * x).round() + 0.5).clamp(max=255) / 255 - low
    logit = logit.clamp(max=-1e-4)
    log_p = logit * low + (-(logit * width).expm1()).log()
    return -(log_p - (-logit.expm1()).log()).flatten(1).sum(1)


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
    terms = evaluate(model, x_few, partial(elbo_terms, nll=nll),
                     batch_size=250)
    row = softness(model, mean_of) | {"kl": terms["kl"],
                                   "loss": round(terms["loss"])}
    for ruler, tails in rulers.items():
        sliced = partial(elbo_terms, nll=partial(levels, name, tails))
        row[ruler] = "-"  # for those that know black and white only
        if "Bernoulli" not in name and "mixture" not in name:
            row[ruler] = round(
                evaluate(model, x_few, sliced, batch_size=100)["loss"])
    return row


table = {name: scored(name, model) for name, model in quick.items()}
print_table(table)

# %%
kept, wasted = [{name: row[ruler] for name, row in table.items()
                 if row[ruler] != "-"} for ruler in ("tails kept",
                                                     "tails wasted")]
claim("tails wasted: the continuous Bernoulli is cheapest",
      min(wasted, key=wasted.get) == "continuous", wasted=wasted)
claim("tails kept: it is the dearest of all",
      max(kept, key=kept.get) == "continuous", kept=kept)
claim("σ = 1 against a shared σ: the ruler decides which is cheaper",
      kept["σ = 1"] < kept["σ shared"]
      and wasted["σ = 1"] > wasted["σ shared"], kept=kept, wasted=wasted)
claim("on both, a σ per pixel is cheaper than a shared one",
      all(row["σ per pixel"] < row["σ shared"] for row in (kept, wasted)),
      kept=kept, wasted=wasted)

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
            "unsure strokes; location: sharp with gaps. Mixture: overlays.")

# %% [markdown]
# *What to see:*
#
# * $\sigma = 1$ blurs, $\sigma = 0.1$ sharpens: $\sigma^2$ is $\beta$ by
#   another name (05).
# * The continuous Bernoulli's copies are sharp where it is sure, and freckled
#   elsewhere. Its squared error is larger than that of $\sigma = 1$. Sharp is
#   not right.
# * The discretized logistic has *one* $p(x|z)$ and two pictures: the mean is
#   gray where the location, its median, decides.
# * The mixture has 2 numbers, as "Bernoulli, 2" has. Of a mixture it is not
#   the mean that counts, but its *components*:

# %%
@torch.no_grad()
def of_components(name):
    params = quick[name].decode(encode_images(quick[name], x_few)[0])
    return sharpness(params.sigmoid().flatten(0, 1)[:, None])


print(f"discretized: mean {table['discretized']['copy']:.2f}, location "
      f"{softness(quick['discretized'], first_mean)['copy']:.2f}")
print(f"mixture, 2: mean {table['mixture, 2']['copy']:.2f}, its components "
      f"{of_components('mixture, 2'):.2f}")
learned = 0.02 + quick["σ shared"].decoder.log_std.exp().item()
print(f"the shared σ: {learned:.3f}; root of the mean squared error: "
      f"{(table['σ shared']['error'] / 784) ** 0.5:.3f}")

# %% [markdown]
# A shared $\sigma$ finds its place by itself, near the root of the mean
# squared error. Each of the mixture's three images is sharper than their mean.
# Are they worth it? It has 2 numbers, so compare it with the Bernoulli of 2:
# by $-$ELBO it saves some nats.
#
# ### One curve
#
# How sharp are copies, and how many nats is the code allowed to cost, its
# *rate* (05)? Dots are the Bernoulli models from above, squares the
# likelihoods after two epochs.

# %% tags=["hide-input"]
# Sharpness of copies against rate: a dot or square for each training
fig, ax = plt.subplots(figsize=(8, 4))
places = {"64 numbers": (7, 4), "epochs: 25": (7, -11), "discretized": (7, 3),
          "Bernoulli": (-52, -3), "64 units": (7, -10), "σ shared": (7, 4),
          "σ = 0.1": (7, -10), "σ = 1": (-10, 7), "Bernoulli, 2": (7, -6),
          "64 numbers, β = 4": (-60, 8), "mixture, 2": (7, -5),
          "continuous": (-52, 8)}  # of the labels, beside their points


def draw(name, rows, mark, color):
    rates, copies = [[row[c] for row in rows] for c in ("kl", "copy")]
    ax.plot(rates, copies, mark, ms=5, color=color)
    ax.annotate(name, (rates[0], copies[0]), fontsize=9, color=color,
                xytext=places.get(name, (7, -4)), textcoords="offset points")


for name, row in table.items():
    draw(name, [row], "s", "0.5")
for name, rows in scores.items():
    draw(name, rows, "o", "C0")
ax.axhline(whole, color="0.5", ls=":", marker="")
ax.text(4, whole - 0.1, "test images", fontsize=9)
ticks = [4, 8, 16, 32, 64, 128]
ax.set(xscale="log", xlim=(3.6, 150), xlabel="rate: kl, nats (logarithmic)",
       ylabel="sharpness of copies", title="Sharper copies have a higher rate"
       " (●: 25 epochs, ■: two epochs)")
ax.set_xticks(ticks, ticks)
ax.minorticks_off()
show_figure(fig, alt="Sharpness of copies against the rate. Both rise "
            "together along a band: from 0.4 near 5 nats to 1.2 at 22 and 1.5 "
            "near 54 nats. After one epoch the same model has little more "
            "than half the sharpness at 17 nats. The continuous Bernoulli "
            "needs 102 nats for 1.2. The test images are at 2.1.")

# %% [markdown]
# *What to see:* mostly, sharper copies cost a longer message. The exceptions
# are the interesting ones. Training gains much for few nats: from one epoch to
# 25, a third more rate and three quarters more sharpness. A $\sigma$ per pixel
# pays twice the Bernoulli's rate and is no sharper.
#
# ## The prior
#
# Why are new images softer than copies? The prior draws codes where few images
# have theirs. [04](04_latent_space.ipynb) drew codes from a density fitted to
# the codes instead, here a mixture of ten Gaussians. (The first seed.)

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
         for (k, beta, _), (model, _) in sweep.items() if beta <= 1}
drawn |= {f"{latent_dim} numbers": sources(vae)}
print_table(drawn)

# %% [markdown]
# *What to see:* draw codes from a density that fits them, and new images are
# about as sharp as copies. This part of the blur is no property of decoder or
# likelihood. (At $\beta = 0.1$ the prior draws tangles.)
#
# ## The verdict
#
# Step by step, from the test images to copies of the autoencoder, to copies of
# the VAE, to its new images ($\beta = 1$, Bernoulli, 20 numbers). Each step in
# percent of what was left before it.

# %%
@torch.no_grad()
def measured_plain(model):  # of an autoencoder
    copy = sharpness(model(x_few).sigmoid())
    return evaluate(model, x_test, plain_loss) | {"copy": copy}


plain_scores = score_grid(
    partial(make_autoencoder, latent_dim), x_train, plain_loss,
    name="06_ae_epochs", measure=measured_plain, **settings,
    over={"epochs": sorted({1, epochs}), "seed": seeds})


# %%
def lost(before, after):  # in percent, for each seed
    return [100 * (1 - b / a) for a, b in zip(before, after)]


steps = {}
for n in sorted({1, epochs}):
    plain_copies = [plain_scores[n, seed]["copy"] for seed in seeds]
    copies, new = [column(f"epochs: {n}", c) for c in ["copy", "new"]]
    steps[n] = {"the mean": lost([whole] * len(seeds), plain_copies),
                "the KL": lost(plain_copies, copies),
                "the prior": lost(copies, new)}
print("percent of the sharpness lost to")
print_table(steps, digits=0, columns=["epochs", *steps[epochs]])
claim("each takes something, and the prior least, all seeds",
      all(min(row["the prior"]) > 0
          and max(row["the prior"]) < min(row["the mean"] + row["the KL"])
          for row in steps.values()), steps=steps)
if epochs >= 25:
    claim("25 epochs instead of 1: mean and KL take less, all seeds",
          all(max(steps[epochs][part]) < min(steps[1][part])
              for part in ["the mean", "the KL"]), steps=steps)

# %% [markdown]
# * **The mean** takes half after one epoch, and a quarter after 25: half of
#   that was missing training. The rest is what an autoencoder of this size
#   does to images that it has not learned by heart (the conjecture above).
# * **The KL's price**, $\beta$ or equally $\sigma$, takes nearly a third of
#   what is left after one epoch, more than a fifth after 25. At the end the
#   two take about as much; which one is the larger we would not claim.
# * **The prior** takes least, less than a tenth at the end, and a density
#   fitted to the codes gives nearly all of it back.
# * **The likelihood** acts through the rate that it makes worth paying. Pixel
#   by pixel it repairs no mean; pixels that depend on each other, as in a
#   mixture, can.
#
# ## Beyond digits
#
# Photographs have detail at every scale. An autoencoder and a VAE with a
# shared $\sigma$, both with 20 numbers, on 10,000 gray patches of two
# photographs, and on Fashion-MNIST if it is on this machine, beside PCA.

# %%
names = photos + ["fashion_mnist"] * is_here("fashion_mnist")
sets = {}
data = x_train = None  # memory for others; to go back, run from the top
for name in names:
    try:
        x = load_images(name, n_train=10_000, n_test=2000)
    except ConnectionError as error:
        print(error)
        continue
    gray = [images.mean(1, keepdim=True) for images in (x.x_train, x.x_test)]
    # of 256 levels again, for training and for testing
    sets[name] = [(255 * images).round() / 255 for images in gray]
    del x, gray


# %% [markdown]
# Ten thousand patches are few, and trained as the digits were, an autoencoder
# learns them by heart: on test patches PCA beats it. Three things help. Light
# and shade are a matter for a straight line, so the decoder is a linear layer
# *plus* a network. Pixels are painted without a sigmoid. And a patch that is
# turned or mirrored is a patch again: so each batch is turned at random.

# %%
class Sum(nn.Module):  # of what two networks return
    def __init__(self, one, other):
        super().__init__()
        self.one, self.other = one, other

    def forward(self, z):
        return self.one(z) + self.other(z)


def make_net(x, vae):  # for images of any shape
    shape, n, k = x.shape[1:], x[0].numel(), latent_dim
    network = mlp([k, 128, n], activation=nn.GELU, out_shape=shape)
    decoder = Sum(mlp([k, n], out_shape=shape), network)
    if vae:
        return VAE(mlp([n, 2 * k]), WithStd(decoder), latent_dim=k)
    return Autoencoder(mlp([n, k]), decoder)


# %%
def turned(x):  # a quarter turn or more, or none, and mirrored or not
    x = x.rot90(torch.randint(4, ()).item(), (2, 3))
    return x.flip(3) if torch.rand(()) < 0.5 else x


def squared_loss(model, x, turn):  # 100: as for a σ of 0.07
    x = turned(x) if turn else x
    return {"loss": 100 * squared_error(model(x), x)}


def shade_nll(params, x):  # Gaussian pixels, without a sigmoid
    std = 0.02 + params[:, 1:].exp()
    p_x = Normal(params[:, :1], std, validate_args=False)
    return -p_x.log_prob(x).flatten(1).sum(1)


def shade_elbo(model, x, turn):
    return elbo_terms(model, turned(x) if turn else x, shade_nll)


# %%
nets = {}
for name, (x, _) in sets.items():
    turn = name == "patches"
    jobs = {"autoencoder": {"make_model": partial(make_net, x, False),
                            "loss_fn": partial(squared_loss, turn=turn)},
            "VAE": {"make_model": partial(make_net, x, True),
                    "loss_fn": partial(shade_elbo, turn=turn)}}
    nets[name] = train_grid(
        None, x, None, name=f"06_{name}", epochs=4 * epochs, **settings,
        over={"net": jobs, "seed": seeds[:1]}, on_shelf=name != "cifar10")


# %%
@torch.no_grad()
def copies_and_new(name):
    x = sets[name][1]
    (plain_net, _), (vae_net, _) = nets[name].values()
    mu, _ = vae_net.encode(x)
    with local_seed(0):
        new = vae_net.decode(torch.randn_like(mu))
    return {"test image": x, "PCA, mean": pca_copies(sets[name][0], x),
            "autoencoder, mean": plain_net(x),
            "VAE, copy, mean": vae_net.decode(mu)[:, :1],
            "VAE, new, mean": new[:, :1]}


def weighted(images):  # nearly flat images would count as much as others
    contrast = images.flatten(1).var(1)
    return (laplacian_sharpness(images) * contrast).sum() / contrast.sum()


# %%
found = {name: copies_and_new(name) for name in sets}
for name, of_kind in found.items():
    x, whole_set = sets[name][1], weighted(of_kind["test image"])
    print(name)
    print_table({kind: {
        "squared error": f"{squared_error(images, x).mean():.2f}"
        if "new" not in kind else "-",
        "sharpness, % of the test images'": 100 * weighted(images) / whole_set}
        for kind, images in of_kind.items()}, digits=1)
errors = {kind: squared_error(images, sets["patches"][1]).mean().item()
          for kind, images in found["patches"].items()}
if epochs >= 25:
    claim("patches: the autoencoder's error is below PCA's",
          errors["autoencoder, mean"] < errors["PCA, mean"], errors=errors)

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
# *What to see:* foliage becomes fog; at a quarter of a cycle per pixel hardly
# any power is left. 20 numbers cannot say where each leaf is. They say light
# and shade, and there PCA is hard to beat: the autoencoder is ahead of it by a
# few percent. So what is lost here is lost to the length of the code, not to
# the VAE. (New images are fog, or tangles.)
#
# ## Turn the noise yourself
#
# Pick a digit and a likelihood, and drag the noise from 0, the mean, to 1, a
# sample of $p(x|z)$, and beyond.

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
studio = {name: (quick[name], mean_of, noisy(mean_of, draw))
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
        for amount in (0.03, 0.06, 0.1)} | {
        "black or white": (copies > 0.5).float()}


# %%
copies = five_kinds(x_few)["VAE, copy, mean"]
kinds = {"test image": x_few} | cheated(copies)
print_table({name: {"Laplacian": sharpness(images),
                    "share": high_frequency_share(images).mean(),
                    "squared error": squared_error(images, x_few).mean()}
             for name, images in kinds.items()})
copies = five_kinds(x_test[:12])["VAE, copy, mean"]
fig = show_rows({"test image": x_test[:12]} | cheated(copies), size=0.6,
                title="Sharper by number, not by eye")
show_figure(fig, alt="Twelve test digits; soft copies; the same with three "
            "levels of noise, ever grainier; and in black and white, with "
            "hard edges and broken strokes.")

# %% [markdown]
# *What to see:* with noise of 0.06 the Laplacian of the copies is that of the
# test images; in black and white they are "sharper". Neither shows one detail
# more, and the squared error grows. A measure of sharpness can say that
# something is missing, not that the right thing is there.
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | VAEs are blurry because of Gaussian noise | no noise is shown: the picture is a mean of images |
# | another pixel likelihood cures blur | with pixels independent given $z$, the mean stays an average |
# | the KL makes images blurry | it adds to the blur; an autoencoder has half of it |
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
# * Bishop (1994), *Mixture density networks*.
# * Mathieu, Couprie and LeCun (2016), *Deep multi-scale video prediction
#   beyond mean square error*,
#   [arXiv:1511.05440](https://arxiv.org/abs/1511.05440).
# * Rybkin, Daniilidis and Levine (2021), *Simple and effective VAE training
#   with calibrated decoders*,
#   [arXiv:2006.13202](https://arxiv.org/abs/2006.13202).
# * Mattei and Frellsen (2018), *Leveraging the exact likelihood of deep latent
#   variable models*, [arXiv:1802.04826](https://arxiv.org/abs/1802.04826).
# * Loaiza-Ganem and Cunningham (2019), *The continuous Bernoulli*,
#   [arXiv:1907.06845](https://arxiv.org/abs/1907.06845).
# * Salimans and others (2017), *PixelCNN++*,
#   [arXiv:1701.05517](https://arxiv.org/abs/1701.05517).
# * Theis, van den Oord and Bethge (2016), *A note on the evaluation of
#   generative models*, [arXiv:1511.01844](https://arxiv.org/abs/1511.01844).
# * Pech-Pacheco and others (2000), *Diatom autofocusing in brightfield
#   microscopy*,
#   [doi.org/10.1109/ICPR.2000.903548](https://doi.org/10.1109/ICPR.2000.903548).
#
# **Next:** [07 · Disentanglement](07_disentanglement.ipynb), which asks
# whether each number of a code can be made to say one thing.
