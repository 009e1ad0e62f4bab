# %% [markdown]
# # 2 · Generative models, and the idea of the VAE
#
# What must change in an autoencoder so that you can make up a code, and get a
# digit?
#
# **You will** · draw a generative model in which every curve can be seen ·
# turn the autoencoder into a VAE in three changes, and see each fail without
# the next · send a gradient through a random number · train a first VAE and
# draw digits from its prior · see a mean in the wrong place undo it all.
#
# *Builds on [01](01_autoencoders.ipynb) · about 1 min on two CPU cores ·
# [Solutions](solutions/02_generative_models.ipynb)*

# %%
import math
from functools import partial
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from tutorial_utils.cache import trained
from tutorial_utils.checks_vae import check_effective_beta
from tutorial_utils.checks_vae import check_reparameterize, check_vae_loss
from tutorial_utils.data import load_images
from tutorial_utils.explorer import posterior_explorer
from tutorial_utils.metrics import confidence, digit_classifier
from tutorial_utils.models import Autoencoder, mlp, start_at_mean_image
from tutorial_utils.plotting import plot_codes, show_figure, show_images
from tutorial_utils.plotting import show_rows
from tutorial_utils.training import evaluate, warmup_then_linear

# %% [markdown]
# **Config.** As in 01: change these, run again; an `assert` guards each claim.

# %%
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]
epochs, batch_size, lr = 2, 128, 5e-3
beta = 1.0

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test

# %% [markdown]
# ## What a generative model is
#
# Notebook 01 ended with an autoencoder that paints any code, and codes that
# you cannot make up: nothing said *where* codes are. A **generative model**
# says it. It is a recipe that draws new data, in two steps:
#
# 1. draw a code from a fixed distribution, the **prior** $p(z)$;
# 2. draw the data from a distribution that depends on the code, the
#    **likelihood** $p(x|z)$.
#
# With such a recipe you can invent data, say how probable a given $x$ is, fill
# in missing parts of it, or see that it is strange. Notebook 09 does all four.
#
# Here is one small enough to draw. The code is one number with the prior
# $N(0, 1)$, the normal distribution with mean 0 and variance 1. The data are
# points in the plane: a point $f(z)$ on a circle, plus a little noise of
# standard deviation $s$. So $p(x|z) = N(f(z), s^2 I)$.

# %%
s = 0.15


def f(z):  # [...] -> [..., 2]
    return torch.stack([torch.sin(1.3 * z), torch.cos(1.3 * z)], dim=-1)


generator = torch.Generator().manual_seed(0)
z = torch.randn(500, generator=generator)
x = f(z) + s * torch.randn(500, 2, generator=generator)

# %% [markdown]
# How probable is a point $x$, whatever its code? Add up over all codes:
#
# $$p(x) = \int p(x|z)\, p(z)\, dz$$
#
# With one number in the code the integral is a sum over a fine grid.

# %%
z_grid = torch.linspace(-5, 5, 1001)
prior = Normal(0.0, 1.0).log_prob(z_grid).exp()


def joint(x):  # p(x|z) p(z) of points [N, 2] at every z of the grid: [N, 1001]
    log_lik = Normal(f(z_grid), s).log_prob(x[:, None]).sum(-1)
    return log_lik.exp() * prior


axis = torch.linspace(-2, 2, 161)
points = torch.cartesian_prod(axis, axis)
p_x = joint(points).sum(1) * (z_grid[1] - z_grid[0])
total = p_x.sum() * (axis[1] - axis[0]) ** 2
print(f"p(x), added up over the plane: {total:.4f}")

# %%
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 3.1))
left.plot(z_grid, prior, marker="")
left.set(xlabel="$z$", title="The prior $p(z)$", xlim=(-4, 4))
middle.plot(*f(z_grid).T, color="black", linewidth=1, marker="")
shades = middle.scatter(*x.T, c=z, s=6, cmap="viridis", marker="o")
middle.set(title="500 draws of $x$", aspect="equal", xlim=(-2, 2),
           ylim=(-2, 2), xlabel="$x_1$", ylabel="$x_2$")
fig.colorbar(shades, ax=middle, label="its $z$", shrink=0.8)
density = right.imshow(p_x.reshape(161, 161).T, origin="lower",
                       extent=(-2, 2, -2, 2), cmap="magma")
right.set(title="$p(x)$, exactly", xlabel="$x_1$")
right.grid(False)
fig.colorbar(density, ax=right, shrink=0.8)
show_figure(fig, alt="Left: the bell curve of the prior. Middle: points "
            "scattered around a circle, colored by z from one end to the "
            "other. Right: the density p(x), a bright ring that is brightest "
            "at the top and dim at the bottom.")

# %% [markdown]
# *What to see:* a one-dimensional bell became a ring in the plane. The top is
# likely because codes near 0 are; at the bottom the two rare ends of the code
# meet. You never draw from the *data's* codes: you draw from the prior.
#
# ## Backward: which code made this?
#
# Bayes' rule turns the recipe around. The **true posterior**
# $p(z|x) = p(x|z)\, p(z) / p(x)$ says which codes can have made a given $x$,
# and how likely each is.

# %%
seen = torch.tensor([[0.0, 1.0], [0.85, -0.5], [0.0, -1.0]])
true_posterior = joint(seen)
true_posterior /= true_posterior.sum(1, keepdim=True) * 0.01  # grid step
fig, ax = plt.subplots(figsize=(7, 2.8))
ax.plot(z_grid, prior, color="black", linestyle=":", marker="",
        label="prior")
for n, curve in enumerate(true_posterior):
    where = tuple(round(number, 2) for number in seen[n].tolist())
    ax.plot(z_grid, curve, marker="", linestyle=["-", "--", "-."][n],
            label=f"$p(z|x)$, x = {where}")
ax.set(xlabel="$z$", ylabel="density", xlim=(-4, 4),
       title="Seeing x leaves few codes that can have made it")
ax.legend()
show_figure(fig, alt="The wide bell of the prior, and three posteriors: a "
            "narrow peak at 0 for the top of the ring, one at 1.6 for a point "
            "on its right, and two peaks at plus and minus 2.4 for the "
            "bottom.")

# %% [markdown]
# *What to see:* a posterior is far narrower than the prior. The bottom of the
# ring has two explanations, and its posterior two peaks.
#
# ### The trouble
#
# A grid of 1,001 points per number needs $1001^{20}$ points for a code of 20
# numbers. Instead of a grid, draw codes from the prior and average $p(x|z)$?
# Try it where the answer is known: $x = z + 0.1\,\varepsilon$ in $d$
# dimensions, so that $p(x)$ is the normal distribution of variance 1.01.

# %%
def log_p_estimate(x, n=10_000):
    z = torch.randn(n, len(x), generator=generator)
    log_lik = Normal(z, 0.1).log_prob(x).sum(1)
    return (log_lik.logsumexp(0) - math.log(n)).item()


for d in [1, 2, 5, 10, 20]:
    errors = []
    for _ in range(20):
        x = math.sqrt(1.01) * torch.randn(d, generator=generator)
        exact = Normal(0.0, math.sqrt(1.01)).log_prob(x).sum().item()
        errors.append(log_p_estimate(x) - exact)
    print(f"{d:2} numbers: off by {min(errors):8.2f} to {max(errors):6.2f}")
assert max(errors) < -20

# %% [markdown]
# *What to see:* the unit is the **nat**, the natural logarithm's: off by $-20$
# nats means a probability $e^{20}$ times too small. Among 10,000 codes from
# the prior not one comes close to explaining $x$. Learning cannot rest on such
# an estimate. We need someone who looks at $x$ and proposes codes:
#
# * the **decoder** is $p(x|z)$: from a code to a *distribution* of images;
# * the **encoder** gets a new job. It is $q(z|x)$, a distribution of codes for
#   an image, our approximation of $p(z|x)$. It returns two *vectors*, a mean
#   $\mu$ and a variance $\sigma^2$ per number of the code: $q(z|x) =
#   N(\mu, \mathrm{diag}(\sigma^2))$. We call it **the posterior**, and say
#   "true posterior" for the other one.
#
# You will find texts with the letters swapped. $p$ is the recipe, $q$ the
# guess that runs against it.
#
# ## Three changes
#
# Start from the autoencoder of 01 with a code of 2 numbers, and one small
# change that makes the decoder a distribution: its sigmoid outputs are the
# chances that a pixel is white. The price of an image is then
# $-\log p(x|z)$, summed over pixels, in nats (03 discusses gray pixels).

# %%
def bernoulli_nll(logits, x):
    return binary_cross_entropy_with_logits(
        logits, x, reduction="none").flatten(1).sum(1)


def plain_loss(model, x):
    return {"loss": bernoulli_nll(model(x), x)}


def networks(n_out):
    encoder = mlp([784, 256, 128, 64, n_out], activation=nn.GELU)
    decoder = mlp([2, 64, 128, 256, 784], activation=nn.GELU,
                  out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return encoder, decoder


# %%
def make_plain():
    return Autoencoder(*networks(2))


def train_all(name, make_model, loss_fn, epochs):  # one model per seed
    return [trained(f"{name}_seed_{seed}", make_model, x_train, loss_fn,
                    epochs=epochs, batch_size=batch_size, lr=lr, seed=seed,
                    schedule=warmup_then_linear, retrain=RETRAIN)[0]
            for seed in seeds]


def span(values, digits=2):  # over the seeds
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


plain = train_all("02_plain", make_plain, plain_loss, epochs)
print("test loss", span([evaluate(m, x_test, plain_loss)["loss"]
                         for m in plain]), "nats")

# %% [markdown]
# ### Change 1 · Add noise to the code
#
# If the decoder gets $z + \varepsilon$ with noise $\varepsilon$ of standard
# deviation 1, it cannot tell close codes apart. So neighbors must look alike,
# and no place between codes stays empty. That is the hope.

# %%
def noisy_loss(model, x):
    z = model.encode(x)
    eps = torch.randn_like(z)
    return {"loss": bernoulli_nll(model.decode(z + eps), x)}


noisy = train_all("02_noisy", make_plain, noisy_loss, epochs=1)
for name, models in {"no noise": plain, "noise": noisy}.items():
    with torch.no_grad():
        stds = [model.encode(x_test).std().item() for model in models]
    print(f"{name:8} standard deviation of all codes {span(stds, 1)}")
assert min(stds) > 15

# %% [markdown]
# *What to see:* the codes fled. The noise has size 1, so the encoder moved the
# images tens of units apart, and the noise does not reach the neighbor. Nothing
# holds the codes together.
#
# ### Change 2 · Let the network choose the noise
#
# One size for all is crude anyway. Let the encoder return, for each image, a
# mean $\mu$ and the logarithm of a variance, $\log\sigma^2$ (`logvar`, any
# real number, so that $\sigma$ is always positive). The code is
#
# $$z = \mu + \sigma\,\varepsilon, \qquad \varepsilon \sim N(0, I),
# \qquad \sigma = e^{\log\sigma^2 / 2}.$$

# %%
def reparameterize(mu, logvar):
    std = (0.5 * logvar).exp()
    eps = torch.randn_like(std)
    return mu + std * eps


# %% [markdown]
# Now the pieces of the model that we are heading for. `encode` splits the
# encoder's output in two, `sample` draws from the prior and decodes:

# %%
class VAEOutput(NamedTuple):
    logits: torch.Tensor
    mu: torch.Tensor
    logvar: torch.Tensor
    z: torch.Tensor


class VAE(nn.Module):
    def __init__(self, encoder, decoder, *, latent_dim):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.latent_dim = latent_dim

    def encode(self, x):
        out = self.encoder(x)
        mu, logvar = out.chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar)
        return VAEOutput(self.decode(z), mu, logvar, z)

    def sample(self, n, *, generator=None):
        device = next(self.parameters()).device
        z = torch.randn(n, self.latent_dim, generator=generator).to(device)
        return self.decode(z).sigmoid()


# %%
def make_vae():
    return VAE(*networks(2 * 2), latent_dim=2)


def free_noise_loss(model, x):
    return {"loss": bernoulli_nll(model(x).logits, x)}


free = train_all("02_free_noise", make_vae, free_noise_loss, epochs=1)


# %%
@torch.no_grad()
def typical_std(model):
    mu, logvar = model.encode(x_test)
    return (0.5 * logvar).exp().median().item()


print("median σ", span([typical_std(model) for model in free], 5))
assert max(typical_std(model) for model in free) < 0.01

# %% [markdown]
# *What to see:* the noise is gone. Noise only ever makes the painting worse,
# and the network may switch it off, so it does. You have an autoencoder again.
#
# ### Change 3 · Make silence cost something
#
# What we want is known: codes that follow the prior $N(0, I)$. So charge each
# posterior for its distance from the prior. The natural distance is the
# **Kullback-Leibler divergence**, KL: what it costs, in nats, to say the code
# of $x$ to somebody who only knows the prior. It is 0 if and only if
# $\mu = 0$ and $\sigma = 1$. Notebook 03 derives the formula:
#
# $$\mathrm{KL}\big(q(z|x)\,\|\,p(z)\big) = \tfrac12 \sum_j
# \big(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\big)$$

# %%
def kl_standard_normal(mu, logvar):
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(-1)


mu, logvar = torch.tensor([[2.0, 0.0]]), torch.tensor([[-3.0, 0.0]])
q = Normal(mu, (0.5 * logvar).exp())
print(f"ours {kl_standard_normal(mu, logvar).item():.4f}, torch's "
      f"{kl_divergence(q, Normal(0.0, 1.0)).sum().item():.4f}")

# %% [markdown]
# $\mu^2$ pulls codes to the middle: no more fleeing. $\sigma^2 - 1 -
# \log\sigma^2$ is smallest at $\sigma = 1$ and infinite at 0: no more silence.
# The sum of both prices is the loss of a VAE, the **negative ELBO** (03 says
# why). The factor $\beta$ is 1 unless you have a reason:

# %%
def negative_elbo(model, x, *, beta=1.0):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    loss = recon_loss + beta * kl
    return {"loss": loss, "recon_loss": recon_loss, "kl": kl}


vae_loss = partial(negative_elbo, beta=beta)
vaes = train_all("02_vae", make_vae, vae_loss, epochs)

# %%
for name in ["loss", "recon_loss", "kl"]:
    values = [evaluate(model, x_test, vae_loss)[name] for model in vaes]
    print(f"test {name:10} {span(values, 1)} nats")
print("median σ", span([typical_std(model) for model in vaes], 3))
with torch.no_grad():
    stds = [vae(x_test).z.std().item() for vae in vaes]
print("standard deviation of all samples z", span(stds))
assert 0.8 < min(stds) and max(stds) < 1.4

# %% [markdown]
# That is the whole VAE:
#
# ![An image x enters the encoder q(z|x), which gives μ and log σ²; with noise
# ε from N(0, I), z = μ + σ · ε goes into the decoder p(x|z), whose logits,
# through a sigmoid, are the mean of p(x|z). The term kl is attached to μ and
# log σ², the term recon_loss joins x and the output.](figures/vae.svg)
#
# All four stages side by side, each on its own scale:

# %%
fig, axes = plt.subplots(2, 2, figsize=(8.5, 8.5))
stages = {"0 · autoencoder": plain, "1 · fixed noise": noisy,
          "2 · its own noise": free, "3 · with the KL: a VAE": vaes}
for ax, (name, models) in zip(axes.flat, stages.items()):
    with torch.no_grad():
        code = models[0].encode(x_test)
    z = code[0] if isinstance(code, tuple) else code
    plot_codes(z, y_test, title=name, ax=ax)
    ring = plt.Circle((0, 0), 2, fill=False, linewidth=2)
    ax.add_patch(ring)
    ax.set_aspect("equal", "datalim")
show_figure(fig, alt="Four scatters of digit glyphs, each with the same "
            "circle of radius 2. In the first three the codes reach far "
            "beyond it, in the second so far that it is a dot. In the fourth "
            "they fill it, class beside class.")

# %% [markdown]
# *What to see:* the circle holds 86 % of the prior and has radius 2 in every
# panel. Only in the last is it where the codes are. (Means $\mu$ are drawn for
# 2 and 3.)
#
# ## A gradient through a random number
#
# One step deserves a second look. The loss depends on $\mu$ and $\sigma$ only
# through a random draw. *Sampling* makes the model stochastic; but how does a
# gradient get through it?
#
# ![Two computation graphs from μ and σ through z to the loss. Left, z is drawn
# at random and the gradient stops at z; right, z = μ + σ · ε is computed from
# a drawn ε, and the gradient passes through z to μ, where ∂z/∂μ = 1, and to σ,
# where ∂z/∂σ = ε.](figures/two_graphs.svg)
#
# The **reparameterization trick** moves the randomness into $\varepsilon$,
# which depends on nothing. What is left is arithmetic:

# %%
mu = torch.tensor([0.5, -1.0], requires_grad=True)
logvar = torch.tensor([0.0, -1.0], requires_grad=True)
std = (0.5 * logvar).exp()
print("drawn:   ", Normal(mu, std).sample().grad_fn)
print("computed:", type(reparameterize(mu, logvar).grad_fn).__name__)

# %% [markdown]
# Is it the right gradient? Wiggle $\log\sigma^2$ by a little, with the same
# $\varepsilon$, and watch a test loss, $\lVert z - 3\rVert^2$:

# %%
def test_loss(mu, logvar):
    torch.manual_seed(0)  # the same eps in every call
    return (reparameterize(mu, logvar) - 3).square().sum()


test_loss(mu, logvar).backward()
with torch.no_grad():
    h = 1e-3 * torch.tensor([1.0, 0.0])
    slope = (test_loss(mu, logvar + h) - test_loss(mu, logvar - h)) / 2e-3
print(f"autograd {logvar.grad[0]:.4f}, finite difference {slope:.4f}")
assert abs(logvar.grad[0] - slope) < 0.02

# %% [markdown]
# ## Predict
#
# Draw 1,000 codes from $N(0, I)$ and decode them, with the plain autoencoder
# and with the VAE, both with 2 numbers. A classifier names the digits. Which
# of the two paints all ten classes? Which looks more like digits to it?

# %%
judge = digit_classifier(data, retrain=RETRAIN)
z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def verdict(model, z):
    images = model.decode(z).sigmoid()
    counts = judge(images).argmax(1).bincount(minlength=10)
    return counts.tolist(), confidence(judge, images).mean().item()


for name, models in {"autoencoder": plain, "VAE": vaes}.items():
    print(f"{name}: images of each class 0 … 9, and mean confidence")
    for counts, score in [verdict(model, z) for model in models]:
        print(*[f"{n:4}" for n in counts], f"   {score:.2f}")
    assert (min(counts) > 10) == (name == "VAE")

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4))
with torch.no_grad():
    for ax, name, models in zip(axes, ["autoencoder", "VAE"], [plain, vaes]):
        show_images(models[0].decode(z[:60]).sigmoid(), title=name, ax=ax)
fig.suptitle("The same 60 codes from the prior, decoded: mean of p(x|z)")
show_figure(fig, alt="Two grids of sixty decoded images. The autoencoder's "
            "shows the same few classes again and again; the VAE's shows "
            "soft digits of all classes.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Only the VAE paints all ten classes. The autoencoder's codes for some classes
# lie where the prior hardly reaches. Yet its images get almost the same
# confidence: with 2 numbers, any place near the codes gives some digit.
# </details>
#
# *What to see:* the prior's codes are all near the middle, where the
# autoencoder crowded some classes; the VAE laid out all ten there. With longer
# codes the difference becomes drastic. Here is 01's network with 20 numbers,
# one epoch, as autoencoder and as VAE; six trainings, about 10 seconds:

# %%
def make_long(k, n_out):
    decoder = mlp([k, 400, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    encoder = mlp([784, 400, n_out])
    return (Autoencoder(encoder, decoder) if n_out == k
            else VAE(encoder, decoder, latent_dim=k))


long_ae = train_all("02_ae_20", partial(make_long, 20, 20), plain_loss, 1)
long_vae = train_all("02_vae_20", partial(make_long, 20, 40), vae_loss, 1)
z = torch.randn(1000, 20, generator=torch.Generator().manual_seed(0))
for name, models in {"autoencoder": long_ae, "VAE": long_vae}.items():
    scores = [verdict(model, z)[1] for model in models]
    print(f"{name:11} confidence in prior samples {span(scores)}")

# %%
with torch.no_grad():
    rows = {"autoencoder": long_ae[0].decode(z[:12]).sigmoid(),
            "VAE": long_vae[0].decode(z[:12]).sigmoid()}
fig = show_rows(rows, size=0.65,
                title="The same 12 codes from N(0, I), 20 numbers each")
show_figure(fig, alt="Two rows of twelve decoded images. The autoencoder's "
            "are tangles of strokes; the VAE's are mostly soft digits, some "
            "of them unclear.")

# %% [markdown]
# *What to see:* tangles above, mostly digits below, soft and not all of them
# good. This is 01's failure, mended. Notebook 04 measures what is left of it,
# 06 asks why the digits are soft.
#
# ## One image's posterior
#
# Choose an image. The ellipse is its $q(z|x)$; drag its middle ($\mu$) and its
# handles ($\sigma$), or use the arrow keys and the sliders. Eight draws of $z$
# are decoded below, and the two prices are shown. Can you find a cheaper
# posterior than the encoder did? On the right, the plain autoencoder: a point
# instead of a distribution, and what it paints around it.

# %%
posterior_explorer(vaes[0], plain[0], x_test, y_test)

# %% [markdown]
# Without a kernel: the same image with $\sigma$ as the encoder chose it, a
# tenth and ten times of it. Each row decodes the same eight $\varepsilon$.

# %%
eps = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
x = x_test[[0]]
rows = {"image": x.expand(8, 1, 28, 28)}
with torch.no_grad():
    mu, logvar = vaes[0].encode(x)
    for factor in [0.1, 1, 10]:
        std = factor * (0.5 * logvar).exp()
        logits = vaes[0].decode(mu + std * eps)
        rows[f"{factor} σ"] = logits.sigmoid()
        recon_loss = bernoulli_nll(logits, x.expand_as(logits)).mean()
        kl = kl_standard_normal(mu, 2 * std.log()).item()
        print(f"{factor:4} σ: recon_loss {recon_loss:.1f} + kl {kl:.2f} "
              f"= {recon_loss + kl:.1f} nats")
fig = show_rows(rows, size=0.65, title="A 7, and draws of z around its mean")
show_figure(fig, alt="Four rows of eight images: a 7; decoded with a tenth of "
            "sigma, all equal; with sigma, nearly equal; with ten times "
            "sigma, some of them are other digits.")

# %% [markdown]
# *What to see:* less noise costs more KL than it saves in painting, more noise
# paints other digits. The encoder's answer is a balance, image by image.
#
# ## Where it breaks
#
# ### A mean in the wrong place
#
# Much public code averages the cross-entropy over pixels, PyTorch's default,
# and adds the KL. It looks like $\beta = 1$. But a mean over 784 pixels is the
# sum divided by 784, and
#
# $$\tfrac{1}{784}\,\text{recon\_loss} + \text{kl} = \tfrac{1}{784}\,
# \big(\text{recon\_loss} + 784\,\text{kl}\big),$$
#
# so $\beta$ is 784, silently. Train it for one epoch:

# %%
def averaged_loss(model, x):
    out = model(x)
    recon_loss = binary_cross_entropy_with_logits(out.logits, x)  # a mean
    kl = kl_standard_normal(out.mu, out.logvar).mean()
    return {"loss": recon_loss + kl, "kl": kl}


averaged = train_all("02_averaged", make_vae, averaged_loss, epochs=1)
with torch.no_grad():
    kls = [evaluate(m, x_test, averaged_loss)["kl"] for m in averaged]
    stds = [m.sample(200).std(0).max().item() for m in averaged]
print("kl", span(kls, 4), "nats · prior samples differ in no pixel by a")
print("standard deviation of more than", f"{max(stds):.3f}")
assert max(kls) < 0.05

# %%
with torch.no_grad():
    rows = {"image": x_test[:10],
            "averaged": averaged[0](x_test[:10]).logits.sigmoid(),
            "summed": vaes[0](x_test[:10]).logits.sigmoid()}
fig = show_rows(rows, title="Reconstructions: mean of p(x|z)")
show_figure(fig, alt="Three rows of ten images: test digits; below them ten "
            "times the same gray blob, the mean image; below that "
            "reconstructions that are digits, mostly the right ones.")

# %% [markdown]
# *What to see:* every posterior is the prior, the decoder paints the mean image
# whatever the code: **posterior collapse**. No line is wrong on its own. Sum
# over pixels, sum over latent numbers, mean over the batch: then $\beta$ means
# $\beta$.
#
# ### Between the digits
#
# Codes from the prior also fall between classes, and what is painted there is
# no digit. Confidence below one half:

# %%
z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    unsure = [(confidence(judge, vae.decode(z).sigmoid()) < 0.5)
              .float().mean().item() for vae in vaes]
    real = (confidence(judge, x_test) < 0.5).float().mean().item()
print(f"unsure of {span(unsure, 3)} of the prior samples, "
      f"of {real:.3f} of the test images")
assert min(unsure) > 3 * real

# %% [markdown]
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | the encoder gives two numbers | two *vectors*: $\mu$ and $\log\sigma^2$ |
# | $q(z\mid x)$ says how likely the code made the image | it approximates $p(z\mid x)$; $p(x\mid z)$ is the decoder's |
# | the decoder gives the most likely image | it gives each pixel's *mean*; a draw from $p(x\mid z)$ looks different (03) |
# | the trick makes the autoencoder stochastic | sampling does; the trick lets gradients through |
# | the VAE learns the codes' distribution and samples it | generation samples the *prior*; $q(z\mid x)$ is for given images |
# | the KL pushes every code to $N(0, I)$ | it acts on every $q(z\mid x)$, against the reconstruction; only with collapse it wins |
#
# ## Recap
#
# You drew a generative model in which every curve can be seen · turned the
# autoencoder into a VAE: noise (the codes fled), noise of its own (it
# vanished), KL (it stayed) · sent a gradient through a random number · trained
# a first VAE and drew digits from its prior · saw a mean in the wrong place
# undo it all.
#
# ## Exercises
#
# ### 1 · The sample (three minutes, three lines)
#
# Write `reparameterize` again, without looking: a sample of
# $N(\mu, \sigma^2)$ with `logvar` $= \log\sigma^2$, for `mu` and `logvar` of
# shape [B, D].

# %% tags=["exercise"]
def my_sample(mu, logvar):
    ...


check_reparameterize(my_sample)

# %% tags=["solution"]
def my_sample(mu, logvar):
    std = torch.exp(logvar / 2)
    return mu + std * torch.randn_like(mu)


check_reparameterize(my_sample)

# %% [markdown]
# ### 2 · The loss (five minutes, three lines)
#
# Write the loss at $\beta = 1$, in nats, one value per image, from the
# decoder's logits. `binary_cross_entropy_with_logits` and sums are all you
# need.

# %% tags=["exercise"]
def my_loss(logits, x, mu, logvar):  # images [B, C, H, W], mu [B, D] -> [B]
    ...


check_vae_loss(my_loss)

# %% tags=["solution"]
def my_loss(logits, x, mu, logvar):
    bce = binary_cross_entropy_with_logits(logits, x, reduction="none")
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    return bce.sum((1, 2, 3)) + kl.sum(1)


check_vae_loss(my_loss)

# %% [markdown]
# ### 3 · Which β is it? (two minutes, one number)
#
# Somebody averages the cross-entropy over the 28 × 28 pixels, averages the KL
# over the 20 latent numbers, and adds the two. Which $\beta$ is that, in the
# loss with sums?

# %% tags=["exercise"]
effective_beta = ...

check_effective_beta(effective_beta)

# %% tags=["solution"]
effective_beta = 28 * 28 / 20

check_effective_beta(effective_beta)

# %% [markdown]
# ## References
#
# * Kingma and Welling (2014), *Auto-encoding variational Bayes*,
#   [arXiv:1312.6114](https://arxiv.org/abs/1312.6114): the VAE.
# * Rezende, Mohamed and Wierstra (2014), *Stochastic backpropagation and
#   approximate inference in deep generative models*,
#   [arXiv:1401.4082](https://arxiv.org/abs/1401.4082): the same, found
#   independently.
# * Kingma and Welling (2019), *An introduction to variational autoencoders*,
#   [doi:10.1561/2200000056](https://doi.org/10.1561/2200000056): the long
#   version.
# * Higgins and others (2017), *beta-VAE*,
#   [openreview.net/forum?id=Sy2fzU9gl](https://openreview.net/forum?id=Sy2fzU9gl):
#   where $\beta$ comes from.
#
# **Next:** [03 · The mathematics of the VAE](03_mathematics.ipynb), which
# proves what was used here.
