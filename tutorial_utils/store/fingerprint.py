"""A hash of everything a trained model depends on, so that a stale one is never taken from the cache."""

import dis
import functools
import hashlib
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

import torch
from torch import Tensor, nn

PACKAGE = __package__.partition(".")[
    0
]  # whose own code counts by content, wherever it is installed
PLAIN = (
    str,
    bytes,
    int,
    float,
    complex,
    bool,
    type(None),
    type(...),
    slice,
    torch.dtype,
    torch.device,
    torch.Size,
)

# What Python itself puts into a class: no part of what it does, or different in every process (`__slotnames__`
# appears when an instance is first copied or pickled).
UNREAD = (
    "__module__",
    "__doc__",
    "__annotations__",
    "__static_attributes__",
    "__firstlineno__",
    "__slots__",
)
UNREAD += ("__slotnames__",)


def fingerprint(*things: object) -> str:
    """20 hexadecimal digits that change when any of `things` does.

    Of tensors and modules it reads every value; of functions and classes the byte code (comments
    and layout do not count), the defaults, the closure, and the global values and functions they
    use, as deep as they go; code from installed libraries counts by name and version.  Raises
    TypeError for a thing whose content it cannot read.
    """
    digest = hashlib.sha256()
    _feed(digest, things, {})
    return digest.hexdigest()[:20]


def _feed(digest, thing: object, seen: dict[int, tuple[int, object]]) -> None:
    """Add `thing` to the hash, each part preceded by its type; what was `seen` before, by its number."""
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
    elif isinstance(thing, (type, FunctionType, BuiltinFunctionType, ModuleType)) and _is_installed(
        thing
    ):
        digest.update(
            f"{_module(thing)}.{getattr(thing, '__qualname__', '')} {_version(thing)}".encode()
        )
        if hasattr(
            thing, "__wrapped__"
        ):  # our function under a library's decorator, such as torch.no_grad()
            _feed(digest, thing.__wrapped__, seen)
    elif id(thing) in seen:
        digest.update(f"number {seen[id(thing)][0]}".encode())
    else:
        seen[id(thing)] = (len(seen), thing)  # keeping the thing itself: a freed id may come back
        _feed(digest, _parts(thing), seen)


def _parts(thing: object) -> object:
    """What a function, class or object with state consists of, as things that `_feed` can read."""
    if isinstance(thing, FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        used = {
            name: thing.__globals__[name]
            for name in _globals_used(thing.__code__)
            if name in thing.__globals__
        }
        return [thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells, used]
    if isinstance(thing, CodeType):
        return [thing.co_code, thing.co_names, [_without_docstring(thing)]]
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
        return [
            thing.__name__,
            {name: value for name, value in _readable(thing).items() if not name.startswith("__")},
        ]
    if isinstance(thing, nn.Module):
        plain = {name: value for name, value in vars(thing).items() if not name.startswith("_")}
        return [
            type(thing),
            repr(thing),
            plain,
            thing.state_dict(),
            dict(thing.named_buffers()),
            list(thing.children()),
        ]
    if type(thing).__module__ == "numpy":
        return torch.as_tensor(thing)
    raise TypeError(
        f"cannot tell whether this {type(thing).__name__} has changed: what is trained may depend on numbers, "
        f"strings, tensors, modules, functions and lists or dicts of these, got {thing!r}"
    )


def _readable(thing: type | ModuleType) -> dict[str, object]:
    """What stands in a class or in a module of one's own: its functions, classes and values.

    A class of a notebook reaches another process with its parts in the order of their names: so it
    counts here.
    """
    kinds = (
        FunctionType,
        staticmethod,
        classmethod,
        property,
        type,
        Tensor,
        list,
        tuple,
        dict,
        *PLAIN,
    )
    parts = {
        name: value
        for name, value in vars(thing).items()
        if isinstance(value, kinds) and name not in UNREAD
    }
    sent = isinstance(thing, type) and (
        thing.__module__ == "__main__" or "<locals>" in thing.__qualname__
    )
    return dict(sorted(parts.items(), key=lambda part: part[0])) if sent else parts


@functools.lru_cache(maxsize=10_000)  # of the same functions, a sweep asks for each of its jobs
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
    """The constants of `code`; its first one is the docstring where it has one, and does not count."""
    has_docstring = (
        code.co_consts and isinstance(code.co_consts[0], str) and code.co_flags & 0x4000000
    )
    return code.co_consts[1:] if has_docstring else code.co_consts


def _module(thing: type | FunctionType | BuiltinFunctionType | ModuleType) -> str:
    """Where it was written: of a decorated function, where the decorator was."""
    if isinstance(thing, ModuleType):
        return thing.__name__
    return (
        thing.__globals__.get("__name__") if isinstance(thing, FunctionType) else thing.__module__
    ) or "builtins"


def _is_installed(thing: type | FunctionType | BuiltinFunctionType | ModuleType) -> bool:
    """Does it come from Python itself or from an installed library (other than this package)?"""
    top = _module(thing).partition(".")[0]
    if top in ("__main__", PACKAGE):
        return False
    if top in sys.stdlib_module_names:
        return True
    path = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path


def _version(thing: type | FunctionType | BuiltinFunctionType) -> str:
    return str(
        getattr(
            sys.modules.get(_module(thing).partition(".")[0]), "__version__", sys.version_info[:2]
        )
    )
