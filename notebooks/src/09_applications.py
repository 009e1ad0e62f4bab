# %% [markdown]
# # 9 · What it is good for
#
# You can train a VAE, read its space and measure it. What can you do with one
# that you could not do without?
#
# **You will** · tell a VAE the label, and get the digit you ask for · write in
# somebody's style · fill in what is missing, in several ways · spot what does
# not belong · train a classifier on made-up digits · count bits · see a
# likelihood prefer a blank page.
#
# *Builds on [08](08_denoising.ipynb) · about 3 min on two CPU cores ·
# [Solutions](solutions/09_applications.ipynb)*

# %%
import io
import lzma
import math
import zlib
from functools import partial
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import affine_grid, grid_sample, one_hot

from tutorial_utils import (
    VAE, bernoulli_nll, claim, class_loss, confidence, digit_classifier,
    encode_images, evaluate, is_here, iwae_bound, kl_standard_normal,
    knn_accuracy, load_images, local_seed, log_aggregate, log_normal,
    log_weights, looks, mlp, negative_elbo, print_table, reparameterize,
    score_grid, show_figure, show_rows, start_at_mean_image, train_grid,
    train_many, warmup_then_linear,
)
from tutorial_utils.checks.nb09 import (
    check_auc, check_bits_per_pixel, check_write_as,
)
from tutorial_utils.studios.filling import filling_studio
from tutorial_utils.studios.style import style_rows, style_studio

# %%
RETRAIN = False  # True: train again what the cache already has
seeds = [0, 1, 2]
latent_dim = 20

data = load_images("mnist")
x_train, x_test = data.x_train, data.x_test
y_train, y_test = data.y_train, data.y_test
judge = digit_classifier(data, retrain=RETRAIN)


def span(values, digits=2):  # over the seeds
    low, high = [f"{v:.{digits}f}" for v in (min(values), max(values))]
    return low if low == high else f"{low} to {high}"


@torch.no_grad()
def read(images):  # which digit the classifier sees
    return judge(images).argmax(1)


# %% [markdown]
# ## A label beside the image
#
# A VAE draws *some* digit. You want a 4. A **conditional VAE** is told what the
# image shows: the label $y$, ten numbers of which one is 1, goes into the
# encoder and into the decoder. The loss stays, with $q(z|x, y)$ and
# $p(x|z, y)$. The code need no longer say which digit it is.

# %%
class ConditionalVAE(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x, y):  # x [B, 1, 28, 28], y [B, 10]
        return self.encoder(torch.cat([x.flatten(1), y], 1)).chunk(2, dim=1)

    def decode(self, z, y):
        return self.decoder(torch.cat([z, y], 1))


def conditional_loss(model, x, y, beta=1.0):
    mu, logvar = model.encode(x, y)
    recon_loss = bernoulli_nll(model.decode(reparameterize(mu, logvar), y), x)
    kl = kl_standard_normal(mu, logvar)
    loss = recon_loss + beta * kl
    return {"loss": loss, "recon_loss": recon_loss, "kl": kl}


# %%
def make_decoder(n_in):
    decoder = mlp([n_in, 256, 256, 784], activation=nn.GELU,
                  out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return decoder


def make_conditional():
    encoder = mlp([784 + 10, 256, 2 * latent_dim], activation=nn.GELU)
    return ConditionalVAE(encoder, make_decoder(latent_dim + 10))


def make_plain():  # a VAE that is told nothing, to compare with
    encoder = mlp([784, 256, 2 * latent_dim], activation=nn.GELU)
    return VAE(encoder, make_decoder(latent_dim), latent_dim=latent_dim)


# %% [markdown]
# Trained to the end, for 25 epochs, with $\beta = 1$ and with $\beta = 3$. It
# takes a minute or two each, so they come with the notebook.

# %%
x_and_y = x_train, one_hot(y_train, 10).float()
settings = {"epochs": 25, "batch_size": 128, "lr": 3e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
conditional = train_grid(
    make_conditional, x_and_y, conditional_loss, name="09_conditional",
    over={"beta": [1, 3], "seed": seeds[:1]}, **settings)
model = conditional[1, seeds[0]][0]


# %% [markdown]
# ### Ask for a digit
#
# Draw a code from the prior, and decode it with the label that you want. Here
# are ten codes, one in each column, with all ten labels ($\beta = 1$).

# %%
@torch.no_grad()
def all_labels(model, n):  # n codes from the prior: images [10 labels, n, …]
    z = torch.randn(n, latent_dim, generator=torch.Generator().manual_seed(0))
    return torch.stack([model.decode(z, y.expand(n, 10)).sigmoid()
                        for y in torch.eye(10)])


rows = {f"label {k}": row for k, row in enumerate(all_labels(model, 10))}
fig = show_rows(rows, size=0.7, title="Each row is a label, each column one "
                "code from the prior (means of p(x|z, y))")
show_figure(fig, alt="A grid of ten by ten images. Nearly every row shows its "
            "digit, 0 to 9, ten times. Down a column the code is the same, "
            "and so is the hand: its slant, its weight and its width. A few "
            "images, most of them in one column, are tangles.")


# %%
def as_named(images):  # [10 labels, n, 1, 28, 28]: is each read as its label?
    return (read(images.flatten(0, 1)).view(10, -1)
            == torch.arange(10)[:, None]).float()


obeyed = as_named(all_labels(model, 1000))
print(f"read as their label: {obeyed.mean():.1%} of 10,000; by label:")
print(*[f"{k}: {share:.1%} " for k, share in enumerate(obeyed.mean(1))])

# %% [markdown]
# *What to see.* A row is one digit, each time different. A column is ten digits
# by one hand. More than nine in ten are read as their label. A code from a rare
# corner of the prior gives tangles.
#
# ### What is a label worth?
#
# At most $\log 10 = 2.3$ nats: that many name one of ten. For let the conditional
# model draw its label first, each with the chance of a tenth. Now it is told
# nothing either, and pays $\log 10$ more:
#
# $$-\log p(x) \;\le\; -\log p(x|y) + \log 10$$
#
# So told the label, a model that is equally good saves no more than that.
# Beside $-$ELBO we measure the bound of 50 draws, $-$IWAE
# ([03](03_mathematics.ipynb)), on 50 images of each digit; how often ten
# neighbors in the latent space tell the class; and what the next section needs.

# %%
few, few_y = x_test[::5], y_test[::5]
few_labels = one_hot(few_y, 10).float()
with local_seed(0):
    wanted = (few_y + torch.randint(1, 10, few_y.shape)) % 10  # another one


@torch.no_grad()
def rewrite(model, x, y, new_y):  # the same code, another label
    return model.decode(model.encode(x, y)[0], new_y).sigmoid()


def rewritten(model):  # is it read as asked, and how much of the hand is left?
    after = rewrite(model, few, few_labels, one_hot(wanted, 10).float())
    row = {"as asked": (read(after) == wanted).float().mean().item()}
    pairs = zip(looks(few).T, looks(after).T)
    for name, pair in zip(["ink", "slant", "width"], pairs):
        row[name] = torch.corrcoef(torch.stack(pair))[0, 1].item()
    return row


# %%
class Told:  # a conditional VAE that is told one label, as a VAE
    def __init__(self, model, label):
        self.model, self.y = model, torch.eye(10)[label]

    def encode(self, x):
        return self.model.encode(x, self.y.expand(len(x), 10))

    def decode(self, z):
        return self.model.decode(z, self.y.expand(len(z), 10))


@torch.no_grad()
def tighter(model_of):  # -IWAE of 50 draws; model_of: the VAE for a label
    with local_seed(0):
        bounds = [iwae_bound(log_weights(model_of(k), x, k=50))
                  for k in range(10) for x in few[few_y == k][:50].split(25)]
    return -torch.cat(bounds).mean().item()


# %%
@torch.no_grad()
def measured_plain(model):
    row = evaluate(model, x_test, negative_elbo)
    row["−IWAE"] = tighter(lambda label: model)
    row["class from code"] = knn_accuracy(model.encode(few)[0], few_y)
    return row


@torch.no_grad()
def measured(model):
    row = evaluate(model, (x_test, one_hot(y_test, 10).float()),
                   conditional_loss)
    row["−IWAE"] = tighter(lambda label: Told(model, label))
    mu, _ = model.encode(few, few_labels)
    row["class from code"] = knn_accuracy(mu, few_y)
    images = all_labels(model, 500)
    row["drawn as asked"] = as_named(images).mean().item()
    sure = confidence(judge, images.flatten(0, 1)) > 0.9
    row["judge is sure"] = sure.float().mean().item()
    return row | rewritten(model)


# %%
scores = score_grid(
    make_conditional, x_and_y, conditional_loss, name="09_conditional",
    measure=measured, over={"beta": [1, 3], "seed": seeds}, **settings)
plain = score_grid(
    make_plain, x_train, negative_elbo, name="09_plain",
    measure=measured_plain, over={"seed": seeds}, **settings)


def over_seeds(rows):  # {name: its values, one for each seed}
    return {name: [row[name] for row in rows] for name in rows[0]}


table = {"told nothing": over_seeds([*plain.values()])}
for beta in [1, 3]:
    table[f"told, β = {beta}"] = over_seeds([scores[beta, s] for s in seeds])
names = ["loss", "kl", "−IWAE", "class from code"]
print_table({key: {name: row[name] for name in names}
             for key, row in table.items()}, columns=["", "−ELBO", *names[1:]])
saved = {name: [plain[s][name] - scores[1, s][name] for s in seeds]
         for name in ("loss", "−IWAE")}
print_table({"nats saved at β = 1": saved}, columns=["", "−ELBO", "−IWAE"])
claim("every seed: told the label, both bounds fall by more than log 10",
      min(saved["loss"] + saved["−IWAE"]) > math.log(10), saved=saved)

# %% [markdown]
# *What to see.* Almost five nats are saved, twice what a label can be worth! Half
# a nat is the bound's: by the tighter one the saving is smaller, and still more
# than $\log 10$. So the two models are not equally good. With a label drawn by
# chance, the conditional one would describe digits better, by about two nats.
# That is training, not news from the label.
#
# ### Does it obey?
#
# Now encode a test digit, and decode its code with *another* label. The label
# says what was asked for. The code may still say what the image was. Whom does
# the decoder obey? First we train both models for one epoch, here and now.

# %%
early = train_grid(
    make_conditional, x_and_y, conditional_loss, name="09_early",
    over={"beta": [1, 3]}, seed=seeds[0], on_shelf=False,
    **settings | {"epochs": 1})

# %%
obeying = ["as asked", "class from code", "drawn as asked", "judge is sure"]
obey = {}
for beta in [1, 3]:
    row = measured(early[beta][0])
    obey[beta, 1] = {name: row[name] for name in obeying}
    row = table[f"told, β = {beta}"]
    obey[beta, settings["epochs"]] = {name: row[name] for name in obeying}
print_table(obey, columns=["β", "epochs", *obeying])
claim("every seed, both β: trained to the end, a code and another label "
      "give the digit of the label in over 85 % of cases",
      all(row["as asked"] > 0.85 for row in scores.values()))
claim("every seed: at β = 3 the judge is sure of more, and −ELBO is higher",
      all(scores[3, s][name] > scores[1, s][name] for s in seeds
          for name in ("judge is sure", "loss")))

# %% [markdown]
# *What to see.* After one epoch the model of $\beta = 1$ mostly obeys the code,
# and a common conclusion is that $\beta$ must rise. That is a verdict about one
# epoch. Trained to the end, it obeys the label in more than nine of ten cases.
# For the class in the code costs nats, and the label says the same for nothing
# ([05](05_beta.ipynb)). At $\beta = 1$ these nats are wasted already, and
# training takes them out.
#
# $\beta = 3$ still buys something. Less of the class is left in the code (a tenth
# would be chance), the judge is sure of more drawings, and hardly any is read
# as something else. It costs eight or nine nats of $-$ELBO.

# %% [markdown]
# ## Write in somebody's style
#
# What is left in the code is mostly the hand. So encode somebody's digit, and
# decode its code with all ten labels, here by the model of $\beta = 3$. Six
# hands, each far from the average of its class in one look (measured as in
# [07](07_disentanglement.ipynb)), and ordinary in the others:

# %%
look = looks(few)  # ink, slant, width
own = torch.empty_like(look)  # in standard deviations of the same digit
for k in range(10):
    its = look[few_y == k]
    own[few_y == k] = (its - its.mean(0)) / its.std(0)


def hand(column, sign):  # far out in one look, ordinary in the others
    far = (sign * own[:, column]).clamp(max=2.5)
    others = own.abs().sum(1) - own[:, column].abs()
    return (far - others).argmax().item()


hands = {"fine": hand(0, -1), "bold": hand(0, 1), "leans left": hand(1, -1),
         "leans right": hand(1, 1), "narrow": hand(2, -1), "wide": hand(2, 1)}
writer = conditional[3, seeds[0]][0]

# %% tags=["hide-input"]
# A row for each hand: its image, then all ten digits from its code
chosen = [*hands.values()]
written = style_rows(writer, few[chosen], few_labels[chosen])
rows = {name: torch.cat([row[:1], torch.ones(1, 1, 28, 28), row[1:]])
        for name, row in zip(hands, written.values())}
fig = show_rows(rows, size=0.75, above={"fine": ["image", "", *range(10)]},
                title="One image of somebody's hand, and all ten digits "
                "written by it (means of p(x|z, y))")
show_figure(fig, alt="Six rows: a test image, and the ten digits decoded from "
            "its code. The fine pen writes ten fine digits, the bold one ten "
            "bold ones; slanted hands slant all ten; a narrow and a wide hand "
            "write narrow and wide digits.")

# %% tags=["hide-input"]
# The two hardest hands, written by both models
rows = {}
for name in ("leans left", "wide"):
    for beta in [1, 3]:
        hard = few[[hands[name]]], few_labels[[hands[name]]]
        (row,) = style_rows(conditional[beta, seeds[0]][0], *hard).values()
        rows[f"{name}, β = {beta}"] = row[1:]
fig = show_rows(rows, size=0.75, title="From a rare hand, more digits can "
                "be read at β = 3 (means of p(x|z, y))")
show_figure(fig, alt="Four rows of the ten digits, from the hand that leans "
            "left and from the wide one. At beta 1 several are broken, or "
            "hang in pieces. At beta 3 most can be read.")

# %%
print_table({f"told, β = {beta}": {name: table[f"told, β = {beta}"][name]
                                   for name in ("ink", "slant", "width")}
             for beta in [1, 3]})

# %% [markdown]
# *What to see.* Pen, slant and width go over from one image to ten. The table
# says how well: the correlation of each look before and after, over all test
# images written as another digit. Slant is copied best, width least: a 1 is
# narrow whoever writes it.
#
# By these numbers $\beta = 1$ copies a little better. But from rare hands it
# writes some digits in pieces. At $\beta = 3$ the codes of all labels lie closer
# to the prior, and so to each other.
#
# Now mix two hands, and two labels.

# %%
style_studio(writer, few[:500], few_labels[:500])

# %% tags=["hide-input"]
# From one hand to another in nine steps, for three digits
ends = [hands["leans left"], hands["leans right"]]
t = torch.linspace(0, 1, 9)[:, None]
with torch.no_grad():
    z, _ = writer.encode(few[ends], few_labels[ends])
    path = (1 - t) * z[:1] + t * z[1:]
    strip = {f"a {digit}": writer.decode(path, torch.eye(10)[digit].expand(
        9, 10)).sigmoid() for digit in (2, 4, 8)}
show_figure(show_rows(strip, size=0.75, title="On paper: the hand changes, "
                      "the digit stays (means of p(x|z, y))"),
            alt="Three rows, of a 2, a 4 and an 8: along each row the hand "
            "turns from leaning left to leaning right, and the digit stays.")

# %% [markdown]
# ## Fill in what is missing
#
# Half of the image is lost. What was there? Not one answer: a distribution,
# $p(x_\text{missing}|x_\text{seen})$. Bernoulli pixels are 0 or 1, so from
# here on digits are **binarized**: white where the pixel is above ½. Then
# −ELBO is an honest bound in nats, and a sample of the pixels is a binary
# image. (Not drawn, as in 03: the nats of the two cannot be compared.)

# %%
def binarize(x):
    return (x > 0.5).float()


def make_vae(x):  # smaller than the models above, and trained in seconds
    encoder = mlp([784, 256, 2 * latent_dim])
    decoder = mlp([latent_dim, 128, 256, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x)
    return VAE(encoder, decoder, latent_dim=latent_dim)


b_train, b_test, b_few = map(binarize, (x_train, x_test, few))
short = {"epochs": 1, "batch_size": 256, "lr": 1e-2,
         "schedule": warmup_then_linear}
on_half = {**short, "batch_size": 128, "lr": 6e-3}  # for 30,000 images
jobs = {f"09_binary_{seed}": {
    **short, "epochs": 2, "x": b_train, "seed": seed,
    "make_model": partial(make_vae, b_train), "loss_fn": negative_elbo}
    for seed in seeds}
binary = [model for model, _ in train_many(
    jobs, retrain=RETRAIN, on_shelf=False).values()]


# %% [markdown]
# Take turns: draw the missing pixels given a code, draw a code given all
# pixels. This is called *Gibbs sampling*. With the true posterior in place of
# $q(z|x)$ it would be exact in the long run. With $q$, some codes come up too
# often: so keep a new code only with probability $\min(1, w_\text{new} /
# w_\text{old})$, otherwise the old one, where $w = p(x, z)/q(z|x)$ are the
# importance weights of [03](03_mathematics.ipynb), both for the image as it is
# now (*Metropolis*). The first half of the steps accepts everything, to get
# away from the start; the second half corrects, and where it ends is the
# answer.

# %%
def log_weight(logits, x, z, mu, logvar):
    log_lik = -bernoulli_nll(logits, x)
    zero = torch.zeros_like(z)
    return log_lik + log_normal(z, zero, zero) - log_normal(z, mu, logvar)


@torch.no_grad()
def fill_missing(model, x, seen, *, n_steps):
    z = torch.randn(len(x), model.latent_dim)
    logits = model.decode(z)
    for step in range(n_steps):
        x = torch.where(seen, x, torch.bernoulli(logits.sigmoid()))
        mu, logvar = model.encode(x)
        new_z = reparameterize(mu, logvar)
        new = model.decode(new_z)
        log_ratio = log_weight(new, x, new_z, mu, logvar) - log_weight(
            logits, x, z, mu, logvar)
        accept = torch.rand(len(x)).log() < log_ratio
        if step < n_steps // 2:
            accept = torch.ones_like(accept)
        z = torch.where(accept[:, None], new_z, z)
        logits = torch.where(accept[:, None, None, None], new, logits)
    recon = logits.sigmoid()
    return torch.where(seen, x, torch.bernoulli(recon)), torch.where(
        seen, x, recon)


# %%
def rows_seen(n):  # from the top
    return (torch.arange(28) < n)[:, None]


shown = [4, 6, 20, 33, 52]
with local_seed(0):
    answers = [fill_missing(binary[0], b_few[i].expand(8, 1, 28, 28),
                            rows_seen(14), n_steps=40)[1] for i in shown]
rows = {f"a {few_y[i]}": torch.cat([b_few[i:i + 1], torch.where(
    rows_seen(14), b_few[i:i + 1], 0.35), fill, fill.mean(0, keepdim=True)])
    for i, fill in zip(shown, answers)}
fig = show_rows(rows, size=0.7, title="The truth, what is seen, eight answers "
                "(missing pixels: means), and their mean")
show_figure(fig, alt="Five digits, each with its lower half hidden, eight "
            "fillings and a blurred mean of them. Some are filled alike, "
            "others as two or three different digits.")

# %% [markdown]
# How many answers there are depends on what is seen. For 40 digits and 16
# answers each: into how many digits do they fall, as bits of entropy of what
# the classifier reads (1 bit: two digits equally often)? And which share of
# them is read as the truth?

# %%
def many_answers(model, x, n_seen, seed, n=16):  # draws, means: [N, n, …]
    with local_seed(seed):
        made = fill_missing(model, x.repeat_interleave(n, dim=0),
                            rows_seen(n_seen), n_steps=40)
    return [part.view(len(x), n, 28, 28) for part in made]


# %%
hidden, truth = b_few[::50], few_y[::50]
print("rows seen           bits   read as the truth")
for n in (0, 7, 11, 14, 18):
    bits, right = [], []
    for seed, model in zip(seeds, binary):
        means = many_answers(model, hidden, n, seed)[1]
        votes = one_hot(read(means.view(-1, 1, 28, 28)), 10).float().view(
            40, 16, 10).mean(1)
        bits.append(torch.special.entr(votes).sum(1).mean().item()
                    / math.log(2))
        right.append(votes[range(40), truth].mean().item())
    print(f"{n:9} {span(bits):>14} {span(right):>19}")

# %% [markdown]
# *What to see:* nothing seen, almost all digits (all ten equally often would
# be $\log_2 10 = 3.3$ bits, of which 16 answers show fewer); with 18 rows
# mostly one answer is left.
#
# Are the answers as different as they should be? There is a law for it. The
# **mean** of all answers has the smallest squared error. If the answers are
# draws from the true conditional distribution, the truth is one draw among
# them, and **one** draw has twice the error of their mean (with 8 draws, $2 /
# (1 + 1/8) = 1.78$ times). Try it on test digits, and on images drawn from
# the model itself, for which its distribution *is* the true one. And compare
# the shortcut that everybody tries first: encode the image with the missing
# half black.

# %%
def errors(model, x, seed):  # squared, in the lower half
    made = many_answers(model, x, 14, seed, n=8)[0][:, :, 14:]
    with torch.no_grad():
        mu = model.encode(x * rows_seen(14))[0]
        short = model.decode(mu).sigmoid()[:, :, 14:]
    wanted = x[:, :, 14:]
    return [(guess - wanted).square().sum((2, 3)).mean().item()
            for guess in (made, made.mean(1, keepdim=True), short)]


for seed, model in zip(seeds, binary):
    with local_seed(seed), torch.no_grad():
        own = torch.bernoulli(model.sample(200))
    for name, x in {"test digits": b_few[::10], "its own": own}.items():
        one, mean, short = errors(model, x, seed)
        print(f"seed {seed}, {name:11}: one {one:.1f}, mean {mean:.1f}, ratio "
              f"{one / mean:.2f}; shortcut {short:.1f}")

# %% [markdown]
# *What to see:* on the model's own images the ratio comes near the law: the
# chains are nearly right after 40 steps. On test digits it is a little lower,
# as if the model were slightly too sure; 200 images cannot say much. The mean
# has the smallest error and is a blur ([06](06_blur.ipynb)); a draw is mostly
# a digit. Compare the shortcut with the mean, since it is a mean too: it is
# worse by a fifth or more. To the encoder black pixels are a *fact*, and
# "unknown" cannot be said.
#
# Drag how much is seen.

# %%
filling_studio(binary[0], b_test[:500], classifier=judge)

# %%
with local_seed(1):
    twin = {f"{n} rows": fill_missing(binary[0], b_few[20].expand(
        10, 1, 28, 28), rows_seen(n), n_steps=40)[1] for n in (4, 9, 14, 19)}
show_figure(show_rows(twin, size=0.7, title="On paper: ten answers, more and "
                      "more rows seen (missing pixels: means)"),
            alt="Ten fillings of one digit with 4, 9, 14 and 19 rows seen: "
            "many digits at first, in the end nearly the same one.")

# %% [markdown]
# ## Predict
#
# Train on nine digits (of half the images), and look for the tenth among the
# test images: whatever has a high **score** is called odd. Scores that people
# use: the reconstruction term alone; −ELBO; the tighter bound of 03 with 16
# draws (IWAE); how rare the code is among training codes. How well a score
# sorts odd from normal is its **AUC**: the probability that an odd image
# scores higher than a normal one; 0.5 is guessing. Which digit will be hardest
# to spot?

# %%
without = []
for pair in range(0, 10, 2):  # two at a time: each has its own copy of MNIST
    nine = [b_train[:30_000][y_train[:30_000] != digit]
            for digit in (pair, pair + 1)]
    jobs = {f"09_without_{pair + i}": {
        **on_half, "x": x, "seed": seeds[0], "loss_fn": negative_elbo,
        "make_model": partial(make_vae, x)} for i, x in enumerate(nine)}
    without += [m for m, _ in train_many(
        jobs, retrain=RETRAIN, on_shelf=False).values()]


# %%
@torch.no_grad()
def odd_scores(model, x, known):  # [N] each; the higher, the odder
    mu, logvar = model.encode(x)
    recon_loss = torch.stack([bernoulli_nll(model.decode(
        reparameterize(mu, logvar)), x) for _ in range(8)]).mean(0)
    iwae = torch.cat([iwae_bound(log_weights(model, part, k=16))
                      for part in x.split(64)])  # 1,024 codes at a time
    return {"reconstruction": recon_loss,
            "−ELBO": recon_loss + kl_standard_normal(mu, logvar),
            "IWAE": -iwae, "rare code": -log_aggregate(
                mu, *encode_images(model, known))}


# %%
def auc_interval(scores, odd, n=100):  # bootstrap over images
    with local_seed(0):
        picks = torch.randint(len(odd), (n, len(odd))).sort(1).values
    odd_picks = odd[scores.argsort()][picks].float()  # by rising score
    normal_below = (1 - odd_picks).cumsum(1)
    pairs = odd_picks.sum(1) * (1 - odd_picks).sum(1)
    ends = ((odd_picks * normal_below).sum(1) / pairs).quantile(
        torch.tensor([0.025, 0.975]))
    return [roc_auc_score(odd, scores), *ends.tolist()]


# %%
aucs = {}
with local_seed(0):
    for digit, model in enumerate(without):
        known = b_train[y_train != digit][:5000]
        for name, scores in odd_scores(model, b_few, known).items():
            aucs[name, digit] = auc_interval(scores, few_y == digit)
names = ["reconstruction", "−ELBO", "IWAE", "rare code"]
print(f"{'left out':14}" + "".join(f"{digit:>6}" for digit in range(10)))
for name in names:
    print(f"{name:14}" + "".join(f"{aucs[name, d][0]:6.2f}"
                                 for d in range(10)))

# %%
fig, ax = plt.subplots(figsize=(9.5, 3.6))
for k, (name, mark) in enumerate(zip(names, "os^D")):
    mid, low, high = np.array([aucs[name, d] for d in range(10)]).T
    ax.errorbar(np.arange(10) + 0.15 * (k - 1.5), mid,
                [mid - low, high - mid], fmt=mark, ms=5, label=name)
ax.axhline(0.5, color="0.5", ls=":")
ax.set(title="Never seen, and yet the 1 is found normal",
       xlabel="digit left out of training", ylabel="AUC, 95 % interval",
       xticks=range(10), ylim=(0, 1))
fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center",
           ncols=4)
show_figure(fig, alt="AUC of four scores for each digit left out, with "
            "intervals. Most are between 0.75 and 0.95. For 7 and 9 three are "
            "between 0.5 and 0.65 and the rare code is higher; for the 1 "
            "three are near 0.2 and the rare code is near 0.5.")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The 1. A model that has never seen one finds ones *more* likely than the
# digits it was trained on: few pixels are white, and those lie where other
# digits have a stroke, too.
# </details>
#
# *What to see:* the first three scores agree: a tighter bound changes nothing
# here, nor does the KL. A digit is odd if the decoder cannot paint it. The
# rare code goes its own way: better for 7 and 9, guessing instead of wrong for
# the 1, worse for most others, and most for 4 and 5. (Intervals are over test
# images; one training each.) 7 and 9 are hard, since a 9 without
# its loop, or a 7 with one, is made of known strokes. Where AUC is below ½ the
# score is not weak but **wrong**: it prefers what it has never seen.
#
# ## Generated images as training data
#
# You have $n$ labeled images of each digit. Would a classifier gain from
# images that a conditional VAE makes up, trained **on the same $n$ only**? The
# honest rival needs no model: turn, scale and shift the
# real images a little. Every classifier gets 10,000 images (real
# ones are repeated; `both` is half and half) and equally many steps. Three
# draws of the $n$ images.

# %%
sizes = [5, 10, 50, 100, 500]
n_made = 10_000  # images on which each classifier is trained


def draw_real(n, seed):  # n images of each class
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(x_train), generator=generator)
    rows = torch.stack([order[y_train[order] == k][:n] for k in range(10)])
    rows = rows.T.flatten()  # 0, 1, …, 9, 0, 1, …
    return x_train[rows], y_train[rows]


real = {key: draw_real(*key) for key in product(sizes, seeds)}

# %%
def make_small(x):
    encoder = mlp([784 + 10, 256, 2 * latent_dim])
    decoder = mlp([latent_dim + 10, 128, 256, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x)
    return ConditionalVAE(encoder, decoder)


jobs = {f"09_small_{n}_{seed}": {
    "x": (x, one_hot(y, 10).float()), "seed": seed, "lr": 5e-3,
    "make_model": partial(make_small, x),
    "loss_fn": partial(conditional_loss, beta=3.0),
    "batch_size": 100, "epochs": 500 * 100 // (10 * max(n, 10)),
    "schedule": warmup_then_linear} for (n, seed), (x, y) in real.items()}
small = dict(zip(real, [m for m, _ in train_many(
    jobs, retrain=RETRAIN, on_shelf=False).values()]))

# %%
def move(x):  # turned, scaled and shifted a little, each by its own amount
    turn = 0.2 * torch.randn(len(x))
    scale = 1 + 0.1 * torch.randn(len(x))
    shift = 0.1 * torch.randn(2, len(x))
    theta = torch.stack([turn.cos() * scale, -turn.sin(), shift[0],
                         turn.sin(), turn.cos() * scale, shift[1]], dim=1)
    grid = affine_grid(theta.view(-1, 2, 3), x.shape, align_corners=False)
    return grid_sample(x, grid, align_corners=False)


# %%
@torch.no_grad()
def training_set(kind, key):
    (x, y), seed = real[key], key[1]
    rows = torch.arange(n_made) % len(x)
    made_y, half = torch.arange(n_made) % 10, n_made // 2
    if kind == "real":
        return x[rows], y[rows]
    with local_seed(seed):
        if kind == "moved":
            return move(x[rows]), y[rows]
        made = small[key].decode(torch.randn(n_made, latent_dim),
                                 one_hot(made_y, 10).float()).sigmoid()
    if kind == "generated":
        return made, made_y
    return (torch.cat([x[rows][:half], made[half:]]),
            torch.cat([y[rows][:half], made_y[half:]]))


# %%
kinds, readers = ["real", "generated", "both", "moved"], {}
for n in sizes:
    jobs = {f"09_{kind}_{n}_{seed}": {
        "x": training_set(kind, (n, seed)), "seed": seed, "epochs": 5,
        "make_model": partial(mlp, [784, 128, 10]), "loss_fn": class_loss,
        "batch_size": 128, "lr": 3e-3, "schedule": warmup_then_linear}
        for kind, seed in product(kinds, seeds)}
    readers |= train_many(jobs, retrain=RETRAIN, on_shelf=False)

# %%
accuracy = {name: evaluate(model, (x_test, y_test), class_loss)["accuracy"]
            for name, (model, _) in readers.items()}
print(f"{'per class':10}" + "".join(f"{n:>16}" for n in sizes))
for kind in kinds:
    cells = [span([accuracy[f"09_{kind}_{n}_{seed}"] for seed in seeds], 3)
             for n in sizes]
    print(f"{kind:10}" + "".join(f"{cell:>16}" for cell in cells))
few_real = [accuracy[f"09_real_{sizes[0]}_{seed}"] for seed in seeds]
claim(f"{sizes[0]} per class: moved images gain at least five points",
      min(accuracy[f"09_moved_{sizes[0]}_{seed}"] for seed in seeds)
      > max(few_real) + 0.05)
claim(f"{sizes[-1]} per class, every seed: generated images alone lose",
      all(accuracy[f"09_generated_{sizes[-1]}_{seed}"]
          < accuracy[f"09_real_{sizes[-1]}_{seed}"] for seed in seeds))

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
for kind, mark, side in zip(kinds, ["o-", "s--", "^-.", "*:"],
                            [0.94, 0.98, 1.02, 1.06]):
    points = torch.tensor([[accuracy[f"09_{kind}_{n}_{s}"] for s in seeds]
                           for n in sizes])
    at = torch.tensor(sizes) * side
    line, = ax.plot(at, points.mean(1), mark[1:], label=kind)
    ax.plot(at, points, mark[0], ms=4, color=line.get_color())
ax.set(title="Generated images add nothing, moved ones do", xscale="log",
       xticks=sizes, xticklabels=sizes, ylabel="test accuracy",
       xlabel="real images per class (logarithmic)")
ax.minorticks_off()
ax.legend()
show_figure(fig, alt="Test accuracy against the number of real images per "
            "class, for four training sets, a point per draw.")

# %% [markdown]
# *What to see:* the verdict, for this VAE, is **no**. With 5 or 10 per class,
# generated images do about as well as the real ones they were learned from
# (the draws overlap); from 50 on they do worse. Both together gain a point at
# most (with 5 per class, and the draws overlap), and with 500 lose one. No
# surprise: the VAE has seen nothing that the classifier could not see, and
# adds its blur. Moving images does help, most of all when there are few,
# because it brings in something that is *not* in the data: our knowledge that
# a moved digit is the same digit.
#
# ## Count bits
#
# A model that gives an image the probability $p(x)$ can store it in $-\log_2
# p(x)$ bits, by arithmetic coding. With latent codes, **bits-back coding**
# reaches $-$ELBO, turned into bits: the sender stores a code drawn from
# $q(z|x)$, then the image given the code; the receiver, who can compute $q$
# too, gets the bits that chose the code back. So the code costs only its KL.
# Townsend and others built it, for these digits. One nat is $1/\log 2 = 1.44$
# bits. Against it: PNG and zlib for each digit alone, zlib and xz for all in
# one file, and a model without a code: each pixel for itself. (The VAE is
# measured on 500 of the digits.)

# %%
packed = [np.packbits(x.numpy().astype(bool)).tobytes() for x in b_test]
rows = torch.cat([b_test, torch.zeros(10000, 1, 28, 4)], dim=3)
aligned = np.packbits(rows.numpy().astype(bool)).tobytes()  # 4 bytes a row


def png_size(x):
    file = io.BytesIO()
    Image.fromarray(x[0].numpy().astype(bool)).save(file, "PNG", optimize=True)
    return len(file.getvalue())


# %%
each = b_train.mean(0).clamp(1e-4, 1 - 1e-4)
alone = -(b_test * each.log() + (1 - b_test) * (1 - each).log())
sizes_in_bits = {
    "PNG, each alone": 8 * np.mean([png_size(x) for x in b_test[::10]]),
    "zlib, each alone": 8 * np.mean([len(zlib.compress(p, 9))
                                     for p in packed]),
    "no compression": 784,
    "zlib, all in one": 8 * len(zlib.compress(aligned, 9)) / 10000,
    "xz, all in one": 8 * len(lzma.compress(aligned)) / 10000,
    "each pixel for itself": alone.sum((1, 2, 3)).mean() / math.log(2)}
for name, bits in sizes_in_bits.items():
    print(f"{name:22} {bits:6.0f} bits per image")
nats = [evaluate(m, b_few[::4], negative_elbo)["loss"] for m in binary]
with local_seed(0), torch.no_grad():
    tight = [-torch.cat([iwae_bound(log_weights(m, part, k=64)) for part in
                         b_few[::4].split(16)]).mean().item() for m in binary]
for name, values in [("VAE, −ELBO", nats), ("VAE, IWAE", tight)]:
    bits = span([v / math.log(2) for v in values], 0)
    print(f"{name:18} {bits:>10} bits per image")
n_weights = sum(p.numel() for p in binary[0].parameters())
print(f"the model itself: {32 * n_weights / 1e6:.0f} million bits")

# %% [markdown]
# *What to see:* for a single digit, PNG needs more than the plain 784 bits,
# for its header, and zlib two thirds of them. With all 10,000 in one file, xz
# finds repetitions. The VAE is ahead of them all, and the tighter bound would
# be cheaper still. But the receiver needs the model too: its weights alone
# cost as much as more than 100,000 digits, and pay only if there are many
# images, or if both have it already.
#
# ## Where it breaks
#
# What does a model that knows only digits make of what is not a digit? Besides
# $-$ELBO, here is the bound of 100 draws, closer to $-\log p(x)$; and the AUC
# of both against test digits. Three seeds.

# %%
def judged(models, x):  # -ELBO and -IWAE of each image, a pair per model
    with torch.no_grad(), local_seed(0):
        draws = [torch.cat([log_weights(model, part, k=100)
                            for part in x.split(10)], 1) for model in models]
    return [(-w.mean(0), -iwae_bound(w)) for w in draws]


def against(models, usual, others):  # AUC against the images of usual
    base = judged(models, usual)
    print(f"{'':19}{'−ELBO':>14}{'':18}{'−IWAE':>14}")
    for name, x in others.items():
        found, line = judged(models, x), f"{name:19}"
        odd = torch.arange(len(usual) + len(x)) >= len(usual)
        for k in (0, 1):
            nats = [scores[k].mean().item() for scores in found]
            auc = [roc_auc_score(odd, torch.cat([b[k], f[k]]))
                   for b, f in zip(base, found)]
            line += f"{span(nats, 0):>14} AUC {span(auc):13}"
        print(line)


# %%
blank = torch.zeros(100, 1, 28, 28)
photographs = load_images("patches").x_test[:2000:20]
others = {"other test digits": b_few[1::20],
          "only ones": b_test[y_test == 1][:100],
          "upside down": b_few[::20].flip(2),
          "photographs": binarize(photographs), "blank": blank}
if is_here("fashion_mnist"):
    fashion = load_images("fashion_mnist")
    others["Fashion-MNIST"] = binarize(fashion.x_test[::100])
against(binary, b_few[::20], others)

# %% [markdown]
# *What to see:* other test digits give about ½, as they should (of 100 against
# 100 images, chance moves it by 0.05). Clothes are far away, and so are
# photographs; only by the tighter bound do some pass. Ones are digits like all
# others, and get an AUC near 0: few pixels, few nats. And the blank image: by
# $-$ELBO it is odd; by the tighter bound it is **more likely than nearly every
# digit**. Both bounds hold. Under this model $p(\text{blank})$ is large, but
# the encoder has never seen it, answers with the wrong $q$, and the bound is
# loose. Here the better bound is the worse detector.
#
# The other way round is the case that became known: a model of **clothes**,
# with gray pixels, as many train it, and with binarized ones; half the images.
# `floor` is what the Bernoulli cross-entropy of gray pixels costs even if the
# reconstruction is perfect ([03](03_mathematics.ipynb)).

# %%
if is_here("fashion_mnist"):
    x = fashion.x_train[:30_000]
    pixels = {"gray": x, "binary": binarize(x)}
    jobs = {f"09_clothes_{name}_{seed}": {
        **on_half, "x": x, "seed": seed, "make_model": partial(make_vae, x),
        "loss_fn": negative_elbo} for name, x in pixels.items()
        for seed in seeds}
    clothes = train_many(jobs, retrain=RETRAIN, on_shelf=False)
    gray, black_or_white = (
        [clothes[f"09_clothes_{name}_{seed}"][0] for seed in seeds]
        for name in pixels)
    sets = {"other test clothes": fashion.x_test[50::100],
            "digits": few[::20], "blank": blank}
    for name in ["other test clothes", "digits"]:
        x = sets[name]
        floor = torch.special.entr(x) + torch.special.entr(1 - x)
        print(f"floor of {name}: {floor.sum((1, 2, 3)).mean():.0f} nats")
    print("gray pixels")
    against(gray, fashion.x_test[::100], sets)
    print("binarized")
    against(black_or_white, binarize(fashion.x_test[::100]),
            {name: binarize(x) for name, x in sets.items()})
else:
    print("Fashion-MNIST is not on this machine: the table above is enough. "
          'load_images("fashion_mnist") fetches it.')

# %% [markdown]
# *What to see:* gray, digits look **more** likely than clothes. That proves
# little: gray pixels have no Bernoulli likelihood, and the floor of clothes is
# four times that of digits. Binarized, digits are mostly odd, as they should
# be (in about three of four pairs); but the blank image wins both ways. (With
# models that have a true likelihood of gray pixels, Nalisnick and others found
# that digits are preferred.) A likelihood says how many nats an image costs,
# not whether it is of the kind you trained on: compare it with something, such
# as a second model.
#
# ### Sentences to read twice
#
# | you may read | better |
# |---|---|
# | more data, from a generator | what it knows, it has from your data; knowledge from outside helps |
# | the VAE completes the image | it draws one of many completions; a mean of them is a blur |
# | unlikely means abnormal | blank images and ones are likely; measure on what you want to find |
# | −ELBO is log-likelihood | a bound, loosest where the encoder has never been |
#
# ## Recap
#
# You told a VAE the label, and got the digit you asked for · wrote in somebody's
# style · filled in what was missing, in several ways · spotted what does not
# belong, and where that fails · trained a classifier on made-up digits ·
# counted bits · saw a likelihood prefer a blank page.
#
# ## Exercises
#
# ### 1 · AUC (ten minutes, two or three lines)
#
# Two vectors of scores, of normal and of odd images. How often does an odd one
# score higher, over *all* pairs? Equal scores count half.

# %% tags=["exercise"]
def auc(scores_normal, scores_odd):
    ...


check_auc(auc)

# %% tags=["solution"]
def auc(scores_normal, scores_odd):
    higher = (scores_odd[:, None] > scores_normal).double()
    equal = (scores_odd[:, None] == scores_normal).double()
    return (higher + equal / 2).mean()


check_auc(auc)

# %% [markdown]
# ### 2 · Bits per pixel (five minutes, one line)
#
# An image of `n_pixels` pixels has a $-$ELBO of `nats`. What does a pixel cost
# in bits?

# %% tags=["exercise"]
def bits_per_pixel(nats, n_pixels):
    ...


check_bits_per_pixel(bits_per_pixel)

# %% tags=["solution"]
def bits_per_pixel(nats, n_pixels):
    return nats / math.log(2) / n_pixels


check_bits_per_pixel(bits_per_pixel)

# %% [markdown]
# ### 3 · Write it as (five minutes, two lines)
#
# Images `x` of the classes `y` [N, 10] shall become images, means of $p(x|z,
# y)$, of the classes `new_y` in the same style, the same ones at each call.

# %% tags=["exercise"]
def write_as(model, x, y, new_y):
    ...


check_write_as(write_as)

# %% tags=["solution"]
def write_as(model, x, y, new_y):
    mu, logvar = model.encode(x, y)
    return model.decode(mu, new_y).sigmoid()


check_write_as(write_as)

# %% [markdown]
# ## References
#
# * Sohn, Lee and Yan (2015), *Learning structured output representation using
#   deep conditional generative models*,
#   [papers.nips.cc/paper/5775](https://papers.nips.cc/paper/5775): conditional
#   VAEs.
# * Rezende, Mohamed and Wierstra (2014), *Stochastic backpropagation and
#   approximate inference in deep generative models*,
#   [arXiv:1401.4082](https://arxiv.org/abs/1401.4082): filling in by turns.
# * Mattei and Frellsen (2018), *Leveraging the exact likelihood of deep latent
#   variable models*, [arXiv:1802.04826](https://arxiv.org/abs/1802.04826): with
#   the acceptance step.
# * Nalisnick and others (2019), *Do deep generative models know what they
#   don't know?*, [arXiv:1810.09136](https://arxiv.org/abs/1810.09136).
# * Townsend, Bird and Barber (2019), *Practical lossless compression with
#   latent variables using bits back coding*,
#   [arXiv:1901.04866](https://arxiv.org/abs/1901.04866).
# * Xiao, Rasul and Vollgraf (2017), *Fashion-MNIST*,
#   [arXiv:1708.07747](https://arxiv.org/abs/1708.07747).
#
# **This was the last notebook.** You started with a slider
# ([00](00_start_here.ipynb)); now you can build what it moves, say what it
# maximizes, and measure where it fails. What grew out of the VAE (codebooks,
# layers of codes, flows, latent diffusion) is beyond it. The
# [appendix](appendix.md) has questions, notation, terms and references.
