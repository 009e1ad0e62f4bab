"""Metrics: by definition, in closed form, and on cases where the answer is known."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from tutorial_utils.evidence import log_aggregate
from tutorial_utils.losses import class_loss, kl_per_dimension, kl_standard_normal
from tutorial_utils.metrics import confidence, knn_accuracy, knn_confusion, looks, name_digits
from tutorial_utils.store.pretrained import digit_classifier
from tutorial_utils.training import evaluate


@pytest.fixture
def no_training(monkeypatch):
    """`fit` cannot start: there is no optimizer."""

    def refuse(*_, **__):
        raise AssertionError("this trains")

    monkeypatch.setattr(torch.optim, "Adam", refuse)


# ---- class_loss, confidence: the model is the identity, its images are logits ----


def test_class_loss_and_confidence_by_definition():
    logits = 3 * torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    right, best = torch.arange(50) % 10, logits.argmax(1)
    log_p = logits.log_softmax(1)
    for y in (right, right.int(), right.to(torch.uint8), best):
        terms = class_loss(nn.Identity(), logits, y)
        torch.testing.assert_close(terms["loss"], -log_p[torch.arange(50), y.long()])
        assert torch.equal(terms["accuracy"], (best == y).float())
    torch.testing.assert_close(confidence(nn.Identity(), logits), log_p.amax(1).exp())
    assert confidence(nn.Identity(), 1000 * torch.eye(10)).tolist() == [1] * 10
    assert not confidence(nn.Linear(10, 10), logits).requires_grad


# ---- the digit classifier ----


def test_digit_classifier_is_right_in_its_band_and_comes_from_the_shelf(mnist, request, capsys):
    request.getfixturevalue("no_training")
    state = torch.get_rng_state()
    classifier = digit_classifier(mnist)
    accuracy = evaluate(classifier, (mnist.x_test, mnist.y_test), class_loss)["accuracy"]
    assert 0.975 <= accuracy <= 0.99
    assert classifier(mnist.x_test[:7]).shape == (7, 10) and not classifier.training

    assert "from the shelf" in capsys.readouterr().out
    assert torch.equal(torch.get_rng_state(), state)

    sure = confidence(classifier, mnist.x_test).mean()
    assert sure > 0.95 > confidence(classifier, torch.rand(500, 1, 28, 28)).mean()


def test_digit_classifier_never_sees_a_test_image(digits, empty_data_dir, request):
    digit_classifier(digits)
    request.getfixturevalue("no_training")
    no_images = torch.full_like(digits.x_test, math.nan)
    hidden = digits._replace(x_test=no_images, y_test=digits.y_test * 0)
    digit_classifier(hidden)  # found in the cache: nothing that made it has changed


# ---- codes ----


@pytest.fixture
def posteriors() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(40, 3, generator=generator), 2 * torch.randn(40, 3, generator=generator) - 1


def test_kl_per_dimension_is_torchs_and_adds_up_to_the_kl(posteriors):
    mu, logvar = posteriors
    kl, q = kl_per_dimension(mu, logvar), Normal(mu, (0.5 * logvar).exp())
    torch.testing.assert_close(kl, kl_divergence(q, Normal(0.0, 1.0)).mean(0))
    torch.testing.assert_close(kl.sum(), kl_standard_normal(mu, logvar).mean())


def test_log_aggregate_is_the_density_of_torchs_mixture(posteriors):
    mu, logvar = posteriors
    parts = Independent(Normal(mu, (0.5 * logvar).exp()), 1)
    expected = MixtureSameFamily(Categorical(torch.ones(40)), parts)
    z = 2 * torch.randn(25, 3, generator=torch.Generator().manual_seed(1))
    found = log_aggregate(z, mu, logvar)
    torch.testing.assert_close(found, expected.log_prob(z), rtol=1e-4, atol=1e-4)


def test_log_aggregate_of_tiny_posteriors_far_out_keeps_its_digits():
    mu, logvar = torch.tensor([[50.0, -50.0], [49.0, 3.0]]), torch.full((2, 2), -12.0)
    exact = -math.log(2) + Normal(mu[:1], math.exp(-6)).log_prob(mu[:1]).sum().item()
    assert log_aggregate(mu[:1], mu, logvar).item() == pytest.approx(exact, abs=1e-3)


def test_knn_is_one_for_pure_regions_and_chance_for_labels_that_mean_nothing():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(10).repeat(100)
    z = torch.randn(1000, 2, generator=generator)
    apart = z + 100 * torch.stack([y % 4, y // 4], dim=1)
    assert knn_accuracy(apart, y) == knn_accuracy(7 * apart + 3, y) == 1.0
    assert knn_accuracy(z, y) == pytest.approx(0.1, abs=0.04)
    assert knn_accuracy(z, y % 2, k=1) < 0.6, "a code is not its own neighbor"


def test_knn_of_two_overlapping_normal_distributions_is_nearly_the_best_there_is():
    y = torch.arange(2).repeat(2000)
    z = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0)) + 2.0 * y[:, None]
    best = Normal(0.0, 1.0).cdf(torch.tensor(1.0)).item()  # the border is half way
    assert best - 0.03 < knn_accuracy(z, y, k=50) < best + 0.01


def test_confusion_says_which_class_is_taken_for_which():
    y = torch.arange(3).repeat(300)
    place = torch.tensor([0.0, 0.0, 100.0])[y]  # 0 and 1 lie on each other, 2 apart
    z = torch.randn(900, 1, generator=torch.Generator().manual_seed(0)) + place[:, None]
    shares = knn_confusion(z, y, k=1)
    torch.testing.assert_close(shares.sum(1), torch.ones(3))
    torch.testing.assert_close(shares[:2, :2], torch.full((2, 2), 0.5), atol=0.1, rtol=0)
    assert shares[2].tolist() == [0, 0, 1]
    assert knn_accuracy(z, y, k=1) == pytest.approx(shares.diag().mean().item(), abs=1e-6)
    rare = torch.tensor([0] * 50 + [1] * 450)
    z = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    shares = knn_confusion(z, rare, k=25)
    assert shares[0, 1] > 0.95 and shares[1, 0] < 0.05, "rows are classes, columns their names"


def test_rows_of_the_confusion_have_the_numbers_of_their_classes(posteriors):
    """Classes 3 and 7 alone: a table up to 7, of which two rows and two columns are not 0."""
    z, y = posteriors[0], torch.arange(40) % 2
    small, large = knn_confusion(z, y), knn_confusion(z, 3 + 4 * y)
    assert large.shape == (8, 8) and torch.equal(large[3::4, 3::4], small)
    assert large.sum() == small.sum() == 2
    assert knn_accuracy(z, 3 + 4 * y) == knn_accuracy(z, y)


@pytest.mark.filterwarnings("error")
def test_knn_takes_all_kinds_of_floats_and_of_whole_numbers(posteriors):
    z, y = posteriors[0], (posteriors[0][:, 0] > 0).long()
    expected = knn_confusion(z, y)
    for codes in (z.clone().requires_grad_(), z.double(), z.T.contiguous().T):
        assert torch.equal(knn_confusion(codes, y), expected)
    for labels in (y.to(torch.uint8), y.int(), y.bool()):
        assert torch.equal(knn_confusion(z, labels), expected)
    for dtype in (torch.float16, torch.bfloat16):
        assert knn_accuracy(z.to(dtype), y) == pytest.approx(knn_accuracy(z, y), abs=0.1)
    many = 250 + y.to(torch.uint8)  # 252 * 250 is no number of 8 bits
    assert torch.equal(knn_confusion(z, many)[250:, 250:], expected)


def test_bad_codes_are_named(posteriors):
    mu, logvar = posteriors
    y = torch.arange(40) % 2
    rare = torch.tensor([0] * 36 + [1] * 4)
    for call, message in (
        (lambda: kl_per_dimension(mu, logvar[:5]), "mu and logvar must have the same shape"),
        (lambda: kl_per_dimension(mu[None], logvar[None]), "mu must be .* with 2 axes"),
        (lambda: log_aggregate(mu, mu, logvar[:, :1]), "mu and logvar must have the same shape"),
        (lambda: log_aggregate(mu[:, :2], mu, logvar), r"z\[0\] and mu\[0\] .* got \[2\] and \[3"),
        (lambda: knn_accuracy(mu / 0, y), "z must be finite"),
        (lambda: knn_accuracy(mu, y[:5]), "z and y must have the same length, got 40 and 5"),
        (lambda: knn_accuracy(mu, y, k=0), "k must be a whole number"),
        (lambda: knn_accuracy(mu, y, k=33), "k must be a whole number from 1 to 32"),
        (lambda: knn_accuracy(mu, rare), "y must hold each class at least 5 times, got one 4 t"),
        (lambda: knn_accuracy(mu[:1], y[:1], k=1), "each class at least 5 times, got one 1 times"),
        (lambda: knn_accuracy(mu[:0], y[:0]), "z must be a non-empty tensor"),
        (lambda: knn_accuracy(mu, y - 1), "y must hold classes from 0 on, got -1"),
        (
            lambda: knn_confusion(mu, y + 5000),
            "number of classes in y must be .* 1 to 1,000, got 5",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_looks_of_bars():
    """Ink is a sum, a bar that leans right has a positive slant, a mirror image the opposite."""
    upright, leaning, wide = torch.zeros(3, 1, 1, 28, 28)
    upright[..., 4:24, 13:15] = 1
    wide[..., 4:24, 11:17] = 1
    for row in range(4, 24):
        leaning[..., row, 23 - row // 2 : 25 - row // 2] = 1
    ink, slant, width = looks(torch.cat([upright, leaning, leaning.flip(3), wide])).T
    assert ink.tolist() == [40, 40, 40, 120]
    assert slant[0].abs() < 1e-5 and slant[1] > 0.3
    assert slant[2].item() == pytest.approx(-slant[1].item(), abs=1e-5)
    assert width[3] > 2 * width[0]


BARS = torch.ones(2, 1, 8, 8)


@pytest.mark.parametrize(
    ("function", "images", "message"),
    [
        (looks, BARS.expand(-1, 3, -1, -1), r"images must hold gray images \[N, 1, H, W\], got"),
        (looks, 255 * BARS, r"images must lie in \[0, 1\]"),
        (looks, BARS[..., :6], "images must be square, with ink in each"),
        (looks, torch.cat([BARS, 0 * BARS]), "images must be square, with ink in each"),
        (partial(confidence, nn.Identity()), BARS.to(torch.uint8), "images must be a tensor of fl"),
        (partial(name_digits, nn.Linear(8, 2)), BARS[0].byte(), "images must be a tensor of fl"),
        (partial(name_digits, nn.Linear(8, 2)), BARS, "images must be .* with 3 axes"),
        (
            lambda x: class_loss(nn.Flatten(), x, torch.zeros(2)),
            BARS,
            "y must be a tensor of whole",
        ),
        (lambda x: class_loss(nn.Flatten(), x, -torch.ones(2).int()), BARS, "classes from 0 on"),
        (lambda x: class_loss(nn.Flatten(), x, torch.ones(3).int()), BARS, "x and y must have"),
        (lambda x: class_loss(nn.Flatten(), x, torch.ones(2).int()), BARS.int(), "x must be a ten"),
    ],
)
def test_bad_images_and_classes_are_named(function, images, message):
    with pytest.raises((TypeError, ValueError), match=message):
        function(images)
