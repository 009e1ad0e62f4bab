"""Small models for tests of studios, always with the same weights; VAEs come from `make_vae`."""

import torch
from torch import nn

from tutorial_utils.models import Autoencoder, mlp
from tutorial_utils.training import local_seed


def make_autoencoder(code_size: int = 2) -> Autoencoder:
    """An untrained autoencoder of 8x8 images."""
    encoder, decoder = [64, 16, code_size], [code_size, 16, 64]
    with local_seed(5):
        return Autoencoder(mlp(encoder), mlp(decoder, out_shape=(1, 8, 8))).eval()


def make_judge(sizes: list[int], *, seed: int, scale: float = 1.0) -> nn.Module:
    """An untrained classifier with layers of these sizes.

    scale: of its weights; 3 makes it certain of most images.
    """
    with local_seed(seed):
        model = mlp(sizes).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights *= scale
    return model
