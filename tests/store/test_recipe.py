"""Recipes: the same on every Python and torch, and changed by whatever changes a number."""

import functools
import linecache
import textwrap

import pytest
import torch
from torch import nn

from tutorial_utils.losses import negative_elbo
from tutorial_utils.models import mlp
from tutorial_utils.store.recipe import differences, digest, recipe, text_of

SOURCE = '''
import torch
from functools import partial
from torch import nn

width, x, unused = 4, torch.arange(3.0), 7


def scaled(value, factor=2.0):
    """A docstring."""
    if factor < 0:
        raise ValueError(f"factor must be positive, got {factor!r}, not {{}}")
    return value * factor  # a comment


class Net(nn.Module):
    """Another docstring."""

    slope = 0.1

    def __init__(self, n):
        super().__init__()
        self.layer = nn.Linear(n, width)

    @property
    def size(self):
        return scaled(width)


def make_model(n, unused=1):
    first = Net(n)
    return [first, lambda value: scaled(value), f"{n:>{width}}", x.sum()]
'''


def names_of(source: str) -> dict:
    """What a module with this source defines; its functions know their source, as in a notebook."""
    file = f"cell {hash(source)}.py"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    names = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), names)
    return names


def of(source: str, name: str = "make_model") -> str:
    """The digest of a function of this source."""
    return digest(names_of(source)[name])


def test_it_is_the_same_everywhere():
    """Computed with Python 3.10 to 3.13, and with the oldest and the newest torch."""
    assert of(SOURCE) == "d5586689f21e0206"
    parts = {"epochs": 20, "lr": 4e-3, "seed": 0, "on": True, "x_val": torch.ones(2)}
    found = recipe(functools.partial(mlp, [4, 2]), negative_elbo, data="abc", **parts)
    assert digest(found) == "c3776072365ff593"
    assert found["lr"] == "0.004" and found["epochs"] == "20" and found["data"] == "abc"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # a comment", ""),
        ("A docstring", "Other words"),
        ('    """Another docstring."""\n', ""),
        ("factor must be positive", "factor is too small"),
        ("first = Net(n)", "first = Net(\n        n\n    )"),
        ("return value * factor", "return value*factor"),
        ("unused = 4, torch.arange(3.0), 7", "unused = 4, torch.arange(3.0), 8"),
    ],
)
def test_what_changes_no_number_changes_nothing(old, new):
    assert old in SOURCE and of(SOURCE.replace(old, new)) == of(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width, x, unused = 4", "width, x, unused = 5"),
        ("arange(3.0)", "arange(4.0)"),
        ("factor=2.0", "factor=3.0"),
        ("value * factor", "value + factor"),
        ("slope = 0.1", "slope = 0.2"),
        ("nn.Linear(n, width)", "nn.Linear(n, width, False)"),
        ("return scaled(width)", "return width"),
        ("unused=1", "unused=2"),
    ],
)
def test_what_changes_a_number_changes_it(old, new):
    assert old in SOURCE and of(SOURCE.replace(old, new)) != of(SOURCE)


def test_values_count():
    def add(n):
        return lambda value: value + n

    values = [1, 1.0, "1", True, None, [1], [[1]], {"a": 1}, {"a": 2}, torch.ones(2), torch.ones(3)]
    values += [add(1), add(2), functools.partial(add, 1), nn.Linear, nn.GELU, torch.float32]
    values += [torch.ones(2).double(), torch.zeros(2), mlp([3, 2]), torch.Size([1]), b"1"]
    assert len({digest(value) for value in values}) == len(values)


def test_what_has_no_description_is_refused():
    with pytest.raises(TypeError, match="no recipe can be written down of a Generator"):
        digest([torch.Generator()])


def test_differences_are_said_by_name():
    ours = {"data": "ab", "epochs": "5", "network": "#1", "seed": "0"}
    theirs = {"data": "cd", "epochs": "20", "network": "#2", "seed": "0"}
    said = ["data has changed", "epochs is 5, not 20", "network has changed"]
    assert differences(ours, theirs) == said
    assert differences(ours, ours) == []
    assert differences(ours | {"lr": "1"}, ours) == ["lr is 1, not missing"]


def test_indentation_counts():
    inside = "def f(a):\n    for b in a:\n        c = b\n        d = c\n"
    assert text_of(inside) != text_of(inside.replace("        d", "    d"))
    assert text_of(textwrap.indent(inside, "    ")) == text_of(inside)


def test_a_tensor_that_has_changed_is_hashed_again():
    x = torch.zeros(3)
    before = digest(x)
    assert digest(x) == before == digest(torch.zeros(3)) == digest(torch.zeros(3).numpy())
    x[0] = 1
    assert digest(x) == digest(torch.tensor([1.0, 0.0, 0.0])) != before
    with torch.inference_mode():
        x = torch.zeros(3)
        assert digest(x) == before
        x[0] = 1
        assert digest(x) != before
