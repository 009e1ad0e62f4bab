# %% [markdown]
# # 5 · side trip · Schedules

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from tutorial_utils import (
    VAE, bernoulli_nll, claim, encode_images, evaluate, kl_per_dimension,
    kl_standard_normal, load_images, mlp, negative_elbo, print_table,
    score_grid, show_figure, start_at_mean_image, train_grid,
    warmup_then_linear,
)
from tutorial_utils.studios.schedule import schedule_composer
from tutorial_utils.topics.schedules import PRESETS, train_schedule

# %%
RETRAIN = False  # True: train all models again, which takes minutes
seeds = [0, 1, 2]  # figures show the first; tables show all
latent_dim = 8

data = load_images("mnist")


# %%
def halved(x):  # [N, 1, 28, 28] -> [N, 1, 14, 14], again of 256 gray levels
    return (255 * adaptive_avg_pool2d(x, 14)).round() / 255


x_train, x_test = halved(data.x_train[:20_000]), halved(data.x_test)


# %%
def linear_warmup(progress, *, share=0.5, top=1.0):  # progress: 0 to 1
    return top * min(progress / share, 1.0)


def cyclical(progress, *, n_cycles=4, share=0.5, top=1.0):
    within = progress * n_cycles % 1.0
    return linear_warmup(within, share=share, top=top)


def free_bits_kl(mu, logvar, *, floor):  # [B, D] -> []
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
    return kl.clamp(min=floor).sum()


# %%
def each_dimension(model, x, beta=1.0, floor=None):
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x)
    charged = kl_standard_normal(out.mu, out.logvar)
    if floor is not None:
        charged = free_bits_kl(out.mu, out.logvar, floor=floor)
    each = kl_per_dimension(out.mu, out.logvar)
    return {"loss": recon_loss + beta * charged,
            **{f"z_{j + 1}": kl for j, kl in enumerate(each)}}


# %%
def make_network(widths):
    net = partial(mlp, activation=nn.ReLU)
    encoder = net([196, *widths, 2 * latent_dim])
    decoder = net([latent_dim, *widths[::-1], 196], out_shape=(1, 14, 14))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=latent_dim)


# %%
deep = partial(make_network, [128, 64, 32])
networks = {"shallow": {"make_model": partial(make_network, [128])},
            "deep": {"make_model": deep},
            "deep, small steps": {"make_model": deep, "lr": 2e-3}}
recipes = {"constant": {}, "warm-up": {"beta": linear_warmup},
           "cyclical": {"beta": cyclical},
           "free bits": {"loss_fn": partial(each_dimension, floor=0.1)}}
settings = {"epochs": 15, "batch_size": 128, "lr": 1e-2,
            "schedule": warmup_then_linear, "retrain": RETRAIN}


# %%
def measured(model):
    each = kl_per_dimension(*encode_images(model, x_test))
    return evaluate(model, x_test, negative_elbo) | {
        "used": (each > 0.2).sum().item()}


# %%
runs = train_grid(
    None, x_train, each_dimension, name="05_recipe", **settings,
    over={"network": {"deep": networks["deep"]}, "recipe": recipes,
          "seed": seeds[:1]})
scores = score_grid(
    None, x_train, each_dimension, name="05_recipe", **settings,
    over={"network": networks, "recipe": recipes, "seed": seeds},
    measure=measured)
