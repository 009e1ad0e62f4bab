"""Fingerprint: a hash of everything a trained model depends on, which is the key of its file."""

import dis
import functools
import hashlib
import inspect
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np
import torch
from torch import Tensor, nn

# The code of this package counts by its content, even when it is installed as a library.
PACKAGE = __package__.partition(".")[0]

# Values whose repr says all that there is to know.
PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...), slice)
PLAIN += (torch.dtype, torch.device, torch.Size)

# What a class or module may hold that its behavior depends on.
CODE = (FunctionType, functools.partial, staticmethod, classmethod, property, type)
VALUES = (Tensor, nn.Module, list, tuple, dict, set, frozenset, np.ndarray, np.generic, *PLAIN)

# Entries that Python adds to every class.  They do not change what a class does, or they differ
# between processes: `__slotnames__` appears when an instance is first copied or pickled.
IGNORED = {"__module__", "__doc__", "__annotations__", "__static_attributes__"}
IGNORED |= {"__firstlineno__", "__slots__", "__slotnames__"}

# What torch itself keeps in a module; its parameters, buffers and children are read by name.
INTERNAL = {*vars(nn.Module()), "_flat_weights", "_flat_weight_refs"} - {"training"}

Named = type | FunctionType | BuiltinFunctionType | ModuleType  # what a module can define


def fingerprint(*things: object) -> str:
    """20 hexadecimal digits that change when any of `things` changes.

    It covers every value of tensors and modules; of functions and classes the byte code (not
    comments and layout), the defaults, the closure, and all global values and functions that they
    use, directly or through others.  Code of installed libraries counts by name and version.
    Raises TypeError for a thing whose content cannot be read.
    """
    digest = hashlib.sha256()
    _feed(digest, things, {})
    return digest.hexdigest()[:20]


def _feed(digest, thing: object, seen: dict[int, tuple[int, object]]) -> None:
    """Add `thing` to the hash, each part after the name of its type.

    seen: things with parts that are in the hash already, numbered; each is read only once.
    """
    digest.update(f"|{type(thing).__name__}:".encode())
    if isinstance(thing, PLAIN):
        digest.update(repr(thing).encode())
    elif isinstance(thing, Tensor):
        values = thing.detach().cpu().contiguous()
        digest.update(f"{values.dtype}{list(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy())
    elif isinstance(thing, (list, tuple)):
        for part in thing:
            _feed(digest, part, seen)
        digest.update(b"]")
    elif isinstance(thing, (set, frozenset)):
        _feed(digest, sorted(thing, key=repr), seen)
    elif isinstance(thing, dict):
        _feed(digest, [*thing.items()], seen)
    elif isinstance(thing, Named) and _is_installed(thing):
        name = f"{_module(thing)}.{getattr(thing, '__qualname__', '')} {_version(thing)}"
        digest.update(name.encode())
        if hasattr(thing, "__wrapped__"):  # our function in a library's decorator (torch.no_grad)
            _feed(digest, thing.__wrapped__, seen)
    elif id(thing) in seen:
        digest.update(f"number {seen[id(thing)][0]}".encode())
    else:
        seen[id(thing)] = (len(seen), thing)  # thing too: the id of a freed one may come back
        _feed(digest, _parts(thing), seen)


def _parts(thing: object) -> object:
    """The parts of a function, class or object, as things that `_feed` can read."""
    if isinstance(thing, FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        outside = thing.__globals__
        used = {name: outside[name] for name in _globals_used(thing.__code__) if name in outside}
        values = [thing.__defaults__, thing.__kwdefaults__, cells, used, vars(thing)]
        return [thing.__code__, *values]
    if isinstance(thing, CodeType):
        names = [inspect.getargs(thing), thing.co_names]
        return [thing.co_code, *names, [_without_docstring(thing)]]
    if isinstance(thing, functools.partial):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, MethodType):
        return [thing.__func__, thing.__self__]
    if isinstance(thing, (staticmethod, classmethod)):
        return thing.__func__
    if isinstance(thing, property):
        return [thing.fget, thing.fset]
    if isinstance(thing, type):
        return [thing.__qualname__, _readable(thing), thing.__bases__]
    if isinstance(thing, ModuleType):
        content = _readable(thing).items()
        return [thing.__name__, {k: value for k, value in content if not k.startswith("__")}]
    if isinstance(thing, nn.Module):
        plain = {name: value for name, value in vars(thing).items() if name not in INTERNAL}
        tensors = [thing.state_dict(), dict(thing.named_buffers())]
        frozen = [name for name, value in thing.named_parameters() if not value.requires_grad]
        return [type(thing), repr(thing), plain, *tensors, frozen, list(thing.children())]
    if type(thing).__module__ == "numpy":
        return torch.as_tensor(thing)
    raise TypeError(
        f"cannot tell whether this {type(thing).__name__} has changed: what is trained may depend "
        f"on numbers, strings, tensors, modules, functions and lists or dicts of these, "
        f"got {thing!r}"
    )


def _readable(thing: type | ModuleType) -> dict[str, object]:
    """The functions, classes and values that a class or a module defines, by name.

    cloudpickle rebuilds notebook classes with sorted attributes; sort here too, so that both
    processes get one key.
    """
    kinds = (*CODE, *VALUES)
    parts = {
        name: value
        for name, value in vars(thing).items()
        if isinstance(value, kinds) and name not in IGNORED
    }
    from_notebook = isinstance(thing, type) and (
        thing.__module__ == "__main__" or "<locals>" in thing.__qualname__
    )
    return dict(sorted(parts.items(), key=lambda part: part[0])) if from_notebook else parts


@functools.lru_cache(maxsize=10_000)  # each job of a sweep reads the same functions
def _globals_used(code: CodeType) -> list[str]:
    """Names that `code`, or a function inside it, looks up in its module."""
    names = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return sorted(names.union(*map(_globals_used, inner)))


def _without_docstring(code: CodeType) -> tuple:
    """The constants of `code`, without its docstring, which comes first if there is one."""
    has_docstring = 0x4000000  # the flag CO_HAS_DOCSTRING, from Python 3.13 on
    first = code.co_consts[:1]
    if code.co_flags & has_docstring and first and isinstance(first[0], str):
        return code.co_consts[1:]
    return code.co_consts


def _module(thing: Named) -> str:
    """The name of the module that defines it; for a decorated function, that of the decorator."""
    if isinstance(thing, ModuleType):
        return thing.__name__
    if isinstance(thing, FunctionType):
        return thing.__globals__.get("__name__") or "builtins"
    return thing.__module__ or "builtins"


def _is_installed(thing: Named) -> bool:
    """Whether it belongs to Python or to an installed library other than this package."""
    top = _module(thing).partition(".")[0]
    if top in ("__main__", PACKAGE):
        return False
    if top in sys.stdlib_module_names:
        return True
    path = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path


def _version(thing: Named) -> str:
    top = sys.modules.get(_module(thing).partition(".")[0])
    return str(getattr(top, "__version__", sys.version_info[:2]))
