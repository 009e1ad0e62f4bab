"""The package installed from a wheel: the same keys of models as the checkout, and all assets."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BUILD = "from setuptools.build_meta import build_wheel; build_wheel('wheel')"

KEYS = """
    import json, sys
    from functools import partial
    import tutorial_utils
    from tutorial_utils import VAE, fit, local_seed, mlp, negative_elbo, squared_error
    from tutorial_utils.store.fingerprint import fingerprint

    def own_loss(model, x, *, weight):
        return {"loss": weight * squared_error(model(x).logits, x)}

    with local_seed(0):
        model = VAE(mlp([64, 16, 4]), mlp([2, 16, 64], out_shape=(1, 8, 8)), latent_dim=2)
    things = [fit, negative_elbo, model, VAE, partial(own_loss, weight=2.0), set("abcdefgh")]
    print(json.dumps([tutorial_utils.__file__, [fingerprint(thing) for thing in things]]))
"""

ASSETS = """
    import pkgutil
    from importlib import import_module
    import tutorial_utils
    from tutorial_utils import load_images, load_pretrained
    from tutorial_utils.pages.playground import export_playground
    from tutorial_utils.pages.slider import Part, export_slider

    for module in pkgutil.walk_packages(tutorial_utils.__path__, "tutorial_utils."):
        import_module(module.name)  # a widget reads its script when its class is made
    assert len(load_images("digits").x_train) == 1437
    assert len(load_images("mnist", n_train=10).x_train) == 10
    models = {"2": load_pretrained("vae_2d"), "20": load_pretrained("vae_20d")}
    export_playground(models, "playground.html")
    export_slider("beta", {beta: [Part("", "<p>text</p>", "text")] for beta in "12"}, "slider.html")
"""


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory) -> Path:
    """A folder with the package as a wheel installs it, built without a network."""
    source = tmp_path_factory.mktemp("source")  # building writes into the tree that it builds
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tutorial_utils", source / "tutorial_utils", ignore=skipped)
    run(BUILD, source)
    (wheel,) = (source / "wheel").iterdir()
    folder = source / "site-packages"
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def run(code: str, folder: Path, path: Path | None = None) -> str:
    """What Python prints for `code`, run in `folder`, with `path` first on its search path."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(path or ""), "PYTHONHASHSEED": "1"},
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_package_gives_the_keys_of_the_checkout(site_packages, tmp_path, capsys):
    """Otherwise its own code would count by its version only, and stale models would be loaded.

    Another process has the same keys, whatever the order in which it keeps sets.
    """
    installed, keys = json.loads(run(KEYS, tmp_path, site_packages))
    assert Path(installed).is_relative_to(site_packages)
    exec(textwrap.dedent(KEYS), {"__name__": "__main__"})
    checkout, expected = json.loads(capsys.readouterr().out)
    assert Path(checkout).is_relative_to(ROOT)
    assert keys == expected and len(set(keys)) == len(keys)


def assets(package: Path) -> dict[str, bytes]:
    """What lies in the package beside code, by its path."""
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(package)): path.read_bytes() for path in files}


def test_a_wheel_holds_every_file_of_the_package(site_packages):
    assert assets(site_packages / "tutorial_utils") == assets(ROOT / "tutorial_utils")


def test_an_installed_package_finds_its_data_models_scripts_and_pages(site_packages, tmp_path):
    run(ASSETS, tmp_path, site_packages)
    assert all((tmp_path / name).exists() for name in ("playground.html", "slider.html"))
