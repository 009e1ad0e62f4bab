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
    negative_elbo, print_table, show_figure, show_rows, start_at_mean_image,
    train_grid, warmup_then_linear,
)
from tutorial_utils.studios.drawing import drawing_studio, image_of_strokes
from tutorial_utils.studios.predict import predict

# %%
RETRAIN = False  # True: train both models again, a few minutes
seed = 0  # of both models

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
# with 20. (Nothing to draw with? Choose a test image.)
#
# Try a clean 3 first. Then something that is no digit: a cross, a heart, the
# first letter of your name. When does the copy give up on your drawing, and
# paint a digit instead?

# %%
VBox([drawing_studio(model, x_test, y_test, judge=judge)
      for model in models.values()])

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
            "house becomes a 0 in both, and the cross an 8 with 2 numbers, "
            "and loose strokes with 20.")

# %% [markdown]
# *What to see.* All copies are means of $p(x|z)$, at the mean of $q(z|x)$. The
# model with 2 numbers gives you *a* 3. The one with 20 numbers gives you more
# of *your* 3: its corners, its width, where it bends. Few 7s of MNIST have a
# bar, and the model with 2 numbers has no place for one; with 20, the bar is
# kept. Neither can paint a cross or a house. A decoder puts together what it
# has seen, and it has seen digits.
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
    return 28 - inked.int().argmax(1) - inked.flip(1).int().argmax(1)


def longer_side(x):  # of the box around the ink, in pixels
    inked = x[:, 0] > 0
    return torch.maximum(extent(inked.any(1)), extent(inked.any(2)))


def center_of_mass(x):  # [N, 2]: right of and below pixel 14, in pixels
    across, down = x.sum(2)[:, 0], x.sum(3)[:, 0]
    sums = [(ink * (pixel - 14)).sum(1) for ink in (across, down)]
    return torch.stack(sums, 1) / across.sum(1, keepdim=True)


side, center = longer_side(x_test), center_of_mass(x_test)
claim("99 in 100 test digits have a longer side of 20 pixels",
      (side == 20).float().mean() > 0.99)
claim("no center of mass is more than half a pixel off",
      center.abs().max() < 0.51, largest=center.abs().max())


# %% tags=["hide-input"]
# Longer sides of the test digits, and where their centers of mass lie
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
left.bar(pixel, side.bincount(minlength=28), color="C0")
left.set(xlabel="longer side of the digit, pixels", ylabel="test images",
         title="All digits are of one size")
right.scatter(*center[:2000].T, s=2, color="C0")
right.set(xlim=(-4, 4), ylim=(4, -4), aspect="equal", xlabel="right, pixels",
          ylabel="down, pixels", title="and in one place")
show_figure(fig, alt="Left, a bar chart of the longer side of the test "
            "digits: one bar, at 20 pixels. Right, their centers of mass on "
            "a square of 8 by 8 pixels: all lie in a square of one pixel in "
            "the middle.")

# %% [markdown]
# So our networks have seen 60,000 digits, and yet only one size, and one
# place. Nobody told them that a 7 which is moved stays a 7.
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


# %%
def thickened(x, quarters):  # quarter pixels added at each edge, or taken away
    if quarters < 0:
        return 1 - thickened(1 - x, -quarters)
    large = F.interpolate(x, scale_factor=4, mode="bilinear")
    return F.avg_pool2d(F.max_pool2d(large, 2 * quarters + 1, 1, quarters), 4)


changes = {"moved right": (moved, [0, 1, 2, 3, 4, 5, 6]),
           "longer side": (of_size, [8, 12, 16, 20, 24, 28]),
           "thicker": (thickened, [-3, -2, -1, 0, 1, 2, 3, 4])}

# %% tags=["hide-input", "after-predict"]
# One test image, spoiled in three ways, and its copies
shown = {"moved right": [0, 2, 4, 6], "longer side": [8, 14, 20, 26],
         "thicker": [-3, 0, 2, 4]}
spoiled = {f"{name} {value}": changes[name][0](x_test[:1], value)
           for name, values in shown.items() for value in values}
rows = {"image": torch.cat([*spoiled.values()])}
rows |= {name: copies(model, rows["image"]) for name, model in models.items()}
short = {"moved right": "right", "longer side": "side", "thicker": "ink"}
above = {"image": [f"{short[name]}\n{value}".replace("-", "−")
                   for name, values in shown.items() for value in values]}
fig = show_rows(rows, size=0.78, above=above)
fig.suptitle("As MNIST has it, a 7 is copied; otherwise it may become "
             "anything", y=1.22)
show_figure(fig, alt="A 7 moved to the right by up to 6 pixels, drawn with "
            "longer sides from 8 to 26 pixels, and with thinner and thicker "
            "strokes. Below, copies of two models. Copies of images like "
            "those of MNIST are sevens; most of the others are not.")

# %% [markdown]
# One image is an anecdote. So take a thousand test images, spoil them all, and
# ask two questions. Does the judge give the copy the name of the digit? And
# what is $-$ELBO? Of that we take the *median* over the images; the reason
# comes below.

# %%
def share_right(images):  # whose name by the judge is the digit's
    return (judge(images).argmax(1) == y).float().mean().item()


@torch.no_grad()
def minus_elbo(model, images):  # of each image, [N]
    with local_seed(0):
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
          "thicker": "ink added at each edge, ¼ pixels"}
styles = {"image": ("^:", "0.5"), "2 numbers": ("o--", "C1"),
          "20 numbers": ("s-", "C0")}
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
axes[0, 0].legend(title="named by the judge:", fontsize=8, title_fontsize=8)
axes[1, 0].set_ylabel("median of −ELBO, nats")
fig.suptitle("Moved or resized, digits are copied wrongly; a thicker pen does "
             "less harm")
show_figure(fig, alt="Six charts, against pixels moved, the longer side and "
            "the thickness. Above, the share of images, and of copies by two "
            "models, that the judge names rightly: highest where MNIST is (a "
            "gray bar), falling to both sides, steeply when moved. Below, the "
            "median of −ELBO, which rises with moving, with larger digits and "
            "with thicker strokes, but falls for smaller digits.")
for name in models:
    claim(f"{name}: four pixels to the right, and most copies are wrong",
          right[name, "moved right", 4] < 0.5)
    claim(f"{name}: digits of 12 pixels are copied wrongly in most cases, yet "
          "their −ELBO is lower",
          right[name, "longer side", 12] < 0.5
          and nats[name, "longer side", 12].median()
          < nats[name, "longer side", 20].median())

# %% [markdown]
# *What to see.* Moving is worst. Three or four pixels, a seventh of the image,
# and most copies are of some other digit. A pen that is somewhat thicker or
# thinner does little harm. People have pens of many kinds, and MNIST has their
# strokes; but it has one place and one size. (To thicken a stroke by quarters
# of a pixel, the image is enlarged and reduced. That alone makes it softer,
# and costs fifteen to thirty nats, also at 0.)
#
# Do not expect $-$ELBO to warn you. It does so where digits are moved or too
# large. But a small digit has little ink, and little can go wrong: its
# $-$ELBO is *lower* than that of a proper digit, and its copy is mostly wrong.
#
# And the judge, which we ask about copies? It went to the same school. Of the
# images themselves, dotted in gray, it names fewer and fewer as well; where
# they are moved, only a little later. So some copies that it calls wrong may
# be right to your eye. But look at those of the 7 above.
#
# ### Astronomic numbers
#
# Why the median? Look at the largest values. The second table goes after them:
# it has the standard deviation of the weights with which the encoder reads a
# pixel, for pixels that had ink in none of the 60,000 images, in a hundred or
# fewer, and in more.

# %%
largest = {(change, value): {name: f"{nats[name, change, value].max():,.0f}"
                             for name in models}
           for change, value in [("moved right", 0), ("moved right", 6),
                                 ("longer side", 28)]}
print_table(largest, columns=["change", "value", *models])

n_inked = (x_train > 0).sum(0).flatten()  # in how many images, each pixel
groups = {"never": n_inked == 0, "rarely": (n_inked > 0) & (n_inked <= 100),
          "often": n_inked > 100}
stds = {name: {group: model.encoder[1].weight[:, pixels].std().item()
               for group, pixels in groups.items()}
        for name, model in models.items()}
print_table(stds, digits=3)
for name, std in stds.items():
    claim(f"{name}: weights of rarely inked pixels have grown like others",
          std["never"] < 0.03 and std["rarely"] > 0.5 * std["often"])

# %% [markdown]
# *What to see.* For some images $-$ELBO is not large, it is astronomic, or
# more than a 32-bit number can hold. At the rim lie pixels that *never* had
# ink. Their weights are still the small random numbers that they started with.
# Others had ink in very few images. Their weights have grown like those in the
# middle, and hardly any image has ever checked them. Put a stroke there, and
# $\log\sigma^2$ goes wherever it likes. And $\sigma^2$ is its exponential.
#
# ## Cheating, or necessary?
#
# Necessary, then. But it costs nothing, since we know what was done to MNIST,
# and can do the same to any image: scale it about its center of mass until the
# longer side has 20 pixels, and put that center into the middle.

# %%
def like_mnist(x):
    return resampled(x, longer_side(x) / 20, center_of_mass(x))


mended = {}
for change, value in [("moved right", 4), ("longer side", 12)]:
    spoil, _ = changes[change]
    repaired = like_mnist(spoil(x, value))
    for name, model in models.items():
        usual = share_right(copies(model, x))
        mended[change, value, name] = {
            "spoiled": right[name, change, value],
            "mended": share_right(copies(model, repaired)), "as it was": usual}
print_table(mended, columns=["change", "value", "copies of", "spoiled",
                             "mended", "as it was"])
claim("mended, nine in ten of the right copies are right again",
      all(row["mended"] > 0.9 * row["as it was"] for row in mended.values()))

# %% [markdown]
# ## Recap
#
# * A VAE paints what it has seen. A house comes out as strokes of digits.
# * MNIST has one size and one place, and what was the same in all images, the
#   network did not have to learn. It has not learned it.
# * $-$ELBO warns of moved and of large digits, and not of small ones.
# * Do to your images what was done to the training images. That is no
#   cheating: it is part of the model.
#
# ## Where to go
#
# * Back to [04 · Seeing the latent space](../04_latent_space.ipynb), where a
#   digit can also be walked to another one.
# * To change a digit by its code instead, one number at a time:
#   [What moves a code?](04_what_moves_a_code.ipynb) has the sliders.
# * Which images are unlike the others, and does $-$ELBO know it? That is a
#   question of [09 · Applications](../09_applications.ipynb).
# * LeCun and others (1998), *Gradient-based learning applied to document
#   recognition*, [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791): how
#   the images were made.
# * **One to try:** train a VAE on digits that are moved at random, by up to
#   four pixels. What do its numbers have to say now that they did not before,
#   and what does that cost in nats?
