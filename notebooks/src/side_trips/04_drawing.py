# %% [markdown]
# # 4 · side trip · Draw your own digit
#
# ![Three squares. A small 7 is drawn in a corner. It is scaled until its
# longer side is 20 of 28 pixels. Then it is moved until the center of mass of
# its ink lies in the middle of the image.](../figures/drawing_box.svg)
#
# All digits so far were other people's. Now draw one, and let two VAEs look at
# it. They have seen 60,000 digits, and yours was not among them.
#
# Before a network sees your drawing, it is scaled and moved, as in the picture
# above. **Is that cheating, or is it necessary?**
#
# *A side trip from [04 · Seeing the latent space](../04_latent_space.ipynb) ·
# twenty minutes*

# %%
import matplotlib.pyplot as plt
import torch
from torch import nn
from torch.nn import functional as F

from tutorial_utils import (
    VAE, claim, digit_classifier, encode_images, load_images, local_seed, mlp,
    negative_elbo, print_table, show_figure, show_rows, start_at_mean_image,
    train_grid, warmup_then_linear,
)
from tutorial_utils.studios.drawing import drawing_studio, image_of_strokes
from tutorial_utils.studios.predict import predict

# %%
RETRAIN = False  # True: train both models again, a few minutes
seed = 0

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test
x, y = x_test[:1000], y_test[:1000]  # for measuring

# %% [markdown]
# Two models, of the kind that 04 and 05 use: one with 2 latent numbers, one
# with 20. And the judge of 01, a classifier that names digits.


# %%
def make_vae(k):  # k latent numbers; with two, a deeper network learns more
    down, up = [256, 128, 64], [64, 128, 256]
    if k >= 8:
        down, up = [256], [256, 256]
    encoder = mlp([784, *down, 2 * k], activation=nn.GELU)
    decoder = mlp([k, *up, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=k)


settings = {"epochs": 25, "batch_size": 128, "lr": 3e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
models = {}
for name, k in [("05_sweep", 2), ("04_vae", 20)]:
    found = train_grid(make_vae, x_train, negative_elbo, name=name, **settings,
                       over={"k": [k], "beta": [1], "seed": [seed]})
    models[f"{k} numbers"], _ = found[k, 1, seed]
judge = digit_classifier(data, retrain=RETRAIN)

# %% [markdown]
# ## Draw
#
# Draw a digit on the black square, with a mouse or a finger. Beside it stands
# what the model sees, then what it makes of it, and the place of its code on
# the map. (Nothing to draw with? Choose a test image.)
#
# Try a clean 3 first. Then something that is no digit: a cross, a heart, the
# first letter of your name. When does the copy give up on your drawing, and
# paint a digit instead?

# %%
drawing_studio(models["2 numbers"], x_test, y_test, judge=judge)

# %% [markdown]
# Here is the model with 20 numbers. There is no map of 20 numbers, but draw
# the same again, and compare.

# %%
drawing_studio(models["20 numbers"], x_test, y_test, judge=judge)

# %% [markdown]
# Four drawings, for those who read this without a kernel. The strokes are
# lists of points, which `image_of_strokes` scales, moves and inks.

# %%
top, bar = [(0.2, 0.1), (0.8, 0.1)], [(0.3, 0.5), (0.7, 0.5)]
drawings = {
    "a 3": [[*top, (0.45, 0.45), (0.75, 0.6), (0.7, 0.85), (0.2, 0.9)]],
    "a 7 with a bar": [[*top, (0.4, 0.9)], bar],
    "a cross": [[(0.1, 0.1), (0.9, 0.9)], [(0.9, 0.1), (0.1, 0.9)]],
    "a house": [[(0.1, 0.9), (0.1, 0.5), (0.5, 0.1), (0.9, 0.5), (0.9, 0.9),
                 (0.1, 0.9)]]}
drawn = torch.stack([image_of_strokes(d) for d in drawings.values()])


def copies(model, images):  # the means of p(x|z), at the means of q(z|x)
    return model.decode(encode_images(model, images)[0]).sigmoid()


# %% tags=["hide-input"]
# The drawings and their copies, with the judge's name for each
rows = {"drawn": drawn}
rows |= {name: copies(model, drawn) for name, model in models.items()}
names = {name: judge(images).argmax(1).tolist()
         for name, images in rows.items()}
above = {name: [f"judge: {k}" for k in found] for name, found in names.items()}
above["drawn"] = [f"{what}: {k}"
                  for what, k in zip(drawings, names["drawn"])]
fig = show_rows(rows, size=1.25, above=above,
                title="Two digits are copied, two others become digits")
show_figure(fig, alt="Three rows of four images. Drawn: a 3, a 7 with a bar, "
            "a cross and a house, each with the digit that the judge names. "
            "Below, the copies of the models with 2 and with 20 numbers: the "
            "3 and the 7 are copied; the cross and the house turn into shapes "
            "made of strokes of digits.")

# %% [markdown]
# *What to see.* All copies are means of $p(x|z)$, at the mean of $q(z|x)$. The
# model with 2 numbers gives you *a* 3. The one with 20 numbers gives you more
# of *your* 3: its slant, its width, where it bends. Neither can paint a house.
# A decoder puts together what it has seen, and it has seen digits.
#
# ## How MNIST was made
#
# Why must a drawing be scaled and moved? Look at how the images of MNIST were
# made. Each digit was scaled to fit into a box of 20 × 20 pixels. Then it was
# put into an image of 28 × 28, so that its **center of mass**, the average
# place of its ink, came to lie in the middle. Is that so? We can measure it.


# %%
pixel = torch.arange(28)


def extent(inked):  # [N, 28] bools -> from the first to the last, [N]
    first, last = inked.int().argmax(1), inked.flip(1).int().argmax(1)
    return 28 - first - last


def longer_side(x):  # of the box around the ink, in pixels
    inked = x[:, 0] > 0
    return torch.maximum(extent(inked.any(1)), extent(inked.any(2)))


def center_of_mass(x):  # [N, 2]: right of and below pixel 14, in pixels
    across, down = x.sum(2)[:, 0], x.sum(3)[:, 0]
    sums = [(ink * (pixel - 14)).sum(1) for ink in (across, down)]
    return torch.stack(sums, 1) / across.sum(1, keepdim=True)


# %% tags=["hide-input"]
# Longer sides of the test digits, and where their centers of mass lie
side, center = longer_side(x_test), center_of_mass(x_test)
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.bar(pixel, side.bincount(minlength=28), color="C0")
left.set(xlabel="longer side of the digit, pixels", ylabel="test images",
         title="All digits are of one size")
right.scatter(*center[:2000].T, s=2, color="C0")
right.set(xlim=(-4, 4), ylim=(4, -4), aspect="equal", xlabel="right, pixels",
          ylabel="down, pixels", title="and in one place, to a pixel")
show_figure(fig, alt="Left, a bar chart of the longer side of the test "
            "digits: one bar, at 20 pixels. Right, their centers of mass on a square "
            "of 8 by 8 pixels: all lie in a square of one pixel in the "
            "middle.")

# %%
claim("99 in 100 test digits have a longer side of 20 pixels",
      (side == 20).float().mean() > 0.99)
claim("no center of mass is more than half a pixel off",
      center.abs().max() < 0.51, largest=center.abs().max())

# %% [markdown]
# So our networks have seen ten thousands of digits, and yet only one size, and
# one place. Nobody told them that a 7 which is moved stays a 7.
#
# ## What if not?
#
# Three ways to spoil a test image: **move** it to the right, draw it in
# another **size**, or with a **thinner or thicker** pen.
#
# ### Predict

# %% tags=["predict"]
# Your guess, please
predict("A digit is moved right by four pixels. What does the model with 20 "
        "numbers paint, in most cases?",
        ["the digit, moved by four pixels", "the digit, in the middle",
         "another digit, or a tangle"], answer="another digit, or a tangle",
        because="Each pixel has its own weights. Moved ink meets weights that "
        "have learned something else.")


# %%
def moved(x, pixels):  # to the right
    return F.pad(x, (pixels, -pixels))


def resampled(x, zoom, offset):  # [N], [N, 2]: read from zoom * place + offset
    maps = torch.cat([zoom[:, None, None] * torch.eye(2),
                      offset[:, :, None] / 14], dim=2)
    places = F.affine_grid(maps, x.shape, align_corners=False)
    return F.grid_sample(x, places, align_corners=False).clamp(0, 1)


def of_size(x, side):  # the longer side, in pixels
    zoom = torch.full((len(x),), 20 / side)
    return resampled(x, zoom, torch.zeros(len(x), 2))


def inked(x, quarters):  # quarter pixels added at each edge, or taken away
    if quarters < 0:
        return 1 - inked(1 - x, -quarters)
    large = F.interpolate(x, scale_factor=4, mode="bilinear")
    return F.avg_pool2d(F.max_pool2d(large, 2 * quarters + 1, 1, quarters), 4)


changes = {"moved right": (moved, [0, 1, 2, 3, 4, 5, 6]),
           "longer side": (of_size, [8, 12, 16, 20, 24, 28]),
           "thicker": (inked, [-3, -2, -1, 0, 1, 2, 3, 4])}

# %% tags=["hide-input"]
# One test image, spoiled in three ways, and its copies
shown = {"moved right": [0, 2, 4, 6], "longer side": [8, 14, 20, 26],
         "thicker": [-3, 0, 2, 4]}
spoiled = {f"{name} {value}": changes[name][0](x_test[:1], value)
           for name, values in shown.items() for value in values}
rows = {"image": torch.cat([*spoiled.values()])}
rows |= {name: copies(model, rows["image"]) for name, model in models.items()}
above = {"image": [name.replace(" ", "\n", 1).replace("\nr", " r")
                   for name in spoiled]}
fig = show_rows(rows, size=0.78, above=above)
fig.suptitle("As MNIST has it, a 7 is copied; otherwise it may become "
             "anything", y=1.28)
show_figure(fig, alt="A 7 moved to the right by up to 6 pixels, drawn with "
            "longer sides from 8 to 26 pixels, and with thinner and thicker "
            "strokes. Below, copies of two models. Copies of images like "
            "those of MNIST are sevens; most of the others are not.")

# %% [markdown]
# One image is an anecdote. So take a thousand test images, spoil them all, and
# ask two questions. Does the judge give the copy the name of the digit? And
# what is $-$ELBO? Of that we take the *median* over the images. The reason
# comes below.

# %%
def share_right(images):  # whose name by the judge is the digit's
    return (judge(images).argmax(1) == y).float().mean().item()


def minus_elbo(model, images):  # of each image, [N]
    with local_seed(0), torch.no_grad():
        return negative_elbo(model, images)["loss"]


right, nats = {}, {}
for change, (spoil, values) in changes.items():
    for value in values:
        images = spoil(x, value)
        right["image", change, value] = share_right(images)
        for name, model in models.items():
            right[name, change, value] = share_right(copies(model, images))
            nats[name, change, value] = minus_elbo(model, images)

# %% tags=["hide-input"]
# Above: the share of copies with the right name; below: the median of −ELBO
fig, axes = plt.subplots(2, 3, figsize=(9.5, 5), sharex="col", sharey="row")
labels = {"moved right": "moved right, pixels",
          "longer side": "longer side, pixels",
          "thicker": "added at each edge, quarter pixels"}
styles = {"image": "^:", "2 numbers": "o--", "20 numbers": "s-"}
colors = {"image": "0.5", "2 numbers": "C1", "20 numbers": "C0"}
for (top, low), (change, (_, values)) in zip(axes.T, changes.items()):
    for name, style in styles.items():
        curve = [right[name, change, value] for value in values]
        top.plot(values, curve, style, color=colors[name], markersize=4)
        if name in models:
            curve = [nats[name, change, v].median() for v in values]
            low.plot(values, curve, style, color=colors[name], markersize=4)
    usual = 20 if change == "longer side" else 0
    for ax in (top, low):
        ax.axvline(usual, color="0.85", linewidth=6, zorder=0)
    low.set(xlabel=labels[change], ylim=(0, 500))
axes[0, 0].set(ylabel="share with the right name", ylim=(0, 1.02))
axes[1, 0].set_ylabel("median of −ELBO, nats")
show_figure(fig, alt="Six charts")
