"""Judges: the loss and the confidence by definition, the digit classifier by what it gets right."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tutorial_utils.cache import models_dir
from tutorial_utils.metrics import class_loss, confidence, digit_classifier
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

    assert (
        confidence(classifier, mnist.x_test).mean() > 0.95 > confidence(classifier, torch.rand(500, 1, 28, 28)).mean()
    )


def test_retrain_trains_again_to_the_same_weights(digits, empty_data_dir):
    first = digit_classifier(digits)
    path = next(models_dir().iterdir())
    written = path.stat().st_mtime_ns, path.stat().st_ino
    second = digit_classifier(digits, retrain=True)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) != written and len(list(models_dir().iterdir())) == 1
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_digit_classifier_never_sees_a_test_image(digits, empty_data_dir, request):
    digit_classifier(digits)
    request.getfixturevalue("no_training")
    hidden = digits._replace(x_test=torch.full_like(digits.x_test, float("nan")), y_test=digits.y_test * 0)
    digit_classifier(hidden)  # found in the cache: nothing that made it has changed
