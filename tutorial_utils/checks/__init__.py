"""Checks of the exercises, a module per notebook: `check_...` says ok, not yet, or the mistake."""

from importlib import import_module


def __getattr__(name: str) -> dict[str, tuple]:
    """CHECKS: the checks of each notebook, {"00": (check_compression,), "01": (...), ...}."""
    if name != "CHECKS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules = {f"{n:02}": import_module(f".nb{n:02}", __name__) for n in range(10)}
    return {
        notebook: tuple(each for key, each in vars(module).items() if key.startswith("check_"))
        for notebook, module in modules.items()
    }
