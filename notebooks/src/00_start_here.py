# %% [markdown]
# # 0 · Start here
#
# ![Animation: handwritten digits turn into one another, a 2 into a 3, an 8, a
# 7, a 9, a 1 and a 0.](figures/morph.gif)
#
# *Two models: the left one describes an image by two numbers, the right one by
# twenty.*
#
# What would it take to turn one handwritten digit into another, smoothly,
# with a digit at every step?
#
# **You will** · drag a slider and watch one digit become another · look at the
# data · walk through the space the slider moves in · check that this computer
# is ready · learn how the series works.
#
# *Builds on nothing · a quarter of an hour of study, about 1 min on two CPU
# cores · [Solutions](solutions/00_start_here.ipynb) · only here to drag the
# slider? [This page](figures/playground.html) needs neither Python nor a
# network.*
#
# New to Jupyter? Go step by step: **Shift + Enter** runs a cell and selects
# the next. Only want the sliders? Choose *Run → Run All Cells*.

# %%
import matplotlib.pyplot as plt
import torch

from tutorial_utils import (
    decode_grid, encode_images, estimated_minutes, load_images,
    load_pretrained, machine_report, plot_codes, show_figure,
    show_image, show_images, show_rows, training_speed,
)
from tutorial_utils.checks.nb00 import check_compression
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.studios.pad import latent_pad
from tutorial_utils.studios.predict import predict

# %% [markdown]
# ## One digit becomes another
#
# A **variational autoencoder** (VAE) has two halves. The **encoder** squeezes
# an image $x$ into a short list of numbers, its **code** $z$. The **decoder**
# paints an image from a code. (So much is true of any autoencoder. What makes
# it *variational*, [02](02_generative_models.ipynb) will tell.)
#
# ![An image of 784 pixels goes into the encoder, a trapezoid that narrows;
# out comes a code of two numbers; the decoder, a trapezoid that widens, paints
# an image of 784 pixels from it.](figures/encoder_decoder.svg)
#
# Two small VAEs travel with this tutorial. One has a code of two numbers, the
# other a code of twenty. They have never seen the images that you can choose
# from here.
#
# Choose two digits and drag $t$, or click the slider and use the **← →** keys.
# Then switch to 20 numbers and walk again: what changes?

# %%
data = load_images("mnist")
x_test, y_test = data.x_test, data.y_test
models = {"2 numbers": load_pretrained("vae_2d"),
          "20 numbers": load_pretrained("vae_20d")}
interpolation_studio(models, x_test, y_test)

# %% [markdown]
# What did you drag? At $t = 0$ you see the decoder's picture of the first
# digit's code $z_a$, at $t = 1$ that of the second digit's code $z_b$. Between
# them lie the codes on the straight line that joins the two:
#
# $$z(t) = (1 - t)\, z_a + t\, z_b$$
#
# Here is the same as a picture, for two pairs of images. The decoder gives one
# number for each pixel, and `sigmoid` brings it between 0, black, and 1,
# white.

# %%
t = torch.linspace(0, 1, 9)[:, None]  # nine steps, in a column


def walk(model, a, b):  # between two test images; _: how sure, see 02
    (z_a, z_b), _ = encode_images(model, x_test[[a, b]])
    return (1 - t) * z_a + t * z_b


pairs = {"5 to 0": (23, 3), "1 to 2": (2, 1)}  # positions in the test set
rows = {}
for name, (a, b) in pairs.items():
    for size, model in models.items():
        steps = model.decode(walk(model, a, b)).sigmoid()
        rows[f"{name},\n{size}"] = torch.cat(
            [x_test[[a]], steps, x_test[[b]]])

# %% tags=["hide-input"]
# The two walks with each model, between the images themselves; t above
above = {next(iter(rows)): [
    "image", *[f"t = {step:g}" for step in t.flatten().tolist()], "image"]}
fig = show_rows(rows, size=0.7, above=above, title="These walks pass other "
                "digits with two numbers; with twenty, shapes that are none")
show_figure(fig, alt="Four rows: a test image, nine decoded digits, and "
            "another test image. A 5 turns into a 0: with 2 numbers, soft, "
            "through a 6; with 20 numbers, sharp and directly. A 1 turns into "
            "a 2: with 2 numbers through an 8; with 20 numbers directly, "
            "through steps that are neither.")

# %% [markdown]
# *What to see:* most steps are digits, but not all. With two numbers the
# pictures are soft: compare the ends with the images beside them. And ten
# kinds of digits share one plane, so a line from one to another often crosses
# others: here a 6, an 8 and more.
#
# Twenty numbers leave room for slant, thickness and the form of each stroke.
# There is room between the digits, too. So a line may lead from one to the
# other without a third, and may pass shapes that are no digit.
# ([04](04_latent_space.ipynb) counts both on hundreds of walks.)
#
# ## The data
#
# MNIST: 70,000 handwritten digits, 60,000 to train on and 10,000 to test on.
# Every image has 28 × 28 pixels, each a number from 0 (black) to 1 (white).

# %% tags=["nbval-check-output"]
print("train", list(data.x_train.shape), "test", list(x_test.shape))
print("from", x_test.min().item(), "to", x_test.max().item())

# %% tags=["hide-input"]
# Four test images of each class
fig, ax = plt.subplots(figsize=(7, 2.6))
first = [(y_test == k).nonzero()[:4].flatten() for k in range(10)]
columns = torch.stack(first, dim=1).flatten()  # four rows, classes 0 to 9
title = "Four test images of each class, 0 to 9: one digit, many forms"
show_images(x_test[columns], n_columns=10, title=title, ax=ax)
show_figure(fig, alt="Grid of forty handwritten digits in ten columns, one "
            "column per class from 0 to 9, each of them in four forms.")

# %% [markdown]
# ## Predict
#
# A plain cross-fade mixes the *pixels* of two images, $(1 - t)\,x_a + t\,x_b$:
# half way from a 2 to a 4 you see both, each half as bright. A walk mixes
# their *codes*. What will it show in the middle, at $t = 0.5$? Decide first,
# then open the answer.

# %% tags=["predict"]
# Your guess, please
predict("Half way from a 2 to a 4, with two numbers, the decoder paints …",
        ["a shape between a 2 and a 4", "a gray blur", "another digit"],
        answer="another digit",
        because="On the map of two numbers 9s lie between these two. And the "
        "decoder paints what it has learned to paint there.")

# %%
a, b = 1, 4  # a 2 and a 4
fade = 0.5 * x_test[a] + 0.5 * x_test[b]
pictures = {"image a": x_test[a], "mixed pixels": fade}
for size, model in models.items():
    middle = model.decode(walk(model, a, b)[[4]]).sigmoid()  # the fifth step
    pictures[f"mixed codes,\n{size}"] = middle[0]
pictures["image b"] = x_test[b]

# %% tags=["hide-input", "after-predict"]
# Both images, and three ways to mix them
fig, axes = plt.subplots(1, 5, figsize=(8, 2.2))
for ax, (name, picture) in zip(axes, pictures.items()):
    show_image(picture, ax=ax)
    ax.set_xlabel(name)
fig.suptitle("Half way: mixed pixels show two digits, mixed codes one shape")
show_figure(fig, alt="Five images: a 2; the cross-fade, in which a gray 2 and "
            "a gray 4 overlap; the decoded middle codes of 2 and of 20 "
            "numbers, one shape each; a 4.")

# %% [markdown]
# *What to see:* nobody would write mixed pixels. Mixed codes give one shape:
# with two numbers a 9, with twenty something like a 6. So twenty numbers do
# not rule out a third digit.
#
# ## The space in which you walked
#
# If twenty numbers paint so much sharper, why bother with two? Because two
# numbers are a point on a map, and nobody sees twenty dimensions. So we look
# at the small model:

# %%
model = models["2 numbers"]
z_test, _ = encode_images(model, x_test)  # one code for each test image
for k in range(3):
    z_1, z_2 = z_test[k]
    print(f"test image {k}, a {y_test[k]}: code ({z_1:5.2f}, {z_2:5.2f})")

# %% [markdown]
# ($z_1$ and $z_2$ are the two numbers of one code; $z_a$ and $z_b$ were two
# codes.) Below, the map shows the codes of test images, each drawn as its
# class. Drag on it, or click it and use the **arrow keys** (with Shift: larger
# steps), and the decoder paints the digit of that point.

# %%
latent_pad(model, z_test, y_test)

# %% [markdown]
# And as two pictures: the codes of a thousand test images, with a circle at
# the mean of each class, and the two walks from above; and what the decoder
# paints inside the frame, in steps that are shorter in the middle.

# %%
n = 15  # images in a row
painted = decode_grid(model, n)

# %% tags=["hide-input"]
# The codes of 1,000 test images, each class at its mean, and the two walks; a
# frame around what is decoded on the right
edge = torch.special.ndtri(torch.tensor(1 - 0.5 / n)).item()
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 5))
plot_codes(z_test, y_test, n=1000, ax=left,
           title="Codes of 1,000 of the 10,000 test images")
for (a, b), start in zip(pairs.values(), pairs):
    left.plot(*walk(model, a, b).T, "-o", color="black", markersize=5,
              markerfacecolor="white", zorder=4)
    left.annotate(start, walk(model, a, b)[0].tolist(), xytext=(-8, 8),
                  textcoords="offset points", ha="right", weight="bold")
for k in range(10):
    beside = {4: "top", 9: "bottom"}  # the two share a place
    left.text(*z_test[y_test == k].mean(0).tolist(), str(k), size=12,
              weight="bold", ha="center", va=beside.get(k, "center"),
              bbox={"boxstyle": "circle,pad=0.1", "fc": "white", "alpha": 0.6})
left.add_patch(plt.Rectangle((-edge, -edge), 2 * edge, 2 * edge, fill=False,
                             linewidth=1.5))
left.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal")
show_image(painted, title="What the decoder paints inside the frame", ax=right)
side, marks = len(painted), torch.tensor([-edge, -1, 0, 1, edge])
where = (side * torch.special.ndtr(marks)).tolist()
names = [f"{-edge:.1f}", "−1", "0", "1", f"{edge:.1f}"]
right.set(xlabel="$z_1$", ylabel="$z_2$")
right.grid(False)
right.set_xticks(where, names)
right.set_yticks(where, names[::-1])
show_figure(fig, alt="Left: a scatter of digits 0 to 9 in the plane, with the "
            "name of each class at its middle; 0, 1, 6 and 7 have regions of "
            "their own, 3, 5 and 8 overlap in the middle, 4 and 9 lie side by "
            "side. Two lines of nine dots, the walks: that from the 5 to the "
            "0 leads through the 6s, that from the 1 to the 2 through the "
            "middle. Right: a grid of decoded digits that change gradually "
            "from place to place.")

# %% [markdown]
# *What to see:* nobody told the model about classes, yet images of one digit
# lie together, and digits that look alike share a region: 4 and 9, and in the
# middle 3, 5 and 8. And here is why the walk from the 5 met a 6: its line
# leads along the 6s (see the third row on the right). In a corner, where there
# are no codes, the decoder paints something as well; do not trust it.
#
# ## Is this computer ready?
#
# The next cell trains a small network for about a second, and estimates from
# its speed how long each notebook takes here the first time. The second time
# it takes seconds.

# %%
print(machine_report())
speed = training_speed()
print(f"trains on {speed:,.0f} images per second\n")
minutes = {name: max(1, round(each))
           for name, each in estimated_minutes(speed).items()}
for name, each in minutes.items():
    print(f"{name:20} about {each} min")
print(f"{'the whole series':20} about {sum(minutes.values())} min")

# %% [markdown]
# If you can read these lines, it is ready. You need no GPU and no internet. If
# something fails, send the first three lines to whoever helps you.
#
# ## How the series works
#
# Each notebook answers a question by experiment.
#
# * **Predict** before you run: guessing first is what makes a result stick.
# * **Run** the cells from top to bottom. What takes long says so.
# * **Explain** what you saw, then read *What to see*.
# * **Exercises** have checks. Solutions are a click away.
# * From 01 on, change numbers in the *config* cell near the top. Trained
#   models are kept; `RETRAIN = True` trains them anew.
#
# | notebook | the question it answers |
# |---|---|
# | 00 · Start here | What would it take to turn one digit into another? |
# | [01 · Autoencoders](01_autoencoders.ipynb) | How short can a code be, and what is wrong with codes that were only made to be short? |
# | [02 · Generative models](02_generative_models.ipynb) | What must change so that you can make up a code, and get a digit? |
# | [03 · The mathematics](03_mathematics.ipynb) | Why is the loss of 02 the right one, and how far is it from what we want? |
# | [04 · The latent space](04_latent_space.ipynb) | What does a latent space look like, and how much of the picture can you believe? |
# | [05 · One knob](05_beta.ipynb) | What if codes are held together more tightly, or less? |
# | [06 · Why VAE images are blurry](06_blur.ipynb) | Which part of the model blurs them, and what helps? |
# | [07 · Disentanglement](07_disentanglement.ipynb) | Can a model find what makes images differ, and give each cause a number of its own? |
# | [08 · Denoising autoencoders](08_denoising.ipynb) | How does noise go away? |
# | [09 · What it is good for](09_applications.ipynb) | What can you do with a VAE? |
#
# The [appendix](appendix.md#Notation) has the notation, a glossary, all
# references, and which notebook answers which question.
#
# ## Recap
#
# *What would it take to turn one digit into another?*
#
# * A code for each of them, and a decoder that paints what lies between: walk
#   on a straight line between the *codes*. Mixing pixels will not do.
# * Smoothly, and with a digit at every step? Mostly. Both models also pass
#   shapes that are no digit. With two numbers a line often crosses other
#   digits; with twenty it can lead straight to its end.
# * Twenty numbers paint sharper digits. Two make a map, on which digits that
#   look alike lie together.
#
# ## Exercises
#
# ### 1 · How much smaller? (one minute, one number)
#
# An image has 28 × 28 pixels, its code here 2 numbers. How many times fewer
# numbers is that? Put a number, or a calculation, in place of the three dots.

# %% tags=["exercise"]
times_smaller = ...

check_compression(times_smaller)

# %% tags=["solution"]
times_smaller = 28 * 28 / 2

check_compression(times_smaller)

# %% [markdown]
# ### 2 · A tour of the map (five minutes, no code)
#
# Find on the pad: a place where a 4 turns into a 9; a 1 that leans to the
# left and one that leans to the right; a place that looks like no digit. Are
# there codes of test images near the last one?
#
# <details><summary>What you may have found</summary>
#
# A 4 turns into a 9 in the lower part of the frame. Moving inside a class
# changes slant and width. Shapes that are no digit lie mostly on borders
# between classes, and outside the cloud of codes.
# </details>
#
# ## References
#
# * LeCun, Bottou, Bengio and Haffner (1998), *Gradient-based learning applied
#   to document recognition*, [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791):
#   the data.
# * Kingma and Welling (2014), *Auto-encoding variational Bayes*,
#   [arXiv:1312.6114](https://arxiv.org/abs/1312.6114); and Rezende, Mohamed
#   and Wierstra (2014), *Stochastic backpropagation and approximate inference
#   in deep generative models*,
#   [arXiv:1401.4082](https://arxiv.org/abs/1401.4082): the VAE.
#
# **Next:** [01 · Autoencoders](01_autoencoders.ipynb), which asks how short a
# code can be, and what a code lacks that was only made to be short.
