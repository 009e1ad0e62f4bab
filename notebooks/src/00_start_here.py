# %% [markdown]
# # 0 · Start here
#
# What would it take to turn one handwritten digit into another, smoothly,
# with a digit at every step?
#
# **You will** · drag a slider and watch one digit become another · look at the
# data · walk through the space the slider moves in · check that this computer
# is ready · learn how the series works.
#
# *Builds on nothing · about 1 min on two CPU cores ·
# [Solutions](solutions/00_start_here.ipynb)*
#
# New to Jupyter? Click on a cell and press **Shift + Enter**: it runs, and the
# next one is selected. To run them all, choose *Run → Run All Cells* in the
# menu.

# %%
import matplotlib.pyplot as plt
import torch

from tutorial_utils import (
    decode_grid, encode_images, estimated_minutes, load_images,
    load_pretrained, machine_report, plot_codes, show_animation, show_figure,
    show_image, show_images, show_rows, straight_line, training_speed,
)
from tutorial_utils.checks.nb00 import check_compression
from tutorial_utils.studios.interpolation import interpolation_studio
from tutorial_utils.studios.pad import latent_pad
from tutorial_utils.studios.predict import predict

# %% [markdown]
# ## One digit becomes another
#
# A **variational autoencoder** (VAE) has two halves. The **encoder** squeezes
# an image into a short list of numbers, its **code**. The **decoder** paints
# an image from a code.
#
# ![An image of 784 pixels goes into the encoder, a trapezoid that narrows;
# out comes a code of two numbers; the decoder, a trapezoid that widens, paints
# an image of 784 pixels from it.](figures/encoder_decoder.svg)
#
# Two small VAEs travel with this tutorial. One has a code of two numbers, the
# other a code of twenty. Both learned from the same 60,000 digits, and they
# have never seen the 10,000 test images that you can choose from here.
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
# digit's code $z_a$. At $t = 1$ you see its picture of the second digit's code
# $z_b$. Between them you see pictures of the codes on the straight line that
# joins the two:
#
# $$z(t) = (1 - t)\, z_a + t\, z_b$$
#
# Here is the same without a slider, for paper: nine steps along two such
# lines.

# %%
steps = torch.linspace(0, 1, 9)
pairs = {"5 to 0": (23, 3), "1 to 2": (2, 1)}  # positions in the test set
rows = {}
for name, (a, b) in pairs.items():
    for size, model in models.items():
        z, *_ = encode_images(model, x_test[[a, b]])
        images = model.decode(straight_line(z[0], z[1], steps)).sigmoid()
        rows[f"{name},\n{size}"] = images

# %% tags=["hide-input"]
# The two walks with each model, and t above
above = {next(iter(rows)): [f"t = {t:g}" for t in steps.tolist()]}
fig = show_rows(rows, size=0.72, above=above, title="Two numbers pass other "
                "digits on the way; twenty are sharper, and go directly")
show_figure(fig, alt="Four rows of nine decoded digits. A 5 turns into a 0: "
            "with 2 numbers, soft, through a 6; with 20 numbers, sharp and "
            "directly. A 1 turns into a 2: with 2 numbers through an 8; with "
            "20 numbers directly, through steps that are neither.")

# %% [markdown]
# Then as an animation, there and back, with both models side by side:

# %%
walk = torch.linspace(0, 1, 25)
frames = []
for model in models.values():
    z, *_ = encode_images(model, x_test[[23, 3]])
    frames.append(model.decode(straight_line(z[0], z[1], walk)).sigmoid())
frames = torch.cat(frames, dim=3)
show_animation(torch.cat([frames, frames.flip(0)]), seconds=0.08, enlarge=5,
               labels=["2 numbers          20 numbers"] * 50,
               alt="Animation: a handwritten 5 turns into a 0 and back; on "
               "the left, with 2 numbers, soft and through a 6, on the right, "
               "with 20 numbers, sharp and directly.")

# %% [markdown]
# *What to see:* most steps are digits, not two digits printed over each other.
#
# With two numbers the pictures are soft. Two numbers are few for everything a
# digit can be. Now and then an end is another digit altogether. And ten kinds
# of digits share one plane, so a line from one to another often crosses a
# third: here a 6, and an 8.
#
# Twenty numbers leave room for slant, thickness and the form of each stroke,
# so the pictures are sharp. There is room between the digits, too: a line
# meets a third one less often. But half way it may pass what is no digit.
#
# Each picture is the *mean* of what the decoder thinks possible; notebook 06
# shows why that blurs.
#
# ## The data
#
# MNIST: 70,000 handwritten digits, 60,000 to train on and 10,000 to test on.
# Every image has 28 × 28 pixels, each a number from 0 (black) to 1 (white).

# %% tags=["nbval-check-output"]
print("train", list(data.x_train.shape), "test", list(x_test.shape))
print("from", x_test.min().item(), "to", x_test.max().item())

# %%
fig, ax = plt.subplots(figsize=(7, 2.6))
first = [(y_test == k).nonzero()[:4].flatten() for k in range(10)]
columns = torch.stack(first, dim=1).flatten()  # four rows, classes 0 to 9
title = "Four test images of each class, 0 to 9: no two alike"
show_images(x_test[columns], n_columns=10, title=title, ax=ax)
show_figure(fig, alt="Grid of forty handwritten digits in ten columns, one "
            "column per class from 0 to 9, in four different hands.")

# %% [markdown]
# *What to see:* the digits of one column differ in slant, thickness and form.
# A model of these images has to know what may vary and what may not.
#
# ## Predict
#
# A plain cross-fade mixes the *pixels* of two images,
# $(1 - t)\,x_a + t\,x_b$. A walk mixes their *codes*. Take a 2 and a 4: what
# will lie in the middle, at $t = 0.5$? Decide first. In the saved notebook the
# picture below is folded until you open it.

# %% tags=["predict"]
# Your guess, please
predict("Half way from a 2 to a 4, what do you see?",
        ["both times a 2 and a 4, each at half brightness",
         "pixels: both at half brightness; codes: one shape",
         "both times one shape, between a 2 and a 4"],
        answer="pixels: both at half brightness; codes: one shape",
        because="Mixing pixels prints one digit over the other, an image "
        "nobody would write. The decoder paints one shape, digit or not: it "
        "has learned to paint strokes like those in its training data.")

# %%
a, b = 1, 4  # a 2 and a 4
fade = 0.5 * x_test[a] + 0.5 * x_test[b]
pictures = {"image a": x_test[a], "mixed pixels": fade}
for size, model in models.items():
    # [None]: a batch of one; sigmoid: makes each number a pixel, 0 to 1
    z_a, z_b = encode_images(model, x_test[[a, b]])[0]
    middle = model.decode((0.5 * z_a + 0.5 * z_b)[None]).sigmoid()
    pictures[f"mixed codes,\n{size}"] = middle[0]
pictures["image b"] = x_test[b]

# %% tags=["after-predict"]
fig, axes = plt.subplots(1, 5, figsize=(8, 2.2))
for ax, (name, picture) in zip(axes, pictures.items()):
    show_image(picture, ax=ax)
    ax.set_xlabel(name)
fig.suptitle("Half way: mixed pixels show two digits, mixed codes one shape")
show_figure(fig, alt="Five images: a 2; the cross-fade, in which a gray 2 and "
            "a gray 4 overlap; the decoded middle codes of 2 and of 20 "
            "numbers, one shape each; a 4.")

# %% [markdown]
# *What to see:* with two numbers a 9 lies in the middle, soft but whole. With
# twenty it is a sharp stroke that is no digit yet.
#
# ## The space in which you walked
#
# If twenty numbers paint so much better, why bother with two? Because two
# numbers are a point on a map, and a map can be seen at a glance. Nobody sees
# twenty dimensions (notebook 04 tries). So we look at the small model:

# %%
model = models["2 numbers"]
z_test, _ = encode_images(model, x_test)  # one code for each test image
print(model.encoder)
print("codes of the first three test images:")
print(z_test[:3])

# %% [markdown]
# The encoder ends in 4 numbers: the 2 of the code, and 2 that say how sure it
# is of them. We drop the latter here; notebook 02 needs them.
#
# Below, the map shows the codes of test images, each drawn as its class. Drag
# on it, or click it and use the **arrow keys** (with Shift: larger steps), and
# the decoder paints the digit of that point.

# %%
latent_pad(model, z_test, y_test)

# %% [markdown]
# And as two pictures: the map, and what the decoder paints all over it.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.6))
plot_codes(z_test, y_test, title="Codes of 2,000 test images", ax=left)
left.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal")
title = "What the decoder paints in its inner part"
show_image(decode_grid(model, n=15), title=title, ax=right)
right.set(xlabel="$z_1$, from low to high", ylabel="$z_2$, from low to high")
show_figure(fig, alt="Left: a scatter of digits 0 to 9 in the plane, each "
            "class in its own region, some overlapping. Right: a grid of "
            "decoded digits that change gradually from place to place.")

# %% [markdown]
# *What to see:* nobody told the model about classes, yet equal digits lie
# together, and digits that look alike, such as 4 and 9, share a region. The
# grid on the right covers the inner part of the map, without the rim. It is
# spaced for codes that follow a bell curve in each direction: dense in the
# middle. Far outside, where there are no codes, the decoder still paints
# something; do not trust it.
#
# ## Is this computer ready?
#
# The next cell prints what you have, trains a small network for about a
# second, and estimates from its speed how long each notebook takes here the
# first time. The second time, trained models come from a cache and a notebook
# takes seconds.

# %%
print(machine_report())
speed = training_speed()
print(f"trains on {speed:,.0f} images per second\n")
for name, minutes in estimated_minutes(speed).items():
    print(f"{name:20} about {max(1, round(minutes))} min")

# %% [markdown]
# You need no GPU, and no network: the images and the two models came with the
# installation. If a cell of this notebook fails, copy what the one above
# printed into an issue on the project's page; that is what a helper will ask
# for first.
#
# ## How the series works
#
# Each notebook asks one question and answers it by experiment.
#
# * **Predict** before you run: guessing first is what makes a result stick.
# * **Run** the cells from top to bottom. Cells that take longer than a few
#   seconds say so.
# * **Explain** what you saw, then read *What to see*.
# * **Exercises** at the end have checks. A check tells you what went wrong.
#   Solutions are a click away.
# * Change numbers in the *config* cells. Models that you have trained once are
#   kept. `RETRAIN = True` trains them anew.
#
# | notebook | the question it answers |
# |---|---|
# | 00 · Start here | What does a VAE do? |
# | [01 · Autoencoders](01_autoencoders.ipynb) | How short can a code be, and what is wrong with codes that were only made to be short? |
# | [02 · Generative models](02_generative_models.ipynb) | What must change so that you can make up a code, and get a digit? |
# | [03 · The mathematics](03_mathematics.ipynb) | Why is this sum the right loss, and how far is it from what we want? |
# | [04 · The latent space](04_latent_space.ipynb) | What does a latent space look like, and how much of the picture can you believe? |
# | [05 · One knob](05_beta.ipynb) | What does the KL term do when it counts more, or less? |
# | [06 · Why VAE images are blurry](06_blur.ipynb) | Which part of the model blurs them, and what helps? |
# | [07 · Disentanglement](07_disentanglement.ipynb) | Can a model find what makes images differ, and give each cause a number of its own? |
# | [08 · Denoising autoencoders](08_denoising.ipynb) | How does noise go away? |
# | [09 · What it is good for](09_applications.ipynb) | What can you do with a VAE? |
#
# Formulas and code use the same letters in all notebooks. You need none of
# them yet; the [appendix](appendix.md#Notation) is where to look them up, with
# a glossary, all references, and which notebook answers which question.
#
# ## Recap
#
# * A digit turns into another on a straight line between two *codes*, not by
#   mixing pixels.
# * A code of twenty numbers paints sharper digits than one of two.
# * Two numbers make a map, on which digits that look alike lie together.
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
# Moving inside a class changes slant and width; moving across a border passes
# through shapes between two digits. Shapes that are no digit lie mostly on
# such borders and outside the cloud of codes.
# </details>
#
# ## References
#
# * LeCun, Bottou, Bengio and Haffner (1998), *Gradient-based learning applied
#   to document recognition*, [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791):
#   the data.
# * Kingma and Welling (2014), *Auto-encoding variational Bayes*,
#   [arXiv:1312.6114](https://arxiv.org/abs/1312.6114): the VAE.
#
# **Next:** [01 · Autoencoders](01_autoencoders.ipynb), which asks how short a
# code can be, and what a code lacks that was only made to be short.
