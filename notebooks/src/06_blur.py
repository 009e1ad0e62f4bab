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
# *Builds on [05](05_beta.ipynb) · about 4 min on two CPU cores ·
# [Solutions](solutions/06_blur.ipynb)*

# %%
import math
from functools import partial
from itertools import product

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
    VAE, Autoencoder, bernoulli_nll, continuous_bernoulli_mean,
    continuous_bernoulli_nll, continuous_bernoulli_sample, encode_images,
    evaluate, is_here, kl_standard_normal, load_images, local_seed, mlp,
    reparameterize, show_figure, show_image, show_rows, squared_error,
    start_at_mean_image, train_many, warmup_then_linear,
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
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]
latent_dim = 20
photos = ["patches"]  # also "cifar10", which may be downloaded

data = load_images("mnist")
x_train, x_test = data.x_train, data.x_test
x_few = x_test[::5]  # 2,000 images on which sharpness is measured


def span(values, digits=2):  # over the seeds
    low, high = [f"{v:.{digits}f}" for v in (min(values), max(values))]
    return low if low == high else f"{low} to {high}"


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
# An autoencoder and a VAE, the same network and 20 latent numbers, one epoch,
# three seeds. Test images are compared with their **copies**, which is short
# for reconstructions (the VAE's from $\mu$), with **new** images, decoded from
# codes of the prior, and with samples of $p(x|z)$. The decoder's last bias
# starts at the mean image; `maps` lets it return more than one map of
# parameters, for later. (A quarter of a minute.)

# %%
picture = x_train.mean(0).flatten().clamp(0.001, 0.999).logit()


def make_decoder(k, maps, hidden):  # maps: the output biases, one per map
    decoder = mlp([k, 128, hidden, 784 * len(maps)],
                  out_shape=(len(maps), 28, 28))
    with torch.no_grad():
        decoder[-2].bias.copy_(torch.cat(maps))
    return decoder


def make_vae(k=latent_dim, maps=(picture,), hidden=256):
    return VAE(mlp([784, hidden, 2 * k]), make_decoder(k, maps, hidden),
               latent_dim=k)


def make_autoencoder():
    return Autoencoder(mlp([784, 256, latent_dim]),
                       make_decoder(latent_dim, (picture,), 256))


# %%
def elbo_terms(model, x, nll=bernoulli_nll, beta=1.0):
    out = model(x)
    recon_loss = nll(out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    loss = recon_loss + beta * kl
    return {"loss": loss, "recon_loss": recon_loss, "kl": kl}


def plain_loss(model, x):  # of the autoencoder
    return {"loss": bernoulli_nll(model(x), x)}


# %%
settings = {"x": x_train, "epochs": 1, "batch_size": 256, "lr": 1e-2,
            "schedule": warmup_then_linear, "make_model": make_vae,
            "loss_fn": elbo_terms}


def train_all(causes, **common):  # {name: what differs} -> {(name, seed): …}
    jobs = {(name, seed): settings | common | own | {"seed": seed}
            for (name, own), seed in product(causes.items(), seeds)}
    letters = str.maketrans({" ": "_", ".": "p", "β": "beta", "=": "",
                             "σ": "s", ",": ""})
    names = [f"06_{name.translate(letters)}_{seed}" for name, seed in jobs]
    found = train_many(dict(zip(names, jobs.values())), retrain=RETRAIN)
    return {key: model for key, (model, _) in zip(jobs, found.values())}


plain = {"make_model": make_autoencoder, "loss_fn": plain_loss}
models = train_all({"autoencoder": plain, "VAE": {}})


# %%
@torch.no_grad()
def five_kinds(seed, x):
    vae, autoencoder = models["VAE", seed], models["autoencoder", seed]
    mu, _ = vae.encode(x)
    copies = vae.decode(mu).sigmoid()
    with local_seed(seed):
        new = vae.decode(torch.randn_like(mu)).sigmoid()
        return {"test image": x,
                "autoencoder, mean": autoencoder(x).sigmoid(),
                "VAE, copy, mean": copies, "VAE, new, mean": new,
                "VAE, copy, sample": torch.bernoulli(copies)}


kinds = [five_kinds(seed, x_few) for seed in seeds]
print(f"{'':17} {'Laplacian':>16} {'share above 1/4':>16}")
sharp = {name: [[measure(kind[name]) for kind in kinds]
                for measure in measures] for name in kinds[0]}
for name, of_measures in sharp.items():
    spans = [span([values.mean() for values in of_seeds], 3)
             for of_seeds in of_measures]
    print(f"{name:17}", *[f"{text:>16}" for text in spans])

# %%
fig = show_rows(five_kinds(0, x_test[:12]), size=0.65,
                title="From row to row softer; samples are speckled")
show_figure(fig, alt="Twelve test digits; their copies by an autoencoder, "
            "slightly soft; by a VAE, softer; new digits of the VAE, softer "
            "still; and samples of p(x|z) of the copies, frayed and speckled.")
fig, axes = plt.subplots(1, 2, figsize=(9.5, 2.4), sharey=True)
titles = ["Samples: four times too sharp", "Means: too soft, also by this"]
for i, (ax, title) in enumerate(zip(axes, titles)):
    for (row, name), seed in product(enumerate(sharp), seeds):
        low, high = bootstrap_interval(sharp[name][i][seed])
        ax.plot([low, high], 2 * [-row + 0.25 * (1 - seed)], "k|-", ms=5)
    measure = measures[i].__name__.replace("_", " ")
    ax.set(yticks=range(0, -5, -1), yticklabels=sharp, title=title,
           xlabel=f"{measure}, 95 % intervals")
    ax.set_xlim(left=0)
show_figure(fig, alt="Intervals of both measures, three seeds each. In order: "
            "new images, copies, autoencoder, images; far off, samples.")

# %% [markdown]
# *What to see:* the autoencoder's copies have about half of the sharpness of
# the images, though nothing in it is random. No two images have quite the same
# code, but a decoder with few weights and little training paints near codes
# alike: it averages neighbors. The VAE's copies have less, its new images
# still less. Samples of $p(x|z)$ have four times as much as the images by the
# Laplacian, three times by the share: speckles. From here on we compare means.
#
# ## Predict
#
# Which of these makes the copies sharper: $\beta$ of 0.1 or 4; 2 or 64 latent
# numbers; hidden layers of 64 or 512 units (256 so far); two epochs? And
# which of those lower $-$ELBO at the same time? (About a minute.)
#
# Columns: the Laplacian of copies and of new images (means), $-$ELBO (`loss`,
# at $\beta = 1$) and its KL. An arrow: all seeds are above, or below, the
# VAE's.

# %%
causes = {
    "β = 0.1": {"loss_fn": partial(elbo_terms, beta=0.1)},
    "β = 4": {"loss_fn": partial(elbo_terms, beta=4)},
    "2 numbers": {"make_model": partial(make_vae, 2)},
    "64 numbers": {"make_model": partial(make_vae, 64)},
    "64 units": {"make_model": partial(make_vae, hidden=64)},
    "512 units": {"make_model": partial(make_vae, hidden=512)},
    "2 epochs": {"epochs": 2}}
models |= train_all(causes)
models |= train_all({"autoencoder, 2 epochs": plain | {"epochs": 2}})


# %%
@torch.no_grad()
def measured(name, seed, nll=bernoulli_nll, mean_of=torch.sigmoid):
    model = models[name, seed]
    mu, _ = model.encode(x_few)
    with local_seed(seed):
        new = mean_of(model.decode(torch.randn_like(mu)))
    copy = mean_of(model.decode(mu))
    return evaluate(model, x_few, partial(elbo_terms, nll=nll)) | {
        "copy": laplacian_sharpness(copy).mean().item(),
        "new": laplacian_sharpness(new).mean().item(),
        "error": squared_error(copy, x_few).mean().item()}


# %%
def sign(values, base):  # "=" if the ranges of the seeds overlap
    above, below = min(values) > max(base), max(values) < min(base)
    return "↑" if above else "↓" if below else "="


columns = {"copy": 2, "new": 2, "loss": 1, "kl": 1}
scores = {name: [measured(name, seed) for seed in seeds]
          for name in ["VAE", *causes]}
print(" " * 10, *[f"{name:>18}" for name in columns])
for name, rows in scores.items():
    cells = {c: [row[c] for row in rows] for c in columns}
    base = {c: [row[c] for row in scores["VAE"]] for c in columns}
    print(f"{name:10}", *[f"{span(cells[c], columns[c]):>16} "
                          f"{sign(cells[c], base[c])}" for c in columns])

# %% [markdown]
# <details><summary>Answer</summary>
#
# Sharper (↑ in the first two columns): the smaller $\beta$, the larger
# network, longer training. Of these, only network and training also lower
# $-$ELBO (`loss`); $\beta = 0.1$ pays for its sharp copies with about 15 nats.
# 64 latent numbers do not help; within one epoch they even make copies softer.
# </details>
#
# *What to see:* the best cure is the dullest one: a larger network, trained
# for longer. It tells more images apart, so fewer are averaged.
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
# The Gaussian with a $\sigma$ per pixel, the continuous Bernoulli and the
# discretized logistic need more training: two epochs, with batches of 128
# instead of 256. Above, "2 epochs" is nearest to them; the others train as
# "VAE" did. (Nearly two minutes, further down.)

# %%
spread = torch.full((784,), -2.0)  # where a map of log σ starts


def normal(params, std=None):  # params [B, 1 or 2, 28, 28]
    std = std or 0.02 + params[:, 1:].exp()
    return Normal(params[:, :1].sigmoid(), std, validate_args=False)


def gaussian_pixels(params, x, std=None):
    return -normal(params, std).log_prob(x).flatten(1).sum(1)


# %%
class WithStd(nn.Module):  # a decoder, and one log σ for all pixels
    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder
        self.log_std = nn.Parameter(torch.tensor(-1.5))

    def forward(self, z):
        mean = self.decoder(z)
        return torch.cat([mean, self.log_std.expand_as(mean)], 1)


def make_with_std():
    model = make_vae()
    model.decoder = WithStd(model.decoder)
    return model


# %% [markdown]
# A slice of a symmetric curve with distribution function $F$ (the area to the
# left) is $F(\text{high}) - F(\text{low})$; black and white get the tails. For
# precision it is computed on the left side, from logarithms.
#
# Each likelihood also needs its mean: of the mixture, the average of its
# three; of the discretized logistic, the area under $1 - F$, since the part
# beyond black or white is moved there.

# %%
def level_nll(log_cdf, location, scale, x):
    level = (255 * x).round()
    low = ((level - 0.5) / 255 - location) / scale
    low = torch.where(level > 0, low, -1e4)
    high = ((level + 0.5) / 255 - location) / scale
    high = torch.where(level < 255, high, 1e4)
    right = low + high > 0
    low, high = (torch.where(right, -high, low),
                 torch.where(right, -low, high))
    log_f = log_cdf(high)
    nll = -log_f - (-(log_cdf(low) - log_f).exp()).log1p()
    return nll.flatten(1).sum(1)


# %%
def location_and_scale(params):
    return params[:, :1].sigmoid(), 0.002 + params[:, 1:].exp()


def discretized(params, x):
    return level_nll(logsigmoid, *location_and_scale(params), x)


def three_images(params, x):  # params [B, 3, 28, 28]
    nll = binary_cross_entropy_with_logits(params, x.expand_as(params),
                                           reduction="none")
    return -(math.log(1 / 3) - nll.flatten(2).sum(2)).logsumexp(1)


# %%
def first_mean(params):
    return params[:, :1].sigmoid()


def mixture_mean(params):
    return params.sigmoid().mean(1, keepdim=True)


def discretized_mean(params):
    location, scale = location_and_scale(params)
    return scale * (softplus(location / scale)
                    - softplus((location - 1) / scale))


# %%
longer = {"epochs": 2, "batch_size": 128, "lr": 5e-3}
likelihoods = {  # -log p(x|z), mean of p(x|z), how the training differs
    "σ = 1": (partial(gaussian_pixels, std=1.0), first_mean, {}),
    "σ = 0.1": (partial(gaussian_pixels, std=0.1), first_mean, {}),
    "σ shared": (gaussian_pixels, first_mean, {"make_model": make_with_std}),
    "σ per pixel": (gaussian_pixels, first_mean, longer | {"make_model":
                    partial(make_vae, maps=(picture, spread))}),
    "continuous": (continuous_bernoulli_nll, continuous_bernoulli_mean,
                   longer),
    "discretized": (discretized, discretized_mean, longer | {"make_model":
                    partial(make_vae, maps=(picture, spread))}),
    "mixture": (three_images, mixture_mean,
                {"make_model": partial(make_vae, maps=3 * (picture,))}),
    "mixture, 2": (three_images, mixture_mean,
                   {"make_model": partial(make_vae, 2, maps=3 * (picture,))})}
models |= train_all({
    name: own | {"loss_fn": partial(elbo_terms, nll=nll)}
    for name, (nll, _, own) in likelihoods.items()})

# %% [markdown]
# Their $-$ELBOs cannot be compared: densities can be larger than 1, and a
# negative $-\log p$ means no more than that. So there is one more column: the
# $-$ELBO of the 256 **levels**, for which each density is sliced. (A Bernoulli
# pixel gives no probability to gray at all.) The continuous Bernoulli's
# density is proportional to $e^{ax}$ with the logit $a$, so its slice is a
# difference of two exponentials; where $a > 0$, black and white are swapped
# first. `error` is the squared error of the copies.

# %%
def continuous_levels(params, x):
    logit, x = -params.abs(), torch.where(params > 0, 1 - x, x)
    low = ((255 * x).round() - 0.5).clamp(min=0) / 255
    width = ((255 * x).round() + 0.5).clamp(max=255) / 255 - low
    logit = logit.clamp(max=-1e-4)
    log_p = logit * low + (-(logit * width).expm1()).log()
    return -(log_p - (-logit.expm1()).log()).flatten(1).sum(1)


# %%
def levels(name, params, x):
    params, x = params.double(), x.double()
    if name == "continuous":
        return continuous_levels(params, x)
    if name == "discretized":
        return discretized(params, x)
    std = {"σ = 1": 1.0, "σ = 0.1": 0.1}.get(name)
    p = normal(params, std)
    return level_nll(log_ndtr, p.mean, p.stddev, x)


# %%
columns = {"copy": 2, "new": 2, "error": 1, "loss": 0, "kl": 1, "levels": 0}
print(" " * 11, *[f"{name:>15}" for name in columns])
for name, (nll, mean_of, _) in likelihoods.items():
    rows = [measured(name, seed, nll, mean_of) for seed in seeds]
    if "mixture" not in name:
        for row, seed in zip(rows, seeds):
            terms = partial(elbo_terms, nll=partial(levels, name))
            row["levels"] = evaluate(models[name, seed], x_few, terms)["loss"]
    scores[name] = rows
    print(f"{name:11}", *[f"{span([row[c] for row in rows], digits):>15}"
                          for c, digits in columns.items() if c in rows[0]])
learned = [0.02 + models["σ shared", s].decoder.log_std.exp().item()
           for s in seeds]
print(f"the shared σ: {span(learned, 3)}; root of the mean squared error: "
      + span([(r["error"] / 784) ** 0.5 for r in scores["σ shared"]], 3))

# %%
shown, rows = x_test[:12], {"test image": x_test[:12]}
with torch.no_grad():
    for name, (_, mean_of, _) in likelihoods.items():
        params = models[name, 0].decode(encode_images(models[name, 0],
                                                      shown)[0])
        rows[f"{name}, mean"] = mean_of(params)
        if name == "discretized":
            rows["its location"] = first_mean(params)
    for j in range(3):
        rows[f"mixture, 2: mean {j + 1}"] = params[:, j:j + 1].sigmoid()
fig = show_rows(rows, size=0.52, title="Blurred, gray, freckled, broken")
show_figure(fig, alt="Test digits and their means under each likelihood. "
            "Sigma of 1: blurred; others: close copies, per pixel some lost. "
            "Continuous: sharp or freckled. Discretized: gray fog around "
            "unsure strokes; location: sharp with gaps. Mixtures: overlays.")

# %% [markdown]
# *What to see:*
#
# * $\sigma = 1$ blurs, $\sigma = 0.1$ sharpens: $\sigma^2$ is $\beta$ by
#   another name (05). A shared $\sigma$ finds its place by itself, near the
#   root of the mean squared error.
# * Densities of a thousand nats and more look like triumphs. On the ruler of
#   the 256 levels the continuous Bernoulli comes last: its density is earned
#   on pixels that are exactly black. Its copies are sharp where it is sure,
#   and freckled elsewhere; its squared error is larger than that of $\sigma =
#   1$. Sharp is not right. Nor does a good likelihood mean sharp: in levels
#   $\sigma = 1$, which blurs, beats the shared $\sigma$; its codes are cheap.
# * The discretized logistic, best in levels, has *one* $p(x|z)$ and two
#   pictures: the mean is gray where the location, its median, decides.
# * A mixture's mean is blurred more than one Bernoulli's with as many numbers,
#   as it should be; it is its *components* that count:

# %%
location = [measured("discretized", seed, discretized, first_mean)
            for seed in seeds]
print("discretized, location instead of mean: copy "
      f"{span([row['copy'] for row in location])}")


@torch.no_grad()
def of_components(name, seed):
    params = models[name, seed].decode(encode_images(models[name, seed],
                                                     x_few)[0])
    return laplacian_sharpness(params.sigmoid().flatten(0, 1)[:, None]).mean()


for name in ["mixture", "mixture, 2"]:
    print(f"{name:10}, its components: copy "
          f"{span([of_components(name, seed) for seed in seeds])}")

# %% [markdown]
# With 2 numbers, three images per code save about eleven nats, and each is
# sharper than the single mean was. With 20, nothing is gained: what the coin
# could say, the code has said.
#
# ### One curve
#
# Put all models into one picture: how sharp the copies are, and how many nats
# the code is allowed to cost, its *rate* (05).

# %%
low, high = [{name: extreme(row["copy"] for row in rows)
              for name, rows in scores.items()} for extreme in (min, max)]
for name in ["β = 0.1", "512 units", "2 epochs", "σ = 0.1", "σ shared"]:
    assert low[name] > high["VAE"]
for name in ["β = 4", "2 numbers", "64 units", "σ = 1", "mixture"]:
    assert high[name] < low["VAE"]
fig, ax = plt.subplots(figsize=(8, 4))
places = {"VAE": (-26, 0), "64 numbers": (8, -8), "2 numbers": (8, -4),
          "2 epochs": (-54, -2), "β = 4": (-8, 9), "β = 0.1": (-8, -16),
          "64 units": (-48, -2), "512 units": (8, -10),
          "σ = 1": (-34, -2), "σ = 0.1": (7, -6), "σ shared": (2, 9),
          "σ per pixel": (-14, -17), "continuous": (-66, -3),
          "discretized": (-20, 9), "mixture": (8, -8),
          "mixture, 2": (8, -8)}
for name, rows in scores.items():
    mark = "o" if name == "VAE" or name in causes else "s"
    ax.plot([row["kl"] for row in rows], [row["copy"] for row in rows], mark,
            ms=5, color="C0" if mark == "o" else "C1",
            zorder=2 + (mark == "o"))
    ax.annotate(name, (rows[0]["kl"], rows[0]["copy"]), fontsize=9,
                xytext=places.get(name, (7, -4)), textcoords="offset points")
whole = laplacian_sharpness(x_few).mean().item()
ax.axhline(whole, color="0.5", ls=":", marker="")
ax.text(4, whole - 0.1, "test images", fontsize=9)
ticks = [4, 8, 16, 32, 64, 128]
ax.set(xscale="log", xlim=(3.6, 150), xlabel="rate: kl, nats (logarithmic)",
       ylabel="sharpness of copies", title="Sharper copies have a higher rate"
       " (●: Bernoulli, ■: another likelihood)")
ax.set_xticks(ticks, ticks)
ax.minorticks_off()
show_figure(fig, alt="Sharpness of copies against the rate of all models, "
            "three seeds each. From 0.2 at 5 nats the points climb along one "
            "band to 0.7 at 17 and 1.0 at 50 nats; the continuous Bernoulli "
            "is alone at 1.4, near 100 nats. The test images are at 2.1.")

# %% [markdown]
# *What to see:* mostly, sharper copies cost a longer message. The exceptions
# are the interesting ones: more training gains much for one or two nats; a
# $\sigma$ per pixel pays twice that rate and is no sharper; the discretized
# logistic has nearly the number of a shared $\sigma$ at half the rate, but
# more than twice its squared error, for fog with hard edges also counts as
# sharp; a mixture's mean lies below.
#
# ## The prior
#
# New images are blurred more than copies. An earlier notebook (04) drew codes
# from a density fitted to the codes instead of the prior, here a mixture of
# ten Gaussians; does it help?

# %%
def fit_mixture(z, seed):
    mixture = GaussianMixture(10, tol=0.1, random_state=seed)
    with threadpool_limits(1):  # faster: so small a job is not worth two
        return mixture.fit(z.double().numpy())


@torch.no_grad()
def sources(name, seed):  # sharpness of means at codes from three sources
    model = models[name, seed]
    with local_seed(seed):
        z = reparameterize(*encode_images(model, x_train[:10_000]))
        z_test = reparameterize(*encode_images(model, x_few))
        prior = torch.randn(2000, model.latent_dim)
    mixture = fit_mixture(z, seed).sample(2000)[0]
    return [laplacian_sharpness(first_mean(model.decode(codes))).mean().item()
            for codes in (z_test, prior, torch.from_numpy(mixture).float())]


# %%
print(f"{'codes from':10}", *[f"{source:>14}" for source in
                              ["the posteriors", "N(0, I)", "the mixture"]])
for name in ["VAE", "β = 0.1", "64 numbers", "σ shared"]:
    of_seeds = [sources(name, seed) for seed in seeds]
    print(f"{name:10}", *[f"{span(column):>14}" for column in zip(*of_seeds)])
    assert all(mixed > drawn for _, drawn, mixed in of_seeds)

# %% [markdown]
# *What to see:* nearly all of it is repaired, in all four models: draw codes
# from a density that fits them, and new images are as sharp as copies. This
# part of the blur is no property of decoder or likelihood: the prior draws
# codes where few images have theirs.
#
# ## The verdict
#
# Step by step, from the test images to the VAE's new images ($\beta = 1$,
# Bernoulli, 20 numbers). Each step in percent of what was left before it, once
# after one epoch, once after two.

# %%
@torch.no_grad()
def copies_of(name):  # an autoencoder's
    return [laplacian_sharpness(models[name, seed](x_few).sigmoid())
            .mean().item() for seed in seeds]


def lost(before, after):
    return span([100 * (1 - b / a) for a, b in zip(before, after)], 0)


for autoencoder, vae in [("autoencoder", "VAE"),
                         ("autoencoder, 2 epochs", "2 epochs")]:
    plain_copies = copies_of(autoencoder)
    copies, new = [[row[column] for row in scores[vae]]
                   for column in ("copy", "new")]
    print(f"test images {whole:.2f}; {autoencoder} {span(plain_copies)}: "
          f"{lost(3 * [whole], plain_copies)} % lost to the mean\n"
          f"    VAE, copies {span(copies)}: {lost(plain_copies, copies)} % "
          f"lost to the KL\n    VAE, new images {span(new)}: "
          f"{lost(copies, new)} % lost to the prior")

# %% [markdown]
# * **The mean** takes most, even without a KL: images that this network cannot
#   tell apart are averaged. A good part of it is missing training. Capacity
#   and time help, and lower $-$ELBO.
# * **The KL's price**, $\beta$ or equally $\sigma$, takes more than a quarter
#   of the rest: posteriors overlap, and what overlaps is averaged.
# * **The prior** takes a seventh at the end, after two epochs about a tenth; a
#   density fitted to the codes gives nearly all of it back.
# * **The likelihood** acts through the rate that it makes worth paying. Its
#   shape, pixel by pixel, repairs no mean; pixels that depend on each other,
#   as in a mixture, can.
#
# ## Beyond digits
#
# Photographs have detail at every scale. The same network and loss with a
# shared $\sigma$, on 10,000 gray patches of two photographs, on Fashion-MNIST
# if it is on this machine, and on what `photos` names, beside PCA (01) with as
# many numbers. (A quarter of a minute each.)

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
    sets[name] = tuple(gray)  # for training, for testing


# %%
def make_net(x, vae, k=latent_dim):  # for images of any shape
    shape, n = x.shape[1:], x[0].numel()
    decoder = mlp([k, 128, 256, n], out_shape=shape)
    start_at_mean_image(decoder, x)
    if not vae:
        return Autoencoder(mlp([n, 256, k]), decoder)
    return VAE(mlp([n, 256, 2 * k]), WithStd(decoder), latent_dim=k)


def squared_loss(model, x):  # 100: as for a σ of 0.07
    return {"loss": 100 * squared_error(model(x).sigmoid(), x)}


nets = {"autoencoder": (False, squared_loss),
        "VAE": (True, partial(elbo_terms, nll=gaussian_pixels))}
models |= train_all({
    f"{name} {net}": {"x": x, "make_model": partial(make_net, x, vae),
                      "loss_fn": loss_fn}
    for name, (x, _) in sets.items() for net, (vae, loss_fn) in nets.items()},
    epochs=6, batch_size=128, lr=3e-3)


# %%
def pca_copies(name):
    images, x = sets[name]
    pca = PCA(latent_dim, random_state=0).fit(images.flatten(1).numpy())
    codes = pca.transform(x.flatten(1).numpy())
    return torch.from_numpy(pca.inverse_transform(codes)).reshape(x.shape)


# %%
@torch.no_grad()
def copies_and_new(name, seed):
    x = sets[name][1]
    vae = models[f"{name} VAE", seed]
    mu, _ = vae.encode(x)
    with local_seed(seed):
        new = vae.decode(torch.randn_like(mu))
    return {"test image": x, "PCA, mean": by_pca[name],
            "autoencoder, mean": models[f"{name} autoencoder", seed](
                x).sigmoid(),
            "VAE, copy, mean": first_mean(vae.decode(mu)),
            "VAE, new, mean": first_mean(new)}


# %%
lines = {"test image": "k-", "PCA, mean": "C2:", "autoencoder, mean": "C0--",
         "VAE, copy, mean": "C1-.", "VAE, new, mean": "C3-"}
by_pca = {name: pca_copies(name) for name in sets}
found = {name: [copies_and_new(name, seed) for seed in seeds] for name in sets}


def weighted(images):  # nearly flat images would count as much as others
    contrast = images.flatten(1).var(1)
    return (laplacian_sharpness(images) * contrast).sum() / contrast.sum()


print("sharpness in percent of that of the test images")
for name, kind in product(found, list(lines)[1:]):
    shares = [100 * weighted(of_seed[kind]) / weighted(of_seed["test image"])
              for of_seed in found[name]]
    print(f"{name:14} {kind:17} {span(shares, 1):>12}")

# %%
fig, axes = plt.subplots(1, len(sets), figsize=(4.8 * len(sets), 3),
                         sharey=True, squeeze=False)
for ax, (name, of_seeds) in zip(axes[0], found.items()):
    for kind, line in lines.items():
        ax.loglog(*radial_spectrum(of_seeds[0][kind]), line, marker="",
                  label=kind)
    ticks = [0.05, 0.1, 0.25, 0.5]
    ax.set(title=f"{name}: detail is lost", xlabel="cycles per pixel")
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
axes[0, 0].set_ylabel("power")
axes[0, -1].legend(fontsize=9, loc="lower left")
show_figure(fig, alt="Power against frequency, both logarithmic. Patches: the "
            "networks' images lie far below the test images from 0.07 cycles "
            "per pixel on, PCA's from 0.1 on. Where there is a second panel, "
            "of clothes, the gap is smaller.")

# %%
for name, of_seeds in found.items():
    kinds_0 = of_seeds[0]
    varied = kinds_0["test image"].flatten(1).var(1).argsort(descending=True)
    fig = show_rows({kind: images[varied[:480:40]]
                     for kind, images in kinds_0.items()}, size=0.65,
                    title=f"{name}: twelve images with much contrast")
    show_figure(fig, alt="Five rows of twelve: test images, and what PCA, the "
                "autoencoder and the VAE make of them: light and shade "
                "without texture or print; and new images, foggy.")

# %% [markdown]
# *What to see:* foliage becomes fog; at a quarter of a cycle per pixel hardly
# any power is left (mind the logarithmic axis). 20 numbers cannot say where
# each leaf is: PCA keeps light and shade, and two networks, trained briefly,
# only the broadest of it. (What brings their percentages near PCA's, and new
# images even above, is grain on nearly flat ones.)
# Of a digit, most can be said in 20 numbers. Clothes lie between: shapes
# survive, prints and checks do not.
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


draws = {"VAE": (torch.sigmoid, lambda params: params.sigmoid().bernoulli()),
         "σ = 1": (first_mean, lambda params: normal(params, 1.0).sample()),
         "σ shared": (first_mean, lambda params: normal(params).sample()),
         "continuous": (continuous_bernoulli_mean,
                        continuous_bernoulli_sample),
         "discretized": (discretized_mean, discretized_draw),
         "mixture, 2": (mixture_mean, mixture_draw)}
studio = {"Bernoulli" if name == "VAE" else name: (
    models[name, 0], mean_of, noisy(mean_of, draw))
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
# A number invites you to maximize it. Take the blurred copies, and add white
# noise; or set every pixel to black or white.

# %%
@torch.no_grad()
def cheated(copies):
    with local_seed(0):
        noise = torch.randn_like(copies)
    return {"copy, mean": copies} | {
        f"with noise of {amount}": copies + amount * noise
        for amount in (0.03, 0.069, 0.1)} | {
        "black or white": (copies > 0.5).float()}


# %%
print(" " * 19, "Laplacian  share  squared error")
for name, images in cheated(kinds[0]["VAE, copy, mean"]).items():
    print(f"{name:19} {laplacian_sharpness(images).mean():9.2f} "
          f"{high_frequency_share(images).mean():6.3f} "
          f"{squared_error(images, x_few).mean():14.1f}")
copies = five_kinds(0, x_test[:12])["VAE, copy, mean"]
fig = show_rows({"test image": x_test[:12]} | cheated(copies), size=0.6,
                title="Sharper by number, not by eye")
show_figure(fig, alt="Twelve test digits; blurred copies; the same with three "
            "levels of noise, ever grainier; and in black and white, with "
            "hard edges and broken strokes.")

# %% [markdown]
# *What to see:* with noise of 0.069 the Laplacian of the copies is that of the
# test images; in black and white they are "sharper". Neither shows one detail
# more, and the squared error grows. A measure of sharpness can say that
# something is missing; it cannot say that the right thing is there. Models are
# compared by likelihood, or by people.
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | VAEs are blurry because of Gaussian noise | no noise is shown: the picture is a mean, and blurred because of what it averages |
# | another pixel likelihood cures blur | as long as pixels are independent given $z$, the mean stays an average |
# | the KL makes images blurry | it adds to the blur; an autoencoder of the same size has most of it |
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
