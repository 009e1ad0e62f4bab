# %%
import torch
from torch.nn.functional import adaptive_avg_pool2d

from tutorial_utils import (
    VAE, load_images, mlp, negative_elbo, train_grid, warmup_then_linear,
)

# %%
RETRAIN = False  # True: train all models again, a minute
seeds = [0, 1, 2]  # figures show the first; tables show all
sizes = {"factor 1": 20, "factor 2": 12, "factor 3": 8, "coins": 8}

data = load_images("mnist")
settings = {"epochs": 15, "batch_size": 256, "lr": 1e-2,
            "schedule": warmup_then_linear, "retrain": RETRAIN}


# %%
owner = torch.arange(4).repeat_interleave(torch.tensor([*sizes.values()]))


def make_table(n, seed):  # -> columns [n, 48] of 0 and 1, factors [n, 3]
    generator = torch.Generator().manual_seed(seed)
    factors = torch.randn(n, 3, generator=generator)
    pushes = torch.cat([4 * factors, torch.zeros(n, 1)], 1)[:, owner]
    draws = torch.rand(n, 48, generator=generator)
    return (draws < pushes.sigmoid()).float(), factors


def make_small():
    return VAE(mlp([48, 64, 6]), mlp([3, 64, 48]), latent_dim=3)


# %%
x_table, _ = make_table(20_000, seed=0)
found = train_grid(
    make_small, x_table, negative_elbo, name="04_table", **settings,
    over={"seed": seeds})
table_models = {seed: model for seed, (model, _) in found.items()}


# %%
def threes_and_eights(x, y):  # images -> rows of 48 numbers, their classes
    chosen = (y == 3) | (y == 8)
    small = adaptive_avg_pool2d(x[chosen][..., 4:24], (8, 6)).flatten(1)
    return (255 * small).round() / 255, y[chosen]


x_digits, _ = threes_and_eights(data.x_train, data.y_train)
found = train_grid(
    make_small, x_digits, negative_elbo, name="04_pooled", **settings,
    over={"seed": seeds})
digit_models = {seed: model for seed, (model, _) in found.items()}
