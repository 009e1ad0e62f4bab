"""Checks of the exercises of notebook 08: blocks of missing pixels, the best guess of one number, Tweedie's score."""

from collections.abc import Callable

import torch
from torch import Tensor

from .judge import call_answer, judge_one_number, judge_values, ok, wrong


def check_block_noise(block_noise: Callable[[Tensor, int], Tensor]) -> None:
    """Notebook 08: a copy of x [N, 1, H, W] in which a square of size x size pixels is 0 in every image, of (x, size).

    The place of the square is drawn anew for every image, uniformly among all at which it is
    inside.
    """
    size, x = 4, 0.1 + 0.8 * torch.rand(840, 1, 7, 10, generator=torch.Generator().manual_seed(8))
    values = []
    for seed in (0, 1):
        given = x.clone()
        value = call_answer(block_noise, given, size, seed=seed)
        if value is None:
            return
        if not torch.equal(given, x):
            return wrong(
                "your function has changed x itself. Its caller needs the clean images, to compare with."
            )
        values.append(value.detach())
    problem = _problem_of_pixels(values[0], x, size) or _problem_of_blocks(
        values[0][:, 0] == 0, size
    )
    if not problem and torch.equal(*values):
        problem = "two calls take the same pixels away. Does your function set a seed? New noise needs new places."
    if problem:
        return wrong(problem)
    ok(
        "all places are equally likely, and no neighbor is left to copy from: filling a block takes a whole digit."
    )


def _problem_of_pixels(value: Tensor, x: Tensor, size: int) -> str | None:
    """What keeps `value` from being x with some pixels at 0; None when nothing does."""
    if value.shape != x.shape:
        return f"the images had shape {list(x.shape)}, and so should the noisy ones; yours have {list(value.shape)}."
    if not torch.isfinite(value).all():
        return "some pixels are NaN or infinite. A missing pixel is 0 here."
    changed = value != x
    if not changed.any():
        return "no pixel has changed. Was the square written into a copy that you do not return?"
    if not value.any():
        return "all pixels are missing, in every image. Only those of the square should be."
    if ((value == 0) | (value == 1)).all():
        return "these are zeros and ones only: a mask. Where are the images that it is for?"
    if (value[changed] == 1).all():
        return "the square is white. A missing pixel is black here, as in masking noise."
    if (value[changed] != 0).any():
        return "some pixels are neither what they were nor 0. Nothing is added or blurred: pixels go missing."
    if (changed.sum((1, 2, 3)) == x[0].numel() - size**2).all():
        return "the square is all that is left. It should be all that is missing."
    return None


def _problem_of_blocks(hole: Tensor, size: int) -> str | None:
    """What keeps the missing pixels `hole` [N, H, W] from being squares in places drawn uniformly; None: nothing."""
    height, width = hole.shape[1:]
    rows, columns = hole.any(2), hole.any(1)
    (top, tall, above), (left, wide, before) = (_span(lines) for lines in (rows, columns))
    if (hole != rows[:, :, None] & columns[:, None, :]).any():
        return (
            "the missing pixels are no square: some in between are left. A block goes as a whole."
        )
    if ((above != tall) | (before != wide)).any():
        return "some squares are torn: what leaves the image comes back on the other side, or lines are drawn singly."
    if (tall == height).all() or (wide == width).all():
        return (
            "a stripe from edge to edge is missing. A square has two places, one along each axis."
        )
    if (tall == tall[0]).all() and (wide == wide[0]).all() and (tall[0] != size or wide[0] != size):
        return f"{tall[0]} x {wide[0]} pixels are missing in each image, and size is {size}. Where does a slice end?"
    if max(tall.max(), wide.max()) > size:
        return f"some blocks are larger than size, {size}. Is the size drawn? Only the place should be."
    if min(tall.min(), wide.min()) < size:
        return "some squares leave the image, and pixels of them are lost. Where may a corner be, along each axis?"
    return _problem_of_places(top, left, height - size, width - size)


def _span(lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of marks [N, L]: where the first is, how many there are, and how far it is from the first to the last."""
    first, last = lines.int().argmax(1), lines.shape[1] - 1 - lines.flip(1).int().argmax(1)
    total = lines.sum(1)
    return first, total, torch.where(total > 0, last - first + 1, 0)


def _problem_of_places(top: Tensor, left: Tensor, lowest: int, rightmost: int) -> str | None:
    """What keeps top and left, [N] each, from being drawn uniformly from 0 to the largest; None when nothing does."""
    fixed = [name for name, place in (("row", top), ("column", left)) if (place == place[0]).all()]
    if len(fixed) == 2:
        return "one place for all images: a network would learn where the square is. Draw it for each image anew."
    if fixed:
        return f"the {fixed[0]} is the same in all images. Draw both, for each image anew."
    if (top == left).all():
        return "all squares lie on the diagonal: one random number gives row and column. Each needs its own."
    if top.max() < lowest or left.max() < rightmost:
        return "the last row or column of places never occurs. Is the upper end of your random numbers included?"
    if top.min() > 0 or left.min() > 0:
        return "the first row or column of places never occurs. Where do pixels count from?"
    counts = torch.zeros(lowest + 1, rightmost + 1).index_put_(
        (top, left), torch.ones(len(top)), accumulate=True
    )
    expected = len(top) / counts.numel()
    if (counts == 0).sum() > counts.numel() / 4:
        return "many places never occur. Is each place drawn once and used for many images, or for row and column?"
    if (
        counts - expected
    ).square().sum() / expected > 3 * counts.numel():  # chi-square, 27 degrees of freedom
        return "some places occur far more often than others. Are squares pushed back inside, or rounded, or not uniform?"
    return None


def check_best_guess(best_guess: Callable[[float, float, float, float], float]) -> None:
    """Notebook 08: E[x | noisy] for x from N(mean, variance) and noisy = x + noise from N(0, noise_variance).

    best_guess(noisy, mean, variance, noise_variance), four numbers, returns one.
    """
    cases = [(2.3, -0.7, 0.6, 1.7), (0.11, 0.83, 0.31, 0.047), (-1.9, 1.3, 5.3, 2.2)]
    judge_one_number(
        best_guess,
        [tuple(torch.tensor(case).unbind()) for case in cases],
        _mistakes_of_guess,
        "much noise, and it stays near the mean; little, and it follows what is seen. A denoiser learns this.",
        "the guess lies between the mean and the noisy value. Nearer to which, if the noise is large, or small?",
        "the best guess of one number is one number",
    )


def _mistakes_of_guess(
    noisy: Tensor, mean: Tensor, variance: Tensor, noise: Tensor
) -> tuple[float, dict[float, str]]:
    """E[x | noisy], and other numbers with what each shows; noise: its variance."""
    step, share, (std, noise_std) = (
        noisy - mean,
        variance / (variance + noise),
        (variance.sqrt(), noise.sqrt()),
    )
    right, of_std = mean + share * step, std / (std + noise_std)
    shares = [
        (1 - share, "the weights are swapped: the more noise, the more this trusts what is noisy."),
        (
            of_std,
            "these are weights of standard deviations. When independent numbers add up, what of them adds up?",
        ),
        (
            1 - of_std,
            "weights of standard deviations, and swapped: this trusts what is noisy the more, the noisier.",
        ),
        (
            share.sqrt(),
            "the weight has a root too many: that is the correlation of x and the noisy value.",
        ),
        (
            share.square(),
            "the weight is squared. How much of the noisy value's variance is that of x?",
        ),
        (
            variance**2 / (variance**2 + noise**2),
            "the variances are squared once more. They are no standard deviations.",
        ),
        (
            variance / noise,
            "the weight is one variance over the other, and can exceed 1: a guess beyond the noisy value.",
        ),
        (
            noise / variance,
            "the weight is one variance over the other, upside down, and it can exceed 1.",
        ),
        (
            1 / (1 + noise),
            "this forgets how far x itself spreads: it is right for a variance of 1 only.",
        ),
        (
            variance / (variance + 1),
            "this forgets how strong the noise is: it is right for a noise variance of 1 only.",
        ),
        (-share, "a sign is turned around: the guess moves away from the noisy value."),
    ]
    mistakes = [
        (
            noisy,
            "this is the noisy value itself, as if there were no noise. What was known before seeing it?",
        ),
        (mean, "this is the mean alone, as if nothing had been seen."),
        (
            (noisy + mean) / 2,
            "half and half, whatever the noise. Which of the two deserves more trust, and when?",
        ),
        *((mean + weight * step, text) for weight, text in shares),
        (share * noisy, "this shrinks toward 0, which is right for a mean of 0 only."),
        (
            mean + share * noisy,
            "the whole noisy value is added to the mean. How far is it away from the mean?",
        ),
        (
            share * step,
            "this is how far the guess is from the mean. From there, where is the guess?",
        ),
        (noisy + share * step, "the step starts from the noisy value, and away from the mean."),
        (share, "this is a weight alone. What does it weigh?"),
        (1 - share, "this is a weight alone. What does it weigh?"),
        (
            variance * noise / (variance + noise),
            "this is the variance of x once noisy is seen: how unsure the guess is.",
        ),
        (noisy / noise + mean / variance, "the weights are right, but do not add up to 1."),
        (noisy * variance + mean * noise, "the weights are right, but do not add up to 1."),
    ]
    return right.item(), {value.item(): text for value, text in reversed(mistakes)}


def check_score(score: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    """Notebook 08: the gradient of the log density of noisy data, [N, D], from (noisy, denoised, noise_std).

    noisy and denoised: [N, D], the second is E[x | noisy]; noise_std: one number.  Tweedie's
    formula.
    """
    noisy, denoised = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(8)) + 0.3
    std = 0.4
    value = call_answer(score, noisy.clone(), denoised.clone(), std)
    if value is None:
        return
    if value.shape != noisy.shape:
        what = {1: "one number for all", 6: "one number for each row"}.get(
            value.numel(), "another shape"
        )
        text = "A gradient has as many numbers as what it belongs to"
        return wrong(
            f"this is {what}. {text}: {list(noisy.shape)}, yours has shape {list(value.shape)}."
        )
    step, unit = (
        denoised - noisy,
        "the direction is right, and its length is lost: 1 everywhere. How steep is it?",
    )
    right = step / std**2
    mistakes = [
        (
            step / std,
            "divided by σ, not σ². Try one number, noise alone: what is the slope of its log density?",
        ),
        (
            step,
            "this is the step to the denoised point. With less noise, is the density as steep, or steeper?",
        ),
        (
            step / std**4,
            "σ is squared once too often. Try one number, noise alone: the slope of its log density?",
        ),
        (
            step / std**3,
            "divided by σ³. Try one number, noise alone: what is the slope of its log density?",
        ),
        (
            step / 2 / std**2,
            "a ½ too many. It stands before the square in a Gaussian's exponent: what of its slope?",
        ),
        (
            2 * step / std**2,
            "a 2 too many. The ½ before the square in a Gaussian's exponent takes it away.",
        ),
        (
            step * std**2,
            "multiplied by σ². With less noise, is the density less steep, or steeper?",
        ),
        (step * std, "multiplied by σ. With less noise, is the density less steep, or steeper?"),
        (step / step.norm(dim=1, keepdim=True), unit),
        (step / step.norm(), unit),
        (step.sign(), "only the signs are left. How steep is it?"),
        (
            step / (1 + std**2),
            "this is right for other data only. The formula holds for all, with the noise alone.",
        ),
        (
            -noisy / std**2,
            "this is the score of noise alone, as if all clean data were 0. Where does denoising lead?",
        ),
        (
            denoised / std**2,
            "this is long where the denoised data are. It should be 0 where denoising moves nothing.",
        ),
    ]
    turned = "the sign is turned around: this leads away from the denoised point, to where data are rarer."
    eps = "this is the noise that was added, in units of σ. It leads to where data are rarer, and has other units."
    mistakes += [(-step / std, eps), (-right, turned), *((-other, turned) for other, _ in mistakes)]
    praise = (
        "whoever can denoise knows which way data get likelier. Diffusion models start from here."
    )
    hint = "0 where denoising moves nothing, else it leads to the denoised point. How long is it, by how much noise?"
    judge_values(value, right, mistakes, praise, hint)
