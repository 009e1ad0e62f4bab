# %%
from functools import partial

import torch
from torch import nn

from tutorial_utils import (
    VAE, encode_images, evaluate, knn_confusion, load_images, mlp,
    negative_elbo, score_grid, start_at_mean_image, warmup_then_linear,
)

# %%
RETRAIN = False  # True: train all models again, which takes hours
seeds = [0, 1, 2]  # figures show the first; tables show all
beta = 784e-5  # pixels averaged, and the KL times 0.00001

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test


# %%
def make_layers(layers):  # such as "400-256": the encoder's hidden layers
    hidden = [int(n) for n in layers.split("-")]
    net = partial(mlp, activation=nn.ReLU)
    decoder = net([2, *reversed(hidden), 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(net([784, *hidden, 4]), decoder, latent_dim=2)


# %%
def confused(shares, group):  # named another one of the group; the mean
    rows = shares[group][:, group]
    return ((rows.sum() - rows.trace()) / len(group)).item()


def class_map(mu):  # center and covariance of the means of each class
    scores = {}
    for k in range(10):
        own = mu[y_test == k]
        (a, b), (_, c) = torch.cov(own.T).tolist()
        x, y = own.mean(0).tolist()
        scores |= dict(zip([f"x {k}", f"y {k}", f"xx {k}", f"xy {k}",
                            f"yy {k}"], [x, y, a, b, c]))
    return scores


def measured(model):
    mu, _ = encode_images(model, x_test)
    shares = knn_confusion(mu, y_test)
    row = evaluate(model, x_test, negative_elbo)
    row["k-NN"] = shares.diagonal().mean().item()
    row["4, 9"] = confused(shares, [4, 9])
    row["3, 5, 8"] = confused(shares, [3, 5, 8])
    row["2 as 3, 5, 8"] = shares[2, [3, 5, 8]].sum().item()
    units = model.encoder[:-2](x_test)  # the last hidden layer, after ReLU
    row["units"] = (units > 0).any(0).sum().item()
    return row | class_map(mu)


# %%
networks = ["256-128", "400-128", "400-256", "400-256-64",
            "400-256-64-64", "400-256-64-10"]
settings = {"epochs": 15, "batch_size": 128, "lr": 2e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
loss_fn = partial(negative_elbo, beta=beta)
scores = score_grid(
    make_layers, x_train, loss_fn, name="04_layers", measure=measured,
    over={"layers": networks, "seed": seeds}, **settings)
