# %% [markdown]
# # 4 · Seeing the latent space
#
# What does a latent space look like, and how much of the picture can you
# believe?
#
# **You will** · walk from digit to digit and measure what you pass · compare
# codes of 2, 8, 16 and 64 numbers · judge wide and deep networks · see a t-SNE
# lie, and catch it · say what a single latent number means · leave the map.
#
# *Builds on [03](03_mathematics.ipynb) · about 4 min on two CPU cores ·
# [Solutions](solutions/04_latent_space.ipynb)*
#
# **Only here to turn one digit into another?** Run the next two cells and
# drag. Or open [the playground](figures/playground.html) in a browser: the
# same and more, in one file that needs neither Python nor a network.

# %%
import math
from functools import partial
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.path import Path as Outline
from sklearn.metrics import silhouette_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import nn
from torch.func import jacrev, vmap
from torchvision.transforms.functional import InterpolationMode, rotate

from tutorial_utils import (
    VAE, Autoencoder, bernoulli_nll, confidence, decode_grid, digit_classifier,
    evaluate, kl_per_dimension, knn_accuracy, knn_confusion, load_images,
    load_pretrained, local_seed, log_normal, mlp, negative_elbo, plot_codes,
    reparameterize, show_animation, show_figure, show_image, show_rows,
    start_at_mean_image, train_many, traversal_grid, tsne_many,
    warmup_then_linear,
)
from tutorial_utils.checks.nb04 import (
    check_central_difference, check_collapsed, check_midpoint_length,
)
from tutorial_utils.pages.playground import export_playground
from tutorial_utils.studios.drawing import drawing_studio, image_of_strokes
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.studios.pad import latent_pad
from tutorial_utils.studios.traversal import traversal_panel

# %%
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]
sizes = [2, 8, 16, 64]  # numbers in the code
epochs, batch_size, lr = 1, 128, 5e-3

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test

shipped = load_pretrained("vae_2d")  # a VAE with two numbers, 40 epochs
interpolation_studio(shipped, x_test, y_test)

# %% [markdown]
# Without a kernel, a walk with this model past seven digits:
#
# ![A handwritten digit turns into another and another, from 2 to 3, 8, 7, 9,
# 1, 0 and back to 2](figures/morph.gif)
#
# ## The map, twice
#
# With two numbers the latent space can be drawn as it is. Most texts show the
# means $\mu$ of $q(z|x)$. What the decoder gets in training are *samples*
# $z = \mu + \sigma\varepsilon$. All samples of all images together follow the
# **aggregate posterior**
#
# $$q(z) = \frac1N \sum_n q(z|x_n),$$
#
# and this is what should resemble the prior, so that codes drawn from the
# prior are codes that the decoder knows.

# %%
def log_aggregate(z, mu, logvar):  # [M, D], [N, D], [N, D] -> [M]
    z, mu, logvar = z.double(), mu.double(), logvar.double()
    precision = (-logvar).exp()
    squares = z.square() @ precision.T - 2 * z @ (mu * precision).T
    constants = (mu.square() * precision + logvar
                 + math.log(2 * math.pi)).sum(1)
    log_q = -0.5 * (squares + constants)  # every z under every q(z|x)
    return (log_q.logsumexp(1) - math.log(len(mu))).float()


axis = torch.linspace(-4, 4, 81)
grid = torch.cartesian_prod(axis, axis)
with torch.no_grad(), local_seed(0):
    mu, logvar = shipped.encode(x_test)
    z = reparameterize(mu, logvar)
q = log_aggregate(grid, mu[:3000], logvar[:3000]).exp().reshape(81, 81).T
print(f"q(z), added up over the map: {q.sum() * 0.1**2:.3f}")

# %%
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.6), sharex=True, sharey=True)
plot_codes(mu, y_test, title=f"Means, std {mu.std():.2f}", ax=axes[0])
plot_codes(z, y_test, title=f"Samples, std {z.std():.2f}", ax=axes[1])
prior = (-grid.square().sum(1) / 2).exp().reshape(81, 81).T / 2 / math.pi
levels = [0.003, 0.02, 0.05, 0.1]
axes[2].contourf(axis, axis, q, levels=[*levels, 1],
                 colors=["#dbe9f6", "#9dc6e2", "#4b93c6", "#08509b"])
axes[2].contour(axis, axis, prior, levels, colors="black", linewidths=1)
axes[2].set(title="Aggregate (blue), prior (lines)", xlabel="$z_1$")
axes[0].set(xlim=(-4, 4), ylim=(-4, 4))
for ax in axes:
    ax.set_aspect("equal")
show_figure(fig, alt="Three maps. Means of test images as digit glyphs, with "
            "gaps between classes; samples, nearly the same; the aggregate "
            "in blue, round but uneven, and the prior's round contours.")

# %% [markdown]
# *What to see:* the standard deviations are close to the prior's 1, and the
# aggregate covers the prior's disk, unevenly: small gaps, classes as hills.
#
# ### The decoded map
#
# Decode a grid of codes and you see the whole map. Which grid?

# %%
quantiles = torch.special.ndtri((torch.arange(15) + 0.5) / 15)
grids = {"linear, −1 to 1": torch.linspace(-1, 1, 15),
         "normal quantiles": quantiles,
         "linear, −4 to 4": torch.linspace(-4, 4, 15)}
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.5))
for ax, (name, axis) in zip(axes, grids.items()):
    show_image(decode_grid(shipped, z_1=axis, z_2=axis), title=name, ax=ax)
    inside = torch.special.ndtr(axis[-1]) - torch.special.ndtr(axis[0])
    print(f"{name:16} has {inside**2:.0%} of the prior inside")
show_figure(fig, alt="Three grids of decoded digits: from a small square in "
            "the middle, where 0 is missing and 1 and 7 stand at the rim; on "
            "normal quantiles, where all classes appear; and from a large "
            "square, whose wide rim repeats a few digits.")

# %% [markdown]
# *What to see:* a square of $\pm 1$ hides half of what the prior would draw,
# every 0 among it. A wide linear grid spends most images on places where the
# prior almost never goes. On **normal quantiles** each image stands for the
# same share of the prior: that picture is what the model makes.
#
# ## Four sizes, and rivals
#
# Now train: VAEs with codes of four sizes, autoencoders for comparison, a VAE
# without KL ($\beta = 0$) and one with far too much, all with the same layers
# and schedule, and all but the last with three seeds. With two cores, **about
# a minute**.

# %%
def make_model(k, n_out):
    encoder = mlp([784, 400, n_out])
    decoder = mlp([k, 200, 400, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    if n_out == k:
        return Autoencoder(encoder, decoder)
    return VAE(encoder, decoder, latent_dim=k)


def plain_loss(model, x):
    return {"loss": bernoulli_nll(model(x), x)}


settings = {"x": x_train, "epochs": epochs, "batch_size": batch_size,
            "lr": lr, "schedule": warmup_then_linear}


def job(make, seed, loss_fn=negative_elbo):
    return dict(settings, make_model=make, seed=seed, loss_fn=loss_fn)


# %%
def trained_models(jobs):  # {(name, seed): job} -> {(name, seed): model}
    named = {f"04_{name}_seed_{seed}": j for (name, seed), j in jobs.items()}
    found = train_many(named, retrain=RETRAIN).values()
    return dict(zip(jobs, [model for model, _ in found]))


no_kl, collapsed = [partial(negative_elbo, beta=b) for b in (0.0, 200.0)]
jobs = {("collapsed", 0): job(partial(make_model, 64, 128), 0, collapsed)}
for seed in seeds:
    for k in sizes:
        jobs[f"vae_{k}", seed] = job(partial(make_model, k, 2 * k), seed)
    for k in [2, 64]:
        jobs[f"ae_{k}", seed] = job(partial(make_model, k, k), seed,
                                    plain_loss)
    jobs["no_kl", seed] = job(partial(make_model, 64, 128), seed, no_kl)
models = trained_models(jobs)
judge = digit_classifier(data, retrain=RETRAIN)


# %%
@torch.no_grad()
def codes(model, x=x_test):  # mu and logvar; an autoencoder has no logvar
    out = model.encode(x)
    return out if isinstance(out, tuple) else (out, None)


def sampled_codes(model, x):
    mu, logvar = codes(model, x)
    with local_seed(0):
        return mu if logvar is None else reparameterize(mu, logvar)


def span(values, digits=2):  # over the seeds
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


for name in ["vae_2", "no_kl", "collapsed"]:
    mu, _ = codes(models[name, 0])
    z = sampled_codes(models[name, 0], x_test)
    print(f"{name:10} std of means {mu.std():.3f}, of samples {z.std():.3f}")

# %% [markdown]
# *What to see:* with a huge $\beta$ the means shrink to a point, while the
# samples are a perfect $N(0, I)$. An earlier tutorial called such concentrated
# codes "more normal". It plotted the means: a cloud of *means* that is tight
# against $\sigma$ says next to nothing. Print both numbers.
#
# ## Walking
#
# Two codes, three ways from one image to the other: the straight line between
# the codes, the **great circle** around the origin, and, without any model, a
# cross-fade of pixels. Why a circle? In many dimensions the prior's draws all
# have nearly the same length, $\sqrt D$, and a straight line cuts through the
# inside of that shell.

# %%
def straight_line(z_a, z_b, t):  # [D], [D], [n] -> [n, D]
    t = t[:, None]
    return (1 - t) * z_a + t * z_b


def great_circle(z_a, z_b, t):  # the direction turns, the length changes
    t = t[:, None]
    a, b = z_a / z_a.norm(), z_b / z_b.norm()
    angle = (a @ b).clamp(-0.9999, 0.9999).arccos()
    direction = ((1 - t) * angle).sin() * a + (t * angle).sin() * b
    length = (1 - t) * z_a.norm() + t * z_b.norm()
    return length * direction / direction.norm(dim=1, keepdim=True)


# %%
t = torch.linspace(0, 1, 41)
generator = torch.Generator().manual_seed(0)
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3), sharex=True)
for ax, k in zip(axes, [2, 64]):
    pairs = torch.randn(200, 2, k, generator=generator)
    for path, line in [(straight_line, "-"), (great_circle, "--")]:
        lengths = torch.stack([path(a, b, t).norm(dim=1) for a, b in pairs])
        ax.plot(t, lengths.mean(0), line, marker="", color="black",
                label=path.__name__.replace("_", " "))
        print(f"{k:2} numbers, {path.__name__:13} half way "
              f"{lengths[:, 20].mean():.2f}, at the ends "
              f"{lengths[:, [0, -1]].mean():.2f}")
    low, high = torch.randn(20_000, k, generator=generator).norm(
        dim=1).quantile(torch.tensor([0.005, 0.995]))
    ax.axhspan(low, high, color="C0", alpha=0.2, label="99 % of the prior")
    ax.set(title=f"{k} numbers", xlabel="$t$", ylim=(0, None))
axes[0].set_ylabel("mean length of the code")
axes[1].legend(loc="lower center")
show_figure(fig, alt="Length along the path for pairs of prior draws. With 2 "
            "numbers the straight line stays within the broad band of the "
            "prior; with 64 it leaves the narrow band half way, and the great "
            "circle stays in it.")


# %% [markdown]
# Does it matter to the picture? Walk between 300 pairs of test images of
# different classes, in every model, and ask 01's judge at 21 places: how sure
# are you half way, and which *third* digits did you see on the way?

# %%
t = torch.linspace(0, 1, 21)
different = (y_test[:1000] != y_test[1000:2000]).nonzero().flatten()[:300]


@torch.no_grad()
def walk(model, path):  # -> confidence half way, third digits per walk
    mu, _ = codes(model, x_test[:2000])
    z = torch.stack([path(mu[i], mu[1000 + i], t) for i in different])
    scores = judge(model.decode(z.flatten(0, 1)).sigmoid()).softmax(1)
    named = scores.argmax(1).reshape(-1, 21).tolist()
    third = sum(len(set(row) - {row[0], row[-1]}) for row in named)
    sure = scores.amax(1).reshape(-1, 21)[:, 10].mean().item()
    return sure, third / len(named)


print("model · path             sure half way   third digits per walk")
for name in ["vae_2", "ae_2", "vae_64", "ae_64"]:
    for path in [straight_line, great_circle]:
        sure, third = zip(*[walk(models[name, s], path) for s in seeds])
        print(f"{name:7} {path.__name__:16} {span(sure)}    {span(third)}")
fades = [straight_line(x_test[i].flatten(), x_test[1000 + i].flatten(), t)
         for i in different]
fades = torch.stack(fades)[:, 10].reshape(-1, 1, 28, 28)
print(f"pixel cross-fade         {confidence(judge, fades).mean():.2f}")

# %% [markdown]
# *What to see:* with **two** numbers the plane is so crowded that a walk
# passes through one to two third digits; with 64, through half a digit on
# average. The circle helps the VAE with 64 numbers a little, the others less
# or not. And "autoencoders cannot be walked through"? On straight lines the
# judge is half way about as sure in theirs as in the VAE's, and cross-fading
# is only somewhat worse.
#
# Drag it yourself: two models, three paths, the judge's verdict, the density
# of the codes, the path on the map. *Save GIF* keeps what you see.

# %%
studio = interpolation_studio(models["vae_2", 0], x_test, y_test,
                              other=models["ae_2", 0], judge=judge)
studio

# %%
a, b = 1, 2  # a 2 and a 1
t9 = torch.linspace(0, 1, 9)
rows = {"pixels": straight_line(x_test[a].flatten(), x_test[b].flatten(),
                                t9).reshape(-1, 1, 28, 28)}
with torch.no_grad():
    for name in ["ae_2", "vae_2", "ae_64", "vae_64"]:
        for path in [straight_line, great_circle]:
            z_a, z_b = codes(models[name, 0], x_test[[a, b]])[0]
            label = f"{name} {path.__name__.split('_')[1]}"
            image = models[name, 0].decode(path(z_a, z_b, t9)).sigmoid()
            rows[label] = image
fig = show_rows(rows, size=0.6, title="From a 2 to a 1, nine ways")
show_figure(fig, alt="Nine rows of nine images from a 2 to a 1. Pixels: two "
            "digits over each other. Codes of two numbers: blurred at "
            "first, other digits on the way. Codes of 64: the 2 thins to a 1.")

# %% [markdown]
# An earlier tutorial walked from a 2 to a 1 with two numbers, and passed 3, 8,
# 7, 9. Here is the richest of 144 walks, in the shipped model, and two with 64
# numbers.

# %%
@torch.no_grad()
def frames_between(model, a, b, n=21):  # indices -> images and their names
    z_a, z_b = codes(model, x_test[[a, b]])[0]
    images = model.decode(straight_line(z_a, z_b, torch.linspace(0, 1, n)))
    return images.sigmoid(), judge(images.sigmoid()).argmax(1).tolist()


def passed(names):  # 2 2 3 3 1 -> 2 3 1
    return [k for k, before in zip(names, [None, *names]) if k != before]


twos, ones = [(y_test == k).nonzero()[:12].flatten() for k in (2, 1)]
richest = max(((int(a), int(b)) for a in twos for b in ones), key=lambda pair:
              len(set(frames_between(shipped, *pair)[1])))
gifs = {"morph_2_numbers": (shipped, *richest),
        "morph_64_numbers_2_to_1": (models["vae_64", 0], *richest),
        "morph_64_numbers_4_to_0": (models["vae_64", 0], 4, 3)}

# %%
strips = {}
for name, (model, a, b) in gifs.items():
    images, names = frames_between(model, a, b)
    labels = [f"t = {i / 20:.2f}: {k}" for i, k in enumerate(names)]
    there_and_back = torch.cat([images, images.flip(0)])
    print(f"{name} passes", *passed(names))
    show_animation(there_and_back, labels=labels + labels[::-1], levels=64,
                   alt=f"Animation {name}: a {names[0]} turns into a "
                   f"{names[-1]} and back, the judge's name under each frame.")
    strips[name[6:].replace("_", " ")] = images[::2]
fig = show_rows(strips, size=0.65, title="On paper, every second frame")
show_figure(fig, alt="Three rows of eleven images. With two numbers, a 2 "
            "turns into a 1 through several other digits; with 64 numbers a 2 "
            "narrows to a 1, and a 4 closes to a 0.")

# %% [markdown]
# ## How many numbers?
#
# An **active unit** is a latent number that is used: here, one with a mean KL
# above 0.01 nats. And how far is the aggregate posterior from the prior? Write
# $\log q(z|x) - \log p(z)$ as $[\log q(z|x) - \log q(z)] + [\log q(z) - \log
# p(z)]$ and average over everything:
#
# $$\underbrace{\mathbb E\,\mathrm{KL}(q(z|x)\,\|\,p(z))}_{\text{kl}} =
# \underbrace{I(x; z)}_{\text{information}} +
# \underbrace{\mathrm{KL}(q(z)\,\|\,p(z))}_{\text{mismatch}}$$
#
# So the KL does not ask every code to be a standard normal: it pays for
# information, what a code says about its image, and for mismatch, and only the
# second spoils prior samples. For $N$ test images `log_aggregate` gives $\log
# q(z)$ exactly. It contains the posterior of each code's own image, so the
# mismatch comes out too high for *new* images, the more so the longer the
# code: the information of $N$ images is at most $\log N$. From below: fit any
# density $r$ to training codes; on test codes $\mathbb E \log r(z) - \log
# p(z)$ is, on average, at most the mismatch. Our $r$ is a **mixture**, a
# weighted sum, of ten Gaussians.

# %%
def fit_mixture(z, seed):
    mixture = GaussianMixture(10, tol=0.1, random_state=seed)
    with threadpool_limits(1):  # faster: so small a job is not worth two
        return mixture.fit(z.double().numpy())


def mismatch(mu, logvar, mixture):  # from below and from above, in nats
    with local_seed(0):
        z = reparameterize(mu, logvar)
    log_p = log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
    low = mixture.score(z.double().numpy()) - log_p.mean().item()
    high = (log_aggregate(z[::20], mu, logvar) - log_p[::20]).mean().item()
    return low, high


@torch.no_grad()
def sure_of(model, z):
    return confidence(judge, model.decode(z).sigmoid()).mean().item()

# %%
mixtures, table = {}, {}
for k in sizes:
    for seed in seeds:
        model = models[f"vae_{k}", seed]
        z = sampled_codes(model, x_train[:30_000])
        mixtures["vae", k, seed] = fit_mixture(z, seed)
        noise = torch.randn(2000, k, generator=generator)
        mu, logvar = codes(model)
        table[k, seed] = row = evaluate(model, x_test, negative_elbo)
        kl = kl_per_dimension(mu, logvar)
        row["active"] = (kl > 0.01).sum().item()
        row["over 0.1 nats"] = (kl > 0.1).sum().item()
        row["k-NN"] = knn_accuracy(mu[:5000], y_test[:5000])
        row["low"], row["high"] = mismatch(mu, logvar,
                                           mixtures["vae", k, seed])
        row["prior"] = sure_of(model, noise)
        row["posterior"] = sure_of(model, sampled_codes(model, x_test[:2000]))
show = {"loss": 1, "kl": 1, "active": 0, "over 0.1 nats": 0, "k-NN": 3,
        "low": 2, "high": 2, "prior": 2, "posterior": 2}
print(" " * 15, *[f"{k:>14}" for k in sizes])
for name, digits in show.items():
    cells = [span([table[k, s][name] for s in seeds], digits) for k in sizes]
    print(f"{name:15}", *[f"{cell:>14}" for cell in cells])
gaps = {key: row["posterior"] - row["prior"] for key, row in table.items()}
assert all((gap > 0.08) == (k > 2) for (k, _), gap in gaps.items())

# %%
generator = torch.Generator().manual_seed(0)
rows = {}
with torch.no_grad():
    for k in sizes:
        model = models[f"vae_{k}", 0]
        rows[f"prior, {k}"] = model.sample(12, generator=generator)
        z = sampled_codes(model, x_test[:12])
        rows[f"posterior, {k}"] = model.decode(z).sigmoid()
fig = show_rows(rows, size=0.62, title="From 8 numbers on, most posterior "
                "samples are digits, many prior samples are not")
show_figure(fig, alt="Eight rows of twelve images: for 2, 8, 16 and 64 "
            "numbers decoded prior samples, then decoded posterior samples of "
            "the first images. Most posterior samples become clear digits; "
            "prior samples become sharper too, but many are no digit.")

# %% [markdown]
# *What to see:* `loss` is $-$ELBO on test images, `k-NN` (nearest neighbors)
# how often the ten nearest means name the class, `low` and `high` bracket the
# mismatch, and the last two rows are the judge's mean confidence in decoded
# prior and posterior samples. More numbers pay until 16. Of 64, most say next
# to nothing, though they pass 0.01 nats, and $-$ELBO is three to four nats
# worse. With two, prior samples are nearly as good as posterior samples; from
# 8 on the gap is there, and `low` grows. (`high` is hardly more than kl $-
# \log N$.)
#
# "The decoder has never seen such a vector", they say, and this is partly
# right: the prior puts mass where the aggregate has little. **The repair**
# needs no training: draw codes from the mixture fitted to training codes. The
# autoencoder gets the same repair.

# %%
drawn = {}
for name in ["vae", "ae"]:
    for seed in seeds:
        model = models[f"{name}_64", seed]
        z = sampled_codes(model, x_train[:30_000])
        if name == "ae":
            mixtures["ae", 64, seed] = fit_mixture(z, seed)
        noise = torch.randn(2000, 64, generator=generator)
        mixture = mixtures[name, 64, seed].sample(2000)[0]  # in order
        mixture = torch.from_numpy(mixture).float()[noise[:, 0].argsort()]
        drawn[name, seed] = {"N(0, I)": noise,
                             "mean, std": z.mean(0) + z.std(0) * noise,
                             "mixture": mixture}

# %%
rows = {}
for name, kind in product(["vae", "ae"], drawn["vae", 0]):
    scores = [sure_of(models[f"{name}_64", seed], drawn[name, seed][kind])
              for seed in seeds]
    print(f"{name:3} codes from {kind:10} confidence {span(scores)}")
    assert (min(scores) > 0.88) == (kind == "mixture")
    with torch.no_grad():
        z = drawn[name, 0][kind][:12]
        rows[f"{name}, {kind}"] = models[f"{name}_64", 0].decode(z).sigmoid()
fig = show_rows(rows, size=0.62, title="A mixture fitted to the codes repairs "
                "both models")
show_figure(fig, alt="Six rows of twelve images, decoded from 64 numbers. VAE "
            "from the prior: many odd shapes; from the mixture: mostly "
            "digits. Autoencoder: from N(0, I) tangles, from the mixture "
            "mostly digits.")

# %% [markdown]
# *What to see:* with the mixture, judge and eye find the VAE's *and* the
# autoencoder's images better, and the judge is as sure of both. The mixture
# closes most of the VAE's gap. What the VAE has of its own is a prior to draw
# from without a fit, if a rough one.
#
# ## Wider, deeper?
#
# An earlier tutorial compared layers 400-256, 400-128 and 256-128, and depths
# up to 400-256-64-10, with two latent numbers. It reported "KL ratio
# `0.99999`", which is the share of the *reconstruction*: its KL weight was
# $10^{-5}$, averaged over pixels, so $\beta = 784 \cdot 10^{-5}$. Here at that
# $\beta$ and at 1, one pass over half of the images, with three seeds each:
# **about a minute**.

# %%
layers = ["256-128", "400-128", "400-256", "400-256-64", "400-256-64-10"]
betas = [0.00784, 1.0]
half = x_train[:30_000]


def make_layers(name):
    hidden = [int(n) for n in name.split("-")]
    net = partial(mlp, activation=nn.ReLU)
    decoder = net([2, *hidden[::-1], 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(net([784, *hidden, 2 * 2]), decoder, latent_dim=2)


jobs = {}
for name, (i, beta), seed in product(layers, enumerate(betas), seeds):
    loss_fn = partial(negative_elbo, beta=beta)
    own = job(partial(make_layers, name), seed, loss_fn)
    jobs[f"{name}_beta_{i}", seed] = own | {
        "x": half, "batch_size": 64, "lr": 6e-3}
layer_models = trained_models(jobs)

# %%
wide = {(name, beta): [layer_models[f"{name}_beta_{i}", s] for s in seeds]
        for name in layers for i, beta in enumerate(betas)}
print("β       layers       test BCE, nats    −ELBO             k-NN, means")
bce = {}
for (name, beta), found in sorted(wide.items(), key=lambda g: g[0][1]):
    rows = [evaluate(model, x_test, negative_elbo) for model in found]
    bce[name, beta] = [row["recon_loss"] for row in rows]
    mus = [codes(model, x_test[:3000])[0] for model in found]
    near = [knn_accuracy(mu, y_test[:3000]) for mu in mus]
    print(f"{beta:<7} {name:13} {span(bce[name, beta], 1)}    "
          f"{span([row['loss'] for row in rows], 1)}    {span(near)}")
for beta in betas:
    small, wider, deep = [sum(bce[name, beta]) / 3 for name in
                             ("256-128", "400-256", "400-256-64-10")]
    assert wider + 1 < min(small, deep)

# %%
fig, axes = plt.subplots(4, 5, figsize=(9.5, 8))
for column, name in enumerate(layers):
    for i, beta in enumerate(betas):
        model = wide[name, beta][0]
        mu, _ = codes(model, x_test[:2000])
        top, below = axes[2 * i:2 * i + 2, column]
        plot_codes(mu, y_test[:2000], n=600, ax=top)
        top.set(title=f"{name}\nβ = {beta:g}", xlabel="", ylabel="")
        ends = mu.quantile(torch.tensor([0.02, 0.98]), dim=0)
        u, v = [torch.linspace(*ends[:, j].tolist(), 7) for j in (0, 1)]
        show_image(decode_grid(model, z_1=u, z_2=v), ax=below)
show_figure(fig, alt="For five networks and two values of beta: a scatter of "
            "the means as digit glyphs, and the digits decoded all over it. "
            "With the small beta the clouds are three times as wide, or more; "
            "the deepest network at beta 1 mixes most classes.")

# %%
pairs, rates = [(4, 9), (3, 5), (5, 8), (3, 8), (2, 3), (2, 5), (2, 8)], []
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.1))
for ax, name in zip(axes, layers):
    found = [codes(model, x_test[:5000])[0] for model in wide[name, betas[0]]]
    shares = torch.stack([knn_confusion(mu, y_test[:5000]) for mu in found])
    image = ax.imshow(shares.mean(0), cmap="Blues", vmax=0.6)
    ax.set(title=name, xticks=range(10), yticks=range(10), xlabel="named")
    ax.grid(False)
    both = (shares + shares.mT) / 2  # a taken for b, and b for a: the mean
    rates.append([f"{name}: {span(both[:, a, b])}" for a, b in pairs])
for (a, b), row in zip(pairs, zip(*rates)):
    print(f"{a}-{b}  ", "   ".join(row))
fig.colorbar(image, ax=axes, label="share of the row's class", extend="max")
show_figure(fig, alt="Three confusion matrices of k-NN on the means, a row "
            "per class. Off the diagonal, 4, 9 and 3, 5, 8 are darkest.")

# %% [markdown]
# *What to see, and the verdict.* **Width:** they do not reconstruct alike;
# 256-128 is worse than 400-256 at both $\beta$, by more than a nat on average.
# 400-256 and 400-128 overlap over the seeds. **Depth:** one more layer of 64
# does not help: after so short a training it costs two to three nats of test
# BCE, on average. A layer of 10 costs more each time, and can fail altogether:
# a test BCE near 206 is the mean image. So go wide first. **Overlaps**, at the
# small $\beta$: 4 with 9, and 3, 5 and 8 with each other, as was reported; but
# not that only 256-128 confuses 2 with 3, 5 and 8.
#
# ## The same glasses for everyone: t-SNE
#
# More than two numbers need a projection. **t-SNE** places points in the plane
# so that each keeps its nearest neighbors; *perplexity* is about how many. It
# invents distances, sizes and empty spaces, and may make several clusters of
# one. So: the same projection for all, and beside each picture numbers from
# the *full* space, the accuracy of k-NN and the **silhouette** (how much
# nearer a code is to its own class than to the next, from $-1$ to 1). Eight
# pictures, **about half a minute**.

# %%
few, y_few = x_test[:800], y_test[:800]
spaces = {name: codes(models[name, 0], few)[0]
          for name in ["ae_64", "no_kl", "vae_64", "collapsed"]}
spaces["noise"] = torch.randn(800, 64, generator=generator)
others = {name: (spaces["vae_64"], own) for name, own in
          {"perplexity_2": {"perplexity": 2.0}, "seed_1": {"seed": 1},
           "perplexity_100": {"perplexity": 100.0}}.items()}
pictures = tsne_many(spaces | others, perplexity=30.0, seed=0, init="random")


# %%
def show_embeddings(names, alt):
    fig, axes = plt.subplots(1, len(names), figsize=(9.5, 3.6))
    for ax, name in zip(axes, names):
        space = knn_accuracy(spaces.get(name, spaces["vae_64"]), y_few)
        plane = knn_accuracy(pictures[name], y_few)
        title = f"{name}\nk-NN {space:.2f}, in the picture {plane:.2f}"
        plot_codes(pictures[name], y_few, n=800, title=title, ax=ax)
        ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
    show_figure(fig, alt=alt)


main = ["ae_64", "no_kl", "vae_64"]
show_embeddings(main, "Three t-SNE pictures of digit glyphs, of an "
                "autoencoder, of a VAE without KL and of a VAE: each shows "
                "about ten islands, 4 and 9 side by side.")

# %%
apart = {}
x, y = x_test[:1500], y_test[:1500]  # for numbers, more images
print("full space     k-NN, means      k-NN, samples    silhouette")
for name in ["vae_2", *main]:
    mus = [codes(models[name, seed], x)[0] for seed in seeds]
    near = [knn_accuracy(mu, y) for mu in mus]
    drawn = [knn_accuracy(sampled_codes(models[name, seed], x), y)
             for seed in seeds]
    apart[name] = [silhouette_score(mu, y) for mu in mus]
    print(f"{name:14} {span(near, 3)}   {span(drawn, 3)}   "
          f"{span(apart[name], 3)}")
pixels = x.flatten(1)
print(f"pixels         {knn_accuracy(pixels, y):.3f}"
      f"{silhouette_score(pixels, y):34.3f}")
assert max(apart["vae_64"]) < min(apart["ae_64"] + apart["no_kl"])

# %% [markdown]
# *What to see:* all three have the same islands. Nobody asked for classes:
# images that look alike get neighboring codes because the networks are smooth,
# and digits of a class look alike, in pixels already. So *reconstruction*
# makes the clusters, with or without KL, VAE or not, and k-NN is right as
# often. What the KL does is pull all codes toward the middle until gaps cost
# more than they bring: the silhouette is a little lower for the VAE, in every
# seed. The *means* of 64 numbers keep classes apart better than those of 2;
# samples do not, since most of the 64 are nearly pure noise.
#
# ### Predict
#
# The VAE with $\beta = 200$ says nothing: its KL is almost 0. What will a
# t-SNE of its means show? And one of pure noise?

# %%
show_embeddings(["collapsed", "noise"], "Two t-SNE pictures, each a cloud of "
                "digit glyphs; the classes are mixed, in the first not quite.")
for name in ["vae_64", "collapsed"]:
    mu, logvar = codes(models[name, 0])
    kl = kl_per_dimension(mu, logvar).sum()
    near = knn_accuracy(sampled_codes(models[name, 0], few), y_few)
    print(f"{name:10} std of the means {mu.std():.4f}, kl {kl:.4f} nats, "
          f"k-NN of samples {near:.2f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Two clouds; in the first, 0s, 1s and 4s still gather. t-SNE has no ruler: it
# magnifies means that differ by a thousandth of the prior's width as gladly as
# any other.
# </details>
#
# *What to see:* nothing in the picture says that all these codes lie within
# about a thousandth of 0, and its round cloud is no standard normal. k-NN
# finds traces of the classes in the last digits of the means, but none in
# samples. Read the std of the means and the KL *before* you look. Now three
# more pictures of one good code:

# %%
show_embeddings(["perplexity_2", "perplexity_100", "seed_1"],
                "Three more t-SNE pictures of the same codes: crumbs at "
                "perplexity 2, looser islands at 100, and with another "
                "seed the islands in other places.")

# %% [markdown]
# *What to see:* the same codes every time. Sizes, gaps and places belong to
# the settings; what stays is who is whose neighbor.
#
# ## What does one number mean?
#
# Two derivatives say it. The encoder's Jacobian $\partial \mu_j / \partial
# x_i$: which pixels move $\mu_j$? And the decoder's sensitivity $\partial \hat
# x_i / \partial z_j$: which pixels does it move? Here on a table of 48 columns
# with 3 latent numbers, the size that an earlier tutorial used. Its table is
# not known, so take two: images of 3 and 8, pooled to 8 × 6 pixels, and a
# table whose **factors are known**: three hidden numbers, one drives 20
# columns, one 12, one 8, and 8 columns are coin flips.

# %%
def make_table(n, seed):  # -> columns [n, 48], factors [n, 3]
    generator = torch.Generator().manual_seed(seed)
    factors = torch.randn(n, 3, generator=generator)
    logits = 4 * torch.cat([factors, torch.zeros(n, 1)], 1)[:, owner]
    return torch.bernoulli(logits.sigmoid(), generator=generator), factors


def make_small():
    return VAE(mlp([48, 64, 6]), mlp([3, 64, 48]), latent_dim=3)


def train_small(name, x):
    return list(trained_models({(name, seed): job(make_small, seed) | {
        "x": x, "epochs": 10} for seed in seeds}).values())


owner = torch.tensor([0] * 20 + [1] * 12 + [2] * 8 + [3] * 8)
table_models = train_small("table", make_table(20_000, seed=0)[0])
chosen = (data.y_train == 3) | (data.y_train == 8)
pooled = nn.functional.adaptive_avg_pool2d(x_train[chosen][..., 4:24], (8, 6))
digit_models = train_small("pooled", pooled.flatten(1))

# %%
# jacrev: all derivatives of one row; vmap: for every row
def encoder_jacobian(model, x):  # [N, 48] -> [N, 3, 48]
    return vmap(jacrev(lambda row: model.encode(row[None])[0][0]))(x).detach()


def paint(model, z):  # [3] -> [48]
    return model.decode(z[None])[0].sigmoid()


def decoder_jacobian(model, z):  # [N, 3] -> [N, 48, 3]
    return vmap(jacrev(partial(paint, model)))(z).detach()


@torch.no_grad()
def mean_effects(model, x):  # of encoder and decoder, both [3, 48]
    mu = codes(model, x)[0]
    return (encoder_jacobian(model, x).mean(0),
            decoder_jacobian(model, mu).mean(0).T)


# %%
x_table, factors = make_table(1000, seed=99)
fig, axes = plt.subplots(2, 1, figsize=(8, 2.4), sharex=True)
for seed, model in zip(seeds, table_models):
    mu, effects = codes(model, x_table)[0], mean_effects(model, x_table)
    names = torch.corrcoef(torch.cat([mu, factors], 1).T)[:3, 3:].abs()
    for j, k in enumerate(names.argmax(1)):
        n = (owner == k).sum()
        top = [map_[j].abs().argsort(descending=True)[:n] for map_ in effects]
        hits = [(owner[columns] == k).sum().item() for columns in top]
        print(f"seed {seed}: z_{j + 1} has the factor of {n:2} columns; "
              f"encoder finds {hits[0]} of them, decoder {hits[1]}")
        assert min(hits) == n
for ax, map_, name in zip(axes, effects, ["encoder", "decoder"]):
    ax.imshow(map_ / map_.abs().max(), cmap="PuOr", vmin=-1, vmax=1,
              aspect="auto")
    ax.set_ylabel(name)
    ax.set_yticks(range(3), ["$z_1$", "$z_2$", "$z_3$"])
    ax.set_xticks([9.5, 25.5, 35.5, 43.5], ["20 columns of factor 1",
                                            "12 of 2", "8 of 3", "coins"])
    ax.vlines([19.5, 31.5, 39.5], -0.5, 2.5, color="black", linewidth=1)
    ax.grid(False)
show_figure(fig, alt="Two heat maps of 3 latent numbers by 48 columns, for "
            "encoder and decoder. In each row one block is purple or orange: "
            "20, 12 or 8 columns; the coin flips stay white.")

# %%
small = pooled[:1000].flatten(1)
fig, axes = plt.subplots(1, 8, figsize=(9.5, 2.2))
for ax, k in zip(axes[:2], [3, 8]):
    mean = pooled[data.y_train[chosen] == k].mean(0)
    show_image(mean, title=f"mean {k}", ax=ax)
effects = torch.cat(mean_effects(digit_models[0], small))
for n, (ax, row) in enumerate(zip(axes[2:], effects)):
    show_image(row.view(8, 6) / row.abs().max(), cmap="PuOr", vmin=-1, ax=ax,
               title=f"{'encoder' if n < 3 else 'decoder'} $z_{n % 3 + 1}$")
show_figure(fig, alt="Mean images of 3 and 8 at 8 by 6 pixels, and for three "
            "latent numbers the encoder's and the decoder's mean derivative "
            "as images in purple and orange, the decoder's showing strokes.")

# %% [markdown]
# *What to see:* on the table the right columns come out on top, every one, in
# encoder and decoder and for each seed. So attribution can be trusted in this
# easy case. On digits, unchecked, the decoder's maps read as parts of strokes
# (purple pixels rise with the number, orange ones fall).
#
# An earlier tutorial approximated the decoder's sensitivity by $f(z_1 +
# \theta) / \theta$. Without subtracting $f(z_1)$ that has no limit. Three ways
# against autograd:

# %%
model = digit_models[0]
z = codes(model, small[:1])[0][0]
exact = decoder_jacobian(model, z[None])[0][:, 0]
steps = torch.logspace(-6, 0, 25)
step_1 = torch.tensor([1.0, 0.0, 0.0])
f = partial(paint, model)
with torch.no_grad():
    estimates = {
        "f(z + h) / h": [f(z + h * step_1) / h for h in steps],
        "forward": [(f(z + h * step_1) - f(z)) / h for h in steps],
        "central": [(f(z + h * step_1) - f(z - h * step_1)) / (2 * h)
                    for h in steps]}
fig, ax = plt.subplots(figsize=(6, 3))
for name, found in estimates.items():
    errors = [(value - exact).abs().max().item() for value in found]
    print(f"{name:12} smallest error {min(errors):.1e}")
    ax.loglog(steps, errors, label=name, markersize=3)
ax.set(xlabel="step h", ylabel="largest error", title="Too small a step is "
       "as bad as too large a one")
ax.legend()
show_figure(fig, alt="Error against step size, both logarithmic. Without "
            "subtraction the error grows as the step shrinks. Forward and "
            "central differences are V-shaped, central lower or equal.")

# %% [markdown]
# Below some step, rounding takes over. That tutorial ended in
# mid-sentence, at "the gradients show interdependencies between each
# dimension". The effect of a number depends on where *you stand*, in all the
# others. Here is $\partial \hat x / \partial z_1$ as $z_2$ moves:

# %%
places = [-2.0, -1.0, 0.0, 1.0, 2.0]
stand = torch.tensor([[0.0, z_2, 0.0] for z_2 in places])
fig, axes = plt.subplots(1, 5, figsize=(6, 2.1))
for seed in reversed(seeds):
    effect = decoder_jacobian(digit_models[seed], stand)[..., 0]  # [5, 48]
    alike = nn.functional.cosine_similarity(effect, effect[[2]])
    print(f"seed {seed}, cosine with the middle:",
          *[f"{v:.2f}" for v in alike], " length:",
          *[f"{v:.2f}" for v in effect.norm(dim=1)])
for ax, z_2, row, cosine in zip(axes, places, effect, alike):
    show_image(row.view(8, 6) / effect.abs().max(), cmap="PuOr", vmin=-1,
               title=f"$z_2$ = {z_2:g}\ncosine {cosine:.2f}", ax=ax)
show_figure(fig, alt="Five small images in purple and orange: what z_1 does, "
            "with z_2 from -2 to 2. The pattern moves; the cosine with the "
            "middle one falls to both sides.")

# %% [markdown]
# *What to see:* away from the middle $z_1$ does something else, or does it more
# or less strongly; how much differs between seeds (drawn: seed 0, where it
# changes most). A heat map per number is an average over places. Read such
# maps together, and at the place in question.
#
# ## Hands on
#
# First the map, with one more thing than in 00: the ellipse is $q(z|x)$ of the
# nearest test image, at one and two $\sigma$. Then 16 numbers, of which there
# is no map: sliders for the most active ones.

# %%
mu, logvar = codes(shipped)
latent_pad(shipped, mu, y_test, std=(0.5 * logvar).exp())

# %%
model = models["vae_16", 0]
traversal_panel(model, x_test, y_test)

# %%
mu, logvar = codes(model)
active = kl_per_dimension(mu, logvar).argsort(descending=True)[:6]
image = traversal_grid(model, mu[0], active.tolist(),
                       torch.linspace(-3, 3, 11))
fig, ax = plt.subplots(figsize=(6, 3.4))
show_image(image, title="A 7, one number at a time, from −3 to 3", ax=ax)
ax.grid(False)
ax.set_xticks([14, 154, 294], ["−3", "0", "3"])
ax.set_yticks([14 + 28 * i for i in range(6)],
              [f"$z_{{{j + 1}}}$" for j in active.tolist()])
show_figure(fig, alt="Six rows of eleven images of a 7 that changes slant and "
            "size, turns into another digit, or comes apart, as one latent "
            "number moves.")

# %% [markdown]
# Draw a digit. It is centered and scaled as MNIST's were, encoded, painted,
# and can be an end of the studio above. (No pointer at hand? Choose a test
# image.) The cell after it does the same with a 3 of two strokes, and exports
# the **playground**: a network that you trained, in a file that needs no
# kernel, `playground.html` beside this notebook.

# %%
drawing_studio(models["vae_2", 0], x_test, y_test, studio=studio, judge=judge)

# %%
drawing = image_of_strokes([
    [(0.2, 0.1), (0.8, 0.1), (0.45, 0.45)],
    [(0.45, 0.45), (0.75, 0.55), (0.75, 0.8), (0.5, 0.95), (0.2, 0.85)]])
fig, axes = plt.subplots(1, 3, figsize=(5, 2.1))
show_image(drawing, title="drawn", ax=axes[0])
for ax, k in zip(axes[1:], [2, 16]):
    with torch.no_grad():
        model = models[f"vae_{k}", 0]
        image = model.decode(codes(model, drawing[None])[0]).sigmoid()
    show_image(image[0], title=f"{k} numbers", ax=ax)
show_figure(fig, alt="A 3 drawn with two strokes, and the 3 as the models "
            "with 2 and with 16 numbers paint it.")
page = export_playground(models["vae_16", 0], Path("playground.html"))
print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB")

# %% [markdown]
# ## Where it breaks
#
# **Borders and holes.** How often does one image's posterior straddle a
# border, so that fewer than 18 of 20 samples get one name? And how often is a
# prior draw rare among codes, its density under the mixture under a twentieth
# of the prior's?
#
# **Images that are no upright digits.** Rotate a 7, shift it, and give the
# models the outline of a sneaker.

# %%
@torch.no_grad()
def on_border(model, n=500, draws=20):  # share of images, and the worst one
    mu, logvar = codes(model, x_test[:n])
    with local_seed(0):
        z = torch.stack([reparameterize(mu, logvar) for _ in range(draws)])
    named = judge(model.decode(z.flatten(0, 1)).sigmoid()).argmax(1)
    named = named.reshape(draws, n)
    agree = (named == named.mode(0).values).float().mean(0)
    return (agree < 0.9).float().mean().item(), agree.argmin().item()


@torch.no_grad()
def rarity(k, seed, n=2000):  # prior draws, log of how rare they are as codes
    z = torch.randn(n, k, generator=torch.Generator().manual_seed(seed))
    log_p = log_normal(z, torch.zeros_like(z), torch.zeros_like(z))
    log_r = mixtures["vae", k, seed].score_samples(z.double().numpy())
    return z, log_p - torch.from_numpy(log_r)

# %%
for k in sizes:
    border = [on_border(models[f"vae_{k}", s])[0] for s in seeds]
    rare = [(rarity(k, s)[1] > 3).float().mean().item() for s in seeds]
    print(f"{k:2} numbers: {span(border)} of the images on a border, "
          f"{span(rare)} of the prior rare among codes")

rows = {}
with torch.no_grad(), local_seed(0):
    for k in [2, 16]:
        model = models[f"vae_{k}", 0]
        mu, logvar = codes(model, x_test[[on_border(model)[1]]])
        z = reparameterize(mu.expand(12, k), logvar.expand(12, k))
        rows[f"on a border, {k}"] = model.decode(z).sigmoid()
        z, rare = rarity(k, 0)
        z = z[rare.argsort(descending=True)[:12]]
        rows[f"rarest, {k}"] = model.decode(z).sigmoid()
    names = {name: judge(images).argmax(1).tolist()
             for name, images in rows.items()}
fig = show_rows(rows, size=0.62, above=names, title="Samples of one posterior,"
                " and the rarest of 2,000 prior draws, with the judge's names")
show_figure(fig, alt="Four rows of twelve images, for 2 and 16 numbers: "
            "samples of one posterior, which look alike but get two names or "
            "more; and decoded prior draws from where codes are rare, with "
            "16 numbers partly no digits, and named all the same.")

# %%
outline = [(2, 22), (2, 10), (6, 9), (10, 13), (17, 15), (25, 17), (26, 22)]
pixels = torch.cartesian_prod(torch.arange(28), torch.arange(28)).flip(1)
sneaker = torch.from_numpy(Outline(outline).contains_points(pixels)).float()
x = x_test[0]  # a 7
smooth = InterpolationMode.BILINEAR
odd = {f"{angle}°": rotate(x, angle, smooth) for angle in (0, 30, 90, 180)}
odd |= {f"shift {n}": nn.functional.pad(x, (n, -n)) for n in (4, 8)}
odd["sneaker"] = 0.9 * sneaker.view(1, 28, 28)
odd_x = torch.stack(list(odd.values()))
rows = {"image": odd_x}
print("columns:", *odd, sep="  ")
for k in [2, 16]:
    model = models[f"vae_{k}", 0]
    with torch.no_grad(), local_seed(0):
        rows[f"{k} numbers"] = model.decode(codes(model, odd_x)[0]).sigmoid()
        usual, terms = [negative_elbo(model, x) for x in (x_test, odd_x)]
    for term in ["loss", "kl"]:
        print(f"{k:2} numbers, {term:4}:", *[f"{v:4.0f}" for v in terms[term]],
              f"  99 % of test images: < {usual[term].quantile(0.99):.0f}")
fig = show_rows(rows, size=0.9, above={"image": list(odd)},
                title="Whatever comes in, strokes of digits come out")
show_figure(fig, alt="A 7, rotated by 30, 90 and 180 degrees, shifted by 4 "
            "and 8 pixels, and a sneaker. Below, what models with 2 and 16 "
            "numbers paint: the upright 7 is near, others become other digits "
            "or tangles of strokes.")

# %% [markdown]
# *What to see:* a border runs through many posteriors: samples that look alike
# get different names. From 2 to 16 numbers, fewer images lie on a border, and
# more of the prior is rare among codes; there the decoder now and then paints
# strokes that are no digit. And it paints *every* image as strokes of digits:
# a 7 upside down becomes a 6, a sneaker a 3 or a tangle. The KL hardly says
# so; $-$ELBO warns of some, and not of others (09).
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | good samples mean a good representation | not implied: the judge is as sure of samples of 2 as of 64 numbers, k-NN not; a strong decoder can ignore $z$ |
# | every image's code is pushed to a standard normal | kl = information + mismatch; the KL acts on each $q(z\mid x)$ |
# | a plain autoencoder's latent space has no structure | classes cluster there as well; what it lacks is a known density |
# | t-SNE of 64 numbers is better organized than a plot of 2 | not comparable: same projection, or a number |
# | the gradients of the latent numbers are their meaning | at one place, on average; check where it can be checked |
#
# ## Recap
#
# You walked from digit to digit and measured what you pass · compared codes of
# 2, 8, 16 and 64 numbers, and repaired the prior with a mixture · judged wide
# and deep networks · saw a t-SNE lie, and caught it by numbers · said what a
# single latent number means, where it can be checked · left the map.
#
# ## Exercises
#
# ### 1 · Half way (two minutes, one number)
#
# Two codes are drawn from $N(0, I)$ in 64 dimensions, independently. About how
# long is the middle of the straight line between them?

# %% tags=["exercise"]
length = ...

check_midpoint_length(length)

# %% tags=["solution"]
length = math.sqrt(64 / 2)

check_midpoint_length(length)

# %% [markdown]
# ### 2 · Collapsed? (five minutes, two lines)
#
# Which latent numbers have the prior as their posterior? Mark those whose KL
# to the prior, the *mean* over the images, is under 0.01 nats. From `mu`,
# `logvar` [N, D] to a bool tensor [D].

# %% tags=["exercise"]
def is_collapsed(mu, logvar):
    ...


check_collapsed(is_collapsed)

# %% tags=["solution"]
def is_collapsed(mu, logvar):
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    return kl.mean(0) < 0.01


check_collapsed(is_collapsed)

# %% [markdown]
# ### 3 · The central difference (five minutes, three lines)
#
# The derivative of `f` ([D] to [P]) with respect to `z[j]`, from two
# values of `f` at a distance `h` on each side. Leave `z` as it is.

# %% tags=["exercise"]
def central_difference(f, z, j, h):
    ...


check_central_difference(central_difference)

# %% tags=["solution"]
def central_difference(f, z, j, h):
    step = torch.zeros_like(z)
    step[j] = h
    return (f(z + step) - f(z - step)) / (2 * h)


check_central_difference(central_difference)

# %% [markdown]
# ## References
#
# * White (2016), *Sampling generative networks*,
#   [arXiv:1609.04468](https://arxiv.org/abs/1609.04468): great circles.
# * Hoffman and Johnson (2016), *ELBO surgery*, NIPS workshop on advances in
#   approximate Bayesian inference: kl = information + mismatch.
# * Ghosh and others (2020), *From variational to deterministic autoencoders*,
#   [arXiv:1903.12436](https://arxiv.org/abs/1903.12436): a density fitted
#   afterwards.
# * van der Maaten and Hinton (2008), *Visualizing data using t-SNE*,
# [jmlr.org/papers/v9/vandermaaten08a.html](https://jmlr.org/papers/v9/vandermaaten08a.html).
# * Wattenberg, Viégas and Johnson (2016), *How to use t-SNE effectively*,
#   [doi:10.23915/distill.00002](https://doi.org/10.23915/distill.00002).
# * Burda, Grosse and Salakhutdinov (2016), *Importance weighted autoencoders*,
#   [arXiv:1509.00519](https://arxiv.org/abs/1509.00519): active units.
#
# **Next:** [05 · One knob](05_beta.ipynb), which asks what lies between no KL
# and too much of it.
