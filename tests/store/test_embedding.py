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
    assert points.shape == (2 * N_CLUSTER, 2) and points.dtype == torch.float32
    assert points.isfinite().all()
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    label = torch.arange(2 * N_CLUSTER) // N_CLUSTER
    nearest = label[distances.argmin(1)]
    assert torch.equal(nearest, label), "of the same cluster"


def test_side_by_side_or_one_by_one_gives_the_same_points_in_the_order_asked_for(capsys):
    """Each entry with its own settings."""
    codes = {"b": Z, "a": (CLUSTERS, {"perplexity": 4}), "c": (Z, {"seed": 1, "init": "random"})}
    together = tsne_many(codes, perplexity=8, seed=0)
    assert "embedded 3 of 3 |" in capsys.readouterr().out
    assert list(tsne_many(codes, perplexity=8, seed=0)) == list(together) == ["b", "a", "c"]
    assert capsys.readouterr() == ("", "") and tsne_many({}) == {}
    clear()
    apart = {"b": one(Z), "a": one(CLUSTERS, perplexity=4), "c": one(Z, seed=1, init="random")}
    assert all(torch.equal(together[name], apart[name]) for name in codes)


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


@pytest.mark.parametrize("z", NOTHING.values(), ids=NOTHING)
def test_codes_that_hold_little_are_embedded_without_a_word(z, capfd):
    points = one(z)
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
    one(nudged)
    for n, settings in enumerate([{"perplexity": 9}, {"seed": 1}, {"init": "random"}], 2):
        assert len(files()) == n
        one(Z, **settings)
    assert len(files()) == 5


def test_another_version_of_scikit_learn_computes_anew(monkeypatch):
    one(Z)
    monkeypatch.setattr("sklearn.__version__", "0.0")
    one(Z)
    assert len(files()) == 2


@pytest.mark.parametrize(
    ("entry", "settings", "error", "said"),
    [
        (Z[0], {}, ValueError, "codes['z'] must be a non-empty tensor with 2 axes"),
        (Z.long(), {}, TypeError, "codes['z'] must be a tensor of floats, got a tensor of torch.i"),
        (Z / 0, {}, ValueError, "codes['z'] must be finite"),
        (Z[:, :1], {}, ValueError, "codes['z'] must have at least 2 columns for init=\"pca\", got"),
        (Z, {"perplexity": 40}, ValueError, "perplexity must be below 40, the number of rows of c"),
        (Z, {"perplexity": 0}, ValueError, "perplexity must be a finite number above 0, got 0"),
        (
            Z,
            {"seed": -1},
            ValueError,
            "seed must be a whole number from 0 to 4,294,967,295, got -1",
        ),
        (Z, {"seed": True}, ValueError, "seed must be a whole number from 0"),
        (Z, {"init": "PCA"}, ValueError, "init must be one of 'pca', 'random', got 'PCA'"),
        ((Z, {"perplexity": -1}), {}, ValueError, "perplexity must be a finite number above 0"),
        ((Z, {"steps": 9}), {}, TypeError, "steps"),
    ],
)
def test_a_bad_argument_is_named(entry, settings, error, said):
    with pytest.raises(error, match=re.escape(said)):
        one(entry, **settings)
    assert not files()
