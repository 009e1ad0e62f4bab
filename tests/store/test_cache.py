"""The cache of trained models: a stale, damaged or half-written model is never used."""

import copy
import os
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
import torch
from helpers.toys import SETTINGS, X, copy_loss, make_model, same
from torch import nn

import tutorial_utils
from tutorial_utils import losses
from tutorial_utils.losses import negative_elbo
from tutorial_utils.store.files import models_dir, read_tensors
from tutorial_utils.store.fingerprint import fingerprint
from tutorial_utils.store.pretrained import ASSETS, PRETRAINED, load_pretrained
from tutorial_utils.store.shelf import shelf_path
from tutorial_utils.store.train import train_many, trained
from tutorial_utils.training import evaluate, fit, linear_warmup, local_seed

pytestmark = pytest.mark.usefixtures("empty_data_dir")


def train(name="toy", make_model=make_model, x=X, loss_fn=copy_loss, **settings):
    """`trained` with the settings of the toys and seed 0, without a word."""
    quiet = {"seed": 0, "show_progress": False}
    return trained(name, make_model, x, loss_fn, **{**SETTINGS, **quiet, **settings})


@pytest.fixture
def trainings(monkeypatch):
    """Every real training is noted here."""
    calls, real = [], nn.Module.train

    def train(self, mode=True):  # `fit` calls it; a stand-in for `fit` itself would change the key
        if mode and isinstance(self, nn.Linear) and (not calls or calls[-1] is not self):
            calls.append(self)
        return real(self, mode)

    monkeypatch.setattr(nn.Module, "train", train)
    return calls


# loaded instead of trained


def test_the_second_call_loads_the_same_and_does_not_train(trainings, capsys):
    torch.manual_seed(9)
    state = torch.get_rng_state()
    first, history = train(x_val=X[:5])
    assert len(trainings) == 1
    second, loaded = train(x_val=X[:5], show_progress=True)
    assert len(trainings) == 1
    assert same(first, second) and first is not second and loaded == history
    assert "toy: from the cache" in capsys.readouterr().out
    assert torch.equal(torch.get_rng_state(), state)
    assert [path.name.startswith("toy-") for path in models_dir().iterdir()] == [True]


def test_trained_gives_what_fit_gives():
    model, history = train()
    with local_seed(0):
        other = make_model()
    found = fit(other, X, copy_loss, **SETTINGS, seed=0, show_progress=False)
    assert found.train == history.train and same(model, other)


def test_the_folder_follows_the_variable(monkeypatch, tmp_path):
    assert models_dir().is_relative_to(os.environ["TUTORIAL_DATA"])
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "other"))
    train()
    assert len(list((tmp_path / "other").rglob("toy-*.safetensors"))) == 1


def test_retrain_bypasses_and_replaces(trainings):
    first, _ = train()
    (path,) = models_dir().iterdir()
    before = path.stat().st_ino
    again, _ = train(retrain=True)
    assert len(trainings) == 2 and same(first, again)
    assert [path] == list(models_dir().iterdir()) and path.stat().st_ino != before


def test_interrupted_training_is_not_kept():
    def stopped(model, x):
        raise KeyboardInterrupt

    _, history = train(loss_fn=stopped)
    assert history.interrupted and not list(models_dir().glob("*"))


def ready(model: nn.Module) -> bool:
    """In eval mode in all its parts, and frozen."""
    modes = [part.training for part in model.modules()]
    return not any([*modes, *(parameter.requires_grad for parameter in model.parameters())])


def test_models_come_ready_to_use_and_gradients_of_inputs_still_work():
    def make_deep():
        return nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 3))

    (fresh, _), (loaded, _) = train(make_model=make_deep), train(make_model=make_deep)
    job = {"make_model": make_deep, "x": X, "loss_fn": copy_loss, **SETTINGS, "seed": 0}
    ((many, _),) = train_many({"toy": job}, show_progress=False).values()
    assert all(map(ready, [fresh, loaded, many, load_pretrained()]))
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(fresh(x).sum(), x)
    assert torch.allclose(slope[0], (fresh[2].weight @ fresh[0].weight).sum(0))


def test_tied_weights_are_kept():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    (first, _), (second, _) = train(make_model=Tied), train(make_model=Tied)
    assert same(first, second) and second.a.weight is second.b.weight


def test_a_trained_model_is_trained_on_only_when_it_can_learn():
    model, _ = train()
    with pytest.raises(ValueError, match=r"make_model must .* call model.requires_grad_\(\) first"):
        train("more", lambda: model)
    more, _ = train("more", model.requires_grad_)
    assert more is not model and not same(more, model)


# anything that made it has changed

ONE_PIXEL = X.clone()
ONE_PIXEL[7, 1] += 1e-6


def weighted_loss(model, x, beta=1.0):
    return {"loss": beta * copy_loss(model, x)["loss"]}


@pytest.mark.parametrize(
    "changed",
    [
        {"make_model": lambda: nn.Linear(3, 3, bias=False)},
        {"make_model": lambda: nn.Sequential(nn.Linear(3, 3), nn.ReLU())},
        {"x": ONE_PIXEL},
        {"x": X[:39]},
        {"seed": 1},
        {"epochs": 3},
        {"batch_size": 17},
        {"lr": 1.1e-2},
        {"x_val": X[:5]},
        {"schedule": lambda progress: 0.5},
        {"beta": linear_warmup},
        {"loss_fn": copy_loss},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_change_trains_anew(trainings, changed):
    train(loss_fn=weighted_loss)
    n = len(trainings)
    train(**{"loss_fn": weighted_loss, **changed})
    assert len(trainings) > n and len(list(models_dir().iterdir())) == 2


def run(source: str, **names) -> dict[str, object]:
    """What a notebook has defined after running `source`."""
    space = {"__name__": "__main__", "torch": torch, "nn": nn, "np": np, "partial": partial}
    space |= {"losses": losses, **names}
    exec(textwrap.dedent(source), space)
    return space


def key_of(source: str, **names) -> str:
    """The fingerprint of the `thing` that `source` defines."""
    return fingerprint(run(source, **names)["thing"])


LOSS = """
    SCALE = 2.0
    def helper(a): return a.square()
    def thing(model, x):
        total = helper(model(x) - x) * SCALE
        return {"loss": total.sum(1) * 3.0}
"""
CLASS = """
    from functools import cached_property, lru_cache, partialmethod
    class thing(nn.Module):
        kinds = [1, 2]
        pull = torch.relu
        turn = partialmethod(lambda self, x, by: x * by, by=5)
        @staticmethod
        def act(x): return x * 2
        @property
        def size(self): return 4
        @cached_property
        def width(self): return 6
        @lru_cache
        def height(self): return 7
        def forward(self, x): return self.act(x) * self.size
"""
MODULE = """
    class Net(nn.Module):
        def __init__(self, activation, sizes, mean, mask):
            super().__init__()
            self.activation, self.sizes, self.mean = activation, sizes, mean
            self.register_buffer("mask", mask, persistent=False)
    thing = Net(torch.tanh, [1, 2], torch.zeros(2), torch.ones(2))
"""
HOOKS = """
    def first(module, args): return args[0] * 2
    def then(module, args, output): return output * 3
    def last(module, args, kwargs, output): return output * 4
    thing = nn.Sequential(nn.Identity())
    thing[0].register_forward_pre_hook(first)
    thing[0].register_forward_hook(then)
    thing[0].register_forward_hook(last, with_kwargs=True)
    thing.register_full_backward_hook(lambda module, inward, outward: inward)
"""
PRIVATE = """
    class Weighted(nn.Module):
        groups, factors = {1, 2}, np.ones(2)
        scaled = partial(torch.mul, other=1)
        def __init__(self, w):
            super().__init__()
            self._w, self.layer = w, nn.Linear(1, 1, bias=False)
    thing = Weighted(1.0)
    thing.layer.weight = nn.Parameter(torch.ones(1, 1), requires_grad=True)
    def loss(x): return x * loss.w
    loss.w = 3
    thing.loss = loss
"""


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (LOSS, "* 3.0", "* 4.0"),
        (LOSS, "SCALE = 2.0", "SCALE = 2.5"),
        (LOSS, "a.square()", "a.abs()"),
        (LOSS, "a.square()", "a.square() + 1"),
        (LOSS, ".sum(1)", ".mean(1)"),
        ("thing = partial(losses.negative_elbo, beta=1.0)", "1.0", "2.0"),
        ("thing = (lambda c: lambda model, x: x * c)(1.0)", "(1.0)", "(2.0)"),
        ("def thing(model, x, *, weight=1.0): return x * weight", "=1.0", "=2.0"),
        ("def thing(model, x, weight=1.0): return x * weight", "=1.0", "=2.0"),
        ("def thing(x): return [v * 2 for v in x]", "* 2", "* 3"),
        ("TABLE = {'a': [1, 2]}\ndef thing(x): return x * TABLE['a'][1]", "[1, 2]", "[1, 3]"),
        ("W = torch.ones(2)\ndef thing(x): return x * W", "ones", "zeros"),
        ("def f(x): return x\ndef g(x): return -x\nthing = [f, g, f]", "[f, g, f]", "[f, g, g]"),
        ("def thing(x): return x[..., 0]", "0", "1"),
        ("def thing(x): return x[1:3]", "3", "2"),
        (CLASS, "x * 2", "x * 3"),
        (CLASS, "return 4", "return 5"),
        (CLASS, "kinds = [1, 2]", "kinds = [1, 3]"),
        (CLASS, "torch.relu", "torch.tanh"),
        (CLASS, "by=5", "by=6"),
        (CLASS, "return 6", "return 7"),
        (CLASS, "return 7", "return 8"),
        (PRIVATE, "Weighted(1.0)", "Weighted(2.0)"),
        (PRIVATE, "{1, 2}", "{1, 3}"),
        (PRIVATE, "np.ones(2)", "np.ones(3)"),
        (PRIVATE, "other=1", "other=2"),
        (PRIVATE, "loss.w = 3", "loss.w = 4"),
        (PRIVATE, "grad=True", "grad=False"),
        ("def thing(m, x, a, b): return a - b", "x, a, b", "x, b, a"),
        ("def thing(x, *, a=1, b=2): return a - b", "a=1, b=2", "b=1, a=2"),
        ("def thing(model, a): return a", ", a)", ", *a)"),
        (MODULE, "torch.tanh", "torch.relu"),
        (MODULE, "[1, 2]", "[1, 3]"),
        (MODULE, "torch.zeros(2)", "torch.zeros(2) + 1"),
        (MODULE, "torch.ones(2)", "torch.zeros(2)"),
        (HOOKS, "* 2", "* 5"),
        (HOOKS, "* 3", "* 5"),
        (HOOKS, "kwargs=True", "kwargs=True, prepend=True"),
        (HOOKS, "_hook(last, with_kwargs=True)", "_hook(then)"),
        (HOOKS, ": inward", ": outward"),
        (HOOKS, "thing.register", "thing[0].register"),
    ],
    ids=lambda part: part.strip()[:24] if isinstance(part, str) else None,
)
def test_changed_code_or_values_have_another_key(source, old, new):
    assert old in source
    assert key_of(source) == key_of(source)
    assert key_of(source.replace(old, new)) != key_of(source)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A package of the learner's own with a module inside, own.deep, beside the notebook."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("")
    (tmp_path / "own" / "deep.py").write_text(
        "import logging\nlog = logging.getLogger()\ndef helper(x): return x * 2\n"
    )
    yield
    for name in ("own", "own.deep"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "source",
    [
        "import own.deep\ndef thing(x): return own.deep.helper(x)",
        "import own.deep as deep\ndef thing(x): return deep.helper(x)",
        "from own.deep import helper\ndef thing(x): return helper(x)",
        "import own.deep\ndef make(deep): return lambda x: deep.helper(x)\nthing = make(own.deep)",
        "def thing(x):\n import own.deep\n return own.deep.helper(x)",
        "def thing(x):\n import own.deep as deep\n return deep.helper(x)",
        "def thing(x):\n from own import deep\n return deep.helper(x)",
        "def thing(x):\n from own.deep import helper as f\n return f(x)",
        "def thing(x):\n def inner():\n  from own.deep import helper\n  return helper(x)",
        "class thing:\n def f(self, x):\n  from own.deep import helper\n  return helper(x)",
    ],
)
def test_own_code_counts_wherever_and_however_it_is_imported(own, source):
    before = key_of(source)
    exec("def helper(x): return x * 3", vars(sys.modules["own.deep"]))
    assert key_of(source) != before


def test_own_code_that_is_imported_when_it_is_first_used_counts(monkeypatch):
    source = "import tutorial_utils as vae\ndef thing(model, x): return vae.negative_elbo(model, x)"
    before = key_of(source)
    monkeypatch.delitem(
        vars(tutorial_utils), "negative_elbo", raising=False
    )  # it may be kept there
    monkeypatch.setattr(losses, "negative_elbo", copy_loss)
    assert key_of(source) != before


def test_what_a_package_has_loaded_meanwhile_does_not_count(monkeypatch):
    source = "import tutorial_utils as vae\ndef thing(model, x): return vae.negative_elbo(model, x)"
    before = key_of(source)
    monkeypatch.setattr("tutorial_utils.loaded_meanwhile", copy_loss, raising=False)
    assert key_of(source) == before


def test_a_union_of_types_counts_by_its_types():
    source = "KINDS = int | float\ndef thing(x): return isinstance(x, KINDS)"
    assert key_of(source) == key_of(source) != key_of(source.replace("float", "str"))


def test_a_library_that_a_function_imports_counts_by_its_version_and_may_be_missing(monkeypatch):
    source = "def thing(x):\n from safetensors import safe_open\n return safe_open(x)"
    before = key_of(source)
    monkeypatch.setattr("safetensors.__version__", "0.0")
    assert key_of(source) != before
    key_of("def thing(x):\n try:\n  import no_such_module\n except ImportError:\n  pass")


@pytest.mark.parametrize(
    "source",
    [
        "thing = object()",
        "class thing:\n    first, later = object(), 1",
        "from own import deep\ndef thing(x): return deep.log.info(x)",
        "def thing(x):\n from own.deep import log\n log.info(x)",
        "thing = nn.Identity()\nthing.register_forward_hook(object())",
        "class Scaled:\n def __init__(self): self.by, self.__wrapped__ = 2, id\nthing = Scaled()",
    ],
)
def test_something_unreadable_is_refused_and_named(own, source):
    with pytest.raises(TypeError, match=r"whether this (object|RootLogger|Scaled) has changed"):
        key_of(source)


def test_comments_layout_and_names_of_locals_do_not_count():
    other = LOSS.replace("total", "t").replace('return {"loss"', '# why\n\n        return {"loss"')
    assert other != LOSS and key_of(other) == key_of(LOSS)


def test_copying_or_pickling_an_object_does_not_change_its_key():
    """Python notes in the class what it learned when an instance is first copied."""
    plain = run("class Plain:\n    def __init__(self): self.a = 1")["Plain"]
    before = fingerprint(plain)
    copy.copy(plain())
    assert "__slotnames__" in vars(plain) and fingerprint(plain) == before


@pytest.mark.parametrize(
    ("module", "same_key"), [("__main__", True), ("tutorial_utils.models", False)]
)
def test_a_class_of_a_notebook_counts_whatever_the_order_of_its_parts(module, same_key):
    """cloudpickle rebuilds it in another process with sorted attributes; not a module's class."""
    parts = ["b = 2", "def f(self): return 1", "a = 1", "def e(self): return 2"]
    orders = [parts, sorted(parts), parts[::-1]]
    sources = ["\n    ".join(["class thing:", *order]) for order in orders]
    assert (len({key_of(source, __name__=module) for source in sources}) == 1) == same_key


@pytest.mark.parametrize(
    "source",
    [
        "from abc import ABC\nclass thing(ABC):\n    __slots__ = ('a', 'b')",
        "from typing import NamedTuple\nclass thing(NamedTuple):\n    a: int = 1",
        "with torch.random.fork_rng():\n    torch.manual_seed(0)\n    thing = nn.GRU(2, 3)",
    ],
    ids=["slots", "named tuple", "recurrent network"],
)
def test_what_python_and_torch_add_to_a_class_or_an_object_does_not_count(source):
    assert key_of(source) == key_of(source)


# damaged files


@pytest.mark.parametrize("damage", ["half a file", "another model's file"])
def test_a_damaged_file_is_said_and_the_model_trained_again(trainings, capsys, damage):
    first, _ = train()
    (path,) = models_dir().iterdir()
    train(seed=1)
    (other,) = set(models_dir().iterdir()) - {path}
    broken = path.read_bytes()[:-50] if damage == "half a file" else other.read_bytes()
    path.write_bytes(broken)
    again, _ = train()
    said = capsys.readouterr().out
    assert str(path) in said and "Making it again" in said
    assert len(trainings) == 3 and same(first, again)
    train()
    assert len(trainings) == 3 and capsys.readouterr().out == ""


# the shipped models


@pytest.mark.parametrize(("name", "k", "most"), [("vae_2d", 2, 136), ("vae_20d", 20, 98.5)])
def test_load_pretrained(name, k, most, mnist):
    model = load_pretrained(name)
    assert not model.training and model.latent_dim == k
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    # In nats; 0.2 of the loss is the seed of the samples.
    assert most - 3 < evaluate(model, mnist.x_test, negative_elbo)["loss"] < most


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_shipped_model_is_the_one_on_the_shelf(name):
    """If this fails: make pretrained."""
    entry = PRETRAINED[name][1]
    shipped, shelved = (
        read_tensors(path, key)[0]
        for path, key in ((ASSETS / f"{name}.safetensors", name), (shelf_path(entry), entry))
    )
    assert shipped.keys() == shelved.keys()
    assert all(torch.equal(shipped[each], shelved[each]) for each in shelved)


def test_another_model_is_not_shipped():
    with pytest.raises(ValueError, match="name must be one of 'vae_2d', 'vae_20d', got 'vae'"):
        load_pretrained("vae")
