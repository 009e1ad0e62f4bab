# %% [markdown]
# # 5 · side trip · Other people's β
#
# ![A logarithmic axis of β. The weight r = 0.5 is β = 1 if the pixels are
# summed and 784 if they are averaged; r = 0.01 is 0.01 or 7.9; r = 0.0000001
# is ten to the minus seven or 0.00008.](../figures/betas_line.svg)
#
# *Three values of r, the weight of the KL; what is left of 1 is the weight of
# the reconstruction. Each r can mean two different β.*
#
# Here are two reports that we have read, retold without names. In the first, a
# VAE with two latent numbers was trained three times, and the KL had the
# weight 0.5, then 0.01, then 0.0000001. At 0.5 no clusters were left, at 0.01
# there were some, and with almost no weight on the KL they were clear. So the
# KL destroys clusters.
#
# The second report: β = 0, 12 and 200, each with a t-SNE of the means, and at
# 200 there is a pretty cloud. At 12, with two numbers, there is a map with
# several digits.
#
# **What was β, and what do such pictures show?**
#
# *A side trip from [05 · One knob](../05_beta.ipynb) · twenty minutes*

# %%
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch import nn

from tutorial_utils import (
    VAE, bernoulli_nll, claim, decode_grid, encode_images, evaluate,
    kl_per_dimension, kl_standard_normal, knn_accuracy, load_images,
    local_seed, mlp, negative_elbo, plot_codes, print_table, reparameterize,
    score_grid, show_figure,
    show_image, show_rows, start_at_mean_image, train_grid, tsne_many,
    warmup_then_linear,
)
from tutorial_utils.studios.predict import predict

# %%
RETRAIN = False  # True: train all models again, which takes half an hour
seeds = [0, 1, 2]  # figures show the first

data = load_images("mnist")
x_train, y_train = data.x_train, data.y_train
x_test, y_test = data.x_test[:5000], data.y_test[:5000]

# %% [markdown]
# ## One weight, two readings
#
# The first report shares one unit of weight between the two terms. The KL gets
# $r$ of it, the reconstruction the rest:
#
# $$\text{loss} = (1-r)\cdot\text{recon loss} + r\cdot\text{kl}.$$
#
# Divide by $1-r$, which moves no minimum, and what is left in front of the KL
# is $\beta = r/(1-r)$. That holds if recon loss is a *sum* over the pixels.
# Many libraries *average* by default. Then the reconstruction is 784 times
# smaller, and $\beta$ is 784 times larger. The report did not say which it
# was, and most reports do not. (Some average the KL as well, over its numbers.
# With two of them that changes β by a factor of two.)
#
# So we train it both ways, with the network of the report: one hidden layer
# of 400 on each side, two latent numbers. (Two things are ours: it starts at
# the mean image, and the learning rate warms up.)


# %%
def shared_loss(model, x, kl_share, n):  # n: 1 for a sum, 784 for an average
    out = model(x)
    recon_loss = bernoulli_nll(out.logits, x) / n
    kl = kl_standard_normal(out.mu, out.logvar)
    return {"loss": (1 - kl_share) * recon_loss + kl_share * kl}


def make_400():  # one hidden layer on each side, two latent numbers
    decoder = mlp([2, 400, 784], activation=nn.ReLU, out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(mlp([784, 400, 4], activation=nn.ReLU), decoder, latent_dim=2)


# %%
def measured(model):
    mu, _ = encode_images(model, x_test)
    return evaluate(model, x_test, negative_elbo) | {
        "k-NN": knn_accuracy(mu, y_test), "std of means": mu.std().item()}


# %%
readings = {"summed": 1, "averaged": 784}
settings = {"epochs": 10, "batch_size": 128, "lr": 2e-3,
            "schedule": warmup_then_linear, "retrain": RETRAIN}
found = {}
for grid in [{"n": readings, "kl_share": [0.5, 0.01]},
             {"n": {"averaged": 784}, "kl_share": [1e-7]}]:
    found |= train_grid(
        make_400, x_train, shared_loss, name="05_share", **settings,
        over=grid | {"seed": seeds[:1]})

# %%
scores = {}
for grid in [{"kl_share": [0.01, 1e-7], "seed": seeds[:1]},
             {"kl_share": [0.5], "seed": seeds}]:
    scores |= score_grid(
        make_400, x_train, shared_loss, name="05_share", **settings,
        over={"n": readings} | grid, measure=measured)

# %% [markdown]
# Of each model we measure −ELBO and its two parts, as always at $\beta = 1$;
# and of its means their standard deviation, and *k-NN*: of how many images do
# the ten nearest means vote for the right class? By chance it is one in ten.
# By *clusters* we mean here no more than that: neighbors are of one class.
# (All on the first 5,000 test images.)
#
# Before you look at the figure: where on the axis at the top do you expect
# clusters to end? The five models below stand in the order of their β. A
# sixth, $r = 10^{-7}$ summed, is only in the table: it has practically no
# weight on the KL, like its neighbor. The report's boldest claim is about
# $r = 0.5$, so both readings of it are trained with three seeds. A circle in
# the figure has the radius of two stds of the prior.


# %%
def beta_of(reading, share):
    return share / (1 - share) * readings[reading]


def label(value):  # without exponents
    if value < 0.001:
        return f"{value:.7f}"
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


models = {key[:2]: model for key, (model, _) in found.items()}
by_beta = sorted(models, key=lambda key: beta_of(*key))

# %% tags=["hide-input"]
# Means of test images, and the digits decoded over them, in the order of β
fig, axes = plt.subplots(4, 3, figsize=(9, 11.6))
pairs = [*zip(axes[0], axes[1]), *zip(axes[2], axes[3])]
for (top, below), (reading, share) in zip(pairs, by_beta):
    mu, _ = encode_images(models[reading, share], x_test)
    title = f"β = {label(beta_of(reading, share))}"
    title += f"\n{reading}, r = {label(share)}"
    plot_codes(mu, y_test, n=500, ax=top, title=title)
    top.add_patch(plt.Circle((0, 0), 2, fill=False, linewidth=1.5, zorder=5))
    top.set(aspect="equal", adjustable="datalim")
    top.locator_params(nbins=3)
    ends = mu.quantile(torch.tensor([0.02, 0.98]), dim=0)
    u, v = [torch.linspace(*ends[:, j].tolist(), 8) for j in (0, 1)]
    show_image(decode_grid(models[reading, share], z_1=u, z_2=v), ax=below)
for empty in (axes[2][2], axes[3][2]):
    empty.axis("off")
axes[2][2].text(0, 0.5, "Above: means of 500 images.\nBelow: what the decoder "
                "\npaints where they lie,\nfrom the 2 % to the 98 %\nquantile "
                "of each number.", va="center")
show_figure(fig, alt="Five scatters of means in the order of beta, the digits "
            "decoded over them. From 0.00008 to 1 there are clusters, and r = "
            "0.5, summed, is among them. At 7.9 they are still there. At 784 "
            "all means lie in one point, and all digits are one blur. Beside "
            "the clouds, the circle of the prior becomes larger from panel to "
            "panel.")

# %%
rows = {}
for reading, share in sorted({key[:2] for key in scores},
                             key=lambda key: beta_of(*key)):
    runs = [scores[reading, share, seed] for seed in seeds
            if (reading, share, seed) in scores]
    name = label(beta_of(reading, share)), label(share), reading
    rows[name] = {part: [run[part] for run in runs] for part in runs[0]}
names = ["β", "r", "loss is", "−ELBO", *[*runs[0]][1:]]
print_table(rows, digits=2, columns=names)

# %%
half = {reading: [scores[reading, 0.5, seed] for seed in seeds]
        for reading in readings}
claim("averaged, r = 0.5, every seed: nothing is sent",
      max(run["kl"] for run in half["averaged"]) < 0.01, half=half)
claim("summed, r = 0.5, every seed: classes part, k-NN is over 0.4",
      min(run["k-NN"] for run in half["summed"]) > 0.4, half=half)

# %% [markdown]
# *What to see:* the same $r = 0.5$ stands in two places. Summed, it is $\beta
# = 1$, the plain VAE, and there *are* clusters. Averaged, it is $\beta = 784$,
# and there is nothing: all means lie in one point of the prior. (−ELBO is then
# the cost of painting the average image every time, about 200 nats on these
# images.)
#
# A larger weight, no clusters: in the end that is right. But the end is far to
# the right. From $\beta = 0.0000001$ to 7.9, one seed each, the differences in
# k-NN are not larger than those between the seeds of $\beta = 1$. Somewhere
# between 7.9 and 784 the clusters end. And the weight alone says nothing,
# because it has no unit until one knows what was summed.
#
# Look also at the two middle columns. From the first row to $\beta = 1$ the
# copies hardly get worse, while the KL falls from 37 nats to under 6. The KL
# has taken away what bought next to nothing.
#
# Which of the two was it, in that report? You have all you need to find out;
# it is an exercise of [05](../05_beta.ipynb).
#
# ## 0, 12, 200
#
# The second report has hidden layers of 512 and 256, and $\beta = 0$, 12 and
# 200. Its latent size is not known. We take 20 numbers, and two for a map at
# $\beta = 12$; one training each. A number counts as *used* here if its KL is
# over a tenth of a nat.


# %%
def make_512(k):
    net = partial(mlp, activation=nn.ReLU)
    decoder = net([k, 256, 512, 784], out_shape=(1, 28, 28))
    start_at_mean_image(decoder, x_train)
    return VAE(net([784, 512, 256, 2 * k]), decoder, latent_dim=k)


# %%
deep = {}  # by (k, beta, seed)
for grid in [{"k": [20], "beta": [0, 12, 200]}, {"k": [2], "beta": [12]}]:
    deep |= train_grid(
        make_512, x_train, negative_elbo, name="05_deep", epochs=12,
        batch_size=256, lr=1e-3, retrain=RETRAIN,
        over=grid | {"seed": seeds[:1]})

# %% [markdown]
# First three t-SNE pictures of the means of 800 test images, one for each β,
# in no order. t-SNE puts together what is near to each other
# ([04](../04_latent_space.ipynb)).

# %% tags=["hide-input"]
# The means, and their t-SNE, in an order that the next question asks for
y_few, codes = y_test[:800], {}
for beta in [12, 200, 0]:
    codes[beta] = encode_images(deep[20, beta, seeds[0]][0], x_test[:800])
maps = tsne_many({f"beta_{beta}": mu for beta, (mu, _) in codes.items()},
                 perplexity=30.0, seed=0)

# %% tags=["hide-input"]
# Three t-SNE pictures without names
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.4))
for ax, name, points in zip(axes, "ABC", maps.values()):
    plot_codes(points, y_few, n=800, ax=ax, title=name)
    ax.set(xlabel="", ylabel="", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
show_figure(fig, alt="Three t-SNE pictures, A, B and C, of digits in several "
            "colors, all of one size. In all of them digits of one class lie "
            "together here and there; in B they are mixed most.")

# %% tags=["predict"]
# Your guess, please
predict("One of these codes is dead: it sends nothing at all. Which one?",
        ["A", "B", "C"], because="t-SNE blew up the crumbs of β = 200 until "
        "they filled the picture.", answer="B")

# %% tags=["hide-input", "after-predict"]
# Above t-SNE, below the two widest numbers, to the scale of the prior
fig, axes = plt.subplots(2, 3, figsize=(9.5, 6.6))
for (top, below), beta in zip(axes.T, sorted(codes)):
    plot_codes(maps[f"beta_{beta}"], y_few, n=800, ax=top,
               title=f"β = {beta}: t-SNE")
    top.set(xlabel="", ylabel="", xticks=[], yticks=[])
    top.spines[:].set_visible(False)
    mu, _ = codes[beta]
    u, v = mu.std(0).argsort(descending=True)[:2].tolist()
    outside = (mu[:, [u, v]].abs() > 4).any(1).float().mean()
    plot_codes(mu[:, [u, v]], y_few, n=800, ax=below,
               title=f"std of these two {mu[:, [u, v]].std():.2g},\n"
               f"{outside:.0%} beyond the frame")
    below.set(xlabel=f"$z_{{{u + 1}}}$", ylabel=f"$z_{{{v + 1}}}$",
              xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
show_figure(fig, alt="Above, three t-SNE pictures. At beta 0 islands of "
            "digits; at 12 a dense, ordered packing; at 200 a cloud. Below, "
            "the means on a frame from minus 4 to 4: at 0 most lie outside, "
            "at 12 they are a round blob with the 1s beside it, at 200 all "
            "are one point.")

# %%
rows = {}
for beta in sorted(codes):
    mu, logvar = codes[beta]
    each = kl_per_dimension(mu, logvar)
    with local_seed(0):
        z = reparameterize(mu, logvar)
    rows[beta] = {"kl": each.sum().item(),
                  "used of 20": (each > 0.1).sum().item(),
                  "std of all means": mu.std().item(),
                  "k-NN of means": knn_accuracy(mu, y_few),
                  "of samples": knn_accuracy(z, y_few)}
print_table(rows, digits=2, columns=["β", *rows[0]])
claim("β = 200: nothing is sent, the means are a point",
      rows[200]["kl"] < 0.01 and rows[200]["std of all means"] < 0.05,
      rows=rows)

# %% [markdown]
# *What to see:* three clouds of one size above. Below are the same means as
# they are: the two numbers that differ most between images, on a frame as
# wide as the prior. They are three very different things. t-SNE asks only
# who is nearer to whom. It does not know how far, so it blows up the crumbs
# of a collapsed code until they fill the picture as well as a living one
# does. (You may have guessed right, because the classes are mixed most in
# B. But what in that picture says *dead*, rather than *worse*?) The crumbs
# are even in order: k-NN of the means is far above chance, since the
# encoder has not quite forgotten. But in training no decoder ever sees
# them, for the noise has width 1. Of samples, which the decoder does see,
# k-NN is at chance. (This table is of 800 images and 20 numbers, and not to
# be compared with the first one.)
#
# **First the KL and the standard deviation of the means, then t-SNE.** And do
# not lean on names. Of the reports with which this series began, one says
# $\beta = 12$ in the text and 8 in its file names, and another has
# $\beta = 10$ in a file called "Beta0".
#
# ## What they paint
#
# Copies go through the mean $\mu$ of $q(z|x)$ here (in 05 through a sample).
# Inventions start from the prior, with the same $z$ for all three. All images
# are means of $p(x|z)$.

# %%
noise = torch.randn(10, 20, generator=torch.Generator().manual_seed(0))
rows = {"test image": x_test[:10]}
for beta in sorted(codes):
    model, (mu, _) = deep[20, beta, seeds[0]][0], codes[beta]
    rows[f"β = {beta}, copied"] = model.decode(mu[:10]).sigmoid()
    rows[f"β = {beta}, invented"] = model.decode(noise).sigmoid()
fig = show_rows(rows, size=0.6, title="Copies get worse, inventions better, "
                "and at 200 all are alike")
show_figure(fig, alt="Seven rows of ten images: test images; at beta 0 sharp "
            "copies, and new images that are tangles; at 12 blurred copies "
            "and new images alike; at 200 one and the same blur everywhere.")

# %%
fig, ax = plt.subplots(figsize=(4.6, 4.9))
show_image(decode_grid(deep[2, 12, seeds[0]][0], 12), ax=ax,
           title="Two numbers, β = 12: what the prior decodes to")
ax.set(xlabel="$z_1$, at normal quantiles →", ylabel="$z_2$ →")
show_figure(fig, alt="A grid of decoded digits on normal quantiles at beta "
            "12 with two numbers: blurred digits of a few classes that flow "
            "into each other.")

# %% [markdown]
# *What to see:* at 0 the copies are sharp and new images are tangles: nothing
# told the codes to lie where the prior is. At 12 there are still several
# digits on the map, as the report says. So it summed: averaged, 12 would be a
# β of more than 9,000. At 200 the decoder paints the average of all digits,
# whatever $z$ is. A common claim is that then only the KL is optimized. The
# loss is still a sum of two terms. But no nat of code repairs 200 nats of
# copy, so none is bought.
#
# ## Recap
#
# * A weight of the KL means nothing until one knows whether the pixels were
#   summed or averaged, and how many they are. State the KL in nats that it
#   led to.
# * Sorted by their β, all these models tell one story: the more a nat costs,
#   the fewer are sent. Where nothing is sent, samples know nothing of classes,
#   whatever a picture of means may show.
# * t-SNE of a collapsed code is crumbs, magnified. Print the KL and the
#   standard deviation first.
#
# **Back to** [05 · One knob](../05_beta.ipynb). Exercise 1 there has more such
# reports.
