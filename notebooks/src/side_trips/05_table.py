# %% [markdown]
# # 5 · side trip · A table of 48 columns

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch.distributions import Normal
from torch.nn.functional import adaptive_avg_pool2d

from tutorial_utils import (
    VAE, bernoulli_nll, claim, encode_images, evaluate, kl_per_dimension,
    kl_standard_normal, load_images, local_seed, mlp, negative_elbo,
    plot_codes, print_table, reparameterize, score_grid, show_figure,
    show_image, train_grid, warmup_then_linear,
)
from tutorial_utils.studios.beta_panels import multiplier_panels
from tutorial_utils.studios.beta_slider import model_slider

# %%
RETRAIN = False  # True: train all models again
seeds = [0, 1, 2]  # figures show the first; tables show all
multipliers = [1, 4, 8, 12, 16, 24, 48, 96, 192, 480]

data = load_images("mnist")
settings = {"epochs": 15, "batch_size": 256, "lr": 1e-2,
            "schedule": warmup_then_linear, "retrain": RETRAIN}


# %%
def table(x, y):  # images of 0 and 1 -> rows of 48 numbers, their classes
    chosen = (y == 0) | (y == 1)
    small = adaptive_avg_pool2d(x[chosen][..., 4:24], (8, 6)).flatten(1)
    return (255 * small).round() / 255, y[chosen]


x_train, _ = table(data.x_train, data.y_train)
x_test, y_test = table(data.x_test, data.y_test)


# %%
def weighted_loss(model, x, multiplier):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x) / 48  # the mean over columns
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": multiplier * recon_loss + kl}


def make_small():
    return VAE(mlp([48, 64, 6]), mlp([3, 64, 48]), latent_dim=3)


# %%
def measured(model, x):
    each = kl_per_dimension(*encode_images(model, x))
    return evaluate(model, x, negative_elbo) | {
        "used": (each > 0.1).sum().item()}


# %%
found = train_grid(
    make_small, x_train, weighted_loss, name="05_times", **settings,
    over={"multiplier": multipliers, "seed": seeds[:1]})
models = {m: model for (m, _), (model, _) in found.items()}
scores = score_grid(
    make_small, x_train, weighted_loss, name="05_times", **settings,
    over={"multiplier": multipliers, "seed": seeds},
    measure=partial(measured, x=x_test))


# %%
factors = {"kind": 2.0, "first number": 1.2, "second number": 0.8}


def questionnaire(n, seed):  # -> answers [n, 48], factors [n, 3]
    generator = torch.Generator().manual_seed(seed)
    kind = torch.rand(n, 1, generator=generator).round() * 2 - 1  # -1 or 1
    numbers = torch.randn(n, 2, generator=generator)
    hidden = torch.cat([kind, numbers], 1)
    logits = hidden * torch.tensor([*factors.values()])
    chance = logits.sigmoid().repeat_interleave(16, dim=1)
    return (torch.rand(n, 48, generator=generator) < chance).float(), hidden


answers, _ = questionnaire(10_000, seed=0)
answers_test, hidden_test = questionnaire(2_000, seed=1)


# %%
def explained(z, factor):  # share of a factor's variance that z tells
    inputs = torch.cat([z, torch.ones(len(z), 1)], 1)
    weights = torch.linalg.lstsq(inputs, factor).solution
    return 1 - ((factor - inputs @ weights).var() / factor.var()).item()


def recovered(model):
    with local_seed(0):
        z = reparameterize(*encode_images(model, answers_test))
    return {name: explained(z, hidden_test[:, [j]])
            for j, name in enumerate(factors)}


# %%
known = score_grid(
    make_small, answers, weighted_loss, name="05_answers", **settings,
    over={"multiplier": multipliers, "seed": seeds}, measure=recovered)
