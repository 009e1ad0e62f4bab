"""Answers of a learner: a function is called so that nothing it does outlives the call."""

import _thread
import io
import random
import signal
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from textwrap import shorten
from types import SimpleNamespace

import numpy as np
import torch

from ..training import local_seed

SECONDS = 10.0  # a call is stopped after as many
PRINTED = 1000  # characters that a call may print


class TimeUp(BaseException):
    """Raised inside a function that runs for too long."""


def attempt(
    function: Callable, *arguments, seed: int = 0, quiet: bool = False
) -> tuple[object, BaseException | None]:
    """What a function returns, or what it stops with: (value, None) or (None, error).

    Even SystemExit is caught; only a learner who interrupts the kernel interrupts.  Random numbers
    start from `seed`.  What is printed is printed, up to a length, but not if `quiet`.  A call is
    stopped after SECONDS, in the main thread; elsewhere nothing can stop it.
    """
    prints = _Prints()
    try:
        with (
            _kept_settings(),
            _random_numbers_from(seed),
            _warnings_that_do_not_raise(),
            redirect_stdout(prints),
            torch.enable_grad(),
            _stopped_after(SECONDS) as limit,
        ):
            try:
                limit.running = True
                value = function(*arguments)
                limit.running = False
                if limit.was_up:
                    raise TimeUp
                return value, None
            except BaseException as error:
                limit.running = False
                if limit.by_hand:
                    raise
                return None, error
    finally:
        if not quiet:
            prints.show()


@contextmanager
def usual_settings() -> Iterator[None]:
    """PyTorch as it is when nothing is set, for checks under another default or without gradients.

    float32 on the CPU by default, with gradients.
    """
    with _kept_settings(), torch.inference_mode(False), torch.enable_grad():
        torch.set_default_dtype(torch.float32)
        if _default_device().type != "cpu":
            _set_default_device(torch.device("cpu"))
        yield


def _default_device() -> torch.device:
    """Where new tensors are; torch.get_default_device fails in some releases when none is set."""
    return torch.empty(0).device


def _set_default_device(device: torch.device) -> None:
    """None, where that is the same, costs nothing in later calls."""
    torch.set_default_device(None if device.type == "cpu" else device)


def _set_streams(streams: tuple) -> None:
    sys.stdout, sys.stderr = streams


SETTINGS: tuple[tuple[Callable, Callable], ...] = (  # how to read each one, and how to set it
    (torch.get_default_dtype, torch.set_default_dtype),
    (_default_device, _set_default_device),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (np.geterr, lambda errors: np.seterr(**errors)),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (lambda: (sys.stdout, sys.stderr), _set_streams),
)


@contextmanager
def _kept_settings() -> Iterator[None]:
    """Afterwards all global settings are what they were."""
    before = [read() for read, _ in SETTINGS]
    try:
        yield
    finally:
        for (read, write), value in zip(SETTINGS, before, strict=True):
            if read() != value:
                write(value)


@contextmanager
def _random_numbers_from(seed: int) -> Iterator[None]:
    """`local_seed`, for numpy's and Python's global random numbers as well."""
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with local_seed(seed):
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


@contextmanager
def _warnings_that_do_not_raise() -> Iterator[None]:
    """Warnings are shown, also where they are set to be errors; their filters stay as they were."""
    with warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default")
        yield


class _Prints(io.TextIOBase):
    """Keeps what is printed, up to PRINTED characters."""

    def __init__(self):
        self.parts, self.left = [], PRINTED

    def write(self, text: str) -> int:
        """Keep what still fits."""
        self.parts.append(text[: max(self.left, 0)])
        self.left -= len(text)
        if len(self.parts) > PRINTED:  # endless loops print for seconds
            self.parts = ["".join(self.parts)]
        return len(text)

    def show(self) -> None:
        """Print it."""
        text = "".join(self.parts)
        more = "\n… (your function printed more)\n" if self.left < 0 else ""
        if text:
            print(text + more, end="" if more or text.endswith("\n") else "\n")


@contextmanager
def _stopped_after(seconds: float) -> Iterator[SimpleNamespace]:
    """Inside, TimeUp is raised after so many seconds, and again each second after that.

    Gives an object that says whether the time .was_up, and whether a learner interrupted .by_hand.
    TimeUp is raised only while .running is set to True, so never in code of ours.
    Both come as the signal of Ctrl-C, which Python hands to its main thread on every system.
    """
    limit = SimpleNamespace(by_hand=False, is_up=False, was_up=False, running=False)
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous is None:
        yield limit
        return

    def handle(number: int, frame: object) -> None:
        if limit.is_up:
            limit.is_up = False
            if limit.running:
                raise TimeUp
        elif callable(previous):
            limit.by_hand = True
            previous(number, frame)

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            limit.is_up = limit.was_up = True
            wait = 1  # and again each second: the function may catch the first one
            _interrupt_main()

    done, thread = threading.Event(), threading.Thread(target=watch, daemon=True)
    signal.signal(signal.SIGINT, handle)
    thread.start()
    try:
        yield limit
    finally:
        limit.running = False
        done.set()
        thread.join()
        signal.signal(signal.SIGINT, previous)


def _interrupt_main() -> None:
    """Send the signal of Ctrl-C to the main thread; a real one, if possible, as it ends sleep."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        _thread.interrupt_main()


# ---- what a function stopped with ----

OURS = str(Path(__file__).parents[1])
STANDARD = tuple(sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib"))


def in_words(error: BaseException) -> str:
    """What a learner's function stopped with, and below it the lines of their code, innermost last.

    At most three lines of theirs, and none of ours or of a library.
    """
    if isinstance(error, TimeUp):
        text = f"your function was stopped after {SECONDS:g} seconds. Is there a loop without end?"
    else:
        text = f"your function stopped with {type(error).__name__}{_message(error)}"
    lines: list[str] = []
    for frame in traceback.extract_tb(error.__traceback__):
        line = _line(frame)
        if _is_theirs(frame.filename) and line not in lines[-3:]:  # functions that call themselves
            lines.append(line)
    return "\n".join([text, *lines[-3:]])


def _message(error: BaseException) -> str:
    """The message of an error behind a colon, on one line, cut between words if it is long."""
    try:
        text = str(error)
    except Exception:
        return ""
    return f": {cut(text, 120)}" if text else ""


def cut(text: str, width: int) -> str:
    """One line of at most `width` characters, cut between words where that is possible."""
    short = shorten(text, width, placeholder=" …")
    return short if short != "…" else text.split()[0][: width - 2] + " …"


def _is_theirs(filename: str) -> bool:
    """Is this a cell, or a file, of a learner?"""
    installed = {"site-packages", "dist-packages"} & set(Path(filename).parts)
    built_in = filename.startswith(("<frozen", "<__array", OURS, *STANDARD))
    return not installed and not built_in


def _line(frame: traceback.FrameSummary) -> str:
    """A line of a traceback, indented: its number, its function and its text."""
    is_file = "ipykernel" not in frame.filename and not frame.filename.startswith("<")
    where = f"line {frame.lineno}" + (f" of {Path(frame.filename).name}" if is_file else "")
    where += f", in {frame.name}" if frame.name != "<module>" else ""
    return f"    {where}: {cut(frame.line, 100)}" if frame.line else f"    {where}"
