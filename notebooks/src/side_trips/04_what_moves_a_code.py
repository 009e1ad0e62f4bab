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
from itertools import permutations, product

import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.func import jacrev, vmap
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity

from tutorial_utils import (
    VAE, claim, encode_images, load_images, mlp, negative_elbo, print_table,
    show_figure, show_image, show_rows, train_grid, warmup_then_linear,
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


def painter(model):  # its decoder, as a function of one code: [3] -> [48]
    return lambda z: model.decode(z[None])[0].sigmoid()


# %%
x_table, _ = make_table(20_000, seed=0)
trained = train_grid(
    make_small, x_table, negative_elbo, name="04_table", **settings,
    over={"seed": seeds})
table_models = {seed: model for seed, (model, _) in trained.items()}
rows, factors = make_table(1000, seed=99)

# %%
def taken(model):  # the factor that correlates most with each number
    mu, _ = encode_images(model, rows)
    both = torch.corrcoef(torch.cat([mu, factors], 1).T)[:3, 3:].abs()
    return both.argmax(1), both.amax(1)

# %%
print_table({seed: taken(model)[1].tolist() for seed, model
             in table_models.items()}, columns=["seed", "|r| with its factor"])
print("which factor: " + "; ".join(
    f"seed {seed}: {[f + 1 for f in taken(model)[0].tolist()]}"
    for seed, model in table_models.items()))
claim("every seed: each number has taken a factor of its own", all(
    len(taken(model)[0].unique()) == 3 and taken(model)[1].min() > 0.85
    for model in table_models.values()))

# %% [markdown]
# A number with $|r|$ near 1 follows its factor closely. (It cannot follow it
# wholly: a few columns, made by chance, do not tell exactly what their factor
# was.) Why does each number take a factor, and not a mixture of two? That is a
# question for [07](../07_disentanglement.ipynb). Here it is enough that it is
# so.
#
# ## Which columns move a number?
#
# Raise column $i$ of a row a little. (No row has such a value; the network
# takes it all the same.) How much does $\mu_j$ rise? That is the derivative
# $\partial \mu_j / \partial x_i$. All of them together, 3 × 48 numbers, are
# the encoder's **Jacobian** at this row.
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
        mu, _ = model.encode(row[None])
        return mu[0]
    return vmap(jacrev(mean_of))(x)


encoder_maps = {seed: encoder_jacobian(model, rows).mean(0)
                for seed, model in table_models.items()}


# %%
def hits(map_, model):  # of the columns of each factor, how many are on top
    which, _ = taken(model)
    on_top = {}
    for k, (name, n) in enumerate([*sizes.items()][:3]):
        ranking = map_[which == k][0].abs().argsort(descending=True)
        on_top[f"{name}, of {n}"] = (owner[ranking[:n]] == k).sum().item()
    return on_top


# %%
print_table({f"encoder, seed {seed}": hits(encoder_maps[seed], model)
             for seed, model in table_models.items()})
claim("encoder, every seed: the columns of its factor are on top",
      all(sum(hits(encoder_maps[seed], model).values()) == 48 - n_coins
          for seed, model in table_models.items()))


# %%
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
# for any decoder in the world. With a step $h$, one may be tempted to divide
# what comes out by what went in: $f(z + h)/h$.
#
# ### Predict

# %% tags=["predict"]
# Your guess, please
predict("f(z + h)/h, and h becomes smaller and smaller. What does it do?",
        ["it approaches the derivative", "it approaches the copy, f(z)",
         "it grows without a limit"], answer="it grows without a limit",
        because="Nothing is subtracted. The copy, which is not 0, stays as "
        "large as it is, and is divided by less and less.")

# %% [markdown]
# What changes is a difference: $f(z + h) - f(z)$. Divided by $h$, that is the
# **forward difference**. Better still, look to both sides.
#
# ### Exercise · The central difference (five minutes, three lines)
#
# The derivative of `f` ([D] to [P]) with respect to `z[j]`, from two
# values of `f`, one a step `h` ahead, one a step `h` behind. Do not change `z`
# in place.
#
# (Try it before you read on: the same lines, for many codes at a time, come
# below.) How small should $h$ be? We shall see how wrong each of the three
# ways is, from a step of 1 down to a millionth. The truth is known, from
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
    truth = jacrev(painter(model))(z)[:, 0]
    for h in steps:
        for name, value in quotients(painter(model), z, h).items():
            error = (value - truth).abs().max().item()
            errors.setdefault((seed, name), []).append(error)
at = 16  # of the steps: 0.01
claim("ours, every seed: at h = 0.01 the central difference is right to 0.001",
      all(errors[seed, "central"][at] < 1e-3 for seed in seeds))
claim("ours, every seed: f(z + h)/h is off by more than 10 there",
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


# How the maps below are drawn
def draw_maps(model, maps):  # heat maps, 3 x 48 each, below each other
    order, ends = taken(model)[0].argsort(), owner.bincount().cumsum(0)
    fig, axes = plt.subplots(2, 1, figsize=(8.5, 3.1), sharex=True)
    for ax, (name, map_) in zip(axes, maps.items()):
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
    return fig

# %% [markdown]
# *What to see.* The largest error over the 48 columns, at the code of one row,
# for the first latent number. Each color has three lines, one for each seed
# (of $f(z+h)/h$ they lie on each other). Two things spoil a difference. A
# large step leaves the place where we asked. A small step drowns in rounding,
# since 32-bit numbers have seven digits, and a difference of two nearly equal
# numbers has fewer. Between the two lies a valley. That of the central
# difference is deeper, because the errors of its two sides cancel. And
# $f(z+h)/h$ has no valley, it has no limit at all: its error is about
# $f(z)/h$.
#
# So here is the decoder's map by hand: the same formula once more, but for the
# codes of all the thousand rows at a time, with a step of 0.01, and the mean
# over them. `jacrev` says whether it is right.


# %%
def decoder_map(model, codes, h=0.01):  # [N, 3] -> [3, 48], by hand
    def change(step):  # the mean central difference, all codes at a time
        up, down = [model.decode(at).sigmoid()
                    for at in (codes + step, codes - step)]
        return ((up - down) / (2 * h)).mean(0)
    return torch.stack([change(step) for step in h * torch.eye(3)])

# %%
decoder_maps = {}
for seed, model in table_models.items():
    codes, _ = model.encode(rows)
    decoder_maps[seed] = decoder_map(model, codes)
    truth = vmap(jacrev(painter(model)))(codes).mean(0).T
    claim(f"seed {seed}: by hand and by jacrev, the same to 0.0001",
          (decoder_maps[seed] - truth).abs().max() < 1e-4)
    claim(f"seed {seed}: the columns of its factor are on top",
          sum(hits(decoder_maps[seed], model).values()) == 48 - n_coins)

# %% tags=["hide-input"]
# Both maps of the first seed, rows in the order of their factors
fig = draw_maps(table_models[seeds[0]],
                {"encoder: ∂μ/∂x": encoder_maps[seeds[0]],
                 "decoder: ∂x̂/∂z": decoder_maps[seeds[0]]})
fig.suptitle("Each number is moved by the columns of one factor, and moves "
             "them")
show_figure(fig, alt="Two heat maps of mean derivatives, 3 latent numbers by "
            "48 columns, of encoder and decoder. In each row one block is "
            "purple or orange: the 20, the 12 or the 8 columns of one factor. "
            "The coins are white. In the encoder's map the block of 8 is the "
            "darkest, in the decoder's all are alike.")

# %% [markdown]
# *What to see.* Rows are sorted by their factors. Both maps have found the
# truth, every column of it, and left the coins alone. (Each has a scale of its
# own.) Look at the encoder's colors once more: where only 8 columns tell about
# a factor, each of them counts for more. So a strong color in the encoder's
# map does not say that a column depends strongly on the factor. It says that
# the encoder relies on it.
#
# The sign says nothing about the factor either. The VAE may take it upside
# down, and then its whole row is orange, or brown where it is strong.
#
# ## On digits
#
# Now a table that nobody made for the purpose: the 3s and 8s of MNIST, on
# 8 × 6 fields, each 1 where there is enough ink. Again 48 columns of 0 and 1,
# and again three numbers. But nobody knows the factors, if there are any. At
# least we can look. The sliders move one number at a time, and the decoded
# fields follow. For those who read this without a kernel, the first figure
# shows what $z_1$ does at both ends of $z_2$. The second has a few rows of the
# table, and the maps as pictures.
#
# Try it: pull $z_1$ from end to end. What does it do? Put $z_2$ to one end,
# pull $z_1$ again, and keep in mind what you saw.


# %%
def threes_and_eights(x, y):  # images -> rows of 48 numbers, 0 or 1
    chosen = (y == 3) | (y == 8)
    small = adaptive_avg_pool2d(x[chosen][..., 4:24], (8, 6)).flatten(1)
    return (small > 0.31).float()  # a third of what a field can hold

# %%
x_digits = threes_and_eights(data.x_train, data.y_train)
trained = train_grid(
    make_small, x_digits, negative_elbo, name="04_fields", **settings,
    over={"seed": seeds})
digit_models = {seed: model for seed, (model, _) in trained.items()}
digits = threes_and_eights(data.x_test, y_test)[:1000]
y_digits = y_test[(y_test == 3) | (y_test == 8)][:1000]

# %%
model = digit_models[seeds[0]]
as_fields = nn.Sequential(model.decoder, nn.Unflatten(1, (1, 8, 6)))
traversal_panel(VAE(model.encoder, as_fields, latent_dim=3),
                digits.view(-1, 1, 8, 6), y_digits)

# %% tags=["hide-input"]
# What z_1 does at two places of z_2; a few rows, and both maps; first seed
model = digit_models[seeds[0]]
ends = torch.tensor([[z_1, z_2, 0] for z_2 in (-2, 2) for z_1 in places])
copies = model.decode(ends).sigmoid().view(2, 5, 1, 8, 6)
fig = show_rows({"$z_2 = -2$": copies[0], "$z_2 = 2$": copies[1]}, size=1.2,
                above={"$z_2 = -2$": [f"$z_1 = {z_1:g}$" for z_1 in places]},
                title="What $z_1$ does depends on where $z_2$ stands")
show_figure(fig, alt="Two rows of five decoded pictures of 8 by 6 fields. In "
            "each, z_1 goes from -2 to 2: at one end of z_2 other fields fill "
            "and empty than at the other end.")

plain = {3: [893, 458], 8: [964, 13]}  # rows chosen by eye
codes, _ = model.encode(digits)
maps = {"encoder": encoder_jacobian(model, digits).mean(0),
        "decoder": decoder_map(model, codes)}
fig, axes = plt.subplots(2, 5, figsize=(8, 4.4))
for (*pair, z_1, z_2, z_3), k, (name, map_) in zip(axes, (3, 8),
                                                   maps.items()):
    for ax, row in zip(pair, digits[plain[k]]):
        show_image(row.view(8, 6), ax=ax, title=f"a row: {k}")
    for j, ax in enumerate((z_1, z_2, z_3)):
        show_image(map_[j].view(8, 6) / map_.abs().max(), cmap="PuOr",
                   vmin=-1, ax=ax, title=f"{name}, $z_{j + 1}$")
fig.colorbar(axes[0, 2].images[0], ax=axes, shrink=0.8,
             label="share of the largest value of the three")
show_figure(fig, alt="Two lines: rows of the table, two coarse 3s and two "
            "8s, and the encoder's and the decoder's mean derivative as "
            "pictures in purple and orange, for three numbers. The decoder's "
            "have both colors for z_1 and z_3; for z_2 nearly all is purple.")

names = {"ink": digits.sum(1), "8 rather than 3": (y_digits == 8).float()}


def r_with(model, wanted):  # of each number
    mu, _ = model.encode(digits)
    return torch.corrcoef(torch.cat([mu.T, wanted[None]]))[:3, 3]


print_table({f"z_{j + 1}, correlation with": {
    name: r_with(model, wanted)[j].item() for name, wanted in names.items()}
    for j in range(3)})
claim("every seed: one number tells how much ink there is, with |r| > 0.7",
      all(r_with(model, names["ink"]).abs().max() > 0.7
          for model in digit_models.values()))

# %% [markdown]
# *What to see.* The darkest field has the largest value of the three maps of
# its line. In the encoder's maps ink on purple fields raises the number, and
# ink on orange ones lowers it. In the decoder's maps purple fields fill with
# ink as the number rises, and orange ones lose it. So for $z_1$ and $z_3$ one
# can see strokes that move: purple on one side, orange on the other. For $z_2$
# nearly all is purple: more of it is more ink, nearly everywhere.
#
# It is tempting to give each number a name. Some names can be tested. *Ink*
# for $z_2$ is a good one: the number correlates with the count of inked
# fields, by 0.81. Each of the other seeds has such a number, too. *8 rather
# than 3* for $z_3$ is half a name at best: 0.56, and $z_1$ has 0.48. (A
# bell-shaped number and a name that is yes or no cannot correlate by more than
# about four fifths.)
#
# And one more doubt. A derivative says what *would* happen if a field changed,
# not how often it does. At the rim of the encoder's map of $z_2$ there are
# dark fields. If rows seldom have ink there, such a field seldom moves the
# number.
#
# (White fields deserve a doubt. A mean of signed derivatives is near 0 where a
# number has no effect. It is near 0 as well where the effect has one sign at
# some places, and the other sign at others.)
#
# ## Where do you stand?
#
# A map is a mean over a thousand places. Is the effect of a number the same at
# each of them?
#
# Stand in the middle of the latent space, and ask what $z_1$ does. Then take a
# step along $z_2$, and ask again. To compare two effects, 48 numbers each, we
# take their **cosine**: 1 if the pattern is the same, 0 if they have nothing
# in common, −1 if it is reversed. (It does not ask how large they are.) In our
# own table each column listens to a single factor, so there the pattern should
# stay. And on the digits?
#
# There is a suspect, the sigmoid. A field that is full cannot fill, whatever
# its logit does. So we also ask for the effect on the *logits*. And we build a
# decoder that has no interplay at all: its logits are sums, a part from each
# number, with the slopes that the real ones have in the middle. Only its
# sigmoid bends.


# %%
def logits_of(model):  # the decoder without its sigmoid
    return lambda z: model.decode(z[None])[0]


def straight(model):  # a decoder whose logits are sums
    f, zero = logits_of(model), torch.zeros(3)
    middle, slopes = f(zero), jacrev(f)(zero)
    return lambda z: (middle + slopes @ z).sigmoid()


# %%
def effects(f, j, moved):  # of z_j, as one number moves: [5, 48]
    codes = torch.tensor(places)[:, None] * torch.eye(3)[moved]
    return vmap(jacrev(f))(codes)[..., j]


def cosines(patterns):  # with the effect in the middle
    return cosine_similarity(patterns, patterns[[2]])


ways = {"another z moves": [*permutations(range(3), 2)],
        "its own z moves": [(j, j) for j in range(3)]}

# %%
asked = {("own table", "copy"): (painter, table_models),
         ("own table", "logits"): (logits_of, table_models),
         ("digits", "copy"): (painter, digit_models),
         ("digits", "logits"): (logits_of, digit_models),
         ("digits", "copy, logits are sums"): (straight, digit_models)}

# %%
lowest = {}
for name, (kind, models) in asked.items():
    lowest[name] = {way: [] for way in ways}
    for way, pairs in ways.items():
        for model, pair in product(models.values(), pairs):
            found = cosines(effects(kind(model), *pair))
            lowest[name][way].append(found.min().item())
print("lowest cosine with the effect in the middle, over pairs and seeds")
print_table(lowest, columns=["table", "effect on", *ways])

# %% tags=["hide-input"]
# On digits: the effect of z_1, as z_2 moves, first seed; copy and logits
others = {name: row["another z moves"] for name, row in lowest.items()}
claim("own table, every pair and seed: as another moves, the pattern stays",
      min(others["own table", "copy"]) > 0.95)
claim("digits, every pair and seed: as another moves, the pattern changes",
      max(others["digits", "copy"]) < 0.9)
claim("and on the logits it changes less, in every pair and seed",
      all(a > b + 0.1 for a, b in zip(others["digits", "logits"],
                                      others["digits", "copy"])))
claim("own table, every seed: as a number moves itself, its effect is five "
      "times smaller at both ends",
      all(5 * max(size[0], size[-1]) < size[2] for size in [
          effects(painter(model), j, j).norm(dim=1)
          for model in table_models.values() for j in range(3)]))
model = digit_models[seeds[0]]
fig, axes = plt.subplots(2, 5, figsize=(8.4, 4))
for line, name, kind in zip(axes, ("copy", "logits"), (painter, logits_of)):
    patterns = effects(kind(model), 0, 1)
    for ax, place, effect, cosine in zip(line, places, patterns,
                                         cosines(patterns)):
        show_image(effect.view(8, 6) / patterns.abs().max(), cmap="PuOr",
                   vmin=-1, title=f"{cosine:.2f}", ax=ax)
        if kind == painter:
            ax.set_title(f"$z_2 = {place:g}$\ncosine {cosine:.2f}")
    line[0].set_ylabel(f"effect on\nthe {name}", rotation=0, ha="right",
                       va="center")
fig.suptitle("What $z_1$ does as $z_2$ moves: most changes come from the "
             "sigmoid", y=1.08)
fig.colorbar(axes[0, 0].images[0], ax=axes, shrink=0.7,
             label="share of the largest value of the line")
show_figure(fig, alt="Two lines of five pictures in purple and orange: what "
            "z_1 does to the digits while z_2 goes from -2 to 2. Above, the "
            "effect on the copy: the pattern changes, and the cosine with the "
            "middle falls to 0.62 and 0.41. Below, the effect on the logits: "
            "the pattern stays nearly the same, and the cosine stays high.")

# %% [markdown]
# *What to see.* On our table the *pattern* does not change as another number
# moves. On digits it does, for each pair of numbers and in every seed.
#
# But most of that is the sigmoid. Before it, the patterns are much more alike:
# the lowest cosines are 0.82 to 0.97. And the decoder without any interplay,
# whose logits are sums, has cosines nearly as low as the real one. A field
# that is full or empty already does not move. So at another place, other
# fields move.
#
# Then the last column. A latent number also changes its effect as it moves
# *itself*. On our table its effect is more than five times smaller at both
# ends, where the columns of its factor are full or empty. What is left has
# another pattern. On digits even the logits bend: their cosines fall to 0.38
# to 0.63.
#
# Some conclude from such maps that the dimensions depend on each other. A map
# that changes does not show that. The effect of a number belongs to the number
# *and to the place*, and the place is all the numbers, its own included. That
# a map changes from place to place does not show that numbers work together: a
# sigmoid is enough. A heat map of the effect is an average over places.
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
# * On real data the effect of a number on the copy depends on where you stand.
#   As *another* number moves, most of that is the sigmoid: a full field cannot
#   fill. As it moves itself, the logits bend, too. Say where you stood, or say
#   that it is a mean.
# * A name for a number can be tested. Test it before you use it.
#
# ## Where to go
#
# * Back to [04 · Seeing the latent space](../04_latent_space.ipynb).
# * When does a number stand for one factor, and when for a mixture? That is
#   the question of [07 · Disentanglement](../07_disentanglement.ipynb).
# * What a table of 48 columns does to β: [05 · side trip · A table of 48
#   columns](05_table.ipynb).
# * **One to try:** give the table an interplay. Let a few columns be 1 only if
#   two factors agree. Which of the claims above fail, and which survive?
