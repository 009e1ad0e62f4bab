"""Metrics: by definition, in closed form, and on cases where the answer is known."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence
from torch.nn.functional import cross_entropy

from tutorial_utils.evidence import log_aggregate
from tutorial_utils.losses import class_loss, kl_per_dimension, kl_standard_normal
from tutorial_utils.metrics import confidence, knn_accuracy, knn_confusion, looks
from tutorial_utils.store.files import models_dir
from tutorial_utils.store.shelf import digit_classifier
from tutorial_utils.training import evaluate


@pytest.fixture
def logits() -> torch.Tensor:
    return 3 * torch.randn(50, 10, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def no_training(monkeypatch):
    """`fit` cannot start: there is no optimizer."""

    def refuse(*_, **__):
        raise AssertionError("this trains")

    monkeypatch.setattr(torch.optim, "Adam", refuse)


# ---- class_loss, confidence: the model is the identity, its images are logits ----


def test_class_loss_is_the_cross_entropy_of_each_example(logits):
    y = torch.arange(50) % 10
    terms = class_loss(nn.Identity(), logits, y)
    assert terms["loss"].shape == terms["accuracy"].shape == (50,)
    assert torch.allclose(terms["loss"].mean(), cross_entropy(logits, y))
    assert torch.allclose(terms["loss"], -logits.log_softmax(1)[torch.arange(50), y])


def test_accuracy_is_one_where_the_largest_logit_is_right_and_zero_elsewhere(logits):
    best, worst = logits.argmax(1), logits.argmin(1)
    assert class_loss(nn.Identity(), logits, best)["accuracy"].eq(1).all()
    assert class_loss(nn.Identity(), logits, worst)["accuracy"].eq(0).all()


def test_knowing_nothing_costs_log_10():
    terms = class_loss(nn.Identity(), torch.zeros(4, 10), torch.arange(4))
    assert torch.allclose(terms["loss"], torch.tensor(10.0).log())


def test_confidence_is_between_a_tenth_and_one(logits):
    values = confidence(nn.Identity(), logits)
    assert values.shape == (50,) and (values >= 0.1).all() and (values <= 1).all()
    assert torch.allclose(confidence(nn.Identity(), torch.zeros(3, 10)), torch.tensor(0.1))


def test_confidence_is_one_for_a_saturated_logit():
    assert confidence(nn.Identity(), 1000 * torch.eye(10)).tolist() == [1] * 10


def test_confidence_is_the_probability_of_the_predicted_class(logits):
    right = class_loss(nn.Identity(), logits, logits.argmax(1))["loss"]
    assert torch.allclose(confidence(nn.Identity(), logits), (-right).exp())


def test_confidence_needs_no_gradient(logits):
    assert not confidence(nn.Linear(10, 10), logits).requires_grad


# ---- the digit classifier ----


def test_digit_classifier_is_right_in_its_band_and_is_trained_once(mnist, request, capsys):
    state = torch.get_rng_state()
    classifier = digit_classifier(mnist)
    accuracy = evaluate(classifier, (mnist.x_test, mnist.y_test), class_loss)["accuracy"]
    assert 0.975 <= accuracy <= 0.99
    assert classifier(mnist.x_test[:7]).shape == (7, 10) and not classifier.training

    request.getfixturevalue("no_training")
    again = digit_classifier(mnist)
    assert "from the cache" in capsys.readouterr().out
    assert torch.equal(again(mnist.x_test[:100]), classifier(mnist.x_test[:100]))
    assert torch.equal(torch.get_rng_state(), state)

    sure = confidence(classifier, mnist.x_test).mean()
    assert sure > 0.95 > confidence(classifier, torch.rand(500, 1, 28, 28)).mean()


def test_retrain_trains_again_to_the_same_weights(digits, empty_data_dir):
    first = digit_classifier(digits)
    path = next(models_dir().iterdir())
    written = path.stat().st_mtime_ns, path.stat().st_ino
    second = digit_classifier(digits, retrain=True)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) != written
    assert len(list(models_dir().iterdir())) == 1
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


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
    assert (kl_per_dimension(torch.zeros(5, 2), torch.zeros(5, 2)) == 0).all()


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


@pytest.mark.parametrize(("slope", "noise"), [(1.0, 1.0), (0.6, 0.8), (0.2, 0.1)])
def test_kl_of_the_aggregate_on_gaussians_and_what_is_left_of_the_kl(slope, noise):
    """With x ~ N(0, 1) and q(z|x) = N(slope x, noise^2), q(z) is N(0, slope^2 + noise^2)."""
    generator = torch.Generator().manual_seed(0)
    mu = slope * torch.randn(4000, 1, generator=generator)
    logvar = torch.full_like(mu, 2 * math.log(noise))
    z = mu + noise * torch.randn(4000, 1, generator=generator)
    prior = Normal(0.0, 1.0).log_prob(z).sum(1)
    variance = slope**2 + noise**2
    known = kl_divergence(Normal(0.0, math.sqrt(variance)), Normal(0.0, 1.0)).item()
    mismatch = (log_aggregate(z, mu, logvar) - prior).mean().item()
    assert mismatch == pytest.approx(known, abs=0.04)
    information = 0.5 * math.log(variance / noise**2)
    kl = kl_standard_normal(mu, logvar).mean().item()
    assert kl - mismatch == pytest.approx(information, abs=0.06)


def test_knn_is_one_for_pure_regions_and_chance_for_labels_that_mean_nothing():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(10).repeat(100)
    z = torch.randn(1000, 2, generator=generator)
    apart = z + 100 * torch.stack([y % 4, y // 4], dim=1)
    assert knn_accuracy(apart, y) == 1.0
    assert knn_accuracy(7 * apart + 3, y) == 1.0
    assert knn_accuracy(z, y) == pytest.approx(0.1, abs=0.04)


def test_knn_of_two_overlapping_normal_distributions_is_nearly_the_best_there_is():
    y = torch.arange(2).repeat(2000)
    z = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0)) + 2.0 * y[:, None]
    best = Normal(0.0, 1.0).cdf(torch.tensor(1.0)).item()  # the border is half way
    assert best - 0.03 < knn_accuracy(z, y, k=50) < best + 0.01


def test_a_code_is_not_its_own_neighbor():
    generator = torch.Generator().manual_seed(0)
    y, z = torch.randint(2, (400,), generator=generator), torch.randn(400, 2, generator=generator)
    assert knn_accuracy(z, y, k=1) < 0.6


def test_confusion_says_which_class_is_taken_for_which():
    y = torch.arange(3).repeat(300)
    place = torch.tensor([0.0, 0.0, 100.0])[y]  # 0 and 1 lie on each other, 2 apart
    z = torch.randn(900, 1, generator=torch.Generator().manual_seed(0)) + place[:, None]
    shares = knn_confusion(z, y, k=1)
    torch.testing.assert_close(shares.sum(1), torch.ones(3))
    torch.testing.assert_close(shares[:2, :2], torch.full((2, 2), 0.5), atol=0.1, rtol=0)
    assert shares[2].tolist() == [0, 0, 1]
    assert knn_accuracy(z, y, k=1) == pytest.approx(shares.diag().mean().item(), abs=1e-6)


def test_rows_of_the_confusion_are_classes_and_columns_what_they_are_taken_for():
    y = torch.tensor([0] * 50 + [1] * 450)
    shares = knn_confusion(torch.randn(500, 1, generator=torch.Generator().manual_seed(0)), y, k=25)
    assert shares[0, 1] > 0.95 and shares[1, 0] < 0.05, "rare is taken for frequent"


def test_bad_codes_are_named(posteriors):
    mu, logvar = posteriors
    y = torch.arange(40) % 2
    for call, message in (
        (lambda: kl_per_dimension(mu, logvar[:5]), "mu and logvar must have the same shape"),
        (lambda: log_aggregate(mu, mu, logvar[:, :1]), "mu and logvar must have the same shape"),
        (lambda: log_aggregate(mu[:, :2], mu, logvar), "z must hold 3 numbers per code"),
        (lambda: knn_accuracy(mu / 0, y), "z must be finite"),
        (lambda: knn_accuracy(mu, y[:5]), "z and y must have the same length, got 40 and 5"),
        (lambda: knn_accuracy(mu, y, k=0), "k must be a whole number"),
        (lambda: knn_accuracy(mu, y, k=33), "k must be a whole number from 1 to 32"),
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
