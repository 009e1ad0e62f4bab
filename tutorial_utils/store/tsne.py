"""t-SNE of codes: computed once, side by side, and loaded from the cache after that."""

import joblib
import numpy as np
import sklearn
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits
from torch import Tensor, from_numpy

from ..support.arguments import finite, float_tensor, one_of, positive_number
from ..support.denormals import flush_denormals
from .files import CachedFile, Contents, embeddings_dir
from .fingerprint import fingerprint
from .jobs import Job, load_or_make

MAX_SEED = 2**32 - 1  # the largest that NumPy's generator takes


def tsne_many(
    codes: dict[str, Tensor | tuple[Tensor, dict]],
    *,
    perplexity: float = 30.0,
    seed: int = 0,
    init: str = "pca",
    show_progress: bool = True,
) -> dict[str, Tensor]:
    """scikit-learn's t-SNE of each tensor of codes [N, D], as points [N, 2], cached.

    An entry may also be a pair (codes, settings), a dict of its own "perplexity", "seed" or
    "init".  perplexity: about how many neighbors count as near, below N; init: the start of the
    layout, "pca" (D >= 2) or "random".  t-SNE does not depend on shift and scale, so codes are
    first brought to mean 0 and standard deviation 1 (over all dimensions); codes that are all equal
    start at random.  One thread per embedding, as many processes as cores: the same points again on
    the same machine.  Raises TypeError or ValueError for a bad argument.
    """
    common = {"perplexity": perplexity, "seed": seed, "init": init}
    jobs = []
    for name, entry in codes.items():
        z, own = entry if isinstance(entry, tuple) else (entry, {})
        z, settings = _checked(f"codes[{name!r}]", z, **{**common, **own})
        key = fingerprint(z, settings, embed, sklearn.__version__)
        file = CachedFile(embeddings_dir().absolute(), name, key)
        jobs.append(Job(file, embed, settings, [z.numpy()]))
    n_jobs = joblib.effective_n_jobs(-1)
    contents = load_or_make(jobs, verb="embedded", n_jobs=n_jobs, show_progress=show_progress)
    return {name: tensors["points"] for name, (tensors, _) in contents.items()}


def _checked(
    name: str, z: Tensor, *, perplexity: float, seed: int, init: str
) -> tuple[Tensor, dict]:
    """The codes, on the CPU, and the settings, verified; raises TypeError or ValueError."""
    finite(name, float_tensor(name, z, ndim=2))
    if positive_number("perplexity", perplexity) >= len(z):
        raise ValueError(
            f"perplexity must be below {len(z)}, the number of rows of {name}, got {perplexity!r}"
        )
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed must be a whole number from 0 to {MAX_SEED:,}, got {seed!r}")
    if one_of("init", init, ("pca", "random")) == "pca" and z.shape[1] < 2:
        raise ValueError(
            f'{name} must have at least 2 columns for init="pca", got shape {list(z.shape)}'
        )
    return z.detach().cpu(), {"perplexity": float(perplexity), "seed": seed, "init": init}


def embed(z: np.ndarray, *, perplexity: float, seed: int, init: str) -> Contents:
    """The content of an embedding's file: points [N, 2], float32, the same in any process."""
    flush_denormals()  # as `fit` does; else what ran before would change the points
    # Subtracting a row first leaves exact zeros where all rows are equal; only then is there
    # nothing to scale, and no direction for PCA to find.
    z = z.astype(np.float64)
    z = z - z[0]
    if z.any():
        z = z - z.mean(0)
        z = z / z.std()
    else:
        init = "random"
    with threadpool_limits(1):
        tsne = TSNE(perplexity=perplexity, init=init, learning_rate="auto", random_state=seed)
        return {"points": from_numpy(tsne.fit_transform(z.astype(np.float32)))}, ""
