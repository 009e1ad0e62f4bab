"""The cache of trained models: a stale, damaged or half-written model is never used."""

import copy
import os
import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tutorial_utils import losses
from tutorial_utils.losses import negative_elbo, squared_error
from tutorial_utils.store import train as cache
from tutorial_utils.store.files import models_dir
from tutorial_utils.store.fingerprint import fingerprint
from tutorial_utils.store.shelf import load_pretrained
from tutorial_utils.store.train import train_many, trained
from tutorial_utils.training import evaluate

pytestmark = pytest.mark.usefixtures("empty_data_dir")

X = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
SETTINGS = {"seed": 0, "epochs": 2, "batch_size": 16, "lr": 1e-2, "show_progress": False}


def make_model():
    return nn.Linear(3, 3)


def copy_loss(model, x):
    return {"loss": squared_error(model(x), x)}


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(p, q)
        for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


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
    first, history = trained("toy", make_model, X, copy_loss, **SETTINGS, x_val=X[:5])
    assert len(trainings) == 1
    state = torch.get_rng_state()
    second, loaded = trained(
        "toy", make_model, X, copy_loss, **{**SETTINGS, "show_progress": True}, x_val=X[:5]
    )
    assert len(trainings) == 1
    assert same(first, second) and first is not second and loaded == history
    assert not first.training and not second.training
    assert "toy: from the cache" in capsys.readouterr().out
    assert torch.equal(torch.get_rng_state(), state)
    assert [path.name.startswith("toy-") for path in models_dir().iterdir()] == [True]


def test_trained_gives_what_fit_gives(capsys):
    model, history = trained("toy", make_model, X, copy_loss, **SETTINGS)
    with cache.local_seed(0):
        other = make_model()
    assert cache.fit(other, X, copy_loss, **SETTINGS).train == history.train and same(model, other)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    for retrain in (False, False, True):
        trained("toy", make_model, X, copy_loss, **SETTINGS, retrain=retrain)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_folder_follows_the_variable(monkeypatch, tmp_path):
    assert models_dir().is_relative_to(os.environ["TUTORIAL_DATA"])
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "other"))
    trained("toy", make_model, X, copy_loss, **SETTINGS)
    assert len(list((tmp_path / "other").rglob("toy-*.safetensors"))) == 1


def test_retrain_bypasses_and_replaces(trainings):
    first, _ = trained("toy", make_model, X, copy_loss, **SETTINGS)
    (path,) = models_dir().iterdir()
    before = path.stat().st_ino
    again, _ = trained("toy", make_model, X, copy_loss, **SETTINGS, retrain=True)
    assert len(trainings) == 2 and same(first, again)
    assert [path] == list(models_dir().iterdir()) and path.stat().st_ino != before


def test_interrupted_training_is_not_kept(capsys):
    def stopped(model, x):
        raise KeyboardInterrupt

    _, history = trained("toy", make_model, X, stopped, **SETTINGS)
    assert history.interrupted and not list(models_dir().glob("*"))


def ready(model: nn.Module) -> bool:
    """In eval mode in all its parts, and frozen."""
    modes = [part.training for part in model.modules()]
    return not any([*modes, *(parameter.requires_grad for parameter in model.parameters())])


def test_models_come_ready_to_use_and_gradients_of_inputs_still_work():
    def make_deep():
        return nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 3))

    fresh, _ = trained("toy", make_deep, X, copy_loss, **SETTINGS)
    loaded, _ = trained("toy", make_deep, X, copy_loss, **SETTINGS)
    job = {"make_model": make_deep, "x": X, "loss_fn": copy_loss, **SETTINGS}
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

    first, _ = trained("tied", Tied, X, copy_loss, **SETTINGS)
    second, _ = trained("tied", Tied, X, copy_loss, **SETTINGS)
    assert same(first, second) and second.a.weight is second.b.weight


# anything that made it has changed

ONE_PIXEL = X.clone()
ONE_PIXEL[7, 1] += 1e-6


@pytest.mark.parametrize(
    "changed",
    [
        {"make_model": lambda: nn.Linear(3, 3, bias=False)},
        {"make_model": lambda: nn.Sequential(nn.Linear(3, 3), nn.ReLU())},
        {"x": ONE_PIXEL},
        {"x": X[:39]},
        {"x": X.double().float() + 0.5},
        {"seed": 1},
        {"epochs": 3},
        {"batch_size": 17},
        {"lr": 1.1e-2},
        {"x_val": X[:5]},
        {"schedule": lambda progress: 0.5},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_change_trains_anew(trainings, changed):
    arguments = {"make_model": make_model, "x": X, "loss_fn": copy_loss, **SETTINGS}
    trained("toy", **arguments)
    n = len(trainings)
    trained("toy", **{**arguments, **changed})
    assert len(trainings) > n and len(list(models_dir().iterdir())) == 2


def key_of(source: str, **names) -> str:
    """The fingerprint of `thing` after running `source`, as a notebook would define it."""
    space = {
        "__name__": "__main__",
        "torch": torch,
        "nn": nn,
        "np": np,
        "partial": partial,
        "losses": losses,
        **names,
    }
    exec(textwrap.dedent(source), space)
    return fingerprint(space["thing"])


LOSS = """
    SCALE = 2.0
    def helper(a): return a.square()
    def thing(model, x):
        total = helper(model(x) - x) * SCALE
        return {"loss": total.sum(1) * 3.0}
"""
CLASS = """
    class thing(nn.Module):
        kinds = [1, 2]
        @staticmethod
        def act(x): return x * 2
        @property
        def size(self): return 4
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
    ],
    ids=lambda part: part.strip()[:24] if isinstance(part, str) else None,
)
def test_changed_code_or_values_have_another_key(source, old, new):
    assert old in source
    assert key_of(source) == key_of(source)
    assert key_of(source.replace(old, new)) != key_of(source)


def test_own_code_reached_through_a_module_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_losses.py").write_text("def helper(x): return x * 2\n")
    import own_losses

    source = "def thing(model, x): return own_losses.helper(x)"
    before = key_of(source, own_losses=own_losses)
    exec("def helper(x): return x * 3", vars(own_losses))
    changed = key_of(source, own_losses=own_losses) != before
    del sys.modules["own_losses"]
    assert changed


def test_comments_layout_and_names_of_locals_do_not_count():
    other = LOSS.replace("total", "t").replace('return {"loss"', '# why\n\n        return {"loss"')
    assert other != LOSS and key_of(other) == key_of(LOSS)


def test_the_key_is_the_same_in_another_process():
    code = """
        from functools import partial
        from tutorial_utils import fit, negative_elbo
        from tutorial_utils.store.fingerprint import fingerprint
        print(fingerprint(partial(negative_elbo, beta=2), fit, {'a', 'b'}))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    keys = {
        subprocess.check_output(command, env={**os.environ, "PYTHONHASHSEED": seed}, text=True)
        for seed in ("1", "2")
    }
    assert len(keys) == 1 and len(keys.pop()) == 21


def test_copying_or_pickling_an_object_does_not_change_its_key():
    """Python notes in the class what it learned when an instance is first copied."""
    space = {"__name__": "__main__"}
    exec("class Plain:\n    def __init__(self): self.a = 1", space)
    before = fingerprint(space["Plain"])
    copy.copy(space["Plain"]())
    assert "__slotnames__" in vars(space["Plain"]) and fingerprint(space["Plain"]) == before


@pytest.mark.parametrize(
    ("module", "same_key"), [("__main__", True), ("tutorial_utils.models", False)]
)
def test_a_class_of_a_notebook_counts_whatever_the_order_of_its_parts(module, same_key):
    """cloudpickle rebuilds it in another process with sorted attributes; not a module's class."""
    parts = ["b = 2", "def f(self): return 1", "a = 1", "def e(self): return 2"]
    keys = set()
    for order in (parts, sorted(parts), parts[::-1]):
        space = {"__name__": module}
        exec("class Some:\n" + "".join(f"    {part}\n" for part in order), space)
        keys.add(fingerprint(space["Some"]))
    assert (len(keys) == 1) == same_key


def test_a_recurrent_network_can_be_read():
    with cache.local_seed(0):
        network = nn.GRU(2, 3)
    assert fingerprint(network) == fingerprint(copy.deepcopy(network)) != fingerprint(nn.GRU(2, 3))


def test_a_trained_model_is_trained_on_only_when_it_can_learn():
    model, _ = trained("toy", make_model, X, copy_loss, **SETTINGS)
    with pytest.raises(ValueError, match=r"make_model must .* call model.requires_grad_\(\) first"):
        trained("more", lambda: model, X, copy_loss, **SETTINGS)
    more, _ = trained("more", model.requires_grad_, X, copy_loss, **SETTINGS)
    assert more is not model and not same(more, model)


def test_something_unreadable_is_refused_and_named():
    with pytest.raises(TypeError, match="cannot tell whether this object has changed"):
        fingerprint(object())


# damaged files, races


@pytest.mark.parametrize("damage", ["half a file", "another model's file"])
def test_a_damaged_file_is_said_and_the_model_trained_again(trainings, capsys, damage):
    first, _ = trained("toy", make_model, X, copy_loss, **SETTINGS)
    (path,) = models_dir().iterdir()
    trained("toy", make_model, X, copy_loss, **{**SETTINGS, "seed": 1})
    (other,) = set(models_dir().iterdir()) - {path}
    broken = path.read_bytes()[:-50] if damage == "half a file" else other.read_bytes()
    path.write_bytes(broken)
    again, _ = trained("toy", make_model, X, copy_loss, **SETTINGS)
    said = capsys.readouterr().out
    assert str(path) in said and "Making it again" in said
    assert len(trainings) == 3 and same(first, again)
    trained("toy", make_model, X, copy_loss, **SETTINGS)
    assert len(trainings) == 3 and capsys.readouterr().out == ""


def test_four_processes_racing_all_end_with_the_same_model(tmp_path):
    code = """
        import sys, time, torch
        from torch import nn
        from tutorial_utils.store.train import train_many, trained
        from tutorial_utils.losses import squared_error
        def loss(model, x): return {"loss": squared_error(model(x), x)}
        torch.set_num_threads(1)
        x = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(3):
            model, _ = trained("race", lambda: nn.Linear(3, 3), x, loss, seed=0, epochs=3, lr=1e-2,
                               batch_size=20, show_progress=False, retrain=bool(_ % 2))
        print(model.weight.detach().numpy().tobytes().hex())
    """
    (tmp_path / "race.py").write_text(textwrap.dedent(code))
    pipe = {**dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE), "text": True}
    racers = [
        subprocess.Popen([sys.executable, str(tmp_path / "race.py")], **pipe) for _ in range(4)
    ]
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 4
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    results = [racer.communicate(timeout=120) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4, results
    assert len({out for out, _ in results}) == 1 and len(results[0][0].strip()) == 72
    assert [path.suffix for path in models_dir().iterdir()] == [".safetensors"]


# the shipped model


def test_load_pretrained(mnist):
    model = load_pretrained("vae_2d")
    assert not model.training and model.latent_dim == 2
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    test = evaluate(model, mnist.x_test, negative_elbo)
    assert (
        135 < test["loss"] < 139 and 6.5 < test["kl"] < 7.5
    )  # in nats; 0.2 of it is the seed of the samples
    with pytest.raises(ValueError, match="name must be one of 'vae_2d', got 'vae'"):
        load_pretrained("vae")
