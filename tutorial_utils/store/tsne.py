"""t-SNE of codes, computed once: what is in the cache is loaded, the rest is computed side by side."""

from contextlib import closing

import joblib
import numpy as np
import sklearn
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits
from torch import Tensor, from_numpy, set_flush_denormal

from ..data import DamagedFile
from ..support.arguments import finite, float_tensor, one_of, positive_number
from ..training import progress_bar
from .files import embeddings_dir, file_name, key_in, read_tensors, tensors_bytes, write_atomically
from .fingerprint import fingerprint
from .train import run_jobs

MAX_SEED = 2**32 - 1  # what NumPy's generator takes


def tsne_many(
    codes: dict[str, Tensor | tuple[Tensor, dict]],
    *,
    perplexity: float = 30.0,
    seed: int = 0,
    init: str = "pca",
    show_progress: bool = True,
) -> dict[str, Tensor]:
    """scikit-learn's t-SNE of each tensor of codes [N, D], as points [N, 2]; kept in `embeddings_dir()`.

    An entry may also be a pair (codes, settings), a dict of its own "perplexity", "seed" or
    "init".  perplexity: about how many neighbors count as near, below N; init: the start of the
    layout, "pca" (D >= 2) or "random".  t-SNE sees codes only up to shift and scale, so they are
    brought to mean 0 and standard deviation 1 (over all dimensions) first, and numbers that differ
    by 1e-7 are drawn like numbers that differ by 1; codes that are all equal start at random.  One
    thread per embedding, as many processes as cores: the same points again on the same machine.
    Raises TypeError or ValueError for a bad argument.
    """
    points, missing = {}, []
    for name, entry in codes.items():
        z, own = entry if isinstance(entry, tuple) else (entry, {})
        z, settings = _checked(
            f"codes[{name!r}]", z, **{"perplexity": perplexity, "seed": seed, "init": init, **own}
        )
        path = embeddings_dir() / file_name(
            name, fingerprint(z, settings, _tsne, sklearn.__version__)
        )
        points[name] = _load_kept(path, name)
        if points[name] is None:
            missing.append((name, path, z.numpy(), settings))
    bar = progress_bar(len(missing), show_progress and len(missing) > 0)
    with (
        closing(bar) as progress,
        closing(run_jobs(_tsne, missing, joblib.effective_n_jobs(-1))) as results,
    ):
        progress.set_description_str(f"embedded 0 of {len(missing)}")
        for n, (name, path, array) in enumerate(results, 1):
            points[name] = from_numpy(array)
            try:
                write_atomically(path, tensors_bytes({"points": points[name]}, key_in(path)))
            except OSError as error:
                progress.write(f"{name}: computed, but not kept: {error}")
            progress.set_description_str(f"embedded {n} of {len(missing)}", refresh=False)
            progress.update()
    return points


def _checked(
    name: str, z: Tensor, *, perplexity: float, seed: int, init: str
) -> tuple[Tensor, dict]:
    """The codes, on the CPU, and the settings, if all of them are what t-SNE can work with."""
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


def _load_kept(path, name: str) -> Tensor | None:
    """The points in the file; None without a file, or (said) with a damaged one."""
    if not path.exists():
        return None
    try:
        return read_tensors(path, key_in(path))[0]["points"]
    except DamagedFile as error:
        print(f"{name}: {error}. Computing it again.")
        return None


def _tsne(name: str, path, z: np.ndarray, settings: dict) -> tuple:
    """name, path and the points [N, 2], float32, in whatever process."""
    set_flush_denormal(
        True
    )  # `fit` does: without it, the points would depend on what the process did before
    z = z.astype(np.float64)
    z = (
        z - z[0]
    )  # exactly 0 where all rows are equal: there is nothing to scale then, and PCA finds no direction
    constant = not z.any()
    if not constant:
        z = z - z.mean(0)
        z = z / z.std()
    with threadpool_limits(1):
        tsne = TSNE(
            perplexity=settings["perplexity"],
            init="random" if constant else settings["init"],
            learning_rate="auto",
            random_state=settings["seed"],
        )
        return name, path, tsne.fit_transform(z.astype(np.float32))
