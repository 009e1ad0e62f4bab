"""Matrix products: oneDNN's are used where they are float32, and only inside."""

import pytest
import torch
from torch.nn import Linear
from torch.nn.functional import linear

from tutorial_utils.support import matmul
from tutorial_utils.support.matmul import fast_matmul
from tutorial_utils.training import evaluate, fit

switch = torch.backends.mkldnn
pytestmark = pytest.mark.skipif(
    not hasattr(switch, "matmul"), reason="this torch has no switch to oneDNN"
)


def setting() -> str:
    return switch.matmul.fp32_precision


def settings_seen(work) -> set[str]:
    """The settings under which `work` calls a loss, on two batches and backwards."""
    seen = set()

    def loss(model, x):
        out = model(x)
        seen.add(setting())
        if out.requires_grad:
            out.register_hook(lambda _: seen.add(setting()))
        return {"loss": out.square().flatten(1).sum(1)}

    work(Linear(3, 2), torch.rand(8, 3), loss)
    return seen


def train(model, x, loss):
    fit(model, x, loss, epochs=1, batch_size=4, lr=0.1, seed=0, show_progress=False)


@pytest.mark.parametrize("shape", [(128, 784, 400), (64, 10, 3), (1, 784, 1), (2000, 20, 200)])
def test_products_inside_are_as_exact_as_float32_allows(shape):
    n, n_in, n_out = shape
    generator = torch.Generator().manual_seed(1)
    x, weight, gradient = (
        torch.randn(s, generator=generator) for s in ((n, n_in), (n_out, n_in), (n, n_out))
    )
    with fast_matmul():
        found = linear(x, weight), gradient @ weight, gradient.T @ x
    x, weight, gradient = x.double(), weight.double(), gradient.double()
    for product, exact in zip(
        found, (x @ weight.T, gradient @ weight, gradient.T @ x), strict=True
    ):
        assert (product.double() - exact).abs().max() < 1e-5 * exact.abs().max() + 1e-5


@pytest.mark.parametrize("work", [train, evaluate])
def test_training_and_evaluation_use_onednn_where_it_is_exact(work, monkeypatch):
    monkeypatch.setattr(matmul, "_error_of_onednn", lambda: 1e-5)
    assert settings_seen(work) == {matmul.ONEDNN}
    assert setting() != matmul.ONEDNN


def test_where_onednn_rounds_nothing_changes(monkeypatch):
    monkeypatch.setattr(matmul, "_error_of_onednn", lambda: 0.1)
    assert settings_seen(train) == {setting()}


def test_a_torch_without_the_switch_trains_too(monkeypatch):
    seen = []
    monkeypatch.setattr(torch.backends, "mkldnn", object())
    with fast_matmul():
        seen.append(True)
    assert seen


def test_the_error_is_measured_with_onednn_and_the_setting_comes_back(monkeypatch):
    seen, before = set(), setting()

    def rounded(a, b):
        seen.add(setting())
        return (a.bfloat16() @ b.bfloat16()).float() if a.dtype == torch.float32 else torch.mm(a, b)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    assert matmul._error_of_onednn.__wrapped__() > 1e-2
    assert matmul.ONEDNN in seen
    assert setting() == before


def test_after_an_error_the_setting_is_what_it_was():
    before = setting()
    with pytest.raises(RuntimeError, match="mine"), fast_matmul(), fast_matmul():
        raise RuntimeError("mine")
    assert setting() == before
