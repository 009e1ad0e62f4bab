"""Metrics of disentanglement (notebook 07): mutual information, MIG, SAP and DCI.

They measure how far the dimensions of a code and the factors of the data match one to one.  MIG,
SAP and DCI lie in [0, 1], and 1 is best.  Order, sign and unit of the dimensions do not matter.

codes: [N, D] floats.  factors: [N, K] whole numbers, as `load_sprites` gives them.  N is at least
3 rows for each of 24 bins times the levels of a factor (576 for the sprites): with fewer rows, the
correction for chance would not hold.
Pass samples z of q(z|x), not its means: the mean of a collapsed dimension still varies a little,
and since units do not matter, a little counts as much as a lot.
All functions raise TypeError or ValueError for bad arguments.
"""

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

# A multiple of 3, 4, 6 and 8, the numbers of levels of the sprites' factors: with bins of equal
# counts, no level needs to be cut in two.
BINS = 24
NAMED_FROM = 0.1  # the smallest share of a factor's entropy that gives a dimension its name


class DCI(NamedTuple):
    """The three scores of `dci`, each in [0, 1].

    disentanglement: is each dimension informative about one factor only?
    completeness: is each factor in one dimension only?
    informativeness: can the factors be predicted from all dimensions together?
    """

    disentanglement: float
    completeness: float
    informativeness: float


def entropies(factors: Tensor) -> Tensor:
    """The entropy of each factor in nats, [K].  factors: [N, K]."""
    return torch.from_numpy(_entropies(_factors(factors))).float()


def mutual_information(codes: Tensor, factors: Tensor, *, bins: int = BINS) -> Tensor:
    """The mutual information of each dimension (rows) and each factor (columns) in nats, [D, K].

    A dimension is cut into `bins` bins of equal counts, so any increasing function of it gives the
    same result; equal codes share a bin.  A bin may mix the end of one level with the beginning of
    the next: a code that orders L levels without overlap lacks up to (L - 1) log 2 / bins of the
    factor's entropy, and nothing if each level fills whole bins, as those of the sprites do.

    N examples without any relation would have I = E on average, E = (bins - 1)(levels - 1) / 2N.
    The result is corrected for that: H (I - E) / (H - E), from 0 to the entropy H of the factor.
    """
    codes, factors = _checked(codes, factors, positive_int("bins", bins))
    binned = np.stack([_equal_counts(dimension, bins) for dimension in codes.T], axis=1)
    degrees_of_freedom = np.outer(_levels(binned) - 1, _levels(factors) - 1)
    by_chance = degrees_of_freedom / (2 * len(codes))
    table = np.array([[_information(each, factor) for factor in factors.T] for each in binned.T])
    entropy = _entropies(factors)
    adjusted = entropy * (table - by_chance) / np.maximum(entropy - by_chance, 1e-12)
    return torch.from_numpy(adjusted.clip(0, entropy)).float()


def mig(codes: Tensor, factors: Tensor) -> float:
    """Mutual information gap (MIG), in [0, 1]: how far the best dimension is ahead of the second.

    The mean over factors of (I_1 - I_2) / H(factor), where I_1 and I_2 are the two largest entries
    of the factor's column in `mutual_information` (Chen et al., 2018).  A perfect code
    with a little noise has 1 for levels of equal counts, and about 0.95 for levels drawn at random,
    since bins mix them.  codes: [N, D] with D of at least 2.
    """
    return (_gap(mutual_information(codes, factors)) / entropies(factors)).mean().item()


def sap(codes: Tensor, factors: Tensor, *, categorical: Sequence[int] = (0,)) -> float:
    """Separated attribute predictability (SAP), in [0, 1]: a gap as in `mig`, but of predictions.

    The mean over factors of the difference of the two best scores, each of one dimension alone
    (Kumar et al., 2018).  The score of an ordered factor is the R^2 of a straight line.  The score
    of a categorical factor is the balanced accuracy of a decision tree with one leaf per level, on
    held-out rows, rescaled so that chance is 0.

    codes: [N, D] with D of at least 2.  categorical: the columns of factors without an order.
    """
    codes, factors = _checked(codes, factors)
    n_factors = factors.shape[1]
    named = [str(categorical)] if isinstance(categorical, (int, str)) else categorical
    if unknown := [column for column in named if column not in range(n_factors)]:
        raise ValueError(
            f"categorical must hold columns of factors, 0 to {n_factors - 1}, got {unknown}"
        )
    codes = _scaled(codes)
    scores = [
        _trees_of_one(codes, f) if k in categorical else _lines(codes, f)
        for k, f in enumerate(factors.T)
    ]
    return _gap(torch.from_numpy(np.stack(scores, axis=1))).mean().item()


def dci(codes: Tensor, factors: Tensor, *, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness (DCI; Eastwood & Williams, 2018).

    A random forest learns each factor from the codes of three quarters of the rows (at most 3,000).
    R[d, k] is the importance of dimension d for factor k; each column adds up to 1.
    Disentanglement: 1 - entropy of row d, in units of log K, averaged over d with weights
    sum_k R[d, k].
    Completeness: 1 - entropy of column k, in units of log D, averaged over k.
    Informativeness: the share of the errors that the forest avoids on the other rows, against a
    guess of the most frequent level, averaged over k.
    A factor that is in no dimension has a column too, made of accidental patterns: it lowers all
    three.

    codes, factors: with at least 2 columns each.  seed: of the split and of the forests.
    """
    codes, factors = _checked(codes, factors)
    for name, values in (("codes", codes), ("factors", factors)):
        if values.shape[1] < 2:
            raise ValueError(f"{name} must have at least 2 columns, got shape {list(values.shape)}")
    forests = [_forest(_scaled(codes), factor, seed) for factor in factors.T]
    columns, informativeness = zip(*forests, strict=True)
    importance = np.stack(columns, axis=1)  # [D, K]
    weights = importance.sum(1) / max(importance.sum(), 1e-12)
    disentanglement = (weights * _concentration(importance)).sum()
    return DCI(
        float(disentanglement),
        float(_concentration(importance.T).mean()),
        float(np.mean(informativeness)),
    )


def name_dimensions(codes: Tensor, factors: Tensor, names: Sequence[str]) -> list[str]:
    """Names of the dimensions: the factor that each is most informative about, such as "x 0.71".

    The number is the share of the factor's entropy.  Below a share of 0.1 the name is "none".
    Chance does not reach it: without any relation, the largest of 100 shares is near 0.04 for the
    fewest rows allowed.
    names: K texts.
    """
    return name_shares(mutual_information(codes, factors) / entropies(factors), names)


def name_shares(shares: Tensor, names: Sequence[str]) -> list[str]:
    """Names of the dimensions as in `name_dimensions`, given the shares.

    shares: `mutual_information` over `entropies`, [D, K].  names: K texts.
    """
    _texts(names, shares.shape[1])
    best = zip(*(column.tolist() for column in shares.max(1)), strict=True)
    return [f"{names[k]} {share:.2f}" if share >= NAMED_FROM else "none" for share, k in best]


def _factors(factors: Tensor) -> np.ndarray:
    """factors as an array; TypeError or ValueError unless whole numbers [N, K] that all vary."""
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
    """Both as arrays; TypeError or ValueError unless [N, D] and [N, K] with N large enough."""
    codes = finite("codes", float_tensor("codes", codes, ndim=2)).detach().cpu()
    codes = codes.to(torch.promote_types(codes.dtype, torch.float32)).numpy()
    factors = _factors(factors)
    if len(codes) != len(factors):
        raise ValueError(
            f"codes and factors must have the same length, got {len(codes)} and {len(factors)}"
        )
    levels = _levels(factors).max()
    if len(codes) < 3 * bins * levels:
        raise ValueError(
            f"codes must have at least {3 * bins * levels} rows, "
            f"3 for each of {bins} bins times {levels} levels of a factor, got {len(codes)}"
        )
    return codes, factors


def _levels(factors: np.ndarray) -> np.ndarray:
    """The number of different values in each column, [K]."""
    return np.array([len(np.unique(factor)) for factor in factors.T])


def _entropies(factors: np.ndarray) -> np.ndarray:
    """The entropy of each column in nats, [K]."""
    from scipy.stats import entropy

    return np.array([entropy(np.unique(factor, return_counts=True)[1]) for factor in factors.T])


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """The mutual information in nats of two columns of whole numbers, [N] each."""
    from sklearn.metrics import mutual_info_score

    (levels_a, a), (levels_b, b) = (np.unique(column, return_inverse=True) for column in (a, b))
    counts = np.bincount(a * len(levels_b) + b, minlength=len(levels_a) * len(levels_b))
    # A table of counts is faster than the two columns.
    return mutual_info_score(None, None, contingency=counts.reshape(len(levels_a), -1))


def _equal_counts(values: np.ndarray, bins: int) -> np.ndarray:
    """The bin, 0 to bins - 1, of each value [N].

    The bin depends on a value's rank.  Equal values have the middle one of their ranks.
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (bins * (2 * counts.cumsum() - counts) // (2 * len(values)))[inverse]


def _gap(table: Tensor) -> Tensor:
    """The largest number of each column of the table [D, K] minus the second largest, [K]."""
    if len(table) < 2:
        raise ValueError(f"codes must have at least 2 columns, got {len(table)}")
    first, second = table.topk(2, dim=0).values
    return first - second


def _concentration(importance: np.ndarray) -> np.ndarray:
    """1 - entropy of each row, in units of the largest entropy possible.

    1 where one entry has everything, 0 where all are equal, and 0 for a row of zeros.
    """
    from scipy.stats import entropy

    weights = np.where(importance.sum(1, keepdims=True) > 0, importance, 1)
    return 1 - entropy(weights, base=weights.shape[1], axis=1)


def _scaled(codes: np.ndarray) -> np.ndarray:
    """Each column minus its median, over its size: trees would cut the digits of a float64."""
    if codes.dtype != np.float64:
        return codes
    codes = codes - np.median(codes, axis=0)
    return codes / np.maximum(np.abs(codes).max(0), 1e-300)


def _split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random rows for training, three quarters of n and at most 3,000, and the other rows."""
    rows = np.random.default_rng(seed).permutation(n)
    n_train = min(3 * n // 4, 3000)
    return rows[:n_train], rows[n_train:]


def _forest(codes: np.ndarray, factor: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """The importance of each dimension [D] for a factor, and the share of errors avoided."""
    from sklearn.ensemble import RandomForestClassifier

    train, test = _split(len(codes), seed)
    forest = RandomForestClassifier(10, max_features=None, min_samples_leaf=20, random_state=seed)
    forest.fit(codes[train], factor[train])
    guessing = 1 - np.unique(factor[test], return_counts=True)[1].max() / len(test)
    errors = (forest.predict(codes[test]) != factor[test]).mean()
    return forest.feature_importances_, max(0.0, 1 - errors / max(guessing, 1e-12))


def _lines(codes: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """R^2 of the line from each dimension to an ordered factor, [D]: the squared correlation.

    0 for a constant dimension.
    """
    codes, factor = codes.astype(np.float64), factor.astype(np.float64)
    codes, factor = codes - codes.mean(0), factor - factor.mean()
    return (codes.T @ factor) ** 2 / np.maximum((codes**2).sum(0) * (factor**2).sum(), 1e-300)


def _trees_of_one(codes: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """The balanced accuracy of a small decision tree on each dimension alone, [D]; chance is 0."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    train, test = _split(len(codes), 0)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=len(np.unique(factor)), class_weight="balanced", random_state=0
    )
    scores = []
    for column in codes.T[:, :, None]:
        predicted = tree.fit(column[train], factor[train]).predict(column[test])
        scores.append(balanced_accuracy_score(factor[test], predicted, adjusted=True))
    return np.maximum(scores, 0.0)


def checked_names(x: Tensor, factors: Tensor, names: Sequence[str]) -> list[str]:
    """The names as a list; TypeError or ValueError unless they fit to images and factors."""
    gray_images(x)
    try:
        _checked(x.flatten(1), factors)
    except ValueError as error:
        raise ValueError(f"x and factors: {error}") from error
    return _texts(names, factors.shape[1])


def _texts(names: Sequence[str], n: int) -> list[str]:
    """The names as a list; ValueError unless there is one for each of n factors."""
    are_texts = not isinstance(names, str) and all(isinstance(each, str) and each for each in names)
    if not are_texts or len(names) != n:
        raise ValueError(f"names must hold one text for each of the {n} factors, got {names!r}")
    return list(names)


class Measured(NamedTuple):
    """What `measure_model` returns: scores of a VAE, measured over all images.

    kl: mean KL of each dimension, [D], in nats.
    shares: mutual information of each dimension and each factor over the factor's entropy, [D, K].
    labels: the name of each dimension, D texts such as "x 0.71" or "none".
    loss, rate: −ELBO at β = 1 and mean KL, in nats.
    mig: as in `mig`.
    """

    kl: Tensor
    shares: Tensor
    labels: list[str]
    loss: float
    rate: float
    mig: float

    def titles(self, n_dims: int) -> dict[int, str]:
        """The dimensions with the largest KL, that one first: {2: "z₃ · 1.9 nats · x 0.71"}."""
        ranked = rank_dimensions(self.kl, n_dims)
        return {dim: f"{name} · {self.labels[dim]}" for dim, name in ranked.items()}


def measure_model(
    model: VAE, x: Tensor, factors: Tensor, names: Sequence[str], *, seed: int = 0
) -> Measured:
    """Scores of a VAE over all images: KL per dimension, names of dimensions, −ELBO, MIG.

    Shares, names and MIG are measured on one sample of q(z|x) per image.
    x: [N, C, H, W].  factors: [N, K].  names: K texts.  seed: of the samples.
    """
    mu, logvar = encode_images(model, x)
    eps = torch.randn(mu.shape, generator=torch.Generator().manual_seed(seed))
    z = mu + (0.5 * logvar).exp() * eps
    shares = mutual_information(finite("z, samples of q(z|x),", z), factors) / entropies(factors)
    scores = evaluate(model, x, negative_elbo, seed=seed)
    return Measured(
        kl=kl_per_dimension(mu, logvar),
        shares=shares,
        labels=name_shares(shares, names),
        loss=scores["loss"],
        rate=scores["kl"],
        mig=float(_gap(shares).mean()),
    )
