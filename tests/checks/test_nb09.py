"""Checks of notebook 09: right answers in every form, and laws that they obey."""

import math

import numpy as np
import pytest
import torch
from helpers.answers import OK, WRONG, every_right, every_wrong, given_by
from sklearn.metrics import roc_auc_score
from torch.distributions import Normal

from tutorial_utils.checks.nb09 import check_auc, check_bits_per_pixel, check_write_as

# ---- the area under the ROC curve ----


auc = check_auc.right


def _sklearn(normal, odd):
    return roc_auc_score([0] * len(normal) + [1] * len(odd), torch.cat([normal, odd]).numpy())


RIGHT_AUCS = {
    "sign": lambda n, o: ((o[:, None] - n).sign().mean() + 1) / 2,
    "numpy": lambda n, o: np.heaviside(o.numpy()[:, None] - n.numpy(), 0.5).mean(),
    "sorted in place": lambda n, o: auc(n.copy_(n.sort().values), o),
}
WRONG_AUCS = {
    "each": (lambda n, o: (o[:, None] > n).double().mean(1), "is one number"),
    "near ties are ties": (
        lambda n, o: (
            (o[:, None] - n > 0.1).double().mean()
            + 0.5 * ((o[:, None] - n).abs() <= 0.1).double().mean()
        ),
        "at random",
    ),
    "smooth": (lambda n, o: (100 * (o[:, None] - n)).sigmoid().mean(), "at random"),
    "signs, halved": (lambda n, o: (o[:, None] - n).sign().mean() / 2, "at random"),
}


def test_the_right_answer_is_that_of_scikit_learn_with_ties_and_without():
    generator = torch.Generator().manual_seed(0)
    for trial in range(40):
        normal, odd = (torch.randn(n, generator=generator) for n in (9 + trial, 23))
        odd += trial / 20
        for digits in (0, 1, 6):
            given = normal.round(decimals=digits), odd.round(decimals=digits)
            assert float(auc(*given)) == pytest.approx(_sklearn(*given))


def test_scores_have_ties_within_and_between_and_both_kinds_overlap():
    seen = given_by(check_auc, auc)
    assert sum(len(n) == len(o) for n, o in seen) >= 2 and min(len(o) for _, o in seen) == 1
    assert {len(n) > len(o) for n, o in seen} == {True, False}
    for normal, odd in seen:
        assert normal.ndim == odd.ndim == 1 and (odd[:, None] == normal).any()
        assert odd.min() < normal.max() and normal.min() < 0
    areas = [float(auc(*given)) for given in seen]
    assert min(areas) < 0.45 and max(areas) < 0.95 and len(set(areas)) == len(areas)


def test_half_for_a_score_that_knows_nothing_and_1_for_a_perfect_one():
    """The praise."""
    assert auc(torch.ones(5), torch.ones(7)) == 0.5
    assert auc(torch.arange(5), torch.arange(5, 9)) == 1


# ---- bits per pixel ----


bits = check_bits_per_pixel.right


RIGHT_BITS = {
    "numpy": lambda nats, n: float(nats) / np.log(2) / int(n),
    "torch": lambda nats, n: nats / (n * torch.log(torch.tensor(2.0))),
    "log2 of e": lambda nats, n: nats * math.log2(math.e) / n,
    "log2 of exp": lambda nats, n: (nats / n).exp().log2(),
    "0.6931": lambda nats, n: nats / 0.6931 / n,
    "1.4427": lambda nats, n: 1.4427 * nats / n,
}
WRONG_BITS = {
    "two": (lambda nats, n: (nats, n), "are one number"),
}


def test_fair_coins_cost_one_bit_per_pixel():
    """The praise: −log p of any black and white image, if every pixel is a toss."""
    assert float(bits(-784 * math.log(0.5), 784)) == pytest.approx(1)


# ---- another digit in the same style ----


write_as = check_write_as.right


def one_by_one(model, x, y, new_y):
    """Image by image."""
    return torch.cat(
        [write_as(model, *(each[i : i + 1] for each in (x, y, new_y))) for i in range(len(x))]
    )


@torch.no_grad()
def evaluated(model, x, y, new_y):
    """As one does with a trained model."""
    return write_as(model.eval(), x, y, new_y).cpu().numpy()


def _normal(model, x, y):
    mu, logvar = model.encode(x, y)
    return Normal(mu, (logvar / 2).exp())


RIGHT_STYLES = {
    "one by one": one_by_one,
    "evaluated": evaluated,
}
WRONG_STYLES = {
    "Normal, sampled": (
        lambda model, x, y, new_y: model.decode(_normal(model, x, y).sample(), new_y).sigmoid(),
        "the code is a sample of",
    ),
    "codes": (lambda model, x, y, new_y: model.encode(x, y)[0], "come out as they went in"),
    "both codes": (
        lambda model, x, y, new_y: model.decode(model.encode(x, y), new_y).sigmoid(),
        "TypeError: z must be",
    ),
    "other order": (lambda model, x, y, new_y: model.encode(y, x), "ValueError: x must be"),
}


def test_models_have_the_form_of_a_conditional_vae_and_every_image_becomes_another_class():
    for model, x, y, new_y in given_by(check_write_as, write_as):
        mu, logvar = model.encode(x, y)
        logits = model.decode(mu, new_y)
        assert mu.shape == logvar.shape == (len(x), model.latent_dim) and logits.shape == x.shape
        assert (y.sum(1) == 1).all() and (new_y.sum(1) == 1).all() and (y * new_y == 0).all()
        assert x.min() >= 0 and x.max() <= 1 and y.dtype == new_y.dtype == torch.float32


# ---- all of them ----


@pytest.mark.filterwarnings("error")
@every_right(
    "09",
    {check_auc: RIGHT_AUCS, check_bits_per_pixel: RIGHT_BITS, check_write_as: RIGHT_STYLES},
)
def test_every_way_to_write_the_right_answer_is_ok(said, check, answer):
    assert said(check, answer).startswith(OK)


@pytest.mark.filterwarnings("error")
@every_wrong(
    {check_auc: WRONG_AUCS, check_bits_per_pixel: WRONG_BITS, check_write_as: WRONG_STYLES}
)
def test_what_is_wrong_is_named(said, check, answer, phrase):
    text = said(check, answer)
    assert text.startswith(WRONG) and phrase in text
