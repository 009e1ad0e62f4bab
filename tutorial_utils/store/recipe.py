"""Recipe: what a model on the shelf was made from, in words that every Python and torch say alike.

The fingerprint of the cache reads byte code and the initial weights, so another Python or torch has
another.  The shelf travels: its recipe reads settings, data, and the text of functions.
"""

import ast
import functools
import hashlib
import inspect
import io
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType, ModuleType

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from .fingerprint import GLOBALS, PACKAGE, is_installed, looked_up, module_of

Recipe = dict[str, str]  # each part, such as "epochs", with what it is

MARKS = {tokenize.INDENT: "{", tokenize.DEDENT: "}", tokenize.NEWLINE: ";"}
SKIPPED = f"{PACKAGE}.support"  # messages and progress bars, which change no number
# Of each tensor that was hashed and still exists: its version then, and the hash.
HASHED = WeakTensorKeyDictionary()


def recipe(make_model: Callable, loss_fn: Callable, *, data: str, **settings: object) -> Recipe:
    """The recipe of `trained(…)`: the network, the loss, the data and each setting.

    data: a hash of the data.  A number or text stands for itself, anything else for the hash of
    what `recipe_lines` says.  Raises TypeError for a thing that has no description.
    """
    parts = {"network": make_model, "loss": loss_fn, **settings}
    return {"data": data} | {name: _said(value) for name, value in sorted(parts.items())}


def differences(ours: Recipe, theirs: Recipe) -> list[str]:
    """The parts in which two recipes differ, such as "epochs is 5, not 20"."""
    found = []
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(name, "missing"), theirs.get(name, "missing")
        if here != there:
            plain = name != "data" and "#" not in (here[0], there[0])
            found.append(f"{name} is {here}, not {there}" if plain else f"{name} has changed")
    return found


def _said(value: object) -> str:
    if isinstance(value, (str, int, float, bool, type(None))):
        return repr(value)
    return "#" + digest(value)


def digest(thing: object) -> str:
    """16 hexadecimal digits of what `recipe_lines` says of a thing."""
    found = hashlib.sha256()
    for text in recipe_lines(thing, set()):
        found.update(f"{text}\n".encode())
    return found.hexdigest()[:16]


def recipe_lines(thing: object, seen: set[int]) -> Iterator[str]:
    """Lines that change when the thing does: values, and the text of functions and classes.

    A function counts with its defaults, its closure and all that it uses of the notebook and of
    this package; an installed function or class counts by its name, without a version.
    seen: the ids of what is described already.
    """
    if isinstance(thing, (str, bytes, int, float, complex, type(None), slice, torch.Size)):
        yield f"{type(thing).__name__} {thing!r}"
    elif isinstance(thing, (torch.dtype, torch.device)):
        yield str(thing)
    elif isinstance(thing, Tensor):
        yield tensor_line(thing)
    elif isinstance(thing, np.ndarray):
        yield array_line(thing)
    elif isinstance(thing, (list, tuple, set, frozenset)):
        parts = sorted(thing, key=repr) if isinstance(thing, (set, frozenset)) else thing
        yield f"[{len(parts)}"
        for part in parts:
            yield from recipe_lines(part, seen)
    elif isinstance(thing, dict):
        yield from recipe_lines([*thing.items()], seen)
    elif isinstance(thing, functools.partial):
        yield from recipe_lines([thing.func, thing.args, thing.keywords], seen)
    elif isinstance(thing, MethodType):
        yield from recipe_lines([thing.__func__, thing.__self__], seen)
    elif isinstance(thing, ModuleType):
        yield f"module {thing.__name__.rpartition('.')[2]}"
    elif isinstance(thing, nn.Module):
        yield from recipe_lines([type(thing), thing.state_dict()], seen)
    elif isinstance(thing, (type, FunctionType)) or inspect.isbuiltin(thing):
        yield from _code_lines(thing, seen)
    elif hasattr(thing, "__wrapped__"):  # in a functools.lru_cache
        yield from recipe_lines(thing.__wrapped__, seen)
    else:
        raise TypeError(
            f"no recipe can be written down of a {type(thing).__name__}: allowed are numbers, "
            f"texts, tensors, modules, functions, classes, and lists or dicts of these; got {thing}"
        )


def tensor_line(x: Tensor) -> str:
    """`array_line` of a tensor: hashed once, and again when torch has changed it in place.

    All trainings of a sweep use the same data: 200 MB, which take a tenth of a second each time.
    """
    if x.is_inference():  # which have no version
        return array_line(x.cpu().numpy())
    version, line = HASHED.get(x, (None, ""))
    if version != x._version:
        line = array_line(x.detach().cpu().numpy())
        HASHED[x] = x._version, line
    return line


def array_line(array: np.ndarray) -> str:
    """The type, the shape and the hash of an array."""
    array = np.ascontiguousarray(array)
    return f"{array.dtype} {list(array.shape)} {hashlib.sha256(array).hexdigest()}"


def _code_lines(thing: type | FunctionType, seen: set[int]) -> Iterator[str]:
    """A function or a class: its text, and what it uses."""
    thing = inspect.unwrap(thing)
    yield thing.__qualname__
    ours = not is_installed(thing) and not module_of(thing).startswith(SKIPPED)
    if not ours or id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, type):
        yield from recipe_lines([base for base in thing.__bases__ if base is not object], seen)
        yield from recipe_lines(written(thing), seen)
        return
    yield text_of(inspect.getsource(thing))
    cells = [cell.cell_contents for cell in thing.__closure__ or ()]
    yield from recipe_lines([thing.__defaults__, thing.__kwdefaults__, cells], seen)
    for name in looked_up(thing.__code__, *GLOBALS):
        if name in thing.__globals__:
            yield name
            yield from recipe_lines(thing.__globals__[name], seen)


def written(kind: type) -> dict[str, object]:
    """What somebody wrote into a class: its methods, and the values that are no text."""
    found = {}
    for name, value in sorted(vars(kind).items()):
        if isinstance(value, property):
            value = value.fget
        elif isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        code = getattr(value, "__code__", None)
        generated = code is None or code.co_filename.startswith("<")  # of a NamedTuple, for example
        if not generated or (isinstance(value, (bool, int, float)) and name[:2] != "__"):
            found[name] = value
    return found


@functools.lru_cache(maxsize=1000)
def text_of(source: str) -> str:
    """The text of a function or class without comments, docstrings, errors and layout."""
    source = textwrap.dedent(source)
    left_out = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Raise) or is_text(node)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    words = [
        MARKS.get(token.type, token.string)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.start[0] not in left_out and token.type not in (tokenize.COMMENT, tokenize.NL)
    ]
    # Python 3.12 reads a text in braces as many words, and {{ as one brace.
    return "".join(words).replace(" ", "").replace("{{", "{").replace("}}", "}")


def is_text(node: ast.AST) -> bool:
    """Whether a statement is nothing but a text, as docstrings are."""
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)
