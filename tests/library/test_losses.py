"""Losses: per example, in nats, summed over pixels; as torch.distributions and by hand."""

import math

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
    negative_elbo,
    squared_error,
)
from tutorial_utils.models import reparameterize

PIXELWISE = [squared_error, bernoulli_nll, continuous_bernoulli_nll, gaussian_nll]


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


def test_gaussian_nll_of_unit_std_is_half_the_squared_error_and_a_constant(rng):
    mean, x = torch.randn(6, 20, generator=rng), torch.randn(6, 20, generator=rng)
    constant = 10 * math.log(2 * math.pi)
    torch.testing.assert_close(gaussian_nll(mean, x), 0.5 * squared_error(mean, x) + constant)


@pytest.mark.parametrize("std", [0, -1.0, math.inf, math.nan])
def test_gaussian_nll_names_a_bad_std(std):
    with pytest.raises(ValueError, match="std must be a finite number above 0"):
        gaussian_nll(torch.zeros(1, 1), torch.zeros(1, 1), std=std)


# the continuous Bernoulli: torch's own is right for moderate logits only

MODERATE = (-10.0, -2.0, -0.3, 0.0, 0.3, 2.0, 10.0)
EXTREME = (-700.0, -100.0, -20.0, 20.0, 100.0, 700.0)


@pytest.mark.parametrize("logit", MODERATE)
def test_continuous_bernoulli_against_torch(logit, rng):
    logits, x = torch.full((6, 4), logit), torch.rand(6, 4, generator=rng)
    expected = D.ContinuousBernoulli(logits=logits)
    nll = continuous_bernoulli_nll(logits, x)
    torch.testing.assert_close(nll, -expected.log_prob(x).sum(1), atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(continuous_bernoulli_mean(logits), expected.mean, atol=1e-3, rtol=0)


@pytest.mark.parametrize("logit", MODERATE + EXTREME)
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
    n, logits = 50_000, torch.tensor(MODERATE + EXTREME)
    torch.manual_seed(0)
    x = continuous_bernoulli_sample(logits.expand(n, -1))
    assert x.min() >= 0 and x.max() <= 1
    error = 5 * x.std(0) / n**0.5
    assert ((x.mean(0) - continuous_bernoulli_mean(logits)).abs() < error + 3e-4).all()
    # (1 - e^(l t)) / (1 - e^l) is the chance to be below t
    for t, logit in ((0.1, -10.0), (0.5, 2.0), (0.99, 100.0)):
        share = (x[:, (MODERATE + EXTREME).index(logit)] < t).float().mean().item()
        exact = math.expm1(logit * t) / math.expm1(logit)
        assert share == pytest.approx(exact, abs=0.012)


# the KL divergence


def test_kl_against_torch_distributions(rng):
    mu, logvar = torch.randn(50, 5, generator=rng) * 2, torch.randn(50, 5, generator=rng) * 2
    exact = D.kl_divergence(D.Normal(mu, (0.5 * logvar).exp()), D.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_standard_normal(mu, logvar), exact)


def test_kl_against_monte_carlo():
    mu, logvar, n = torch.tensor([0.5, -1.0]), torch.tensor([-1.0, 0.5]), 200_000
    torch.manual_seed(0)
    z = reparameterize(mu.expand(n, 2), logvar.expand(n, 2))
    q, p = D.Normal(mu, (0.5 * logvar).exp()), D.Normal(0.0, 1.0)
    log_ratio = (q.log_prob(z) - p.log_prob(z)).sum(1)
    error = 5 * log_ratio.std().item() / n**0.5
    kl = kl_standard_normal(mu[None], logvar[None]).item()
    assert kl == pytest.approx(log_ratio.mean().item(), abs=error)
    assert error < 0.02 < kl  # the comparison means something


def test_kl_is_zero_exactly_at_the_prior_and_positive_elsewhere(rng):
    assert kl_standard_normal(torch.zeros(3, 4), torch.zeros(3, 4)).eq(0).all()
    for size in (0.01, 0.1, 1.0, 4.0):
        mu, logvar = size * torch.randn(2, 100, 4, generator=rng, dtype=torch.float64)
        zero = torch.zeros_like(mu)
        for parameters in ((mu, logvar), (mu, zero), (zero, logvar)):
            assert (kl_standard_normal(*parameters) > 0).all()


def test_kl_near_the_prior_is_half_its_second_derivative(rng):
    """KL = 1/2 mu^2 + 1/4 logvar^2 + ...: its Hessian at the prior is diagonal with 1 and 1/2."""
    prior = torch.zeros(6, dtype=torch.float64)
    kl = lambda both: kl_standard_normal(both[None, :3], both[None, 3:]).sum()  # noqa: E731
    assert torch.autograd.functional.jacobian(kl, prior).abs().max() == 0
    hessian = torch.autograd.functional.hessian(kl, prior)
    expected = torch.tensor([1.0] * 3 + [0.5] * 3, dtype=torch.float64)
    torch.testing.assert_close(hessian, torch.diag(expected))


def test_kl_adds_up_over_dimensions(rng):
    mu, logvar = torch.randn(2, 6, 5, generator=rng)
    parts = [kl_standard_normal(mu[:, [j]], logvar[:, [j]]) for j in range(5)]
    torch.testing.assert_close(kl_standard_normal(mu, logvar), torch.stack(parts).sum(0))


def test_the_reparameterized_gradient_is_unbiased():
    """The gradient of E |z|^2 = mu^2 + exp(logvar) is 2 mu and exp(logvar)."""
    n = 100_000
    mu = torch.tensor([0.7, -1.2]).expand(n, 2).clone().requires_grad_()
    logvar = torch.tensor([-1.0, 0.4]).expand(n, 2).clone().requires_grad_()
    torch.manual_seed(0)
    reparameterize(mu, logvar).square().sum().backward()
    for gradient, exact in ((mu.grad, 2 * mu[0]), (logvar.grad, logvar[0].exp())):
        error = 5 * gradient.std(0) / n**0.5
        assert ((gradient.mean(0) - exact).abs() < error).all()
        assert (error < 0.1).all()


# sums over pixels, one value per example, no broadcasting


@pytest.mark.parametrize("loss", PIXELWISE)
def test_an_image_twice_as_wide_costs_twice_as_much(loss, rng):
    recon, x = torch.randn(4, 1, 8, 8, generator=rng), torch.rand(4, 1, 8, 8, generator=rng)
    once, twice = loss(recon, x), loss(torch.cat([recon, recon], 3), torch.cat([x, x], 3))
    assert once.shape == (4,)
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize("loss", [*PIXELWISE, kl_standard_normal])
def test_each_example_has_its_own_value(loss, rng):
    a, b = torch.randn(6, 10, generator=rng), torch.rand(6, 10, generator=rng)
    one_by_one = torch.cat([loss(a[i : i + 1], b[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(loss(a, b), one_by_one)
    assert one_by_one.unique().numel() == 6


def test_twice_the_latent_dimensions_cost_twice_the_kl(rng):
    mu, logvar = torch.randn(4, 3, generator=rng), torch.randn(4, 3, generator=rng)
    twice = kl_standard_normal(torch.cat([mu, mu], 1), torch.cat([logvar, logvar], 1))
    torch.testing.assert_close(twice, 2 * kl_standard_normal(mu, logvar))


@pytest.mark.parametrize("loss", [*PIXELWISE, kl_standard_normal, reparameterize])
@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 8), other) for other in ((1, 8), (4, 1), (8,))]
    + [((4, 1, 8, 8), (4, 8, 8)), ((4, 64), (4, 8, 8))],
)
def test_wrong_shapes_raise_and_never_broadcast(loss, a, b):
    for first, second in ((a, b), (b, a)):
        with pytest.raises(ValueError, match="must have the same shape, got "):
            loss(torch.zeros(first), torch.zeros(second))


# the negative ELBO


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 4.0])
def test_negative_elbo_is_recon_loss_plus_beta_kl(make_vae, digits, beta):
    model, x = make_vae(), digits.x_test[:10]
    torch.manual_seed(0)
    terms = negative_elbo(model, x, beta=beta)
    torch.manual_seed(0)
    out = model(x)
    assert list(terms) == ["loss", "recon_loss", "kl"]
    assert all(term.shape == (10,) for term in terms.values())
    torch.testing.assert_close(terms["loss"], terms["recon_loss"] + beta * terms["kl"])
    torch.testing.assert_close(terms["recon_loss"], bernoulli_nll(out.logits, x))
    torch.testing.assert_close(terms["kl"], kl_standard_normal(out.mu, out.logvar))


def test_beta_is_one_unless_given(make_vae, digits):
    terms = negative_elbo(make_vae(), digits.x_test[:10])
    torch.testing.assert_close(terms["loss"], terms["recon_loss"] + terms["kl"])


def test_the_mean_does_not_depend_on_how_often_the_batch_is_repeated(make_vae, digits):
    model, x = make_vae(), digits.x_test[:10]
    kl = negative_elbo(model, x)["kl"].mean()
    torch.testing.assert_close(negative_elbo(model, x.repeat(7, 1, 1, 1))["kl"].mean(), kl)
    with torch.no_grad():
        few, many = (negative_elbo(model, x.repeat(n, 1, 1, 1))["recon_loss"] for n in (200, 400))
    assert abs(few.mean() / many.mean() - 1) < 0.02  # equal but for the noise of sampling z
