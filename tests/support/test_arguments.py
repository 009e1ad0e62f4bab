"""What every function says about a wrong argument: its name, what was given, what is allowed."""

import math

import pytest
import torch

from tutorial_utils.support.arguments import (
    finite,
    float_tensor,
    one_of,
    positive_int,
    positive_number,
    same_shape,
)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None, math.nan, torch.tensor(3)])
def test_positive_int_rejects_and_names(value):
    with pytest.raises(
        ValueError, match=r"^epochs must be a whole number of at least 1, got "
    ) as caught:
        positive_int("epochs", value)
    assert repr(value) in str(caught.value)


def test_positive_int_accepts_up_to_its_limit():
    assert positive_int("n", 1) == 1
    assert positive_int("n", 1000, at_most=1000) == 1000
    with pytest.raises(ValueError, match=r"^n must be a whole number from 1 to 1,000, got 1001$"):
        positive_int("n", 1001, at_most=1000)


@pytest.mark.parametrize("value", [0, -1e-9, math.inf, math.nan, True, "1", None, 1j])
def test_positive_number_rejects_and_names(value):
    with pytest.raises(ValueError, match=r"^lr must be a finite number above 0, got ") as caught:
        positive_number("lr", value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [1, 0.5, 1e-300, 1e300])
def test_positive_number_accepts(value):
    assert positive_number("lr", value) == value


def test_one_of_names_everything_allowed():
    assert one_of("name", "b", ("a", "b")) == "b"
    with pytest.raises(ValueError, match=r"^name must be one of 'a', 'b', got 'c'$"):
        one_of("name", "c", ("a", "b"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "NoneType"),
        ([1.0], "list"),
        (3.0, "float"),
        (torch.arange(3), "a tensor of torch.int64"),
    ],
)
def test_float_tensor_rejects_other_types(value, said):
    with pytest.raises(TypeError, match=rf"^x must be a tensor of floats, got {said}"):
        float_tensor("x", value)


def test_float_tensor_rejects_empty_and_wrong_axes():
    x = torch.zeros(2, 3)
    assert float_tensor("x", x) is x
    assert float_tensor("x", x, ndim=2) is x
    with pytest.raises(
        ValueError, match=r"^x must be a non-empty tensor with 4 axes, got shape \[2, 3\]$"
    ):
        float_tensor("x", x, ndim=4)
    with pytest.raises(ValueError, match=r"^x must be a non-empty tensor, got shape \[0, 3\]$"):
        float_tensor("x", x[:0])


@pytest.mark.parametrize(
    ("a", "b"), [((2, 1), (2, 3)), ((3,), (2, 3)), ((), (1,)), ((2, 3), (3, 2))]
)
def test_same_shape_never_accepts_what_would_broadcast_or_differ(a, b):
    with pytest.raises(ValueError, match=r"^mean and x must have the same shape, got ") as caught:
        same_shape("mean", torch.zeros(a), "x", torch.zeros(b))
    assert str(list(a)) in str(caught.value) and str(list(b)) in str(caught.value)


def test_finite_counts_what_is_not():
    x = torch.tensor([1.0, math.nan, math.inf, -math.inf])
    assert finite("x", x[:1]).item() == 1
    with pytest.raises(ValueError, match=r"^x must be finite, got 3 NaN or infinite entries$"):
        finite("x", x)
