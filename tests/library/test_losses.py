"""Losses: per example, in nats, summed over pixels; as torch.distributions and by hand."""

import math
from decimal import Decimal, localcontext

import pytest
import torch
from torch import distributions as D

from tutorial_utils.losses import (
    bernoulli_nll,
    continuous_bernoulli_mean,
    continuous_bernoulli_nll,
    continuous_bernoulli_sample,
    gaussian_nll,
    kl_standard_normal,
    log_partition,
    negative_elbo,
    squared_error,
)
from tutorial_utils.models import reparameterize

PIXELWISE = [squared_error, bernoulli_nll, continuous_bernoulli_nll, gaussian_nll]
LOSSES = [*PIXELWISE, kl_standard_normal]


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def pixel(value: float) -> torch.Tensor:
    """An image of one pixel."""
    return torch.tensor([[value]])


# against hand and torch.distributions


def test_one_pixel_by_hand():
    log_2_pi, ln = math.log(2 * math.pi), math.log
    for value, expected in (
        (squared_error(pixel(0.5), pixel(2.0)), 2.25),
        (bernoulli_nll(pixel(ln(3)), pixel(1.0)), -ln(0.75)),  # p = sigmoid(ln 3) = 3/4
        (bernoulli_nll(pixel(ln(3)), pixel(0.0)), -ln(0.25)),
        (bernoulli_nll(pixel(0.0), pixel(0.3)), ln(2)),
        (gaussian_nll(pixel(1.0), pixel(1.0)), 0.5 * log_2_pi),
        (gaussian_nll(pixel(0.0), pixel(3.0), std=2.0), 9 / 8 + ln(2) + 0.5 * log_2_pi),
        (kl_standard_normal(pixel(2.0), pixel(0.0)), 2.0),
        (kl_standard_normal(pixel(0.0), pixel(ln(4))), 0.5 * (4 - 1 - ln(4))),
    ):
        assert value.item() == pytest.approx(expected)


def test_bernoulli_nll_against_torch_distributions(rng):
    logits, x = torch.randn(6, 3, 4, 4, generator=rng) * 3, torch.rand(6, 3, 4, 4, generator=rng)
    log_p = D.Bernoulli(logits=logits, validate_args=False).log_prob(x)
    torch.testing.assert_close(bernoulli_nll(logits, x), -log_p.sum((1, 2, 3)))


def test_bernoulli_nll_stays_exact_for_extreme_logits():
    logits = torch.tensor([[200.0], [200.0], [-200.0], [-200.0]])
    nll = bernoulli_nll(logits, torch.tensor([[1.0], [0.0], [0.0], [1.0]]))
    torch.testing.assert_close(nll, torch.tensor([0.0, 200.0, 0.0, 200.0]))


def test_bernoulli_nll_of_gray_pixels_is_lowest_at_the_pixels_and_above_zero_there(rng):
    x = torch.rand(5, 7, generator=rng, dtype=torch.float64)
    at_x = bernoulli_nll(x.logit(), x)
    entropy = (torch.special.entr(x) + torch.special.entr(1 - x)).sum(1)
    torch.testing.assert_close(at_x, entropy)
    assert (at_x > 0).all()
    for _ in range(20):
        assert (bernoulli_nll(x.logit() + 0.1 * torch.randn(5, 7, generator=rng), x) > at_x).all()


@pytest.mark.parametrize("std", [0.1, 1.0, 2.5])
def test_gaussian_nll_against_torch_distributions(rng, std):
    mean, x = torch.randn(6, 3, 4, 4, generator=rng), torch.randn(6, 3, 4, 4, generator=rng)
    expected = -D.Normal(mean, std).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(gaussian_nll(mean, x, std=std), expected)


# the continuous Bernoulli

NEAR = (0.0, 1e-12, 1e-6, 9e-5, 1.1e-4, 3e-3, 0.02, 0.0499, 0.05, 0.0501, 0.1, 0.4)
LOGITS = sorted({sign * size for size in (*NEAR, 1, 2, 10, 20, 100, 700) for sign in (-1, 1)})


def exact_derivatives(logit: float) -> list[float]:
    """Of log((e^l - 1) / l), the 0th, 1st and 2nd, with 100 digits."""
    with localcontext() as context:
        context.prec = 100
        at = Decimal(logit) or Decimal("1e-30")
        e = at.exp()
        values = ((e - 1) / at).ln(), e / (e - 1) - 1 / at, 1 / at**2 - e / (e - 1) ** 2
        return [float(value) for value in values]


# The error allowed: of the value, of the first and of the second derivative.
ERRORS = {torch.float64: (1e-12, 2e-11, 2e-9), torch.float32: (2e-6, 4e-6, 1e-4)}


@pytest.mark.parametrize(("dtype", "errors"), ERRORS.items())
def test_continuous_bernoulli_with_its_derivatives_is_exact_at_every_logit(dtype, errors):
    exact = torch.tensor([exact_derivatives(logit) for logit in LOGITS], dtype=dtype).T
    logits = torch.tensor(LOGITS, dtype=dtype, requires_grad=True)
    value = log_partition(logits)
    slope = torch.autograd.grad(value.sum(), logits, create_graph=True)[0]
    curvature = torch.autograd.grad(slope.sum(), logits)[0]
    mean = continuous_bernoulli_mean(logits)
    of_mean = torch.autograd.grad(mean.sum(), logits)[0]
    for found, order in ((value, 0), (slope, 1), (mean, 1), (curvature, 2), (of_mean, 2)):
        torch.testing.assert_close(found, exact[order], atol=errors[order], rtol=errors[order])


def test_the_gradient_of_a_continuous_bernoulli_is_its_mean_minus_the_pixel():
    for dtype in (torch.float32, torch.float64):
        logits = torch.tensor(LOGITS, dtype=dtype)[:, None].requires_grad_()
        for x in (0.0, 0.3, 1.0):
            nll = continuous_bernoulli_nll(logits, torch.full_like(logits, x))
            gradient = torch.autograd.grad(nll.sum(), logits)[0]
            expected = continuous_bernoulli_mean(logits) - x
            torch.testing.assert_close(gradient, expected, atol=4e-6, rtol=0)
    zero = torch.zeros(1, 1, requires_grad=True)
    continuous_bernoulli_nll(zero, pixel(0.3)).sum().backward()
    assert zero.grad.item() == pytest.approx(0.2)


@pytest.mark.parametrize("logit", [-700.0, -20.0, -2.0, 0.0, 0.2, 0.3, 10.0, 100.0])
def test_continuous_bernoulli_is_a_density_with_this_mean(logit):
    # the grid is fine where the density is: u = t^3 away from the end where it is high
    u = torch.linspace(0, 1, 100_001, dtype=torch.float64)[1:] ** 3
    x = 1 - u if logit > 0 else u
    logits = torch.full((len(x), 1), logit, dtype=torch.float64)
    density = (-continuous_bernoulli_nll(logits, x[:, None])).exp()
    assert torch.trapezoid(density, u).item() == pytest.approx(1, abs=2e-4)
    mean = continuous_bernoulli_mean(logits)[0].item()
    assert torch.trapezoid(density * x, u).item() == pytest.approx(mean, abs=5e-4)


def test_continuous_bernoulli_samples_follow_the_density():
    n, logits = 50_000, torch.tensor(LOGITS, requires_grad=True)
    torch.manual_seed(0)
    x = continuous_bernoulli_sample(logits.expand(n, -1))
    assert x.min() >= 0 and x.max() <= 1 and not x.requires_grad
    error = 5 * x.std(0) / n**0.5
    assert ((x.mean(0) - continuous_bernoulli_mean(logits)).abs() < error + 3e-4).all()
    # (1 - e^(l t)) / (1 - e^l) is the chance to be below t
    for t, logit in ((0.1, -10.0), (0.5, 2.0), (0.99, 100.0)):
        share = (x[:, LOGITS.index(logit)] < t).float().mean().item()
        exact = math.expm1(logit * t) / math.expm1(logit)
        assert share == pytest.approx(exact, abs=0.012)


# the KL divergence


def test_kl_against_torch_distributions(rng):
    mu, logvar = torch.randn(50, 5, generator=rng) * 2, torch.randn(50, 5, generator=rng) * 2
    exact = D.kl_divergence(D.Normal(mu, (0.5 * logvar).exp()), D.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_standard_normal(mu, logvar), exact)


def test_kl_near_the_prior_is_half_its_second_derivative():
    """KL = 1/2 mu^2 + 1/4 logvar^2 + ...: its Hessian at the prior is diagonal with 1 and 1/2."""
    prior = torch.zeros(6, dtype=torch.float64)
    kl = lambda both: kl_standard_normal(both[None, :3], both[None, 3:]).sum()  # noqa: E731
    assert kl(prior) == 0
    assert torch.autograd.functional.jacobian(kl, prior).abs().max() == 0
    hessian = torch.autograd.functional.hessian(kl, prior)
    expected = torch.tensor([1.0] * 3 + [0.5] * 3, dtype=torch.float64)
    torch.testing.assert_close(hessian, torch.diag(expected))


# sums over pixels, one value per example


@pytest.mark.parametrize("loss", LOSSES)
def test_each_example_has_its_own_value_and_twice_the_pixels_cost_twice_as_much(loss, rng):
    a, b = torch.randn(6, 8, 5, generator=rng), torch.rand(6, 8, 5, generator=rng)
    if loss is kl_standard_normal:
        a, b = a.flatten(1), b.flatten(1)
    one_by_one = torch.cat([loss(a[i : i + 1], b[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(loss(a, b), one_by_one)
    assert one_by_one.unique().numel() == 6
    torch.testing.assert_close(loss(torch.cat([a, a], -1), torch.cat([b, b], -1)), 2 * one_by_one)


@pytest.mark.parametrize("loss", LOSSES)
def test_float64_half_precision_and_views_give_the_same_numbers(loss, rng):
    a, b = torch.randn(20, 6, generator=rng), torch.rand(20, 6, generator=rng)
    expected = loss(a, b)
    for dtype, error in ((torch.float64, 1e-6), (torch.float16, 5e-3), (torch.bfloat16, 4e-2)):
        found = loss(a.to(dtype), b.to(dtype))
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), expected, atol=error, rtol=error)
    views = [torch.stack([each, each], 2)[..., 0].T.contiguous().T for each in (a, b)]
    torch.testing.assert_close(loss(*views), expected)
    assert loss(a.to("meta"), b.to("meta")).shape == (20,)


@pytest.mark.parametrize("loss", [*LOSSES, reparameterize])
@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 8), other) for other in ((1, 8), (4, 1), (8,))]
    + [((4, 1, 8, 8), (4, 8, 8)), ((4, 64), (4, 8, 8))],
)
def test_wrong_shapes_raise_and_never_broadcast(loss, a, b):
    for first, second in ((a, b), (b, a)):
        with pytest.raises(ValueError, match="must have the same shape, got "):
            loss(torch.zeros(first), torch.zeros(second))


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_no_batch_of_floats_is_named(loss):
    floats = torch.zeros(4, 8)
    for wrong in (floats.to(torch.uint8), floats > 0, floats.long(), floats.tolist(), 0.5):
        for given in ((floats, wrong), (wrong, floats), (wrong, wrong)):
            with pytest.raises(
                TypeError, match=r"^\w+ must be a tensor of floats, got (a |list|f)"
            ):
                loss(*given)
    with pytest.raises(ValueError, match=r"must be a non-empty tensor, got shape \[0, 8\]"):
        loss(floats[:0], floats[:0])
    if loss is kl_standard_normal:  # of one posterior [D]
        assert loss(floats[0] + 2, floats[0]) == 16
        return
    with pytest.raises(ValueError, match=r"^\w+ and x must have 2 axes or more, .* got \[8\]"):
        loss(floats[0], floats[0])


@pytest.mark.parametrize("loss", [bernoulli_nll, continuous_bernoulli_nll])
@pytest.mark.parametrize("value", [255.0, 1.001, -0.4, math.nan, math.inf])
def test_pixels_outside_the_unit_interval_are_named(loss, value):
    x = torch.tensor([[0.0, 1.0], [0.5, value]])
    with pytest.raises(ValueError, match=r"^x must lie in \[0, 1\], got values from "):
        loss(torch.zeros(2, 2), x)


@pytest.mark.parametrize("std", [0, -1.0, math.inf, math.nan])
def test_gaussian_nll_names_a_bad_std(std):
    with pytest.raises(ValueError, match="std must be a finite number above 0"):
        gaussian_nll(torch.zeros(1, 1), torch.zeros(1, 1), std=std)


# the negative ELBO


@pytest.mark.parametrize("beta", [None, 0.0, 0.5, 4.0])
def test_negative_elbo_is_recon_loss_plus_beta_kl(make_vae, digits, beta):
    model, x = make_vae(), digits.x_test[:10]
    torch.manual_seed(0)
    terms = negative_elbo(model, x) if beta is None else negative_elbo(model, x, beta=beta)
    torch.manual_seed(0)
    out = model(x)
    assert list(terms) == ["loss", "recon_loss", "kl"]
    weight = 1 if beta is None else beta
    torch.testing.assert_close(terms["loss"], terms["recon_loss"] + weight * terms["kl"])
    torch.testing.assert_close(terms["recon_loss"], bernoulli_nll(out.logits, x))
    torch.testing.assert_close(terms["kl"], kl_standard_normal(out.mu, out.logvar))


def test_negative_elbo_names_images_that_are_no_floats(make_vae, digits):
    for wrong in ((255 * digits.x_test[:4]).to(torch.uint8), digits.x_test[:4].tolist()):
        with pytest.raises(TypeError, match="x must be a tensor of floats"):
            negative_elbo(make_vae(), wrong)
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        negative_elbo(make_vae(), 255 * digits.x_test[:4])
