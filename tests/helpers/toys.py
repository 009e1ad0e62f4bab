"""A training so small that it takes no time, for tests of the cache; and what the cache holds."""

import torch
from torch import Tensor, nn

from tutorial_utils.losses import squared_error
from tutorial_utils.store.files import models_dir

X = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
SETTINGS = {"epochs": 2, "batch_size": 16, "lr": 1e-2}


def make_model() -> nn.Linear:
    """The model: it can copy any x."""
    return nn.Linear(3, 3)


def copy_loss(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Lowest for a model that copies x."""
    return {"loss": squared_error(model(x), x)}


def weights(model: nn.Module) -> Tensor:
    """All weights of a model, as one vector."""
    return torch.cat([value.detach().flatten() for value in model.state_dict().values()])


def same(a: nn.Module, b: nn.Module) -> bool:
    """Whether two models have the same weights, to the last bit."""
    return torch.equal(weights(a), weights(b))


def written() -> dict[str, int]:
    """When each file in the folder of models was written, by its name."""
    return {path.name: path.stat().st_mtime_ns for path in models_dir().glob("*")}


def kept() -> set[str]:
    """The names of the models that are cached."""
    return {path.name.rpartition("-")[0] for path in models_dir().glob("*.safetensors")}
