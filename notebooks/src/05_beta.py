# %% [markdown]
# # 5 · One knob: β
#
# (The second edition is being written: so far the models of its sweep.)

# %%
import torch
from torch import nn

from tutorial_utils import (
    VAE, digit_classifier, encode_images, evaluate, kl_per_dimension,
    load_images, mlp, negative_elbo, score_grid, start_at_mean_image,
    train_grid, warmup_then_linear,
)

# %%
RETRAIN = False  # True: train all models again, which takes hours
seeds = [0, 1, 2]  # figures show the first; tables show all
betas = [0, 0.01, 0.1, 0.5, 1, 2, 4, 10, 12, 50, 200]

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test


# %%
def make_vae(k):  # k latent numbers
    encoder = mlp([784, 256, 128, 2 * k], activation=nn.GELU)
    decoder = mlp([k, 128, 256, 784], activation=nn.GELU,
                  out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=k)


# %%
settings = {"epochs": 20, "batch_size": 128, "lr": 4e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
sweep = train_grid(
    make_vae, x_train, negative_elbo, name="05_sweep", **settings,
    over={"k": [2, 64], "beta": betas, "seed": seeds[:1]})
judge = digit_classifier(data, retrain=RETRAIN)


# %%
@torch.no_grad()
def measured(model):
    row = evaluate(model, x_test, negative_elbo)  # loss, recon_loss, kl
    mu, logvar = encode_images(model, x_test)
    row["active"] = (kl_per_dimension(mu, logvar) > 0.01).sum().item()
    row["std of means"] = mu.std().item()
    samples = model.sample(1000, generator=torch.Generator().manual_seed(0))
    shares = judge(samples).argmax(1).bincount(minlength=10) / 1000
    row["classes"] = torch.special.entr(shares).sum().exp().item()
    return row


# %%
repeated = [beta for beta in [0, 0.1, 0.5, 1, 4, 10] if beta in betas]
scores = {key: measured(model) for key, (model, _) in sweep.items()}
if seeds[1:]:
    scores |= score_grid(
        make_vae, x_train, negative_elbo, name="05_seeds", measure=measured,
        **settings,
        over={"k": [2, 64], "beta": repeated, "seed": seeds[1:]})
