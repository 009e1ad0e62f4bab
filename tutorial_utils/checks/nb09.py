"""Checks of notebook 09: the area under the ROC curve, bits per pixel, a digit in one style."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from ..models import reparameterize
from ..support.arguments import float_tensor
from .judge import Check, named

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
    """Scores with ties: some as many of both, for which pairs in order give a number, no error.

    Odd images score higher in most, lower in some, and once there is a single odd image.
    """
    generator = torch.Generator().manual_seed(635)
    for n_normal, n_odd, higher, size in (
        (23, 23, 1, 1),
        (29, 18, 1, 1),
        (17, 26, 1, 1),
        (21, 21, -0.7, 1),
        (14, 1, 1, 1),
        (19, 24, 1, 0.01),  # scores that nearly tie
    ):
        normal, odd = (2 * torch.randn(n, generator=generator) for n in (n_normal, n_odd))
        scale = size * n_normal / 60  # so that no difference of scores is the same by chance
        yield scale * normal.round(), scale * (odd + higher).round()


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
    lambda normal, odd: normal.quantile(0.95),
    lambda normal, odd: odd.mean(),
    lambda normal, odd: odd.median(),
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
        "ties are left out, as if those pairs did not exist. Each counts half.",
        lambda n, o: _without_ties(n, o) / (1 + _without_ties(n, o) - _with_ties(n, o)),
        "the order is turned around: pairs in which the odd image scores higher should count.",
        *(lambda normal, odd, area=area: area(odd, normal) for area in _AREAS),
        "first with first, second with second. Every odd image meets every normal one.",
        *(_in_order(tie, rank=rank) for tie in (0, 0.5) for rank in (False, True)),
        "this is 0 for a score that knows nothing, and can be below 0. The area is ½ then.",
        lambda normal, odd: 2 * auc(normal, odd) - 1,
        "an area below ½ says that a score is wrong way round. This hides it.",
        *(lambda n, o, area=area: max(area(n, o), 1 - area(n, o)) for area in _AREAS),
        "this is in percent. The area lies between 0 and 1.",
        lambda normal, odd: 100 * auc(normal, odd),
        "this is a number of pairs. Which share of all is it?",
        *(lambda n, o, area=area: area(n, o) * len(n) * len(o) for area in _AREAS),
        "divided by a number of images. How many pairs are there?",
        *(lambda n, o, area=area: area(n, o) * len(n) for area in _AREAS),
        *(lambda n, o, area=area: area(n, o) * len(o) for area in _AREAS),
        *(lambda n, o, f=area: f(n, o) * len(n) * len(o) / (len(n) + len(o)) for area in _AREAS),
        *(lambda n, o, area=area: area(n, o) * len(n) / len(o) for area in _AREAS),
        *(lambda n, o, area=area: area(n, o) * len(o) / len(n) for area in _AREAS),
        "this is a difference of averages. Only the order of scores counts, not how far apart.",
        lambda normal, odd: (odd[:, None] - normal).sigmoid().mean(),
        lambda normal, odd: odd.mean() - normal.mean(),
        lambda normal, odd: normal.mean() - odd.mean(),
        lambda normal, odd: odd.median() - normal.median(),
        lambda normal, odd: normal.median() - odd.median(),
        lambda normal, odd: (odd.mean() - normal.mean()) / torch.cat([normal, odd]).std(),
        "this compares two averages. How often is the order right, over all pairs of images?",
        lambda normal, odd: (odd.mean() > normal.mean()).double(),
        lambda normal, odd: (odd.median() > normal.median()).double(),
        "this depends on a threshold. The area counts pairs, and needs none.",
        *(
            lambda normal, odd, at=at, i=i: _rates(normal, odd, at(normal, odd))[i]
            for at in _THRESHOLDS
            for i in range(8)
        ),
        *map(_best_rate, (0, 1, 4, 5)),
        lambda normal, odd: (odd > normal.amax()).double().mean(),
        lambda normal, odd: (normal < odd.amin()).double().mean(),
        "½ is a score that knows nothing. These scores know more, and each time another share.",
        lambda *_: 0.5,
        "1 is a perfect score. Here some normal images score higher than some odd ones.",
        lambda *_: 1.0,
        "0 is the worst score. Here some odd images score higher than some normal ones.",
        lambda *_: 0.0,
    ),
    praise="½ for a score that knows nothing, 1 for a perfect one, and no threshold to choose.",
    hint="take one normal and one odd image at random: how likely is the odd one's score higher? "
    "And if they are equal?",
    form="the area under the curve is one number",
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
        "the factor is rounded too far. Nothing need be rounded: how many bits is a nat exactly?",
        *(lambda nats, n, f=f: f * nats / n for f in (1.4, 1.44, 1.443)),
        *(lambda nats, n, f=f: nats / f / n for f in (0.7, 0.693)),
        "whole bits only. An image takes whole bits, but a pixel a fraction, on average.",
        lambda nats, n: (nats / math.log(2)).floor() / n,
        lambda nats, n: (nats / math.log(2)).ceil() / n,
        lambda nats, n: (nats / math.log(2) / n).floor(),
        lambda nats, n: (nats / math.log(2) / n).round(),
        lambda nats, n: (nats / math.log(2) / n).ceil(),
        "the size of an image is built in. It is an argument of the function.",
        *(lambda nats, n, size=size: nats / math.log(2) / size for size in (784, 28, 3072)),
        "the logarithm of 2 is taken to base 10. To which base are the logs of the nats?",
        lambda nats, n: nats / math.log10(2) / n,
        "a logarithm is taken of the number of pixels. How many share what the image costs?",
        *(lambda nats, n, log=log: nats / log(n) for log in (torch.log2, torch.log)),
        "this is for one row or column of pixels.",
        lambda nats, n: nats / math.log(2) / n**0.5,
        "multiplied by the number of pixels. Is one pixel to cost more than the whole image?",
        lambda nats, n: nats / math.log(2) * n,
        "divided twice by the number of pixels.",
        lambda nats, n: nats / math.log(2) / n**2,
        "upside down: these are pixels per bit.",
        lambda *given: 1 / bits_per_pixel(*given),
        lambda nats, n: n / nats,
        lambda nats, n: n / math.log(2) / nats,
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
        lambda nats, n: 8.0,
        "this takes a log of the nats. They are logs already, and only change their unit.",
        *(lambda nats, n, log=log: log(nats) / n for log in (torch.log2, torch.log, torch.log10)),
        *(lambda nats, n, log=log: log(nats / n) for log in (torch.log2, torch.log)),
        *(lambda nats, n, log=log: log(nats) for log in (torch.log2, torch.log)),
        "a 3 is mixed in, as for colors. n_pixels counts all that is asked about.",
        lambda *given: bits_per_pixel(*given) / 3,
        "this is the probability of a pixel, a geometric mean. How many bits does it cost?",
        lambda nats, n: (-nats / n).exp(),
        "this is one over the probability of a pixel. How many bits does it cost?",
        lambda nats, n: (nats / n).exp(),
        lambda nats, n: (nats / n).exp2(),
    ),
    praise="what an ideal compressor with this model would need. "
    "1 is the price of a black or white pixel without one.",
    hint="two changes of unit: from nats to bits, from an image to one pixel. "
    "Which of both numbers grow, which shrink?",
    form="bits per pixel are one number for an image",
)

# ---- another digit in the same style ----


def write_as(model: nn.Module, x: Tensor, y: Tensor, new_y: Tensor) -> Tensor:
    """Images x [N, 1, H, W] of classes y, written in the same style as classes new_y.

    Of (model, x, y, new_y), with classes one-hot, [N, 10].  model.encode(x, y) returns mu and
    logvar, model.decode(z, y) returns logits.
    """
    return model.decode(_mean(model, x, y), new_y).sigmoid()


class _Writer(nn.Module):
    """A small conditional model, linear and without training."""

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


def _images_to_rewrite() -> Iterator[tuple[nn.Module, Tensor, Tensor, Tensor]]:
    """Models, images, their classes, and other classes."""
    generator = torch.Generator().manual_seed(10)
    for n in (60, 7, 1):
        x = torch.rand(n, 1, 6, 7, generator=generator)
        classes = torch.randint(0, 10, (n,), generator=generator)
        others = (classes + torch.randint(1, 10, (n,), generator=generator)) % 10
        yield _Writer(), x, one_hot(classes, 10).float(), one_hot(others, 10).float()


def _mean(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return model.encode(x, y)[0]


def _sample(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return reparameterize(*model.encode(x, y))


def _sample_with(std: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A code sampled with another σ, a function of logvar."""

    def code(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        mu, logvar = model.encode(x, y)
        return mu + std(logvar) * torch.randn_like(mu)

    return code


def _written(
    code: Callable = _mean,
    *,
    read: Callable[[Tensor, Tensor], Tensor] = lambda y, new_y: y,
    paint: Callable[[Tensor, Tensor], Tensor] = lambda y, new_y: new_y,
    show: Callable[[Tensor], Tensor] = torch.sigmoid,
) -> Callable[..., Tensor]:
    """A mistake: another code, other classes to encode with or to decode, or other pixels."""

    def answer(model: nn.Module, x: Tensor, y: Tensor, new_y: Tensor) -> Tensor:
        z = code(model, x, read(y, new_y))
        return show(model.decode(z, paint(y, new_y)))

    return answer


def _old(y: Tensor, new_y: Tensor) -> Tensor:
    return y


def _new(y: Tensor, new_y: Tensor) -> Tensor:
    return new_y


def _as_it_is(numbers: Tensor) -> Tensor:
    return numbers


def _below_probability(logits: Tensor) -> Tensor:
    """Black and white pixels, as uniform random numbers decide."""
    return (torch.rand_like(logits) < logits.sigmoid()).float()


_CODES = (_mean, _sample)

check_write_as = Check(
    "09",
    write_as,
    cases=_images_to_rewrite,
    mistakes=named(
        "encoded with the new class, which the image lacks: its style is read against that digit.",
        _written(read=_new),
        "decoded with the old class: the same digits again, and nothing asks for the new class.",
        *(_written(code, paint=_old) for code in _CODES),
        "the classes are swapped: encoded as what the image should become, decoded as what it was.",
        *(_written(code, read=_new, paint=_old) for code in _CODES),
        "the code is a sample of q(z|x): each call gives another style. Where is the likeliest?",
        _written(_sample),
        "the code is a sample, and of q with the new class. Which class does the image have?",
        _written(_sample, read=_new),
        "the code is a sample, and its noise is not σ: logvar is the log of σ². Is noise needed?",
        *map(_written, map(_sample_with, (torch.exp, softplus, torch.ones_like, _as_it_is))),
        "these are logits: some are below 0 or above 1. What makes them probabilities?",
        *(_written(code, show=_as_it_is) for code in _CODES),
        *(_written(code, read=_new, show=_as_it_is) for code in _CODES),
        "the sigmoid is applied twice: all pixels are gray, between 0.5 and 0.74.",
        *(_written(code, show=lambda logits: logits.sigmoid().sigmoid()) for code in _CODES),
        "the pixels are black or white: sampled, or cut off. Asked for are probabilities.",
        *(_written(code, show=lambda logits: logits.sigmoid().bernoulli()) for code in _CODES),
        *(_written(code, show=_below_probability) for code in _CODES),
        *(_written(code, show=lambda logits: (logits > 0).float()) for code in _CODES),
        _written(show=lambda logits: (logits > 0.5).float()),
        "code and class are swapped in the decoder, which cannot tell. Which comes first?",
        lambda model, x, y, new_y: model.decode(new_y, _mean(model, x, y)).sigmoid(),
        "one softmax over all pixels: they add up to 1. Each pixel has a probability of its own.",
        _written(show=lambda logits: logits.flatten(1).softmax(1).view_as(logits)),
        "another function than the sigmoid turns logits into pixels. Which one fits the loss?",
        *(
            _written(show=show)
            for show in (
                torch.tanh,
                lambda logits: (logits.tanh() + 1) / 2,
                lambda logits: logits.clamp(0, 1),
                torch.relu,
                torch.exp,
                lambda logits: (logits - logits.amin()) / (logits.amax() - logits.amin()),
            )
        ),
        "white and black are swapped: the sign of the logits is turned around.",
        *(_written(code, show=lambda logits: (-logits).sigmoid()) for code in _CODES),
        "the sigmoid is applied to the code. It belongs to what the decoder returns.",
        *(
            _written(lambda *given: _mean(*given).sigmoid(), show=show)
            for show in (_as_it_is, torch.sigmoid)
        ),
        "the code is logvar: how unsure the encoder is, not what it found. encode returns two.",
        *(
            _written(lambda model, x, y: model.encode(x, y)[1], show=show)
            for show in (torch.sigmoid, _as_it_is)
        ),
        "mean and logvar are mixed into one code. They are two things: which one is the style?",
        _written(lambda model, x, y: sum(model.encode(x, y))),
        _written(lambda model, x, y: sum(model.encode(x, y)) / 2),
        _written(lambda model, x, y: _mean(model, x, y) + (model.encode(x, y)[1] / 2).exp()),
        _written(lambda model, x, y: _mean(model, x, y) + model.encode(x, y)[1].exp()),
        "the code is σ: how unsure the encoder is, not where the style lies.",
        _written(lambda model, x, y: (0.5 * model.encode(x, y)[1]).exp()),
        "the code is 0, the middle of the prior: all write alike. Where does style come in?",
        _written(lambda model, x, y: 0 * _mean(model, x, y)),
        "the code is sampled from the prior: any style. The image's own is asked for.",
        _written(lambda model, x, y: torch.randn(len(x), 4)),
        "one code for all images. Each has a style of its own.",
        _written(lambda model, x, y: torch.randn(1, 4).expand(len(x), 4)),
        _written(lambda model, x, y: _mean(model, x, y).mean(0).expand(len(x), 4)),
        _written(lambda model, x, y: _mean(model, x, y)[:1].expand(len(x), 4)),
        "the code has its sign turned around.",
        _written(lambda model, x, y: -_mean(model, x, y)),
        "the code is made as long as another one. How far it is from 0 belongs to the style.",
        _written(lambda *given: torch.nn.functional.normalize(_mean(*given), dim=1)),
        _written(lambda *given: _mean(*given) / 2),
        _written(lambda *given: 2 * _mean(*given)),
        "encoded without a class. The encoder expects the one that the image has.",
        _written(read=lambda y, new_y: 0 * y),
        _written(read=lambda y, new_y: torch.ones_like(y) / 10),
        "encoded with a mixture of both classes. Which one does the image show?",
        _written(read=lambda y, new_y: (y + new_y) / 2),
        _written(read=lambda y, new_y: y + new_y),
        "decoded without a class. Which one should the image show?",
        _written(paint=lambda y, new_y: 0 * y),
        "all are painted as the class of the first one. Each has its own.",
        _written(paint=lambda y, new_y: new_y[:1].expand_as(new_y)),
        "decoded with a mixture of both classes. Which one should the image show?",
        _written(paint=lambda y, new_y: (y + new_y) / 2),
        _written(paint=lambda y, new_y: y + new_y),
        _written(paint=lambda y, new_y: new_y - y),
        "these are the images as they were. Encode them, and decode what comes out.",
        lambda model, x, y, new_y: x,
        "the new images are mixed with the old ones. The style is in the code, not in the pixels.",
        lambda *given: (write_as(*given) + given[1]) / 2,
    ),
    praise="class and style are apart: the code is read with the class that the image has, "
    "and painted with another.",
    hint="there are two steps. What does the encoder find in the image, given what it shows? "
    "And which class is painted?",
    form="images come out as they went in",
    not_finite="some pixels are NaN or infinite.",
)
