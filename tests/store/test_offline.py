"""Without a network: what promises to work does, and what cannot says what to do."""

import socket

import pytest
from helpers.toys import SETTINGS, X, copy_loss, make_model

from tutorial_utils.data import load_images
from tutorial_utils.store.pretrained import load_pretrained
from tutorial_utils.store.train import trained
from tutorial_utils.support import datasets


@pytest.fixture(autouse=True)
def no_network(monkeypatch, empty_data_dir, tmp_path):
    """Every way to reach another machine fails; the calls are counted."""
    calls = []

    def fail(*args, **_):
        calls.append(args)
        raise OSError("the network is unreachable (on purpose)")

    monkeypatch.setattr(socket.socket, "connect", fail)
    monkeypatch.setattr(socket.socket, "connect_ex", fail)
    monkeypatch.setattr(socket, "create_connection", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(datasets, "DEBIAN_FASHION", tmp_path / "no-such-folder")
    return calls


@pytest.mark.parametrize("name", ["mnist", "digits", "patches"])
def test_these_images_need_no_network(name, no_network):
    assert len(load_images(name).x_train) > 1000
    assert no_network == []


@pytest.mark.parametrize("name", ["vae_2d", "vae_20d"])
def test_a_pretrained_model_needs_no_network(name, no_network):
    assert load_pretrained(name).sample(3).shape == (3, 1, 28, 28)
    assert no_network == []


def test_training_and_the_cache_need_no_network(no_network):
    for _ in range(2):
        trained("offline", make_model, X, copy_loss, seed=0, **SETTINGS)
    assert no_network == []


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_what_needs_a_network_says_what_was_tried_and_what_to_do(name, no_network, empty_data_dir):
    with pytest.raises(ConnectionError) as caught:
        load_images(name)
    said = str(caught.value)
    assert no_network, "it did try"
    assert said.startswith(f'load_images("{name}")') and "\n\n" not in said
    parts = [str(empty_data_dir), "on purpose", "TUTORIAL_DATA", "Connect to a network", '"mnist"']
    assert not [part for part in parts if part not in said]
    assert ("dataset-fashion-mnist" in said) == (name == "fashion_mnist")
