"""What the tests share: data and small models.

The folder that they train in is set in ../conftest.py.
"""

from functools import partial
from pathlib import Path

import pytest
from helpers.answers import hear
from helpers.browser import launch
from helpers.lab import running_lab
from playwright.sync_api import sync_playwright

from tutorial_utils.data import ImageData, load_images
from tutorial_utils.models import VAE, mlp
from tutorial_utils.training import local_seed


@pytest.fixture(scope="session")
def mnist() -> ImageData:
    """All of MNIST, loaded once.  Tests must not write into it."""
    return load_images("mnist")


@pytest.fixture(scope="session")
def digits() -> ImageData:
    """The 8x8 digits, loaded once: 1,437 to train on, 360 to test on.

    Tests must not write into them.
    """
    return load_images("digits")


@pytest.fixture
def empty_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A TUTORIAL_DATA of this test alone."""
    folder = tmp_path / "tutorial-data"
    monkeypatch.setenv("TUTORIAL_DATA", str(folder))
    return folder


@pytest.fixture
def make_vae():
    """A function that makes a small VAE of 8x8 images; the same seed gives the same weights."""

    def make(seed: int = 0, *, latent_dim: int = 2, hidden_dim: int = 16) -> VAE:
        with local_seed(seed):
            encoder = mlp([64, hidden_dim, 2 * latent_dim])
            decoder = mlp([latent_dim, hidden_dim, 64], out_shape=(1, 8, 8))
        return VAE(encoder, decoder, latent_dim=latent_dim)

    return make


@pytest.fixture
def said(capsys):
    """A function of a check and an answer: what the check prints, whose form is tested, too."""
    return partial(hear, capsys)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The one JupyterLab of all tests in a browser, started by `make lab`."""
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="module")
def chromium():
    """A Chromium, closed with the module: no other event loop can run while it is open."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
