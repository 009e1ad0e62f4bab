"""Checks of notebook 08: blocks of missing pixels, the best guess of one number, the score."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .judge import Check, Verdict, call_answer, named, ok, usual_settings, wrong

# ---- a square of missing pixels: a function, because the places are random ----


@usual_settings()
def check_block_noise(block_noise: Callable[[Tensor, int], Tensor]) -> Verdict:
    """Notebook 08: A copy of images with a square of black pixels in each, of (x, size).

    x: [N, C, H, W]; the square has size x size pixels, in all channels, and its place is drawn anew
    for every image, uniformly among all at which it is inside.
    """
    blocked = []
    for seed, (x, size) in enumerate(_clean_images()):
        given = x.clone()
        value = call_answer(block_noise, given, size, seed=seed)
        if isinstance(value, Verdict):
            return value
        if not torch.equal(given, x):
            return wrong(
                "your function has changed x itself. Its caller compares with the clean images."
            )
        problem = _problem_of_pixels(value, x, size) or _problem_of_blocks(value == 0, size)
        if problem:
            return wrong(problem)
        blocked.append(value)
    if torch.equal(*blocked[:2]):
        return wrong("two calls take the same pixels away. Does your function set a seed?")
    return ok(
        "all places are equally likely, and no neighbor is left to copy from: "
        "filling a block takes a whole digit."
    )


def _clean_images() -> Iterator[tuple[Tensor, int]]:
    """Images and sizes of a square; the first images come twice.

    No pixel is 0 or 1, and each is the same in half precision.
    """
    for seed, shape, size in (
        (8, (840, 1, 8, 11), 4),
        (8, (840, 1, 8, 11), 4),
        (9, (600, 3, 9, 6), 2),
        (10, (5, 2, 3, 7), 1),
        (11, (1, 1, 4, 9), 4),
    ):
        generator = torch.Generator().manual_seed(seed)
        yield torch.randint(7, 58, shape, generator=generator) / 64, size


def _problem_of_pixels(value: Tensor, x: Tensor, size: int) -> str | None:
    """What keeps `value` from being x with some pixels at 0; None when nothing does."""
    if value.shape != x.shape:
        shapes = f"the images had shape {list(x.shape)}, yours have {list(value.shape)}"
        return f"{shapes}. Noise leaves the shape as it is."
    if not torch.isfinite(value).all():
        return "some pixels are NaN or infinite. A missing pixel is 0 here."
    changed = value != x
    if not changed.any():
        what = f"no pixel has changed, for a size of {size}"
        return f"{what}. Was the square written into a copy that you do not return?"
    if not value.any():
        return "all pixels are missing, in every image. Only those of the square should be."
    if ((value == 0) | (value == 1)).all():
        return "these are zeros and ones only: a mask. Where are the images that it is for?"
    if (value[changed] == 1).all():
        return "the square is white. A missing pixel is black here, as in masking noise."
    if (value[changed] != 0).any():
        return (
            "some pixels are neither what they were nor 0. Pixels of the square become 0, "
            "the others stay."
        )
    if (changed.sum((1, 2, 3)) == x[0].numel() - len(x[0]) * size**2).all():
        return "the square is all that is left. It should be all that is missing."
    if (changed != changed[:, :1]).any():
        return "some channels of an image lose other pixels than the first one, or none at all."
    return None


def _problem_of_blocks(hole: Tensor, size: int) -> str | None:
    """What keeps the missing pixels `hole` [N, C, H, W] from being squares at random places."""
    hole = hole[:, 0]
    height, width = hole.shape[1:]
    rows, columns = hole.any(2), hole.any(1)
    (top, tall, above), (left, wide, before) = (_span(lines) for lines in (rows, columns))
    sides = torch.stack([tall, wide])
    if (hole != rows[:, :, None] & columns[:, None, :]).any():
        return "the missing pixels are no square: some in between are left. A block goes whole."
    if ((above != tall) | (before != wide)).any():
        return "some squares are torn: in two parts at opposite edges, or in single lines."
    extents = (tall, height), (wide, width)
    if any(whole > size and (side == whole).all() for side, whole in extents):
        return "a stripe from edge to edge is missing. A square has a place along each axis."
    if (sides == sides[:, :1]).all() and (sides != size).any():
        taken = f"{tall[0]} x {wide[0]} pixels are missing in each image"
        return f"{taken}, and size is {size}. Which numbers do your slices take from it?"
    if (sides > size).any():
        return f"some blocks are larger than size, {size}. Where does a slice end?"
    if (tall == 0).any():
        return "some images have lost nothing. Each needs a square, at a place of its own."
    if (sides < size).any():
        return "some squares leave the image, and are cut. Where may a corner be, along each axis?"
    return _problem_of_places(top, left, size, height - size, width - size)


def _span(lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of marks [N, L]: where the first is, how many there are, and how long a row they span."""
    first, last = lines.int().argmax(1), lines.shape[1] - 1 - lines.flip(1).int().argmax(1)
    total = lines.sum(1)
    return first, total, torch.where(total > 0, last - first + 1, 0)


def _problem_of_places(
    top: Tensor, left: Tensor, size: int, lowest: int, rightmost: int
) -> str | None:
    """What keeps top and left, [N] each, from being uniform, from 0 to the largest."""
    n = (lowest + 1) * (rightmost + 1)
    if len(top) < 10 * n:
        return None  # too few images to tell
    fixed = [name for name, place in (("row", top), ("column", left)) if (place == place[0]).all()]
    if len(fixed) == 2:
        return "one place for all images: a network would learn it. Draw it for each image anew."
    if fixed:
        return f"the {fixed[0]} is the same in all images. Draw both, for each image anew."
    if (top == left).all():
        return "all squares lie on the diagonal: row and column need a random number each."
    if not (top % size).any() and not (left % size).any():
        return "all places are multiples of size, as on a checkerboard. Squares fit in between too."
    if top.max() < lowest or left.max() < rightmost:
        return "the last row or column of places never occurs. Do your random numbers reach it?"
    if top.min() > 0 or left.min() > 0:
        return "the first row or column of places never occurs. Where do pixels count from?"
    counts = torch.bincount(top * (rightmost + 1) + left, minlength=n)
    return _problem_of_counts(counts.reshape(lowest + 1, rightmost + 1).double())


def _problem_of_counts(counts: Tensor) -> str | None:
    """What keeps the numbers of squares at all places, [rows, columns], from being alike."""
    if (counts == 0).double().mean() > 1 / 4:
        return "many places never occur. Is a place drawn once, and used for many images?"
    expected = counts.mean()
    if (counts - expected).square().sum() / expected <= 3 * counts.numel():
        return None  # chi-square, of as many degrees of freedom as there are places, but one
    outer = torch.ones_like(counts, dtype=torch.bool)
    outer[1:-1, 1:-1] = False
    if counts[outer].mean() > 1.2 * counts[~outer].mean():
        return "places at the edges occur far more often. Are squares pushed back inside?"
    if counts[outer].mean() < 0.8 * counts[~outer].mean():
        return "places at the edges occur far less often. Is a number rounded, or not uniform?"
    return "some places occur far more often than others. Each should be equally likely."


# ---- the best guess of one number ----


def best_guess(noisy: Tensor, mean: Tensor, variance: Tensor, noise_variance: Tensor) -> Tensor:
    """E[x | noisy] for x from N(mean, variance) and noisy = x + noise from N(0, noise_variance).

    Of four numbers (noisy, mean, variance, noise_variance), returns one.
    """
    return mean + _share(variance, noise_variance) * (noisy - mean)


def _share(variance: Tensor, noise: Tensor) -> Tensor:
    """The share of the noisy value's variance that is not noise."""
    return variance / (variance + noise)


def _share_of_stds(variance: Tensor, noise: Tensor) -> Tensor:
    return _share(variance.sqrt(), noise.sqrt())


def _numbers() -> list[tuple[Tensor, ...]]:
    """Noisy values, means, variances and noise variances."""
    cases = [(2.3, -0.7, 0.6, 1.7), (0.11, 0.83, 0.31, 0.047), (-1.9, 1.3, 5.3, 2.2)]
    return [torch.tensor(case).unbind() for case in cases]


_WRONG_WEIGHTS = named(
    "the weights are swapped: the more noise, the more this trusts what is noisy.",
    lambda variance, noise: 1 - _share(variance, noise),
    "these are weights of standard deviations. Of independent numbers, what adds up?",
    _share_of_stds,
    "weights of standard deviations, and swapped: the noisier, the more this trusts it.",
    lambda variance, noise: 1 - _share_of_stds(variance, noise),
    "the weight has a root too many: that is the correlation of x and the noisy value.",
    lambda variance, noise: _share(variance, noise).sqrt(),
    "the weight is squared. How much of the noisy value's variance is that of x?",
    lambda variance, noise: _share(variance, noise).square(),
    "the variances are squared once more. They are no standard deviations.",
    lambda variance, noise: _share(variance.square(), noise.square()),
    lambda variance, noise: _share(variance, noise.square()),
    lambda variance, noise: _share(variance.square(), noise),
    "brackets are missing: a division comes before a sum.",
    lambda variance, noise: 1 + noise,
    lambda variance, noise: 1 + variance,
    "one of both is a standard deviation here. Of independent numbers, what adds up?",
    lambda variance, noise: _share(variance, noise.sqrt()),
    lambda variance, noise: _share(variance.sqrt(), noise),
    "the weight is one variance over the other, and can exceed 1: a guess beyond the noisy value.",
    lambda variance, noise: variance / noise,
    "the weight is one variance over the other, upside down, and it can exceed 1.",
    lambda variance, noise: noise / variance,
    "this forgets how far x itself spreads: it is right for a variance of 1 only.",
    lambda variance, noise: 1 / (1 + noise),
    "this forgets how strong the noise is: it is right for a noise variance of 1 only.",
    lambda variance, noise: variance / (variance + 1),
    "a sign is turned around: the guess moves away from the noisy value.",
    lambda variance, noise: -_share(variance, noise),
)


def _weighted_by(weight: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The guess with another weight of the step from the mean to the noisy value."""
    return lambda noisy, mean, *variances: mean + weight(*variances) * (noisy - mean)


def _sample(noisy: Tensor, mean: Tensor, variance: Tensor, noise: Tensor) -> Tensor:
    """A sample of p(x | noisy)."""
    std = (variance * noise / (variance + noise)).sqrt()
    return best_guess(noisy, mean, variance, noise) + std * torch.randn(())


check_best_guess = Check(
    "08",
    best_guess,
    cases=_numbers,
    mistakes=[
        *((_weighted_by(weight), text) for weight, text in _WRONG_WEIGHTS),
        *named(
            "this is the noisy value itself, as if there were no noise. What was known before it?",
            lambda noisy, mean, variance, noise: noisy,
            "this is the mean alone, as if nothing had been observed.",
            lambda noisy, mean, variance, noise: mean,
            "half and half, whatever the noise. Which one deserves more trust, and when?",
            lambda noisy, mean, variance, noise: (noisy + mean) / 2,
            "this shrinks toward 0, which is right for a mean of 0 only.",
            lambda noisy, mean, *variances: _share(*variances) * noisy,
            "the whole noisy value is added to the mean. How far is it away from the mean?",
            lambda noisy, mean, *variances: mean + _share(*variances) * noisy,
            "this is how far the guess is from the mean. From there, where is the guess?",
            lambda noisy, mean, *variances: _share(*variances) * (noisy - mean),
            "the step starts from the noisy value, and away from the mean.",
            lambda noisy, mean, *variances: noisy + _share(*variances) * (noisy - mean),
            "this is a weight alone. What does it weigh?",
            lambda noisy, mean, *variances: _share(*variances),
            lambda noisy, mean, *variances: 1 - _share(*variances),
            "this is the variance of x once noisy is observed: how unsure the guess is.",
            lambda noisy, mean, variance, noise: variance * noise / (variance + noise),
            lambda noisy, mean, variance, noise: (variance * noise / (variance + noise)).sqrt(),
            "this is a sample of what x may be: another one at each call. Its mean is asked for.",
            _sample,
            "the weights are right, but do not add up to 1.",
            lambda noisy, mean, variance, noise: noisy / noise + mean / variance,
            lambda noisy, mean, variance, noise: noisy * variance + mean * noise,
        ),
    ],
    praise="with much noise it stays near the mean, with little it follows what is observed. "
    "A denoiser learns this.",
    hint="the guess lies between the mean and the noisy value. Nearer to which, if noise is large?",
    form="the best guess of one number is one number",
)

# ---- the score ----


def score(noisy: Tensor, denoised: Tensor, noise_std: float) -> Tensor:
    """The gradient of the log density of noisy data, [N, D], from (noisy, denoised, noise_std).

    noisy and denoised: [N, D], the second is E[x | noisy]; noise_std: one number.  Tweedie's
    formula.
    """
    return (denoised - noisy) / noise_std**2


def _noisy_and_denoised() -> Iterator[tuple[Tensor, Tensor, float]]:
    generator = torch.Generator().manual_seed(8)
    for n, d, std in ((6, 5, 0.4), (4, 3, 0.7), (1, 4, 1.6)):
        noisy, denoised = torch.randn(2, n, d, generator=generator) + 0.3
        yield noisy, denoised, std


def _of_step(*texts_and_functions: object) -> list[tuple[Callable, str]]:
    """Mistakes, given as functions of the step denoised - noisy, and of σ."""
    mistakes = named(*texts_and_functions)
    return [(lambda n, d, std, f=function: f(d - n, std), text) for function, text in mistakes]


_WRONG_SCORES = [
    *_of_step(
        "divided by σ, not σ². For one number, noise alone: what is its log density's slope?",
        lambda step, std: step / std,
        "this is the step to the denoised point. With less noise, is the density steeper?",
        lambda step, std: step,
        "σ is squared once too often. For one number, noise alone: its log density's slope?",
        lambda step, std: step / std**4,
        "divided by σ³. For one number, noise alone: what is its log density's slope?",
        lambda step, std: step / std**3,
        "a root is taken of σ. For one number, noise alone: what is its log density's slope?",
        lambda step, std: step / std**0.5,
        "a ½ too many. It stands before the square in a Gaussian's exponent: what of its slope?",
        lambda step, std: step / 2 / std**2,
        lambda step, std: step / 2 / std,
        "a 2 too many. The ½ before the square in a Gaussian's exponent takes it away.",
        lambda step, std: 2 * step / std**2,
        "multiplied by σ². With less noise, is the density less steep, or steeper?",
        lambda step, std: step * std**2,
        "multiplied by σ. With less noise, is the density less steep, or steeper?",
        lambda step, std: step * std,
        "the direction is right, and its length is lost: 1 everywhere. How steep is it?",
        lambda step, std: step / step.norm(dim=1, keepdim=True),
        lambda step, std: step / step.norm(),
        "the length of the step is lost, only σ is left in it. Is the slope the same everywhere?",
        lambda step, std: step / step.norm(dim=1, keepdim=True) / std,
        lambda step, std: step / step.norm(dim=1, keepdim=True) / std**2,
        "divided by how many there are. Each point has a gradient of its own, without the others.",
        lambda step, std: step / std**2 / len(step),
        lambda step, std: step / std**2 / step.numel(),
        "the direction is lost. In which direction do data get denser?",
        lambda step, std: (step / std**2).abs(),
        "only the signs are left. How steep is it?",
        lambda step, std: step.sign(),
        "this is right for other data only. The formula holds for all, with the noise alone.",
        lambda step, std: step / (1 + std**2),
    ),
    *named(
        "this is the score of noise alone, as if all clean data were 0. Where does denoising lead?",
        lambda noisy, denoised, std: -noisy / std**2,
        "this is long where the denoised data are. Where denoising moves nothing, it should be 0.",
        lambda noisy, denoised, std: denoised / std**2,
        "brackets are missing: a division comes before a minus.",
        lambda noisy, denoised, std: denoised - noisy / std**2,
    ),
]
_TURNED = (
    "the sign is turned around: this leads away from the denoised point, to where data are rarer."
)
check_score = Check(
    "08",
    score,
    cases=_noisy_and_denoised,
    mistakes=[
        *_of_step(
            "this is the noise that was added, in units of σ. It leads to where data are rarer.",
            lambda step, std: -step / std,
            _TURNED,
            lambda step, std: -step / std**2,
        ),
        *_WRONG_SCORES,
        *((lambda *given, f=f: -f(*given), _TURNED) for f, _ in _WRONG_SCORES[1:]),
    ],
    praise="if you can denoise, you know which way data get likelier. Diffusion models start here.",
    hint="0 where denoising moves nothing, else toward the denoised point. How long is it?",
    form="a gradient has as many numbers as what it belongs to",
)
