"""Many trainings side by side: the same models as one after another, and no finished one lost."""

import hashlib
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import joblib
import numpy as np
import pytest
import torch
from helpers.toys import SETTINGS, X, kept, make_model, same, weights, written
from torch import nn

from tutorial_utils.losses import negative_elbo, squared_error
from tutorial_utils.store import jobs as jobs_module
from tutorial_utils.store.files import CachedFile, models_dir, read_tensors
from tutorial_utils.store.jobs import run_jobs
from tutorial_utils.store.train import SharedData, plan_training, train_many, trained

pytestmark = pytest.mark.usefixtures("empty_data_dir")
needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
quietly = partial(train_many, show_progress=False)


def where(model, x):
    """A loss that notes its process and its number of threads."""
    pid, threads = os.getpid(), torch.get_num_threads()
    place = {"pid": torch.tensor(float(pid)), "threads": torch.tensor(float(threads))}
    return {"loss": squared_error(model(x), x), **place}


def jobs_of(loss_fn, n: int, **settings) -> dict[str, dict]:
    """Jobs a, b, ... that differ in their seed."""
    job = {"make_model": make_model, "x": X, "loss_fn": loss_fn, "device": "cpu"}
    job |= {**SETTINGS, **settings}
    return {chr(ord("a") + seed): {**job, "seed": seed} for seed in range(n)}


def pids(results) -> set[float]:
    return {pid for _, history in results.values() for pid in history.train["pid"]}


@pytest.fixture
def two_threads():
    """This process has two threads, so that one is a change."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


# ---- the same as one after another ----


def test_side_by_side_or_one_after_another_gives_the_same(make_vae, two_threads):
    images = torch.rand(80, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    common = {"make_model": make_vae, "x": images, "x_val": images[:9], "device": "cpu", **SETTINGS}
    jobs = {
        f"beta{beta}": {**common, "loss_fn": partial(negative_elbo, beta=beta), "seed": beta}
        for beta in (3, 1, 2)
    }
    torch.manual_seed(9)
    state = torch.get_rng_state()
    together = train_many(jobs, n_jobs=2)
    alone = train_many(jobs, n_jobs=1, retrain=True)
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == 2
    assert list(together) == list(alone) == list(jobs)
    for name in jobs:
        (model, history), (other, other_history) = together[name], alone[name]
        assert same(model, other) and not model.training and not other.training
        assert history._replace(seconds=[]) == other_history._replace(seconds=[])
        assert len(history.seconds) == 2


def test_what_is_kept_is_what_trained_looks_for(capsys):
    results = quietly(jobs_of(where, 3), n_jobs=1)
    files = written()
    for name, job in jobs_of(where, 3).items():
        model, history = trained(name, **job)
        assert same(model, results[name][0]) and history == results[name][1]
    assert capsys.readouterr().out.count("from the cache") == 3
    again = train_many(jobs_of(where, 3), n_jobs=2)
    assert capsys.readouterr().out == "" and files == written()
    assert all(again[name][1] == results[name][1] for name in results)


def test_only_the_missing_are_trained_and_where(two_threads):
    here = {float(os.getpid())}
    first = train_many(jobs_of(where, 1), n_jobs=2)
    assert pids(first) == here, "one alone is trained in this process"
    both = train_many(jobs_of(where, 3), n_jobs=2)
    assert both["a"][1] == first["a"][1]
    elsewhere = pids({name: both[name] for name in "bc"})
    assert not elsewhere & here, "two are trained in others"
    again = jobs_of(where, 3)
    again["b"]["retrain"] = True
    assert pids(train_many(again, n_jobs=1)) > here, "one is trained anew, whatever the call says"
    assert {n for _, history in both.values() for n in history.train["threads"]} == {1.0}


def test_several_tensors_and_labels():
    def loss(model, x, y):
        return {"loss": (model(x).sum(1) - y).square()}

    jobs = jobs_of(loss, 2, x=[X, torch.arange(40)], x_val=[X[:7], torch.ones(7)])
    model, history = train_many(jobs, n_jobs=2)["a"]
    other, other_history = trained("other", **jobs["a"])
    assert torch.allclose(weights(model), weights(other))
    assert history.val.keys() == other_history.val.keys()
    assert history.val["loss"] == pytest.approx(other_history.val["loss"])


def kind(job) -> tuple[str, bool]:
    """How the array of a job arrived: as a map of a file or as a copy."""
    (array,) = job.arrays
    return type(array).__name__, torch.from_numpy(array).sum().item() == array.size


def test_a_big_tensor_is_shared_not_copied():
    big = torch.ones(600, 784)
    jobs = jobs_of(where, 2, x=big, make_model=lambda: nn.Linear(784, 784))
    shared = SharedData()
    planned = [plan_training(name, shared, **job) for name, job in jobs.items()]
    (first,), (second,) = (job.arrays for job in planned)
    assert first is second and np.shares_memory(first, big.numpy())
    assert set(run_jobs(kind, planned, 2)) == {("memmap", True)}


def test_an_outer_joblib_backend_is_followed():
    with joblib.parallel_config(backend="threading"):
        inside = train_many(jobs_of(where, 3), n_jobs=3)
    assert pids(inside) == {float(os.getpid())}
    outside = train_many(jobs_of(where, 3), n_jobs=1, retrain=True)
    assert all(same(inside[name][0], outside[name][0]) for name in inside)


# ---- what it says ----


def test_one_clean_line_with_count_and_time(capsys):
    train_many(jobs_of(where, 3), n_jobs=2)
    out, err = capsys.readouterr()
    assert re.fullmatch(r"trained 3 of 3 \|█+\| 00:\d\d *\n", out[out.rindex("\r") + 1 :])
    assert out.count("\n") == 1 and err == ""
    quietly(jobs_of(where, 2), n_jobs=1, retrain=True)
    assert capsys.readouterr() == ("", "")


def test_what_a_loss_prints_arrives(capsys):
    def talking(model, x):
        print(f"seed {os.getpid() > 0}")
        return where(model, x)

    quietly(jobs_of(talking, 2, epochs=1, batch_size=40), n_jobs=2)
    assert capsys.readouterr().out == "seed True\n" * 2


FAILED = r"(?s)b: failed, the others of 2 are kept.*\n"


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"x": [1, 2]}, TypeError, "job 'b': "),
        ({"loss_fn": threading.Lock()}, TypeError, "job 'b': cannot tell whether this lock has"),
        ({"x_val": X.long()}, TypeError, "job 'b': x_val must be a tensor of floats"),
        ({"seed": 0.5}, ValueError, "job 'b': seed must be a whole number, got 0.5"),
        ({"epochs": 0}, RuntimeError, f"{FAILED}ValueError: epochs must be a whole"),
        ({"epoch": 1}, RuntimeError, f"{FAILED}TypeError: .*'epoch'"),
    ],
)
def test_a_wrong_job_is_named(change, error, said):
    jobs = jobs_of(where, 2)
    jobs["b"] |= change
    with pytest.raises(error, match=said):
        quietly(jobs, n_jobs=1)


def test_a_wrong_name_or_number_of_processes_is_named():
    (job,) = jobs_of(where, 1).values()
    with pytest.raises(ValueError, match="job 'b/c': name must consist of"):
        train_many({"b/c": job})
    with pytest.raises(ValueError, match="n_jobs must be a whole number of at least 1, got 0"):
        train_many({"a": job}, n_jobs=0)


# ---- what goes wrong ----


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_failed_job_is_named_and_loses_no_other(n_jobs):
    jobs = jobs_of(where, 4)
    jobs |= {name: {**jobs[name], "lr": 1e38, "epochs": 40} for name in "bd"}
    said = r"(?s)(b, d|d, b): failed, the others of 4 are kept. [bd]:\nTraceback.*\nFloatingPoint"
    with pytest.raises(RuntimeError, match=said):
        quietly(jobs, n_jobs=n_jobs)
    assert kept() == {"a", "c"}


CALLS = 0


def test_a_loss_that_changes_what_it_reads_is_refused():
    def counting(model, x):
        global CALLS
        CALLS += 1
        return {"loss": squared_error(model(x), x) * CALLS}

    with pytest.raises(RuntimeError, match=r"(?s)^b: failed.*RuntimeError: its code, or a value"):
        quietly(jobs_of(counting, 2), n_jobs=1)
    assert kept() == {"a"}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_without_room_on_the_disk_the_models_come_all_the_same(n_jobs, capsys):
    models_dir().parent.mkdir(parents=True)
    models_dir().write_text("a file where the folder should be")
    results = quietly(jobs_of(where, 2), n_jobs=n_jobs)
    said = capsys.readouterr().out
    assert all(f"{name}: made, but not saved: " in said for name in "ab")
    models_dir().unlink()
    again = quietly(jobs_of(where, 2), n_jobs=1)
    assert all(same(results[name][0], again[name][0]) for name in "ab")


def test_a_file_that_another_machine_wrote_is_missed_not_ignored(monkeypatch):
    monkeypatch.setattr(CachedFile, "save", lambda *_: True)
    said = r"^a: failed, .*\nits file is not on this machine: .*a-\w+.safetensors"
    with pytest.raises(RuntimeError, match=said):
        quietly(jobs_of(where, 1))


def test_what_a_process_sends_back_fits_into_a_pipe():
    """More would keep it, and its memory, forever when its parent is killed."""
    large = {"x": torch.rand(20, 400), "make_model": lambda: nn.Linear(400, 400)}
    job = plan_training("a", SharedData(), **jobs_of(where, 1, **large)["a"])
    assert len(pickle.dumps(jobs_module._run(job))) < 10_000 and kept() == {"a"}


def test_ctrl_c_stops_a_training_in_this_process():
    def stopped(model, x):
        raise KeyboardInterrupt

    jobs = jobs_of(where, 1) | {"b": jobs_of(stopped, 2)["b"]}
    with pytest.raises(KeyboardInterrupt):
        quietly(jobs, n_jobs=1)
    assert kept() == {"a"}


NOTEBOOK = """
    import functools, os, signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells may have switched off
    import torch
    from torch import nn
    import torch.nn.functional as F
    from tutorial_utils.store.train import train_many, trained
    from tutorial_utils.losses import negative_elbo, squared_error

    X = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
    SCALE, WEIGHTS, SETS = 2.0, torch.arange(4.0), {"b", "a", "c"}

    class Base(nn.Module):
        "A class of the notebook."
        width: int = 5
        kinds = ("x", {"y": [1, 2]})
        clip = torch.clamp
        def __init__(self, act=torch.tanh):
            super().__init__()
            self.act, self.layer = act, nn.Linear(4, 4)
            self.layer.register_forward_hook(lambda module, args, output: output * SCALE)
            self.register_forward_pre_hook(self.check)
        def check(self, module, args):
            from helpers.toys import X
            assert X.ndim == args[0].ndim
        @property
        def twice(self): return 2 * self.width
        @staticmethod
        def double(x): return x * 2
        @classmethod
        def name(cls): return cls.__qualname__
        def forward(self, x): return self.act(self.layer(self.double(x)))

    class Sub(Base):
        def forward(self, x): return super().forward(x) + self.twice

    class Tied(Base):
        def __init__(self):
            super().__init__(lambda x: x * SCALE)
            self.other = self.layer

    def helper(model, x): return squared_error(model(x), x) * SCALE
    def plain(model, x): return {"loss": helper(model, x), "sets": x.new_tensor(len(SETS))}
    def closure(by):
        @torch.enable_grad()
        def loss(model, x):
            def inner(y): return y * by
            return {"loss": (inner(F.softplus(model(x))) @ WEIGHTS).square()}
        return loss
    def keyword(model, x, *, by, of=X[0]): return {"loss": helper(model, x) * by + of.sum()}
    losses = [plain, closure(3.0), functools.partial(keyword, by=2)]
    losses += [lambda m, x: {"loss": [helper][0](m, x)}]

    makes = [Base, Sub, Tied, lambda: nn.Sequential(Base(torch.relu), Sub())]
    makes += [functools.partial(Base, F.gelu)]
    settings = dict(epochs=1, batch_size=20, lr=1e-2, seed=0, device="cpu")
    settings["schedule"] = lambda p: SCALE * (1 - p)
    jobs = {f"j{i}_{k}": dict(make_model=make, x=X, loss_fn=loss, **settings)
            for i, make in enumerate(makes) for k, loss in enumerate(losses)}
    results = train_many(jobs, n_jobs=2)
    for name, job in jobs.items():
        assert type(results[name][0]) is type(job["make_model"]())
        model, history = trained(name, **job)
        assert history == results[name][1]
        both = zip(model.state_dict().values(), results[name][0].state_dict().values())
        assert all(torch.equal(a, b) for a, b in both)
    print("NOTEBOOK DONE", flush=True)

    def endless(model, x):
        print("in the worker", os.getpid())
        open(f"{sys.argv[1]}/{os.getpid()}", "w").close()
        time.sleep(120)
    jobs = {"quick": dict(make_model=Sub, x=X, loss_fn=plain, **{**settings, "seed": 5})}
    jobs |= {f"slow{i}": dict(make_model=Sub, x=X, loss_fn=endless, **settings) for i in range(3)}
    train_many(jobs, n_jobs=2)
"""
ANOTHER_PYTHON = {"PYTHONPATH": os.pathsep.join(sys.path)}
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def alive(pid: str) -> bool:
    """Is there such a process, other than a dead one whose parent has not looked yet?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true) -> None:
    """Wait until `true()`; RuntimeError after two minutes."""
    deadline = time.monotonic() + 120
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain for two minutes")
        time.sleep(0.01)


def count(folder, ending: str = "") -> int:
    """How many entries of a folder have this ending."""
    return sum(name.endswith(ending) for name in os.listdir(folder))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc and process groups")
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["from a notebook", "from a terminal"])
def test_definitions_of_a_notebook_and_ctrl_c(tmp_path, send):
    """A notebook's definitions have one key in all processes; Ctrl-C ends all of them."""
    source = textwrap.dedent(NOTEBOOK)
    if (
        send is os.killpg
    ):  # as a terminal does, to the workers too; one look at definitions is enough
        source = source.replace("enumerate(makes)", "enumerate(makes[:1])")
    (tmp_path / "notebook.py").write_text(source)
    (pids := tmp_path / "pids").mkdir()
    command = [sys.executable, "-W", "error", str(tmp_path / "notebook.py"), str(pids)]
    environment = os.environ | ANOTHER_PYTHON
    with subprocess.Popen(command, start_new_session=True, env=environment, **PIPES) as process:
        wait_until(lambda: process.poll() is not None or count(pids) == 2)
        send(process.pid, signal.SIGINT)
        outputs = process.communicate(timeout=120)
    out, err = (text.decode() for text in outputs)  # as bytes: \r must stay
    assert "NOTEBOOK DONE" in out, err
    assert err.rstrip().endswith("KeyboardInterrupt") and "Warning" not in err, err
    assert "Stopped by hand" not in out and "in the worker" not in out
    assert out[out.rindex("\r") + 1 :].startswith("trained 1 of 4") and out.endswith("\n")
    assert "quick" in kept() and not kept() & {"slow0", "slow1", "slow2"}
    left = [path.name for path in pids.iterdir()]
    wait_until(lambda: not any(map(alive, left)))
    assert len(left) == 2


# ---- all cores, killed sweeps, two sweeps at once, another scheduler ----


def intact(names) -> bool:
    """Does the models folder hold one whole file for each of `names`, and nothing else?"""
    for path in models_dir().iterdir():
        read_tensors(path, path.stem.rpartition("-")[2])  # raises for a damaged one
    return sorted(path.name.partition("-")[0] for path in models_dir().iterdir()) == sorted(names)


@pytest.mark.skipif(joblib.effective_n_jobs(-1) < 2, reason="needs two cores")
def test_as_many_processes_as_cores_train_at_the_same_time(tmp_path, monkeypatch):
    """Each waits in its training for all the others: one after another, none would end."""
    n = min(joblib.effective_n_jobs(-1), 3)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", str(n))
    (here := tmp_path / "here").mkdir()
    assert len(pids(quietly(jobs_of(meeting(str(here), n), n)))) == n


@needs_kill
def test_after_a_kill_in_the_middle_of_a_training_only_what_is_missing_is_trained(tmp_path):
    healed, steps, folder = str(tmp_path / "healed"), str(tmp_path / "steps-"), str(models_dir())

    def deadly(model, x):
        """Once a and b are saved, kills its process in the third step, half a training done."""
        if not os.path.exists(healed):
            wait_until(lambda: count(folder, ".safetensors") == 2)
            with open(f"{steps}{os.getpid()}", "a") as file:
                file.write(".")
            if os.path.getsize(file.name) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        return where(model, x)

    models_dir().mkdir(parents=True)
    jobs = {**jobs_of(where, 2), **{name: jobs_of(deadly, 4)[name] for name in "cd"}}
    with pytest.raises(RuntimeError, match=r"a process was killed .*: [012] of 4 are kept"):
        quietly(jobs, n_jobs=2)
    before = written()
    assert intact("ab"), "no file, not even half a one, of what was killed"
    Path(healed).touch()
    resumed = quietly(jobs, n_jobs=2)
    assert list(resumed) == list("abcd")
    assert intact("abcd") and written().items() > before.items()


def meeting(folder: str, n: int):
    """A loss that goes on when `n` processes are in the middle of a training."""

    def loss(model, x):
        open(f"{folder}/{os.getpid()}", "w").close()
        wait_until(lambda: count(folder) >= n)
        return where(model, x)

    return loss


ANOTHER_SWEEP = """
    import sys
    from test_sweep import digest, jobs_of, meeting, train_many

    for name, (model, history) in train_many(jobs_of(meeting(sys.argv[1], 3), 4), n_jobs=1).items():
        print(name, digest(model.state_dict()))
"""


def digest(state: dict[str, torch.Tensor]) -> str:
    values = [value.numpy().tobytes() for _, value in sorted(state.items())]
    return hashlib.sha256(b"".join(values)).hexdigest()


def test_two_sweeps_of_the_same_jobs_at_once_end_with_the_same_weights_and_whole_files(tmp_path):
    """One in two processes, one in another Python; all trainings begin before the first ends."""
    (begun := tmp_path / "begun").mkdir()
    command = [sys.executable, "-c", textwrap.dedent(ANOTHER_SWEEP), str(begun)]
    pipes = {**PIPES, "text": True, "encoding": "utf-8", "env": os.environ | ANOTHER_PYTHON}
    with subprocess.Popen(command, cwd=Path(__file__).parent, **pipes) as another:
        try:
            results = quietly(jobs_of(meeting(str(begun), 3), 4), n_jobs=2)
            out, err = another.communicate(timeout=120)
        finally:
            another.kill()
    assert another.returncode == 0 and err == "" and "not saved" not in out
    digests = dict(re.findall(r"^([a-f]) (\w{64})$", out, re.M))
    assert digests == {name: digest(model.state_dict()) for name, (model, _) in results.items()}
    assert intact("abcd") and len(set(digests.values())) == 4
    files = {path.name[0]: path for path in models_dir().iterdir()}
    saved = {name: read_tensors(files[name], files[name].stem[2:])[0] for name in digests}
    assert digests == {name: digest(tensors) for name, tensors in saved.items()}


def test_on_a_cluster_the_models_are_the_same(tmp_path, monkeypatch, capsys):
    """The lines of notebook 05; two processes are the cluster, which shares the models' folder."""
    from distributed import Client, LocalCluster

    monkeypatch.chdir(tmp_path)
    lines = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    lines |= {"local_directory": str(tmp_path / "scratch")}
    jobs = jobs_of(where, 4)
    # LocalCluster leaves OMP_NUM_THREADS=1 in the environment, and all later notebooks crawl.
    unchanged = patch.dict(os.environ)
    with unchanged, LocalCluster(**lines) as cluster, Client(cluster) as client:
        workers = {float(pid) for pid in client.run(os.getpid).values()}
        with joblib.parallel_config(backend="dask"):
            on_cluster = train_many(jobs)
            files = written()
            again = train_many(jobs)
    assert len(workers) == 2 and pids(on_cluster) <= workers, "they train, and not this process"
    assert {n for _, history in on_cluster.values() for n in history.train["threads"]} == {1.0}
    assert all(again[name][1] == on_cluster[name][1] for name in jobs)
    assert written() == files and intact("abcd")
    assert "trained 4 of 4" in capsys.readouterr().out
    here = quietly(jobs, n_jobs=1, retrain=True)
    for name, (model, history) in here.items():
        other, other_history = on_cluster[name]
        assert same(model, other) and history.train["loss"] == other_history.train["loss"]
    assert not any(alive(f"{pid:.0f}") for pid in workers)
    assert {path.name for path in tmp_path.iterdir()} <= {"scratch", "tutorial-data"}
    assert not list((tmp_path / "scratch").rglob("worker-*")), "each worker cleans up behind it"
