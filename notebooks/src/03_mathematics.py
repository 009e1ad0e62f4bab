# %% [markdown]
# # 3 · The mathematics of the VAE
#
# Why is this sum the right loss, and how far is it from what we really want?
#
# **You will** · derive the ELBO twice, and see its gap as an area you can
# integrate · derive and test the KL · compare the two ways to differentiate an
# expectation · measure what $\sigma$'s parametrization and the likelihood
# change · audit a museum of real losses · tighten the bound · predict
# collapse, by a law.
#
# *Builds on [02](02_generative_models.ipynb) · about 4 min on two CPU cores ·
# [Solutions](solutions/03_mathematics.ipynb)*

# %%
import math
import sys
from functools import partial
from itertools import product

import matplotlib.pyplot as plt
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy, mse_loss, softplus
from tqdm import tqdm

from tutorial_utils import (
    VAE, bernoulli_nll, claim, constant, continuous_bernoulli_mean,
    continuous_bernoulli_sample, evaluate, gaussian_nll, kl_standard_normal,
    load_images, log_partition, mlp, negative_elbo, reparameterize,
    show_figure, show_rows, squared_error, start_at_mean_image, trained,
    warmup_then_linear,
)
from tutorial_utils.checks.nb03 import (
    check_active_dimensions, check_iwae, check_kl_to_wide_prior,
)
from tutorial_utils.topics.audit import audit_loss

# %% [markdown]
# **Config.** The VAE and its losses come from the package;
# [02](02_generative_models.ipynb#Three-changes) built them.

# %%
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]
epochs, batch_size, lr = 3, 128, 5e-3
settings = {"batch_size": batch_size, "retrain": RETRAIN}

data = load_images("mnist")
x_gray, x_test_gray = data.x_train, data.x_test
generator = torch.Generator().manual_seed(0)
x_train = torch.bernoulli(x_gray, generator=generator)
x_test = torch.bernoulli(x_test_gray, generator=generator)

# %% [markdown]
# The last two lines **binarize**: each pixel becomes 1 with its gray value as
# the chance. Then $p(x)$ is a true probability; section 5 treats gray.
#
# ## 1 · The ELBO, twice
#
# | symbol | is | in code |
# |---|---|---|
# | $p(z)$ | prior, $N(0, I)$ | |
# | $p(x\mid z)$ | likelihood, the decoder's | `-bernoulli_nll(logits, x)`, its log |
# | $p(x, z) = p(x\mid z)\,p(z)$ | joint | `log_joint` |
# | $p(x) = \int p(x, z)\,dz$ | **evidence** | `log_evidence` |
# | $p(z\mid x) = p(x, z) / p(x)$ | true posterior | `log_posterior` |
# | $q(z\mid x)$ | posterior, the encoder's, $N(\mu, \mathrm{diag}(\sigma^2))$ | `mu`, `logvar` |
# | $\mathbb{E}_q[\cdot]$ | mean over draws of $z$ from $q(z\mid x)$ | |
#
# **First**, as a lower bound:
#
# $$\begin{aligned}
# \log p(x) &= \log \int p(x, z)\, dz
# && \text{definition} \\
# &= \log \mathbb{E}_q\!\left[\frac{p(x, z)}{q(z|x)}\right]
# && \text{multiply and divide by } q > 0 \\
# &\ge \mathbb{E}_q\!\left[\log \frac{p(x, z)}{q(z|x)}\right]
# && \text{Jensen: log is concave, so } \log \mathbb{E} \ge \mathbb{E} \log \\
# &= \mathbb{E}_q[\log p(x|z)] + \mathbb{E}_q\!\left[\log
# \frac{p(z)}{q(z|x)}\right]
# && p(x, z) = p(x|z)\,p(z) \\
# &= \underbrace{\mathbb{E}_q[\log p(x|z)]}_{-\text{recon loss}} -
# \underbrace{\mathrm{KL}(q(z|x)\,\|\,p(z))}_{\text{kl}}
# && \text{definition of KL}
# \end{aligned}$$
#
# Each of the last three lines is the **evidence lower bound**, ELBO. Jensen in
# numbers: of 1 and 9, the log of the mean is $\log 5 = 1.61$, the mean of the
# logs $1.10$; the more they differ, the more is lost. **Second**, with what
# Jensen lost:
#
# $$\begin{aligned}
# \mathrm{KL}(q(z|x)\,\|\,p(z|x))
# &= \mathbb{E}_q[\log q(z|x) - \log p(z|x)]
# && \text{definition of KL} \\
# &= \mathbb{E}_q[\log q(z|x) - \log p(x, z) + \log p(x)]
# && \text{Bayes} \\
# &= \log p(x) - \text{ELBO}
# && p(x) \text{ does not depend on } z
# \end{aligned}$$
#
# So the gap *is* the KL from the posterior to the true one. It is never
# negative (Jensen again), and 0 only if they are equal. Raising the ELBO
# raises the evidence or closes the gap; it does not say which.
#
# ### Seen on a grid
#
# With two latent numbers a grid can do the integral. Train three such VAEs, in
# about half a minute; the first is the one we look into:

# %%
def make_vae(x=x_train):
    encoder = mlp([784, 256, 128, 64, 2 * 2], activation=nn.GELU)
    decoder = mlp([2, 64, 128, 256, 784], activation=nn.GELU,
                  out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x)
    return VAE(encoder, decoder, latent_dim=2)


vaes = [trained(f"03_binary_seed_{seed}", make_vae, x_train, negative_elbo,
                seed=seed, epochs=epochs, lr=lr, schedule=warmup_then_linear,
                **settings)[0] for seed in seeds]
vae = vaes[0]
for model in vaes:
    terms = evaluate(model, x_test, negative_elbo)
    print(*[f"test {name} {value:.1f}" for name, value in terms.items()])

# %% [markdown]
# Two functions: a normal density's log, and $\log p(x, z)$ of every code
# with every image. For a Bernoulli pixel with logit $\ell$, $\log p = x\ell -
# \log(1 + e^\ell)$, whose last part is torch's `softplus`, so one matrix product
# serves all pairs.

# %%
def log_normal(z, mu, logvar):
    squares = (z - mu).square() / logvar.exp()
    return -0.5 * (squares + logvar + math.log(2 * math.pi)).sum(-1)


def log_joint(model, x, z):  # [K, B], for images x [B, ...], codes z [K, D]
    logits = model.decode(z).flatten(1)
    log_lik = logits @ x.flatten(1).T - softplus(logits).sum(1, keepdim=True)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero)[:, None]


# %%
x, z = x_test[:1], torch.tensor([[0.5, -1.0]])
with torch.no_grad():
    log_lik = -bernoulli_nll(vae.decode(z), x)
    log_p_z = Normal(0.0, 1.0).log_prob(z).sum(1)
    print(f"log p(x, z): ours {log_joint(vae, x, z).item():.3f}, from the "
          f"loss and torch {(log_lik + log_p_z).item():.3f}")

# %% [markdown]
# Quadrature: sum the joint over a fine grid, times the area of a cell. In logs,
# because $e^{-500}$ is 0 for a computer: `logsumexp` adds $e^a$ without
# computing it.

# %%
@torch.no_grad()
def posterior_on_grid(model, x, *, extent=5.0, n=401):
    axis = torch.linspace(-extent, extent, n)
    parts = torch.cartesian_prod(axis, axis).split(2000)
    log_p = torch.cat([log_joint(model, x, z) for z in parts])
    log_evidence = log_p.logsumexp(0) + 2 * (axis[1] - axis[0]).log()
    log_posterior = (log_p - log_evidence).T.reshape(-1, n, n)
    return axis, log_evidence, log_posterior


x = x_test[:10]
axis, log_evidence, log_posterior = posterior_on_grid(vae, x)
_, finer, _ = posterior_on_grid(vae, x, extent=5.5, n=551)
print(f"a finer, wider grid changes log p(x) by at most "
      f"{(finer - log_evidence).abs().max():.5f} nats")

# %% [markdown]
# Now the three parts, each in its own way: $\log p(x)$ from the grid; the ELBO
# from 40 × 40 weighted values of $\varepsilon$ that stand for its normal
# distribution (Gauss-Hermite quadrature); the KL to the true posterior as an
# area. Does the equation hold?

# %%
nodes, weights = map(torch.from_numpy, hermegauss(40))
eps = torch.cartesian_prod(nodes, nodes).float()  # [1600, 2]
weights = torch.outer(weights, weights).flatten().float()
weights /= weights.sum()


@torch.no_grad()
def elbo(model, x, mu, logvar):  # of one image x [1, ...]; mu, logvar [1, 2]
    z = mu + (0.5 * logvar).exp() * eps
    log_ratio = log_joint(model, x, z)[:, 0] - log_normal(z, mu, logvar)
    return (weights * log_ratio).sum()  # mean of log p(x, z) / q(z|x)


# %%
with torch.no_grad():
    mu, logvar = vae.encode(x)
points, cell = torch.cartesian_prod(axis, axis), (axis[1] - axis[0]) ** 2
all_gaps, kls = torch.zeros(len(x)), torch.zeros(len(x))
print("log p(x)    ELBO      gap   KL(q ‖ true)   gap − KL")
for i in range(len(x)):
    bound = elbo(vae, x[[i]], mu[[i]], logvar[[i]])
    log_q = log_normal(points, mu[[i]], logvar[[i]])
    kl = (log_q.exp() * (log_q - log_posterior[i].flatten())).sum() * cell
    gap = all_gaps[i] = log_evidence[i] - bound
    kls[i] = kl
    print(f"{log_evidence[i]:8.2f} {bound:8.2f} {gap:8.3f} {kl:11.3f} "
          f"{gap - kl:13.4f}")
claim("each gap is above 0, and the KL to 0.01 nats",
      (all_gaps > 0).all() and (all_gaps - kls).abs().max() < 0.01)

# %%
@torch.no_grad()
def plot_posteriors(i, ax):  # of image i, on a fine grid around both
    mode = points[log_posterior[i].argmax()]
    middle, away = (mode + mu[i]) / 2, (mode - mu[i]).abs().max()
    half = away + 5 * (0.5 * logvar[i]).exp().max()
    side = half * torch.linspace(-1, 1, 121)
    z = middle + torch.cartesian_prod(side, side)
    log_q = log_normal(z, mu[[i]], logvar[[i]])
    for values, color, style in [
            (log_joint(vae, x[[i]], z), "C0", "solid"),
            (log_q, "C1", "dashed")]:
        levels = (values.max() - torch.tensor([4.5, 2.0, 0.5])).tolist()
        ax.contour(middle[0] + side, middle[1] + side,
                   values.reshape(121, 121).T, levels, colors=color,
                   linestyles=style)
    ax.set(title=f"a {data.y_test[i]}: {all_gaps[i]:.2f} nats",
           xlabel="$z_1$", aspect="equal")


# %%
fig, axes = plt.subplots(1, 4, figsize=(9, 2.9))
for i, ax in zip(all_gaps.argsort()[[0, 3, 6, 9]].tolist(), axes):
    plot_posteriors(i, ax)
axes[0].set_ylabel("$z_2$")
fig.suptitle("From the smallest gap to the largest: q(z|x) (dashed) and the "
             "true posterior (solid)")
show_figure(fig, alt="Four panels with contour lines, the gap growing to the "
            "right. On the left the dashed ellipse of q lies on the solid "
            "contours of the true posterior; on the right it lies beside or "
            "apart from them.")

# %% [markdown]
# *What to see:* the last column is rounding: the gap is the KL. The contours
# (0.5, 2 and 4.5 nats below the top) show where it comes from, for four of the
# ten, from best to worst. An ellipse along the axes cannot tilt or bend, and
# some lie in the wrong place. Guess which costs more; section 7 measures it.
#
# ## 2 · The KL of two normal distributions
#
# In one dimension, with $q = N(\mu, \sigma^2)$ and $p = N(0, 1)$. The
# constants $\tfrac12\log 2\pi$ cancel:
#
# $$\begin{aligned}
# \mathrm{KL} = \mathbb{E}_q[\log q - \log p]
# &= \mathbb{E}_q\!\left[-\log\sigma - \tfrac{(z - \mu)^2}{2\sigma^2} +
# \tfrac{z^2}{2}\right] && \text{the two log densities} \\
# &= -\log\sigma - \tfrac12 + \tfrac12(\mu^2 + \sigma^2)
# && \mathbb{E}_q(z - \mu)^2 = \sigma^2,\ \mathbb{E}_q z^2 = \mu^2 + \sigma^2 \\
# &= \tfrac12(\mu^2 + \sigma^2 - 1 - \log\sigma^2)
# \end{aligned}$$
#
# Independent dimensions add up. Compare with torch, and with the definition, a
# mean over draws: more and more of them, 200 estimates each.

# %%
mu_1, logvar_1 = torch.tensor([1.0, -0.5]), torch.tensor([-1.0, 0.5])
exact = kl_standard_normal(mu_1, logvar_1)


def kl_estimates(n):  # 200 of them, each from n draws
    mu_n, logvar_n = mu_1.expand(200, n, 2), logvar_1.expand(200, n, 2)
    z, zero = reparameterize(mu_n, logvar_n), torch.zeros(200, n, 2)
    log_ratio = log_normal(z, mu_n, logvar_n) - log_normal(z, zero, zero)
    return log_ratio.mean(1)


torch.manual_seed(0)
counts = [10, 100, 1000, 10_000]
errors = [(kl_estimates(n) - exact).square().mean().sqrt().item()
          for n in counts]
from_torch = kl_divergence(Normal(mu_1, (0.5 * logvar_1).exp()),
                           Normal(0.0, 1.0)).sum()
print(f"formula {exact:.4f}, torch {from_torch:.4f} nats")
print("errors", [round(error, 4) for error in errors])

# %%
std = torch.linspace(0.15, 2.5, 1000)
log_var = 2 * std.log()
readings = {
    "right": 0.5 * (std**2 - 1 - log_var),
    "missing ½": -0.5 * (1 + log_var) + std**2,
    "σ for σ²": 0.5 * (std - 1 - log_var),
    "log σ for log σ²": 0.5 * (std**2 - 1 - std.log()),
}
for name, kl in readings.items():
    low = kl.argmin()
    print(f"{name:17} lowest {kl[low]:7.4f}, at σ = {std[low]:.2f}")

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.loglog(counts, errors, linestyle="", label="200 estimates each")
left.plot(counts, [errors[0] * (10 / n) ** 0.5 for n in counts], marker="",
          color="black", linestyle=":", label="$1/\\sqrt{n}$")
left.set(xlabel="draws $n$", ylabel="root mean square error, nats",
         title="Sampling agrees, slowly")
left.legend()
for (name, kl), style in zip(readings.items(), ["-", "--", "-.", ":"]):
    right.plot(std, kl, linestyle=style, marker="", label=name)
right.set(xlabel="$\\sigma$, with $\\mu = 0$", ylabel="nats", ylim=(-0.4, 1.5),
          title="Only the right one is lowest at σ = 1")
right.axhline(0, color="black", linewidth=0.8, marker="")
right.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
show_figure(fig, alt="Left: error against number of draws on logarithmic "
            "axes, four points on a falling line of slope minus one half. "
            "Right: four curves over sigma; the right one touches zero at "
            "one, its lowest point; one stays above zero, two go below it.")

# %% [markdown]
# *What to see:* a hundred times the draws, a tenth of the error. And a test
# that any KL in any code must pass: 0 at the prior, nowhere less. (Twice the KL
# passes too: necessary, not enough.)
#
# ## 3 · Two ways to differentiate an expectation
#
# We need the gradient of $\mathbb{E}_{q_\mu}[g(z)]$ with respect to $\mu$, for
# $q_\mu = N(\mu, I)$. Two estimates from draws:
#
# * **score function**: $g(z)\,\nabla_\mu \log q_\mu(z) = g(z)\,(z - \mu)$, since
#   $\nabla \int g\, q\, dz = \int g\, \nabla q\, dz$ and $\nabla q = q\,\nabla
#   \log q$. It needs no derivative of $g$.
# * **reparameterization**: $\nabla_\mu\, g(\mu + \varepsilon) = \nabla g(z)$.
#
# Take $g(z) = \lVert z \rVert^2$ at $\mu = (1, \dots, 1)$. Its mean is $\lVert
# \mu \rVert^2 + d$, so the exact gradient is 2 in each of $d$ dimensions. The
# first estimate gets a second chance: subtracting the mean of $g$, a
# **baseline**, changes nothing on average. How large are the variances?

# %%
dims, n, ratios = [1, 2, 5, 10, 20, 50, 100], 100_000, []
for d in dims:
    z = 1 + torch.randn(n, d, generator=generator)
    g, score = z.square().sum(1), z[:, 0] - 1  # for the first coordinate
    estimates = [g * score, (g - 2 * d) * score, 2 * z[:, 0]]
    for estimate in estimates:  # right on average?
        standard_error = estimate.std() / math.sqrt(n)
        assert abs(estimate.mean() - 2) < 5 * standard_error
    plain, baseline, pathwise = [e.var().item() for e in estimates]
    ratios.append([plain / pathwise, baseline / pathwise])
    print(f"{d:3} dimensions: one reparameterized draw is worth "
          f"{ratios[-1][0]:8,.1f}, or {ratios[-1][1]:5.1f} with baseline")

# %%
fig, ax = plt.subplots(figsize=(6, 3))
exact = [[(30 + 26 * (d - 1) + 4 * (d - 1) * (d - 2)) / 4 for d in dims],
         [(18 + 6 * (d - 1)) / 4 for d in dims]]
for values, line, name in zip(zip(*ratios), exact,
                              ["score function", "with baseline"]):
    ax.loglog(dims, values, linestyle="", label=name)
    ax.plot(dims, line, color="black", linestyle=":", marker="")
ax.set(xlabel="dimensions $d$", ylabel="variance ratio",
       title="The score function pays for every dimension")
ax.legend()
show_figure(fig, alt="Variance ratio against dimension on logarithmic axes: "
            "points on two dotted curves, one from 7 to ten thousand, one "
            "from 4 to 150.")

# %% [markdown]
# *What to see:* all are right on average, but with 100 dimensions one draw of
# the last is worth ten thousand of the first, and 150 with a baseline. $g$
# mixes the noise of all dimensions; each partial derivative sees its own,
# because this $g$ is a sum over dimensions. (The dotted lines are exact.)
#
# ## 4 · σ from what?
#
# A common claim is that $\sigma = e^{\rho/2}$ (so $\rho = \log\sigma^2$), for
# the encoder's output $\rho$, is less stable than $\sigma =
# \mathrm{softplus}(\rho) = \log(1 + e^\rho)$. Measure: hidden layers of 512 and
# 256, 20 numbers, five seeds, four constant learning rates, the first 100
# steps. Forty short trainings take about half a minute.

# %%
to_logvar = {"exp": lambda rho: rho,
             "softplus": lambda rho: 2 * softplus(rho).log()}  # 2 log σ


def sigma_loss(kind, model, x):
    mu, rho = model.encode(x)
    logvar = to_logvar[kind](rho)
    logits = model.decode(reparameterize(mu, logvar))
    std = (0.5 * logvar).exp()
    loss = bernoulli_nll(logits, x) + kl_standard_normal(mu, logvar)
    return {"loss": loss, "min": std.min(), "max": std.max()}


# %%
def make_wide():
    return VAE(mlp([784, 512, 256, 40]),
               mlp([20, 256, 512, 784], out_shape=(1, 28, 28)), latent_dim=20)


def first_steps(kind, lr, seed):
    loss_fn = partial(sigma_loss, kind)
    try:
        model, history = trained(
            f"03_{kind}_{seed}", make_wide, x_train[:6400], loss_fn,
            seed=seed, lr=lr, epochs=1, batch_size=64, schedule=constant,
            retrain=RETRAIN, show_progress=False)
    except FloatingPointError:
        return None
    test_loss = evaluate(model, x_test[:2000], loss_fn)["loss"]
    return [test_loss, history.grad_peak[0],
            history.train["min"][0], history.train["max"][0]]


# %%
rates = [1e-3, 3e-3, 1e-2, 3e-2]
runs = list(product(rates, to_logvar, range(5)))
sigma_runs = {(rate, kind, seed): first_steps(kind, rate, seed) for
              rate, kind, seed in tqdm(runs, file=sys.stdout, ncols=70)}
print("rate  σ from    diverged  test −ELBO     largest gradient  range of σ")
for rate, kind in product(rates, to_logvar):
    rows = [sigma_runs[rate, kind, s] for s in range(5)]
    line = f"{rate:<5} {kind:9} {rows.count(None)} of 5"
    if None not in rows:
        loss, peak, low, high = zip(*rows)
        line += (f"    {min(loss):.0f} to {max(loss):.0f}    {min(peak):6.0f} "
                 f"to {max(peak):<7.0f} {min(low):.2f} to {max(high):.1f}")
    print(line)

# %%
for rate in rates[:3]:
    exp, soft = [[sigma_runs[rate, kind, s][0] for s in range(5)
                  if sigma_runs[rate, kind, s]] for kind in to_logvar]
    claim(f"rate {rate}: the losses of exp and softplus overlap",
          max(min(exp), min(soft)) < min(max(exp), max(soft)))

# %% [markdown]
# *Verdict:* at each rate at which training runs, the two end with losses that
# overlap over seeds. At 0.01 both have far larger gradients than at 0.003, and
# the largest are exp's; it does not show in the loss. At 0.03 both diverge,
# every time. As far as these four tell, the rate decides. ($\sigma$'s range is
# the smallest and largest of a batch, averaged over the steps.)
#
# ## 5 · The likelihood is a choice
#
# MNIST's pixels are gray, and a Bernoulli pixel is 0 or 1. `bernoulli_nll`
# accepts gray all the same: it is
# linear in $x$, so on gray it is the average over all binarizations of the
# image, for the same $z$. A fine loss, but no likelihood, and it cannot reach
# 0: its **floor** is the entropy of the gray values. The best and the laziest
# `recon_loss` on the test images:

# %% tags=["nbval-check-output"]
entr = torch.special.entr  # −x log x
entropy = entr(x_test_gray) + entr(1 - x_test_gray)
floor = entropy.flatten(1).sum(1).mean()
mean_image = x_gray.mean(0).clamp(1e-6, 1 - 1e-6)
lazy = bernoulli_nll(mean_image.logit().expand_as(x_test_gray), x_test_gray)
black = (x_test_gray == 0).float().mean()
print(f"pixels that are exactly 0  {black:.0%}")
print(f"a perfect reconstruction  {floor:.2f} nats")
print(f"the mean image, collapse  {lazy.mean():.2f} nats")

# %% [markdown]
# Gray pixels need a density. The **continuous Bernoulli** is the Bernoulli's
# formula divided by its integral over [0, 1]. The Gaussian has a fixed
# $\sigma_x$ or a learned one, here one for all pixels. ($\sigma_x$ is the noise
# of a pixel, 02's $s$, not the encoder's $\sigma$.)
#
# But four in five pixels are exactly 0, and a density may rise without limit
# there. So add noise of one gray level. Then the −ELBO plus $784 \log 256$ nats
# is a fair price of the 8-bit image.

# %%
# log_partition: log of the integral of e^(logit x), (e^logit - 1) / logit;
# torch's own ContinuousBernoulli stops at logits of 16, ours does not
def continuous_bernoulli_nll(logits, x):
    return (log_partition(logits) - x * logits).flatten(1).sum(1)


def learned_nll(model, logits, x):
    p_x = Normal(logits.sigmoid(), model.log_std.exp())
    return -p_x.log_prob(x).flatten(1).sum(1)


nlls = {
    "continuous Bernoulli": lambda m, logits, x:
        continuous_bernoulli_nll(logits, x),
    "Gaussian, σₓ = 1": lambda m, logits, x: gaussian_nll(logits.sigmoid(), x),
    "Gaussian, learned σₓ": learned_nll,
}


# %%
def gray_loss(kind, model, x):
    x = (255 * x + torch.rand_like(x)) / 256
    out = model(x)
    recon_loss = nlls[kind](model, out.logits, x)
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": recon_loss + kl, "recon_loss": recon_loss, "kl": kl}


def make_gray():
    model = make_vae(x_gray)
    model.log_std = nn.Parameter(torch.zeros(()))
    return model


# %% [markdown]
# Same network, two epochs, about half a minute:

# %%
gray = {}
for n, kind in enumerate(nlls):
    gray[kind], _ = trained(f"03_gray_{n}", make_gray, x_gray,
                            partial(gray_loss, kind), seed=0, epochs=2, lr=lr,
                            schedule=warmup_then_linear, **settings)
print(f"raw, 8 bits for each pixel: {784 * math.log(256):.0f} nats")
for kind, model in gray.items():
    terms = evaluate(model, x_test_gray, partial(gray_loss, kind))
    price = terms["loss"] + 784 * math.log(256)
    print(f"{kind:21} test −ELBO {terms['loss']:8.1f} nats, kl "
          f"{terms['kl']:.1f}, 8-bit image {price:.0f} nats")
print(f"learned σₓ: {gray[kind].log_std.exp().item():.3f}")

# %%
torch.manual_seed(0)
shown = [0, 1, 3, 6, 17]  # test images
with torch.no_grad():
    mean = vae.decode(vae.encode(x_test[shown])[0]).sigmoid()
    rows = {"image": [x_test_gray[shown]] * 2,
            "Bernoulli": [mean, torch.bernoulli(mean)]}
    for kind, model in gray.items():
        logits = model.decode(model.encode(x_test_gray[shown])[0])
        std = model.log_std.exp() if kind.endswith("learned σₓ") else 1.0
        rows[kind] = [logits.sigmoid(), logits.sigmoid()
                      + std * torch.randn_like(logits)]
        if kind.startswith("continuous"):  # its mean is not the sigmoid
            rows[kind] = [continuous_bernoulli_mean(logits),
                          continuous_bernoulli_sample(logits)]
fig = show_rows({name: torch.cat(pair) for name, pair in rows.items()},
                title="Means of p(x|z) (left) look alike, samples do not")
show_figure(fig, alt="Five images twice, then four rows of five means and "
            "five samples. All means are soft digits. Samples: black and "
            "white speckled digits; gray speckled ones; noise in which "
            "nothing is seen at a sigma of 1; digits in light noise at the "
            "learned one.")

# %% [markdown]
# *What to see:* the decoder's mean is not what the model says images look
# like; a sample is. At $\sigma_x = 1$ the model believes that digits drown in
# noise: it gains little from its code, and costs more than raw pixels. The
# continuous Bernoulli is cheapest: it can pile its density up at 0, where most
# pixels are; a Gaussian spreads all pixels alike, half of a black one below 0.
#
# Which of these numbers may be compared?
#
# | numbers | comparable |
# |---|---|
# | −ELBOs of two models at $\beta = 1$, same binarized images | yes, as bounds: a lower one can be a smaller gap |
# | continuous Bernoulli and Gaussians, same gray images, same noise of one level | yes; below 0 is no error: a density may be above 1 |
# | a density and a probability | no, unless turned into the price of the same 8-bit image |
# | binarized and gray `recon_loss` | no: the floors are 0 and 45.53 |
# | binarized input, gray target | with neither: encoder and loss see different images |
# | −ELBO and $-\log p(x)$ | no: they differ by the gap |
#
# ## 6 · An audit
#
# Sum over pixels, because $\log p(x|z)$ of pixels independent given $z$ is a
# sum, and over latent numbers, because the KL is. Average one of them, and you
# have changed $\beta$. `audit_loss` finds out from outside: it calls a loss with
# other sizes and values, and fits what comes back. Here is 02's mean in the
# wrong place:

# %%
def kl(mu, logvar):
    return kl_standard_normal(mu, logvar).mean()


def averaged(recon, x, mu, logvar):
    return binary_cross_entropy(recon, x) + kl(mu, logvar)


print(audit_loss(averaged))

# %% [markdown]
# And a museum: losses of well-known repositories as they are today. $r$ is the
# reconstruction, $m$ and $v$ are `mu` and `logvar`. A squared error counts as a
# Gaussian with $\sigma_x = 1$, so half of it counts in nats. The first wing
# sums over pixels and latent numbers:

# %%
bce, mse, rgb = binary_cross_entropy, mse_loss, (3, 64, 64)


def error(r, x):  # squared, summed over pixels
    return squared_error(r, x).mean()


# %%
sums = {  # repository, setting: loss, shape of x, latent_dim, β by hand
    "pytorch/examples": (
        lambda r, x, m, v: bce(r, x, reduction="sum") + len(x) * kl(m, v),
        (784,), 20, 1),  # both are summed over the batch
    "pythae, MSE": (
        lambda r, x, m, v: error(r, x) / 2 + kl(m, v), (784,), 16, 1),
    "1Konny, CelebA, 10 KL": (
        lambda r, x, m, v: error(r.sigmoid(), x) + 10 * kl(m, v),
        rgb, 32, 10 / 2),  # the error lacks its ½
    "YannDubs, Gaussian, 4 KL": (
        lambda r, x, m, v: error(255 * r, 255 * x) / 255 + 4 * kl(m, v),
        rgb, 10, 4 / 2 / 255),  # in gray levels, 255² / 255
    "CompVis, L1 + 0.000001 KL": (  # without its perceptual loss and critic
        lambda r, x, m, v: (r - x).abs().sum() / len(x) + 1e-6 * kl(m, v),
        rgb, 192, 1e-6),
}

# %% [markdown]
# The second averages, over pixels, latent numbers or the batch:

# %%
means = {
    "AntixK, 0.00025 KL": (
        lambda r, x, m, v: mse(r, x) + 0.00025 * kl(m, v),
        rgb, 128, 0.00025 * 12_288 / 2),
    "AntixK, validated with 1 KL": (
        lambda r, x, m, v: mse(r, x) + kl(m, v), rgb, 128, 12_288 / 2),
    "AntixK, β = 10": (
        lambda r, x, m, v: mse(r, x) + 10 * 0.00025 * kl(m, v),
        rgb, 128, 10 * 0.00025 * 12_288 / 2),
    "Lightning, CIFAR-10, 0.1 KL": (  # a mean over 256 numbers
        lambda r, x, m, v: mse(r, x) + 0.1 * kl(m, v) / 256,
        (3, 32, 32), 256, 0.1 / 256 * 3072 / 2),
    "sksq96": (  # a sum over batch and pixels, a mean over batch and numbers
        lambda r, x, m, v: bce(r, x, reduction="sum") + kl(m, v) / 32,
        rgb, 32, 1 / 32 / 32),
    "section 6": (averaged, (784,), 20, 784),
}

# %%
off = {}
print("in batches of 32                  β found      by hand")
for name, (loss_fn, shape, latent_dim, by_hand) in (sums | means).items():
    found = audit_loss(loss_fn, shape=shape, latent_dim=latent_dim,
                       batch_size=32)
    print(f"{name:30} {found.effective_beta:10.4g}   {by_hand:10.4g}")
    off[name] = abs(found.effective_beta / by_hand - 1)
claim("found from outside, each to 2 %", max(off.values()) < 0.02, off=off)

# %% [markdown]
# *What to see:* eleven losses that look alike weigh the KL from a millionth to
# 6144 times, and the number in the code is seldom the one that counts. The
# third wing: mistakes in the KL itself.

# %%
wrong_kl = {
    "missing ½": lambda m, v: -0.5 * (1 + v) + m**2 + v.exp(),
    "½ missing everywhere": lambda m, v: m**2 + v.exp() - 1 - v,
    "σ for σ²": lambda m, v: 0.5 * (m**2 + (v / 2).exp() - 1 - v),
    "log σ for log σ²": lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v / 2),
    "logvar read as log σ": lambda m, v: 0.5 * (m**2 + (2 * v).exp() - 1) - v,
    "wrong sign": lambda m, v: -0.5 * (m**2 + v.exp() - 1 - v),
}


def with_kl(kl_terms, recon, x, mu, logvar):
    recon_loss = bce(recon, x, reduction="none").flatten(1).sum(1)
    return recon_loss + kl_terms(mu, logvar).sum(1)


for name, kl_terms in wrong_kl.items():
    report = audit_loss(partial(with_kl, kl_terms))
    print(f"{name}:", *report.findings, sep="\n  ")
    assert report.findings
assert not audit_loss(partial(negative_elbo, beta=1.0)).findings

# %% [markdown]
# *What to see:* each is found from outside. One cannot be told apart: twice the
# KL *is* $\beta = 2$.
#
# ## 7 · How tight is the bound?
#
# Each draw of $z$ from $q$ gives a **weight** $w = p(x, z) / q(z|x)$, whose
# mean over $q$ is $p(x)$ (section 1, second line). The ELBO is the mean of
# $\log w$. The **importance-weighted** bound (IWAE) first averages $k$ weights
# and then takes the log. Means of $k$ weights differ less than single ones, so
# Jensen loses less:

# %%
@torch.no_grad()
def log_weights(model, x, *, k):  # [k, B]
    mu, logvar = (part.expand(k, *part.shape) for part in model.encode(x))
    z = reparameterize(mu, logvar)  # [k, B, D]; decode takes a batch of k * B
    copies = x.expand(k, *x.shape).flatten(0, 1)
    log_lik = -bernoulli_nll(model.decode(z.flatten(0, 1)), copies).view(k, -1)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero) - log_normal(z, mu, logvar)


def iwae_bound(log_w):  # [k, B] -> [B]
    return log_w.logsumexp(0) - math.log(len(log_w))


# %% [markdown]
# ### Predict
#
# From $k = 1$ to $k = 5000$: will the bound come within a tenth of a nat of
# $\log p(x)$ for all ten images, for most, or for none?

# %%
ks = [1, 5, 50, 500, 5000]
log_evidences = [posterior_on_grid(model, x)[1] for model in vaes]


def short_of_log_p(model, exact):  # what the bound misses, [k, image]
    torch.manual_seed(0)
    log_w = torch.cat([log_weights(model, x, k=250) for _ in range(100)])
    bounds = [[iwae_bound(part) for part in log_w.split(k)] for k in ks]
    return exact - torch.stack([torch.stack(b).mean(0) for b in bounds])


short = list(map(short_of_log_p, vaes, log_evidences))
for n, k in enumerate(ks):
    print(f"k = {k:4}: images within 0.1 nats, for each model",
          [int((s[n].abs() < 0.1).sum()) for s in short],
          "· mean short by", [round(s[n].mean().item(), 2) for s in short])

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.2))
for n, column in enumerate(short[0].T):
    ax.plot(ks, column, color="C0", alpha=0.6, markersize=4, marker="o",
            label="one image" if n == 0 else None)
ax.plot(ks, short[0].mean(1), color="C1", marker="s", label="mean")
ax.axhline(0.1, color="black", linestyle="--", linewidth=1, marker="",
           label="a tenth of a nat")
ax.set_yscale("symlog", linthresh=0.1, linscale=0.5)
ax.set(xscale="log", xlabel="weights $k$", ylabel="short by, nats",
       title="More weights, tighter bound, at very different speeds")
ax.legend()
show_figure(fig, alt="Ten falling lines over k on logarithmic axes. Half of "
            "them or more pass a tenth of a nat by k of 50; at least one has "
            "not by 5000.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# For half of them or more. Where $q$ sits on the true posterior, 50
# weights are plenty. Where it sits beside it, the draws that matter hardly ever
# come. (It is a bound on average: one estimate can be above $\log p(x)$.)
# </details>
#
# So whose fault is the gap? Give each image its *own* best $\mu$ and
# $\log\sigma^2$, by gradient ascent on its ELBO from the encoder's $\mu$ and
# from the top of the posterior. What is left is the fault of the **family**:
# no better ellipse along the axes was found. The rest is the encoder's, who
# serves all images with one network (**amortization**). About 20 seconds:

# %%
def best_posteriors(model, x, mu, logvar, n=16, steps=300):  # n draws a step
    q = [part.clone().requires_grad_() for part in (mu, logvar)]
    optimizer = torch.optim.Adam(q, lr=0.02)
    copies = x.expand(n, *x.shape).flatten(0, 1)
    torch.manual_seed(0)
    for _ in range(steps):
        many = [part.expand(n, -1, -1).flatten(0, 1) for part in q]
        logits = model.decode(reparameterize(*many))
        recon_loss = bernoulli_nll(logits, copies).sum() / n
        loss = recon_loss + kl_standard_normal(*q).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [part.detach() for part in q]


# %%
def top_of_posterior(model, x):  # the highest point of the grid
    axis, _, log_posterior = posterior_on_grid(model, x)
    top = log_posterior.flatten(1).argmax(1)
    return torch.stack([axis[top // len(axis)], axis[top % len(axis)]], 1)


def elbos(model, x, mu, logvar):
    return torch.stack([elbo(model, x[[i]], mu[[i]], logvar[[i]])
                        for i in range(len(x))])


# %%
gaps = []
for model, exact in zip(vaes, log_evidences):
    with torch.no_grad():
        mu, logvar = model.encode(x)
        found = elbos(model, x, mu, logvar)
    best = torch.stack([
        elbos(model, x, *best_posteriors(model, x, start, logvar))
        for start in (mu, top_of_posterior(model, x))]).amax(0)
    gaps.append([exact - best, best - found])
    family, encoder = (part.mean() for part in gaps[-1])
    print(f"mean gap {family + encoder:.2f} nats: family {family:.2f}, "
          f"encoder {encoder:.2f}")
    claim("the encoder's part is more than twice the family's",
          encoder > 2 * family)

# %%
fig, ax = plt.subplots(figsize=(8, 3))
(family, encoder), rows = gaps[0], torch.arange(len(x))
ax.plot(rows, encoder, "C1^", label="encoder: not the best ellipse")
ax.plot(rows, family, "C0o", label="family: q is an ellipse")
ax.set_xticks(rows, [f"a {label}" for label in data.y_test[:len(x)]])
ax.set(ylabel="gap, nats (logarithmic)", yscale="log",
       title="Here, most of the gap is the encoder's")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
show_figure(fig, alt="Two points for each of ten images, logarithmic axis: "
            "the family's mostly below half a nat, the encoder's for most "
            "images many times as high, up to ten nats or more.")

# %% [markdown]
# ### Where it breaks
#
# The encoder was trained on centered digits. Push 25 of them 5 pixels to the
# right. Each line is one of the three models:

# %%
torch.manual_seed(0)
moved = nn.functional.pad(x_test[:25], (5, -5))  # zeros come in at the left
images = torch.cat([x_test[:25], moved])


def three_scores(model):  # −log p(x), −ELBO, −IWAE, in two rows
    torch.manual_seed(0)
    _, exact, _ = posterior_on_grid(model, images)
    log_w = torch.cat([log_weights(model, images, k=64) for _ in range(8)])
    scores = torch.stack([exact, log_w.mean(0), iwae_bound(log_w)])
    return -scores.view(3, 2, 25).mean(2).T


scores = [three_scores(model) for model in vaes]
for n, name in enumerate(["as they are", "shifted"]):
    for exact, neg_elbo, neg_iwae in [rows[n].tolist() for rows in scores]:
        print(f"{name:11} −log p(x) {exact:5.1f}, −ELBO {neg_elbo:5.1f}, "
              f"−IWAE, k = 512 {neg_iwae:5.1f}")
    columns = torch.stack([rows[n] for rows in scores])  # [model, score]
    ranks = columns.argsort(0)
    word = "alike" if (ranks[:, 0] == ranks.T).all() else "differently"
    print(f"{name:11} the columns rank the models {word}")
    large = columns[:, 1] - columns[:, 0] > 15
    claim(f"{name}: the gap is {'over' if n else 'under'} 15 nats, every seed",
          (large == (name == "shifted")).all())

# %% [markdown]
# *What to see:* the shifted digits are less probable under the model, and on
# top of that the encoder does not know where to look for them. Their −ELBO
# mixes both. Where the models' gaps differ more than their $\log p(x)$, it may
# rank them wrongly.
#
# ## 8 · Collapse is a law
#
# Make encoder and decoder linear and the likelihood Gaussian with a fixed
# variance $\sigma_x^2$. With enough latent numbers, the optimum is known: 01's
# principal components can be treated one by one (Lucas and others prove it).
# Let the data have variance $\lambda$ along one; computed from the covariance
# matrix, it is called an **eigenvalue**. Write $t = \beta\sigma_x^2$.
#
# <details><summary>Derivation</summary>
#
# Decoder $wz$, encoder mean $ax$, variance $u$ (so far $\sigma^2$). Per
# direction, loss$/\beta$ is $\frac{1}{2t}[(1 - wa)^2\lambda + w^2 u] +
# \frac12[a^2\lambda + u - 1 - \log u]$. Set the derivatives by $u$ and $a$ to
# 0: $u = t / (t + w^2)$ and $a = w / (t + w^2)$. Insert them; everything
# cancels but $\frac12[u\lambda/t - \log u]$ with $0 < u \le 1$. Its minimum is
# at $u = t/\lambda$ if $\lambda > t$, and else at $u = 1$, where $w = a = 0$.
# Then KL $= -\frac12\log u$, and the squared error is $u^2\lambda + (1 - u)t =
# t$, or $\lambda$.
# </details>
#
# A direction is active **if and only if** $\lambda > \beta\sigma_x^2$. Its KL is
# $\tfrac12\log(\lambda / \beta\sigma_x^2)$ and its squared error
# $\beta\sigma_x^2$; otherwise they are 0 and $\lambda$.

# %%
def linear_vae_law(eigenvalues, *, beta, variance=1.0):
    threshold = beta * variance
    kl = 0.5 * (eigenvalues / threshold).clamp(min=1).log()
    error = eigenvalues.clamp(max=threshold)
    return kl, error


mean = x_gray.mean(0)
parts = ((part - mean).flatten(1).double() for part in x_gray.split(5000))
covariance = sum(part.T @ part for part in parts) / (len(x_gray) - 1)
eigenvalues = torch.linalg.eigvalsh(covariance).flip(0)
print("largest eigenvalues", [round(v, 3) for v in eigenvalues[:6].tolist()])

# %% [markdown]
# Now train one, with 32 latent numbers and ten epochs, at five values of
# $\beta$ (about a minute), and count the numbers with a mean KL above 0.01
# nats. Squared errors are per image.

# %%
def make_linear():
    model = VAE(mlp([784, 64]), mlp([32, 784], out_shape=(1, 28, 28)),
                latent_dim=32)
    with torch.no_grad():
        model.decoder[1].bias.copy_(x_gray.mean(0).flatten())
    return model


def linear_loss(beta, model, x):
    out = model(x)
    recon_loss = 0.5 * squared_error(out.logits, x)  # logits: the mean here
    kl = kl_standard_normal(out.mu, out.logvar)
    loss = recon_loss + beta * kl
    return {"loss": loss, "error": 2 * recon_loss}


# %%
def kl_per_dimension(mu, logvar):  # [N, D] -> [D]
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)


betas, measured, errors = [0.5, 1.0, 2.0, 4.0, 10.0], [], []
for b in betas:
    loss_fn = partial(linear_loss, b)
    model, _ = trained("03_linear", make_linear, x_gray,
                       loss_fn, seed=0, epochs=10, lr=5e-3,
                       schedule=warmup_then_linear,
                       **settings | {"batch_size": 256})
    with torch.no_grad():
        measured.append(kl_per_dimension(*model.encode(x_gray)))
    errors.append(evaluate(model, x_gray, loss_fn)["error"])

# %%
for b, kls, error in zip(betas, measured, errors):
    law, law_error = linear_vae_law(eigenvalues, beta=b)
    active, predicted = [(v > 0.01).sum().item() for v in (kls, law)]
    print(f"β = {b:4}: active {active:2}, law {predicted:2} · KL "
          f"{kls.sum():5.2f}, law {law.sum():5.2f} nats · error "
          f"{error:.2f}, law {law_error.sum():.2f}")
    off_error = abs(error / law_error.sum() - 1)
    off_kl, off_active = abs(kls.sum() - law.sum()), abs(active - predicted)
    claim("the error to 3 %, the KL to 0.15 nats, the count to one",
          off_error < 0.03 and off_kl < 0.15 and off_active <= 1)

# %%
curve = torch.logspace(-0.45, 1.2, 300)
laws = [linear_vae_law(eigenvalues, beta=b)[0] for b in curve.tolist()]
law_active = [(law > 0.01).sum() for law in laws]
trained_active = [(kls > 0.01).sum() for kls in measured]

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.step(curve, law_active, color="black", marker="", linewidth=1)
left.plot(betas, trained_active, linestyle="")
for ax in (left, right):
    ax.set_xscale("log")
    ax.set_xticks(betas, betas)
    ax.minorticks_off()
left.set(xlabel="$\\beta$", ylabel="active dimensions",
         title="β decides how many stay active")
right.plot(curve, [law.sum() for law in laws], color="black", marker="",
           linewidth=1, label="law")
right.plot(betas, [kls.sum() for kls in measured], linestyle="",
           label="trained")
right.set(xlabel="$\\beta$", ylabel="KL, nats",
          title="Training ends where the law says")
right.legend()
show_figure(fig, alt="Left: a staircase that falls from 30 active dimensions "
            "to none as beta grows, with five trained points on it. Right: a "
            "smooth falling curve that reaches zero near beta of five, with "
            "five points on it.")

# %% [markdown]
# *What to see:* latent numbers that stay at the prior are not a failure of
# training here; they are the optimum. Past the largest eigenvalue, 5.117,
# nothing is: full collapse. For what is learned, only the product
# $\beta\sigma_x^2$ counts, which is why a careless likelihood and a careless
# $\beta$ are the same mistake.
#
# ## Recap
#
# You derived the ELBO twice, and saw its gap as an area you can integrate ·
# derived and tested the KL · compared the two ways to differentiate an
# expectation · measured what $\sigma$'s parametrization and the likelihood
# change · audited a museum of real losses · tightened the bound · predicted
# collapse, by a law.
#
# ## Exercises
#
# ### 1 · A wider prior (ten minutes, three lines)
#
# Repeat section 2's derivation for the prior $N(0, s^2 I)$ and write the KL,
# one value per row of `mu` and `logvar` [B, D]; $s$ is a number
# (`math.log(s)`).

# %% tags=["exercise"]
def kl_to_wide_prior(mu, logvar, s):
    ...


check_kl_to_wide_prior(kl_to_wide_prior)

# %% tags=["solution"]
def kl_to_wide_prior(mu, logvar, s):
    ratio = (mu.square() + logvar.exp()) / s**2
    return 0.5 * (ratio - 1 - logvar + 2 * math.log(s)).sum(1)


check_kl_to_wide_prior(kl_to_wide_prior)

# %% [markdown]
# ### 2 · The tighter bound (five minutes, two lines)
#
# Write `iwae_bound` again, from log weights of shape [k, B] to [B]. Real log
# weights are near $-100$ or $-500$: do without `logsumexp`, and mind what `exp`
# makes of them. What can you subtract first?

# %% tags=["exercise"]
def my_bound(log_w):
    ...


check_iwae(my_bound)

# %% tags=["solution"]
def my_bound(log_w):
    highest = log_w.max(0).values
    return highest + (log_w - highest).exp().mean(0).log()


check_iwae(my_bound)

# %% [markdown]
# ### 3 · How many stay awake? (three minutes, one line)
#
# How many latent numbers of the best linear VAE are active, for eigenvalues
# [D] in any order, `beta`, and a Gaussian likelihood with standard deviation
# `std`?

# %% tags=["exercise"]
def n_active(eigenvalues, beta, std):
    ...


check_active_dimensions(n_active)

# %% tags=["solution"]
def n_active(eigenvalues, beta, std):
    return int((eigenvalues > beta * std**2).sum())


check_active_dimensions(n_active)

# %% [markdown]
# ## References
#
# * Kingma and Welling (2014), *Auto-encoding variational Bayes*,
#   [arXiv:1312.6114](https://arxiv.org/abs/1312.6114): ELBO, estimator, KL.
# * Burda, Grosse and Salakhutdinov (2016), *Importance weighted autoencoders*,
#   [arXiv:1509.00519](https://arxiv.org/abs/1509.00519).
# * Cremer, Li and Duvenaud (2018), *Inference suboptimality in variational
#   autoencoders*, [arXiv:1801.03558](https://arxiv.org/abs/1801.03558): the
#   two parts of the gap.
# * Loaiza-Ganem and Cunningham (2019), *The continuous Bernoulli*,
#   [arXiv:1907.06845](https://arxiv.org/abs/1907.06845).
# * Lucas and others (2019), *Don't blame the ELBO! A linear VAE perspective on
#   posterior collapse*, [arXiv:1911.02469](https://arxiv.org/abs/1911.02469):
#   the law of section 8.
# * Mohamed and others (2020), *Monte Carlo gradient estimation in machine
#   learning*, [arXiv:1906.10652](https://arxiv.org/abs/1906.10652).
#
# **Next:** [04 · Seeing the latent space](04_latent_space.ipynb), which asks
# whether the learned codes look like the prior.
