# %% [markdown]
# # 2 · Generative models, and the idea of the VAE
#
# What must change in an autoencoder so that you can make up a code, and get a
# digit?
#
# **You will** · see a generative model small enough to draw · turn the
# autoencoder into a VAE in three changes, and see each fail without the next ·
# send a gradient through a random number · train a first VAE and draw digits
# from its prior · see a mean in the wrong place undo it all.
#
# *Builds on [01](01_autoencoders.ipynb) · about 2 min on two CPU cores ·
# [Solutions](solutions/02_generative_models.ipynb)*

# %%
import math
from functools import partial
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from tutorial_utils import (
    Autoencoder, claim, confidence, digit_classifier, evaluate, load_images,
    mlp, plot_codes, show_figure, show_images, show_rows, start_at_mean_image,
    trained, warmup_then_linear,
)
from tutorial_utils.checks.nb02 import (
    check_effective_beta, check_reparameterize, check_vae_loss,
)
from tutorial_utils.studios.posterior import posterior_explorer

# %% [markdown]
# **Config.** As in 01: change these, run again; what fails then says so.

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
# points in the plane: a point $f(z) = (\sin 1.3 z, \cos 1.3 z)$ on a circle,
# plus noise of standard deviation $s$ in every direction. So $p(x|z) = N(f(z),
# s^2 I)$; the matrix $I$ says: same variance in each direction, independent.

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


axis = torch.linspace(-2, 2, 81)
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
density = right.imshow(p_x.reshape(81, 81).T, origin="lower",
                       extent=(-2, 2, -2, 2), cmap="magma")
right.set(title="$p(x)$: a ring, bright at the top", xlabel="$x_1$")
right.grid(False)
fig.colorbar(density, ax=right, shrink=0.8)
show_figure(fig, alt="Left: the bell curve of the prior. Middle: points "
            "scattered around a circle, colored by z from one end to the "
            "other. Right: the density p(x), a bright ring that is brightest "
            "at the top and dim at the bottom.")

# %% [markdown]
# *What to see:* a one-dimensional bell became a ring in the plane. The top is
# likely because codes near 0 are; at the bottom the rare ends of the code
# overlap. To draw data you draw codes from the prior, never from "the codes of
# the data".
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
            "narrow peak at 0 for the top of the ring, one at 1.6 with a tiny "
            "second one for a point on its right, and two equal peaks at "
            "plus and minus 2.4 for the bottom.")

# %% [markdown]
# *What to see:* each peak is far narrower than the prior. The bottom of the
# ring has two explanations, and its posterior two peaks.
#
# ### The trouble
#
# A grid of 1,001 points per number needs $1001^{20}$ points for a code of 20
# numbers. But the integral is the mean of $p(x|z)$ over codes from the prior.
# So draw many, and average? Try it where the answer is known: $x = z +
# 0.1\,\varepsilon$ in $d$ dimensions, with $\varepsilon$ from $N(0, I)$; then
# $p(x)$ is the normal distribution of variance $1.01$.

# %%
def log_p_estimate(x, n=10_000):
    z = torch.randn(n, len(x), generator=generator)
    log_lik = Normal(z, 0.1).log_prob(x).sum(1)
    return (log_lik.logsumexp(0) - math.log(n)).item()  # log of the mean


for d in [1, 2, 5, 10, 20]:
    errors = []
    for _ in range(20):
        x = math.sqrt(1.01) * torch.randn(d, generator=generator)
        exact = Normal(0.0, math.sqrt(1.01)).log_prob(x).sum().item()
        errors.append(log_p_estimate(x) - exact)
    print(f"{d:2} numbers: off by {min(errors):8.2f} to {max(errors):6.2f}")
claim("with 20 numbers no estimate comes within 20 nats", max(errors) < -20)

# %% [markdown]
# *What to see:* the unit is the **nat**, that of the natural logarithm; off by
# $-20$ nats means a density $e^{20}$ times too small. With 10 numbers or more,
# not one of 10,000 codes comes close to explaining $x$. Learning cannot rest on
# that. We need someone who looks at $x$ and proposes codes:
#
# * the **decoder** is $p(x|z)$: from a code to a *distribution* of images;
# * the **encoder** gets a new job. It is $q(z|x)$, a distribution of codes for
#   an image, our approximation of $p(z|x)$. It returns two *vectors*, a mean
#   $\mu$ and (the logarithm of) a variance $\sigma^2$ for each number of the
#   code: $q(z|x) = N(\mu, \mathrm{diag}(\sigma^2))$, a bell in each direction,
#   independent of the others. We call it **the posterior**, and say "true
#   posterior" for $p(z|x)$.
#
# Some texts swap the letters. $p$ is the recipe, from code to data; $q$ is the
# guess that goes back.
#
# ## Three changes
#
# Take an autoencoder as in 01, with 2 numbers, more layers, GELU (a relative
# of SiLU), and a decoder that is a distribution: each pixel is a coin that
# shows white with chance $\hat x_i$, a **Bernoulli** distribution. The price
# of an image is its negative log likelihood (nll) in nats, which PyTorch calls
# binary cross-entropy, BCE (03 discusses gray pixels):
#
# $$-\log p(x|z) = -\sum_i \big[x_i \log \hat x_i + (1 - x_i) \log(1 -
# \hat x_i)\big]$$

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


# %% [markdown]
# Every model is trained once per seed.

# %%
def make_plain():
    return Autoencoder(*networks(2))


def train_all(name, make_model, loss_fn, epochs):  # one model per seed
    return [trained(f"{name}_seed_{seed}", make_model, x_train, loss_fn,
                    epochs=epochs, batch_size=batch_size, lr=lr, seed=seed,
                    schedule=warmup_then_linear, retrain=RETRAIN)[0]
            for seed in seeds]


def span(values, digits=2):  # over the seeds
    low, high = [f"{v:.{digits}f}" for v in (min(values), max(values))]
    return low if low == high else f"{low} to {high}"


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
claim("with noise the codes flee: 15 times as far as it reaches, every seed",
      min(stds) > 15)

# %% [markdown]
# *What to see:* the codes fled. The cloud is about thirty times as wide as the
# noise, so an image's code blurs into its nearest neighbors only. The network
# could not shrink the noise; it enlarged everything else. Nothing holds the
# codes together.
#
# ### Change 2 · Let the network choose the noise
#
# One size for all is crude anyway. Let the encoder return, for each image, a
# mean $\mu$ and the logarithm of a variance, $\log\sigma^2$, as in 00
# (`logvar`, any real number, so that $\sigma$ is always positive). The code is
#
# $$z = \mu + \sigma\,\varepsilon, \qquad \varepsilon \sim N(0, I),
# \qquad \sigma = e^{\log\sigma^2 / 2}.$$

# %%
def reparameterize(mu, logvar):
    std = (0.5 * logvar).exp()
    eps = torch.randn_like(std)
    return mu + std * eps


# %% [markdown]
# Now the model that we are heading for. `encode` splits the encoder's output
# in two. `sample` draws a code from the prior and returns the *mean* of
# $p(x|z)$: the recipe's second draw is left out, as nearly everywhere (03).

# %%
class VAEOutput(NamedTuple):
    logits: Tensor
    mu: Tensor
    logvar: Tensor
    z: Tensor


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
claim("left to itself the noise goes: σ is below 0.01, every seed",
      max(typical_std(model) for model in free) < 0.01)

# %% [markdown]
# *What to see:* the noise is gone. On the training images it can only make the
# painting worse, and the network may turn it down, so it does. You almost have
# an autoencoder again: $z$ is still drawn, but $\sigma$ falls and would go on
# falling (05).
#
# ### Change 3 · Charge for it
#
# What we want is known: codes that follow the prior $N(0, I)$. So charge each
# posterior for being different. The measure is the **Kullback-Leibler
# divergence**, KL: how many nats it takes, on average, to tell a draw from
# $q(z|x)$ to someone who knows only the prior, beyond what it takes for someone
# who knows $q$. It is 0 if and only if $\mu = 0$ and $\sigma = 1$, and not
# symmetric: from $q$ to the prior. Notebook 03 derives the formula:
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
# \log\sigma^2$ is smallest at $\sigma = 1$: halving a $\sigma$ that is already
# tiny hardly improves the painting, and costs another $\log 2$ nats. The sum of
# both prices is the loss of a VAE, the **negative ELBO**, for *evidence lower
# bound*: on average over $z$ it is never less than $-\log p(x)$, and equal to
# it exactly when $q(z|x)$ is the true posterior. 03 proves this; on the ring you
# can watch it, with one bell as $q$ for each of the three points:

# %%
p_seen = joint(seen).sum(1) * 0.01
for n, center in enumerate([0.0, 1.6, 2.4]):
    q = Normal(center, 0.115)
    log_lik = Normal(f(z_grid), s).log_prob(seen[n]).sum(-1)
    recon_loss = -(q.log_prob(z_grid).exp() * log_lik).sum() * 0.01
    kl = kl_divergence(q, Normal(0.0, 1.0))
    print(f"recon_loss {recon_loss:5.2f} + kl {kl:.2f} = "
          f"{recon_loss + kl:.2f}, −log p(x) = {-p_seen[n].log():.2f}")

# %% [markdown]
# *What to see:* with one peak, the loss *is* $-\log p(x)$, all but a few
# hundredths. With two equal peaks one bell misses half of the explanation, and
# pays $\log 2$ for it.
#
# As code. The factor $\beta$ is 1 unless you have a reason:

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
claim("all samples together spread nearly as the prior, every seed",
      min(stds) > 0.8 and max(stds) < 1.4)

# %% [markdown]
# *What to see:* $\sigma$ is neither 0 nor 1. Painting wants it small, the KL
# wants it large. All draws of $z$ together spread almost as the prior does, and
# painting costs only a few nats more than without noise. (Each test image was
# scored with one draw of $z$.) That is the whole VAE:
#
# ![An image x enters the encoder q(z|x), which gives μ and log σ²; with noise
# ε from N(0, I), z = μ + σ · ε goes into the decoder p(x|z), whose logits,
# through a sigmoid, are the mean of p(x|z). The term kl is attached to μ and
# log σ², the term recon_loss joins x and the output.](figures/vae.svg)
#
# All four stages side by side, each on its own scale (1 and 2 were trained for
# one epoch, 0 and 3 for two), with the share of codes inside the circle:

# %%
fig, axes = plt.subplots(2, 2, figsize=(8.5, 8.5))
stages = {"0 · autoencoder": plain, "1 · fixed noise": noisy,
          "2 · its own noise": free, "3 · with the KL: a VAE": vaes}
for ax, (name, models) in zip(axes.flat, stages.items()):
    with torch.no_grad():
        code = models[0].encode(x_test)
    z = code[0] if isinstance(code, tuple) else code
    inside = (z.norm(dim=1) < 2).float().mean()
    plot_codes(z, y_test, title=f"{name}, {inside:.0%} inside", ax=ax)
    ring = plt.Circle((0, 0), 2, fill=False, linewidth=2)
    ax.add_patch(ring)
    ax.set_aspect("equal", "datalim")
show_figure(fig, alt="Four scatters of digit glyphs, each with the same "
            "circle of radius 2. In the first three many codes lie far "
            "beyond it, in the second nearly all. In the fourth most lie "
            "in it, class beside class.")

# %% [markdown]
# *What to see:* the circle has radius 2 in every panel and holds 86 % of the
# prior. It holds about three quarters of the VAE's codes, and less than half of
# any other's. (For 2 and 3, the means $\mu$ are drawn.) The others' shares
# depend on the scale of their codes, which is arbitrary: before change 3
# nothing says where codes should be.
#
# ## A gradient through a random number
#
# `kl` is a formula in $\mu$ and $\sigma$, but `recon_loss` depends on them
# only through a random draw. *Sampling* makes the model stochastic; but how
# does a gradient get through it?
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
# Is it the right gradient? We want that of the *mean* loss. For the toy loss
# $\lVert z - 3\rVert^2$ the mean is $\sum_j (\mu_j - 3)^2 + \sigma_j^2$, so its
# gradient is known: $2(\mu - 3)$ and, with respect to $\log\sigma^2$,
# $\sigma^2$. Average over 100,000 draws:

# %%
torch.manual_seed(0)
n = 100_000
z = reparameterize(mu.expand(n, 2), logvar.expand(n, 2))
(z - 3).square().sum(1).mean().backward()
exact = 2 * (mu - 3).detach(), logvar.exp().detach()
for gradient, wanted in zip([mu.grad, logvar.grad], exact):
    print("autograd", gradient.numpy().round(3), "exact",
          wanted.numpy().round(3))
    claim("autograd is right, to 0.1", (gradient - wanted).abs().max() < 0.1)

# %% [markdown]
# One draw gives a noisy gradient that is right on average. That is enough for
# training. Finite differences, with the same $\varepsilon$, agree:

# %%
def toy_loss(mu, logvar):
    torch.manual_seed(0)  # the same eps in every call
    return (reparameterize(mu, logvar) - 3).square().sum()


(slope,) = torch.autograd.grad(toy_loss(mu, logvar), logvar)
with torch.no_grad():
    h = 1e-3 * torch.tensor([1.0, 0.0])
    wiggle = (toy_loss(mu, logvar + h) - toy_loss(mu, logvar - h)) / 2e-3
print(f"autograd {slope[0]:.3f}, finite difference {wiggle:.3f}")
claim("both agree, to 0.02", abs(slope[0] - wiggle) < 0.02)

# %% [markdown]
# ## Predict
#
# Draw 1,000 codes from $N(0, I)$ and decode them, with the plain autoencoder
# and with the VAE, both with 2 numbers. A classifier names the digits.
# Which of the two paints all ten classes? Which looks more like digits to it?

# %%
judge = digit_classifier(data, retrain=RETRAIN)
z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def verdict(model, z):
    images = model.decode(z).sigmoid()
    counts = judge(images).argmax(1).bincount(minlength=10)
    return counts.tolist(), confidence(judge, images).mean().item()


# %%
rarest = {"autoencoder": [], "VAE": []}  # of each seed: its rarest class
for name, models in {"autoencoder": plain, "VAE": vaes}.items():
    print(f"{name}: images of each class 0 … 9, and mean confidence")
    for counts, score in [verdict(model, z) for model in models]:
        print(*[f"{n:4}" for n in counts], f"   {score:.2f}")
        rarest[name].append(min(counts))
claim("every VAE paints each class more than 10 times, no autoencoder does",
      min(rarest["VAE"]) > 10 >= max(rarest["autoencoder"]))

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4))
with torch.no_grad():
    for ax, name, models in zip(axes, ["autoencoder", "VAE"], [plain, vaes]):
        show_images(models[0].decode(z[:60]).sigmoid(), title=name, ax=ax)
fig.suptitle("The same 60 codes from the prior, decoded")
show_figure(fig, alt="Two grids of sixty soft digits. The autoencoder's holds "
            "some digits often and no 0; the VAE's all ten classes.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Only the VAE paints all ten classes: the autoencoder's codes for some of them
# lie where the prior hardly reaches. Yet on average its images get the same
# confidence: with 2 numbers, any place near the codes gives some digit.
# </details>
#
# *What to see:* the images are means of $p(x|z)$. Now longer codes: 01's
# network with 20 numbers and today's loss, one epoch, as autoencoder and as
# VAE, about 20 seconds. And a fair third way, 01's trick: measure the
# autoencoder's codes *afterwards*, number by number, and stretch the draws to
# their mean and standard deviation.

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
with torch.no_grad():
    codes = [model.encode(x_test) for model in long_ae]
stretched = [code.mean(0) + code.std(0) * z for code in codes]
drawn = {"autoencoder": [(model, z) for model in long_ae],
         "stretched": list(zip(long_ae, stretched)),
         "VAE": [(model, z) for model in long_vae]}

# %%
@torch.no_grad()
def share_sure(model, z):  # of how many images is the judge over 90 % sure?
    sure = confidence(judge, model.decode(z).sigmoid()) > 0.9
    return 100 * sure.float().mean().item()


convinced = {}
for name, pairs in drawn.items():
    scores = [verdict(model, code)[1] for model, code in pairs]
    sure = [share_sure(model, code) for model, code in pairs]
    print(f"{name:11} confidence in what it paints {span(scores)}, "
          f"above 0.9 for {span(sure, 0)} %")
    convinced[name] = scores
claim("codes made up for the autoencoder convince least, every seed",
      max(convinced["autoencoder"])
      < min(convinced["stretched"] + convinced["VAE"]))

# %%
with torch.no_grad():
    rows = {name: pairs[0][0].decode(pairs[0][1][:12]).sigmoid()
            for name, pairs in drawn.items()}
fig = show_rows(rows, size=0.65,
                title="Random codes, drawn in three ways, decoded")
show_figure(fig, alt="Three rows of twelve decoded images. The autoencoder's "
            "are faint tangles of strokes; its stretched codes and the VAE "
            "give bolder shapes, some of them clear digits.")

# %% [markdown]
# *What to see:* tangles above. Below, the judge is over 90 % sure of about four
# in ten, with stretched codes as with the VAE's (in 01, of one in three). So
# most give no clear digit, and what the VAE adds here is not better images. It
# is a density of codes that you know *before* training and that the loss keeps
# them near to, and a $p(x)$ that you can bound.
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
# Without a kernel: the same image with a tenth, one and ten times the
# encoder's $\sigma$. Each row decodes the same eight $\varepsilon$.

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
fig = show_rows(rows, size=0.65,
                title="σ hardly changes the 7, ten times σ does")
show_figure(fig, alt="Four rows of eight images: a 7; decoded with a tenth of "
            "sigma, all equal; with sigma, nearly equal; with ten times "
            "sigma, bolder and fainter strokes, and not all of them a 7.")


# %%
@torch.no_grad()
def still_a_7(vae, factor):  # share of 1,000 draws that the judge reads so
    mu, logvar = vae.encode(x)
    eps = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    z = mu + factor * (0.5 * logvar).exp() * eps
    named = judge(vae.decode(z).sigmoid()).argmax(1)
    return (named == y_test[0]).float().mean().item()


for factor in [0.1, 1, 10]:
    shares = [still_a_7(vae, factor) for vae in vaes]
    print(f"{factor:4} σ: read as a 7: {span(shares)} of the draws")

# %% [markdown]
# *What to see:* less noise costs more KL than it saves in painting; ten times
# the noise paints 7s too bold or too faint, and other digits. For this image,
# the encoder's answer is a good balance.
#
# ## Where it breaks
#
# ### A mean in the wrong place
#
# Much public code averages the cross-entropy over pixels, PyTorch's default,
# and adds the KL. It looks like $\beta = 1$. But a mean over 784 pixels is the
# sum divided by 784, and
#
# $$\tfrac{1}{784}\,\text{recon loss} + \text{kl} = \tfrac{1}{784}\,
# \big(\text{recon loss} + 784\,\text{kl}\big),$$
#
# so $\beta$ is 784, silently. Train it for one epoch, about ten seconds:

# %%
def averaged_loss(model, x):
    out = model(x)
    recon_loss = binary_cross_entropy_with_logits(out.logits, x)  # a mean
    kl = kl_standard_normal(out.mu, out.logvar).mean()
    return {"loss": recon_loss + kl, "kl": kl}


averaged = train_all("02_averaged", make_vae, averaged_loss, epochs=1)
with torch.no_grad():
    kls = [evaluate(m, x_test, averaged_loss)["kl"] for m in averaged]
    generator = torch.Generator().manual_seed(0)
    stds = [m.sample(200, generator=generator).std(0).max().item()
            for m in averaged]
print("kl", span(kls, 5), "nats · largest standard deviation of any pixel "
      f"over 200 prior samples {max(stds):.3f}")
claim("averaged over pixels: no KL, and one image for every code, every seed",
      max(kls) < 0.05 and max(stds) < 0.05)

# %%
with torch.no_grad():
    rows = {"image": x_test[:10],
            "averaged": averaged[0](x_test[:10]).logits.sigmoid(),
            "summed": vaes[0](x_test[:10]).logits.sigmoid()}
fig = show_rows(rows, title="A mean over pixels: one image for all")
show_figure(fig, alt="Three rows of ten images: test digits; below them ten "
            "times the same gray blob, the mean image; below that "
            "reconstructions that are digits, half of them the right ones.")

# %% [markdown]
# *What to see:* every posterior is the prior, and the decoder paints the mean
# image whatever the code: **posterior collapse**. No line is wrong on its own.
# Sum over pixels, sum over latent numbers, mean over the batch: then $\beta$
# means $\beta$.
#
# ### Between the digits
#
# Codes from the prior also fall between classes. These are the prior samples
# that the judge doubts most, 20 of 1,000:

# %%
z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    images = [vae.decode(z).sigmoid() for vae in vaes]
    again = [vae.decode(vae.encode(x_test)[0]).sigmoid() for vae in vaes]
scores, doubted = [confidence(judge, x) for x in images], {}
for name, group in {"prior samples": images, "reconstructions": again,
                    "test images": [x_test]}.items():
    unsure = [(confidence(judge, x) < 0.5).float().mean().item()
              for x in group]
    doubted[name] = unsure
    print(f"confidence under 0.5: {span(unsure, 3)} of the {name}")
claim("test images are doubted least, every seed", doubted["test images"][0]
      < min(doubted["prior samples"] + doubted["reconstructions"]))

# %%
fig, ax = plt.subplots(figsize=(7, 1.8))
show_images(images[0][scores[0].argsort()[:20]], ax=ax,
            title="The 20 prior samples that the judge doubts most")
show_figure(fig, alt="Twenty soft shapes, most of which could be two or "
            "three different digits.")

# %% [markdown]
# *What to see:* mostly shapes between two digits. They are few, and
# reconstructions are doubted too, about half as often: two numbers are not
# enough.

# %% [markdown]
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | the encoder gives two numbers | two *vectors*: $\mu$ and $\log\sigma^2$ |
# | $q(z\mid x)$ is the probability of the image given the code | that is $p(x\mid z)$, the decoder; $q$ says which codes can have made the image |
# | the decoder gives the most likely image | it gives each pixel's *mean*; a draw from $p(x\mid z)$ looks different (03) |
# | the trick makes the autoencoder stochastic | sampling does; the trick lets gradients through |
# | the VAE learns the codes' distribution and samples it | generation samples the *prior*; $q(z\mid x)$ is for given images |
# | the KL makes every $q(z\mid x)$ the prior | it pulls each one there, against the reconstruction; only in collapse does it win |
#
# ## Recap
#
# You saw a generative model small enough to draw · turned the
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
# shape [B, D], with gradients to both.

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
# Write the loss at $\beta = 1$, to train with: in nats, one value per image,
# from the decoder's logits. You need `binary_cross_entropy_with_logits` with
# `reduction="none"`, the KL's formula, and sums.

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
# **Next:** [03 · The mathematics of the VAE](03_mathematics.ipynb), which asks
# why this sum is right, and what it misses.
