# %% [markdown]
# # 4 · side trip · Draw your own digit
#
# ![Three squares. A small 7 is drawn in a corner. It is scaled until its
# longer side is 20 of 28 pixels. Then it is moved until the center of mass of
# its ink lies in the middle of the image.](../figures/drawing_box.svg)
#
# All digits so far were other people's. Now draw one, and let two VAEs look at
# it, one with 2 latent numbers and one with 20. They have seen 60,000 digits,
# and yours was not among them.
#
# Before a network sees your drawing, it is scaled and moved, as in the picture
# above. **Is that cheating, or is it necessary?**
#
# *A side trip from [04 · Seeing the latent space](../04_latent_space.ipynb) ·
# twenty minutes*

# %%
import matplotlib.pyplot as plt
import torch
from ipywidgets import VBox
from torch import nn
from torch.nn import functional as F

from tutorial_utils import (
    VAE, claim, digit_classifier, encode_images, load_images, local_seed, mlp,
    negative_elbo, print_table, show_figure, show_image, show_rows,
    start_at_mean_image, train_grid, warmup_then_linear,
)
from tutorial_utils.studios.drawing import drawing_studio, image_of_strokes
from tutorial_utils.studios.predict import predict

# %%
RETRAIN = False  # True: train both models again, a few minutes
seed = 0  # of both models: one training of each

data = load_images("mnist")
x_train, x_test, y_test = data.x_train, data.x_test, data.y_test
x, y = x_test[:1000], y_test[:1000]  # for measuring
judge = digit_classifier(data, retrain=RETRAIN)


# %%
def make_vae(k):  # k latent numbers; with two, a deeper network learns more
    down, up = [256, 128, 64], [64, 128, 256]
    if k >= 8:
        down, up = [256], [256, 256]
    encoder = mlp([784, *down, 2 * k], activation=nn.GELU)
    decoder = mlp([k, *up, 784], activation=nn.GELU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(encoder, decoder, latent_dim=k)

# %%
settings = {"epochs": 25, "batch_size": 128, "lr": 3e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
models = {}
for name, k in [("05_sweep", 2), ("04_vae", 20)]:
    found = train_grid(make_vae, x_train, negative_elbo, name=name, **settings,
                       over={"k": [k], "beta": [1], "seed": [seed]})
    models[f"{k} numbers"], _ = found[k, 1, seed]

# %% [markdown]
# ## Draw
#
# Draw a digit on a black square, with a mouse or a finger. Beside it stands
# what the model sees, then what it makes of it, and what the judge calls both
# (the classifier of 01). The first square is that of the model with 2 numbers,
# and shows the place of the code on its map. The second is that of the model
# with 20. Draw the same digit in both. (Nothing to draw with? Choose a test
# image.)
#
# Try a clean 3 first. Then something that is no digit: a cross, a heart, the
# first letter of your name. When does the copy give up on your drawing, and
# paint a digit instead?

# %%
VBox([drawing_studio(model, x_test, y_test, judge=judge)
      for model in models.values()])

# %% [markdown]
# Four drawings, for those who read this without a kernel. The strokes are
# lists of points, which `image_of_strokes` scales, moves and inks. (It does
# what `like_mnist` does, at the end of this page.)

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


def share_right(images):  # whose name by the judge is the digit's
    return (judge(images).argmax(1) == y).float().mean().item()


# %% tags=["hide-input"]
# The drawings and their copies, with the judge's name for each
rows = {"drawn": drawn}
rows |= {name: copies(model, drawn) for name, model in models.items()}
above = {name: [f"judge: {k}" for k in judge(images).argmax(1).tolist()]
         for name, images in rows.items()}
above["drawn"] = [f"{what}\n{said}"
                  for what, said in zip(drawings, above["drawn"])]
fig = show_rows(rows, size=1.25, above=above)
fig.suptitle("Whatever is drawn, strokes of digits come out", y=1.14)
show_figure(fig, alt="Three rows of four images. Drawn: a 3, a 7 with a bar, "
            "a cross and a house, each with the digit that the judge names. "
            "Below, the copies of the models with 2 and with 20 numbers: the "
            "3 is copied by both, the 7 with its bar by 20 numbers only; the "
            "house becomes a 0 in both, the cross an 8 or loose strokes.")

# %% [markdown]
# *What to see.* All copies are means of $p(x|z)$, at the mean of $q(z|x)$. The
# model with 2 numbers gives you *a* 3. The one with 20 numbers gives you more
# of *your* 3: its corners, its width, where it bends. Of the bar of the 7
# nothing is left with 2 numbers, and with 20 about half. Neither can quite
# paint a cross or a house. With 20 numbers the house has a peak, but its walls
# are those of a 0. A decoder puts together what it has seen, and it has seen
# digits.
#
# (We have trained each model once. Yours may have other tastes.)
#
# ## How MNIST was made
#
# Why must a drawing be scaled and moved? Look at how the images of MNIST were
# made. Each digit was scaled to fit into a box of 20 × 20 pixels. Then it was
# put into an image of 28 × 28, so that its **center of mass**, the average
# place of its ink, came to lie in the middle. (With 28 pixels, from 0 to 27,
# none is in the middle. Pixel 14 was taken.) Is that so? We can measure it.


# %%
pixel = torch.arange(28)


def extent(inked):  # [N, 28] bools -> from the first to the last, [N]
    return 28 - inked.int().argmax(1) - inked.flip(1).int().argmax(1)


def longer_side(x):  # of the box around the ink, in pixels
    inked = x[:, 0] > 0
    return torch.maximum(extent(inked.any(1)), extent(inked.any(2)))


# %%
def center_of_mass(x):  # [N, 2]: right of and below pixel 14, in pixels
    across, down = x.sum(2)[:, 0], x.sum(3)[:, 0]
    sums = [(ink * (pixel - 14)).sum(1) for ink in (across, down)]
    return torch.stack(sums, 1) / across.sum(1, keepdim=True)

# %%
side, center = longer_side(x_test), center_of_mass(x_test)
claim("99 in 100 test digits have a longer side of 20 pixels",
      (side == 20).float().mean() > 0.99)
claim("no center of mass is more than half a pixel off",
      center.abs().max() < 0.501, largest=center.abs().max())


# %% tags=["hide-input"]
# Where the centers of mass of test digits lie: in their image, and enlarged
print(f"longer side 20: {(side == 20).float().mean():.2%} of the digits")
fig, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.3))
show_image(x_test.mean(0), ax=left, title="The mean of all test digits")
for ax, shift, size in [(left, 14, 0.2), (right, 0, 2)]:
    ax.scatter(*(center[:2000] + shift).T, s=size, color="C1")
right.set(xlim=(-1.5, 1.5), ylim=(1.5, -1.5), aspect="equal",
          xlabel="right of pixel 14, pixels", ylabel="below it, pixels",
          title="Their centers of mass, enlarged")
show_figure(fig, alt="Left, the mean of all test digits, a gray cloud, with "
            "the centers of mass of the digits in orange: they fill one pixel "
            "in the middle. Right, the same enlarged: they fill a square from "
            "half a pixel to the left and above to half a pixel to the right "
            "and below.")

# %% [markdown]
# *What to see.* All centers lie within one pixel, since digits were moved by
# whole pixels. The training images were made in the same way. So our networks
# have seen 60,000 digits, and yet only one size, and one place. Nobody told
# them that a 7 which is moved stays a 7.
#
# ## What if not?
#
# Three ways to spoil a test image: **move** it to the right, draw it in
# another **size**, or with a **thinner or thicker** pen.
#
# ### Predict

# %% tags=["predict"]
# Your guess, please
predict("A digit is moved right by five pixels. What does the model with 20 "
        "numbers paint, in most cases?",
        ["the digit, moved by five pixels", "the digit, in the middle",
         "another digit, or a tangle"], answer="another digit, or a tangle",
        because="Each pixel has its own weights. Moved ink meets weights that "
        "have learned something else.")


# %%
def moved(x, pixels):  # to the right
    return F.pad(x, (pixels, -pixels))


# each pixel is read from zoom * place + offset, counted in pixels from the
# middle of the image; zoom [N], offset [N, 2]
def resampled(x, zoom, offset):
    maps = torch.cat([zoom[:, None, None] * torch.eye(2),
                      offset[:, :, None] / 14], dim=2)
    places = F.affine_grid(maps, x.shape, align_corners=False)
    return F.grid_sample(x, places, align_corners=False).clamp(0, 1)


def of_size(x, side):  # the longer side, in pixels
    zoom = torch.full((len(x),), 20 / side)
    return resampled(x, zoom, torch.zeros(len(x), 2))


# %%
def thickened(x, quarters):  # quarter pixels added at each edge, or taken away
    if quarters < 0:
        return 1 - thickened(1 - x, -quarters)
    large = F.interpolate(x, scale_factor=4, mode="bilinear")
    return F.avg_pool2d(F.max_pool2d(large, 2 * quarters + 1, 1, quarters), 4)


changes = {"moved right": (moved, [0, 1, 2, 3, 4, 5, 6]),
           "longer side": (of_size, [8, 12, 16, 20, 24, 28]),
           "thicker": (thickened, [-3, -2, -1, 0, 1, 2, 3, 4])}
undo = {"moved right": lambda x, pixels: moved(x, -pixels),
        "longer side": lambda x, side: of_size(x, 20 * 20 / side),
        "thicker": lambda x, quarters: x}  # a thick 7 is read without help

# %% tags=["hide-input", "after-predict"]
# One test image, spoiled in three ways, and its copies
shown = {"moved right": [0, 2, 4, 5], "longer side": [8, 12, 20, 28],
         "thicker": [-3, 0, 2, 4]}
spoiled = {f"{name} {value}": changes[name][0](x_test[:1], value)
           for name, values in shown.items() for value in values}
rows = {"image": torch.cat([*spoiled.values()])}
rows |= {name: copies(model, rows["image"]) for name, model in models.items()}
short = {"moved right": "right", "longer side": "side", "thicker": "ink"}
quarters = {-3: "−¾", 0: "0", 2: "+½", 4: "+1"}  # pixels at each edge
above = {"image": [
    f"{short[name]}\n{quarters[value] if name == 'thicker' else value}"
    for name, values in shown.items() for value in values]}
fig = show_rows(rows, size=0.78, above=above)
fig.suptitle("As MNIST has it, a 7 is copied; moved, it may become anything",
             y=1.22)
show_figure(fig, alt="A 7 moved to the right by up to 5 pixels, drawn with "
            "longer sides from 8 to 28 pixels, and with thinner and thicker "
            "strokes. Below, copies of two models. Moved by 4 and 5 pixels, "
            "it is copied as a tangle or as another digit. Small and large, "
            "it is no clear 7 any more. Thicker, it is copied well by both.")

# %% [markdown]
# (The numbers over the images are pixels; those of ink count at each edge. Of
# digits of 28 pixels, the frame may cut off a piece.)
#
# One image is an anecdote. So take a thousand test images, spoil them all, and
# ask two questions. Is the copy still the same digit? And what is −ELBO? Of
# that we take the *median* over the images; the reason comes below.
#
# For the first question we have the judge. But it went to the same school: it
# has seen one size and one place, as the models have. Show it small digits,
# not copies but the digits themselves, and it names only a third of them. So
# we help it. **Before the judge sees a copy, we undo the change:** we move the
# copy back, enlarge it, or reduce it.


# %%
@torch.no_grad()
def minus_elbo(model, images):  # of each image, [N]
    with local_seed(0):
        return negative_elbo(model, images)["loss"]

# %%
right, nats = {}, {}
for change, (spoil, values) in changes.items():
    for value in values:
        images = spoil(x, value)
        right["image, not undone", change, value] = share_right(images)
        right["image, undone", change, value] = share_right(
            undo[change](images, value))
        for name, model in models.items():
            copied = undo[change](copies(model, images), value)
            right[name, change, value] = share_right(copied)
            nats[name, change, value] = minus_elbo(model, images)

# %% tags=["hide-input"]
# Above: the share with the right name, undone; below: the median of −ELBO
fig, axes = plt.subplots(2, 3, figsize=(9.5, 5), sharex="col", sharey="row")
labels = {"moved right": "moved right, pixels",
          "longer side": "longer side, pixels",
          "thicker": "ink added at each edge, ¼ pixels"}
styles = {"image, not undone": ("-", "0.75"), "image, undone": ("^:", "0.5"),
          "2 numbers": ("o--", "C1"), "20 numbers": ("s-", "C0")}
for (top, low), (change, (_, values)) in zip(axes.T, changes.items()):
    for name, (style, color) in styles.items():
        curve = [right[name, change, value] for value in values]
        top.plot(values, curve, style, color=color, markersize=4, label=name)
        if name in models:
            curve = [nats[name, change, v].median() for v in values]
            low.plot(values, curve, style, color=color, markersize=4)
    for ax in (top, low):
        ax.axvline(20 if change == "longer side" else 0, color="0.88",
                   linewidth=8, zorder=0)
    low.set(xlabel=labels[change], ylim=(0, 500))
axes[0, 0].set(ylabel="share with the right name", ylim=(0, 1.02))
axes[0, 2].legend(fontsize=8, loc="lower center")
axes[1, 0].set_ylabel("median of −ELBO, nats")
fig.suptitle("What each change costs: copies with the right name, and −ELBO")
show_figure(fig, alt="Six charts, against pixels moved, the longer side and "
            "the thickness. Above, the share that the judge names rightly. "
            "Of the images with the change undone: nearly all. Of the copies "
            "by 20 numbers: half when moved by 4 pixels, two thirds at 12 "
            "pixels of size, and hardly fewer with a thicker pen. Of those by "
            "2 numbers: fewer everywhere. In pale gray the images themselves, "
            "not undone. Below, the median of −ELBO, which rises with "
            "moving, with larger digits and with thicker strokes, but falls "
            "for smaller digits.")
images = moved(x, 5)
for name, model in models.items():
    copied = copies(model, images)
    named = [judge(copied).argmax(1) == y, judge(moved(copied, -5)).argmax(1)
             == y]
    claim(f"{name}: five pixels to the right, and most copies are the digit "
          "neither there nor in the middle",
          (named[0] | named[1]).float().mean() < 0.5)
    print(f"    in the middle {named[0].float().mean():.2f}, "
          f"there {named[1].float().mean():.2f}")
    claim(f"{name}: digits of 12 pixels are copied worse than those of 20, "
          "yet their −ELBO is lower",
          right[name, "longer side", 12] < right[name, "longer side", 20] - 0.2
          and nats[name, "longer side", 12].median()
          < nats[name, "longer side", 20].median())
print_table({name: {what: nats[name, change, 0].median().item()
                    for what, change in [("as it is", "moved right"),
                                         ("softened only", "thicker")]}
             for name in models}, digits=1,
            columns=["median of −ELBO", "as it is", "softened only"])

# %% [markdown]
# *What to see.* The dotted line is a check of the check: spoiled images,
# undone again, are read nearly all. (The pale line is the judge without that
# help. Of digits of 12 pixels it would call two perfect copies in three
# wrong.)
#
# Compare within a panel, since a pixel means something else in each.
#
# **A move.** After three pixels, a ninth of the image, a quarter of the copies
# by 20 numbers are wrong. After four it is half, after five nearly two thirds.
# With 2 numbers it goes faster.
#
# **Another size** is forgiven for a while. From 16 to 24 pixels, the model
# with 20 numbers still copies five in six or more. At 12 pixels it copies two
# in three. The model with 2 numbers fails there.
#
# **A pen** that is somewhat thicker or thinner does little harm: the curve of
# 20 numbers is nearly that of the judge itself, which sees the images, not
# copies. People have pens of many kinds, and MNIST has their strokes; but it
# has one place and one size. (To thicken a stroke by quarters of a pixel, the
# image is enlarged and reduced. That alone makes it softer, and costs fourteen
# to thirty nats, see the table. Gray pixels cost nats even if they are copied
# perfectly.)
#
# Do not expect −ELBO to warn you. It does so where digits are moved or too
# large. But a small digit has little ink, and little can go wrong: its
# −ELBO is *lower* than that of a proper digit, though its copy is worse.
#
# ### Astronomical numbers
#
# Why the median? Look at the largest values of −ELBO. Beside them stands the
# largest $\log\sigma^2$ of any number of any code. Where do such values come
# from? At the rim lie pixels that had ink in very few of the 60,000 images. So
# we erase the ink on such pixels, and ask again. In the last two columns, only
# pixels that had ink in at least 100 images keep theirs, or in at least 1,000.
#
# The second table has the standard deviation of the weights with which the
# encoder reads a pixel: one that never had ink, one that had it rarely, in up
# to 100 images, and the others.

# %% tags=["hide-input"]
# The largest −ELBO; the largest log σ², with and without rare ink; weights
n_inked = (x_train > 0).sum(0)  # in how many images, each pixel
kept = {"log σ²": 0, "ink on ≥ 100 only": 100, "ink on ≥ 1000 only": 1000}
largest = {}
for change, value in [("moved right", 0), ("moved right", 6),
                      ("longer side", 28)]:
    images = changes[change][0](x, value)
    for name, model in models.items():
        found = {label: encode_images(model, images * (n_inked >= fewest))[1]
                 for label, fewest in kept.items()}
        largest[f"{change} {value}", name] = {
            "−ELBO": f"{nats[name, change, value].max():,.0f}"} | {
            label: round(logvar.max().item())
            for label, logvar in found.items()}
print_table(largest, columns=["images", "model", "largest −ELBO",
                              "log σ²: all ink", "ink on ≥ 100",
                              "ink on ≥ 1,000"])
print()
n_inked = n_inked.flatten()
groups = {"never": n_inked == 0, "rarely": (n_inked > 0) & (n_inked <= 100),
          "often": n_inked > 100}
stds = {name: {group: model.encoder[1].weight[:, pixels].std().item()
               for group, pixels in groups.items()}
        for name, model in models.items()}
print_table(stds, digits=3, columns=["std of weights", *groups])
for name, std in stds.items():
    claim(f"{name}: weights of rarely inked pixels have grown like others",
          std["never"] < 0.03 and std["rarely"] > 0.5 * std["often"])

# %% [markdown]
# *What to see.* For some images −ELBO is not large, it is astronomical, or
# more than a 32-bit number can hold. The KL has $\sigma^2$ in it, which is the
# exponential of $\log\sigma^2$. For proper digits $\log\sigma^2$ is about 0 at
# most. For these it goes up to 31, and to 120. (The model of 20 numbers takes
# the move better: 3.)
#
# Pixels with rare ink are part of the reason. The weights of those that
# *never* had ink are still the small random numbers that they started with.
# Those of pixels with ink in up to 100 images have grown like the others, and
# hardly any image has ever checked them. (A likely cause is Adam: it divides
# each step by the usual size of its gradient. So a weight that is rarely asked
# moves by full steps all the same.) Put a stroke there, and $\log\sigma^2$
# goes wherever it likes.
#
# But they are a part only. Without that ink the numbers are smaller, and most
# are still astronomical. Erase the ink on all pixels that fewer than one in
# sixty images had, and in some rows nearly all of it goes, in others not. (So
# does some of the digit, so this is no proof.) What then remains comes from
# pixels that often have ink, only not together, as here.
#
# ## Cheating, or necessary?
#
# Necessary, then. But it costs nothing, since we know what was done to MNIST,
# and can do the same to any image: scale it about its center of mass until the
# longer side has 20 pixels, and put that center onto pixel 14. (`resampled`
# counts from the middle of the image, half a pixel before.)

# %%
def like_mnist(x):
    zoom = longer_side(x) / 20
    offset = center_of_mass(x) + 0.5 * (1 - zoom)[:, None]
    return resampled(x, zoom, offset)

# %%
mended = {}
for change, value in [("moved right", 4), ("longer side", 12)]:
    repaired = like_mnist(changes[change][0](x, value))
    for name, model in models.items():
        mended[change, value, name] = {
            "spoiled": right[name, change, value],
            "mended": share_right(copies(model, repaired)),
            "as it was": right[name, "moved right", 0]}
print_table(mended)
claim("mended, the share of right copies is back to nine tenths and more",
      all(row["mended"] > 0.9 * row["as it was"] for row in mended.values()))

# %% [markdown]
# ## Recap
#
# * A VAE paints what it has seen. A house comes out as strokes of digits.
# * MNIST has one size and one place, and what was the same in all images, the
#   network did not have to learn. It has not learned it: five pixels to the
#   right, and most copies are wrong.
# * A judge of copies has the same limits. Undo the change before you ask it.
# * −ELBO warns of moved and of large digits, and not of small ones.
# * Do to your images what was done to the training images. That is no
#   cheating: it is part of the model.
#
# ## Where to go
#
# * Back to [04 · Seeing the latent space](../04_latent_space.ipynb), where a
#   digit can also be walked to another one.
# * To change a digit by its code instead, one number at a time:
#   [What moves a code?](04_what_moves_a_code.ipynb) has the sliders.
# * Which images are unlike the others, and does −ELBO know it? That is a
#   question of [09 · Applications](../09_applications.ipynb).
# * LeCun and others (1998), *Gradient-based learning applied to document
#   recognition*, [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791): how
#   the images were made.
# * **One to try:** train a VAE on digits that are moved at random, by up to
#   four pixels. What do its numbers have to say now that they did not before,
#   and what does that cost in nats?
