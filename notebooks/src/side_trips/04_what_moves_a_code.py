# %% [markdown]
# # 4 · side trip · What moves a code?
#
# ![A row of 48 squares in four colors: 20 belong to a first factor, 12 to a
# second, 8 to a third, and 8 are coins. The encoder makes three numbers of
# them: which columns move a number? The decoder makes 48 columns again: which
# columns does it move?](../figures/moves_a_code.svg)
#
# A row of a table goes into a VAE, and three numbers come out. Why is the
# first one what it is? Which columns made it so? And if it were a little
# larger, which columns of the copy would change?
#
# Two derivatives answer. People print them as heat maps and read a meaning
# into each row. **Can such a map be trusted?** There is one way to find out:
# draw it where the truth is known.
#
# *A side trip from [04 · Seeing the latent space](../04_latent_space.ipynb) ·
# half an hour ·
# [Solutions](../solutions/side_trips/04_what_moves_a_code.ipynb)*

# %%
from itertools import permutations

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.func import jacrev, vmap
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity

from tutorial_utils import (
    VAE, claim, encode_images, load_images, mlp, negative_elbo, print_table,
    show_figure, show_image, train_grid, warmup_then_linear,
)
from tutorial_utils.checks.nb04 import check_central_difference
from tutorial_utils.studios.predict import predict
from tutorial_utils.studios.traversal import traversal_panel

# %%
RETRAIN = False  # True: train all models again, a few minutes
seeds = [0, 1, 2]  # figures show the first; tables show all
places = [-2.0, -1.0, 0.0, 1.0, 2.0]  # five, the third is 0
sizes = {"factor 1": 20, "factor 2": 12, "factor 3": 8, "coins": 8}
n_1, n_2, n_3, n_coins = sizes.values()
claim("sizes: 48 columns in all, and fewer for each next factor",
      n_1 + n_2 + n_3 + n_coins == 48 and n_1 > n_2 > n_3 > 0)

data = load_images("mnist")
y_test = data.y_test
settings = {"epochs": 15, "batch_size": 256, "lr": 1e-2,
            "schedule": warmup_then_linear, "retrain": RETRAIN}

# %% [markdown]
# ## A table of which we know the truth
#
# We make a table of 48 columns ourselves. Behind each row stand three hidden
# numbers, the **factors**. The first one decides over 20 columns: each is 1
# with the chance $\operatorname{sigmoid}(4f_1)$. The second decides over 12,
# the third over 8. Nobody decides over the last 8. They are coins.
#
# Then we train a VAE with three latent numbers on it. It sees rows, and
# nothing else. In reality the columns would be shuffled; here they stand in
# order, for the eye. A network of dense layers does not notice.
#
# Which number of the code takes which factor? That is up to the training. So
# we look at new rows, and correlate the means $\mu_j$ with the factors.


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
rows, factors = make_table(1000, seed=99)


def taken(model):  # the factor that correlates most with each number
    mu, _ = encode_images(model, rows)
    both = torch.corrcoef(torch.cat([mu, factors], 1).T)[:3, 3:].abs()
    return both.argmax(1), both.amax(1)


for seed, model in table_models.items():
    which, how_much = taken(model)
    claim(f"seed {seed}: each number has taken a factor of its own",
          len(which.unique()) == 3 and how_much.min() > 0.85, r=how_much)

# %% [markdown]
# ## Which columns move a number?
#
# Raise column $i$ of a row a little. How much does $\mu_j$ rise? That is the
# derivative $\partial \mu_j / \partial x_i$. All of them together, 3 × 48
# numbers, are the encoder's **Jacobian** at this row.
#
# PyTorch computes it without any approximation. `jacrev` turns a function of
# one row into the function that gives its Jacobian, and `vmap` does that for
# many rows at a time. We take a thousand new rows, and the mean over them.
#
# And then we check it. Say a number has taken the factor of 12 columns. Then
# the 12 columns with the largest derivatives should be just these 12.


# %%
def encoder_jacobian(model, x):  # [N, 48] -> [N, 3, 48]
    def mean_of(row):
        return model.encode(row[None])[0][0]
    return vmap(jacrev(mean_of))(x)


encoder_maps = {seed: encoder_jacobian(model, rows).mean(0)
                for seed, model in table_models.items()}


def hits(map_, model):  # of the columns of each factor, how many are on top
    found = {}
    for j, k in enumerate(taken(model)[0].tolist()):
        name, n = [*sizes.items()][k]
        top = map_[j].abs().argsort(descending=True)[:n]
        found[f"{name}, of {n}"] = (owner[top] == k).sum().item()
    return dict(sorted(found.items()))


# %%
print_table({f"encoder, seed {seed}": hits(encoder_maps[seed], model)
             for seed, model in table_models.items()})
claim("encoder, every seed: the columns of its factor are on top",
      all(sum(hits(encoder_maps[seed], model).values()) == 48 - n_coins
          for seed, model in table_models.items()))


def per_column(map_, model):  # mean size in the block of each factor
    sizes_of = [map_[j, owner == k].abs().mean()
                for j, k in enumerate(taken(model)[0])]
    return torch.stack(sizes_of)[taken(model)[0].argsort()]


claim("encoder, every seed: the fewer columns a factor has, the more each "
      "of them moves", all(per_column(encoder_maps[seed], model).diff().min()
                           > 0 for seed, model in table_models.items()))

# %% [markdown]
# ## Which columns does a number move?
#
# Now the other way. Add a little to $z_j$, decode, and see which columns of
# the copy change, and how much. One can do that by hand, without any calculus,
# for any decoder in the world. With a step $h$, common code divides what comes
# out by what went in: $f(z + h)/h$.
#
# ### Predict

# %% tags=["predict"]
# Your guess, please
predict("f(z + h)/h, and h becomes smaller and smaller. What does it do?",
        ["it approaches the derivative", "it approaches the copy, f(z)",
         "it grows without a limit"], answer="it grows without a limit",
        because="Nothing is subtracted. The copy stays as large as it is, and "
        "is divided by less and less.")

# %% [markdown]
# What changes is a difference: $f(z + h) - f(z)$. Divided by $h$, that is the
# **forward difference**. Better still, look to both sides.
#
# ### Exercise · The central difference (five minutes, three lines)
#
# The derivative of `f` ([D] to [P]) with respect to `z[j]`, from two
# values of `f`, one a step `h` ahead, one a step `h` behind. Leave `z` as it
# is.
#
# How small should $h$ be? Below the exercise, we see how wrong each of the
# three ways is, from a step of 1 down to a millionth. The truth is known, from
# `jacrev`.

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


# %%
def painter(model):  # the decoder as a function of one code: [3] -> [48]
    return lambda z: model.decode(z[None])[0].sigmoid()


def decoder_jacobian(model, z):  # [N, 3] -> [N, 48, 3]
    return vmap(jacrev(painter(model)))(z)


# %% tags=["hide-input"]
# The largest error against the step, both logarithmic, one line for each seed
def quotients(f, z, h):  # three ways, for the first number of the code
    step = h * torch.eye(len(z))[0]
    up, middle, down = f(z + step), f(z), f(z - step)
    return {"f(z + h) / h": up / h, "forward": (up - middle) / h,
            "central": (up - down) / (2 * h)}


steps = torch.logspace(-6, 0, 25).tolist()
errors = {}  # by seed and name: the largest error at each step
for seed, model in table_models.items():
    z = encode_images(model, rows[:1])[0][0]
    truth = decoder_jacobian(model, z[None])[0][:, 0]
    for h in steps:
        for name, value in quotients(painter(model), z, h).items():
            error = (value - truth).abs().max().item()
            errors.setdefault((seed, name), []).append(error)
at = 16  # of the steps: 0.01
claim("every seed: at h = 0.01 the central difference is right to 0.001",
      all(errors[seed, "central"][at] < 1e-3 for seed in seeds))
claim("every seed: f(z + h)/h is off by more than 10 there",
      all(errors[seed, "f(z + h) / h"][at] > 10 for seed in seeds))
fig, ax = plt.subplots(figsize=(7.5, 3.4))
styles = {"f(z + h) / h": ("C1", ":"), "forward": ("0.5", "--"),
          "central": ("C0", "-")}
for (name, (color, line)), place in zip(styles.items(), [
        (1e-4, 4e4), (2e-5, 3e-2), (1.6e-2, 4e-6)]):
    for seed in seeds:
        ax.loglog(steps, errors[seed, name], line, color=color, marker="")
    ax.annotate(name, place, color=color)
ax.set(xlabel="step h", ylabel="largest error", xlim=(1e-6, 1),
       title="Too small a step is as bad as too large a one")
show_figure(fig, alt="Error against step size, both logarithmic, for three "
            "quotients. Without subtraction it grows in a line, to a million. "
            "Forward and central differences have a valley each: the central "
            "one is lower, and lies at a larger step.")

# %% [markdown]
# *What to see.* Two things spoil a difference. A large step leaves the place
# where we asked. A small step drowns in rounding, since 32-bit numbers have
# seven digits, and a difference of two nearly equal numbers has fewer. Between
# the two lies a valley. That of the central difference is deeper, because the
# errors of its two sides cancel. And $f(z+h)/h$ has no valley, it has no limit
# at all: its error is about $f(z)/h$.
#
# So here is the decoder's map by hand: central differences with $h = 0.01$, at
# the codes of the same thousand rows, and the mean over them.


# %%
def decoder_map(model, codes, h=0.01):  # [N, 3] -> [3, 48], by hand
    def change(j):
        up, down = [model.decode(codes + step * torch.eye(3)[j]).sigmoid()
                    for step in (h, -h)]
        return (up - down) / (2 * h)
    return torch.stack([change(j).mean(0) for j in range(3)])


decoder_maps = {}
for seed, model in table_models.items():
    decoder_maps[seed] = decoder_map(model, model.encode(rows)[0])
    truth = decoder_jacobian(model, model.encode(rows)[0]).mean(0).T
    claim(f"seed {seed}: by hand and by jacrev, the same to 0.0001",
          (decoder_maps[seed] - truth).abs().max() < 1e-4)
claim("decoder, every seed: the columns of its factor are on top",
      all(sum(hits(decoder_maps[seed], model).values()) == 48 - n_coins
          for seed, model in table_models.items()))

# %% tags=["hide-input"]
# Both maps of the first seed, rows in the order of their factors
model, ends = table_models[seeds[0]], owner.bincount().cumsum(0)
order = taken(model)[0].argsort()
fig, axes = plt.subplots(2, 1, figsize=(8.5, 3.1), sharex=True)
for ax, map_, name in [(axes[0], encoder_maps[seeds[0]], "encoder: ∂μ/∂x"),
                       (axes[1], decoder_maps[seeds[0]], "decoder: ∂x̂/∂z")]:
    top = map_.abs().max()
    image = ax.imshow(map_[order], cmap="PuOr", vmin=-top, vmax=top,
                      aspect="auto")
    fig.colorbar(image, ax=ax, pad=0.02)
    ax.set_title(name, loc="left", fontsize=10)
    ax.set_yticks(range(3), [f"$z_{j + 1}$" for j in order.tolist()])
    ax.vlines(ends[:3] - 0.5, -0.5, 2.5, color="black", linewidth=1)
    ax.tick_params(length=0)
    ax.grid(False)
axes[1].set_xticks(ends - owner.bincount() / 2 - 0.5,
                   [f"{name}:\n{n} columns" for name, n in sizes.items()])
fig.suptitle("Each number is moved by the columns of one factor, and moves "
             "them")
show_figure(fig, alt="Two heat maps of mean derivatives, 3 latent numbers by "
            "48 columns, of encoder and decoder. In each row one block is "
            "purple or orange: the 20, the 12 or the 8 columns of one factor. "
            "The coins are white. In the encoder's map the block of 8 is the "
            "darkest, in the decoder's all are alike.")

# %% [markdown]
# *What to see.* Both maps have found the truth, every column of it, and left
# the coins alone. Look at the encoder's colors once more: where only 8 columns
# tell about a factor, each of them counts for more. So a strong color in the
# encoder's map does not say that a column depends strongly on the factor. It
# says that the encoder relies on it.
#
# The sign says nothing about the factor either. The VAE may take it upside
# down, and then its whole row is orange.
#
# ## On digits
#
# Now a table that nobody made for the purpose: the 3s and 8s of MNIST, on
# 8 × 6 fields, each 1 where there is enough ink. Again 48 columns of 0 and 1,
# and again three numbers. But nobody knows the factors, if there are any. At
# least we can look. The sliders move one number at a time, and the decoded
# fields follow. Below them the maps are drawn as pictures.
#
# Try it: pull $z_1$ from end to end. What does it do? Put $z_2$ to one end,
# pull $z_1$ again, and keep in mind what you saw.


# %%
def threes_and_eights(x, y):  # images -> rows of 48 numbers, 0 or 1
    chosen = (y == 3) | (y == 8)
    small = adaptive_avg_pool2d(x[chosen][..., 4:24], (8, 6)).flatten(1)
    return (small > 0.31).float()


x_digits = threes_and_eights(data.x_train, data.y_train)
found = train_grid(
    make_small, x_digits, negative_elbo, name="04_fields", **settings,
    over={"seed": seeds})
digit_models = {seed: model for seed, (model, _) in found.items()}
digits = threes_and_eights(data.x_test, y_test)[:1000]
y_digits = y_test[(y_test == 3) | (y_test == 8)][:1000]

model = digit_models[seeds[0]]
as_fields = nn.Sequential(model.decoder, nn.Unflatten(1, (1, 8, 6)))
traversal_panel(VAE(model.encoder, as_fields, latent_dim=3),
                digits.view(-1, 1, 8, 6), y_digits)

# %% tags=["hide-input"]
# Four rows as fields; the maps of encoder and decoder, first seed
model = digit_models[seeds[0]]
maps = {"encoder": encoder_jacobian(model, digits).mean(0),
        "decoder": decoder_map(model, model.encode(digits)[0])}
fig, axes = plt.subplots(1, 10, figsize=(9.5, 1.9))
chosen = [i for k in (3, 8) for i in (y_digits == k).nonzero()[:2, 0]]
for ax, i in zip(axes, chosen):
    show_image(digits[i].view(8, 6), ax=ax, title=f"a row:\n{y_digits[i]}")
for n, (name, map_) in enumerate(maps.items()):
    for j, ax in enumerate(axes[4 + 3 * n:7 + 3 * n]):
        show_image(map_[j].view(8, 6) / map_.abs().max(), cmap="PuOr",
                   vmin=-1, ax=ax, title=f"{name}\n$z_{j + 1}$")
show_figure(fig, alt="Four rows of the table as fields of 8 by 6: coarse 3s "
            "and 8s. Then for three numbers the encoder's and the decoder's "
            "mean derivative as pictures in purple and orange.")

# %% [markdown]
# *What to see.* The darkest field has the largest value of its map. In the
# encoder's maps ink on purple fields raises the number, and ink on orange ones
# lowers it. In the decoder's maps purple fields fill with ink as the number
# rises, and orange ones lose it. So there one can see strokes that move:
# purple on one side, orange on the other. It is tempting to give each number a
# name.
#
# ## Where do you stand?
#
# Wait before you do. A map is a mean over a thousand places. Is the effect of
# a number the same at each of them?
#
# Stand in the middle of the latent space, and ask what $z_1$ does. Then take a
# step along $z_2$, and ask again. To compare two effects, 48 numbers each, we
# take their **cosine**: 1 if the pattern is the same, 0 if they have nothing
# in common. In our own table each column listens to a single factor, so there
# the pattern should stay. And on the digits?

# %%
def effects(model, j, moved):  # of z_j, as another number moves: [5, 48]
    codes = torch.tensor(places)[:, None] * torch.eye(3)[moved]
    return decoder_jacobian(model, codes)[..., j]


def cosines(found):  # with the effect in the middle
    return cosine_similarity(found, found[[2]])


lowest = {(name, seed): [cosines(effects(model, *pair)).min().item()
                         for pair in permutations(range(3), 2)]
          for name, models in [("own table", table_models),
                               ("digits", digit_models)]
          for seed, model in models.items()}
print_table(lowest, columns=["table", "seed", "lowest cosine, over six pairs"])
claim("own table, every seed: the pattern stays",
      all(min(lowest["own table", seed]) > 0.95 for seed in seeds))
claim("digits, every seed: a step of 2 changes each number's effect",
      all(max(lowest["digits", seed]) < 0.9 for seed in seeds))

# %% tags=["hide-input"]
# On digits: the effect of z_1, as z_2 moves, first seed
found = effects(digit_models[seeds[0]], 0, 1)
fig, axes = plt.subplots(1, 5, figsize=(6.5, 2.1))
for ax, place, effect, cosine in zip(axes, places, found, cosines(found)):
    show_image(effect.view(8, 6) / found.abs().max(), cmap="PuOr", vmin=-1,
               title=f"$z_2 = {place:g}$\ncosine {cosine:.2f}", ax=ax)
show_figure(fig, alt="Five pictures in purple and orange: what z_1 does to "
            "the digits while z_2 goes from -2 to 2. The pattern changes from "
            "picture to picture, and the cosine with the middle one falls to "
            "both sides.")

# %% [markdown]
# *What to see.* The same number does something else at another place. On our
# table it did not, because nothing in the data asked for it. On digits it
# does, for each pair of numbers and in every seed.
#
# You may read that such gradients *show interdependencies between the
# dimensions*, and then the explanation stops. Here is its second half: the
# effect of a number belongs to the number *and to the place*, that is, to all
# the other numbers. A heat map of it is an average over places.
#
# ## Recap
#
# *Can such a map be trusted?*
#
# * Where the truth is simple, yes: on a table of three factors both maps named
#   every column, in every seed.
# * Two maps, two questions. The encoder's says on which columns a number
#   relies. The decoder's says what a number does. They need not agree.
# * By hand, take a central difference, with a step like 0.01. Without a
#   subtraction there is no derivative. And where there is `jacrev`, take that.
# * On real data the effect of a number depends on where you stand. Say where,
#   or say that it is a mean.
#
# ## Where to go
#
# * Back to [04 · Seeing the latent space](../04_latent_space.ipynb).
# * To ask for numbers whose effect does *not* depend on the others is the
#   question of [07 · Disentanglement](../07_disentanglement.ipynb).
# * What a table of 48 columns does to β:
#   [05 · side trip · A table of 48 columns](05_table.ipynb).
# * **One to try:** give the table an interplay. Let a few columns be 1 only if
#   two factors agree. Which of the claims above fail, and which survive?
