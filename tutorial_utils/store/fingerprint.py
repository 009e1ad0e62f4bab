"""Fingerprint: a hash of everything a trained model depends on, which is the key of its file."""

import dis
import functools
import hashlib
import inspect
import re
import sys
import types
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType

import numpy as np
import torch
from torch import Tensor, nn

# The code of this package counts by its content, even when it is installed as a library.
PACKAGE = __package__.partition(".")[0]

# Values whose repr says all that there is to know.
PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...), slice)
PLAIN += (torch.dtype, torch.device, torch.Size, PurePath)

# What a module may hold that its behavior depends on.
CODE = (FunctionType, functools.partial, staticmethod, classmethod, property, type)
VALUES = (Tensor, nn.Module, list, tuple, dict, set, frozenset, np.ndarray, np.generic, *PLAIN)

# Entries that Python adds to every class.  They do not change what a class does, or they differ
# between processes: `__slotnames__` appears when an instance is first copied or pickled.
IGNORED = {"__module__", "__doc__", "__annotations__", "__static_attributes__"}
IGNORED |= {"__firstlineno__", "__slots__", "__slotnames__", "_abc_impl"}
# So are these: how an instance finds its attributes, its slots and the fields of a named tuple.
ADDED = (types.GetSetDescriptorType, types.MemberDescriptorType, type(inspect.Arguments.args))

# What torch itself keeps in a module; its parameters, buffers and children are read by name.
INTERNAL = {*vars(nn.Module()), "_flat_weights", "_flat_weight_refs"} - {"training"}
# The hooks among it that run in a training, each a dict {number: function}.
HOOKS = [name for name in vars(nn.Module()) if re.match("_(forward|backward).*hooks", name)]

# The operations of byte code that look a name up: outside of a function, and in another thing.
GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME")
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")

Named = type | FunctionType | types.BuiltinFunctionType | ModuleType  # what a module can define


def fingerprint(*things: object) -> str:
    """20 hexadecimal digits that change when any of `things` changes.

    It covers every value of tensors and modules, and their hooks; of functions and classes the byte
    code (not comments and layout), the defaults, the closure, the attributes, and all that they
    import or look up outside, directly or through others.  Code of installed libraries counts by
    name and version.  Raises TypeError for a thing whose content cannot be read.
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
    elif isinstance(thing, Named) and is_installed(thing):
        name = f"{module_of(thing)}.{getattr(thing, '__qualname__', '')} {_version(thing)}"
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
        names = looked_up(thing.__code__, *GLOBALS)
        used = {name: outside[name] for name in names if name in outside}
        values = [thing.__defaults__, thing.__kwdefaults__, cells, used, vars(thing)]
        more = _from_modules(thing, [*used.values(), *cells])
        return [thing.__code__, *values, *([more] if more else [])]
    if isinstance(thing, CodeType):
        names = [inspect.getargs(thing), thing.co_names]
        return [thing.co_code, *names, [_without_docstring(thing)]]
    if isinstance(thing, (functools.partial, functools.partialmethod)):
        return [thing.func, thing.args, thing.keywords]
    if isinstance(thing, types.MethodType):
        return [thing.__func__, thing.__self__]
    if isinstance(thing, types.UnionType):  # int | float
        return thing.__args__
    if isinstance(thing, (staticmethod, classmethod)):
        return thing.__func__
    if isinstance(thing, type(_imports)):  # a function in a functools.lru_cache
        return thing.__wrapped__
    if isinstance(thing, functools.cached_property):
        return thing.func
    if isinstance(thing, property):
        return [thing.fget, thing.fset]
    if isinstance(thing, type):
        return [thing.__qualname__, _readable(thing), thing.__bases__]
    if isinstance(thing, ModuleType):
        return [thing.__name__, _readable(thing)]
    if isinstance(thing, nn.Module):
        plain = {name: value for name, value in vars(thing).items() if name not in INTERNAL}
        tensors = [thing.state_dict(), dict(thing.named_buffers())]
        frozen = [name for name, value in thing.named_parameters() if not value.requires_grad]
        values, hooks = [plain, *tensors, frozen, list(thing.children())], _hooks(thing)
        return [type(thing), repr(thing), *values, *([hooks] if hooks else [])]
    if type(thing).__module__ == "numpy":
        return torch.as_tensor(thing)
    raise TypeError(
        f"cannot tell whether this {type(thing).__name__} has changed: what is trained may depend "
        f"on numbers, strings, tensors, modules, functions and lists or dicts of these, "
        f"got {thing!r}"
    )


def _readable(thing: type | ModuleType) -> dict[str, object]:
    """What a class holds, or the functions, classes and values that a module defines, by name.

    What a module has imported counts where it is used: a package that imports its names when they
    are first used holds more of them from one moment to the next.

    cloudpickle rebuilds notebook classes with sorted attributes; sort here too, so that both
    processes get one key.
    """
    if isinstance(thing, ModuleType):
        kinds, items = (*CODE, *VALUES), vars(thing).items()
        own = {k: v for k, v in items if isinstance(v, kinds) and not k.startswith("__")}
        return {k: v for k, v in own.items() if not _is_imported(v, thing)}
    parts = [
        (name, value)
        for name, value in vars(thing).items()
        if name not in IGNORED and not isinstance(value, ADDED)
    ]
    from_notebook = thing.__module__ == "__main__" or "<locals>" in thing.__qualname__
    return dict(sorted(parts, key=lambda part: part[0]) if from_notebook else parts)


def _is_imported(value: object, module: ModuleType) -> bool:
    """Whether a value that a module holds is a function or class that another one defines."""
    return isinstance(value, Named) and module_of(value) != module.__name__


def _hooks(module: nn.Module) -> dict[str, list[tuple[int, object]]]:
    """The hooks that run in a training, numbered from 0: torch counts those of all modules."""
    numbers = sorted({number for name in HOOKS for number in getattr(module, name)})
    hooks = {name: getattr(module, name).items() for name in HOOKS if getattr(module, name)}
    return {name: [(numbers.index(n), hook) for n, hook in pairs] for name, pairs in hooks.items()}


def _from_modules(function: FunctionType, used: list[object]) -> dict[str, object]:
    """What a function imports, and what else it looks up in modules, by its whole name.

    That is what `_readable` leaves out: a module in a package, a name that a package imports when
    it is first used, an object of any other kind.  used: the values outside that it uses.
    """
    found = _imported(function)
    modules = [*used, *found.values()]
    for module in modules:  # which grows
        if not isinstance(module, ModuleType) or is_installed(module):
            continue
        read = _readable(module)
        for name in looked_up(function.__code__, *ATTRIBUTES):
            if name in read or name.startswith("__"):
                continue
            whole, value = f"{module.__name__}.{name}", getattr(module, name, None)
            if value is not None and whole not in found:
                found[whole] = value
                modules.append(value)
    return found


def _imported(function: FunctionType) -> dict[str, object]:
    """What the import statements in a function give: an installed module, or names of another."""
    found = {}
    for name, level, parts in _imports(function.__code__):
        try:
            module = __import__(name, function.__globals__, None, parts, level)
        except ImportError:
            found[name] = None
            continue
        own = () if is_installed(module) else parts
        names = {f"{module.__name__}.{part}": getattr(module, part, None) for part in own}
        found |= names or {module.__name__: module}
    return found


@functools.lru_cache(maxsize=10_000)  # each job of a sweep reads the same functions
def looked_up(code: CodeType, *operations: str) -> list[str]:
    """Names that `code`, or a function inside it, looks up by these operations."""
    names = {step.argval for step in dis.get_instructions(code) if step.opname in operations}
    return sorted(names.union(*(looked_up(inner, *operations) for inner in _inner(code))))


@functools.lru_cache(maxsize=10_000)
def _imports(code: CodeType) -> list[tuple[str, int, tuple[str, ...]]]:
    """The modules that `code`, or a function inside it, imports.

    Each with the number of dots before its name, and the names that are imported from it.
    """
    steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
    triples = zip(steps, steps[1:], steps[2:], strict=False)
    found = [
        (step.argval, level.argval, names.argval or ())
        for level, names, step in triples
        if step.opname == "IMPORT_NAME"
    ]
    return found + [one for inner in _inner(code) for one in _imports(inner)]


def _inner(code: CodeType) -> list[CodeType]:
    """The code of the functions inside."""
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def _without_docstring(code: CodeType) -> tuple:
    """The constants of `code`, without its docstring, which comes first if there is one."""
    has_docstring = 0x4000000  # the flag CO_HAS_DOCSTRING, from Python 3.13 on
    first = code.co_consts[:1]
    if code.co_flags & has_docstring and first and isinstance(first[0], str):
        return code.co_consts[1:]
    return code.co_consts


def module_of(thing: Named) -> str:
    """The name of the module that defines it; for a decorated function, that of the decorator."""
    if isinstance(thing, ModuleType):
        return thing.__name__
    if isinstance(thing, FunctionType):
        return thing.__globals__.get("__name__") or "builtins"
    return thing.__module__ or "builtins"


def is_installed(thing: Named) -> bool:
    """Whether it belongs to Python or to an installed library other than this package."""
    top = module_of(thing).partition(".")[0]
    if top in ("__main__", PACKAGE):
        return False
    if top in sys.stdlib_module_names:
        return True
    path = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path


def _version(thing: Named) -> str:
    top = sys.modules.get(module_of(thing).partition(".")[0])
    return str(getattr(top, "__version__", sys.version_info[:2]))
