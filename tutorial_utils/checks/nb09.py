"""Checks of the exercises of notebook 09: the area under the ROC curve, bits per pixel, another digit in one style."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..support.arguments import float_tensor
from .judge import call_answer, judge_one_number, ok, wrong


def check_auc(auc: Callable[[Tensor, Tensor], float]) -> None:
    """Notebook 09: the area under the ROC curve of (scores_normal, scores_odd), 1-D tensors, higher means odder.

    That is the share of all pairs, one normal and one odd, whose order is right; a tie counts one
    half.
    """
    generator = torch.Generator().manual_seed(
        553
    )  # with it, each mistake below gives a number of its own
    sizes = (
        (23, 23),
        (29, 18),
        (17, 26),
    )  # as many of both first: there pairs in order give a number, not an error

    def scores(n: int, shift: int) -> Tensor:
        return 0.37 * (2 * torch.randn(n, generator=generator) + shift).round()

    judge_one_number(
        auc,
        [(scores(n, 0), scores(m, 1)) for n, m in sizes],
        _mistakes_of_auc,
        "½ for a score that knows nothing, 1 for a perfect one, and no threshold to choose.",
        "take one normal and one odd image at random: how likely is the odd one's score higher? And if they are equal?",
        "the area under the curve is one number",
    )


def _mistakes_of_auc(normal: Tensor, odd: Tensor) -> tuple[float, dict[float, str]]:
    """The area under the ROC curve, and other numbers with what each shows."""
    n, m, both = len(normal), len(odd), torch.cat([normal, odd])
    higher, tied = ((sign(odd[:, None], normal)).double().mean() for sign in (torch.gt, torch.eq))
    right, few = higher + tied / 2, min(n, m)
    pairs = [(normal[:few], odd[:few]), (normal[:few].sort().values, odd[:few].sort().values)]
    pairs += [(normal.sort().values[:few], odd.sort().values[:few])]
    turned = "the order is turned around: odd images should score higher, and pairs in which they do count."
    in_order = "first with first, second with second. Every odd image meets every normal one."
    at_threshold = "this depends on a threshold. The area counts pairs, and needs none."
    means = "this is a difference of averages. Only the order of scores should count, not how far apart they are."
    thresholds = [
        both.mean(),
        both.median(),
        both.quantile(0.5),
        (normal.mean() + odd.mean()) / 2,
        normal.mean(),
    ]
    thresholds += [
        normal.max(),
        normal.median(),
        odd.mean(),
        torch.tensor(0.5),
        torch.tensor(0.0),
        *both.unique(),
    ]
    number_of = "this is a number of pairs. Which share of all is it?"
    mistakes = [
        (torch.tensor(1.0), "1 is a perfect score. Here some normal images score higher than some odd ones."),
        (torch.tensor(0.0), "0 is the worst score. Here some odd images score higher than some normal ones."),
        (higher, "ties count 0 here: a score that says the same of all images would get 0, not ½."),
        (higher + tied, "ties count 1 here: a score that says the same of all images would be perfect."),
        *((1 - value, turned) for value in (right, higher, higher + tied)),
        (2 * right - 1, "this is 0 for a score that knows nothing, and can be below 0. The area is ½ then."),
        (100 * right, "this is in percent. The area lies between 0 and 1."),
        *((n * m * value, number_of) for value in (right, higher, higher + tied)),
        *((each * value, "divided by a number of images. How many pairs are there?") for value in
          (right, higher, higher + tied) for each in (n, m, n * m / (n + m))),
        *(((b > a).double().mean() + weight * (a == b).double().mean(), in_order) for a, b in pairs
          for weight in (0.5, 0)),
        *((sign * (mean(odd) - mean(normal)), means) for mean in (torch.mean, torch.median) for sign in (1, -1)),
        ((odd.mean() - normal.mean()) / both.std(), means),
        *((value, at_threshold) for t in thresholds for value in _at_threshold(normal, odd, t)),
    ]  # fmt: skip
    return right.item(), {float(value): text for value, text in reversed(mistakes)}


def _at_threshold(normal: Tensor, odd: Tensor, threshold: Tensor) -> list[Tensor]:
    """Accuracy, the mean of both kinds' accuracies, and those: with scores at the threshold called odd, and not."""
    found = []
    for above in (torch.gt, torch.ge):
        hits, alarms = (above(scores, threshold).double() for scores in (odd, normal))
        accuracy = torch.cat([hits, 1 - alarms]).mean()
        found += [accuracy, (hits.mean() + 1 - alarms.mean()) / 2, hits.mean(), 1 - alarms.mean()]
    return found


def check_bits_per_pixel(bits_per_pixel: Callable[[float, int], float]) -> None:
    """Notebook 09: bits per pixel, from an image's -ELBO in nats and its number of pixels."""
    cases = [(91.7, 784), (7053.0, 3072), (22.9, 64)]
    judge_one_number(
        bits_per_pixel,
        [(torch.tensor(nats), torch.tensor(n)) for nats, n in cases],
        _mistakes_of_bits,
        "what an ideal compressor with this model would need. 1 is the price of a black or white pixel without one.",
        "two changes of unit: from nats to bits, from an image to one pixel. Which of both numbers grow, which shrink?",
        "bits per pixel are one number for an image",
    )


def _mistakes_of_bits(nats: Tensor, n_pixels: Tensor) -> tuple[float, dict[float, str]]:
    """Bits per pixel, and other numbers with what each shows."""
    nats, n, two, ten = nats.item(), n_pixels.item(), math.log(2), math.log(10)
    right = nats / two / n
    turned = "the change of unit is turned around. A coin's toss is 1 bit: is that more than 1 nat, or less?"
    ten_text = "this is in decimal digits, logarithms to base 10. A bit is one choice out of two."
    image = "this is for the whole image. How much of it falls on one pixel?"
    byte = "an 8 is mixed in. A byte has 8 bits, but bits are asked for, and nothing here is stored in bytes."
    log = "this takes a log of the nats. They are logs already, and only change their unit."
    mistakes = {
        nats / n: "these are nats per pixel. Their logs are natural ones: how many bits is a nat?",
        nats * two / n: turned,
        nats / ten / n: ten_text,
        nats * ten / n: f"{ten_text[:-1]}, and the factor is turned around.",
        nats / two: image,
        nats * two: f"{image} And a nat is not less than a bit.",
        nats: "nothing has changed: these are nats, for the whole image.",
        nats / ten: f"{image} And its unit is that of logs to base 10.",
        nats
        / 2
        / n: "the nats are halved. The two units differ by what their logs differ by, not their bases.",
        2
        * nats
        / n: "the nats are doubled. The two units differ by what their logs differ by, not their bases.",
        nats / two / math.sqrt(n): "this is for one row or column of pixels.",
        nats
        / two
        * n: "multiplied by the number of pixels. Is one pixel to cost more than the whole image?",
        nats / two / n**2: "divided twice by the number of pixels.",
        1 / right: "upside down: these are pixels per bit.",
        -right: "the sign is turned around. The −ELBO comes with its minus, as a cost.",
        **dict.fromkeys(
            [right / 8, 8 * right, right + 8, right - 8, 8 - right, 8 / right, nats / n / 8], byte
        ),
        **dict.fromkeys([nats / two / 8, nats / n * 8], byte),
        **dict.fromkeys([math.log2(nats) / n, math.log(nats) / n, math.log10(nats) / n], log),
        **dict.fromkeys(
            [math.log2(nats), math.log2(nats / n), math.log(nats), math.log(nats / n)], log
        ),
        nats
        / two
        / n
        / 3: "a 3 is mixed in, as for colors. n_pixels counts all that is asked about.",
        math.exp(
            -nats / n
        ): "this is the probability of a pixel, a geometric mean. How many bits does it cost?",
    }
    return right, mistakes


class _Writer(nn.Module):
    """A conditional model that never was trained: what its decoder was given can be read off its logits."""

    latent_dim = 4

    def __init__(self):
        super().__init__()
        draw = torch.Generator().manual_seed(9)
        self.to_mu, self.to_logvar = 0.5 * torch.randn(2, 42 + 10, 4, generator=draw)
        self.to_logits = 0.4 * torch.randn(4 + 10, 42, generator=draw)

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar, [N, 4] each, of images x [N, 1, 6, 7] and classes y [N, 10]."""
        given = torch.cat(
            [float_tensor("x", x, ndim=4).flatten(1) - 0.5, float_tensor("y", y, ndim=2)], 1
        )
        return given @ self.to_mu, 0.3 * (given @ self.to_logvar) - 2

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        """Logits [N, 1, 6, 7] of codes z [N, 4] and classes y [N, 10]."""
        given = torch.cat([float_tensor("z", z, ndim=2), float_tensor("y", y, ndim=2)], 1)
        return (given @ self.to_logits).unflatten(1, (1, 6, 7))

    def read(self, logits: Tensor) -> tuple[Tensor, Tensor] | None:
        """z and y that the decoder was given for these logits; None where there are none."""
        given = logits.flatten(1) @ torch.linalg.pinv(self.to_logits)
        painted = torch.allclose(given @ self.to_logits, logits.flatten(1), rtol=0, atol=2e-3)
        return tuple(given.split([4, 10], 1)) if painted else None


def check_write_as(write_as: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]) -> None:
    """Notebook 09: images x [N, 1, H, W] of classes y, written in the same style as classes new_y.

    write_as(model, x, y, new_y), with classes one-hot, [N, 10].  model.encode(x, y) returns mu and
    logvar, model.decode(z, y) returns logits.
    """
    draw, model = torch.Generator().manual_seed(10), _Writer()
    x, classes = (
        torch.rand(60, 1, 6, 7, generator=draw),
        torch.randint(0, 10, (60,), generator=draw),
    )
    others = (classes + torch.randint(1, 10, (60,), generator=draw)) % 10
    y, new_y = one_hot(classes, 10).float(), one_hot(others, 10).float()
    value = call_answer(write_as, model, x.clone(), y.clone(), new_y.clone())
    if value is None:
        return
    problem = _problem_of_images(value.detach(), x, y, new_y, model)
    if problem:
        return wrong(problem)
    ok(
        "class and style are apart: the code is read with the class that the image has, and painted with another."
    )


def _problem_of_images(
    value: Tensor, x: Tensor, y: Tensor, new_y: Tensor, model: _Writer
) -> str | None:
    """What keeps `value` from being x, of classes y, written as new_y; None when nothing does."""
    if value.shape != x.shape:
        return f"images of shape {list(x.shape)} should come out as they went in; yours have {list(value.shape)}."
    if not torch.isfinite(value).all():
        return "some pixels are NaN or infinite."
    if torch.allclose(value, x):
        return "these are the images as they were. Encode them, and decode what comes out."
    if ((value == 0) | (value == 1)).all():
        return "the pixels are black or white: drawn, or cut at a threshold. Asked for are their probabilities."
    if model.read(value):
        return "these are logits: some are below 0 or above 1. What makes them probabilities?"
    logits = value.logit()
    if logits.min() > 0 and logits.max() < 1 and model.read(logits.logit()):
        return "the sigmoid is applied twice: all pixels are gray, between 0.5 and 0.74."
    given = model.read(logits) if torch.isfinite(logits).all() else None
    if given is None:
        return "this decoder paints no such images. Which code, and which class, are they decoded from?"
    return _problem_of_code(*given, x, y, new_y, model)


def _problem_of_code(
    z: Tensor, label: Tensor, x: Tensor, y: Tensor, new_y: Tensor, model: _Writer
) -> str | None:
    """What is wrong with a code z [N, 4] and a class `label` [N, 10] that were decoded; None when nothing is."""
    (mu, logvar), (other, _) = model.encode(x, y), model.encode(x, new_y)

    def same(a: Tensor, b: Tensor) -> bool:
        return torch.allclose(a, b, rtol=0, atol=5e-3)

    if same(label, y):
        if same(z, other):
            return "the classes are swapped: encoded as what the image should become, decoded as what it was."
        return (
            "decoded with the old class: the same digits again, and the new class is not asked for."
        )
    if not same(label, new_y):
        return "decoded with a class that is neither the old nor the new one. A mixture, another order, or scaled logits?"
    if same(z, mu):
        return None
    forms = [
        (
            other,
            "encoded with the new class, which the image does not have: the style is read against a wrong digit.",
        ),
        (
            logvar,
            "the code is logvar: how unsure the encoder is, not what it found. encode returns two things.",
        ),
        (
            (0.5 * logvar).exp(),
            "the code is σ: how unsure the encoder is, not where the style lies.",
        ),
        (
            0 * mu,
            "the code is 0, the middle of the prior: everyone writes alike. Where does the style come in?",
        ),
        (-mu, "the code has its sign turned around."),
        (
            model.encode(x, 0 * y)[0],
            "encoded without a class. The encoder expects the one that the image has.",
        ),
    ]
    found = [text for code, text in forms if same(z, code)]
    if found:
        return found[0]
    for center, text in (
        (mu, "a sample of q(z|x)"),
        (other, "a sample of q, encoded with the new class"),
    ):
        if ((z - center) / (0.5 * logvar).exp()).square().mean() < 1.6:
            return (
                f"the code is {text}: each call gives another style. Where is the most likely one?"
            )
    if (z - z[0]).abs().max() < 5e-3:
        return "one code for all images. Each has a style of its own."
    if 0.6 < z.square().mean() < 1.5 and (z * mu).mean().abs() < 0.5 * mu.square().mean():
        return (
            "the code looks drawn from the prior: anyone's style. That of the image is asked for."
        )
    return "the class is right, the code is not. What does the encoder find in the image, given what it shows?"
