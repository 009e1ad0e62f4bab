"""t-SNE of codes: computed once, never loaded from a stale file, safe for codes that are equal."""

import re

import pytest
import torch

from tutorial_utils.store.files import clear, embeddings_dir
from tutorial_utils.store.tsne import tsne_many

pytestmark = [pytest.mark.usefixtures("empty_data_dir"), pytest.mark.filterwarnings("error")]

G = torch.Generator().manual_seed(0)
Z = torch.randn(40, 5, generator=G)
N_CLUSTER = 30
CLUSTERS = torch.cat(
    [torch.randn(N_CLUSTER, 4, generator=G), 50 + torch.randn(N_CLUSTER, 4, generator=G)]
)


def one(z, **settings) -> torch.Tensor:
    """One embedding, quietly, with a perplexity that suits few points."""
    return tsne_many({"z": z}, **{"perplexity": 8, "show_progress": False, **settings})["z"]


def files() -> dict:
    return {path.name: path.stat().st_mtime_ns for path in embeddings_dir().glob("*")}


# ---- the embedding ----


@pytest.mark.parametrize("init", ["pca", "random"])
def test_clusters_far_apart_stay_apart(init):
    points = one(CLUSTERS, init=init)
    assert (
        points.shape == (2 * N_CLUSTER, 2)
        and points.dtype == torch.float32
        and points.isfinite().all()
    )
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    label = torch.arange(2 * N_CLUSTER) // N_CLUSTER
    assert torch.equal(label[distances.argmin(1)], label), (
        "the nearest neighbor is of the same cluster"
    )


def test_side_by_side_or_one_by_one_gives_the_same_points_in_the_order_asked_for():
    codes = {"b": Z, "a": CLUSTERS, "c": Z + 1}
    together = tsne_many(codes, perplexity=8)
    clear()
    assert list(together) == ["b", "a", "c"]
    for name, z in codes.items():
        assert torch.equal(together[name], tsne_many({name: z}, perplexity=8)[name])


def test_neither_units_nor_what_was_done_before_change_the_points():
    before = one(Z)
    torch.set_flush_denormal(False)
    clear()
    assert torch.equal(one(Z), before)
    assert torch.equal(one(1024 * Z), before), "a power of two scales without rounding"
    assert not torch.equal(one(Z.square()), before)


EQUAL = torch.full((40, 5), 0.3)
NOTHING = {
    "equal": EQUAL,
    "zero": torch.zeros(40, 5),
    "equal but for 1e-7": EQUAL + 1e-7 * Z,
    "1e-7": 1e-7 * Z,
    "huge": 1e37 * Z,
    "one row differs": torch.cat([EQUAL[:39], EQUAL[:1] + 1e-7]),
    "five points, many times": Z[:5].repeat(8, 1),
    "a line": Z[:, :1] * torch.ones(5),
}


@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("z", NOTHING.values(), ids=NOTHING)
def test_codes_that_hold_little_are_embedded_without_a_word(z, init, capfd):
    points = one(z, init=init)
    assert points.shape == (40, 2) and points.isfinite().all() and points.std() > 0
    assert capfd.readouterr() == ("", "")


def test_numbers_that_differ_by_little_are_drawn_like_others():
    """t-SNE sees no scale: noise of 1e-7 is as wide a cloud as noise of 1."""
    assert 0.2 < one(1e-7 * Z + 1e-6).std() / one(Z).std() < 5


def test_gradients_and_doubles_are_welcome():
    assert one(Z.clone().requires_grad_()).requires_grad is False
    assert one(Z.double()).dtype == torch.float32


# ---- kept ----


def test_the_same_again_is_loaded_and_anything_else_is_not():
    first = one(Z)
    before = files()
    assert len(before) == 1 and torch.equal(one(Z.clone()), first) and files() == before
    nudged = Z.clone()
    nudged[3, 2] += 1e-6
    for z, settings in [
        (Z, {"perplexity": 9}),
        (Z, {"seed": 1}),
        (Z, {"init": "random"}),
        (nudged, {}),
        (Z[1:], {}),
    ]:
        n = len(files())
        one(z, **settings)
        assert len(files()) == n + 1, settings


def test_another_version_of_scikit_learn_computes_anew(monkeypatch):
    one(Z)
    monkeypatch.setattr("sklearn.__version__", "0.0")
    one(Z)
    assert len(files()) == 2


def test_settings_of_one_entry_hold_for_it_alone():
    codes = {"a": Z, "b": (Z, {"perplexity": 4}), "c": (Z, {"seed": 1, "init": "random"})}
    points = tsne_many(codes, perplexity=8, seed=0, show_progress=False)
    apart = {"a": one(Z), "b": one(Z, perplexity=4), "c": one(Z, seed=1, init="random")}
    assert all(torch.equal(points[name], apart[name]) for name in codes)
    assert not torch.equal(points["a"], points["b"]) and not torch.equal(points["a"], points["c"])


@pytest.mark.parametrize("damage", ["half a file", "the points of other codes"])
def test_a_damaged_file_is_said_and_replaced(damage, capsys):
    first = one(Z)
    (path,) = embeddings_dir().iterdir()
    one(-Z)
    (other,) = set(embeddings_dir().iterdir()) - {path}
    broken = path.read_bytes()[:-50] if damage == "half a file" else other.read_bytes()
    path.write_bytes(broken)
    assert torch.equal(one(Z), first)
    said = capsys.readouterr().out
    assert str(path) in said and "Making it again" in said
    one(Z)
    assert capsys.readouterr().out == "" and len(files()) == 2


def test_a_full_disk_is_said_and_loses_nothing(monkeypatch, capsys):
    def full(*_):
        raise OSError("disk full (on purpose)")

    with monkeypatch.context() as patched:
        patched.setattr("tutorial_utils.store.files.write_atomically", full)
        points = one(Z)
    assert "z: made, but not saved: disk full" in capsys.readouterr().out
    assert not files() and torch.equal(one(Z), points)


# ---- what it says ----


def test_one_clean_line_with_count_and_time(capsys):
    tsne_many({"a": Z, "b": -Z}, perplexity=8)
    out, err = capsys.readouterr()
    assert (
        re.fullmatch(r"embedded 2 of 2 \|█+\| 00:\d\d *\n", out[out.rindex("\r") + 1 :])
        and err == ""
    )
    assert len(tsne_many({"a": Z, "b": -Z}, perplexity=8)) == 2
    assert capsys.readouterr() == ("", "") and tsne_many({}) == {}


@pytest.mark.parametrize(
    ("entry", "settings", "error", "said"),
    [
        (Z[0], {}, ValueError, r"codes\['z'\] must be a non-empty tensor with 2 axes"),
        (
            Z.long(),
            {},
            TypeError,
            r"codes\['z'\] must be a tensor of floats, got a tensor of torch.int64",
        ),
        (Z.numpy(), {}, TypeError, r"codes\['z'\] must be a tensor of floats, got ndarray"),
        (Z / 0, {}, ValueError, r"codes\['z'\] must be finite"),
        (
            Z[:, :1],
            {},
            ValueError,
            r"codes\['z'\] must have at least 2 columns for init=\"pca\", got shape \[40, 1\]",
        ),
        (
            Z,
            {"perplexity": 40},
            ValueError,
            r"perplexity must be below 40, the number of rows of codes\['z'\], got 40",
        ),
        (Z, {"perplexity": 0}, ValueError, "perplexity must be a finite number above 0, got 0"),
        (
            Z,
            {"seed": -1},
            ValueError,
            "seed must be a whole number from 0 to 4,294,967,295, got -1",
        ),
        (Z, {"seed": True}, ValueError, "seed must be a whole number from 0"),
        (Z, {"init": "PCA"}, ValueError, "init must be one of 'pca', 'random', got 'PCA'"),
        (
            (Z, {"perplexity": -1}),
            {},
            ValueError,
            "perplexity must be a finite number above 0, got -1",
        ),
        ((Z, {"steps": 9}), {}, TypeError, "steps"),
    ],
)
def test_a_bad_argument_is_named(entry, settings, error, said):
    with pytest.raises(error, match=said):
        one(entry, **settings)
    with pytest.raises(ValueError, match="name must consist of letters"):
        tsne_many({"a b": Z}, perplexity=8)
    assert not files()
