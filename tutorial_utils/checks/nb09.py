"""Checks of notebook 09: the area under the ROC curve, bits per pixel, a digit in one style."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..support.arguments import float_tensor
from .judge import Check, call_answer, named, ok, usual_settings, wrong

# ---- the area under the ROC curve ----


def auc(normal: Tensor, odd: Tensor) -> Tensor:
    """The area under the ROC curve of (scores_normal, scores_odd), 1-D tensors.

    A higher score means odder.  The area is the share of all pairs, one normal and one odd, whose
    order is right; a tie counts one half.
    """
    return _share_of_pairs(odd[:, None], normal, tie=0.5)


def _share_of_pairs(higher: Tensor, lower: Tensor, *, tie: float) -> Tensor:
    """The share of pairs in which the first score is higher; what a tie counts."""
    return (higher > lower).double().mean() + tie * (higher == lower).double().mean()


def _without_ties(normal: Tensor, odd: Tensor) -> Tensor:
    return _share_of_pairs(odd[:, None], normal, tie=0)


def _with_ties(normal: Tensor, odd: Tensor) -> Tensor:
    return _share_of_pairs(odd[:, None], normal, tie=1)


_AREAS = (auc, _without_ties, _with_ties)


def _scores() -> Iterator[tuple[Tensor, Tensor]]:
    """Scores with ties: first as many of both, for which pairs in order give a number, no error."""
    generator = torch.Generator().manual_seed(553)
    for sizes in ((23, 23), (29, 18), (17, 26)):
        scores = [2 * torch.randn(n, generator=generator) + shift for shift, n in enumerate(sizes)]
        yield tuple(0.37 * each.round() for each in scores)


def _in_order(tie: float, *, rank: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """The share of pairs of the first scores, the second ones, and so on."""

    def answer(normal: Tensor, odd: Tensor) -> Tensor:
        few = min(len(normal), len(odd))
        pairs = [each.sort().values[:few] if rank else each[:few] for each in (odd, normal)]
        return _share_of_pairs(*pairs, tie=tie)

    return answer


def _rates(normal: Tensor, odd: Tensor, threshold: Tensor | float) -> list[Tensor]:
    """Accuracy, the mean of both kinds' accuracies, and those.

    First where scores above the threshold are called odd, then where those at it are, too.
    """
    found = []
    for above in (torch.gt, torch.ge):
        hits, alarms = (above(scores, threshold).double() for scores in (odd, normal))
        accuracy = torch.cat([hits, 1 - alarms]).mean()
        found += [accuracy, (hits.mean() + 1 - alarms.mean()) / 2, hits.mean(), 1 - alarms.mean()]
    return found


def _best_rate(which: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The largest of these rates over all thresholds."""

    def answer(normal: Tensor, odd: Tensor) -> Tensor:
        thresholds = torch.cat([normal, odd]).unique()
        return max(_rates(normal, odd, threshold)[which] for threshold in thresholds)

    return answer


_THRESHOLDS = (
    lambda normal, odd: torch.cat([normal, odd]).mean(),
    lambda normal, odd: torch.cat([normal, odd]).median(),
    lambda normal, odd: torch.cat([normal, odd]).quantile(0.5),
    lambda normal, odd: (normal.mean() + odd.mean()) / 2,
    lambda normal, odd: normal.mean(),
    lambda normal, odd: normal.median(),
    lambda normal, odd: odd.mean(),
    lambda normal, odd: 0.5,
    lambda normal, odd: 0.0,
)

check_auc = Check(
    "09",
    auc,
    cases=_scores,
    mistakes=named(
        "ties count 0 here: a score that says the same of all images would get 0, not ½.",
        _without_ties,
        "ties count 1 here: a score that says the same of all images would be perfect.",
        _with_ties,
        "the order is turned around: pairs in which the odd image scores higher should count.",
        *(lambda normal, odd, area=area: area(odd, normal) for area in _AREAS),
        "first with first, second with second. Every odd image meets every normal one.",
        *(_in_order(tie, rank=rank) for tie in (0, 0.5) for rank in (False, True)),
        "this is 0 for a score that knows nothing, and can be below 0. The area is ½ then.",
        lambda normal, odd: 2 * auc(normal, odd) - 1,
        "this is in percent. The area lies between 0 and 1.",
        lambda normal, odd: 100 * auc(normal, odd),
        "this is a number of pairs. Which share of all is it?",
        *(lambda n, o, area=area: area(n, o) * len(n) * len(o) for area in _AREAS),
        "divided by a number of images. How many pairs are there?",
        *(lambda n, o, area=area: area(n, o) * len(n) for area in _AREAS),
        *(lambda n, o, area=area: area(n, o) * len(o) for area in _AREAS),
        *(lambda n, o, f=area: f(n, o) * len(n) * len(o) / (len(n) + len(o)) for area in _AREAS),
        "this is a difference of averages. Only the order of scores counts, not how far apart.",
        lambda normal, odd: odd.mean() - normal.mean(),
        lambda normal, odd: normal.mean() - odd.mean(),
        lambda normal, odd: odd.median() - normal.median(),
        lambda normal, odd: normal.median() - odd.median(),
        lambda normal, odd: (odd.mean() - normal.mean()) / torch.cat([normal, odd]).std(),
        "this depends on a threshold. The area counts pairs, and needs none.",
        *(
            lambda normal, odd, at=at, i=i: _rates(normal, odd, at(normal, odd))[i]
            for at in _THRESHOLDS
            for i in range(8)
        ),
        *map(_best_rate, (0, 1, 4, 5)),
        "1 is a perfect score. Here some normal images score higher than some odd ones.",
        lambda *_: 1.0,
        "0 is the worst score. Here some odd images score higher than some normal ones.",
        lambda *_: 0.0,
    ),
    praise="½ for a score that knows nothing, 1 for a perfect one, and no threshold to choose.",
    hint="take one normal and one odd image at random: how likely is the odd one's score higher? "
    "And if they are equal?",
    form="the area under the curve is one number",
    rtol=1e-3,
)

# ---- bits per pixel ----


def bits_per_pixel(nats: Tensor, n_pixels: Tensor) -> Tensor:
    """Bits per pixel, from an image's -ELBO in nats and its number of pixels."""
    return nats / math.log(2) / n_pixels


def _images() -> list[tuple[Tensor, Tensor]]:
    cases = [(91.7, 784), (7053.0, 3072), (22.9, 64)]
    return [(torch.tensor(nats), torch.tensor(n_pixels)) for nats, n_pixels in cases]


check_bits_per_pixel = Check(
    "09",
    bits_per_pixel,
    cases=_images,
    mistakes=named(
        "these are nats per pixel. Their logs are natural ones: how many bits is a nat?",
        lambda nats, n: nats / n,
        "the change of unit is turned around. A coin's toss is 1 bit: is that more than 1 nat?",
        lambda nats, n: nats * math.log(2) / n,
        "this is in decimal digits, logarithms to base 10. A bit is one choice out of two.",
        lambda nats, n: nats / math.log(10) / n,
        "this is in decimal digits, logarithms to base 10, and the factor is turned around.",
        lambda nats, n: nats * math.log(10) / n,
        "this is for the whole image. How much of it falls on one pixel?",
        lambda nats, n: nats / math.log(2),
        "this is for the whole image. And a nat is not less than a bit.",
        lambda nats, n: nats * math.log(2),
        "nothing has changed: these are nats, for the whole image.",
        lambda nats, n: nats,
        "this is for the whole image. And its unit is that of logs to base 10.",
        lambda nats, n: nats / math.log(10),
        "the nats are halved. The two units differ by what their logs differ by, not their bases.",
        lambda nats, n: nats / 2 / n,
        "the nats are doubled. The two units differ by what their logs differ by, not their bases.",
        lambda nats, n: nats * 2 / n,
        "this is for one row or column of pixels.",
        lambda nats, n: nats / math.log(2) / n**0.5,
        "multiplied by the number of pixels. Is one pixel to cost more than the whole image?",
        lambda nats, n: nats / math.log(2) * n,
        "divided twice by the number of pixels.",
        lambda nats, n: nats / math.log(2) / n**2,
        "upside down: these are pixels per bit.",
        lambda *given: 1 / bits_per_pixel(*given),
        "the sign is turned around. The −ELBO comes with its minus, as a cost.",
        lambda *given: -bits_per_pixel(*given),
        "an 8 is mixed in. A byte has 8 bits, but nothing here is stored in bytes.",
        lambda *given: bits_per_pixel(*given) / 8,
        lambda *given: bits_per_pixel(*given) * 8,
        lambda *given: bits_per_pixel(*given) + 8,
        lambda *given: bits_per_pixel(*given) - 8,
        lambda *given: 8 - bits_per_pixel(*given),
        lambda *given: 8 / bits_per_pixel(*given),
        lambda nats, n: nats / n / 8,
        lambda nats, n: nats / n * 8,
        lambda nats, n: nats / math.log(2) / 8,
        "this takes a log of the nats. They are logs already, and only change their unit.",
        *(lambda nats, n, log=log: log(nats) / n for log in (torch.log2, torch.log, torch.log10)),
        *(lambda nats, n, log=log: log(nats / n) for log in (torch.log2, torch.log)),
        *(lambda nats, n, log=log: log(nats) for log in (torch.log2, torch.log)),
        "a 3 is mixed in, as for colors. n_pixels counts all that is asked about.",
        lambda *given: bits_per_pixel(*given) / 3,
        "this is the probability of a pixel, a geometric mean. How many bits does it cost?",
        lambda nats, n: (-nats / n).exp(),
    ),
    praise="what an ideal compressor with this model would need. "
    "1 is the price of a black or white pixel without one.",
    hint="two changes of unit: from nats to bits, from an image to one pixel. "
    "Which of both numbers grow, which shrink?",
    form="bits per pixel are one number for an image",
)

# ---- another digit in the same style: a function, which says what the decoder was given ----


class _Writer(nn.Module):
    """A conditional model without training: its logits show what its decoder was given."""

    latent_dim = 4

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(9)
        self.to_mu, self.to_logvar = 0.5 * torch.randn(2, 42 + 10, 4, generator=generator)
        self.to_logits = 0.4 * torch.randn(4 + 10, 42, generator=generator)

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar, [N, 4] each, of images x [N, 1, 6, 7] and classes y [N, 10]."""
        x, y = float_tensor("x", x, ndim=4), float_tensor("y", y, ndim=2)
        given = torch.cat([x.flatten(1) - 0.5, y], 1)
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


@usual_settings()
def check_write_as(write_as: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]) -> None:
    """Notebook 09: Images x [N, 1, H, W] of classes y, written in the same style as classes new_y.

    Of (model, x, y, new_y), with classes one-hot, [N, 10].  model.encode(x, y) returns mu and
    logvar, model.decode(z, y) returns logits.
    """
    generator, model = torch.Generator().manual_seed(10), _Writer()
    x = torch.rand(60, 1, 6, 7, generator=generator)
    classes = torch.randint(0, 10, (60,), generator=generator)
    others = (classes + torch.randint(1, 10, (60,), generator=generator)) % 10
    y, new_y = one_hot(classes, 10).float(), one_hot(others, 10).float()
    value = call_answer(write_as, model, x.clone(), y.clone(), new_y.clone())
    if value is None:
        return
    problem = _problem_of_images(value.detach(), x, y, new_y, model)
    if problem:
        wrong(problem)
    else:
        ok(
            "class and style are apart: the code is read with the class that the image has, "
            "and painted with another."
        )


def _problem_of_images(
    value: Tensor, x: Tensor, y: Tensor, new_y: Tensor, model: _Writer
) -> str | None:
    """What keeps `value` from being x, of classes y, written as new_y; None when nothing does."""
    if value.shape != x.shape:
        shapes = f"images of shape {list(x.shape)} should come out as they went in"
        return f"{shapes}; yours have {list(value.shape)}."
    if not torch.isfinite(value).all():
        return "some pixels are NaN or infinite."
    if torch.allclose(value, x):
        return "these are the images as they were. Encode them, and decode what comes out."
    if ((value == 0) | (value == 1)).all():
        return "the pixels are black or white: sampled, or cut off. Asked for are probabilities."
    if model.read(value):
        return "these are logits: some are below 0 or above 1. What makes them probabilities?"
    logits = value.logit()
    if logits.min() > 0 and logits.max() < 1 and model.read(logits.logit()):
        return "the sigmoid is applied twice: all pixels are gray, between 0.5 and 0.74."
    given = model.read(logits) if torch.isfinite(logits).all() else None
    if given is None:
        return "this decoder paints no such images. Which code, which class are they decoded from?"
    z, label = given
    return _problem_of_class(z, label, x, y, new_y, model) or _problem_of_code(
        z, x, y, new_y, model
    )


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=5e-3)


def _problem_of_class(
    z: Tensor, label: Tensor, x: Tensor, y: Tensor, new_y: Tensor, model: _Writer
) -> str | None:
    """What is wrong with the class `label` [N, 10] that was decoded; None when nothing is."""
    if _same(label, new_y):
        return None
    if not _same(label, y):
        what = "decoded with a class that is neither the old nor the new one."
        return f"{what} A mixture, another order, or scaled logits?"
    if _same(z, model.encode(x, new_y)[0]):
        what = "the classes are swapped"
        return f"{what}: encoded as what the image should become, decoded as what it was."
    return "decoded with the old class: the same digits again, and nothing asks for the new class."


def _problem_of_code(z: Tensor, x: Tensor, y: Tensor, new_y: Tensor, model: _Writer) -> str | None:
    """What is wrong with the code z [N, 4] that was decoded; None when nothing is."""
    (mu, logvar), (other, _) = model.encode(x, y), model.encode(x, new_y)
    std = (0.5 * logvar).exp()
    if _same(z, mu):
        return None
    codes = named(
        "encoded with the new class, which the image lacks: its style is read against that digit.",
        other,
        "the code is logvar: how unsure the encoder is, not what it found. encode returns two.",
        logvar,
        "the code is σ: how unsure the encoder is, not where the style lies.",
        std,
        "the code is 0, the middle of the prior: all write alike. Where does style come in?",
        0 * mu,
        "the code has its sign turned around.",
        -mu,
        "encoded without a class. The encoder expects the one that the image has.",
        model.encode(x, 0 * y)[0],
    )
    found = [text for code, text in codes if _same(z, code)]
    if found:
        return found[0]
    for center, what in ((mu, "q(z|x)"), (other, "q, encoded with the new class")):
        if ((z - center) / std).square().mean() < 1.6:
            how = "each call gives another style. Where is the most likely one?"
            return f"the code is a sample of {what}: {how}"
    if _same(z, z[0]):
        return "one code for all images. Each has a style of its own."
    if 0.6 < z.square().mean() < 1.5 and (z * mu).mean().abs() < 0.5 * mu.square().mean():
        return "the code looks sampled from the prior: any style. The image's own is asked for."
    return "the class is right, the code is not. What does the encoder find in the image?"
