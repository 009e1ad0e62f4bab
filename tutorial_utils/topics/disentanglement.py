"""How far the dimensions of a code and the factors of the data match one to one (notebook 07).

Codes are [N, D] floats, factors [N, K] whole numbers, as `load_sprites` gives them; at least 3 rows
for each of 24 bins times the levels of a factor (576 for the sprites), so that what chance gives is
known.  MIG, SAP and DCI lie in [0, 1], and 1 is best.  Order, sign and unit of the dimensions do
not matter.  Judge samples z of q(z|x) and not its means: the mean of a collapsed dimension still
moves a little, and where there is no unit that counts in full."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..latent import rank_dimensions
from ..losses import kl_per_dimension, negative_elbo
from ..models import VAE, encode_images
from ..support.arguments import finite, float_tensor, gray_images, positive_int
from ..training import evaluate

BINS = 24  # a multiple of 3, 4, 6 and 8: bins of equal counts need not cut a level of the sprites' factors in two
NAMED_FROM = (
    0.1  # share of a factor's entropy from which `name_dimensions` names a dimension after it
)


class DCI(NamedTuple):
    """Three numbers in [0, 1].  Of a dimension: does it serve one factor only?  Of a factor: is it in one dimension
    only?  Of all dimensions together: do they tell the factors?"""

    disentanglement: float
    completeness: float
    informativeness: float


def entropies(factors: Tensor) -> Tensor:
    """The entropy of each factor in nats, [K].  factors: [N, K]."""
    return torch.from_numpy(_entropies(_factors(factors))).float()


def mutual_information(codes: Tensor, factors: Tensor, *, bins: int = BINS) -> Tensor:
    """The mutual information of each dimension (rows) and each factor (columns) in nats, [D, K].

    A dimension is cut into `bins` bins of equal counts, so any increasing function of it gives the
    same; equal codes share a bin.  Even without any relation N examples would give E = (bins - 1)
    (levels - 1) / 2N on average.  That is taken away, in proportion to what is unexplained: H (I -
    E) / (H - E), from 0 (and never below) to the entropy H of the factor.  codes: [N, D], factors:
    [N, K].  Raises TypeError or ValueError, as all functions here.
    """
    codes, factors = _checked(codes, factors, positive_int("bins", bins))
    binned = [_equal_counts(dimension, bins) for dimension in codes.T]
    by_chance = np.outer(_levels(np.stack(binned, axis=1)) - 1, _levels(factors) - 1) / (
        2 * len(codes)
    )
    table = np.array(
        [[_information(dimension, factor) for factor in factors.T] for dimension in binned]
    )
    entropy = _entropies(factors)
    adjusted = entropy * (table - by_chance) / np.maximum(entropy - by_chance, 1e-12)
    return torch.from_numpy(adjusted.clip(0, entropy)).float()


def mig(codes: Tensor, factors: Tensor) -> float:
    """The mutual information gap: how much more of a factor the best dimension tells than the second best, in [0, 1].

    The mean over factors of (I_1 - I_2) / H(factor) (Chen et al., 2018), I as in
    `mutual_information`. codes: [N, D] with D of at least 2, factors: [N, K].
    """
    return (_gap(mutual_information(codes, factors)) / entropies(factors)).mean().item()


def sap(codes: Tensor, factors: Tensor, *, categorical: Sequence[int] = (0,)) -> float:
    """Separated attribute predictability: as `mig`, but of what one dimension alone predicts, in [0, 1].

    The mean over factors of the difference of the two best scores (Kumar et al., 2018).  The score
    of an ordered factor is the R^2 of a straight line.  The levels of the factors in `categorical`
    (columns) have no order: theirs is the balanced accuracy of a decision tree with one leaf per
    level on held-out rows, moved so that chance is 0 and not 1 / levels.  codes: [N, D] with D of
    at least 2, factors: [N, K].
    """
    codes, factors = _checked(codes, factors)
    n_factors = factors.shape[1]
    named = [str(categorical)] if isinstance(categorical, (int, str)) else categorical
    if unknown := [column for column in named if column not in range(n_factors)]:
        raise ValueError(
            f"categorical must hold columns of factors, 0 to {n_factors - 1}, got {unknown}"
        )
    scores = [
        _trees_of_one(codes, f) if k in categorical else _lines(codes, f)
        for k, f in enumerate(factors.T)
    ]
    return _gap(torch.from_numpy(np.stack(scores, axis=1))).mean().item()


def dci(codes: Tensor, factors: Tensor, *, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness (Eastwood & Williams, 2018).

    A random forest learns each factor from the codes of three quarters of the rows (at most 3,000);
    R[d, k] is the importance of dimension d for factor k, and adds up to 1 over d.
    Disentanglement: 1 - entropy of row d over the factors, in units of log K, averaged over d with
    the weights sum_k R[d, k].  Completeness: 1 - entropy of column k over the dimensions, in units
    of log D, averaged over k.  Informativeness: on the other rows, the share of the errors of
    guessing the most frequent level that the forest avoids, averaged over k.  A factor that no
    dimension tells has a column too, of what the forest took for a pattern: it lowers all three.
    codes: [N, D] with D of at least 2, factors: [N, K] with K of at least 2.
    """
    codes, factors = _checked(codes, factors)
    for name, values in (("codes", codes), ("factors", factors)):
        if values.shape[1] < 2:
            raise ValueError(f"{name} must have at least 2 columns, got shape {list(values.shape)}")
    columns, informativeness = zip(
        *(_forest(codes, factor, seed) for factor in factors.T), strict=True
    )
    importance = np.stack(columns, axis=1)  # [D, K]
    weights = importance.sum(1) / max(importance.sum(), 1e-12)
    disentanglement = (weights * _concentration(importance)).sum()
    return DCI(
        float(disentanglement),
        float(_concentration(importance.T).mean()),
        float(np.mean(informativeness)),
    )


def name_dimensions(codes: Tensor, factors: Tensor, names: Sequence[str]) -> list[str]:
    """For each dimension the factor it tells most of, and which share of that factor's entropy: "x 0.71", or "none".

    "none" below a share of 0.1.  Without any relation, I of 24 bins and 8 levels scatters around E
    with a standard deviation of sqrt(2 * 23 * 7) / 2N: 0.008 of log 8 for N = 576, the fewest rows
    allowed, and as much for fewer levels.  The largest of 100 such shares is near 0.04: 0.1 is no
    chance.  codes: [N, D], factors: [N, K], names: K.
    """
    return name_shares(mutual_information(codes, factors) / entropies(factors), names)


def name_shares(shares: Tensor, names: Sequence[str]) -> list[str]:
    """As `name_dimensions`, from the table: `mutual_information` over `entropies`, [D, K].

    names: K.
    """
    if isinstance(names, str) or len(names) != shares.shape[1]:
        raise ValueError(
            f"names must hold one name for each of the {shares.shape[1]} factors, got {names!r}"
        )
    best = zip(*(column.tolist() for column in shares.max(1)), strict=True)
    return [f"{names[k]} {share:.2f}" if share >= NAMED_FROM else "none" for share, k in best]


def _factors(factors: Tensor) -> np.ndarray:
    """factors as an array, if whole numbers [N, K], no column constant; raises TypeError or ValueError otherwise."""
    whole = isinstance(factors, Tensor) and not (
        factors.is_floating_point() or factors.dtype == torch.bool
    )
    if not whole:
        kind = getattr(factors, "dtype", type(factors).__name__)
        raise TypeError(f"factors must be a tensor of whole numbers, got {kind}")
    if factors.ndim != 2 or factors.numel() == 0:
        raise ValueError(
            f"factors must be a non-empty tensor [N, K], got shape {list(factors.shape)}"
        )
    if constant := (factors == factors[0]).all(0).nonzero().flatten().tolist():
        raise ValueError(
            f"factors must vary, but these columns hold one value only: {constant}. Leave them out."
        )
    return factors.cpu().numpy()


def _checked(codes: Tensor, factors: Tensor, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays; raises TypeError or ValueError unless they are [N, D] and [N, K] with N large enough."""
    codes = finite("codes", float_tensor("codes", codes, ndim=2)).detach().cpu().numpy()
    factors = _factors(factors)
    if len(codes) != len(factors):
        raise ValueError(
            f"codes and factors must have the same length, got {len(codes)} and {len(factors)}"
        )
    levels = _levels(factors).max()
    if len(codes) < 3 * bins * levels:
        raise ValueError(
            f"codes must have at least {3 * bins * levels} rows, 3 for each of {bins} bins times {levels} levels of a "
            f"factor, got {len(codes)}"
        )
    return codes, factors


def _levels(factors: np.ndarray) -> np.ndarray:
    """How many values each column takes, [K]."""
    return np.array([len(np.unique(factor)) for factor in factors.T])


def _entropies(factors: np.ndarray) -> np.ndarray:
    return np.array([_information(factor, factor) for factor in factors.T])  # H(v) = I(v; v)


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """The mutual information in nats of two columns of whole numbers, [N] each."""
    from sklearn.metrics import mutual_info_score

    (levels_a, a), (levels_b, b) = (np.unique(column, return_inverse=True) for column in (a, b))
    counts = np.bincount(a * len(levels_b) + b, minlength=len(levels_a) * len(levels_b))
    return mutual_info_score(
        None, None, contingency=counts.reshape(len(levels_a), -1)
    )  # faster than with a and b


def _equal_counts(values: np.ndarray, bins: int) -> np.ndarray:
    """The bin, 0 to bins - 1, of each value [N]: where the middle of its equals is among all, sorted."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (bins * (2 * counts.cumsum() - counts) // (2 * len(values)))[inverse]


def _gap(table: Tensor) -> Tensor:
    """Of each column (factor) of the table [D, K], the largest number less the second largest, [K]."""
    if len(table) < 2:
        raise ValueError(f"codes must have at least 2 columns, got {len(table)}")
    first, second = table.topk(2, dim=0).values
    return first - second


def _concentration(importance: np.ndarray) -> np.ndarray:
    """1 - entropy of each row, in units of its maximum: 1 for a single number, 0 for equal ones and for zeros only."""
    total = importance.sum(1, keepdims=True)
    shares = np.where(total > 0, importance, 1) / np.where(total > 0, total, importance.shape[1])
    return 1 + (shares * np.log(np.where(shares > 0, shares, 1))).sum(1) / np.log(
        importance.shape[1]
    )


def _split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, three quarters of n and at most 3,000, and the others, in random order."""
    rows = np.random.default_rng(seed).permutation(n)
    n_train = min(3 * n // 4, 3000)
    return rows[:n_train], rows[n_train:]


def _forest(codes: np.ndarray, factor: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """The importance of each dimension [D] for a factor, and the share of errors that the forest avoids."""
    from sklearn.ensemble import RandomForestClassifier

    train, test = _split(len(codes), seed)
    forest = RandomForestClassifier(10, max_features=None, min_samples_leaf=20, random_state=seed)
    forest.fit(codes[train], factor[train])
    guessing = 1 - np.unique(factor[test], return_counts=True)[1].max() / len(test)
    errors = (forest.predict(codes[test]) != factor[test]).mean()
    return forest.feature_importances_, max(0.0, 1 - errors / max(guessing, 1e-12))


def _lines(codes: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """R^2 of the line from each dimension to an ordered factor, [D]: the squared correlation, 0 if nothing moves."""
    codes, factor = codes.astype(np.float64), factor.astype(np.float64)
    codes, factor = codes - codes.mean(0), factor - factor.mean()
    return (codes.T @ factor) ** 2 / np.maximum((codes**2).sum(0) * (factor**2).sum(), 1e-300)


def _trees_of_one(codes: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """How well a small decision tree on each dimension alone tells the levels of a factor, [D]; chance is 0."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    train, test = _split(len(codes), 0)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=len(np.unique(factor)), class_weight="balanced", random_state=0
    )
    named = [tree.fit(one[train], factor[train]).predict(one[test]) for one in codes.T[:, :, None]]
    return np.array(
        [max(0.0, balanced_accuracy_score(factor[test], levels, adjusted=True)) for levels in named]
    )


def checked_names(x: Tensor, factors: Tensor, names: Sequence[str]) -> list[str]:
    """The names as a list; TypeError or ValueError unless images, factors and names fit together."""
    gray_images(x)
    try:
        _checked(x.flatten(1), factors)
    except ValueError as error:
        raise ValueError(f"x and factors: {error}") from error
    n_factors = factors.shape[1]
    if (
        isinstance(names, str)
        or len(names) != n_factors
        or not all(isinstance(name, str) and name for name in names)
    ):
        raise ValueError(
            f"names must hold one text for each of the {n_factors} factors, got {names!r}"
        )
    return list(names)


class Measured(NamedTuple):
    """A model, measured over all images: the mean KL of each dimension [D] in nats; the share of each factor's entropy
    that each dimension tells [D, K], and the dimensions' names after it; −ELBO at β = 1 and kl in
    nats; MIG."""

    kl: Tensor
    shares: Tensor
    told: list[str]
    loss: float
    rate: float
    mig: float

    def titles(self, n_dims: int) -> dict[int, str]:
        """The dimensions with the largest KL, that one first: {2: "z₃ · 1.9 nats · x 0.71"}."""
        return {
            dim: f"{name} · {self.told[dim]}"
            for dim, name in rank_dimensions(self.kl, n_dims).items()
        }


def measure_model(
    model: VAE, x: Tensor, factors: Tensor, names: Sequence[str], *, seed: int = 0
) -> Measured:
    """All that the studio says of a model.  What dimensions tell is measured on one sample of q(z|x) per image.

    x, factors, names: as for the studio.  seed: of the samples.  As name_dimensions, mig and
    evaluate of negative_elbo.
    """
    mu, logvar = encode_images(model, x)
    z = mu + (0.5 * logvar).exp() * torch.randn(
        mu.shape, generator=torch.Generator().manual_seed(seed)
    )
    shares = mutual_information(finite("z, samples of q(z|x),", z), factors) / entropies(factors)
    scores = evaluate(model, x, negative_elbo, seed=seed)
    told = name_shares(shares, names)
    return Measured(
        kl_per_dimension(mu, logvar),
        shares,
        told,
        scores["loss"],
        scores["kl"],
        float(_gap(shares).mean()),
    )
